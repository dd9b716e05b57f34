// SPDX-License-Identifier: Apache-2.0
#include "storage/disk/posix_files.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include <catch2/catch.hpp>

#include "storage/plan/resume.hpp"
#include "tests/storage/disk/fixture.hpp"
#include "tests/storage/disk/temporary.hpp"

using namespace lodestone;
using namespace lodestone::storage;
using namespace lodestone::storage::test;
namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t kPieceLength = 64 * 1024;

Sample mixed() {
  return make_sample({{"t/a", 150'000}, {"t/.pad/1", 46'608, true}, {"t/deep/er/b", 200'000}, {"t/empty", 0}},
                     kPieceLength);
}

struct Bench {
  explicit Bench(Sample s, PosixOptions o = {}) : sample(std::move(s)), options(o) {}
  [[nodiscard]] Session session() {
    return Session{sample, make_posix_files((dir / "root").string(), (dir / "state").string(), "stem", options)};
  }
  [[nodiscard]] fs::path file(std::uint32_t f) const { return dir / "root" / sample.layout().files()[f].joined(); }
  Sample sample;
  PosixOptions options;
  Temporary dir;
};

unsigned mode_of(const fs::path& path) {
  struct stat st;
  REQUIRE(::stat(path.c_str(), &st) == 0);
  return st.st_mode & 07777;
}

std::uint64_t allocated(const fs::path& path) {
  struct stat st;
  REQUIRE(::stat(path.c_str(), &st) == 0);
  return static_cast<std::uint64_t>(st.st_blocks) * 512;
}

std::size_t open_descriptors() {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator{"/proc/self/fd"}, fs::directory_iterator{}));
}

PosixOptions walking() {
  PosixOptions out;
  out.use_openat2 = false;
  return out;
}

}  // namespace

TEST_CASE("a torrent is stored, closed, opened and read on a real file system") {
  Bench bench{mixed(), GENERATE(PosixOptions{}, walking())};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open().trouble);
    session.store_all();
    REQUIRE_FALSE(session.sync());
    REQUIRE_FALSE(session.close());
  }
  for (const std::uint32_t f : {0u, 2u, 3u}) CHECK(content_of(bench.file(f)) == bench.sample.file(f));
  CHECK_FALSE(fs::exists(bench.file(1)));
  auto session = bench.session();
  const auto opened = session.open();
  CHECK(opened.have.all());
  CHECK(opened.check.none());
  CHECK(std::ranges::equal(session.read(2, 0, 16'384).block.bytes(), bench.sample.piece(2).first(16'384)));
}

TEST_CASE("D4 a store dropped at any moment comes back with what the journal says") {
  Bench bench{mixed()};
  for (std::uint32_t p = 0; p < bench.sample.pieces(); ++p) {
    auto session = bench.session();
    const auto opened = session.open();
    REQUIRE_FALSE(opened.trouble);
    CHECK(opened.have.count() + opened.check.count() == p);
    CHECK(session.check_all(opened).size() == opened.check.count());
    session.store(p);
    if (p % 2 == 0) REQUIRE_FALSE(session.sync());
  }
  auto session = bench.session();
  const auto opened = session.open();
  CHECK(opened.have.count() + session.check_all(opened).size() == bench.sample.pieces());
}

TEST_CASE("D4 kill -9 of a storing process leaves no corrupt file and loses no piece that it told of") {
  Bench bench{make_sample({{"t/a", 20 * kPieceLength + 5}, {"t/b", 20 * kPieceLength}}, kPieceLength)};
  const std::uint32_t told = GENERATE(0u, 1u, 7u, 23u, 40u);
  const bool syncs = GENERATE(false, true);
  int pipe[2];
  REQUIRE(::pipe(pipe) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // Stores as fast as it can and says so piece by piece, until it is killed.
    auto session = bench.session();
    static_cast<void>(session.open());
    for (std::uint32_t p = 0; p < bench.sample.pieces(); ++p) {
      session.store(p);
      if (syncs && p % 5 == 4) static_cast<void>(session.sync());
      if (::write(pipe[1], "x", 1) != 1) ::_exit(1);
    }
    for (;;) ::pause();
  }
  for (std::uint32_t i = 0; i < told; ++i) {
    char byte = 0;
    REQUIRE(::read(pipe[0], &byte, 1) == 1);
  }
  REQUIRE(::kill(child, SIGKILL) == 0);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  ::close(pipe[0]);
  ::close(pipe[1]);

  auto session = bench.session();
  const auto opened = session.open();
  REQUIRE_FALSE(opened.trouble);
  // Everything that is trusted or to be hashed is good, and it is at least what we were told.
  CHECK(session.check_all(opened).size() == opened.check.count());
  for (const std::uint32_t p : members(opened.have)) CHECK(session.check(p).good);
  CHECK(opened.have.count() + opened.check.count() >= told);
  if (syncs) CHECK(opened.check.count() <= 5);
}

