// SPDX-License-Identifier: Apache-2.0
#include "node/ops/node_report.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "node/ops/metrics.hpp"
#include "node/ops/status_record.hpp"

namespace lodestone::node {
namespace {

NodeReport report_of_two() {
  NodeReport report;
  report.facts = {.version = "1.2.3", .role = "bootstrap", .state_dir = "/var/lib/x", .metrics = ""};
  report.dht.nodes.resize(2);
  report.dht.nodes[0].family = wire::Family::v4;
  report.dht.nodes[0].local = *wire::Endpoint::parse("192.0.2.1:6881");
  report.dht.nodes[0].counters.queries_in = 12'345'678'901;
  report.dht.nodes[0].counters.throttled_prefix = 7;
  report.dht.nodes[0].ring = 1'000'000;
  report.dht.nodes[0].port.dropped = 3;
  report.dht.nodes[1].family = wire::Family::v6;
  report.dht.nodes[1].local = *wire::Endpoint::parse("[2001:db8::1]:6881");
  report.rates = {{1'234.56789, 1'000}, {}};
  return report;
}

std::size_t occurrences(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("a node is ready when it is in touch, or hands out a ring that it has kept") {
  DhtStatus dht;
  CHECK(not_ready(dht) == "it is stopping");
  dht.nodes.resize(2);
  CHECK(not_ready(dht) == "no DHT node has answered yet");
  dht.nodes[1].ever_answered = true;
  CHECK_FALSE(not_ready(dht));
  dht.nodes[1].offline = true;
  REQUIRE(not_ready(dht));
  CHECK(not_ready(dht)->find("offline") != std::string::npos);
  dht.nodes[0].ring = 1;
  CHECK_FALSE(not_ready(dht));
}

TEST_CASE("metrics: every counter of the table is there with its help, once for each node") {
  const std::string text = metrics_text(report_of_two());
  for (const dht::CounterInfo& info : dht::kCounters) {
    const std::string name = "lodestone_dht_" + std::string(info.name) + "_total";
    CAPTURE(name);
    CHECK(occurrences(text, "\n# TYPE " + name + " counter\n") == 1);
    CHECK(occurrences(text, "\n# HELP " + name + " ") == 1);
    CHECK(occurrences(text, "\n" + name + "{") == 2);
  }
  CHECK(occurrences(text, "\nlodestone_dht_queries_in_total{family=\"4\",address=\"192.0.2.1:6881\"} 12345678901\n") ==
        1);
  CHECK(occurrences(text, "\nlodestone_dht_ring_contacts{family=\"4\",address=\"192.0.2.1:6881\"} 1000000\n") == 1);
  CHECK(occurrences(text, "\nlodestone_dht_ring_contacts{family=\"6\",address=\"[2001:db8::1]:6881\"} 0\n") == 1);
  CHECK(occurrences(text, "\nlodestone_udp_dropped_total{family=\"4\",address=\"192.0.2.1:6881\"} 3\n") == 1);
  CHECK(occurrences(text, "lodestone_build_info{version=\"1.2.3\",role=\"bootstrap\"} 1\n") == 1);
}

TEST_CASE("metrics: a node that is stopping has no families without samples") {
  const std::string text = metrics_text({});
  CHECK(occurrences(text, "lodestone_dht_") == 0);
  CHECK(occurrences(text, "lodestone_ready 0\n") == 1);
}

TEST_CASE("a status names what was dropped, and leaves out what was never counted") {
  const auto record = nlohmann::json::parse(status_record(report_of_two()));
  CHECK(record["type"] == "status");
  CHECK(record["ready"] == true);
  CHECK(record["reason"].is_null());
  CHECK(record["metrics"].is_null());
  const auto& v4 = record["nodes"][0];
  CHECK(v4["family"] == 4);
  CHECK(v4["external"].is_null());
  CHECK(v4["queries_per_second"] == 1'234.568);
  CHECK(v4["dropped"] == nlohmann::json({{"throttled_prefix", 7}}));
  CHECK(v4["counters"] == nlohmann::json({{"queries_in", 12'345'678'901}, {"throttled_prefix", 7}}));
  CHECK(record["nodes"][1]["family"] == 6);
}

TEST_CASE("a process has memory, descriptors, threads and a start that does not move") {
  const ProcessStats one = process_stats();
  CHECK(one.resident_bytes > 100'000);
  CHECK(one.virtual_bytes >= one.resident_bytes);
  CHECK(one.open_fds >= 3);
  CHECK(one.threads >= 1);
  CHECK(one.start_seconds > 1.7e9);
  CHECK(process_stats().start_seconds == one.start_seconds);
}

}  // namespace lodestone::node
