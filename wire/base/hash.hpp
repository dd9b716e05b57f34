// SPDX-License-Identifier: Apache-2.0
// SHA-1 and SHA-256 as values owned by the caller (no thread-locals), and SipHash for tables and tokens whose keys a
// stranger chooses.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "wire/base/bytes.hpp"

namespace lodestone::wire {

using Sha1Digest = std::array<std::uint8_t, 20>;
using Sha256Digest = std::array<std::uint8_t, 32>;

/// Incremental SHA-1; finish() returns the digest and makes the hasher ready for the next message. Movable.
class Sha1 {
 public:
  Sha1();
  ~Sha1();
  Sha1(Sha1&&) noexcept;
  Sha1& operator=(Sha1&&) noexcept;
  void update(Bytes data);
  Sha1Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(Bytes data);
  Sha256Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

[[nodiscard]] Sha1Digest sha1(Bytes data);
[[nodiscard]] Sha256Digest sha256(Bytes data);

/// SipHash-2-4.
using SipKey = std::array<std::uint8_t, 16>;
[[nodiscard]] std::uint64_t siphash(const SipKey& key, Bytes data);

/// Equal in time that does not depend on where they differ. Lengths are public.
[[nodiscard]] bool equal_constant_time(Bytes a, Bytes b);

}  // namespace lodestone::wire
