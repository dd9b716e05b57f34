// SPDX-License-Identifier: Apache-2.0
#include "node/net/fd.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>

#include <asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "node/net/clock.hpp"
#include "node/net/timer.hpp"
#include "tests/node/event_loop.hpp"

namespace lodestone::node {
namespace {

using test::run_until;

std::pair<UniqueFd, UniqueFd> socket_pair() {
  std::array<int, 2> fds{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
  return {UniqueFd{fds[0]}, UniqueFd{fds[1]}};
}

}  // namespace

TEST_CASE("A watched descriptor that was readable before it was asked for is readable") {
  asio::io_context io;
  auto [a, b] = socket_pair();
  REQUIRE(::write(b.fd(), "x", 1) == 1);
  int calls = 0;
  WatchedFd watched(io, std::move(a), [&](WatchedFd::Ready ready) {
    CHECK(ready == WatchedFd::Ready::read);
    ++calls;
  });
  watched.want_read();
  watched.want_read();
  REQUIRE(run_until(io, [&] { return calls == 1; }));
  // What was left unread makes the next wait end at once: nothing is lost to edge triggering.
  watched.want_read();
  REQUIRE(run_until(io, [&] { return calls == 2; }));
}

TEST_CASE("A descriptor that rested is told of what came in meanwhile") {
  asio::io_context io;
  auto [a, b] = socket_pair();
  int calls = 0;
  WatchedFd watched(io, std::move(a), [&](WatchedFd::Ready) { ++calls; });
  const int fd = watched.fd();
  watched.rest();
  CHECK(watched.fd() == fd);
  REQUIRE(::write(b.fd(), "x", 1) == 1);
  io.restart();
  io.poll();
  CHECK(calls == 0);
  watched.want_read();
  watched.rest();  // something is wanted: it goes on being watched
  REQUIRE(run_until(io, [&] { return calls == 1; }));
  watched.rest();
  const UniqueFd back = watched.release();
  CHECK(back.fd() == fd);
  char x = 0;
  CHECK(::read(back.fd(), &x, 1) == 1);
}

TEST_CASE("A descriptor that is closed while it rests is closed") {
  asio::io_context io;
  auto [a, b] = socket_pair();
  WatchedFd watched(io, std::move(a), [](WatchedFd::Ready) {});
  watched.rest();
  watched.close();
  char x = 0;
  CHECK(::read(b.fd(), &x, 1) == 0);  // the end of the stream
}

TEST_CASE("A completion that is queued when its descriptor closes reaches nobody") {
  asio::io_context io;
  auto [a1, b1] = socket_pair();
  auto [a2, b2] = socket_pair();
  REQUIRE(::write(b1.fd(), "x", 1) == 1);
  REQUIRE(::write(b2.fd(), "x", 1) == 1);
  int calls = 0;
  std::optional<WatchedFd> first, second;
  // Whichever runs first closes both, itself included.
  const auto close_all = [&](WatchedFd::Ready) {
    ++calls;
    first->close();
    second.reset();
  };
  first.emplace(io, std::move(a1), close_all);
  second.emplace(io, std::move(a2), close_all);
  first->want_read();
  second->want_read();
  REQUIRE(run_until(io, [&] { return calls == 1; }));
  io.restart();
  io.poll();
  CHECK(calls == 1);
}

TEST_CASE("A released descriptor is open and unwatched") {
  asio::io_context io;
  auto [a, b] = socket_pair();
  int calls = 0;
  WatchedFd watched(io, std::move(a), [&](WatchedFd::Ready) { ++calls; });
  watched.want_read();
  const UniqueFd mine = watched.release();
  CHECK_FALSE(watched.valid());
  REQUIRE(::write(b.fd(), "x", 1) == 1);
  io.poll();
  CHECK(calls == 0);
  char c = 0;
  CHECK(::read(mine.fd(), &c, 1) == 1);
}

TEST_CASE("A timer armed for an earlier moment keeps it, one armed for a later moment moves forward") {
  asio::io_context io;
  int calls = 0;
  Timer timer(io, [&] { ++calls; });
  const wire::Instant begin = clock_now();
  timer.arm(begin + std::chrono::hours(1));
  timer.arm(begin + std::chrono::milliseconds(5));
  timer.arm(begin + std::chrono::hours(2));
  REQUIRE(run_until(io, [&] { return calls == 1; }));
  CHECK(clock_now() - begin >= std::chrono::milliseconds(5));
  CHECK(clock_now() - begin < std::chrono::minutes(1));
  timer.arm(begin);
  timer.disarm();
  io.restart();
  io.poll();
  CHECK(calls == 1);
}

TEST_CASE("The process started before now") {
  CHECK(process_start() <= clock_now());
  CHECK(clock_now() - process_start() < std::chrono::hours(1));
}

}  // namespace lodestone::node
