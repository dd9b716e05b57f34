// SPDX-License-Identifier: Apache-2.0
#include "storage/disk/executor.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "storage/disk/ledger.hpp"
#include "storage/disk/opening.hpp"
#include "storage/disk/piece_io.hpp"
#include "storage/plan/resume.hpp"

namespace lodestone::storage {
namespace {

using wire::Bytes;
using wire::ByteVector;

/// Pieces are read for hashing in steps of this size.
constexpr std::size_t kReadChunk = 256 * 1024;
/// A spilled piece up to this length is held in memory between hash and write; a longer one is read twice.
constexpr std::size_t kSpilledBuffer = 16u << 20;

std::vector<Bytes> spans_of(const std::vector<wire::Block>& blocks) {
  std::vector<Bytes> out;
  out.reserve(blocks.size());
  for (const wire::Block& block : blocks) out.push_back(block.bytes());
  return out;
}

wire::Sha1Digest digest_of(std::span<const Bytes> data) {
  wire::Sha1 hasher;
  for (const Bytes bytes : data) hasher.update(bytes);
  return hasher.finish();
}

/// Of each of them, in order.
std::vector<wire::Sha1Digest> digests_of(std::span<const Bytes> data) {
  std::vector<wire::Sha1Digest> out;
  out.reserve(data.size());
  for (const Bytes bytes : data) out.push_back(wire::sha1(bytes));
  return out;
}

}  // namespace

struct Store::State {
  explicit State(std::unique_ptr<FileSet> set) : files(std::move(set)), ledger(*files) {}

  Result run(job::Open&& job);
  Result run(job::CheckPiece&& job);
  Result run(job::StorePiece&& job);
  Result run(job::Spill&& job);
  Result run(job::StoreSpilled&& job);
  Result run(job::Read&& job);
  Result run(job::Sync&& job);
  Result run(job::Close&& job);

  [[nodiscard]] Trouble create(const std::vector<std::uint32_t>& absent);
  [[nodiscard]] Trouble spill(const job::Spill& job);
  /// Reads a spilled piece from its place in steps of at most buffer.size(); f(offset in the piece, bytes) -> Trouble.
  template <class F>
  [[nodiscard]] Trouble read_place(std::uint64_t place, std::uint32_t length, wire::MutableBytes buffer, F&& f);
  [[nodiscard]] std::vector<wire::Sha1Digest> block_digests(std::uint64_t place, wire::PieceIndex piece);

  [[nodiscard]] const Manifest& manifest() const { return *ledger.manifest(); }
  [[nodiscard]] const Layout& layout() const { return ledger.manifest()->layout; }
  [[nodiscard]] const wire::Sha1Digest& expected(wire::PieceIndex piece) const {
    return manifest().pieces[piece.value()];
  }

