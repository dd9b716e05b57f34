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

TEST_CASE("a size is said as roughly as it is known") {
  CHECK(size_line(wire::Family::v4, {7'412.3, 6'149, 8'960, 16}) ==
        "IPv4: about 7400 nodes, 95 % sure between 6100 and 9000, by 16 lookups");
  CHECK(size_line(wire::Family::v6, {5, 5, 5, 1}) == "IPv6: 5 nodes, all of them seen by 1 lookup");
  CHECK(size_line(wire::Family::v4, {42.4, 30, 99.6, 4}) ==
        "IPv4: about 42 nodes, 95 % sure between 30 and 100, by 4 lookups");
}

TEST_CASE("a table is a title and a line for each depth") {
  using Contact = TableView::Contact;
  TableView table;
  table.saved = 130;
  table.id.emplace();
  table.by_depth[0] = {Contact{{{}, kA, 5, 20ms, false}, 1, true}, Contact{{{}, kA, 5, 70ms, true}, 1, false},
                       Contact{{{}, kA, 5, 30ms, false}, 1, true}};
  table.by_depth[12] = {Contact{{{}, kA, 5, {}, false}, 1, true}};
  CHECK(table_title(table) == "IPv4, node 0000000000000000000000000000000000000000, 4 contacts, saved 2m 10s ago");
  CHECK(table_lines(table) == std::vector<std::string>{"depth  contacts   good  median rtt",  //
                                                       "    0         3      2     30.0 ms",  //
                                                       "   12         1      1           ?"});
  table.id.reset();
  table.saved.reset();
  table.family = wire::Family::v6;
  CHECK(table_title(table) == "IPv6, what others than `node` have learnt, 4 contacts, saved at an unknown time");
  table.by_depth.clear();
  CHECK(table_lines(table).size() == 1);
  CHECK(versions_line(table).empty());
}

TEST_CASE("the programs of a table's contacts are shown by share, the rare ones together") {
  TableView table;
  const auto add = [&](std::string_view version, std::size_t n) {
    TableView::Contact c{{{}, kA, 5, 20ms, false}, 1, true};
    c.saved.version = dht::client_version(wire::as_bytes(version));
    table.by_depth[static_cast<int>(n % 3)].insert(table.by_depth[static_cast<int>(n % 3)].end(), n, c);
  };
  add("LT\x02\x01", 100);
  add("LT\x01\x02", 40);
  add("UT\xa9\x53", 50);
  add("", 9);
  add("\x01\x02", 1);
  CHECK(versions_line(table) == "versions: LT 70 %, UT 25 %, unknown 4 %, \\x01\\x02 <1 %");
  for (const char* rare : {"AA", "BB", "CC", "DD", "EE", "FF"}) add(rare, 10);
  CHECK(versions_line(table) ==
        "versions: LT 54 %, UT 19 %, AA 4 %, BB 4 %, CC 4 %, DD 4 %, EE 4 %, FF 4 %, others 4 %");
}

TEST_CASE("what a node has counted: a line of what is wrong, or all of it") {
  TableView table;
  CHECK(count_lines(table, true).empty());
  table.run.emplace();
  table.run->since = 1'700'000'000;
  table.run->counters.queries_in = 5;
  CHECK(count_lines(table, false).empty());
  table.run->counters.malformed_in = 3;
  CHECK(count_lines(table, false) == std::vector<std::string>{"dropped: 3 malformed"});
  const auto all = count_lines(table, true);
  REQUIRE(all.size() == 5);
  CHECK(all[0] == "counted since 2023-11-14T22:13:20Z");
  CHECK(all[1] == "in:");
  CHECK(all[3] == "dropped:");
}

}  // namespace
}  // namespace lodestone::tools
