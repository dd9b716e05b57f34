// SPDX-License-Identifier: Apache-2.0
#include "magnet/metadata_budget.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
using Share = MetadataBudget::Share;
constexpr wire::Instant kStart{1h};
constexpr std::uint64_t kMiB = 1u << 20;

TEST_CASE("M1 the budget is 64 MiB, and one claim of 48 MiB fits into it") {
  MetadataBudget budget;
  CHECK(budget.total() == 64 * kMiB);
  CHECK(budget.largest() == 48 * kMiB);
  Share share(budget, 48 * kMiB);
  CHECK_FALSE(share.granted());
  CHECK(share.take(kStart));
  CHECK(share.granted());
  CHECK(budget.granted() == 48 * kMiB);
}

TEST_CASE("M1 who comes first is granted first, and what ends makes room for the next") {
  MetadataBudget budget;
  std::optional<Share> first(std::in_place, budget, 30 * kMiB);
  Share second(budget, 40 * kMiB);
  std::optional<Share> third(std::in_place, budget, 10 * kMiB);
  CHECK_FALSE(second.take(kStart));  // not its turn, though the room is there
  CHECK(first->take(kStart));
  CHECK_FALSE(second.take(kStart));
  CHECK_FALSE(third->take(kStart));  // would fit, but must not hold the second up for ever
  first.reset();
  CHECK_FALSE(third->take(kStart));
  CHECK(second.take(kStart));
  CHECK(budget.granted() == 40 * kMiB);
  third.reset();
  Share fourth(budget, 8 * kMiB);
  CHECK(fourth.take(kStart));  // nobody waits before it any more
}

TEST_CASE("M1 small and large claims do not hold each other up") {
  MetadataBudget budget;
  Share large(budget, 48 * kMiB), waiting(budget, 48 * kMiB);
  CHECK(large.take(kStart));
  CHECK_FALSE(waiting.take(kStart));
  std::vector<Share> small;
  for (int i = 0; i < 8; ++i) {
    small.emplace_back(budget, 2 * kMiB);
    CHECK(small.back().take(kStart));
  }
  Share ninth(budget, 1);
  CHECK_FALSE(ninth.take(kStart));
  CHECK(budget.granted() == 64 * kMiB);
  // A share that moved is granted where it is now, and only once.
  Share moved = std::move(small.back());
  small.pop_back();
  CHECK_FALSE(ninth.take(kStart));
  moved = Share(budget, 48 * kMiB);  // gives back what it had
  CHECK(ninth.take(kStart));
}

TEST_CASE("M1 while others wait, a share that stands still has to yield, one that moves has not") {
  MetadataBudget budget;
  Share holder(budget, 40 * kMiB);
  REQUIRE(holder.take(kStart));
  CHECK_FALSE(holder.must_yield(kStart + 1h, 0));  // nobody waits
  Share waiter(budget, 40 * kMiB);
  CHECK_FALSE(waiter.must_yield(kStart + 1h, 0));  // has nothing
  CHECK_FALSE(holder.must_yield(kStart + MetadataBudget::kGrace, 0));
  CHECK(holder.must_yield(kStart + MetadataBudget::kGrace + 1s, 0));
  CHECK_FALSE(holder.must_yield(kStart + MetadataBudget::kGrace + 1s, MetadataBudget::kPace));
  CHECK_FALSE(holder.must_yield(kStart + 110s, 100 * MetadataBudget::kPace));
  CHECK(holder.must_yield(kStart + 111s, 100 * MetadataBudget::kPace));
  Share small(budget, kMiB);
  REQUIRE(small.take(kStart));
  CHECK_FALSE(small.must_yield(kStart + 1h, 0));  // those who wait are in the other lane
}

TEST_CASE("M1 whatever is asked, the sum stays below the limit and everybody gets his turn") {
  MetadataBudget budget;
  wire::Rng rng = wire::Rng::from_number(5);
  struct Fetch {
    std::optional<Share> share;
    wire::Instant since;
    int turns = 0;
    bool honest;  // comes to its end; the others stand still until they have to yield
  };
  std::vector<Fetch> all(40);
  wire::Instant now = kStart;
  for (std::size_t i = 0; i < all.size(); ++i) all[i].honest = i % 2 == 0;
  for (int second = 0; second < 3'600; ++second, now += 1s) {
    for (Fetch& f : all) {
      if (!f.share) {
        const std::uint64_t size = rng.below(2) == 0 ? 1 + rng.below(2 * kMiB) : 1 + rng.below(48 * kMiB);
        f.share.emplace(budget, size);
        f.since = wire::kNever;
      }
      if (f.share->take(now) && f.since == wire::kNever) {
        f.since = now;
        ++f.turns;
      }
      REQUIRE(budget.granted() <= 64 * kMiB);
      if (f.since == wire::kNever) continue;
      if (f.honest ? now - f.since >= 5s : f.share->must_yield(now, 0)) f.share.reset();
    }
  }
  for (const Fetch& f : all) CHECK(f.turns >= 2);
  all.clear();
  CHECK(budget.granted() == 0);
}

}  // namespace
}  // namespace lodestone::magnet
