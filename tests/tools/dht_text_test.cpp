// SPDX-License-Identifier: Apache-2.0
// What people see of `dht ...`.
#include "tools/cli/dht_text.hpp"

#include <catch2/catch.hpp>

namespace lodestone::tools {
namespace {

using namespace std::chrono_literals;
using dht::event::Hop;

const wire::Endpoint kA = *wire::Endpoint::parse("1.2.3.4:5");
const wire::Endpoint kB = *wire::Endpoint::parse("[::1]:6");

TEST_CASE("a hop is one readable line") {
  Hop hop;
  hop.to = kA;
  hop.source = Hop::Source::introducer;
  CHECK(hop_line(hop, wire::Key{}) ==
        "  0.000 s    ? bits  1.2.3.4:5              an introducer                   no reply");
  hop.id.emplace();
  hop.id->bytes()[0] = 1;
  hop.source = Hop::Source::node;
  hop.named_by = kB;
  hop.outcome = Hop::Outcome::answered;
  hop.sent = 1234ms;
  hop.rtt = 20500us;
  hop.named = 8;
  hop.values = 1;
  CHECK(hop_line(hop, wire::Key{}) ==
        "  1.234 s    7 bits  1.2.3.4:5              named by [::1]:6                20.5 ms, 8 nodes, 1 peer");
  hop.source = Hop::Source::table;
  hop.outcome = Hop::Outcome::refused;
  CHECK(hop_line(hop, wire::Key{}) ==
        "  1.234 s    7 bits  1.2.3.4:5              from the table                  20.5 ms, refused");
}

}  // namespace
}  // namespace lodestone::tools
