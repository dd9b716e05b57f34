// SPDX-License-Identifier: Apache-2.0
#include "dht/items_snapshot.hpp"

#include <limits>
#include <string>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using namespace std::chrono_literals;
using dht::AgedItem;
using dht::Items;
using dht::ItemsError;
using dht::ItemsReader;
using wire::as_bytes;

namespace {

constexpr wire::Instant kStart{1h};
constexpr wire::UnixSeconds kToday = 1'800'000'000;
constexpr Items::Caps kCaps{1'000, 1u << 20, 2h};

dht::SigningKey key() { return dht::SigningKey(dht::SigningKey::Seed{7}); }
std::string bencoded(const std::string& text) { return std::to_string(text.size()) + ":" + text; }

/// One that holds four items: put 90 min, 60 min, 30 min and a moment before kStart + 90 min.
struct Bench {
  Bench() {
    const auto put = [&](const dht::ItemView& item) {
      REQUIRE(items.put(now, item, std::nullopt) == Items::Verdict::stored);
      now += 30min;
    };
    put({as_bytes("5:plain"), std::nullopt});
    put(signed_.view());
    put(salted.view());
    now = kStart + 90min;
    REQUIRE(items.put(now, {as_bytes(longest), std::nullopt}, std::nullopt) == Items::Verdict::stored);
  }
  [[nodiscard]] wire::ByteVector saved() const { return dht::encode(items, now, kToday); }

  std::string longest = bencoded(std::string(996, 'x'));
  dht::Item signed_ = key().sign(as_bytes("d1:ali1ei2eee"), {}, 3);
  dht::Item salted =
      key().sign(as_bytes("le"), as_bytes(std::string(64, 's')), std::numeric_limits<std::int64_t>::max());
  wire::NodeId own = wire::Rng::from_number(4).id<wire::NodeId>();
  wire::Instant now = kStart;
  Items items{kStart, own, kCaps};
};

std::vector<AgedItem> all(ItemsReader& reader) {
  std::vector<AgedItem> out;
  while (!reader.done())
    for (AgedItem& aged : reader.next(3)) out.push_back(std::move(aged));
  return out;
}

/// What is read of a file that consists of these entries.
std::vector<AgedItem> read(const std::string& entries, const std::string& rest = "", wire::UnixSeconds wall_now = 0) {
  const std::string text = "d6:formati1e5:itemsl" + entries + "e" + rest + "e";
  auto reader = ItemsReader::open({text.begin(), text.end()}, wall_now);
  REQUIRE(reader);
  return all(*reader);
}

std::string entry_of(const dht::Item& item, const std::string& age = "i5e") {
  const auto field = [](const auto& bytes) { return bencoded(std::string{wire::as_text(wire::Bytes{bytes})}); };
  std::string text = "d3:age" + age;
  if (item.key) {
    text += "1:k" + field(*item.key) + (item.salt.empty() ? "" : "4:salt" + field(item.salt));
    text += "3:seqi" + std::to_string(item.seq) + "e3:sig" + field(item.signature);
  }
  return text + "1:v" + field(item.value) + "e";
}

ItemsError error_of(std::string_view text) {
  const auto reader = ItemsReader::open({text.begin(), text.end()}, 0);
  REQUIRE_FALSE(reader);
  CHECK_FALSE(describe(reader.error()).empty());
  return reader.error();
}

}  // namespace

TEST_CASE("S8 stored items survive a restart, each to the byte") {
  const Bench b;
  const auto raw = b.saved();
  CHECK(raw.size() < b.items.bytes() + 64);  // of one allocation
  auto reader = ItemsReader::open(raw, kToday);
  REQUIRE(reader);
  Items restored{kStart, b.own, kCaps};
  for (const AgedItem& aged : all(*reader)) CHECK(restored.restore(b.now, aged));
  restored.check_invariants();
  CHECK(restored.size() == b.items.size());
  CHECK(restored.puts() == 0);  // nothing that would have to be saved
  CHECK(dht::encode(restored, b.now, kToday) == raw);
}

TEST_CASE("S8 the time while nobody ran counts: an item is gone two hours after its last put") {
  const Bench b;
  const auto survivors = [&](wire::UnixSeconds wall_now, wire::Duration later) {
    auto reader = ItemsReader::open(b.saved(), wall_now);
    REQUIRE(reader);
    // Of another machine, whose clock began at some other time.
    const wire::Instant start{3s};
    Items items{start, b.own, kCaps};
    for (const AgedItem& aged : all(*reader)) items.restore(start, aged);
    items.check_invariants();
    std::size_t n = 0;
    items.for_each(start + later, [&n](const dht::ItemView&, wire::Duration) { ++n; });
    return n;
  };
  CHECK(survivors(kToday, 0s) == 4);
  CHECK(survivors(kToday, 29min) == 4);
  CHECK(survivors(kToday, 30min) == 3);
  CHECK(survivors(kToday + 1'799, 0s) == 4);
  CHECK(survivors(kToday + 1'800, 0s) == 3);
  CHECK(survivors(kToday + 3'600, 0s) == 2);
  CHECK(survivors(kToday + 3'600, 31min) == 1);
  CHECK(survivors(kToday + 7'200, 0s) == 0);
  // A clock that was set back: nobody knows for how long, but they are not younger than they were.
  CHECK(survivors(0, 0s) == 4);
  CHECK(survivors(kToday - 100'000'000, 30min) == 3);
  CHECK(survivors(-5, 2h) == 0);
  CHECK(survivors(std::numeric_limits<std::int64_t>::max(), 0s) == 0);
}

TEST_CASE("S8 ages that make no sense are clamped") {
  const dht::Item item = key().sign(as_bytes("1:a"), {}, 1);
  CHECK(read(entry_of(item, "i-9e")).at(0).age == 0s);
  CHECK(read(entry_of(item, "i9223372036854775807e")).at(0).age > 24h);
  CHECK(read(entry_of(item, "i-9223372036854775808e"), "5:savedi-9223372036854775808e", 7).at(0).age == 7s);
  CHECK(read(entry_of(item), "5:savedi9223372036854775807e", 7).at(0).age == 5s);
  CHECK(read(entry_of(item), "", 1'000).at(0).age == 5s);  // no date: as if it had been saved now
  CHECK(read(entry_of(item), "5:savedi990e", 1'000).at(0).age == 15s);
}

TEST_CASE("S8 what is not in order is not restored, and costs only itself") {
  const dht::Item good = key().sign(as_bytes("1:a"), as_bytes("salt"), 4);
  const std::string fine = entry_of(good);
  REQUIRE(read(fine).size() == 1);
  const auto with = [&](auto change) {
    dht::Item item = good;
    change(item);
    return entry_of(item);
  };
  std::string bad;
  bad += with([](dht::Item& i) { i.signature[9] ^= 1; });
  bad += with([](dht::Item& i) { i.seq = 5; });
  bad += with([](dht::Item& i) { i.seq = -1; });
  bad += with([](dht::Item& i) { i.salt.push_back('x'); });
  bad += with([](dht::Item& i) { i.salt.assign(65, 's'); });
  bad += with([](dht::Item& i) { i.value[2] = 'b'; });
  bad += with([](dht::Item& i) { i.value.clear(); });
  bad += "i5e4:xxxxlede";
  bad += "d3:agei5e1:v4:i01ee";           // not canonical
  bad += "d3:agei5e1:v6:1:a1:be";         // two values
  bad += "d3:agei5e1:vi7ee";              // not in a string
  bad += "d1:v3:1:aed3:age1:x1:v3:1:ae";  // no age
  bad += "d3:agei5e1:k3:abc3:seqi1e3:sig1:a1:v3:1:ae";
  bad += "d3:agei5e1:v1001:" + bencoded(std::string(997, 'x')) + "e";
  const auto survivors = read(bad + fine + bad + "d3:agei5e1:v3:1:be");
  REQUIRE(survivors.size() == 2);
  CHECK(survivors[0].item.item().target() == good.target());
  CHECK(wire::as_text(survivors[1].item.item().value) == "1:b");
}

TEST_CASE("S8 a truncated file of stored items is none, wherever it ends; a damaged byte costs at most some of them") {
  const Bench b;
  const auto raw = b.saved();
  for (std::size_t n = 0; n < raw.size(); ++n) {
    CHECK_FALSE(ItemsReader::open({raw.begin(), raw.begin() + static_cast<std::ptrdiff_t>(n)}, kToday));
  }
  for (std::size_t at = 0; at < raw.size(); ++at) {
    auto damaged = raw;
    damaged[at] ^= 0x15;
    auto reader = ItemsReader::open(std::move(damaged), kToday);
    if (!reader) continue;
    Items items{kStart, b.own, kCaps};
    for (const AgedItem& aged : all(*reader)) items.restore(b.now, aged);
    items.check_invariants();  // signatures, too
    CHECK(items.size() <= 4);
  }
}

TEST_CASE("S8 files that are none, of another format or too large are not read") {
  CHECK(error_of("") == ItemsError::not_bencode);
  CHECK(error_of("i1e") == ItemsError::not_items);
  CHECK(error_of("d5:itemslee") == ItemsError::not_items);
  CHECK(error_of("d6:formati1e5:itemsi1ee") == ItemsError::not_items);
  CHECK(error_of("d6:formati2e5:itemslee") == ItemsError::unknown_format);
  CHECK(error_of("d6:formati1e5:itemsleex") == ItemsError::not_bencode);
  CHECK(error_of(std::string(dht::kMaxItemsBytes + 1, 'x')) == ItemsError::too_large);
  std::string many = "d6:formati1e5:itemsl";
  for (std::size_t i = 0; i <= dht::kMaxSavedItems; ++i) many += "de";
  CHECK(error_of(many + "ee") == ItemsError::too_large);
  // No more tokens than that many items have.
  many.resize(20);
  many.append(dht::kMaxSavedItems * 14, 'l').append(dht::kMaxSavedItems * 14, 'e');
  CHECK(error_of(many + "ee") == ItemsError::not_bencode);  // too deep, first
  many.resize(20);
  for (std::size_t i = 0; i < dht::kMaxSavedItems * 14; ++i) many += "le";
  CHECK(error_of(many + "ee") == ItemsError::too_large);
}

TEST_CASE("S8 the caps hold for what is restored, and what is new here stays") {
  Items many{kStart, {}, {100, 1u << 20, 2h}};
  for (int i = 0; i < 100; ++i) {
    const std::string value = "i" + std::to_string(i) + "e";
    REQUIRE(many.put(kStart, {as_bytes(value), std::nullopt}, std::nullopt) == Items::Verdict::stored);
  }
  const dht::SigningKey owner = key();
  const auto version = [&](std::int64_t seq) {
    return owner.sign(as_bytes("1:" + std::string(1, "abc"[seq])), {}, seq);
  };
  const auto restore_into = [](Items& items, wire::ByteVector raw) {
    auto reader = ItemsReader::open(std::move(raw), kToday);
    REQUIRE(reader);
    for (const AgedItem& aged : all(*reader)) items.restore(kStart, aged);
    items.check_invariants();
  };
  Items few{kStart, {}, {10, 1u << 20, 2h}};
  restore_into(few, dht::encode(many, kStart, kToday));
  CHECK(few.size() == 10);
  Items small{kStart, {}, {100, 2'000, 2h}};
  restore_into(small, dht::encode(many, kStart, kToday));
  CHECK(small.bytes() <= 2'000);
  CHECK(small.size() >= 5);

  Items old{kStart, {}, kCaps};
  REQUIRE(old.put(kStart, version(1).view(), std::nullopt) == Items::Verdict::stored);
  const auto raw = dht::encode(old, kStart + 1h, kToday);
  for (const std::int64_t here : {0, 1, 2}) {
    Items items{kStart, {}, kCaps};
    REQUIRE(items.put(kStart, version(here).view(), std::nullopt) == Items::Verdict::stored);
    restore_into(items, raw);
    CHECK(items.find(kStart, version(0).target())->signed_by->seq == std::max<std::int64_t>(here, 1));
    // Put again a moment ago, it is not as old as the file says.
    CHECK(items.find(kStart + 90min, version(0).target()).has_value() == (here != 0));
  }
}
