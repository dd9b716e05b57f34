// SPDX-License-Identifier: Apache-2.0
#include "node/net/signal_trap.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include <catch2/catch.hpp>

#include "node/runtime.hpp"

namespace lodestone::node {
namespace {

/// A process in which nothing but the handler works: it says when the trap is set and when the first signal was noted,
/// then it hangs in a read that never ends.
class Stuck {
 public:
  Stuck() {
    std::array<int, 2> words{};
    std::array<int, 2> never{};
    REQUIRE(::pipe(words.data()) == 0);
    REQUIRE(::pipe(never.data()) == 0);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      const SignalTrap trap;
      char c = 's';
      bool fine = ::write(words[1], &c, 1) == 1;
      const UniqueFd noted = trap.readable();
      pollfd wait{noted.fd(), POLLIN, 0};
      while (!trap.caught()) ::poll(&wait, 1, -1);
      fine = fine && ::write(words[1], &c, 1) == 1;
      (void)!::read(never[0], &c, 1);
      ::_exit(fine ? 0 : 1);
    }
    ::close(words[1]);
    ::close(never[0]);
    words_ = UniqueFd{words[0]};
    never_ = UniqueFd{never[1]};
  }
  ~Stuck() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  Stuck(const Stuck&) = delete;
  Stuck& operator=(const Stuck&) = delete;

  void wait_for_word() {
    char c = 0;
    REQUIRE(::read(words_.fd(), &c, 1) == 1);
  }
  void send(int signal) { REQUIRE(::kill(pid_, signal) == 0); }
  /// The status that waitpid() tells.
  int end() {
    int status = 0;
    REQUIRE(::waitpid(pid_, &status, 0) == pid_);
    pid_ = 0;
    return status;
  }

 private:
  pid_t pid_ = 0;
  UniqueFd words_, never_;
};

}  // namespace

TEST_CASE("The second signal ends a process that hangs, with the code of that signal") {
  for (const int second : {SIGINT, SIGTERM}) {
    Stuck process;
    process.wait_for_word();
    process.send(SIGINT);
    process.wait_for_word();  // the first one did not end it
    process.send(second);
    const int status = process.end();
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 128 + second);
  }
}

TEST_CASE("The first signal is told on the network thread, and the handler of before is there again at the end") {
  struct sigaction before{};
  struct sigaction after{};
  for (const int number : {SIGTERM, SIGINT}) {
    ::sigaction(number, nullptr, &before);
    int told = 0;
    {
      Runtime runtime{RuntimeConfig{.block_memory = 1u << 20, .disk_threads = 1}};
      runtime.on_signal([&](int signal) {
        told = signal;
        runtime.stop();
      });
      REQUIRE(::raise(number) == 0);
      CHECK(told == 0);
      runtime.run();
    }
    CHECK(told == number);
    ::sigaction(number, nullptr, &after);
    CHECK(after.sa_handler == before.sa_handler);
  }
}

}  // namespace lodestone::node
