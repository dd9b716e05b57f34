// SPDX-License-Identifier: Apache-2.0
// Whose datagrams are about to be read, and what they are called in the tables (AddressNames): told a batch ahead, so
// that what is known of them can be fetched meanwhile and each is named once. A guess that may be wrong: whoever comes
// unexpected, or out of turn, is named when he is here. At most kMost at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "dht/address_names.hpp"
#include "wire/base/endpoint.hpp"

namespace lodestone::dht {

class ExpectedNames {
 public:
  using Name = AddressNames::Name;
  // More lines than these fill are not on their way at once in any machine.
  static constexpr std::size_t kMost = 64;

  /// Those of the last call are forgotten.
  void expect(std::span<const wire::Endpoint> sources, const AddressNames& names) {
    expected_.clear();
    next_ = 0;
    for (const wire::Endpoint& source : sources.first(std::min(sources.size(), kMost)))
      expected_.push_back({source, names.of(source)});
  }
  /// f(Name) for each of them.
  template <class F>
  void for_each(F&& f) const {
    for (const Expected& source : expected_) f(source.name);
  }
  /// Of one who is here; mostly it was expected next.
  [[nodiscard]] Name of(const wire::Endpoint& here, const AddressNames& names) {
    // Those whose datagrams were no queries are passed over.
    const std::size_t end = std::min(expected_.size(), next_ + kPassedOver);
    for (std::size_t i = next_; i < end; ++i) {
      if (expected_[i].endpoint != here) continue;
      next_ = i + 1;
      return expected_[i].name;
    }
    return names.of(here);
  }

 private:
  static constexpr std::size_t kPassedOver = 4;

  struct Expected {
    wire::Endpoint endpoint;
    Name name;
  };
  std::vector<Expected> expected_;  // in the order in which they will be here
  std::size_t next_ = 0;
};

}  // namespace lodestone::dht
