// SPDX-License-Identifier: Apache-2.0
// That no member is missing and none is there twice, a static_assert sees (dht/counters.hpp).
#include "dht/counters.hpp"

#include <algorithm>
#include <set>
#include <string>

#include <catch2/catch.hpp>

using namespace lodestone;

TEST_CASE("each counter has a name of its own, and says what it means") {
  std::set<std::string_view> names, briefs;
  for (const dht::CounterInfo& info : dht::kCounters) {
    CAPTURE(std::string(info.name));
    CHECK(names.insert(info.name).second);
    CHECK(info.name.size() <= 22);  // a column of that width shows it
    CHECK(std::all_of(info.name.begin(), info.name.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; }));
    CHECK(info.meaning.size() > 10);
    CHECK((info.brief.empty() || briefs.insert(info.brief).second));
  }
  dht::Counters c;
  c.throttled_prefix = 7;
  const auto* const info = std::find_if(dht::kCounters.begin(), dht::kCounters.end(),
                                        [](const dht::CounterInfo& i) { return i.name == "throttled_prefix"; });
  REQUIRE(info != dht::kCounters.end());
  CHECK(c.*info->value == 7);
  CHECK(info->group == dht::CounterGroup::dropped);
}
