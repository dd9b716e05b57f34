// SPDX-License-Identifier: Apache-2.0
#include "storage/disk/executor.hpp"

#include <catch2/catch.hpp>

#include "storage/disk/faulty_files.hpp"
#include "storage/disk/memory_files.hpp"
#include "tests/storage/disk/fixture.hpp"

using namespace lodestone;
using namespace lodestone::storage;
using namespace lodestone::storage::test;
using wire::PieceIndex;

namespace {

constexpr std::uint32_t kPieceLength = 64 * 1024;

/// Pieces 0..7; files share pieces, a pad aligns "b", one file is empty.
Sample mixed() {
  return make_sample({{"t/a", 150'000},
                      {"t/.pad/1", 3 * kPieceLength - 150'000, true},
                      {"t/sub/b", 200'000},
                      {"t/empty", 0},
                      {"t/c", 70'001}},
                     kPieceLength);
}

struct Bench {
  explicit Bench(Sample s) : sample(std::move(s)) {}
  [[nodiscard]] Session session() { return Session{sample, make_memory_files(disk)}; }
  [[nodiscard]] Session faulty() { return Session{sample, make_faulty_files(make_memory_files(disk), faults)}; }
  [[nodiscard]] std::optional<wire::ByteVector> file(std::uint32_t f) const {
    return disk->content("root/" + sample.layout().files()[f].joined());
  }
  Sample sample;
  std::shared_ptr<MemoryDisk> disk = std::make_shared<MemoryDisk>();
  std::shared_ptr<Faults> faults = std::make_shared<Faults>();
};

std::vector<wire::BlockRef> all_blocks(const Sample& sample, std::uint32_t piece) {
  std::vector<wire::BlockRef> out;
  for (std::uint32_t b = 0; b < sample.geometry().block_count(PieceIndex{piece}); ++b)
    out.push_back({PieceIndex{piece}, b});
  return out;
}

}  // namespace

TEST_CASE("a fresh store has nothing, checks nothing and ends with the files") {
  Bench bench{mixed()};
  auto session = bench.session();
  const auto opened = session.open();
  REQUIRE_FALSE(opened.trouble);
  CHECK(opened.have.none());
  CHECK(opened.check.none());
  CHECK(opened.foreign.empty());
  session.store_all();
  CHECK_FALSE(session.close());
  for (const std::uint32_t f : {0u, 2u, 3u, 4u}) CHECK(bench.file(f) == bench.sample.file(f));
}

TEST_CASE("D2 pads are never on disk and read as zeros") {
  Bench bench{mixed()};
  auto session = bench.session();
  REQUIRE_FALSE(session.open().trouble);
  session.store(2);  // ends in the pad
  CHECK_FALSE(bench.file(1));
  const auto read = session.read(2, kPieceLength - 16'384, 16'384);
  REQUIRE_FALSE(read.trouble);
  CHECK(read.cookie == 7);
  CHECK(std::ranges::equal(read.block.bytes(), bench.sample.piece(2).last(16'384)));
  CHECK(session.check(2).good);
}

TEST_CASE("D2 zero-length wanted files are created at Open, and files are sparse") {
  Bench bench{mixed()};
  auto session = bench.session();
  REQUIRE_FALSE(session.open().trouble);
  CHECK(bench.file(3) == wire::ByteVector{});
  session.store(6);  // the end of b, the beginning of c
  CHECK(bench.file(2)->size() == 200'000);
  CHECK(bench.disk->allocated("root/t/sub/b") < 2 * kPieceLength);
}

TEST_CASE("a store reads across file borders") {
  Bench bench{mixed()};
  auto session = bench.session();
  REQUIRE_FALSE(session.open().trouble);
  session.store_all();
  for (std::uint32_t p = 0; p < bench.sample.pieces(); ++p) {
    const std::uint32_t length = bench.sample.geometry().length(PieceIndex{p});
    for (std::uint32_t begin = 0; begin < length; begin += 10'000) {
      const std::uint32_t n = std::min(10'000u, length - begin);
      const auto read = session.read(p, begin, n);
      REQUIRE_FALSE(read.trouble);
      REQUIRE(std::ranges::equal(read.block.bytes(), bench.sample.piece(p).subspan(begin, n)));
    }
  }
}

TEST_CASE("a piece whose digest is wrong reaches no file and sends its blocks home") {
  Bench bench{mixed()};
  auto session = bench.session();
  REQUIRE_FALSE(session.open().trouble);
  auto blocks = blocks_of(session.pool(), bench.sample, 0);
  blocks[1].bytes()[5] ^= 1;
  const auto result = session.store().execute(job::StorePiece{PieceIndex{0}, std::move(blocks)});
  const auto* corrupt = std::get_if<result::PieceCorrupt>(&result);
  REQUIRE(corrupt);
  CHECK(corrupt->blocks.size() == 4);
  REQUIRE(corrupt->digests.size() == 4);
  CHECK(corrupt->digests[0] == wire::sha1(bench.sample.piece(0).first(16'384)));
  CHECK(corrupt->digests[1] != wire::sha1(bench.sample.piece(0).subspan(16'384, 16'384)));
  CHECK(bench.file(0)->empty());
  session.store(0);
}

TEST_CASE("D5 W3 a stored piece tells the digests of its blocks when they are asked for") {
  Bench bench{mixed()};
  auto session = bench.session();
  REQUIRE_FALSE(session.open().trouble);
  const bool asked = GENERATE(false, true);
  const auto result =
      session.store().execute(job::StorePiece{PieceIndex{0}, blocks_of(session.pool(), bench.sample, 0), asked});
  const auto* stored = std::get_if<result::PieceStored>(&result);
  REQUIRE(stored);
  REQUIRE(stored->digests.size() == (asked ? 4 : 0));
  for (std::size_t b = 0; b < stored->digests.size(); ++b)
    CHECK(stored->digests[b] == wire::sha1(bench.sample.piece(0).subspan(b * 16'384, 16'384)));
}

TEST_CASE("D3 a clean stop is trusted without hashing") {
  Bench bench{mixed()};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open().trouble);
    for (const std::uint32_t p : {0u, 3u, 7u}) session.store(p);
    REQUIRE_FALSE(session.close());
  }
  auto session = bench.session();
  const auto opened = session.open();
  CHECK(members(opened.have) == Pieces{0, 3, 7});
  CHECK(opened.check.none());
}

TEST_CASE("D3 after an unclean stop exactly the written-but-not-synced pieces are hashed") {
  Bench bench{mixed()};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open().trouble);
    session.store(0);
    session.store(1);
    REQUIRE_FALSE(session.sync());
    session.store(4);
    session.store(5);
  }  // killed
  {
    auto session = bench.session();
    const auto opened = session.open();
    CHECK(members(opened.have) == Pieces{0, 1});
    CHECK(members(opened.check) == Pieces{4, 5});
    CHECK(session.check_all(opened) == Pieces{4, 5});
    CHECK(bench.disk->syncs() == 1);
  }  // killed again: what was hashed but not synced is hashed once more
  {
    auto session = bench.session();
    const auto opened = session.open();
    CHECK(members(opened.check) == Pieces{4, 5});
    CHECK(session.check_all(opened).size() == 2);
    REQUIRE_FALSE(session.sync());
  }
  auto session = bench.session();
  const auto opened = session.open();
  CHECK(members(opened.have) == Pieces{0, 1, 4, 5});
  CHECK(opened.check.none());
}

TEST_CASE("D3 a written piece that is not on disk after all is found out") {
  Bench bench{mixed()};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open().trouble);
    session.store(4);
    session.store(5);
  }
  auto content = *bench.disk->content("root/t/sub/b");
  content[kPieceLength + 10] ^= 1;  // a page of piece 4 that the power failure took
  bench.disk->put("root/t/sub/b", content);
  {
    auto session = bench.session();
    CHECK(session.check_all(session.open()) == Pieces{5});
    REQUIRE_FALSE(session.close());
  }
  auto session = bench.session();
  CHECK(members(session.open().have) == Pieces{5});
}

TEST_CASE("D3 a file that changed after a clean stop is hashed again, that file only") {
  Bench bench{mixed()};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open().trouble);
    session.store_all();
    REQUIRE_FALSE(session.close());
  }
  auto content = bench.sample.file(0);
  SECTION("content") {
    content[100] ^= 1;
    bench.disk->put("root/t/a", content);
    auto session = bench.session();
    const auto opened = session.open();
    CHECK(members(opened.have) == range(3, 8));
    CHECK(members(opened.check) == range(0, 3));
    CHECK(session.check_all(opened) == Pieces{1, 2});
  }
  SECTION("size: only what is still there is hashed") {
    content.resize(kPieceLength + 5);
    bench.disk->put("root/t/a", content);
    auto session = bench.session();
    const auto opened = session.open();
    CHECK(members(opened.have) == range(3, 8));
    CHECK(members(opened.check) == Pieces{0});
  }
  SECTION("gone: its pieces are simply not had") {
    bench.disk->remove("root/t/a");
    auto session = bench.session();
    const auto opened = session.open();
    REQUIRE_FALSE(opened.trouble);
    CHECK(members(opened.have) == range(3, 8));
    CHECK(opened.check.none());
  }
}

TEST_CASE("D3 after an unclean stop a file that is too short has its pieces hashed or given up") {
  Bench bench{mixed()};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open().trouble);
    session.store_all();
    REQUIRE_FALSE(session.sync());
  }
  bench.disk->truncate("root/t/sub/b", 2 * kPieceLength);
  auto session = bench.session();
  const auto opened = session.open();
  CHECK(members(opened.have) == Pieces{0, 1, 2, 7});
  CHECK(members(opened.check) == Pieces{3, 4});
}

TEST_CASE("D3 corrupt state costs a re-check of what is on disk, never more") {
  Bench bench{mixed()};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open().trouble);
    for (const std::uint32_t p : {0u, 3u, 7u}) session.store(p);
    REQUIRE_FALSE(session.close());
  }
  auto raw = *bench.disk->content("stem.resume");
  SECTION("a bit") { raw[raw.size() / 2] ^= 1; }
  SECTION("empty") { raw.clear(); }
  SECTION("torn") { raw.resize(raw.size() - 7); }
  bench.disk->put("stem.resume", raw);
  auto session = bench.session();
  const auto opened = session.open();
  REQUIRE_FALSE(opened.trouble);
  CHECK(opened.have.none());
  CHECK(session.check_all(opened) == Pieces{0, 3, 7});
}

TEST_CASE("D3 existing files without state are hashed and matching pieces kept") {
  Bench bench{mixed()};
  auto content = bench.sample.file(0);
  content[kPieceLength] ^= 1;
  bench.disk->put("root/t/a", content);
  auto session = bench.session();
  const auto opened = session.open();
  REQUIRE_FALSE(opened.trouble);
  REQUIRE(opened.foreign.size() == 1);
  CHECK(opened.foreign[0].path == "root/t/a");
  CHECK(opened.foreign[0].first == PieceIndex{0});
  CHECK(opened.foreign[0].last == PieceIndex{7});
  CHECK(members(opened.check) == Pieces{0, 1, 2});
  CHECK(session.check_all(opened) == Pieces{0, 2});
  session.store(1);
  CHECK(bench.file(0) == bench.sample.file(0));
}

TEST_CASE("D3 an empty or absent file causes no hashing, a hole neither") {
  Bench bench{mixed()};
  bench.disk->put("root/t/a", {});
  bench.disk->truncate("root/t/sub/b", 200'000);
  auto session = bench.session();
  const auto opened = session.open();
  REQUIRE_FALSE(opened.trouble);
  CHECK(opened.foreign.empty());
  CHECK(opened.check.none());
  CHECK(opened.have.none());
}

TEST_CASE("D3 holes that stand for zeros are had without reading") {
  Bench bench{make_sample({{"image", 5 * kPieceLength + 77, false, true}}, kPieceLength)};
  bench.disk->truncate("root/image", 5 * kPieceLength + 77);
  auto session = bench.session();
  const auto opened = session.open();
  CHECK(opened.have.all());
  CHECK(opened.check.none());
  CHECK(session.check(5).good);
}

TEST_CASE("D3 foreign content is a conflict until forced") {
  Bench bench{mixed()};
  const wire::ByteVector diary(100'000, 'x');
  bench.disk->put("root/t/c", wire::Bytes{diary}.first(70'001));

  SECTION("hashed first: pieces of it may match; if none does it is still a conflict the next time") {
    for (int run = 0; run < 2; ++run) {
      auto session = bench.session();
      const auto opened = session.open();
      REQUIRE_FALSE(opened.trouble);
      CHECK(opened.foreign.size() == 1);
      CHECK(members(opened.check) == Pieces{7});
      CHECK(session.check_all(opened).empty());
      if (run == 0) REQUIRE_FALSE(session.close());
    }
    auto session = bench.session();
    const auto opened = session.open({}, true);
    REQUIRE_FALSE(opened.trouble);
    CHECK(opened.foreign.empty());
    session.store_all();
    CHECK(bench.file(4) == bench.sample.file(4));
  }
  SECTION("so short that no piece could match") {
    bench.disk->put("root/t/c", wire::Bytes{diary}.first(10));
    auto session = bench.session();
    const auto opened = session.open();
    CHECK(opened.trouble.kind == Trouble::Kind::conflict);
    CHECK(opened.trouble.path == "root/t/c");
    CHECK(bench.file(4)->size() == 10);
  }
  SECTION("larger than the torrent has it") {
    bench.disk->put("root/t/c", diary);
    auto session = bench.session();
    CHECK(session.open().trouble.kind == Trouble::Kind::conflict);
    CHECK(bench.file(4) == diary);
    REQUIRE_FALSE(session.open({}, true).trouble);
    CHECK(bench.file(4)->size() == 70'001);
  }
  SECTION("no regular file") {
    bench.disk->remove("root/t/c");
    bench.disk->put_irregular("root/t/c");
    auto session = bench.session();
    CHECK(session.open().trouble.kind == Trouble::Kind::conflict);
    REQUIRE_FALSE(session.open({}, true).trouble);
    session.store_all();
    CHECK(bench.file(4) == bench.sample.file(4));
  }
}

TEST_CASE("D2 a full disk loses nothing: the blocks come home and can be stored later") {
  Bench bench{mixed()};
  {
    auto session = bench.faulty();
    REQUIRE_FALSE(session.open().trouble);
    session.store(0);
    REQUIRE_FALSE(session.sync());
    bench.faults->limit_space(20'000);
    auto result = session.try_store(3);
    auto* failed = std::get_if<result::PieceFailed>(&result);
    REQUIRE(failed);
    CHECK(failed->trouble.kind == Trouble::Kind::disk_full);
    CHECK(failed->trouble.path == "root/t/sub/b");
    CHECK(failed->blocks.size() == 4);
    bench.faults->heal();
    const auto again = session.store().execute(job::StorePiece{PieceIndex{3}, std::move(failed->blocks)});
    CHECK(std::holds_alternative<result::PieceStored>(again));
  }
  auto session = bench.session();
  const auto opened = session.open();
  CHECK(members(opened.have) == Pieces{0});
  CHECK(session.check_all(opened) == Pieces{3});
}

TEST_CASE("D2 every error of every step is told, and the same job works when the disk does") {
  const auto [op, code, kind] = GENERATE(table<FileOp, std::errc, Trouble::Kind>(
      {{FileOp::write, std::errc::no_space_on_device, Trouble::Kind::disk_full},
       {FileOp::write, std::errc::read_only_file_system, Trouble::Kind::read_only},
       {FileOp::write, std::errc::permission_denied, Trouble::Kind::permission},
       {FileOp::write, std::errc::io_error, Trouble::Kind::io},
       {FileOp::append, std::errc::no_space_on_device, Trouble::Kind::disk_full},
       {FileOp::append, std::errc::io_error, Trouble::Kind::io}}));
  Bench bench{mixed()};
  {
    auto session = bench.faulty();
    REQUIRE_FALSE(session.open().trouble);
    bench.faults->fail(op, code);
    const auto result = session.try_store(1);
    const auto* failed = std::get_if<result::PieceFailed>(&result);
    REQUIRE(failed);
    CHECK(failed->trouble.kind == kind);
    CHECK(failed->blocks.size() == 4);
    session.store(1);
    REQUIRE_FALSE(session.close());
  }
  auto session = bench.session();
  CHECK(members(session.open().have) == Pieces{1});
}

TEST_CASE("D2 errors at Open are told at once and Open can be tried again") {
  const auto op = GENERATE(FileOp::stat, FileOp::create, FileOp::replace);
  Bench bench{mixed()};
  auto session = bench.faulty();
  bench.faults->fail(op, std::errc::permission_denied);
  CHECK(session.open().trouble.kind == Trouble::Kind::permission);
  const auto opened = session.open();
  REQUIRE_FALSE(opened.trouble);
  CHECK(opened.foreign.empty());
  session.store_all();
  CHECK_FALSE(session.close());
}

TEST_CASE("D2 a disk that cannot be read says so and the piece is not held to be bad") {
  Bench bench{mixed()};
  auto session = bench.faulty();
  REQUIRE_FALSE(session.open().trouble);
  session.store(0);
  bench.faults->fail(FileOp::read, std::errc::io_error, 1, 2);
  const auto checked = session.check(0);
  CHECK(checked.trouble.kind == Trouble::Kind::io);
  CHECK(session.read(0, 0, 100).trouble.kind == Trouble::Kind::io);
  CHECK(session.check(0).good);
}

TEST_CASE("D3 what a failed fdatasync may have lost is hashed after the next start") {
  Bench bench{mixed()};
  const bool clean = GENERATE(false, true);
  {
    auto session = bench.faulty();
    REQUIRE_FALSE(session.open().trouble);
    session.store(0);
    bench.faults->fail(FileOp::sync, std::errc::io_error);
    CHECK(session.sync().kind == Trouble::Kind::io);
    session.store(3);
    REQUIRE_FALSE(session.sync());
    if (clean) REQUIRE_FALSE(session.close());
  }
  auto session = bench.session();
  const auto opened = session.open();
  CHECK(members(opened.have) == Pieces{3});
  CHECK(members(opened.check) == Pieces{0});
}

TEST_CASE("D3 a piece that turns out bad is had no longer, whatever happens to the journal") {
  Bench bench{mixed()};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open().trouble);
    session.store_all();
    REQUIRE_FALSE(session.sync());
    auto content = *bench.disk->content("root/t/a");
    content[0] ^= 1;
    bench.disk->put("root/t/a", content);
    CHECK_FALSE(session.check(0).good);
  }
  bench.disk->remove("stem.journal");
  auto session = bench.session();
  CHECK(members(session.open().have) == range(1, 8));
}

TEST_CASE("D3 what was written before a snapshot in mid-run is synced by the next sync") {
  Bench bench{mixed()};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open().trouble);
    session.store(0);
    session.store(4);
    bench.disk->put("root/t/a", {});
    CHECK_FALSE(session.check(0).good);  // a had piece is lost: this takes a snapshot
    session.store(5);
    REQUIRE_FALSE(session.sync());
    session.store(6);
  }
  auto session = bench.session();
  const auto opened = session.open();
  CHECK(members(opened.have) == Pieces{4, 5});
  CHECK(members(opened.check) == Pieces{6});
}

TEST_CASE("D3 a long journal becomes a snapshot in mid-run and says the same") {
  Bench bench{make_sample({{"f", 200 * 1024}}, 1024)};
  constexpr std::uint32_t kRounds = 250;  // 200 records of 24 B each: past the length that is worth it
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open().trouble);
    for (std::uint32_t round = 0; round < kRounds; ++round) {
      for (std::uint32_t p = 0; p < 199; ++p) session.store(p);
      if (round + 1 < kRounds) REQUIRE_FALSE(session.sync());
    }
    CHECK(bench.disk->content("stem.journal")->size() < 300'000);
  }
  auto session = bench.session();
  const auto opened = session.open();
  CHECK(members(opened.check) == range(0, 199));
  CHECK(session.check_all(opened).size() == 199);
}

TEST_CASE("D4 blocks of a long piece survive kill -9 in the scratch file") {
  Bench bench{mixed()};
  const auto blocks = all_blocks(bench.sample, 3);
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open().trouble);
    REQUIRE_FALSE(session.spill({blocks[0], blocks[1], blocks[3]}).trouble);
    REQUIRE_FALSE(session.spill({{PieceIndex{7}, 0}}).trouble);
  }
  {
    auto session = bench.session();
    const auto opened = session.open();
    CHECK(opened.spilled == std::vector<wire::BlockRef>{blocks[0], blocks[1], blocks[3], {PieceIndex{7}, 0}});
    CHECK(opened.check.none());
    const auto spilled = session.spill({blocks[2]});
    CHECK(spilled.refs == std::vector<wire::BlockRef>{blocks[2]});
    CHECK(spilled.blocks.size() == 1);
    const auto result = session.store_spilled(3, true);
    const auto* stored = std::get_if<result::PieceStored>(&result);
    REQUIRE(stored);
    REQUIRE(stored->digests.size() == 4);
    CHECK(stored->digests[1] == wire::sha1(bench.sample.piece(3).subspan(16'384, 16'384)));
    CHECK(session.check(3).good);
    REQUIRE_FALSE(session.close());
  }
  auto session = bench.session();
  const auto opened = session.open();
  CHECK(members(opened.have) == Pieces{3});
  CHECK(opened.spilled == std::vector<wire::BlockRef>{{PieceIndex{7}, 0}});
}

