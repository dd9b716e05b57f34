// SPDX-License-Identifier: Apache-2.0
#include "dht/queries.hpp"

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;
using dht::Lateness;

namespace {

const wire::Endpoint kTo{wire::Address::v4(11, 0, 0, 1), 6881};

struct Bench {
  dht::NodeConfig config;
  dht::Queries queries{config};
  wire::Rng rng = wire::Rng::from_number(1);
  wire::DatagramBatch out;
  wire::Instant now{1h};

  wire::ByteVector send(wire::Duration usual_rtt = {}) {
    out.clear();
    dht::Ask ask;
    ask.to = kTo;
    queries.send(now, ask, dht::Purpose::probe, 0, usual_rtt, rng, out);
    dht::krpc::Decoder decoder;
    const auto m = decoder.decode(out.payload(out.entries().front()));
    return {m->transaction.begin(), m->transaction.end()};
  }
  /// When it becomes slow, overdue and lost, if nobody answers.
  std::array<wire::Duration, 3> steps(wire::Duration usual_rtt = {}) {
    const auto start = now;
    send(usual_rtt);
    std::array<wire::Duration, 3> at{};
    for (auto& a : at) {
      now = queries.next_deadline();
      REQUIRE(queries.next_late(now));
      a = now - start;
    }
    return at;
  }
  void learn(wire::Duration rtt, int times = 50) {
    for (int i = 0; i < times; ++i) {
      const auto t = send();
      now += rtt;
      REQUIRE(queries.match(now, t, kTo));
    }
  }
};

}  // namespace

TEST_CASE("L2 when a reply is slow follows the network and the node, between its bounds") {
  Bench b;
  CHECK(b.steps()[0] == 1s);  // nothing known
  b.learn(400ms);
  CHECK(b.steps()[0] >= 400ms);  // the network's p90
  CHECK(b.steps()[0] <= 480ms);
  CHECK(b.steps(300ms)[0] == 600ms);  // the node's own
  CHECK(b.steps(1ms)[0] == 150ms);    // L2's clamps
  CHECK(b.steps(5s)[0] == 2s);
  CHECK(b.steps()[2] == 10s);
}

TEST_CASE("L1 stragglers are waited for as long as they may matter") {
  Bench b;
  CHECK(b.steps()[1] == 3s);
  b.learn(20ms, 1);
  CHECK(b.steps()[1] == 1s);  // a network of few nodes
  b.learn(20ms);
  CHECK(b.steps()[1] == 500ms);
  b.learn(800ms);
  CHECK(b.steps()[1] >= 2400ms);
  CHECK(b.steps()[1] <= 3s);
}

TEST_CASE("L1 nodes that answer late on purpose do not make every lookup wait for them") {
  Bench b;
  b.learn(9s);
  CHECK(b.steps()[1] == 3s);
}

TEST_CASE("every method is encoded as what it is") {
  Bench b;
  b.config.id = b.rng.id<wire::NodeId>();
  dht::Queries queries{b.config};
  dht::krpc::Decoder decoder;
  for (const auto method : {dht::krpc::Method::ping, dht::krpc::Method::find_node, dht::krpc::Method::get_peers,
                            dht::krpc::Method::announce_peer}) {
    b.out.clear();
    dht::Ask ask;
    ask.to = kTo;
    ask.method = method;
    ask.port = 7000;
    const wire::ByteVector token(128, 't');
    ask.token = token;
    queries.send(b.now, ask, dht::Purpose::caller, 1, {}, b.rng, b.out);
    const auto m = decoder.decode(b.out.payload(b.out.entries().front()));
    REQUIRE(m);
    CHECK(std::get<dht::krpc::Query>(m->body).method == method);
    CHECK(std::get<dht::krpc::Query>(m->body).id == b.config.id);
  }
}

TEST_CASE("L9 only a find_node asks for nodes of both families, and only while they are wanted") {
  Bench b;
  const auto wants = [&](dht::krpc::Method method) {
    b.out.clear();
    dht::Ask ask;
    ask.to = kTo;
    ask.method = method;
    b.queries.send(b.now, ask, dht::Purpose::probe, 0, {}, b.rng, b.out);
    dht::krpc::Decoder decoder;
    const auto m = decoder.decode(b.out.payload(b.out.entries().front()));
    REQUIRE(m);
    const auto& query = std::get<dht::krpc::Query>(m->body);
    CHECK(query.want_v4 == query.want_v6);
    return query.want_v6;
  };
  using dht::krpc::Method;
  CHECK_FALSE(wants(Method::find_node));
  b.queries.want_both(true);
  CHECK(b.queries.wants_both());
  CHECK(wants(Method::find_node));
  for (const Method other : {Method::ping, Method::get_peers, Method::get, Method::sample_infohashes})
    CHECK_FALSE(wants(other));
  b.queries.want_both(false);
  CHECK_FALSE(wants(Method::find_node));
}
