// SPDX-License-Identifier: Apache-2.0
// The bytes of a fuzz target's input, read as choices. Whoever reads on after the end gets zeroes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "wire/base/bytes.hpp"

namespace lodestone::test {

/// What a fuzz target checks with: a failure is a crash, in every build.
inline void require(bool ok) {
  if (!ok) std::abort();
}

class ByteScript {
 public:
  explicit ByteScript(wire::Bytes raw) : raw_(raw) {}

  [[nodiscard]] bool done() const { return raw_.empty(); }
  std::uint8_t byte() {
    if (raw_.empty()) return 0;
    const std::uint8_t b = raw_.front();
    raw_ = raw_.subspan(1);
    return b;
  }
  std::uint16_t two_bytes() {
    const std::uint8_t high = byte();
    return static_cast<std::uint16_t>(high << 8 | byte());
  }
  bool flag() { return (byte() & 1) != 0; }
  /// At most n, of what is left.
  wire::Bytes take(std::size_t n) {
    const wire::Bytes part = raw_.first(std::min(n, raw_.size()));
    raw_ = raw_.subspan(part.size());
    return part;
  }
  template <class Id>
  Id id() {
    Id out;
    for (auto& b : out.bytes()) b = byte();
    return out;
  }

 private:
  wire::Bytes raw_;
};

}  // namespace lodestone::test
