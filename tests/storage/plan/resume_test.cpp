// SPDX-License-Identifier: Apache-2.0
#include "storage/plan/resume.hpp"

#include <initializer_list>

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace lodestone::storage;
using Kind = JournalRecord::Kind;

namespace {

constexpr std::uint32_t kPieces = 20;
constexpr std::uint32_t kFiles = 3;
const wire::Geometry kGeometry = *wire::Geometry::make(kPieces * 65'536 - 100, 65'536);  // 4 blocks a piece
const wire::ByteVector kInfo{'d', '1', ':', 'a', 'i', '1', 'e', 'e'};

wire::Bitfield bits(std::uint32_t size, std::initializer_list<std::uint32_t> members) {
  wire::Bitfield out{size};
  for (const std::uint32_t m : members) out.set(wire::PieceIndex{m});
  return out;
}

Snapshot snapshot() {
  Snapshot out;
  out.generation = 41;
  out.have = bits(kPieces, {0, 1, 2});
  out.check = bits(kPieces, {5});
  out.parts = bits(kFiles, {1});
  out.info_dict = kInfo;
  return out;
}

wire::ByteVector journal(std::initializer_list<JournalRecord> records, std::uint64_t generation = 41) {
  wire::ByteVector out;
  for (const JournalRecord& record : records) {
    const auto raw = encode_record(generation, record);
    out.insert(out.end(), raw.begin(), raw.end());
  }
  return out;
}

ResumeState merged(const Snapshot& base, const wire::ByteVector& log) {
  return merge(encode_snapshot(base), log, kGeometry, kFiles, kInfo);
}

}  // namespace

