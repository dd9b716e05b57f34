// SPDX-License-Identifier: Apache-2.0
#include "dht/republisher.hpp"

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace lodestone::dht;
using namespace std::chrono_literals;

namespace {

constexpr wire::Instant kStart{1h};

Item immutable(const std::string& text) {
  Item item;
  wire::bencode::Writer(item.value).string(text);
  return item;
}

Item numbered(std::int64_t seq) {
  static const SigningKey key{SigningKey::Seed{7}};
  return key.sign(immutable("value").value, {}, seq);
}

struct Bench {
  Republisher items;
  wire::Rng rng{wire::Rng::Seed{5}};
};

}  // namespace

TEST_CASE("S8 an item is put at once, and then a little more often than every hour") {
  Bench b;
  CHECK(b.items.next_deadline(10) == wire::kNever);
  REQUIRE(b.items.keep(kStart, immutable("a")));
  CHECK(b.items.next_deadline(0) == wire::kNever);
  CHECK(b.items.take_due(kStart, 1, 0) == nullptr);
  wire::Instant now = kStart;
  for (LookupId id = 1; id <= 50; ++id) {
    CHECK(b.items.next_deadline(10) == now);
    const Item* item = b.items.take_due(now, id, 10);
    REQUIRE(item != nullptr);
    CHECK(item->value == immutable("a").value);
    CHECK(b.items.take_due(now, 99, 10) == nullptr);
    CHECK(b.items.next_deadline(10) == wire::kNever);
    b.items.finished(now + 3s, id, 8, false, b.rng);
    const wire::Instant next = b.items.next_deadline(10);
    CHECK(next >= now + 50min);
    CHECK(next <= now + 3s + 60min);
    now = next;
  }
}

TEST_CASE("S8 an item that nobody stored is put again soon, with back-off") {
  Bench b;
  REQUIRE(b.items.keep(kStart, immutable("a")));
  wire::Instant now = kStart;
  std::vector<wire::Duration> pauses;
  for (LookupId id = 1; id <= 7; ++id) {
    REQUIRE(b.items.take_due(now, id, 10) != nullptr);
    b.items.finished(now, id, 0, false, b.rng);
    pauses.push_back(b.items.next_deadline(10) - now);
    now = b.items.next_deadline(10);
  }
  CHECK(pauses == std::vector<wire::Duration>{1min, 2min, 4min, 8min, 16min, 30min, 30min});
}

TEST_CASE("S8 the newest version is the one that is put, and none when somebody has a newer one") {
  Bench b;
  REQUIRE(b.items.keep(kStart, numbered(2)));
  CHECK_FALSE(b.items.keep(kStart, numbered(2)));
  CHECK_FALSE(b.items.keep(kStart, numbered(1)));
  REQUIRE(b.items.take_due(kStart, 1, 10) != nullptr);
  // A newer one while the old one is being put: it follows at once, whatever becomes of the old one.
  REQUIRE(b.items.keep(kStart + 1s, numbered(3)));
  b.items.finished(kStart + 2s, 1, 8, true, b.rng);
  REQUIRE(b.items.targets().size() == 1);
  const Item* item = b.items.take_due(kStart + 2s, 2, 10);
  REQUIRE(item != nullptr);
  CHECK(item->seq == 3);
  b.items.finished(kStart + 3s, 2, 5, true, b.rng);
  CHECK(b.items.targets().empty());
  CHECK(b.items.next_deadline(10) == wire::kNever);
  CHECK_FALSE(b.items.keep(kStart + 5min, numbered(3)));  // a file that still lies there
  CHECK(b.items.next_deadline(10) == wire::kNever);
  CHECK(b.items.keep(kStart + 6min, numbered(5)));
  CHECK(b.items.next_deadline(10) == kStart + 6min);
}

TEST_CASE("S8 what is dropped is put no more, and there is an end to what is kept") {
  Bench b;
  REQUIRE(b.items.keep(kStart, immutable("a")));
  REQUIRE(b.items.take_due(kStart, 1, 10) != nullptr);
  b.items.drop(immutable("a").target());
  b.items.finished(kStart, 1, 8, false, b.rng);
  CHECK(b.items.targets().empty());
  for (std::size_t i = 0; i < Republisher::kMax; ++i) REQUIRE(b.items.keep(kStart, immutable(std::to_string(i))));
  CHECK_FALSE(b.items.keep(kStart, immutable("one more")));
  CHECK(b.items.targets().size() == Republisher::kMax);
}
