// SPDX-License-Identifier: Apache-2.0
#include "node/ops/locks.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include <catch2/catch.hpp>

#include "node/ops/state_dir.hpp"

namespace lodestone::node {
namespace {

/// A child process that takes the lock, says so, and waits to be ended.
class Holder {
 public:
  explicit Holder(const std::string& path) {
    std::array<int, 2> pipe{};
    REQUIRE(::pipe(pipe.data()) == 0);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      auto lock = FileLock::take(path);
      const char answer = lock ? 'y' : 'n';
      if (::write(pipe[1], &answer, 1) == 1) ::pause();
      ::_exit(0);  // the lock's destructor does not run: like any sudden death
    }
    ::close(pipe[1]);
    char answer = 0;
    CHECK(::read(pipe[0], &answer, 1) == 1);
    ::close(pipe[0]);
    holds_ = answer == 'y';
  }
  ~Holder() { end(); }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  [[nodiscard]] bool holds() const { return holds_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
  bool holds_ = false;
};

}  // namespace

TEST_CASE("D6 a lock excludes another process and names the holder's pid") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/a.lock";
  Holder holder(path);
  REQUIRE(holder.holds());
  CHECK(is_locked(path));
  const auto mine = FileLock::take(path);
  REQUIRE_FALSE(mine);
  CHECK(mine.error().held());
  CHECK(mine.error().pid == holder.pid());
  CHECK(mine.error().text() == "locked by process " + std::to_string(holder.pid()));
}

TEST_CASE("D6 the lock of a killed process is no obstacle") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/a.lock";
  Holder holder(path);
  REQUIRE(holder.holds());
  holder.end();
  CHECK(::access(path.c_str(), F_OK) == 0);  // it left the file behind
  CHECK_FALSE(is_locked(path));
  CHECK(FileLock::take(path));
}

TEST_CASE("D6 a lock excludes a second one in the same process, and is free after its end") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/a.lock";
  {
    const auto first = FileLock::take(path);
    REQUIRE(first);
    CHECK(is_locked(path));
    const auto second = FileLock::take(path);
    REQUIRE_FALSE(second);
    CHECK(second.error().pid == ::getpid());
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
  }
  CHECK(::access(path.c_str(), F_OK) != 0);
  CHECK_FALSE(is_locked(path));
  CHECK(FileLock::take(path));
}

TEST_CASE("D6 a stale lock file with somebody's pid is taken over") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/a.lock";
  std::ofstream(path) << "1\n";
  const auto lock = FileLock::take(path);
  REQUIRE(lock);
  std::ifstream file(path);
  pid_t pid = 0;
  file >> pid;
  CHECK(pid == ::getpid());
}

TEST_CASE("A lock that cannot be made says why") {
  const TemporaryDir folder;
  const auto lock = FileLock::take(folder.path() + "/missing/a.lock");
  REQUIRE_FALSE(lock);
  CHECK_FALSE(lock.error().held());
  CHECK(lock.error().error == std::errc::no_such_file_or_directory);
  CHECK_FALSE(is_locked(folder.path() + "/missing/a.lock"));
}

}  // namespace lodestone::node