TEST_CASE("D3 a snapshot comes back as it was written") {
  Snapshot s = snapshot();
  s.clean = true;
  s.foreign = true;
  s.files = {{true, 123'456'789'012, -5}, {}, {true, 0, 1'700'000'000'000'000'000}};
  s.spilled = {{{wire::PieceIndex{3}, 2}, 0}, {{wire::PieceIndex{19}, 3}, 7}};
  const auto raw = encode_snapshot(s);
  const auto back = decode_snapshot(raw, kGeometry, kFiles);
  REQUIRE(back);
  CHECK(*back == s);
  const auto info = snapshot_info_dict(raw);
  REQUIRE(info);
  CHECK(wire::ByteVector(info->begin(), info->end()) == kInfo);
}

TEST_CASE("D3 a snapshot that is cut or has a wrong bit anywhere is refused") {
  Snapshot s = snapshot();
  s.spilled = {{{wire::PieceIndex{3}, 2}, 0}};
  const auto raw = encode_snapshot(s);
  for (std::size_t n = 0; n < raw.size(); ++n) {
    CHECK_FALSE(decode_snapshot(wire::Bytes{raw}.first(n), kGeometry, kFiles));
    CHECK_FALSE(snapshot_info_dict(wire::Bytes{raw}.first(n)));
  }
  for (std::size_t bit = 0; bit < raw.size() * 8; ++bit) {
    auto wrong = raw;
    wrong[bit / 8] = static_cast<std::uint8_t>(wrong[bit / 8] ^ (1u << (bit % 8)));
    CHECK_FALSE(decode_snapshot(wrong, kGeometry, kFiles));
    const ResumeState state = merge(wrong, std::nullopt, kGeometry, kFiles, kInfo);
    CHECK(state.unknown);
    CHECK(state.have.none());
  }
}

TEST_CASE("D3 a snapshot of another torrent's shape or another version is refused") {
  const auto raw = encode_snapshot(snapshot());
  CHECK(decode_snapshot(raw, kGeometry, kFiles + 100).error() == ResumeError::bad_field);
  CHECK(decode_snapshot(raw, *wire::Geometry::make(65'536, 65'536), kFiles).error() == ResumeError::bad_field);
  Snapshot s = snapshot();
  s.spilled = {{{wire::PieceIndex{kPieces}, 0}, 0}};
  CHECK(decode_snapshot(encode_snapshot(s), kGeometry, kFiles).error() == ResumeError::bad_field);
  const wire::ByteVector other{'d', 'e'};
  CHECK_FALSE(merge(raw, std::nullopt, kGeometry, kFiles, other).usable);
}

TEST_CASE("D3 written pieces are checked, synced ones trusted, lost ones forgotten") {
  const auto state = merged(snapshot(), journal({{Kind::written, 7},
                                                 {Kind::written, 8},
                                                 {Kind::synced, 0, 1},
                                                 {Kind::written, 9},
                                                 {Kind::lost, 2},
                                                 {Kind::lost, 5}}));
  CHECK(state.usable);
  CHECK_FALSE(state.clean);
  CHECK_FALSE(state.unknown);
  CHECK(state.generation == 41);
  CHECK(state.have == bits(kPieces, {0, 1, 7}));
  CHECK(state.check == bits(kPieces, {8, 9}));
  CHECK(state.parts == bits(kFiles, {1}));
}

TEST_CASE("D3 marks of a clean stop hold only while nothing followed") {
  Snapshot s = snapshot();
  s.clean = true;
  s.files.resize(kFiles);
  CHECK(merged(s, {}).clean);
  CHECK(merged(s, {}).files.size() == kFiles);
  CHECK_FALSE(merged(s, journal({{Kind::written, 7}})).clean);
}

TEST_CASE("D3 foreign stays until the first written piece") {
  Snapshot s = snapshot();
  s.foreign = true;
  CHECK(merged(s, journal({{Kind::lost, 5}})).foreign);
  CHECK_FALSE(merged(s, journal({{Kind::written, 5}})).foreign);
}

TEST_CASE("D3 a torn journal is cut at each place without harm") {
  const auto log = journal({{Kind::written, 7}, {Kind::written, 8}, {Kind::synced, 0, 2}, {Kind::written, 9}});
  for (std::size_t n = 0; n <= log.size(); ++n) {
    const wire::ByteVector cut(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(n));
    const auto state = merged(snapshot(), cut);
    const std::size_t whole = n / kJournalRecordSize;
    CHECK_FALSE(state.unknown);
    CHECK(state.have.count() == (whole >= 3 ? 5u : 3u));
    CHECK(state.check.test(wire::PieceIndex{9}) == (whole == 4));
  }
}

TEST_CASE("D3 a corrupt record cuts the journal and has everything looked at") {
  const auto log = journal({{Kind::written, 7}, {Kind::synced, 0, 1}, {Kind::written, 9}});
  for (std::size_t at = kJournalRecordSize; at < log.size(); ++at) {
    auto wrong = log;
    wrong[at] ^= 0x40;
    const auto state = merged(snapshot(), wrong);
    CHECK(state.unknown);
    CHECK(state.have.test(wire::PieceIndex{7}) == (at >= 2 * kJournalRecordSize));
    CHECK_FALSE(state.check.test(wire::PieceIndex{9}));
  }
}

TEST_CASE("D3 records that verify but make no sense are damage, not a crash") {
  for (const JournalRecord& record :
       {JournalRecord{Kind::written, kPieces}, JournalRecord{Kind::synced, 1, 0}, JournalRecord{Kind::synced, 0, 1},
        JournalRecord{Kind::synced, 0xffffffff, 2}, JournalRecord{Kind::spilled, 0, 4, 0},
        JournalRecord{Kind::spilled, 0, 0, kPieces}, JournalRecord{static_cast<Kind>(99), 0}}) {
    CHECK(merged(snapshot(), journal({record})).unknown);
  }
}

TEST_CASE("D3 a journal that a newer snapshot has replaced is ignored") {
  const auto stale = merged(snapshot(), journal({{Kind::written, 7}, {Kind::lost, 0}}, 40));
  CHECK_FALSE(stale.unknown);
  CHECK(stale.have == snapshot().have);
  CHECK(stale.check == snapshot().check);
  CHECK(merged(snapshot(), journal({{Kind::written, 7}}, 39)).unknown);
}

TEST_CASE("D4 the journal says which blocks the scratch file holds") {
  Snapshot s = snapshot();
  s.spilled = {{{wire::PieceIndex{10}, 0}, 0}};
  const auto state = merged(s, journal({{Kind::spilled, 11, 3, 1},
                                        {Kind::spilled, 10, 2, 0},
                                        {Kind::spilled, 12, 0, 2},
                                        {Kind::written, 11},
                                        {Kind::dropped, 12},
                                        {Kind::spilled, 13, 1, 1}}));
  CHECK(state.spilled == std::vector<SpilledBlock>{{{wire::PieceIndex{10}, 0}, 0},
                                                   {{wire::PieceIndex{10}, 2}, 0},
                                                   {{wire::PieceIndex{13}, 1}, 1}});
  // A slot that two pieces claim belongs to the later one.
  const auto twice = merged(s, journal({{Kind::spilled, 14, 1, 0}}));
  CHECK(twice.spilled == std::vector<SpilledBlock>{{{wire::PieceIndex{14}, 1}, 0}});
}
