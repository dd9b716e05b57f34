// SPDX-License-Identifier: Apache-2.0
#include "node/ops/metrics.hpp"

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace lodestone::node {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;
using One = DhtStatus::One;

ClientMetric sample(MetricType type, double value, Labels labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  return metric;
}

/// Several nodes of one family differ by where they listen (BEP 45).
Labels labels_of(const One& one) {
  return {{"family", one.family == wire::Family::v4 ? "4" : "6"}, {"address", one.local.text()}};
}

std::string_view group_name(dht::CounterGroup group) {
  switch (group) {
    case dht::CounterGroup::in: return "In";
    case dht::CounterGroup::dropped: return "Dropped";
    case dht::CounterGroup::out: return "Out";
    case dht::CounterGroup::evicted: return "Gone";
  }
  return "";
}

class Page {
 public:
  explicit Page(const DhtStatus& dht) : dht_(dht) {}

  void add(std::string name, std::string help, MetricType type, ClientMetric metric) {
    families_.push_back({std::move(name), std::move(help), type, {std::move(metric)}});
  }
  void add(std::string name, std::string help, MetricType type, double value) {
    add(std::move(name), std::move(help), type, sample(type, value));
  }
  /// value(one) of each DHT node.
  template <class F>
  void add_each(std::string name, std::string help, MetricType type, F&& value) {
    if (dht_.nodes.empty()) return;
    MetricFamily family{std::move(name), std::move(help), type, {}};
    for (const One& one : dht_.nodes)
      family.metric.push_back(sample(type, static_cast<double>(value(one)), labels_of(one)));
    families_.push_back(std::move(family));
  }
  [[nodiscard]] std::string text() const { return prometheus::TextSerializer{}.Serialize(families_); }

 private:
  const DhtStatus& dht_;
  std::vector<MetricFamily> families_;
};

void add_process(Page& page, const NodeReport& report) {
  using enum MetricType;
  const ProcessStats& process = report.process;
  const auto number = [](std::uint64_t n) { return static_cast<double>(n); };
  page.add("lodestone_build_info", "Which program this is, in which role; always 1.", Gauge,
           sample(Gauge, 1, {{"version", report.facts.version}, {"role", report.facts.role}}));
  page.add("lodestone_ready", "1 when /readyz says so: it is of use to others.", Gauge,
           not_ready(report.dht) ? 0.0 : 1.0);
  page.add("lodestone_network_reaction_seconds", "How long the network thread took to see to this request.", Gauge,
           wire::to_seconds(report.reaction));
  page.add("process_cpu_seconds_total", "User and system time of the process.", Counter, process.cpu_seconds);
  page.add("process_resident_memory_bytes", "Memory of the process that is in RAM.", Gauge,
           number(process.resident_bytes));
  page.add("process_virtual_memory_bytes", "Address space of the process.", Gauge, number(process.virtual_bytes));
  page.add("process_open_fds", "Open file descriptors.", Gauge, number(process.open_fds));
  if (process.max_fds != 0) page.add("process_max_fds", "How many it may have.", Gauge, number(process.max_fds));
  page.add("process_threads", "Threads of the process.", Gauge, number(process.threads));
  page.add("process_start_time_seconds", "When the process started, in Unix time.", Gauge, process.start_seconds);
}

void add_gauges(Page& page) {
  const auto gauge = [&page](const char* name, const char* help, auto&& value) {
    page.add_each(name, help, MetricType::Gauge, value);
  };
  gauge("lodestone_dht_table_contacts", "Contacts in the routing table.", [](const One& o) { return o.table; });
  gauge("lodestone_dht_store_contacts", "Contacts beside the table, from which lookups start.",
        [](const One& o) { return o.store; });
  gauge("lodestone_dht_ring_contacts", "Verified nodes that an introducer hands out.",
        [](const One& o) { return o.ring; });
  gauge("lodestone_dht_ping_queue_contacts", "Newcomers that wait for the ping which verifies them.",
        [](const One& o) { return o.ping_queue; });
  gauge("lodestone_dht_stored_hashes", "Info-hashes with peers that others have announced here.",
        [](const One& o) { return o.stored.hashes; });
  gauge("lodestone_dht_stored_peers", "Peers that others have announced here.",
        [](const One& o) { return o.stored.peers; });
  gauge("lodestone_dht_stored_peers_bytes", "Memory that these peers take.",
        [](const One& o) { return o.stored.peer_bytes; });
  gauge("lodestone_dht_stored_items", "Items that others have put here (BEP 44).",
        [](const One& o) { return o.stored.items; });
  gauge("lodestone_dht_stored_items_bytes", "Memory that these items take.",
        [](const One& o) { return o.stored.item_bytes; });
  gauge("lodestone_dht_answered", "1 once some node has answered this one.",
        [](const One& o) { return o.ever_answered ? 1 : 0; });
  gauge("lodestone_dht_offline", "1 while nobody answers, so that silence is held against nobody.",
        [](const One& o) { return o.offline ? 1 : 0; });
}

void add_ports(Page& page) {
  const auto counter = [&page](const char* name, const char* help, std::uint64_t UdpPort::Counters::* value) {
    page.add_each(name, help, MetricType::Counter, [value](const One& o) { return o.port.*value; });
  };
  using Port = UdpPort::Counters;
  counter("lodestone_udp_received_total", "Datagrams received.", &Port::received);
  counter("lodestone_udp_sent_total", "Datagrams sent.", &Port::sent);
  counter("lodestone_udp_dropped_total", "Datagrams not sent, because the system's buffer was full.", &Port::dropped);
  counter("lodestone_udp_refused_total", "Datagrams that the system would not send (no route, firewall).",
          &Port::refused);
  counter("lodestone_udp_oversized_total", "Datagrams received that are longer than any message.", &Port::oversized);
  counter("lodestone_udp_unheeded_total", "Datagrams that another thread could not hand to the node in time.",
          &Port::unheeded);
}

}  // namespace

std::string metrics_text(const NodeReport& report) {
  Page page(report.dht);
  add_process(page, report);
  add_gauges(page);
  add_ports(page);
  for (const dht::CounterInfo& info : dht::kCounters) {
    page.add_each(fmt::format("lodestone_dht_{}_total", info.name),
                  fmt::format("{}: {}.", group_name(info.group), info.meaning), MetricType::Counter,
                  [&info](const One& one) { return one.counters.*info.value; });
  }
  return page.text();
}

}  // namespace lodestone::node
