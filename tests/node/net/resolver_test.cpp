// SPDX-License-Identifier: Apache-2.0
#include "node/net/resolver.hpp"

#include <algorithm>
#include <thread>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <catch2/catch.hpp>

#include "tests/node/event_loop.hpp"

namespace lodestone::node {
namespace {

using test::run_until;

Resolver::Post post_to(asio::io_context& io) {
  return [&io](std::function<void()> f) { asio::post(io, std::move(f)); };
}

}  // namespace

TEST_CASE("Numeric hosts are answered without asking anybody, and later") {
  asio::io_context io;
  Resolver resolver(post_to(io));
  std::vector<std::vector<wire::Endpoint>> answers;
  const auto keep = [&](std::vector<wire::Endpoint> found) { answers.push_back(std::move(found)); };
  resolver.resolve({"127.0.0.3", 6881}, keep);
  resolver.resolve({"::1", 1}, keep);
  resolver.resolve({"[fd00::2]", 2}, keep);
  resolver.resolve({"localhost", 3}, keep);
  CHECK(answers.empty());
  REQUIRE(run_until(io, [&] { return answers.size() == 4; }));
  CHECK(answers[0] == std::vector{*wire::Endpoint::parse("127.0.0.3:6881")});
  CHECK(answers[1] == std::vector{*wire::Endpoint::parse("[::1]:1")});
  CHECK(answers[2] == std::vector{*wire::Endpoint::parse("[fd00::2]:2")});
  CHECK(std::count(answers[3].begin(), answers[3].end(), *wire::Endpoint::parse("127.0.0.1:3")) == 1);
}

TEST_CASE("A name is asked for on another thread and answered on ours, even when it does not exist") {
  asio::io_context io;
  const auto work = asio::make_work_guard(io);
  Resolver resolver(post_to(io));
  bool answered = false;
  std::thread::id where;
  // RFC 6761: .invalid never exists; without a network the answer is the same.
  resolver.resolve({"no-such-host.invalid", 1}, [&](const std::vector<wire::Endpoint>& found) {
    answered = true;
    where = std::this_thread::get_id();
    CHECK(found.empty());
  });
  REQUIRE(run_until(io, [&] { return answered; }, std::chrono::seconds(60)));
  CHECK(where == std::this_thread::get_id());
}

TEST_CASE("A resolver that is gone answers nobody") {
  asio::io_context io;
  bool answered = false;
  {
    Resolver resolver(post_to(io));
    resolver.resolve({"127.0.0.1", 1}, [&](const std::vector<wire::Endpoint>&) { answered = true; });
  }
  CHECK(io.poll() == 1);
  CHECK_FALSE(answered);
}

}  // namespace lodestone::node
