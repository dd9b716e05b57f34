// SPDX-License-Identifier: Apache-2.0
// The shapes that cli.md promises for `dht ...`.
#include "tools/cli/dht_records.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace lodestone::tools {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;

wire::NodeId id(std::uint8_t first) {
  wire::NodeId id;
  id.bytes()[0] = first;
  return id;
}
const wire::Endpoint kA = *wire::Endpoint::parse("1.2.3.4:5");
const wire::Endpoint kB = *wire::Endpoint::parse("[::1]:6");

dht::LookupStats stats(std::uint8_t first, wire::Duration duration, std::optional<wire::Duration> value) {
  dht::LookupStats s;
  s.duration = duration;
  s.first_value = value;
  s.asked = 3;
  s.answered = 2;
  s.timeouts = 1;
  s.peers = 4;
  s.closest = {{id(first), kA, 10ms, true}, {id(static_cast<std::uint8_t>(first + 2)), kB, {}, false}};
  return s;
}

TEST_CASE("lookups of two families become one") {
  const std::vector<dht::LookupStats> both = {stats(2, 2s, 1s), stats(1, 3s, 500ms)};
  const dht::LookupStats sum = merged(both);
  CHECK(sum.duration == 3s);
  CHECK(sum.first_value == 500ms);
  CHECK(sum.asked == 6);
  CHECK(sum.answered == 4);
  CHECK(sum.timeouts == 2);
  REQUIRE(sum.closest.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(sum.closest[i].id == id(static_cast<std::uint8_t>(i + 1)));
  CHECK_FALSE(merged(std::vector<dht::LookupStats>{stats(1, 1s, std::nullopt)}).first_value);
}

TEST_CASE("lookup record") {
  const auto record = lookup_record(stats(1, 1500ms, std::nullopt), 0.25, 7);
  CHECK(
      record.dump() ==
      R"({"type":"lookup","target":"0000000000000000000000000000000000000000","bootstrap_seconds":0.25,"seconds":1.5,)"
      R"("first_value":null,"asked":3,"answered":2,"timeouts":1,"closest":[)"
      R"({"id":"0100000000000000000000000000000000000000","addr":"1.2.3.4:5","rtt":0.01,"token":true},)"
      R"({"id":"0300000000000000000000000000000000000000","addr":"[::1]:6","rtt":null,"token":false}],"peers":7})");
  CHECK(lookup_record(stats(1, 1s, 20ms), 0, 0)["first_value"] == 0.02);
}

TEST_CASE("item, put and samples records") {
  dht::Item item;
  const std::string_view value = "12:Hello World!";
  item.value.assign(value.begin(), value.end());
  CHECK(item_record(item, 3).dump() ==
        R"({"type":"item","target":"e5f96f6f38320f0f33959cb4d3d656452117aadb","value":"Hello World!","seq":null,)"
        R"("key":null,"salt":null,"signature":null,"from":3})");
  CHECK(put_record(item, 8).dump() ==
        R"({"type":"put","target":"e5f96f6f38320f0f33959cb4d3d656452117aadb","seq":null,"stored":8})");
  const dht::SigningKey key{dht::SigningKey::Seed{1}};
  const auto record = item_record(key.sign(wire::as_bytes("i-7e"), wire::as_bytes("s"), 4), 1);
  CHECK(record["value"] == -7);
  CHECK(record["seq"] == 4);
  CHECK(record["key"] == wire::to_hex(key.public_key()));
  CHECK(record["salt"] == "73");
  CHECK(record["signature"].get<std::string>().size() == 128);
  dht::event::Samples samples{1, 0, id(1), kA, 300, 7, {wire::InfoHash{id(255).bytes()}}};
  CHECK(samples_record(samples).dump() == R"({"type":"samples","addr":"1.2.3.4:5","interval":300,"num":7,)"
                                          R"("samples":["ff00000000000000000000000000000000000000"]})");
}

TEST_CASE("hop record") {
  dht::event::Hop hop;
  hop.to = kA;
  hop.source = dht::event::Hop::Source::introducer;
  CHECK(hop_record(hop, wire::Key{}).dump() ==
        R"({"type":"hop","asked_by":"introducer","addr":"1.2.3.4:5","id":null,"distance":null,"sent":0.0,"rtt":null,)"
        R"("refused":false,"named":0,"values":0})");
  hop.source = dht::event::Hop::Source::node;
  hop.named_by = kB;
  hop.id = id(1);
  hop.outcome = dht::event::Hop::Outcome::answered;
  hop.sent = 1500ms;
  hop.rtt = 20ms;
  hop.named = 8;
  hop.values = 3;
  CHECK(hop_record(hop, wire::Key{}).dump() ==
        R"({"type":"hop","asked_by":"[::1]:6","addr":"1.2.3.4:5","id":"0100000000000000000000000000000000000000",)"
        R"("distance":7,"sent":1.5,"rtt":0.02,"refused":false,"named":8,"values":3})");
  hop.outcome = dht::event::Hop::Outcome::refused;
  CHECK(hop_record(hop, wire::Key{})["refused"] == true);
  hop.source = dht::event::Hop::Source::table;
  CHECK(hop_record(hop, wire::Key{})["asked_by"] == "table");
}

TEST_CASE("size record") {
  CHECK(size_record(wire::Family::v6, {1234.5, 1000.4, 1500, 16}).dump() ==
        R"({"type":"size","estimate":1235,"low":1000,"high":1500,"lookups":16,"family":6})");
  CHECK(size_record(wire::Family::v4, {1e30, 0, 1e300, 1})["high"] == 9'007'199'254'740'992);
}

dht::Snapshot snapshot() {
  dht::Snapshot s;
  s.id = id(0x80);
  s.saved = 10'000;
  s.contacts = {{id(0x81), kA, 9'000, 20ms, false},
                {id(0), kB, 9'900, {}, false},
                {id(1), kA, 9'999, 70'000us, true},
                {id(2), kB, 9'099, 30ms, false}};
  return s;
}

TEST_CASE("a saved table by depth: who is good is what was good when it was saved") {
  const TableView table = table_view(wire::Family::v4, snapshot(), 1'000'000);
  CHECK(table.saved == 990'000);
  CHECK(table.contacts() == 4);
  REQUIRE(table.by_depth.size() == 2);
  const auto& far = table.by_depth.at(0);
  REQUIRE(far.size() == 3);  // the latest first
  CHECK_FALSE(far[0].good);  // it failed since
  CHECK(far[1].good);
  CHECK_FALSE(far[2].good);  // silent for a second more than 15 minutes
  CHECK(far[2].age == 990'901);
  REQUIRE(table.by_depth.at(7).size() == 1);
  CHECK_FALSE(table.by_depth.at(7)[0].good);
}

TEST_CASE("table record") {
  dht::Snapshot s = snapshot();
  s.contacts.resize(2);
  s.contacts[0].version = {'L', 'T', 2, 0};
  CHECK(table_record(table_view(wire::Family::v4, s, 10'060)).dump() ==
        R"({"type":"table","family":4,"id":"8000000000000000000000000000000000000000","saved":60.0,"contacts":2,)"
        R"("buckets":[{"depth":0,"contacts":[{"id":"0000000000000000000000000000000000000000","addr":"[::1]:6",)"
        R"("rtt":null,"age":160.0,"version":null,"good":true}]},{"depth":7,"contacts":[)"
        R"({"id":"8100000000000000000000000000000000000000","addr":"1.2.3.4:5","rtt":0.02,"age":1060.0,)"
        R"("version":"LT\\x02\\x00","good":false}]}],"counters":null,"since":null})");
  s.run.emplace();
  s.run->since = 1'700'000'000;
  s.run->counters.throttled_address = 12;
  const auto record = table_record(table_view(wire::Family::v4, s, 10'060));
  CHECK(record["since"] == "2023-11-14T22:13:20Z");
  CHECK(record["counters"].size() == dht::kCounters.size());
  CHECK(record["counters"]["throttled_address"] == 12);
  CHECK(record["counters"]["queries_in"] == 0);
}

TEST_CASE("a table of an earlier version, or that no node has saved, or of a clock that went back") {
  dht::Snapshot s = snapshot();
  s.saved = 0;
  s.id = {};
  s.contacts[1].last_seen = 0;
  const TableView table = table_view(wire::Family::v6, s, 9'000);
  CHECK_FALSE(table.saved);
  CHECK_FALSE(table.id);
  REQUIRE(table.by_depth.size() == 1);
  const auto& all = table.by_depth.at(0);
  CHECK(all[0].age == 0);
  CHECK_FALSE(all.back().age);
  CHECK_FALSE(all.back().good);
  const auto record = table_record(table);
  CHECK(record["id"].is_null());
  CHECK(record["saved"].is_null());
  CHECK(table_record(table_view(wire::Family::v4, {}, 1))["buckets"].empty());
}

TEST_CASE("a stored value is shown as JSON, whatever its bytes") {
  const auto shown = [](std::string_view bencoded) { return value_json(wire::as_bytes(bencoded)).dump(); };
  CHECK(shown("d1:ali1e1:xe1:bd1:c0:ee") == R"({"a":[1,"x"],"b":{"c":""}})");
  CHECK(shown("2:\xff\x00"sv) == R"({"hex":"ff00"})");
  CHECK(shown("d1:\xffi1ee") == R"({"pairs":[[{"hex":"ff"},1]]})");
  CHECK(shown("le") == "[]");
  CHECK(shown("de") == "{}");
}

TEST_CASE("peer, pong and announce records") {
  CHECK(peer_record(kB, kA, 0.5).dump() == R"({"type":"peer","addr":"[::1]:6","from":"1.2.3.4:5","elapsed":0.5})");
  dht::event::QueryDone done{};
  done.to = kA;
  done.id = id(255);
  done.rtt = 1234567ns;
  CHECK(pong_record(done).dump() ==
        R"({"type":"pong","addr":"1.2.3.4:5","id":"ff00000000000000000000000000000000000000","rtt":0.001235,)"
        R"("version":null,"external":null})");
  done.version = std::string("LT\x01\xff", 4);
  done.external = kB;
  CHECK(pong_record(done)["version"] == "LT\\x01\\xff");
  CHECK(pong_record(done)["external"] == "[::1]:6");
  CHECK(announce_record(wire::Key{}, 80, {kA, kB}, 1).dump() ==
        R"({"type":"announce","target":"0000000000000000000000000000000000000000","port":80,)"
        R"("stored":["1.2.3.4:5","[::1]:6"],"refused":1})");
}

}  // namespace
}  // namespace lodestone::tools
