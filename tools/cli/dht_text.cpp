// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/dht_text.hpp"

#include <fmt/format.h>

#include "tools/cli/transfer_text.hpp"

namespace lodestone::tools {
namespace {

using dht::event::Hop;

std::string milliseconds(wire::Duration d) { return fmt::format("{:.1f} ms", wire::to_seconds(d) * 1000); }

std::string origin(const Hop& hop) {
  switch (hop.source) {
    case Hop::Source::table: return "from the table";
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

}  // namespace

std::string hop_line(const Hop& hop, const wire::Key& target) {
  const std::string bits = hop.id ? fmt::format("{} bits", wire::common_prefix(target, *hop.id)) : "? bits";
  return fmt::format("{:7.3f} s  {:>8}  {:<21}  {:<30}  {}", wire::to_seconds(hop.sent), bits, hop.to.text(),
                     origin(hop), outcome(hop));
}

}  // namespace lodestone::tools
