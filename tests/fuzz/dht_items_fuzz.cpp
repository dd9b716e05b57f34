// SPDX-License-Identifier: Apache-2.0
// Any sequence of puts and gets against a small item store (BEP 44): its caps and invariants hold, what it says it
// stored is there, what it refused is not, and numbers never go down. The keys are ours, so that signatures hold.
#include <cstdint>
#include <vector>

#include "dht/items.hpp"
#include "tests/support/byte_script.hpp"

namespace {

using namespace lodestone;
using Verdict = dht::Items::Verdict;

using test::require;

const dht::SigningKey& key(std::uint8_t n) {
  static const std::vector<dht::SigningKey> keys = [] {
    std::vector<dht::SigningKey> made;
    for (std::uint8_t i = 0; i < 3; ++i) {
      dht::SigningKey::Seed seed{};
      seed[0] = i;
      made.emplace_back(seed);
    }
    return made;
  }();
  return keys[n % 3];
}

constexpr std::size_t kItems = 6;
constexpr std::size_t kBytes = 3'000;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  test::ByteScript input{{data, size}};
  wire::Instant now{std::chrono::hours(1)};
  wire::NodeId own;
  own.bytes()[0] = input.byte();
  dht::Items items{now, own, {kItems, kBytes, std::chrono::hours(2)}};
  for (int step = 0; step < 64 && !input.done(); ++step) {
    const std::uint8_t what = input.byte();
    now += std::chrono::minutes(what >> 5);
    if (what % 8 == 7) {
      items.sweep(now);
      continue;
    }
    if (what % 8 == 6) {
      own.bytes()[0] = input.byte();
      items.move_to(own);
      continue;
    }
    const wire::Bytes salt = what % 2 == 0 ? input.take(input.byte() % 68) : wire::Bytes{};
    const auto seq = static_cast<std::int64_t>(static_cast<std::int8_t>(input.byte()));
    const std::uint8_t who = input.byte();
    const std::size_t length = what % 16 < 8 ? input.byte() : std::size_t{4} * input.byte();
    const wire::Bytes value = input.take(length);
    dht::Item item;
    if (what % 8 < 4 && value.size() <= dht::kMaxValue && salt.size() <= dht::kMaxSalt && seq >= 0) {
      item = key(who).sign(value, salt, seq);
      if (who >= 0xf0) item.signature[who % 64] ^= 1;
    } else {
      item.value.assign(value.begin(), value.end());
      if (what % 8 < 4) {  // not to be signed: it must be refused before anybody looks at the signature
        item.key = key(who).public_key();
        item.salt.assign(salt.begin(), salt.end());
        item.seq = seq;
      }
    }
    const wire::Key target = item.target();
    const auto before = items.find(now, target);
    const bool had = before.has_value();
    const std::int64_t seq_before = had && before->signed_by ? before->signed_by->seq : -1;
    const Verdict verdict = items.put(now, item.view(), who % 4 == 0 ? std::optional<std::int64_t>{seq} : std::nullopt);
    require(items.size() <= kItems && items.bytes() <= kBytes);
    const auto after = items.find(now, target);
    if (verdict == Verdict::stored || verdict == Verdict::refreshed) {
      require(after && std::equal(after->value.begin(), after->value.end(), item.value.begin(), item.value.end()));
      require(after->value.size() <= dht::kMaxValue);
      require(!item.key || (who < 0xf0 || verdict == Verdict::refreshed));
      if (after->signed_by)
        require(after->signed_by->seq >= seq_before && dht::signature_holds(after->value, *after->signed_by));
    } else {
      require(after.has_value() == had);
      if (after && after->signed_by) require(after->signed_by->seq == seq_before);
    }
  }
  items.check_invariants();
  return 0;
}
