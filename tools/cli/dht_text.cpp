// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/dht_text.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "tools/cli/transfer_text.hpp"
#include "tools/cli/units.hpp"

namespace lodestone::tools {
namespace {

using dht::event::Hop;

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

}  // namespace lodestone::tools