TEST_CASE("D4 the place of a stored piece is used again and the scratch file ends with the last") {
  Bench bench{mixed()};
  auto session = bench.session();
  REQUIRE_FALSE(session.open().trouble);
  for (std::uint32_t p = 0; p < bench.sample.pieces(); ++p) {
    REQUIRE_FALSE(session.spill(all_blocks(bench.sample, p)).trouble);
    CHECK(bench.disk->content("stem.scratch")->size() <= kPieceLength);
    CHECK(std::holds_alternative<result::PieceStored>(session.store_spilled(p)));
    CHECK_FALSE(bench.disk->exists("stem.scratch"));
  }
  for (const std::uint32_t f : {0u, 2u, 4u}) CHECK(bench.file(f) == bench.sample.file(f));
}

TEST_CASE("D4 a corrupt spilled piece tells the digests of its blocks and is forgotten") {
  Bench bench{mixed()};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open().trouble);
    REQUIRE_FALSE(session.spill(all_blocks(bench.sample, 4)).trouble);
    auto scratch = *bench.disk->content("stem.scratch");
    scratch[16'384] ^= 1;
    bench.disk->put("stem.scratch", scratch);
    const auto result = session.store_spilled(4);
    const auto* corrupt = std::get_if<result::PieceCorrupt>(&result);
    REQUIRE(corrupt);
    REQUIRE(corrupt->digests.size() == 4);
    CHECK(corrupt->digests[0] == wire::sha1(bench.sample.piece(4).first(16'384)));
    CHECK(corrupt->digests[1] != wire::sha1(bench.sample.piece(4).subspan(16'384, 16'384)));
    CHECK(bench.disk->content("root/t/sub/b")->empty());
  }
  auto session = bench.session();
  CHECK(session.open().spilled.empty());
}

TEST_CASE("D4 trouble with the scratch file loses no block") {
  Bench bench{mixed()};
  auto session = bench.faulty();
  REQUIRE_FALSE(session.open().trouble);
  const auto blocks = all_blocks(bench.sample, 5);
  bench.faults->fail(GENERATE(FileOp::write_scratch, FileOp::append), std::errc::no_space_on_device);
  const auto spilled = session.spill(blocks);
  CHECK(spilled.trouble.kind == Trouble::Kind::disk_full);
  CHECK(spilled.blocks.size() == 4);
  REQUIRE_FALSE(session.spill(blocks).trouble);
  bench.faults->fail(FileOp::write, std::errc::no_space_on_device);
  const auto result = session.store_spilled(5);
  const auto* failed = std::get_if<result::PieceFailed>(&result);
  REQUIRE(failed);
  CHECK(failed->trouble.kind == Trouble::Kind::disk_full);
  CHECK(std::holds_alternative<result::PieceStored>(session.store_spilled(5)));
}

TEST_CASE("D4 a scratch file that vanished costs its blocks, no more") {
  Bench bench{mixed()};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open().trouble);
    REQUIRE_FALSE(session.spill(all_blocks(bench.sample, 4)).trouble);
  }
  bench.disk->remove("stem.scratch");
  auto session = bench.session();
  CHECK(session.open().spilled.empty());
  REQUIRE_FALSE(session.spill(all_blocks(bench.sample, 4)).trouble);
  bench.disk->remove("stem.scratch");
  const auto result = session.store_spilled(4);
  const auto* corrupt = std::get_if<result::PieceCorrupt>(&result);
  REQUIRE(corrupt);
  CHECK(corrupt->digests.empty());
  REQUIRE_FALSE(session.spill(all_blocks(bench.sample, 4)).trouble);
  CHECK(std::holds_alternative<result::PieceStored>(session.store_spilled(4)));
}

