// SPDX-License-Identifier: Apache-2.0
// What is known of endpoints that replies name but that are not what they are named as (L6): who has answered under
// another id, and which, and who has not answered twice in a row. A lookup that is told of them again takes the right
// id, or leaves them alone. Only the endpoint itself can put anything in here, by what it answers or does not answer to
// a query of ours; it is believed for minutes. A bounded table: the one untouched for longest gives way. Used by Node
// and, while it runs, by a lookup.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "dht/contact.hpp"
#include "dht/recent_table.hpp"
#include "wire/base/hash.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class EndpointMemory {
 public:
  static constexpr wire::Duration kBelievedFor = std::chrono::minutes(5);

  /// Remembers at most `max` endpoints; 0: none.
  EndpointMemory(std::size_t max, const wire::SipKey& secret)
      : secret_(secret), max_(max), table_(std::max<std::size_t>(max, 1), secret) {}

  /// It answered under another id than it was named by.
  void misnamed(wire::Instant now, const wire::Endpoint& endpoint, const wire::NodeId& real);
  /// It did not answer, though others did meanwhile.
  void silent(wire::Instant now, const wire::Endpoint& endpoint);
  /// It answered.
  void answered(const wire::Endpoint& endpoint);

  /// A contact as a reply names it: under its real id as far as that is known; nullopt: not worth a query now.
  [[nodiscard]] std::optional<Contact> judge(wire::Instant now, const Contact& named);

  [[nodiscard]] std::size_t size() const { return table_.size(); }
  /// How often judge() put an id right, and how often it said no.
  [[nodiscard]] std::uint64_t corrected() const { return corrected_; }
  [[nodiscard]] std::uint64_t avoided() const { return avoided_; }
  [[nodiscard]] std::uint64_t displaced() const { return table_.displaced(); }

 private:
  static constexpr std::uint8_t kTwice = 2;

  struct Known {
    wire::NodeId real;  // meaningful if misnamed
    std::uint32_t at = 0;
    std::uint8_t silences = 0;
    bool misnamed = false;
  };
  [[nodiscard]] std::uint64_t key_of(const wire::Endpoint& endpoint) const;
  [[nodiscard]] Known& touch(wire::Instant now, const wire::Endpoint& endpoint);
  [[nodiscard]] static std::uint32_t seconds(wire::Instant now);
  [[nodiscard]] static bool fresh(wire::Instant now, const Known& known);

  wire::SipKey secret_;
  std::size_t max_;
  RecentTable<Known> table_;
  std::uint64_t corrected_ = 0;
  std::uint64_t avoided_ = 0;
};

}  // namespace lodestone::dht
