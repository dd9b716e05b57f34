// SPDX-License-Identifier: Apache-2.0
// Files that were unwanted and become wanted while something stands at their path already (D3): it may be this
// torrent's or somebody's diary, and until a piece of it has turned out good no restart may forget that.
#include <catch2/catch.hpp>

#include "storage/disk/executor.hpp"
#include "storage/disk/faulty_files.hpp"
#include "storage/disk/memory_files.hpp"
#include "tests/storage/disk/fixture.hpp"

using namespace lodestone;
using namespace lodestone::storage;
using namespace lodestone::storage::test;
using wire::PieceIndex;

namespace {

constexpr std::uint32_t kPieceLength = 64 * 1024;

// The pieces of a are 0..1, of b 1..6, of c 6..9, of d 9..10.
constexpr std::uint32_t kA = 0, kC = 2;
const std::vector<bool> kOnlyB{false, true, false, false};
const std::vector<bool> kBAndC{false, true, true, false};
const std::vector<bool> kBAndD{false, true, false, true};
const std::vector<bool> kAll{true, true, true, true};

Sample four(bool c_is_zeros = false) {
  return make_sample({{"t/a", 100'000}, {"t/b", 300'000}, {"t/c", 200'000, false, c_is_zeros}, {"t/d", 100'000}},
                     kPieceLength);
}

struct Bench {
  explicit Bench(Sample s = four()) : sample(std::move(s)) {}
  [[nodiscard]] Session session() { return Session{sample, make_memory_files(disk)}; }
  [[nodiscard]] Session faulty() { return Session{sample, make_faulty_files(make_memory_files(disk), faults)}; }

  /// A first run that fetched all that it wanted.
  void run(const std::vector<bool>& wanted) {
    auto s = session();
    REQUIRE_FALSE(s.open(wanted).trouble);
    const auto touched = [&](std::uint32_t p) {
      for (std::uint32_t f = 0; f < wanted.size(); ++f) {
        const auto [first, last] = sample.layout().pieces_of(f);
        if (wanted[f] && first <= p && p <= last) return true;
      }
      return false;
    };
    for (std::uint32_t p = 0; p < sample.pieces(); ++p)
      if (touched(p)) s.store(p);
    REQUIRE_FALSE(s.close());
  }
  [[nodiscard]] std::string path(std::uint32_t f) const { return "root/" + sample.layout().files()[f].joined(); }
  [[nodiscard]] std::optional<wire::ByteVector> file(std::uint32_t f) const { return disk->content(path(f)); }
  void put(std::uint32_t f, wire::Bytes content) { disk->put(path(f), content); }

  Sample sample;
  std::shared_ptr<MemoryDisk> disk = std::make_shared<MemoryDisk>();
  std::shared_ptr<Faults> faults = std::make_shared<Faults>();
};

std::vector<std::string> paths(const result::Opened& opened) {
  std::vector<std::string> out;
  for (const result::Foreign& one : opened.foreign) out.push_back(one.path);
  return out;
}
using Paths = std::vector<std::string>;

/// What is trusted is right.
void check_trusted(Session& session, const result::Opened& opened) {
  for (const std::uint32_t p : members(opened.have)) {
    INFO("piece " << p);
    CHECK(session.check(p).good);
  }
}

/// Ends a process cleanly or not.
void end(Session& session, bool clean) {
  if (clean) REQUIRE_FALSE(session.close());
}

}  // namespace

TEST_CASE("D3 a newcomer with the right content is kept, and is ours from then on") {
  Bench bench;
  bench.run(kOnlyB);
  bench.put(kC, bench.sample.file(kC));
  const bool clean = GENERATE(false, true);
  {
    auto session = bench.session();
    const auto opened = session.open(kBAndC);
    REQUIRE_FALSE(opened.trouble);
    CHECK(members(opened.have) == range(1, 6));
    CHECK(members(opened.check) == Pieces{6, 7, 8});  // of 9 the bytes of d are nowhere
    REQUIRE(paths(opened) == Paths{"root/t/c"});
    CHECK(opened.foreign[0].first == PieceIndex{6});
    CHECK(opened.foreign[0].last == PieceIndex{9});
    CHECK(session.check_all(opened) == Pieces{6, 7, 8});
    end(session, clean);
  }
  {
    auto session = bench.session();
    const auto opened = session.open(kBAndC);
    REQUIRE_FALSE(opened.trouble);
    CHECK(opened.foreign.empty());
    CHECK(members(opened.have) == (clean ? range(1, 9) : range(1, 6)));
    CHECK(members(opened.check) == (clean ? Pieces{} : Pieces{6, 7, 8}));
    check_trusted(session, opened);
    CHECK(session.check_all(opened) == members(opened.check));
    session.store(9);
    REQUIRE_FALSE(session.close());
  }
  CHECK((bench.file(kC) == bench.sample.file(kC)));
  CHECK_FALSE(bench.file(kA));
  {
    // A file that is ours stays in use when nobody wants it: it is not in parts.
    auto session = bench.session();
    const auto opened = session.open(kOnlyB);
    CHECK(members(opened.have) == range(1, 10));
    CHECK(opened.check.none());
    check_trusted(session, opened);
    REQUIRE_FALSE(session.close());
  }
  auto session = bench.session();
  const auto opened = session.open();
  REQUIRE_FALSE(opened.trouble);
  for (const std::uint32_t p : {0u, 1u, 9u, 10u}) session.store(p);
  REQUIRE_FALSE(session.close());
  CHECK_FALSE(bench.disk->exists("stem.parts"));
}

