// SPDX-License-Identifier: Apache-2.0
// Which info-hashes may have peers here, for whoever answers get_peers on another thread than the one that stores: a
// bit for each of a million equal parts of the key space. Written by the storing thread alone, read by all. Invariant:
// a hash that is stored has its bit set, from before its announce is answered; a bit that is set may mean nothing.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "wire/base/bytes.hpp"
#include "wire/base/id.hpp"
#include "wire/base/prefetch.hpp"

namespace lodestone::dht {

class HashFilter {
 public:
  void add(const wire::Key& info_hash) {
    const std::uint32_t bit = bit_of(info_hash);
    words_[bit / 64].fetch_or(std::uint64_t{1} << bit % 64, std::memory_order_relaxed);
  }
  [[nodiscard]] bool may_have(const wire::Key& info_hash) const {
    const std::uint32_t bit = bit_of(info_hash);
    return (words_[bit / 64].load(std::memory_order_relaxed) >> bit % 64 & 1) != 0;
  }
  /// It will be asked for soon: that is fetched meanwhile. Its first four bytes are read.
  void prefetch(const std::uint8_t* info_hash) const { wire::prefetch(&words_[bit_of(info_hash) / 64]); }
  /// Forgets those that are gone: for_each(f) calls f(const Key&) for all that are there.
  template <class ForEach>
  void rebuild(ForEach&& for_each) {
    std::vector<std::uint64_t> fresh(kWords);
    for_each([&](const wire::Key& info_hash) {
      const std::uint32_t bit = bit_of(info_hash);
      fresh[bit / 64] |= std::uint64_t{1} << bit % 64;
    });
    for (std::size_t i = 0; i < kWords; ++i) words_[i].store(fresh[i], std::memory_order_relaxed);
  }

  /// The store turns some hashes down: who would be given a token has to be looked at by the one that stores (S1).
  void set_full(bool full) { full_.store(full, std::memory_order_relaxed); }
  [[nodiscard]] bool full() const { return full_.load(std::memory_order_relaxed); }

 private:
  static constexpr unsigned kBits = 20;
  static constexpr std::size_t kWords = (std::size_t{1} << kBits) / 64;

  [[nodiscard]] static std::uint32_t bit_of(const std::uint8_t* info_hash) {
    return wire::load_be32(info_hash) >> (32 - kBits);
  }
  [[nodiscard]] static std::uint32_t bit_of(const wire::Key& info_hash) { return bit_of(info_hash.bytes().data()); }

  std::array<std::atomic<std::uint64_t>, kWords> words_{};
  std::atomic<bool> full_ = false;
};

}  // namespace lodestone::dht
