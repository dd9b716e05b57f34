// SPDX-License-Identifier: Apache-2.0
#include "storage/plan/resume.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "wire/base/bencode.hpp"
#include "wire/base/hash.hpp"

namespace lodestone::storage {
namespace {

using wire::Bitfield;
using wire::Bytes;
using wire::ByteVector;
using wire::PieceIndex;
namespace bencode = wire::bencode;

constexpr std::int64_t kVersion = 1;
constexpr std::size_t kMarkSize = 16;
constexpr std::size_t kSpilledSize = 12;
constexpr std::uint64_t kNoFile = ~std::uint64_t{0};
constexpr std::int64_t kMaxGeneration = std::int64_t{1} << 62;

// The body is flat: a handful of tokens whatever the torrent's size.
constexpr bencode::Limits kLimits{4, 64, true, false};

ByteVector pack(const std::vector<FileMark>& marks) {
  ByteVector out(marks.size() * kMarkSize);
  std::uint8_t* at = out.data();
  for (const FileMark& mark : marks) {
    wire::store_be64(at, mark.exists ? mark.size : kNoFile);
    wire::store_be64(at + 8, static_cast<std::uint64_t>(mark.mtime_ns));
    at += kMarkSize;
  }
  return out;
}

std::vector<FileMark> unpack_marks(Bytes raw) {
  std::vector<FileMark> out(raw.size() / kMarkSize);
  const std::uint8_t* at = raw.data();
  for (FileMark& mark : out) {
    const std::uint64_t size = wire::load_be64(at);
    if (size != kNoFile) mark = {true, size, static_cast<std::int64_t>(wire::load_be64(at + 8))};
    at += kMarkSize;
  }
  return out;
}

ByteVector pack(const std::vector<SpilledBlock>& blocks) {
  ByteVector out(blocks.size() * kSpilledSize);
  std::uint8_t* at = out.data();
  for (const SpilledBlock& block : blocks) {
    wire::store_be32(at, block.ref.piece.value());
    wire::store_be32(at + 4, block.ref.block);
    wire::store_be32(at + 8, block.slot);
    at += kSpilledSize;
  }
  return out;
}

/// nullopt unless the piece and the block exist. No more slots than pieces are ever in use.
std::optional<SpilledBlock> checked(const wire::Geometry& geometry, std::uint32_t piece, std::uint32_t block,
                                    std::uint32_t slot) {
  const auto index = geometry.piece(piece);
  if (!index || block >= geometry.block_count(*index) || slot >= geometry.piece_count()) return std::nullopt;
  return SpilledBlock{{*index, block}, slot};
}

/// The body of an intact snapshot.
std::expected<bencode::View, ResumeError> open_body(bencode::Document& document, Bytes raw) {
  const auto root = document.parse(raw, kLimits);
  if (!root) return std::unexpected(ResumeError::not_bencode);
  const auto body = root->find_dict("body");
  const auto sum = root->find_string("sha1");
  if (!body || !sum) return std::unexpected(ResumeError::bad_field);
  const wire::Sha1Digest digest = wire::sha1(body->raw());
  if (!std::equal(sum->begin(), sum->end(), digest.begin(), digest.end()))
    return std::unexpected(ResumeError::bad_checksum);
  if (body->find_integer("version") != kVersion) return std::unexpected(ResumeError::unknown_version);
  return *body;
}

wire::SipKey journal_key(std::uint64_t generation) {
  wire::SipKey key;
  std::memcpy(key.data(), "lodestoneJournal", 8);
  wire::store_be64(key.data() + 8, generation);
  return key;
}

std::optional<JournalRecord> decode_record(const std::uint8_t* raw, const wire::SipKey& key) {
  if (wire::siphash(key, Bytes{raw, 16}) != wire::load_be64(raw + 16)) return std::nullopt;
  return JournalRecord{static_cast<JournalRecord::Kind>(wire::load_be32(raw)), wire::load_be32(raw + 4),
                       wire::load_be32(raw + 8), wire::load_be32(raw + 12)};
}

/// Which blocks the scratch file holds, while records are replayed.
class ScratchReplay {
 public:
  void add(const SpilledBlock& block) {
    const std::uint32_t piece = block.ref.piece.value();
    const auto owner = owners_.find(block.slot);
    // A slot is reused after its piece has left, and a piece that comes back may get another one.
    if (owner != owners_.end() && owner->second != piece) drop(owner->second);
    const auto known = pieces_.find(piece);
    if (known != pieces_.end() && known->second.slot != block.slot) drop(piece);
    owners_[block.slot] = piece;
    Piece& p = pieces_[piece];
    p.slot = block.slot;
    p.blocks.push_back(block.ref.block);
  }
  void drop(std::uint32_t piece) {
    const auto known = pieces_.find(piece);
    if (known == pieces_.end()) return;
    owners_.erase(known->second.slot);
    pieces_.erase(known);
  }
  [[nodiscard]] std::vector<SpilledBlock> result() {
    std::vector<SpilledBlock> out;
    for (auto& [piece, p] : pieces_) {
      std::sort(p.blocks.begin(), p.blocks.end());
      p.blocks.erase(std::unique(p.blocks.begin(), p.blocks.end()), p.blocks.end());
      for (const std::uint32_t block : p.blocks) out.push_back({{PieceIndex{piece}, block}, p.slot});
    }
    return out;
  }

