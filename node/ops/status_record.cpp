// SPDX-License-Identifier: Apache-2.0
#include "node/ops/status_record.hpp"

#include <unistd.h>

#include <cmath>

#include <nlohmann/json.hpp>

namespace lodestone::node {
namespace {

using nlohmann::ordered_json;

/// Nobody wants to read 17 digits of a rate.
double rounded(double value) { return std::round(value * 1'000) / 1'000; }

/// What has been counted at all, by name.
ordered_json counted(const dht::Counters& counters, bool dropped_only) {
  ordered_json object = ordered_json::object();
  for (const dht::CounterInfo& info : dht::kCounters) {
    const std::uint64_t n = counters.*info.value;
    if (n == 0 || (dropped_only && info.group != dht::CounterGroup::dropped)) continue;
    object[std::string(info.name)] = n;
  }
  return object;
}

ordered_json node_object(const DhtStatus::One& one, const NodeRates& rates) {
  return {
      {"family", one.family == wire::Family::v4 ? 4 : 6},
      {"id", one.id.hex()},
      {"addr", one.local.text()},
      {"external", one.external ? ordered_json(one.external->text()) : ordered_json(nullptr)},
      {"answered", one.ever_answered},
      {"offline", one.offline},
      {"table", one.table},
      {"store", one.store},
      {"ring", one.ring},
      {"ping_queue", one.ping_queue},
      {"queries_per_second", rounded(rates.queries)},
      {"replies_per_second", rounded(rates.replies)},
      {"stored", {{"hashes", one.stored.hashes}, {"peers", one.stored.peers}, {"bytes", one.stored.peer_bytes}}},
      {"items", {{"items", one.stored.items}, {"bytes", one.stored.item_bytes}}},
      {"udp",
       {{"received", one.port.received},
        {"sent", one.port.sent},
        {"dropped", one.port.dropped},
        {"refused", one.port.refused},
        {"oversized", one.port.oversized},
        {"unheeded", one.port.unheeded}}},
      {"dropped", counted(one.counters, true)},
      {"counters", counted(one.counters, false)},
  };
}

}  // namespace

std::string status_record(const NodeReport& report) {
  ordered_json nodes = ordered_json::array();
  for (std::size_t i = 0; i < report.dht.nodes.size(); ++i)
    nodes.push_back(node_object(report.dht.nodes[i], i < report.rates.size() ? report.rates[i] : NodeRates{}));
  const auto reason = not_ready(report.dht);
  const std::string& metrics = report.facts.metrics;
  const ordered_json record = {
      {"type", "status"},
      {"version", report.facts.version},
      {"role", report.facts.role},
      {"pid", ::getpid()},
      {"state_dir", report.facts.state_dir},
      {"metrics", metrics.empty() ? ordered_json(nullptr) : ordered_json(metrics)},
      {"uptime", rounded(wire::to_seconds(report.uptime))},
      {"ready", !reason},
      {"reason", reason ? ordered_json(*reason) : ordered_json(nullptr)},
      {"reaction", rounded(wire::to_seconds(report.reaction))},
      {"nodes", std::move(nodes)},
      {"process",
       {{"memory", report.process.resident_bytes},
        {"fds", report.process.open_fds},
        {"threads", report.process.threads},
        {"cpu_seconds", rounded(report.process.cpu_seconds)}}},
  };
  return record.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace lodestone::node