TEST_CASE("D3 state files are private and snapshots leave no temporary behind") {
  Bench bench{mixed()};
  auto session = bench.session();
  REQUIRE_FALSE(session.open({true, true, false, true}).trouble);
  session.store(0);
  session.store(2);
  REQUIRE_FALSE(session.spill({{wire::PieceIndex{4}, 0}}).trouble);
  for (const char* name : {"stem.resume", "stem.journal", "stem.scratch"})
    CHECK(mode_of(bench.dir / "state" / name) == 0600);
  CHECK(mode_of(bench.dir / "state") == 0700);
  CHECK_FALSE(fs::exists(bench.dir / "state" / "stem.resume.tmp"));
}

TEST_CASE("D3 a leftover temporary, even a symlink, does not disturb a snapshot") {
  Bench bench{mixed()};
  fs::create_directories(bench.dir / "state");
  write_file(bench.dir / "precious", wire::as_bytes("mine"));
  fs::create_symlink(bench.dir / "precious", bench.dir / "state" / "stem.resume.tmp");
  auto session = bench.session();
  REQUIRE_FALSE(session.open().trouble);
  CHECK(content_of(bench.dir / "precious").size() == 4);
  CHECK(fs::is_regular_file(fs::symlink_status(bench.dir / "state" / "stem.resume")));
}

TEST_CASE("D1 symlinks never lead out of the root") {
  Bench bench{mixed(), GENERATE(PosixOptions{}, walking())};
  fs::create_directories(bench.dir / "root" / "t");
  fs::create_directories(bench.dir / "outside");
  SECTION("a directory on the way") { fs::create_symlink(bench.dir / "outside", bench.dir / "root" / "t" / "deep"); }
  SECTION("a relative one") { fs::create_symlink("../../outside", bench.dir / "root" / "t" / "deep"); }
  SECTION("the torrent's own directory") {
    fs::remove(bench.dir / "root" / "t");
    fs::create_symlink(bench.dir / "outside", bench.dir / "root" / "t");
  }
  SECTION("the file itself") {
    write_file(bench.dir / "outside" / "a", wire::as_bytes("mine"));
    fs::create_symlink(bench.dir / "outside" / "a", bench.dir / "root" / "t" / "a");
  }
  SECTION("the file itself, dangling") {
    fs::create_symlink(bench.dir / "outside" / "new", bench.dir / "root" / "t" / "a");
  }
  auto session = bench.session();
  CHECK(session.open().trouble.kind == Trouble::Kind::unsafe_path);
  CHECK(session.open({}, true).trouble.kind == Trouble::Kind::unsafe_path);
  for (const auto& entry : fs::recursive_directory_iterator{bench.dir / "outside"})
    CHECK(content_of(entry.path()).size() == 4);
}

TEST_CASE("D1 a symlink put in place while the torrent runs is not followed") {
  Bench bench{mixed(), GENERATE(PosixOptions{}, walking())};
  bench.options.open_files = 1;
  auto session = bench.session();
  REQUIRE_FALSE(session.open().trouble);
  fs::create_directories(bench.dir / "outside");
  fs::rename(bench.dir / "root" / "t" / "deep", bench.dir / "root" / "t" / "moved");
  fs::create_symlink(bench.dir / "outside", bench.dir / "root" / "t" / "deep");
  session.store(0);  // the one descriptor is now that of "a"
  const auto result = session.try_store(4);
  const auto* failed = std::get_if<result::PieceFailed>(&result);
  REQUIRE(failed);
  CHECK(failed->trouble.kind == Trouble::Kind::unsafe_path);
  CHECK(fs::is_empty(bench.dir / "outside"));
}

TEST_CASE("D1 the root itself may be a symlink, and need not exist") {
  Bench bench{mixed(), GENERATE(PosixOptions{}, walking())};
  SECTION("symlink") {
    fs::create_directories(bench.dir / "elsewhere");
    fs::create_symlink(bench.dir / "elsewhere", bench.dir / "root");
  }
  SECTION("absent") {}
  auto session = bench.session();
  REQUIRE_FALSE(session.open().trouble);
  session.store_all();
  CHECK(content_of(bench.file(0)) == bench.sample.file(0));
}

TEST_CASE("D1 unclean elements are refused even if a manifest should carry them") {
  const std::string name =
      GENERATE(std::string{".."}, std::string{"."}, std::string{""}, std::string{"x\0y", 3}, std::string{"x/y"});
  Sample sample = make_sample({{"t/a", 10}}, kPieceLength);
  auto files = sample.layout().files();
  files[0].path[0] = name;
  sample.manifest = std::make_shared<const Manifest>(
      Manifest{Layout{files, sample.geometry()}, sample.manifest->pieces, sample.manifest->info_dict});
  Bench bench{sample, GENERATE(PosixOptions{}, walking())};
  fs::create_directories(bench.dir / "root");
  auto session = bench.session();
  CHECK(session.open().trouble.kind == Trouble::Kind::unsafe_path);
  CHECK(fs::is_empty(bench.dir / "root"));
}