TEST_CASE("D3 of a newcomer that is partly right the good pieces are kept, the rest is fetched") {
  Bench bench;
  bench.run(kOnlyB);
  auto content = bench.sample.file(kC);
  const std::uint32_t bad = GENERATE(6u, 7u, 8u);
  content[bad == 6 ? 10 : (bad - 6) * kPieceLength] ^= 1;
  bench.put(kC, content);
  Pieces good;
  for (const std::uint32_t p : {6u, 7u, 8u})
    if (p != bad) good.push_back(p);
  {
    auto session = bench.session();
    const auto opened = session.open(kBAndC);
    REQUIRE_FALSE(opened.trouble);
    CHECK(session.check_all(opened) == good);
    REQUIRE_FALSE(session.close());
  }
  auto session = bench.session();
  const auto opened = session.open(kBAndC);
  CHECK(opened.foreign.empty());
  CHECK(opened.check.none());  // that one is bad is known
  CHECK(opened.have.count() == 7);
  CHECK_FALSE(opened.have.test(PieceIndex{bad}));
  check_trusted(session, opened);
  session.store(bad);
  session.store(9);
  CHECK((bench.file(kC) == bench.sample.file(kC)));
}

TEST_CASE("D3 a newcomer of which no piece matches is a conflict at each start until forced or unwanted") {
  Bench bench;
  bench.run(kOnlyB);
  const wire::ByteVector diary(GENERATE(70'000u, 150'000u, 200'000u), 'x');
  bench.put(kC, diary);
  const bool clean = GENERATE(false, true);
  for (int run = 0; run < 3; ++run) {
    auto session = bench.session();
    const auto opened = session.open(kBAndC);
    REQUIRE_FALSE(opened.trouble);
    CHECK(members(opened.have) == range(1, 6));
    CHECK(paths(opened) == Paths{"root/t/c"});
    CHECK(opened.check.test(PieceIndex{6}));
    CHECK(session.check_all(opened).empty());
    end(session, clean);
    CHECK((bench.file(kC) == diary));
  }
  SECTION("unwanted: what the parts blob has of the shared piece is found again") {
    {
      auto session = bench.session();
      const auto opened = session.open(kOnlyB);
      REQUIRE_FALSE(opened.trouble);
      CHECK(opened.foreign.empty());
      CHECK(members(opened.have) == range(1, 6));
      CHECK(session.check_all(opened) == Pieces{6});
      REQUIRE_FALSE(session.close());
    }
    auto session = bench.session();
    const auto opened = session.open(kOnlyB);
    CHECK(members(opened.have) == range(1, 7));
    CHECK(opened.check.none());
    check_trusted(session, opened);
    CHECK((bench.file(kC) == diary));
  }
  SECTION("its owner takes it away: the bytes are carried over") {
    bench.disk->remove("root/t/c");
    auto session = bench.session();
    const auto opened = session.open(kBAndC);
    REQUIRE_FALSE(opened.trouble);
    CHECK(opened.foreign.empty());
    CHECK(session.check_all(opened) == Pieces{6});
  }
  SECTION("forced") {
    {
      auto session = bench.session();
      const auto opened = session.open(kBAndC, true);
      REQUIRE_FALSE(opened.trouble);
      CHECK(opened.foreign.empty());
      CHECK(session.check_all(opened) == Pieces{6});  // carried out of the parts blob
      for (const std::uint32_t p : {7u, 8u, 9u}) session.store(p);
      end(session, clean);
    }
    CHECK((bench.file(kC) == bench.sample.file(kC)));
    auto session = bench.session();
    const auto opened = session.open(kBAndC);
    REQUIRE_FALSE(opened.trouble);
    CHECK(opened.foreign.empty());
  }
}

TEST_CASE("D3 a shared piece that a short newcomer cannot even hold is not forgotten while it is in the way") {
  Bench bench;
  bench.run(kBAndD);
  const wire::ByteVector diary(100'000, 'x');
  bench.put(kC, diary);
  const bool clean = GENERATE(false, true);
  {
    auto session = bench.session();
    const auto opened = session.open({false, true, true, true});
    REQUIRE_FALSE(opened.trouble);
    CHECK(members(opened.check) == Pieces{6});  // it ends long before piece 9
    CHECK(session.check_all(opened).empty());
    end(session, clean);
  }
  auto session = bench.session();
  const auto opened = session.open(kBAndD);
  CHECK(members(opened.have) == Pieces{1, 2, 3, 4, 5, 10});
  CHECK(session.check_all(opened) == Pieces{6, 9});
  CHECK((bench.file(kC) == diary));
}

TEST_CASE("D3 kill -9 at any moment while a newcomer is hashed") {
  const bool right = GENERATE(false, true);
  // With d in the first run the parts blob reaches to the end of c, so its length gives nothing away.
  const std::uint32_t checked = GENERATE(0u, 1u, 2u, 3u, 4u);
  const bool synced = GENERATE(false, true);
  const bool cut = GENERATE(false, true);  // a power failure that takes the journal
  Bench bench;
  bench.run(kBAndD);
  const wire::ByteVector content = right ? bench.sample.file(kC) : wire::ByteVector(200'000, 'x');
  bench.put(kC, content);
  const std::vector<bool> wanted{false, true, true, true};
  {
    auto session = bench.session();
    const auto opened = session.open(wanted);
    REQUIRE_FALSE(opened.trouble);
    CHECK(members(opened.check) == range(6, 10));
    for (std::uint32_t p = 6; p < 6 + checked; ++p) CHECK(session.check(p).good == right);
    if (synced) REQUIRE_FALSE(session.sync());
  }
  if (cut) bench.disk->remove("stem.journal");
  SECTION("wanted as before") {
    auto session = bench.session();
    const auto opened = session.open(wanted);
    REQUIRE_FALSE(opened.trouble);
    CHECK(paths(opened) == (right && checked > 0 ? Paths{} : Paths{"root/t/c"}));
    check_trusted(session, opened);
    const auto good = session.check_all(opened);
    CHECK(good.empty() == !(right && members(opened.have).size() < 10));
    if (!right) CHECK(members(opened.check) == range(6, 10));
  }
  SECTION("unwanted: nothing is trusted that is not there, and nothing is lost") {
    auto session = bench.session();
    const auto opened = session.open(kBAndD);
    REQUIRE_FALSE(opened.trouble);
    CHECK(opened.foreign.empty());
    check_trusted(session, opened);
    const auto good = session.check_all(opened);
    for (const std::uint32_t p : {6u, 9u})
      CHECK((opened.have.test(PieceIndex{p}) || std::find(good.begin(), good.end(), p) != good.end()));
  }
  CHECK((bench.file(kC) == content));
}

TEST_CASE("D3 no piece of a newcomer is on record before the state says that the file is ours") {
  Bench bench;
  bench.run(kBAndD);
  bench.put(kC, bench.sample.file(kC));
  {
    auto session = bench.faulty();
    REQUIRE_FALSE(session.open({false, true, true, true}).trouble);
    bench.faults->fail(FileOp::replace, std::errc::no_space_on_device, 1, 2);
    for (int i = 0; i < 2; ++i) {
      const auto checked = session.check(7);
      CHECK(checked.trouble.kind == Trouble::Kind::disk_full);
      CHECK_FALSE(checked.good);
    }
    REQUIRE_FALSE(session.sync());
    if (GENERATE(false, true)) {
      // The disk has room again: what was to be done is done.
      CHECK(session.check(7).good);
      REQUIRE_FALSE(session.sync());
    }
  }  // killed
  auto session = bench.session();
  const auto opened = session.open(kBAndD);
  REQUIRE_FALSE(opened.trouble);
  check_trusted(session, opened);
}

TEST_CASE("D3 what is stored into a newcomer makes it ours at once") {
  Bench bench;
  bench.run(kOnlyB);
  bench.put(kC, bench.sample.file(kC));
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open(kBAndC).trouble);
    session.store(8);
  }
  auto session = bench.session();
  const auto opened = session.open(kBAndC);
  CHECK(opened.foreign.empty());
  CHECK(session.check_all(opened) == Pieces{6, 7, 8});
}

TEST_CASE("D3 of two newcomers one may be right and the other one in the way") {
  Bench bench;
  bench.run(kOnlyB);
  const wire::ByteVector diary(150'000, 'x');
  const std::uint32_t wrong = GENERATE(kA, kC);
  const std::uint32_t right = wrong == kA ? kC : kA;
  const wire::ByteVector theirs{diary.begin(), diary.begin() + (wrong == kA ? 90'000 : 150'000)};
  bench.put(wrong, theirs);
  bench.put(right, bench.sample.file(right));
  const bool clean = GENERATE(false, true);
  for (int run = 0; run < 2; ++run) {
    auto session = bench.session();
    const auto opened = session.open(kAll);
    REQUIRE_FALSE(opened.trouble);
    if (run == 0) {
      CHECK(paths(opened) == Paths{"root/t/a", "root/t/c"});
    } else {
      CHECK(paths(opened) == Paths{bench.path(wrong)});  // the other one is ours already
    }
    check_trusted(session, opened);
    const auto good = session.check_all(opened);
    const auto [first, last] = bench.sample.layout().pieces_of(wrong);
    for (const std::uint32_t p : good) CHECK((p < first || p > last));
    CHECK((bench.file(wrong) == theirs));
    end(session, clean);
  }
  // Without the one that is in the way all is well, and no byte of b has been lost.
  std::vector<bool> wanted = kAll;
  wanted[wrong] = false;
  auto session = bench.session();
  const auto opened = session.open(wanted);
  REQUIRE_FALSE(opened.trouble);
  CHECK(opened.foreign.empty());
  check_trusted(session, opened);
  auto had = members(opened.have);
  for (const std::uint32_t p : session.check_all(opened)) had.push_back(p);
  std::sort(had.begin(), had.end());
  CHECK(had == (wrong == kA ? range(1, 9) : range(0, 7)));
  CHECK((bench.file(wrong) == theirs));
}

TEST_CASE("D3 newcomers that no piece can speak for are a conflict at Open, and cost nothing") {
  Bench bench;
  bench.run(kOnlyB);
  wire::ByteVector in_the_way(10, 'x');
  SECTION("too short for any piece") {}
  SECTION("too short, though it is right") {
    in_the_way = bench.sample.file(kC);
    in_the_way.resize(50'000);
  }
  SECTION("larger than the torrent has it") { in_the_way.resize(200'001, 'x'); }
  bench.put(kC, in_the_way);
  for (int run = 0; run < 2; ++run) {
    auto session = bench.session();
    const auto opened = session.open(kBAndC);
    CHECK(opened.trouble.kind == Trouble::Kind::conflict);
    CHECK(opened.trouble.path == "root/t/c");
    REQUIRE_FALSE(session.close());
    CHECK((bench.file(kC) == in_the_way));
  }
  {
    auto session = bench.session();
    const auto opened = session.open(kOnlyB);
    CHECK(members(opened.have) == range(1, 7));
    CHECK(opened.check.none());
    REQUIRE_FALSE(session.close());
  }
  auto session = bench.session();
  REQUIRE_FALSE(session.open(kBAndC, true).trouble);
  for (std::uint32_t p = 6; p < 10; ++p) session.store(p);
  CHECK((bench.file(kC) == bench.sample.file(kC)));
}

TEST_CASE("D3 what is no regular file stays a conflict when it becomes wanted") {
  Bench bench;
  bench.run(kOnlyB);
  bench.disk->put_irregular("root/t/c");
  auto session = bench.session();
  CHECK(session.open(kBAndC).trouble.kind == Trouble::Kind::conflict);
}

TEST_CASE("D3 an empty newcomer, or one that is all hole, is taken over with what the parts blob has of it") {
  Bench bench;
  bench.run(kOnlyB);
  bench.disk->truncate("root/t/c", GENERATE(0u, 200'000u));
  auto session = bench.session();
  const auto opened = session.open(kBAndC);
  REQUIRE_FALSE(opened.trouble);
  CHECK(opened.foreign.empty());
  CHECK(session.check_all(opened) == Pieces{6});
}

TEST_CASE("D3 a hole in a newcomer that stands for zeros speaks for it") {
  Bench bench{four(true)};
  bench.run(kOnlyB);
  bench.put(kC, wire::ByteVector(4'096, 'x'));
  bench.disk->truncate("root/t/c", 200'000);
  const bool clean = GENERATE(false, true);
  {
    auto session = bench.session();
    const auto opened = session.open(kBAndC);
    REQUIRE_FALSE(opened.trouble);
    CHECK(opened.foreign.empty());
    CHECK(members(opened.have) == Pieces{1, 2, 3, 4, 5, 7, 8});
    CHECK(session.check_all(opened).empty());
    end(session, clean);
  }
  auto session = bench.session();
  const auto opened = session.open(kBAndC);
  REQUIRE_FALSE(opened.trouble);
  CHECK(opened.foreign.empty());
  check_trusted(session, opened);
}
