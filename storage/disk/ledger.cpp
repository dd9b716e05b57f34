// SPDX-License-Identifier: Apache-2.0
#include "storage/disk/ledger.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "storage/disk/piece_io.hpp"

namespace lodestone::storage {
namespace {

using Kind = JournalRecord::Kind;

/// A journal longer than this and than the snapshot that would replace it is worth a new snapshot.
constexpr std::uint64_t kLongJournal = 1u << 20;

}  // namespace

Trouble Ledger::begin(std::shared_ptr<const Manifest> manifest, Beginning&& beginning) {
  const std::lock_guard lock{mutex_};
  manifest_ = std::move(manifest);
  const std::uint32_t pieces = manifest_->layout.geometry().piece_count();
  have_ = std::move(beginning.have);
  pending_ = std::move(beginning.check);
  unsynced_ = wire::Bitfield{pieces};
  parts_ = wire::Bitfield{static_cast<std::uint32_t>(manifest_->layout.files().size())};
  for (std::uint32_t i = 0; i < beginning.parts.size(); ++i)
    if (beginning.parts[i]) parts_.set(wire::PieceIndex{i});
  newcomers_ = std::move(beginning.newcomers);
  for (const std::uint32_t file : newcomers_) parts_.set(wire::PieceIndex{file});
  parked_ = std::move(beginning.parked);
  foreign_ = beginning.foreign;
  generation_ = beginning.generation;
  spilled_.clear();
  slots_.clear();
  since_sync_.clear();
  for (const SpilledBlock& block : beginning.spilled) admit(block);
  // Without its snapshot a journal says nothing, and its generation might come again.
  if (!beginning.usable) files_->erase(StateBlob::journal);
  return take_snapshot(false);
}

Trouble Ledger::written(wire::PieceIndex piece) {
  const std::lock_guard lock{mutex_};
  if (Trouble trouble = settle(piece)) return trouble;
  const JournalRecord record{Kind::written, piece.value()};
  if (Trouble trouble = append({&record, 1})) return trouble;
  ++records_written_;
  since_sync_.push_back(piece);
  have_.set(piece);
  unsynced_.set(piece);
  pending_.reset(piece);
  foreign_ = false;
  free_slot(piece);
  return {};
}

Trouble Ledger::lost(wire::PieceIndex piece) {
  const std::lock_guard lock{mutex_};
  pending_.reset(piece);
  const bool had = have_.reset(piece);
  unsynced_.reset(piece);
  ++losses_;
  // It is the newcomer's bytes that are bad. Without a record the snapshot goes on naming it as one to be hashed, and
  // should the file be unwanted again the bytes in the parts blob will do.
  const auto [begin, end] = touched(piece);
  if (!had && begin < end && parked_.test(piece)) return {};
  const JournalRecord record{Kind::lost, piece.value()};
  Trouble trouble = append({&record, 1});
  // Nobody may believe the snapshot again, not even when the journal's end gets lost.
  return had ? take_snapshot(false) : trouble;
}

bool Ledger::has(wire::PieceIndex piece) const {
  const std::lock_guard lock{mutex_};
  return have_.test(piece);
}

Trouble Ledger::sync() {
  std::vector<wire::PieceIndex> pieces;
  std::uint32_t first = 0;
  std::uint64_t generation = 0;
  std::uint64_t losses = 0;
  {
    const std::lock_guard lock{mutex_};
    pieces = std::exchange(since_sync_, {});
    first = records_written_ - static_cast<std::uint32_t>(pieces.size());
    generation = generation_;
    losses = losses_;
  }
  // What could not be synced stays unsynced for good: the kernel may drop pages after it has told of the error once, so
  // a later success says nothing about them. The same holds for what was written while the sync ran. The next start
  // will hash them.
  if (const auto code = files_->sync()) {
    const std::lock_guard lock{mutex_};
    since_sync_.clear();
    return {classify(code), code, manifest_->layout.files().empty() ? std::string{} : files_->path(std::uint32_t{0})};
  }

  const std::lock_guard lock{mutex_};
  // A piece that was lost meanwhile may have been written anew, after this sync began: then none of them is marked.
  if (losses != losses_) return {};
  for (const wire::PieceIndex piece : pieces) unsynced_.reset(piece);
  if (!pieces.empty() && generation == generation_) {
    const JournalRecord record{Kind::synced, first, static_cast<std::uint32_t>(pieces.size())};
    if (Trouble trouble = append({&record, 1})) return trouble;
  }
  if (journal_bytes_ > std::max(kLongJournal, snapshot_bytes_)) return take_snapshot(false);
  return {};
}

Trouble Ledger::finish() {
  if (Trouble trouble = sync()) return trouble;
  const std::lock_guard lock{mutex_};
  if (Trouble trouble = take_snapshot(true)) return trouble;
  const auto holds = [](const auto& piece) { return piece.second.count > 0; };
  if (std::none_of(spilled_.begin(), spilled_.end(), holds)) files_->erase(StateBlob::scratch);
  if (parts_.none()) files_->erase(StateBlob::parts);
  return {};
}

std::uint64_t Ledger::place(wire::PieceIndex piece) {
  const std::lock_guard lock{mutex_};
  const auto [it, fresh] = spilled_.try_emplace(piece.value());
  if (fresh) {
    const auto free = std::find(slots_.begin(), slots_.end(), false);
    it->second.slot = static_cast<std::uint32_t>(free - slots_.begin());
    it->second.blocks.resize(manifest_->layout.geometry().block_count(piece));
    if (free == slots_.end()) {
      slots_.push_back(true);
    } else {
      *free = true;
    }
  }
  return std::uint64_t{it->second.slot} * manifest_->layout.geometry().piece_length();
}

Trouble Ledger::spilled(std::span<const wire::BlockRef> refs) {
  const std::lock_guard lock{mutex_};
  std::vector<SpilledBlock> blocks;
  std::vector<JournalRecord> records;
  for (const wire::BlockRef ref : refs) {
    const auto it = spilled_.find(ref.piece.value());
    assert(it != spilled_.end());  // place() comes before, and nobody stores a piece whose blocks still travel
    blocks.push_back({ref, it->second.slot});
    records.push_back({Kind::spilled, ref.piece.value(), ref.block, it->second.slot});
  }
  if (Trouble trouble = append(records)) return trouble;
  for (const SpilledBlock& block : blocks) admit(block);
  return {};
}

std::optional<std::uint64_t> Ledger::complete_place(wire::PieceIndex piece) const {
  const std::lock_guard lock{mutex_};
  const auto it = spilled_.find(piece.value());
  if (it == spilled_.end() || it->second.count != it->second.blocks.size()) return std::nullopt;
  return std::uint64_t{it->second.slot} * manifest_->layout.geometry().piece_length();
}

Trouble Ledger::dropped(wire::PieceIndex piece) {
  const std::lock_guard lock{mutex_};
  const JournalRecord record{Kind::dropped, piece.value()};
  Trouble trouble = append({&record, 1});
  free_slot(piece);
  return trouble;
}

Trouble Ledger::append(std::span<const JournalRecord> records) {
  wire::ByteVector bytes;
  bytes.reserve(records.size() * kJournalRecordSize);
  for (const JournalRecord& record : records) {
    const auto encoded = encode_record(generation_, record);
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
  }
  if (const auto code = files_->append(StateBlob::journal, bytes))
    return trouble_with(*files_, StateBlob::journal, code);
  journal_bytes_ += bytes.size();
  return {};
}

Snapshot Ledger::picture(bool clean) const {
  Snapshot out;
  out.generation = generation_ + 1;
  out.foreign = foreign_;
  out.have = have_;
  out.check = pending_;
  for (std::uint32_t i = 0; i < unsynced_.size() && !unsynced_.none(); ++i) {
    const wire::PieceIndex piece{i};
    if (!unsynced_.test(piece)) continue;
    out.have.reset(piece);
    out.check.set(piece);
  }
  for (const std::uint32_t file : newcomers_) {
    const auto [first, last] = manifest_->layout.pieces_of(file);
    for (std::uint32_t p = first; p <= last; ++p)
      if (parked_.test(wire::PieceIndex{p})) out.check.set(wire::PieceIndex{p});
  }
  out.parts = parts_;
  for (const auto& [piece, spilled] : spilled_)
    for (std::uint32_t block = 0; block < spilled.blocks.size(); ++block)
      if (spilled.blocks[block]) out.spilled.push_back({{wire::PieceIndex{piece}, block}, spilled.slot});
  out.info_dict = manifest_->info_dict;
  out.clean = clean;
  if (clean) {
    const auto& entries = manifest_->layout.files();
    out.files.resize(entries.size());
    for (std::uint32_t file = 0; file < entries.size(); ++file) {
      FileStat st;
      if (entries[file].pad || parts_.test(wire::PieceIndex{file}) || files_->stat(file, st) || !st.exists) continue;
      out.files[file] = {true, st.size, st.mtime_ns};
    }
  }
  return out;
}

Trouble Ledger::take_snapshot(bool clean) {
  const wire::ByteVector bytes = encode_snapshot(picture(clean));
  if (const auto code = files_->replace(StateBlob::snapshot, bytes))
    return trouble_with(*files_, StateBlob::snapshot, code);
  // From here on the old journal does not verify, so it matters to nobody when it goes.
  files_->erase(StateBlob::journal);
  ++generation_;
  snapshot_bytes_ = bytes.size();
  journal_bytes_ = 0;
  records_written_ = 0;
  // These are "to be hashed" in the snapshot; for a synced-mark to reach them the new journal must know them, too.
  const std::vector<wire::PieceIndex> waiting = std::exchange(since_sync_, {});
  std::vector<JournalRecord> records;
  for (const wire::PieceIndex piece : waiting)
    if (have_.test(piece)) records.push_back({Kind::written, piece.value()});
  if (records.empty()) return {};
  if (Trouble trouble = append(records)) return trouble;
  records_written_ = static_cast<std::uint32_t>(records.size());
  for (const JournalRecord& record : records) since_sync_.push_back(wire::PieceIndex{record.a});
  return {};
}

std::pair<std::size_t, std::size_t> Ledger::touched(wire::PieceIndex piece) const {
  // Files lie in the order of their pieces.
  const auto before = [&](std::uint32_t file) { return manifest_->layout.pieces_of(file).second < piece.value(); };
  const auto not_after = [&](std::uint32_t file) { return manifest_->layout.pieces_of(file).first <= piece.value(); };
  const auto begin = std::partition_point(newcomers_.begin(), newcomers_.end(), before);
  const auto end = std::partition_point(begin, newcomers_.end(), not_after);
  return {static_cast<std::size_t>(begin - newcomers_.begin()), static_cast<std::size_t>(end - newcomers_.begin())};
}

Trouble Ledger::settle(wire::PieceIndex piece) {
  const auto [begin, end] = touched(piece);
  if (begin == end) return {};
  const std::vector<std::uint32_t> before = newcomers_;
  newcomers_.erase(newcomers_.begin() + static_cast<std::ptrdiff_t>(begin),
                   newcomers_.begin() + static_cast<std::ptrdiff_t>(end));
  for (std::size_t i = begin; i < end; ++i) parts_.reset(wire::PieceIndex{before[i]});
  Trouble trouble = take_snapshot(false);
  if (trouble) {
    newcomers_ = before;
    for (std::size_t i = begin; i < end; ++i) parts_.set(wire::PieceIndex{before[i]});
  }
  return trouble;
}

void Ledger::free_slot(wire::PieceIndex piece) {
  const auto it = spilled_.find(piece.value());
  if (it == spilled_.end()) return;
  slots_[it->second.slot] = false;
  spilled_.erase(it);
  if (spilled_.empty()) {
    slots_.clear();
    files_->erase(StateBlob::scratch);
  }
}

void Ledger::admit(const SpilledBlock& block) {
  Spilled& piece = spilled_[block.ref.piece.value()];
  if (piece.blocks.empty()) {
    piece.slot = block.slot;
    piece.blocks.resize(manifest_->layout.geometry().block_count(block.ref.piece));
    if (slots_.size() <= block.slot) slots_.resize(block.slot + std::size_t{1});
    slots_[block.slot] = true;
  }
  if (piece.blocks[block.ref.block]) return;
  piece.blocks[block.ref.block] = true;
  ++piece.count;
}

}  // namespace lodestone::storage