 private:
  struct Piece {
    std::uint32_t slot = 0;
    std::vector<std::uint32_t> blocks;
  };
  std::map<std::uint32_t, Piece> pieces_;
  std::map<std::uint32_t, std::uint32_t> owners_;  // slot -> piece
};

/// False when the records cannot have been written by us for this torrent.
bool replay(const std::vector<JournalRecord>& records, const wire::Geometry& geometry, ResumeState& state,
            ScratchReplay& scratch) {
  using Kind = JournalRecord::Kind;
  std::vector<PieceIndex> written;
  for (const JournalRecord& record : records) {
    if (record.kind == Kind::synced) {
      if (record.a > written.size() || record.b > written.size() - record.a) return false;
      for (std::uint32_t i = record.a; i < record.a + record.b; ++i)
        if (state.check.reset(written[i])) state.have.set(written[i]);
      continue;
    }
    const auto piece = geometry.piece(record.a);
    if (!piece) return false;
    switch (record.kind) {
      case Kind::written:
        written.push_back(*piece);
        state.have.reset(*piece);
        state.check.set(*piece);
        state.foreign = false;
        scratch.drop(record.a);
        break;
      case Kind::lost:
        state.have.reset(*piece);
        state.check.reset(*piece);
        break;
      case Kind::spilled: {
        const auto block = checked(geometry, record.a, record.b, record.c);
        if (!block) return false;
        scratch.add(*block);
        break;
      }
      case Kind::dropped: scratch.drop(record.a); break;
      default: return false;
    }
  }
  return true;
}

}  // namespace

ByteVector encode_snapshot(const Snapshot& snapshot) {
  ByteVector body;
  bencode::Writer w{body};
  w.begin_dict();
  w.key("check").string(snapshot.check.wire());
  w.key("clean").integer(snapshot.clean ? 1 : 0);
  if (snapshot.clean) w.key("files").string(pack(snapshot.files));
  w.key("foreign").integer(snapshot.foreign ? 1 : 0);
  w.key("generation").integer(static_cast<std::int64_t>(snapshot.generation));
  w.key("have").string(snapshot.have.wire());
  w.key("info").string(snapshot.info_dict);
  w.key("parts").string(snapshot.parts.wire());
  w.key("scratch").string(pack(snapshot.spilled));
  w.key("version").integer(kVersion);
  w.end();

  ByteVector out;
  out.reserve(body.size() + 64);
  bencode::Writer{out}.begin_dict().key("body").raw(body).key("sha1").string(wire::sha1(body)).end();
  return out;
}

std::expected<Snapshot, ResumeError> decode_snapshot(Bytes raw, const wire::Geometry& geometry,
                                                     std::uint32_t file_count) {
  bencode::Document document;
  const auto body = open_body(document, raw);
  if (!body) return std::unexpected(body.error());

  const auto bits = [&](std::string_view key, std::uint32_t size) -> std::optional<Bitfield> {
    const auto value = body->find_string(key);
    if (!value) return std::nullopt;
    return Bitfield::from_wire(*value, size);
  };
  auto have = bits("have", geometry.piece_count());
  auto check = bits("check", geometry.piece_count());
  auto parts = bits("parts", file_count);
  const auto generation = body->find_integer("generation");
  const auto info = body->find_string("info");
  const auto scratch = body->find_string("scratch");
  if (!have || !check || !parts || !generation || *generation < 0 || *generation > kMaxGeneration || !info ||
      !scratch || scratch->size() % kSpilledSize != 0)
    return std::unexpected(ResumeError::bad_field);

  Snapshot out;
  out.generation = static_cast<std::uint64_t>(*generation);
  out.clean = body->find_integer("clean") == 1;
  out.foreign = body->find_integer("foreign") == 1;
  out.have = std::move(*have);
  out.check = std::move(*check);
  out.parts = std::move(*parts);
  if (out.clean) {
    const auto files = body->find_string("files");
    if (!files || files->size() != std::size_t{file_count} * kMarkSize) return std::unexpected(ResumeError::bad_field);
    out.files = unpack_marks(*files);
  }
  for (std::uint32_t i = 0; i < geometry.piece_count(); ++i)
    if (out.check.test(PieceIndex{i})) out.have.reset(PieceIndex{i});
  out.spilled.reserve(scratch->size() / kSpilledSize);
  for (std::size_t at = 0; at < scratch->size(); at += kSpilledSize) {
    const std::uint8_t* p = scratch->data() + at;
    const auto block = checked(geometry, wire::load_be32(p), wire::load_be32(p + 4), wire::load_be32(p + 8));
    if (!block) return std::unexpected(ResumeError::bad_field);
    out.spilled.push_back(*block);
  }
  out.info_dict.assign(info->begin(), info->end());
  return out;
}

std::optional<Bytes> snapshot_info_dict(Bytes raw) {
  bencode::Document document;
  const auto body = open_body(document, raw);
  if (!body) return std::nullopt;
  return body->find_string("info");
}

std::array<std::uint8_t, kJournalRecordSize> encode_record(std::uint64_t generation, const JournalRecord& record) {
  std::array<std::uint8_t, kJournalRecordSize> out;
  wire::store_be32(out.data(), static_cast<std::uint32_t>(record.kind));
  wire::store_be32(out.data() + 4, record.a);
  wire::store_be32(out.data() + 8, record.b);
  wire::store_be32(out.data() + 12, record.c);
  wire::store_be64(out.data() + 16, wire::siphash(journal_key(generation), Bytes{out.data(), 16}));
  return out;
}

Journal decode_journal(Bytes raw, std::uint64_t generation) {
  Journal out;
  const wire::SipKey key = journal_key(generation);
  std::size_t at = 0;
  for (; raw.size() - at >= kJournalRecordSize; at += kJournalRecordSize) {
    const auto record = decode_record(raw.data() + at, key);
    if (!record) {
      // A stop between the new snapshot and the end of the old journal leaves the old one lying: it is in the snapshot.
      const bool stale = at == 0 && generation > 0 && decode_record(raw.data(), journal_key(generation - 1));
      out.damaged = !stale;
      return out;
    }
    out.records.push_back(*record);
  }
  out.torn = at < raw.size();
  return out;
}

ResumeState merge(const std::optional<ByteVector>& snapshot, const std::optional<ByteVector>& journal,
                  const wire::Geometry& geometry, std::uint32_t file_count, Bytes info_dict) {
  ResumeState out;
  out.unknown = true;
  out.have = Bitfield{geometry.piece_count()};
  out.check = Bitfield{geometry.piece_count()};
  out.parts = Bitfield{file_count};
  if (!snapshot) return out;
  auto base = decode_snapshot(*snapshot, geometry, file_count);
  if (!base || !std::equal(info_dict.begin(), info_dict.end(), base->info_dict.begin(), base->info_dict.end()))
    return out;

  out.usable = true;
  out.generation = base->generation;
  out.foreign = base->foreign;
  out.have = std::move(base->have);
  out.check = std::move(base->check);
  out.parts = std::move(base->parts);
  out.files = std::move(base->files);
  ScratchReplay scratch;
  for (const SpilledBlock& block : base->spilled) scratch.add(block);

  const Journal log = decode_journal(journal ? Bytes{*journal} : Bytes{}, base->generation);
  const bool sound = replay(log.records, geometry, out, scratch);
  out.unknown = log.damaged || !sound;
  out.clean = base->clean && log.records.empty() && !out.unknown;
  if (!out.clean) out.files.clear();
  // Without the journal's end nobody can say which piece a slot belongs to.
  if (!out.unknown) out.spilled = scratch.result();
  return out;
}

}  // namespace lodestone::storage