  std::unique_ptr<FileSet> files;
  Ledger ledger;
};

Store::Store(std::unique_ptr<FileSet> files) : state_(std::make_unique<State>(std::move(files))) {}
Store::~Store() = default;
FileSet& Store::files() { return *state_->files; }

Result Store::execute(Job&& job) {
  return std::visit([this](auto&& one) { return state_->run(std::move(one)); }, std::move(job));
}

// --- open and close ---

Trouble Store::State::create(const std::vector<std::uint32_t>& absent) {
  // All of them and now: a directory that cannot be written is told at the start, not after the first piece.
  for (const std::uint32_t file : absent)
    if (const auto code = files->create(file)) return trouble_with(*files, file, code);
  return {};
}

Result Store::State::run(job::Open&& job) {
  assert(job.manifest && job.manifest->pieces.size() == job.manifest->layout.geometry().piece_count());
  const Layout& at = job.manifest->layout;
  const auto file_count = static_cast<std::uint32_t>(at.files().size());
  assert(job.wanted.empty() || job.wanted.size() == file_count);
  if (job.wanted.empty()) job.wanted.assign(file_count, true);
  result::Opened out;

  files->set_layout(job.manifest);
  const ResumeState resume = merge(files->load(StateBlob::snapshot), files->load(StateBlob::journal), at.geometry(),
                                   file_count, job.manifest->info_dict);
  Survey found = survey(*files, *job.manifest, resume, job.wanted, job.force);
  if (found.trouble) {
    out.trouble = std::move(found.trouble);
    // The info dict is kept (M6), and that the files are not known to be ours.
    if (!resume.usable) {
      Ledger::Beginning nothing;
      nothing.foreign = true;
      nothing.have = nothing.check = wire::Bitfield{at.geometry().piece_count()};
      static_cast<void>(ledger.begin(job.manifest, std::move(nothing)));
    }
    return out;
  }
  if (Trouble trouble = create(found.absent)) {
    out.trouble = std::move(trouble);
    return out;
  }
  Ledger::Beginning beginning;
  beginning.usable = resume.usable;
  beginning.generation = resume.generation;
  beginning.foreign = found.stateless && !found.foreign.empty();
  beginning.have = found.have;
  beginning.check = found.check;
  beginning.parts = std::move(found.parts);
  beginning.newcomers = std::move(found.newcomers);
  beginning.parked = std::move(found.parked);
  beginning.spilled = found.spilled;
  if (Trouble trouble = ledger.begin(job.manifest, std::move(beginning))) {
    out.trouble = std::move(trouble);
    return out;
  }
  // What cannot be carried over is fetched again: that its piece is hashed decides.
  for (const Carry& carry : found.carry) static_cast<void>(files->adopt(carry.file, carry.offset, carry.length));
  out.have = std::move(found.have);
  out.check = std::move(found.check);
  out.foreign = std::move(found.foreign);
  for (const SpilledBlock& block : found.spilled) out.spilled.push_back(block.ref);
  return out;
}

Result Store::State::run(job::Sync&&) { return result::Synced{ledger.sync()}; }

Result Store::State::run(job::Close&&) {
  if (!ledger.manifest()) return result::Closed{};
  Trouble trouble = ledger.finish();
  files->close();
  return result::Closed{std::move(trouble)};
}

// --- pieces ---

Result Store::State::run(job::CheckPiece&& job) {
  ByteVector buffer(std::min<std::size_t>(kReadChunk, layout().geometry().length(job.piece)));
  PieceDigest found = hash_piece(*files, layout(), job.piece, buffer);
  result::PieceChecked out{job.piece, false, {}};
  if (found.trouble && !is_absence(found.trouble)) {
    out.trouble = std::move(found.trouble);
    return out;
  }
  out.good = !found.trouble && found.digest == expected(job.piece);
  if (!out.good) {
    const bool had = ledger.has(job.piece);
    Trouble trouble = ledger.lost(job.piece);
    // A piece that nobody counted on needs no record: without one it is hashed again, that is all.
    if (had) out.trouble = std::move(trouble);
    return out;
  }
  if (ledger.has(job.piece)) return out;
  // Whoever wrote it may have been killed a moment ago: it counts as synced only after a sync of ours.
  std::vector<FileSlice> slices;
  layout().slices(layout().geometry().offset(job.piece), layout().geometry().length(job.piece), slices);
  for (const FileSlice& slice : slices)
    if (!layout().files()[slice.file].pad) files->mark_dirty(slice.file);
  out.trouble = ledger.written(job.piece);
  if (out.trouble) out.good = false;
  return out;
}

Result Store::State::run(job::StorePiece&& job) {
  assert(job.blocks.size() == layout().geometry().block_count(job.piece));
  const std::vector<Bytes> data = spans_of(job.blocks);
  if (digest_of(data) != expected(job.piece))
    return result::PieceCorrupt{job.piece, std::move(job.blocks), digests_of(data)};
  Trouble trouble = write_stream(*files, layout(), layout().geometry().offset(job.piece), data);
  if (!trouble) trouble = ledger.written(job.piece);
  if (trouble) return result::PieceFailed{job.piece, std::move(job.blocks), std::move(trouble)};
  // Here and not by whoever compares them: a piece of hashing would hold up the network thread (D5).
  std::vector<wire::Sha1Digest> digests;
  if (job.digests) digests = digests_of(data);
  return result::PieceStored{job.piece, std::move(job.blocks), std::move(digests)};
}

Result Store::State::run(job::Read&& job) {
  assert(job.into && job.range.length <= wire::kBlockSize);
  job.into.resize(job.range.length);
  Trouble trouble =
      read_stream(*files, layout(), layout().geometry().offset(job.range.piece) + job.range.begin, job.into.bytes());
  return result::BlockRead{job.range, std::move(job.into), job.cookie, std::move(trouble)};
}

// --- scratch ---

Trouble Store::State::spill(const job::Spill& job) {
  assert(job.refs.size() == job.blocks.size());
  std::vector<Bytes> run;
  for (std::size_t i = 0; i < job.refs.size();) {
    // Blocks that follow each other in a piece are written at once.
    const wire::BlockRef first = job.refs[i];
    run.clear();
    while (i < job.refs.size() && job.refs[i].piece == first.piece && job.refs[i].block == first.block + run.size())
      run.push_back(job.blocks[i++].bytes());
    const std::uint64_t at = ledger.place(first.piece) + wire::Geometry::block_begin(first);
    if (const auto code = files->write_scratch(at, run)) return trouble_with(*files, StateBlob::scratch, code);
  }
  return ledger.spilled(job.refs);
}

Result Store::State::run(job::Spill&& job) {
  Trouble trouble = spill(job);
  return result::Spilled{std::move(job.refs), std::move(job.blocks), std::move(trouble)};
}

template <class F>
Trouble Store::State::read_place(std::uint64_t place, std::uint32_t length, wire::MutableBytes buffer, F&& f) {
  for (std::uint64_t at = 0; at < length;) {
    const auto chunk = buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), length - at)));
    if (const auto code = files->read_scratch(place + at, chunk)) return trouble_with(*files, StateBlob::scratch, code);
    if (Trouble trouble = f(at, Bytes{chunk})) return trouble;
    at += chunk.size();
  }
  return {};
}