TEST_CASE("D3 what is no regular file is a conflict, and only force removes it") {
  Bench bench{mixed()};
  fs::create_directories(bench.dir / "root" / "t");
  SECTION("a fifo: nobody waits for its other end") {
    REQUIRE(::mkfifo((bench.dir / "root" / "t" / "a").c_str(), 0600) == 0);
    auto session = bench.session();
    CHECK(session.open().trouble.kind == Trouble::Kind::conflict);
    CHECK(fs::is_fifo(bench.dir / "root" / "t" / "a"));
    REQUIRE_FALSE(session.open({}, true).trouble);
    session.store_all();
    CHECK(content_of(bench.file(0)) == bench.sample.file(0));
  }
  SECTION("a directory: not even with force") {
    fs::create_directories(bench.dir / "root" / "t" / "a" / "keep");
    auto session = bench.session();
    CHECK(session.open().trouble.kind == Trouble::Kind::conflict);
    CHECK(session.open({}, true).trouble.kind == Trouble::Kind::conflict);
    CHECK(fs::exists(bench.dir / "root" / "t" / "a" / "keep"));
  }
  SECTION("a file where a directory belongs") {
    write_file(bench.dir / "root" / "t" / "deep", wire::as_bytes("x"));
    auto session = bench.session();
    CHECK(session.open().trouble.kind == Trouble::Kind::conflict);
  }
}

TEST_CASE("D2 files are sparse, and holes of a killed download are not hashed") {
  Bench bench{make_sample({{"big", 64u << 20}}, 1u << 20)};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open().trouble);
    session.store(60);
    session.store(10);
  }
  CHECK(allocated(bench.file(0)) < (4u << 20));
  fs::remove_all(bench.dir / "state");
  auto session = bench.session();
  const auto opened = session.open();
  CHECK(opened.check.count() <= 4);  // file systems round data up to their blocks
  CHECK(session.check_all(opened) == Pieces{10, 60});
}

