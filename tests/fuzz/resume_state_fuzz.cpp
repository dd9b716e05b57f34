// SPDX-License-Identifier: Apache-2.0
// Resume state: snapshot and journal, as a disk may give them back. Input: a mode byte, the snapshot's length (2 B,
// big-endian), the snapshot, the journal.
//   mode bit 0   the snapshot is only the body: the frame with its right SHA-1 is put around it
//   mode bit 1   the journal is 16-byte records: each gets its right checksum
// so that what the sums protect is reached, too. Also torn: the journal cut at each place gives a sound state.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>

#include "storage/plan/resume.hpp"
#include "wire/base/bencode.hpp"
#include "wire/base/hash.hpp"

namespace {

using namespace lodestone;
using namespace lodestone::storage;

constexpr std::uint32_t kFiles = 3;
const wire::Geometry kGeometry = *wire::Geometry::make(20 * 65'536 - 100, 65'536);

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const ResumeState& state) {
  require(state.have.size() == kGeometry.piece_count() && state.check.size() == kGeometry.piece_count());
  require(state.parts.size() == kFiles);
  require(state.usable || (state.unknown && !state.clean && state.have.none() && state.check.none()));
  require(!state.clean || (!state.unknown && state.files.size() == kFiles));
  require(!state.unknown || state.spilled.empty());
  for (std::uint32_t p = 0; p < kGeometry.piece_count(); ++p)
    require(!(state.have.test(wire::PieceIndex{p}) && state.check.test(wire::PieceIndex{p})));
  std::map<std::uint32_t, std::uint32_t> slot_of, owner_of;
  for (std::size_t i = 0; i < state.spilled.size(); ++i) {
    const SpilledBlock& block = state.spilled[i];
    require(kGeometry.piece(block.ref.piece.value()).has_value());
    require(block.ref.block < kGeometry.block_count(block.ref.piece) && block.slot < kGeometry.piece_count());
    require(i == 0 || state.spilled[i - 1].ref < block.ref);
    require(slot_of.emplace(block.ref.piece.value(), block.slot).first->second == block.slot);
    require(owner_of.emplace(block.slot, block.ref.piece.value()).first->second == block.ref.piece.value());
  }
}

wire::ByteVector framed(wire::Bytes body) {
  wire::ByteVector out;
  wire::bencode::Writer{out}.begin_dict().key("body").raw(body).key("sha1").string(wire::sha1(body)).end();
  return out;
}

wire::ByteVector summed(wire::Bytes records, std::uint64_t generation) {
  wire::ByteVector out;
  for (; records.size() >= 16; records = records.subspan(16)) {
    const std::uint8_t* p = records.data();
    const JournalRecord record{static_cast<JournalRecord::Kind>(wire::load_be32(p)), wire::load_be32(p + 4),
                               wire::load_be32(p + 8), wire::load_be32(p + 12)};
    const auto raw = encode_record(generation, record);
    out.insert(out.end(), raw.begin(), raw.end());
  }
  out.insert(out.end(), records.begin(), records.end());
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const std::uint8_t mode = data[0];
  wire::Bytes rest{data + 3, size - 3};
  const std::size_t length = std::min<std::size_t>(wire::load_be16(data + 1), rest.size());
  const wire::Bytes first = rest.first(length);
  rest = rest.subspan(length);

  const wire::ByteVector snapshot = (mode & 1) != 0 ? framed(first) : wire::ByteVector(first.begin(), first.end());
  const auto decoded = decode_snapshot(snapshot, kGeometry, kFiles);
  const auto info = snapshot_info_dict(snapshot);
  if (decoded) {
    require(info.has_value() &&
            std::equal(info->begin(), info->end(), decoded->info_dict.begin(), decoded->info_dict.end()));
    const auto again = decode_snapshot(encode_snapshot(*decoded), kGeometry, kFiles);
    require(again.has_value() && *again == *decoded);
  }
  const wire::ByteVector info_dict = info ? wire::ByteVector(info->begin(), info->end()) : wire::ByteVector{};
  const wire::ByteVector journal =
      (mode & 2) != 0 ? summed(rest, decoded ? decoded->generation : 0) : wire::ByteVector(rest.begin(), rest.end());

  check(merge(snapshot, std::nullopt, kGeometry, kFiles, info_dict));
  const ResumeState whole = merge(snapshot, journal, kGeometry, kFiles, info_dict);
  check(whole);
  // Long inputs are torn at fewer places, so that one run stays short.
  const std::size_t step = std::max<std::size_t>(1, journal.size() / 48);
  for (std::size_t n = 0; n < journal.size(); n += step) {
    const wire::ByteVector torn(journal.begin(), journal.begin() + static_cast<std::ptrdiff_t>(n));
    const ResumeState state = merge(snapshot, torn, kGeometry, kFiles, info_dict);
    check(state);
    require(state.usable == whole.usable);
  }
  return 0;
}
