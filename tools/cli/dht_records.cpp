// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/dht_records.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/cli/units.hpp"

namespace lodestone::tools {
namespace {

using nlohmann::ordered_json;

constexpr wire::UnixSeconds kGoodFor = 15 * 60;

int number_of(wire::Family family) { return family == wire::Family::v4 ? 4 : 6; }

/// What a double has of an integer; it is a count of nodes.
std::uint64_t whole(double n) { return static_cast<std::uint64_t>(std::clamp(std::round(n), 0.0, 0x1p53)); }

double seconds(wire::Duration d) { return std::round(wire::to_seconds(d) * 1e6) / 1e6; }

ordered_json rtt_of(const dht::NodeView& node) {
  return node.rtt > wire::Duration::zero() ? ordered_json(seconds(node.rtt)) : ordered_json(nullptr);
}

ordered_json version_of(std::string_view said) {
  return said.empty() ? ordered_json(nullptr) : ordered_json(version_text(said));
}

ordered_json counters_of(const dht::Counters& counters) {
  ordered_json object = ordered_json::object();
  for (const dht::CounterInfo& info : dht::kCounters) object[std::string{info.name}] = counters.*info.value;
  return object;
}

ordered_json text_or_hex(wire::Bytes bytes) {
  if (wire::is_utf8(bytes)) return std::string{wire::as_text(bytes)};
  return {{"hex", wire::to_hex(bytes)}};
}

ordered_json json_of(const wire::bencode::View& view) {
  using wire::bencode::Kind;
  switch (view.kind()) {
    case Kind::integer: return *view.integer();
    case Kind::string: return text_or_hex(*view.string());
    case Kind::list: {
      ordered_json list = ordered_json::array();
      for (const wire::bencode::View item : view) list.push_back(json_of(item));
      return list;
    }
    case Kind::dict: break;
  }
  bool all_text = true;
  view.for_each_entry(
      [&](std::string_view key, const auto&) { all_text = all_text && wire::is_utf8(wire::as_bytes(key)); });
  ordered_json object = ordered_json::object();
  ordered_json pairs = ordered_json::array();
  view.for_each_entry([&](std::string_view key, const wire::bencode::View& value) {
    if (all_text) {
      object[std::string{key}] = json_of(value);
    } else {
      pairs.push_back(ordered_json::array({text_or_hex(wire::as_bytes(key)), json_of(value)}));
    }
  });
  return all_text ? object : ordered_json{{"pairs", std::move(pairs)}};
}

}  // namespace

dht::LookupStats merged(std::span<const dht::LookupStats> lookups) {
  dht::LookupStats sum;
  for (const dht::LookupStats& one : lookups) {
    sum.target = one.target;
    sum.duration = std::max(sum.duration, one.duration);
    if (one.first_value) sum.first_value = std::min(sum.first_value.value_or(*one.first_value), *one.first_value);
    sum.asked += one.asked;
    sum.answered += one.answered;
    sum.timeouts += one.timeouts;
    sum.peers += one.peers;
    sum.closest.insert(sum.closest.end(), one.closest.begin(), one.closest.end());
  }
  std::stable_sort(sum.closest.begin(), sum.closest.end(), [&](const dht::NodeView& a, const dht::NodeView& b) {
    return wire::closer(sum.target, a.id, b.id);
  });
  return sum;
}

ordered_json lookup_record(const dht::LookupStats& stats, double bootstrap_seconds, std::size_t peers) {
  ordered_json closest = ordered_json::array();
  for (const dht::NodeView& node : stats.closest) {
    closest.push_back(
        {{"id", node.id.hex()}, {"addr", node.endpoint.text()}, {"rtt", rtt_of(node)}, {"token", node.token}});
  }
  return {{"type", "lookup"},
          {"target", stats.target.hex()},
          {"bootstrap_seconds", std::round(bootstrap_seconds * 1000) / 1000},
          {"seconds", seconds(stats.duration)},
          {"first_value", stats.first_value ? ordered_json(seconds(*stats.first_value)) : ordered_json(nullptr)},
          {"asked", stats.asked},
          {"answered", stats.answered},
          {"timeouts", stats.timeouts},
          {"closest", std::move(closest)},
          {"peers", peers}};
}

ordered_json peer_record(const wire::Endpoint& peer, const wire::Endpoint& from, double elapsed) {
  return {{"type", "peer"}, {"addr", peer.text()}, {"from", from.text()}, {"elapsed", std::round(elapsed * 1e6) / 1e6}};
}

ordered_json pong_record(const dht::event::QueryDone& done) {
  return {{"type", "pong"},
          {"addr", done.to.text()},
          {"id", done.id.hex()},
          {"rtt", seconds(done.rtt)},
          {"version", version_of(done.version)},
          {"external", done.external ? ordered_json(done.external->text()) : ordered_json(nullptr)}};
}

ordered_json announce_record(const wire::Key& target, std::uint16_t port, const std::vector<wire::Endpoint>& stored,
                             std::uint32_t refused) {
  ordered_json addresses = ordered_json::array();
  for (const wire::Endpoint& endpoint : stored) addresses.push_back(endpoint.text());
  return {{"type", "announce"},
          {"target", target.hex()},
          {"port", port},
          {"stored", std::move(addresses)},
          {"refused", refused}};
}

ordered_json value_json(wire::Bytes bencoded) {
  wire::bencode::Document document;
  const auto root = document.parse(bencoded);
  return root ? json_of(*root) : ordered_json(nullptr);
}

ordered_json item_record(const dht::Item& item, std::uint32_t from) {
  const bool is_mutable = item.key.has_value();
  const auto hex_or_null = [](bool there, wire::Bytes bytes) {
    return there ? ordered_json(wire::to_hex(bytes)) : ordered_json(nullptr);
  };
  return {{"type", "item"},
          {"target", item.target().hex()},
          {"value", value_json(item.value)},
          {"seq", is_mutable ? ordered_json(item.seq) : ordered_json(nullptr)},
          {"key", is_mutable ? hex_or_null(true, *item.key) : ordered_json(nullptr)},
          {"salt", hex_or_null(is_mutable && !item.salt.empty(), item.salt)},
          {"signature", hex_or_null(is_mutable, item.signature)},
          {"from", from}};
}

ordered_json put_record(const dht::Item& item, std::size_t stored) {
  return {{"type", "put"},
          {"target", item.target().hex()},
          {"seq", item.key ? ordered_json(item.seq) : ordered_json(nullptr)},
          {"stored", stored}};
}

ordered_json samples_record(const dht::event::Samples& samples) {
  ordered_json hashes = ordered_json::array();
  for (const wire::InfoHash& hash : samples.hashes) hashes.push_back(hash.hex());
  return {{"type", "samples"},
          {"addr", samples.from.text()},
          {"interval", samples.interval},
          {"num", samples.num},
          {"samples", std::move(hashes)}};
}

ordered_json hop_record(const dht::event::Hop& hop, const wire::Key& target) {
  const auto asked_by = [&hop]() -> std::string {
    switch (hop.source) {
      case dht::event::Hop::Source::table: return "table";
      case dht::event::Hop::Source::store: return "store";
      case dht::event::Hop::Source::introducer: return "introducer";
      case dht::event::Hop::Source::node: break;
    }
    return hop.named_by.text();
  };
  return {{"type", "hop"},
          {"asked_by", asked_by()},
          {"addr", hop.to.text()},
          {"id", hop.id ? ordered_json(hop.id->hex()) : ordered_json(nullptr)},
          {"distance", hop.id ? ordered_json(wire::common_prefix(target, *hop.id)) : ordered_json(nullptr)},
          {"sent", seconds(hop.sent)},
          {"rtt", hop.rtt ? ordered_json(seconds(*hop.rtt)) : ordered_json(nullptr)},
          {"refused", hop.outcome == dht::event::Hop::Outcome::refused},
          {"named", hop.named},
          {"values", hop.values}};
}

ordered_json size_record(wire::Family family, const dht::SizeEstimate::Result& size) {
  return {{"type", "size"},           {"estimate", whole(size.nodes)}, {"low", whole(size.low)},
          {"high", whole(size.high)}, {"lookups", size.lookups},       {"family", number_of(family)}};
}

std::size_t TableView::contacts() const {
  std::size_t sum = 0;
  for (const auto& [depth, contacts] : by_depth) sum += contacts.size();
  return sum;
}

TableView table_view(wire::Family family, const dht::Snapshot& snapshot, wire::UnixSeconds now) {
  const auto ago = [now](wire::UnixSeconds then) {
    return static_cast<double>(std::max<wire::UnixSeconds>(now - then, 0));
  };
  TableView table;
  table.family = family;
  if (!snapshot.id.is_zero()) table.id = snapshot.id;
  table.run = snapshot.run;
  // Of a file that does not say when it was saved, only that it was not before its latest contact was heard.
  wire::UnixSeconds saved = snapshot.saved;
  if (saved > 0) table.saved = ago(saved);
  for (const dht::SavedContact& c : snapshot.contacts) saved = std::max(saved, c.last_seen);
  for (const dht::SavedContact& c : snapshot.contacts) {
    TableView::Contact contact{c, std::nullopt, !c.failed && saved - c.last_seen <= kGoodFor};
    if (c.last_seen > 0) contact.age = ago(c.last_seen);
    table.by_depth[table.id ? wire::common_prefix(*table.id, c.id) : 0].push_back(contact);
  }
  for (auto& [depth, contacts] : table.by_depth) {
    std::stable_sort(contacts.begin(), contacts.end(), [](const TableView::Contact& a, const TableView::Contact& b) {
      return a.saved.last_seen > b.saved.last_seen;
    });
  }
  return table;
}

ordered_json table_record(const TableView& table) {
  ordered_json buckets = ordered_json::array();
  for (const auto& [depth, contacts] : table.by_depth) {
    ordered_json list = ordered_json::array();
    for (const TableView::Contact& c : contacts) {
      const wire::Duration rtt = c.saved.rtt;
      list.push_back({{"id", c.saved.id.hex()},
                      {"addr", c.saved.endpoint.text()},
                      {"rtt", rtt > wire::Duration::zero() ? ordered_json(seconds(rtt)) : ordered_json(nullptr)},
                      {"age", c.age ? ordered_json(*c.age) : ordered_json(nullptr)},
                      {"version", version_of(dht::said(c.saved.version))},
                      {"good", c.good}});
    }
    buckets.push_back({{"depth", depth}, {"contacts", std::move(list)}});
  }
  return {{"type", "table"},
          {"family", number_of(table.family)},
          {"id", table.id ? ordered_json(table.id->hex()) : ordered_json(nullptr)},
          {"saved", table.saved ? ordered_json(*table.saved) : ordered_json(nullptr)},
          {"contacts", table.contacts()},
          {"buckets", std::move(buckets)},
          {"counters", table.run ? counters_of(table.run->counters) : ordered_json(nullptr)},
          {"since", table.run ? ordered_json(format_time(table.run->since)) : ordered_json(nullptr)}};
}

std::string version_text(std::string_view version) {
  std::string text;
  for (const char c : version) {
    if (c >= 0x20 && c < 0x7f)
      text += c;
    else
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return text;
}

}  // namespace lodestone::tools
