// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/dht_text.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "node/ops/counts_text.hpp"
#include "tools/cli/transfer_text.hpp"
#include "tools/cli/units.hpp"

namespace lodestone::tools {
namespace {

using dht::event::Hop;

constexpr std::size_t kShownPrograms = 8;

std::string milliseconds(wire::Duration d) { return fmt::format("{:.1f} ms", wire::to_seconds(d) * 1000); }

std::string origin(const Hop& hop) {
  switch (hop.source) {
    case Hop::Source::table: return "from the table";
    case Hop::Source::store: return "from the store";
    case Hop::Source::introducer: return "an introducer";
    case Hop::Source::node: break;
  }
  return "named by " + hop.named_by.text();
}

std::string outcome(const Hop& hop) {
  switch (hop.outcome) {
    case Hop::Outcome::silent: return "no reply";
    case Hop::Outcome::refused: return milliseconds(*hop.rtt) + ", refused";
    case Hop::Outcome::answered: break;
  }
  std::string text = milliseconds(*hop.rtt) + ", " + count_of(hop.named, "node");
  if (hop.values != 0) text += ", " + count_of(hop.values, "peer");
  return text;
}

const char* name_of(wire::Family family) { return family == wire::Family::v4 ? "IPv4" : "IPv6"; }

/// By the custom the first two bytes name it.
std::string program_of(const dht::ClientVersion& version) {
  if (!dht::is_known(version)) return "unknown";
  return version_text(dht::said(version).substr(0, 2));
}

/// What an estimate is worth: two figures.
std::string rough(double n) {
  double unit = 1;
  while (n / unit >= 100) unit *= 10;
  return fmt::format("{:.0f}", std::round(n / unit) * unit);
}

}  // namespace

std::string hop_line(const Hop& hop, const wire::Key& target) {
  const std::string bits = hop.id ? fmt::format("{} bits", wire::common_prefix(target, *hop.id)) : "? bits";
  return fmt::format("{:7.3f} s  {:>8}  {:<21}  {:<30}  {}", wire::to_seconds(hop.sent), bits, hop.to.text(),
                     origin(hop), outcome(hop));
}

std::string size_line(wire::Family family, const dht::SizeEstimate::Result& size) {
  if (size.low == size.high)
    return fmt::format("{}: {}, all of them seen by {}", name_of(family),
                       count_of(static_cast<std::size_t>(size.nodes), "node"), count_of(size.lookups, "lookup"));
  return fmt::format("{}: about {} nodes, 95 % sure between {} and {}, by {}", name_of(family), rough(size.nodes),
                     rough(size.low), rough(size.high), count_of(size.lookups, "lookup"));
}

std::string table_title(const TableView& table) {
  return fmt::format("{}, {}, {}, saved {}", name_of(table.family),
                     table.id ? "node " + table.id->hex() : "what others than `node` have learnt",
                     count_of(table.contacts(), "contact"),
                     table.saved ? format_duration(*table.saved) + " ago" : "at an unknown time");
}

std::vector<std::string> table_lines(const TableView& table) {
  std::vector<std::string> lines = {"depth  contacts   good  median rtt"};
  for (const auto& [depth, contacts] : table.by_depth) {
    std::vector<wire::Duration> rtts;
    for (const TableView::Contact& c : contacts)
      if (c.saved.rtt > wire::Duration::zero()) rtts.push_back(c.saved.rtt);
    const auto middle = rtts.begin() + static_cast<std::ptrdiff_t>(rtts.size() / 2);
    std::nth_element(rtts.begin(), middle, rtts.end());
    const auto good =
        std::count_if(contacts.begin(), contacts.end(), [](const TableView::Contact& c) { return c.good; });
    lines.push_back(fmt::format("{:>5}  {:8}  {:5}  {:>10}", table.id ? std::to_string(depth) : "any", contacts.size(),
                                good, rtts.empty() ? "?" : milliseconds(*middle)));
  }
  return lines;
}

std::string versions_line(const TableView& table) {
  std::map<std::string, std::size_t> counts;
  for (const auto& [depth, contacts] : table.by_depth)
    for (const TableView::Contact& c : contacts) ++counts[program_of(c.saved.version)];
  std::vector<std::pair<std::string, std::size_t>> shares(counts.begin(), counts.end());
  std::stable_sort(shares.begin(), shares.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string line;
  std::size_t left = table.contacts();
  const auto add = [&](std::string_view program, std::size_t n) {
    const double percent = 100.0 * static_cast<double>(n) / static_cast<double>(table.contacts());
    line += fmt::format("{}{} {} %", line.empty() ? "versions: " : ", ", program,
                        percent < 1 ? "<1" : fmt::format("{:.0f}", percent));
    left -= n;
  };
  for (std::size_t i = 0; i < std::min(shares.size(), kShownPrograms); ++i) add(shares[i].first, shares[i].second);
  if (left != 0) add("others", left);
  return line;
}

std::vector<std::string> count_lines(const TableView& table, bool detailed) {
  if (!table.run) return {};
  std::vector<std::string> lines;
  if (detailed) {
    lines = node::counter_lines(table.run->counters);
    lines.insert(lines.begin(), "counted since " + format_time(table.run->since));
  } else if (std::string wrong = node::troubles(table.run->counters); !wrong.empty()) {
    lines.push_back(std::move(wrong));
  }
  return lines;
}

}  // namespace lodestone::tools