TEST_CASE("D2 an unwanted file is never created; what shared pieces have in it lies in the state directory") {
  Bench bench{mixed()};
  const std::vector<bool> only_b{false, false, true, false, false};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open(only_b).trouble);
    for (std::uint32_t p = 3; p < 7; ++p) session.store(p);
    CHECK_FALSE(bench.file(0));
    CHECK_FALSE(bench.file(3));
    CHECK_FALSE(bench.file(4));
    CHECK(bench.file(2) == bench.sample.file(2));
    CHECK(bench.disk->exists("stem.parts"));
    const auto read = session.read(6, kPieceLength - 16'384, 16'384);  // the piece that b and c share
    REQUIRE_FALSE(read.trouble);
    CHECK(std::ranges::equal(read.block.bytes(), bench.sample.piece(6).last(16'384)));
    REQUIRE_FALSE(session.sync());
  }
  SECTION("the same selection goes on") {
    auto session = bench.session();
    const auto opened = session.open(only_b);
    CHECK(members(opened.have) == range(3, 7));
    CHECK(opened.check.none());
    CHECK(session.check(6).good);
  }
  SECTION("another selection carries the bytes over, after a look") {
    {
      auto session = bench.session();
      const auto opened = session.open();
      CHECK(members(opened.have) == range(3, 6));
      CHECK(session.check_all(opened) == Pieces{6});
      for (const std::uint32_t p : {0u, 1u, 2u, 7u}) session.store(p);
      REQUIRE_FALSE(session.close());
      CHECK_FALSE(bench.disk->exists("stem.parts"));
    }
    for (const std::uint32_t f : {0u, 2u, 3u, 4u}) CHECK(bench.file(f) == bench.sample.file(f));
    // And back: a file that is there stays in use.
    auto session = bench.session();
    CHECK(session.open(only_b).have.all());
  }
  SECTION("without the blob the shared piece is not claimed") {
    bench.disk->remove("stem.parts");
    auto session = bench.session();
    CHECK(members(session.open(only_b).have) == range(3, 6));
  }
  SECTION("without state the blob is hashed with the files") {
    bench.disk->remove("stem.resume");
    auto session = bench.session();
    CHECK(session.check_all(session.open(only_b)) == range(3, 7));
  }
  SECTION("a stranger's file in the place of one that becomes wanted is a conflict") {
    const wire::ByteVector diary(1'000, 'x');
    bench.disk->put("root/t/c", diary);
    auto session = bench.session();
    CHECK(session.open(only_b).have.count() == 4);
    CHECK(session.open().trouble.kind == Trouble::Kind::conflict);
    CHECK(bench.file(4) == diary);
    REQUIRE_FALSE(session.open({}, true).trouble);
  }
}

TEST_CASE("D2 an Open that fails while a selection grows is no conflict the next time") {
  const auto op = GENERATE(FileOp::create, FileOp::replace);
  Bench bench{mixed()};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open({false, false, true, false, false}).trouble);
    for (std::uint32_t p = 3; p < 7; ++p) session.store(p);
    REQUIRE_FALSE(session.close());
  }
  {
    auto session = bench.faulty();
    bench.faults->fail(op, std::errc::no_space_on_device);
    CHECK(session.open().trouble.kind == Trouble::Kind::disk_full);
  }
  auto session = bench.session();
  const auto opened = session.open();
  REQUIRE_FALSE(opened.trouble);
  CHECK(members(opened.have) == range(3, 6));
  CHECK(session.check_all(opened) == Pieces{6});
}

