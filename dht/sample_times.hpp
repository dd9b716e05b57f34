// SPDX-License-Identifier: Apache-2.0
// When each node may be asked for samples again (BEP 51, S6): it says so itself, within six hours. Bounded: when there
// are too many, whoever may be asked soonest is forgotten.
#pragma once

#include <cstdint>
#include <map>

#include "wire/base/endpoint.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class SampleTimes {
 public:
  static constexpr std::int64_t kLongest = 21'600;  // seconds; BEP 51's bound

  [[nodiscard]] bool may_ask(wire::Instant now, const wire::Endpoint& node) const;
  /// It answered, and does not want to be asked again for that many seconds.
  void answered(wire::Instant now, const wire::Endpoint& node, std::int64_t interval);
  [[nodiscard]] std::size_t size() const { return not_before_.size(); }

 private:
  static constexpr std::size_t kMax = 8'192;

  void make_room(wire::Instant now);

  std::map<wire::Endpoint, wire::Instant> not_before_;
};

}  // namespace lodestone::dht
