// SPDX-License-Identifier: Apache-2.0
#include "node/ops/observer.hpp"

#include <future>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "node/net/clock.hpp"
#include "node/ops/inquiry.hpp"
#include "node/ops/state_dir.hpp"
#include "node/ops/status_socket.hpp"

namespace lodestone::node {
namespace {

constexpr wire::Duration kLong = std::chrono::seconds(30);
constexpr wire::Duration kShort = std::chrono::milliseconds(20);

/// The network thread of a test: the one that has made the Runtime stays free to ask.
class NetworkThread {
 public:
  explicit NetworkThread(Runtime& runtime) : runtime_(runtime), thread_([&runtime] { runtime.run(); }) {}
  ~NetworkThread() {
    runtime_.stop();
    thread_.join();
  }

 private:
  Runtime& runtime_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("an inquiry sees what is there, and waits for a thread that does not react no longer than it may") {
  Runtime runtime{RuntimeConfig{}};
  int looks = 0;
  Inquiry<int> inquiry(runtime, [&looks] { return ++looks; });
  const wire::Instant before = clock_now();
  CHECK_FALSE(inquiry.ask(kShort));  // nobody runs it yet
  CHECK_FALSE(inquiry.ask(kShort));
  CHECK(clock_now() - before >= 2 * kShort);
  std::promise<void> nudged;
  {
    const NetworkThread network(runtime);
    runtime.post([&nudged] { nudged.set_value(); });
    nudged.get_future().wait();
    // The two questions above were one for the network thread, and its answer is too old for this one.
    CHECK(inquiry.ask(kLong) == 2);
    CHECK(inquiry.ask(kLong) == 3);
  }
}

TEST_CASE("who waits for an answer when an inquiry is closed waits no longer") {
  Runtime runtime{RuntimeConfig{}};
  Inquiry<int> inquiry(runtime, [] { return 1; });
  auto answer = std::async(std::launch::async, [&inquiry] { return inquiry.ask(kLong); });
  const wire::Instant before = clock_now();
  inquiry.close();
  CHECK_FALSE(answer.get());
  CHECK(clock_now() - before < kLong);
}

TEST_CASE("a node that does not react says so on its socket, and then what it is") {
  const TemporaryDir home;
  Runtime runtime{RuntimeConfig{}};
  SessionConfig config;
  config.listen = {{*wire::Address::parse("127.0.0.1"), std::nullopt}};
  config.tcp = false;
  config.use_builtin_routers = false;
  Session session(runtime, config);
  REQUIRE(session.start());
  std::optional<Observer> observer;
  observer.emplace(runtime, session, NodeFacts{.version = "9", .role = "node", .state_dir = home.path()});
  REQUIRE_FALSE(observer->serve_status());
  for (const char* page : {"/healthz", "/status"}) {
    const auto said = ask_node(home.path(), page);
    REQUIRE_FALSE(said);
    CHECK(said.error() == "the network thread has not reacted for 2 s");
  }
  {
    const NetworkThread network(runtime);
    CHECK(ask_node(home.path(), "/healthz") == "ok");
    const auto ready = ask_node(home.path(), "/readyz");
    REQUIRE_FALSE(ready);
    CHECK(ready.error() == "no DHT node has answered yet");
    const auto status = ask_node(home.path(), "/status");
    REQUIRE(status);
    CHECK(status->starts_with("{\"type\":\"status\""));
    CHECK(status->find(session.listening().front().text()) != std::string::npos);
    CHECK(ask_node(home.path(), "/metrics")->find("lodestone_dht_table_contacts{family=\"4\"") != std::string::npos);
  }
  observer.reset();
}

TEST_CASE("a port for metrics that is taken is an error, and port 0 becomes a number") {
  const auto first = bind_metrics(*wire::Endpoint::parse("127.0.0.1:0"));
  REQUIRE(first);
  CHECK(first->local.port != 0);
  const auto second = bind_metrics(first->local);
  REQUIRE_FALSE(second);
  CHECK(second.error() == std::errc::address_in_use);
}

}  // namespace lodestone::node