TEST_CASE("D2 what unwanted files have of shared pieces stays readable without them") {
  Bench bench{make_sample({{"t/a", 100'000}, {"t/b", 100'000}, {"t/c", 100'000}}, kPieceLength)};
  const std::vector<bool> only_b{false, true, false};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open(only_b).trouble);
    for (const std::uint32_t p : {1u, 2u, 3u}) session.store(p);
    REQUIRE_FALSE(session.sync());
    REQUIRE_FALSE(session.close());
  }
  CHECK_FALSE(fs::exists(bench.file(0)));
  CHECK_FALSE(fs::exists(bench.file(2)));
  CHECK(mode_of(bench.dir / "state" / "stem.parts") == 0600);
  auto session = bench.session();
  CHECK(members(session.open(only_b).have) == Pieces{1, 2, 3});
  for (const std::uint32_t p : {1u, 2u, 3u}) CHECK(session.check(p).good);
  const auto opened = session.open();
  CHECK(members(opened.have) == Pieces{2});
  CHECK(session.check_all(opened) == Pieces{1, 3});
  session.store(0);
  session.store(4);
  REQUIRE_FALSE(session.close());
  for (const std::uint32_t f : {0u, 1u, 2u}) CHECK(content_of(bench.file(f)) == bench.sample.file(f));
}

TEST_CASE("D3 files that stand where unwanted ones become wanted are hashed, and in the way only if nothing matches") {
  Bench bench{make_sample({{"t/a", 100'000}, {"t/b", 100'000}, {"t/c", 100'000}}, kPieceLength)};
  {
    auto session = bench.session();
    REQUIRE_FALSE(session.open({false, true, false}).trouble);
    for (const std::uint32_t p : {1u, 2u, 3u}) session.store(p);
    REQUIRE_FALSE(session.close());
  }
  const wire::ByteVector diary(100'000, 'x');
  write_file(bench.file(0), bench.sample.file(0));
  write_file(bench.file(2), diary);
  const bool clean = GENERATE(false, true);
  for (int run = 0; run < 2; ++run) {
    auto session = bench.session();
    const auto opened = session.open();
    REQUIRE_FALSE(opened.trouble);
    REQUIRE(opened.foreign.size() == (run == 0 ? 2 : 1));
    CHECK(opened.foreign.back().path == bench.file(2).string());
    CHECK(session.check_all(opened) == (run == 1 && clean ? Pieces{} : Pieces{0, 1}));
    if (clean) REQUIRE_FALSE(session.close());
  }
  CHECK((content_of(bench.file(2)) == diary));
  {
    auto session = bench.session();
    const auto opened = session.open({true, true, false});
    REQUIRE_FALSE(opened.trouble);
    CHECK(opened.foreign.empty());
    CHECK(session.check_all(opened) == (clean ? Pieces{3} : Pieces{0, 1, 3}));
    REQUIRE_FALSE(session.close());
  }
  write_file(bench.file(2), bench.sample.file(2));
  auto session = bench.session();
  const auto opened = session.open();
  CHECK(members(opened.have) == Pieces{0, 1, 2});
  CHECK(session.check_all(opened) == Pieces{3, 4});
  REQUIRE_FALSE(session.close());
  CHECK_FALSE(fs::exists(bench.dir / "state" / "stem.parts"));
}

TEST_CASE("a torrent of many files needs few descriptors") {
  std::vector<FileSpec> specs;
  for (int i = 0; i < 300; ++i) specs.push_back({"t/d" + std::to_string(i % 7) + "/f" + std::to_string(i), 700});
  Bench bench{make_sample(specs, kPieceLength)};
  bench.options.open_files = 8;
  const std::size_t before = open_descriptors();
  auto session = bench.session();
  REQUIRE_FALSE(session.open().trouble);
  session.store_all();
  REQUIRE_FALSE(session.sync());
  CHECK(open_descriptors() <= before + 8 + 4);
  for (std::uint32_t p = 0; p < bench.sample.pieces(); ++p) CHECK(session.check(p).good);
  REQUIRE_FALSE(session.close());
  CHECK(open_descriptors() == before);
  for (std::uint32_t f = 0; f < 300; ++f) REQUIRE(content_of(bench.file(f)) == bench.sample.file(f));
}

TEST_CASE("BEP 47 an executable file is made executable") {
  Sample sample = make_sample({{"run", 10}, {"read", 10}}, kPieceLength);
  auto files = sample.layout().files();
  files[0].executable = true;
  sample.manifest = std::make_shared<const Manifest>(
      Manifest{Layout{files, sample.geometry()}, sample.manifest->pieces, sample.manifest->info_dict});
  Bench bench{sample};
  auto session = bench.session();
  REQUIRE_FALSE(session.open().trouble);
  CHECK((mode_of(bench.file(0)) & 0100) != 0);
  CHECK((mode_of(bench.file(1)) & 0111) == 0);
}

TEST_CASE("D2 files that may only be read can be checked and served") {
  Bench bench{mixed()};
  fs::create_directories(bench.file(0).parent_path());
  fs::create_directories(bench.file(2).parent_path());
  for (const std::uint32_t f : {0u, 2u, 3u}) {
    write_file(bench.file(f), bench.sample.file(f));
    REQUIRE(::chmod(bench.file(f).c_str(), 0400) == 0);
  }
  auto session = bench.session();
  const auto opened = session.open();
  CHECK(session.check_all(opened).size() == bench.sample.pieces());
  CHECK_FALSE(session.read(0, 0, 100).trouble);
  CHECK_FALSE(session.close());
}

TEST_CASE("D2 a file that cannot grow is trouble, and nothing of the piece is lost") {
  // The limit on file sizes stands in for a full disk; its signal must not kill the test.
  Bench bench{make_sample({{"f", 256 * 1024}}, kPieceLength)};
  auto session = bench.session();
  REQUIRE_FALSE(session.open().trouble);
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  rlimit tight = old;
  tight.rlim_cur = 100'000;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
  session.store(0);
  auto result = session.try_store(1);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
  std::signal(SIGXFSZ, handler);
  auto* failed = std::get_if<result::PieceFailed>(&result);
  REQUIRE(failed);
  CHECK(failed->trouble.code == std::errc::file_too_large);
  CHECK(failed->blocks.size() == 4);
  const auto again = session.store().execute(job::StorePiece{wire::PieceIndex{1}, std::move(failed->blocks)});
  CHECK(std::holds_alternative<result::PieceStored>(again));
  CHECK(session.check(1).good);
}

TEST_CASE("D2 a read-only place says so at Open") {
  if (::geteuid() == 0) {
    // Root may write anywhere, so a file takes the directory's place: the state cannot be written.
    Bench bench{mixed()};
    write_file(bench.dir / "state", wire::as_bytes("x"));
    auto session = bench.session();
    const auto opened = session.open();
    CHECK(opened.trouble.kind == Trouble::Kind::conflict);
    return;
  }
  Bench bench{mixed()};
  fs::create_directories(bench.dir / "root");
  fs::permissions(bench.dir / "root", fs::perms::owner_read | fs::perms::owner_exec);
  auto session = bench.session();
  CHECK(session.open().trouble.kind == Trouble::Kind::permission);
}
