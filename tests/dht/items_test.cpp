// SPDX-License-Identifier: Apache-2.0
#include "dht/items.hpp"

#include <algorithm>
#include <string>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using namespace std::chrono_literals;
using dht::Items;
using dht::ItemView;
using Verdict = dht::Items::Verdict;
using wire::as_bytes;

namespace {

constexpr wire::Instant kStart{1h};

dht::SigningKey key_number(std::uint8_t n) {
  dht::SigningKey::Seed seed{};
  seed[0] = n;
  return dht::SigningKey(seed);
}

std::string bencoded(const std::string& text) { return std::to_string(text.size()) + ":" + text; }

struct Bench {
  explicit Bench(const Items::Caps& caps = {1'000, 1u << 20, 2h}) : items(kStart, wire::NodeId{}, caps) {}
  Verdict put(const std::string& value) {
    const Verdict v = items.put(now, {as_bytes(value), std::nullopt}, std::nullopt);
    items.check_invariants();
    return v;
  }
  Verdict put(const std::string& value, std::int64_t seq, std::optional<std::int64_t> cas = std::nullopt,
              const std::string& salt = "") {
    const dht::Item item = key.sign(as_bytes(value), as_bytes(salt), seq);
    const Verdict v = items.put(now, item.view(), cas);
    items.check_invariants();
    return v;
  }
  [[nodiscard]] std::string value_at(const wire::Key& target) const {
    const auto found = items.find(now, target);
    return found ? std::string{wire::as_text(found->value)} : std::string{};
  }
  [[nodiscard]] wire::Key target(const std::string& salt = "") const {
    return dht::mutable_target(key.public_key(), as_bytes(salt));
  }

  Items items;
  dht::SigningKey key = key_number(1);
  wire::Instant now = kStart;
};

}  // namespace

TEST_CASE("S8 an immutable item lies under its hash and has no number") {
  Bench b;
  CHECK(b.put("12:Hello World!") == Verdict::stored);
  const auto target = *wire::Key::from_hex("e5f96f6f38320f0f33959cb4d3d656452117aadb");
  const auto found = b.items.find(b.now, target);
  REQUIRE(found);
  CHECK(wire::as_text(found->value) == "12:Hello World!");
  CHECK_FALSE(found->signed_by);
  CHECK(b.put("12:Hello World!") == Verdict::refreshed);
  CHECK(b.items.size() == 1);
}

TEST_CASE("S8 a mutable item goes up in number, never down or sideways") {
  Bench b;
  CHECK(b.put("1:a", 5) == Verdict::stored);
  CHECK(b.put("1:b", 4) == Verdict::seq_too_low);
  CHECK(b.put("1:b", 5) == Verdict::seq_too_low);
  CHECK(b.value_at(b.target()) == "1:a");
  CHECK(b.put("1:a", 5) == Verdict::refreshed);
  CHECK(b.put("1:b", 6) == Verdict::stored);
  CHECK(b.value_at(b.target()) == "1:b");
  CHECK(b.items.find(b.now, b.target())->signed_by->seq == 6);
  CHECK(b.items.size() == 1);
}

TEST_CASE("S8 compare-and-swap: 301 when the number is another one, nothing when there is none") {
  Bench b;
  CHECK(b.put("1:a", 1, 77) == Verdict::stored);  // nothing here: cas does not count
  CHECK(b.put("1:b", 3, 2) == Verdict::cas_mismatch);
  CHECK(b.put("1:b", 0, 2) == Verdict::cas_mismatch);  // before the number is looked at
  CHECK(b.value_at(b.target()) == "1:a");
  CHECK(b.put("1:b", 3, 1) == Verdict::stored);
  CHECK(b.value_at(b.target()) == "1:b");
}

TEST_CASE("S8 one key keeps an item for each salt") {
  Bench b;
  CHECK(b.put("1:a", 1) == Verdict::stored);
  CHECK(b.put("1:b", 1, std::nullopt, "salt") == Verdict::stored);
  CHECK(b.value_at(b.target()) == "1:a");
  CHECK(b.value_at(b.target("salt")) == "1:b");
}

TEST_CASE("S8 what is too big, not canonical or not signed is refused, each by its own code") {
  Bench b;
  CHECK(b.put(bencoded(std::string(996, 'x'))) == Verdict::stored);  // 1,000 bytes in all
  CHECK(b.put(bencoded(std::string(997, 'x'))) == Verdict::value_too_big);
  CHECK(b.put("i01e") == Verdict::not_canonical);
  CHECK(b.put("d1:bi1e1:ai1ee") == Verdict::not_canonical);
  CHECK(b.put("") == Verdict::not_canonical);
  const dht::Item item = b.key.sign(as_bytes("1:a"), {}, 1);
  auto view = item.view();
  view.signed_by->seq = -1;
  CHECK(b.items.put(b.now, view, std::nullopt) == Verdict::not_canonical);
  view = item.view();
  view.signed_by->signature[10] ^= 1;
  CHECK(b.items.put(b.now, view, std::nullopt) == Verdict::bad_signature);
  view = item.view();
  const std::string salt(65, 's');
  view.signed_by->salt = as_bytes(salt);
  CHECK(b.items.put(b.now, view, std::nullopt) == Verdict::salt_too_big);
  CHECK(b.items.size() == 1);
}

TEST_CASE("S8 a repeated item with a forged signature refreshes what is stored and changes none of it") {
  Bench b;
  REQUIRE(b.put("1:a", 1) == Verdict::stored);
  const dht::Item item = b.key.sign(as_bytes("1:a"), {}, 1);
  auto view = item.view();
  view.signed_by->signature = {};
  CHECK(b.items.put(b.now, view, std::nullopt) == Verdict::refreshed);
  b.items.check_invariants();
  CHECK(b.items.find(b.now, b.target())->signed_by->signature == item.signature);
}

TEST_CASE("S8 an item of one kind is not replaced by one of the other under the same target") {
  // Key and salt together may spell a value. Nothing is known to sign under such a key, but the store must not depend
  // on that.
  Bench b;
  const std::string value = bencoded(std::string(93, 'x'));
  const std::string salt(64, 'x');
  REQUIRE(b.put(value) == Verdict::stored);
  dht::MutablePart part{};
  std::copy_n(value.begin(), part.key.size(), part.key.begin());
  part.salt = as_bytes(salt);
  const ItemView other{as_bytes("1:a"), part};
  REQUIRE(other.target() == dht::immutable_target(as_bytes(value)));
  CHECK(b.items.put(b.now, other, std::nullopt) == Verdict::full);
  CHECK(b.value_at(other.target()) == value);
}

TEST_CASE("S8 an item that nobody puts again is gone after two hours") {
  Bench b;
  REQUIRE(b.put("1:a", 1) == Verdict::stored);
  REQUIRE(b.put("1:b") == Verdict::stored);
  b.now += 90min;
  CHECK(b.put("1:a", 1) == Verdict::refreshed);
  b.now += 31min;
  CHECK(b.value_at(b.target()) == "1:a");
  CHECK(b.value_at(dht::immutable_target(as_bytes("1:b"))).empty());
  CHECK(b.items.size() == 2);
  CHECK(b.items.next_sweep() <= b.now);
  b.items.sweep(b.now);
  b.items.check_invariants();
  CHECK(b.items.size() == 1);
  b.now += 2h;
  CHECK(b.put("1:z", 0) == Verdict::stored);  // an expired item does not bind its number
  b.now += 2h;
  b.items.sweep(b.now);
  CHECK(b.items.size() == 0);
  CHECK(b.items.bytes() == 0);
  CHECK(b.items.next_sweep() == wire::kNever);
}

TEST_CASE("S8 a full store drops the farthest and refuses what would be the farthest") {
  Bench b({10, 1u << 20, 2h});
  auto rng = wire::Rng::from_number(1);
  std::map<wire::Key, std::string> all;  // our id is zero: the key itself is the distance
  for (int i = 0; i < 200; ++i) {
    const std::string value = "i" + std::to_string(rng.below(1u << 30)) + "e";
    const auto target = dht::immutable_target(as_bytes(value));
    const bool accepted = b.items.accepts(target);
    const Verdict v = b.put(value);
    CHECK(accepted == (v != Verdict::full));
    all.emplace(target, value);
  }
  CHECK(b.items.size() == 10);
  std::size_t n = 0;
  for (const auto& [target, value] : all) CHECK(b.value_at(target) == (n++ < 10 ? value : ""));
}

TEST_CASE("S8 the byte cap is hard, whatever is put and replaced") {
  constexpr std::size_t kBytes = 20'000;
  Bench b({1'000, kBytes, 2h});
  auto rng = wire::Rng::from_number(2);
  bool was_full = false;
  for (int i = 0; i < 400; ++i) {
    b.now += 1s;
    const std::string value = bencoded(std::string(rng.below(996), 'a'));
    const Verdict v = rng.chance(0.5) ? b.put(value, i, std::nullopt, std::to_string(rng.below(40))) : b.put(value);
    was_full = was_full || v == Verdict::full;
    REQUIRE(b.items.bytes() <= kBytes);
  }
  CHECK(was_full);
  CHECK(b.items.size() > kBytes / 1'400);
}

TEST_CASE("S8 an update that does not fit leaves the item as it was") {
  Bench b({1'000, 1'000, 2h});
  REQUIRE(b.put("1:a", 1) == Verdict::stored);
  CHECK(b.put(bencoded(std::string(900, 'b')), 2) == Verdict::full);
  CHECK(b.value_at(b.target()) == "1:a");
}

TEST_CASE("T1 items move with our id") {
  Bench b({4, 1u << 20, 2h});
  for (const char* v : {"1:a", "1:b", "1:c", "1:d"}) REQUIRE(b.put(v) == Verdict::stored);
  auto rng = wire::Rng::from_number(3);
  b.items.move_to(rng.id<wire::NodeId>());
  b.items.check_invariants();
  CHECK(b.items.size() == 4);
  for (const char* v : {"1:a", "1:b", "1:c", "1:d"}) CHECK(b.value_at(dht::immutable_target(as_bytes(v))) == v);
}

TEST_CASE("S8 items that expire or give way are counted") {
  Bench b{{4, 1u << 20, 2h}};
  for (int i = 0; i < 40; ++i) b.put(bencoded(std::to_string(i)));
  const std::uint64_t displaced = b.items.displaced();
  CHECK(displaced > 0);
  CHECK(b.items.size() == 4);
  b.now += 2h;
  b.items.sweep(b.now);
  CHECK(b.items.expired() == 4);
  CHECK(b.items.displaced() == displaced);
}