std::vector<wire::Sha1Digest> Store::State::block_digests(std::uint64_t place, wire::PieceIndex piece) {
  std::vector<wire::Sha1Digest> out;
  ByteVector buffer(wire::kBlockSize);
  const Trouble trouble = read_place(place, layout().geometry().length(piece), buffer, [&](std::uint64_t, Bytes block) {
    out.push_back(wire::sha1(block));
    return Trouble{};
  });
  // No comparison is better than one with half of the blocks.
  if (trouble) out.clear();
  return out;
}

Result Store::State::run(job::StoreSpilled&& job) {
  const auto place = ledger.complete_place(job.piece);
  assert(place);
  const std::uint32_t length = layout().geometry().length(job.piece);
  const std::uint64_t offset = layout().geometry().offset(job.piece);
  ByteVector buffer(std::min<std::size_t>(kSpilledBuffer, length));

  wire::Sha1 hasher;
  Trouble trouble = read_place(*place, length, buffer, [&](std::uint64_t, Bytes chunk) {
    hasher.update(chunk);
    return Trouble{};
  });
  if (trouble && is_absence(trouble)) {
    // Somebody removed the scratch file. Trying again cannot help; fetching again does.
    static_cast<void>(ledger.dropped(job.piece));
    return result::PieceCorrupt{job.piece, {}, {}};
  }
  if (trouble) return result::PieceFailed{job.piece, {}, std::move(trouble)};
  if (hasher.finish() != expected(job.piece)) {
    result::PieceCorrupt out{job.piece, {}, block_digests(*place, job.piece)};
    // If this cannot be recorded the blocks are found again after a restart, and are found bad again.
    static_cast<void>(ledger.dropped(job.piece));
    return out;
  }

  std::vector<wire::Sha1Digest> digests;
  if (job.digests) digests = block_digests(*place, job.piece);
  const auto write = [&](std::uint64_t at, Bytes chunk) {
    return write_stream(*files, layout(), offset + at, {&chunk, 1});
  };
  trouble = buffer.size() == length ? write(0, buffer) : read_place(*place, length, buffer, write);
  if (!trouble) trouble = ledger.written(job.piece);
  if (trouble) return result::PieceFailed{job.piece, {}, std::move(trouble)};
  return result::PieceStored{job.piece, {}, std::move(digests)};
}

}  // namespace lodestone::storage