TEST_CASE("D2 what a full disk does not let into a newly wanted file is fetched again") {
  Bench bench{mixed()};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open({false, false, true, false, false}).trouble);
    for (std::uint32_t p = 3; p < 7; ++p) session.store(p);
    REQUIRE_FALSE(session.close());
  }
  {
    auto session = bench.faulty();
    bench.faults->fail(FileOp::adopt, std::errc::no_space_on_device);
    const auto opened = session.open();
    REQUIRE_FALSE(opened.trouble);
    CHECK(members(opened.have) == range(3, 6));
    CHECK(session.check_all(opened).empty());
  }  // killed
  auto session = bench.session();
  REQUIRE_FALSE(session.open().trouble);
  for (const std::uint32_t p : {0u, 1u, 2u, 6u, 7u}) session.store(p);
  CHECK(bench.file(4) == bench.sample.file(4));
}

TEST_CASE("D3 a file that its user deletes while it is unwanted is not claimed") {
  Bench bench{mixed()};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open().trouble);
    session.store_all();
    REQUIRE_FALSE(session.close());
  }
  bench.disk->remove("root/t/a");
  auto session = bench.session();
  const auto opened = session.open({false, false, true, true, true});
  CHECK(members(opened.have) == range(3, 8));
  CHECK(opened.check.none());
  CHECK_FALSE(bench.file(0));
}

