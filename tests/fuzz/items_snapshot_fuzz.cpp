// SPDX-License-Identifier: Apache-2.0
// Any bytes as a file of stored items: what is read is in order and bounded, a small store takes it within its caps,
// and what it has taken survives a round trip. First byte: how long ago it was saved, and (bit 7) whether what follows
// is the file or only a script of items that we sign, so that good signatures are reached, too, whose file is then cut
// or damaged.
#include <algorithm>
#include <cstdint>

#include "dht/items_snapshot.hpp"
#include "tests/support/byte_script.hpp"

namespace {

using namespace lodestone;
using test::require;

constexpr dht::Items::Caps kSmall{6, 4'000, std::chrono::hours(2)};
constexpr dht::Items::Caps kLarge{1'000, 1u << 22, std::chrono::hours(2)};
constexpr wire::Instant kNow{std::chrono::hours(1)};
constexpr wire::UnixSeconds kSaved = 1'000'000;

/// Entries of a length, two bytes of damage, a number and a value; those that are values are signed and put.
wire::ByteVector made_by(wire::Bytes script) {
  static const dht::SigningKey key{dht::SigningKey::Seed{1}};
  dht::Items items{kNow, {}, kLarge};
  std::size_t damage = 0, cut = 0;
  while (script.size() >= 4) {
    const std::size_t size = std::min<std::size_t>(script[0], script.size() - 4);
    damage = damage * 256 + script[1];
    cut = cut * 256 + script[2];
    const wire::Bytes value = script.subspan(4, size);
    const wire::Bytes salt = value.first(script[3] % 4 == 0 ? std::min<std::size_t>(size, dht::kMaxSalt) : 0);
    (void)items.put(kNow - std::chrono::minutes(script[3] % 128), key.sign(value, salt, script[3]).view(),
                    std::nullopt);
    script = script.subspan(4 + size);
  }
  wire::ByteVector file = dht::encode(items, kNow, kSaved);
  if (damage % 2 == 1) file[damage / 2 % file.size()] ^= static_cast<std::uint8_t>(1u << (cut % 8));
  if (cut % 4 == 3) file.resize(cut % file.size());
  if (damage % 2 == 0 && cut % 4 != 3) require(dht::ItemsReader::open(file, kSaved).has_value());
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const wire::Bytes rest{data + 1, size - 1};
  const wire::UnixSeconds today = kSaved + 60 * (data[0] % 128) - 600;
  auto reader =
      dht::ItemsReader::open((data[0] & 0x80) != 0 ? made_by(rest) : wire::ByteVector(rest.begin(), rest.end()), today);
  if (!reader) return 0;
  dht::Items small{kNow, {}, kSmall}, large{kNow, {}, kLarge};
  wire::bencode::Document scratch;
  std::size_t total = 0;
  while (!reader->done()) {
    const auto items = reader->next(7);
    require(items.size() <= 7);
    total += items.size();
    for (const dht::AgedItem& aged : items) {
      const dht::ItemView view = aged.item.item().view();
      require(aged.age >= wire::Duration::zero());
      require(view.value.size() <= dht::kMaxValue && dht::is_canonical_value(view.value, scratch));
      require(!view.signed_by || dht::signature_holds(view.value, *view.signed_by));
      const bool taken = large.restore(kNow, aged);
      require(!taken || large.find(kNow, view.target()).has_value());
      small.restore(kNow, aged);
    }
  }
  require(reader->next(1).empty() && large.size() <= total);
  for (dht::Items* items : {&small, &large}) {
    items->check_invariants();
    const wire::ByteVector file = dht::encode(*items, kNow, kSaved);
    auto again = dht::ItemsReader::open(file, kSaved);
    require(again.has_value());
    dht::Items copy{kNow, {}, kLarge};
    while (!again->done())
      for (const dht::AgedItem& aged : again->next(100)) require(copy.restore(kNow, aged));
    require(dht::encode(copy, kNow, kSaved) == file);
  }
  return 0;
}
