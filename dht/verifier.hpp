// SPDX-License-Identifier: Apache-2.0
// Contacts that were named or turned up, and are to be asked before the table takes them (T2): later, when their NAT
// pinhole has closed, or at once while the table is small, then at a limited rate. Decides when; the node asks.
// Invariant: bounded; no endpoint twice; an endpoint that was asked in vain is left alone for a while.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dht/contact.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class Verifier {
 public:
  explicit Verifier(int rate_per_second);

  /// Whether a contact that is due then has a chance: when the queue is full, who would wait longest gives way. First
  /// come first served would let a burst of strangers shut everybody else out for a quarter of an hour.
  [[nodiscard]] bool takes(wire::Instant due) const { return queue_.size() < kMaxUnsolicited || due < latest_; }
  /// To be asked at `due`. False when it is queued already, was asked in vain of late, or there is no room.
  bool offer(wire::Instant now, const Contact& contact, wire::Instant due);
  /// From an earlier run; these may fill the queue further.
  bool offer_saved(wire::Instant now, const Contact& contact, wire::Instant due);
  /// The next contact whose time has come, at most `rate` a second; it is forgotten here.
  [[nodiscard]] std::optional<Contact> take_due(wire::Instant now);
  void failed(wire::Instant now, const wire::Endpoint& endpoint);
  [[nodiscard]] wire::Instant next_deadline() const;
  [[nodiscard]] std::size_t size() const { return queue_.size(); }
  /// Contacts that were not queued because they had just been asked in vain, and such as gave way in the queue.
  [[nodiscard]] std::uint64_t avoided() const { return avoided_; }
  [[nodiscard]] std::uint64_t displaced() const { return displaced_; }

 private:
  static constexpr std::size_t kMaxUnsolicited = 256;
  static constexpr std::size_t kMaxSaved = 2'048;
  static constexpr std::size_t kMaxFailed = 64;

  struct Item {
    wire::Instant due;
    Contact contact;
    friend bool operator>(const Item& a, const Item& b) { return a.due > b.due; }
  };
  struct Failure {
    wire::Endpoint endpoint;
    wire::Instant until;
  };
  /// It is queued, or to be left alone.
  [[nodiscard]] bool known(wire::Instant now, const wire::Endpoint& endpoint);
  void push(const Contact& contact, wire::Instant due);

  wire::Duration spacing_;
  wire::Instant not_before_ = wire::Instant::min();
  std::vector<Item> queue_;                      // a heap, earliest first
  wire::Instant latest_ = wire::Instant::min();  // nobody in the queue is due later
  std::vector<Failure> failed_;                  // the latest last
  std::uint64_t avoided_ = 0;
  std::uint64_t displaced_ = 0;
};

}  // namespace lodestone::dht
