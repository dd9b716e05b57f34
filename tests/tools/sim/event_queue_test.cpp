// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/event_queue.hpp"

#include <iterator>
#include <map>
#include <utility>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using namespace lodestone::tools::sim;
using namespace std::chrono_literals;

TEST_CASE("sim: whatever was put in comes out in order of time, then of insertion") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    wire::Rng rng = wire::Rng::from_number(seed);
    EventQueue queue;
    std::map<std::pair<wire::Instant, std::uint32_t>, std::uint32_t> reference;
    wire::Instant now{24h};
    std::uint32_t number = 0;
    // From the same instant to hours ahead; the queue fills, empties and fills again.
    const wire::Duration spans[] = {0ns, 3ms, 200ms, 20s, 69s, 3h};
    std::size_t wrong = 0;
    for (int round = 0; round < 6; ++round) {
      const double fill = round % 2 == 0 ? 0.7 : 0.3;
      for (int i = 0; i < 2'000; ++i) {
        if (queue.empty() || rng.chance(fill)) {
          const double span = wire::to_seconds(spans[rng.below(std::size(spans))]);
          const wire::Instant at = now + wire::from_seconds(span * rng.unit());
          queue.push(at, 1, number, 2);
          reference.emplace(std::pair{at, number}, number);
          ++number;
        } else {
          const auto expected = reference.begin();
          wrong += queue.top().slot != expected->second;
          const EventQueue::Entry entry = queue.pop();
          wrong += entry.slot != expected->second || entry.at != expected->first.first || entry.kind != 1;
          now = entry.at;
          reference.erase(expected);
        }
        wrong += queue.size() != reference.size();
      }
    }
    for (; !reference.empty(); reference.erase(reference.begin()))
      wrong += queue.pop().slot != reference.begin()->second;
    CHECK(queue.empty());
    CHECK(wrong == 0);
  }
}

TEST_CASE("sim: an entry for a time that is nearly there comes before what waits further on") {
  EventQueue queue;
  const wire::Instant start{1h};
  queue.push(start + 10min, 0, 1, 0);  // the queue looks that far ahead
  queue.push(start + 1s, 0, 2, 0);
  queue.push(start, 0, 3, 0);
  CHECK(queue.pop().slot == 3);
  CHECK(queue.pop().slot == 2);
  CHECK(queue.pop().slot == 1);
  CHECK(queue.empty());
}
