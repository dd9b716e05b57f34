// SPDX-License-Identifier: Apache-2.0
#include "node/ops/state_dir.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <catch2/catch.hpp>

#include "node/ops/worker.hpp"

namespace lodestone::node {
namespace {

unsigned mode_of(const std::string& path) {
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777u;
}

std::size_t entries(const std::string& folder) {
  std::size_t n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++n;
  return n;
}

}  // namespace

TEST_CASE("C3 the state directory is made with its parents, for its owner alone") {
  const TemporaryDir folder;
  const auto dir = StateDir::open(folder.path() + "/a/b/state/");
  REQUIRE(dir);
  CHECK(dir->path() == folder.path() + "/a/b/state");
  CHECK(mode_of(dir->path()) == 0700);
  CHECK(mode_of(dir->torrents()) == 0700);
  const auto hash = *wire::InfoHash::from_hex("0123456789abcdef0123456789abcdef01234567");
  CHECK(dir->torrent_file(hash, "lock") ==
        folder.path() + "/a/b/state/torrents/0123456789abcdef0123456789abcdef01234567.lock");
  CHECK(dir->dht_snapshot(wire::Family::v4, false) != dir->dht_snapshot(wire::Family::v4, true));
  CHECK(StateDir::open(dir->path()));  // again
}

TEST_CASE("A state directory that is a file is an error") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/state";
  std::ofstream(path) << "x";
  const auto dir = StateDir::open(path);
  REQUIRE_FALSE(dir);
  CHECK(dir.error() == std::errc::not_a_directory);
}

TEST_CASE("A file is replaced whole, with mode 0600, and leaves nothing beside it") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/file";
  CHECK_FALSE(read_file(path, 100));
  REQUIRE_FALSE(replace_file(path, wire::as_bytes("one")));
  REQUIRE_FALSE(replace_file(path, wire::as_bytes("second")));
  const auto content = read_file(path, 100);
  REQUIRE(content);
  CHECK(wire::as_text(*content) == "second");
  CHECK(mode_of(path) == 0600);
  CHECK(entries(folder.path()) == 1);
  CHECK_FALSE(read_file(path, 5));           // larger than the reader is ready for
  CHECK_FALSE(read_file(folder.path(), 5));  // no file
}

TEST_CASE("A file that is replaced in pieces is there as a whole or not at all") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/file";
  const auto content = [&] {
    const auto raw = read_file(path, 100);
    return raw ? std::string(wire::as_text(*raw)) : "none";
  };
  {
    Replacement file(path);
    CHECK(entries(folder.path()) == 0);
    file.append(wire::as_bytes("one"));
    file.append(wire::as_bytes(" two"));
    CHECK(content() == "none");
    REQUIRE_FALSE(file.commit());
    file.discard();  // there is nothing left of it
  }
  CHECK(content() == "one two");
  {
    Replacement file(path);
    file.append(wire::as_bytes("half of"));
  }
  CHECK(content() == "one two");
  CHECK(entries(folder.path()) == 1);
  Replacement nowhere(folder.path() + "/no/such/folder");
  nowhere.append(wire::as_bytes("x"));
  CHECK(nowhere.commit() == std::errc::no_such_file_or_directory);
  REQUIRE_FALSE(Replacement(path).commit());
  CHECK(content().empty());
}

TEST_CASE("A replacement that fails half way leaves the old content") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/file";
  REQUIRE_FALSE(replace_file(path, wire::as_bytes("old")));
  // A limit on file size is the nearest thing to a full disk that needs no rights.
  rlimit old_limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old_limit) == 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{1'000, old_limit.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
  const std::error_code error = replace_file(path, wire::ByteVector(5'000, 'x'));
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &old_limit) == 0);
  std::signal(SIGXFSZ, old_handler);
  CHECK(error == std::errc::file_too_large);
  CHECK(wire::as_text(*read_file(path, 100)) == "old");
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("Whoever reads while a file is replaced finds one content or the other") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/file";
  const wire::ByteVector a(20'000, 'a');
  const wire::ByteVector b(30'000, 'b');
  REQUIRE_FALSE(replace_file(path, a));
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 30; ++i) (void)replace_file(path, i % 2 == 0 ? b : a);
    done = true;
  });
  int torn = 0;
  while (!done) {
    const auto content = read_file(path, 1 << 20);
    if (!content || (*content != a && *content != b)) ++torn;
  }
  writer.join();
  CHECK(torn == 0);
}

TEST_CASE("The worker does everything it was given, in order, before it ends") {
  std::vector<int> done;
  {
    Worker worker([](std::move_only_function<void()>) {});
    for (int i = 0; i < 100; ++i) worker.run([&done, i] { done.push_back(i); });
  }
  REQUIRE(done.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(done[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("D5 the worker works on a thread of its own and its answers come by way of the post function") {
  const std::thread::id here = std::this_thread::get_id();
  std::vector<std::move_only_function<void()>> posted;  // by the worker's thread, which has ended when it is read
  std::vector<int> answers;
  std::thread::id there;
  {
    Worker worker([&](std::move_only_function<void()> f) { posted.push_back(std::move(f)); });
    for (int i = 0; i < 10; ++i)
      worker.ask(
          [&there, i] {
            there = std::this_thread::get_id();
            return std::make_unique<int>(i);
          },
          [&answers](std::unique_ptr<int> answer) { answers.push_back(*answer); });
  }
  CHECK(there != here);
  CHECK(answers.empty());
  for (auto& f : posted) f();
  CHECK(answers == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("A temporary folder goes with what is in it") {
  std::string path;
  {
    const TemporaryDir folder;
    path = folder.path();
    REQUIRE_FALSE(path.empty());
    CHECK(mode_of(path) == 0700);
    std::ofstream(path + "/file") << "x";
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

}  // namespace lodestone::node