TEST_CASE("P2 torrents without bytes, of one byte, and of nothing but pads") {
  SECTION("empty") {
    Bench bench{make_sample({{"a", 0}, {"b", 0}}, kPieceLength)};
    auto session = bench.session();
    const auto opened = session.open();
    REQUIRE_FALSE(opened.trouble);
    CHECK(opened.have.all());
    CHECK(bench.file(1) == wire::ByteVector{});
    CHECK_FALSE(session.close());
    CHECK_FALSE(session.open().trouble);
  }
  SECTION("one byte") {
    Bench bench{make_sample({{"a", 1}}, kPieceLength)};
    auto session = bench.session();
    REQUIRE_FALSE(session.open().trouble);
    session.store(0);
    CHECK(bench.file(0) == bench.sample.file(0));
  }
  SECTION("pads") {
    Bench bench{make_sample({{"a", kPieceLength}, {".pad", 3 * kPieceLength, true}}, kPieceLength)};
    auto session = bench.session();
    CHECK(members(session.open().have) == Pieces{1, 2, 3});
    CHECK(session.check(2).good);
  }
}

TEST_CASE("closing a store that was never opened is no trouble") {
  Bench bench{mixed()};
  auto session = bench.session();
  CHECK_FALSE(session.close());
  CHECK_FALSE(bench.disk->exists("stem.resume"));
}
