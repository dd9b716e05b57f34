// SPDX-License-Identifier: Apache-2.0
// All that goes between a Front on its thread and the DhtDriver on the network thread, which share nothing else (but
// the HashFilter): what the front leaves to the node and whom it has met, one way; contacts to hand out and the node's
// news, the other. Bounded: what finds no room is dropped, as datagrams may be, and counted. Invariant: each queue has
// one producer and one consumer.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "dht/front.hpp"
#include "node/net/fd.hpp"
#include "node/net/spsc_queue.hpp"
#include "node/net/udp_batch.hpp"
#include "wire/base/endpoint.hpp"

namespace lodestone::node {

class FrontLine {
 public:
  /// Throws std::system_error when the system has no descriptor left.
  FrontLine();

  // --- from the front ---
  struct Handed {
    wire::Endpoint from;
    wire::Address local;
    std::uint16_t size = 0;
    std::array<std::uint8_t, UdpBatch::kMaxDatagram> bytes;
  };
  SpscQueue<Handed> handed{256};
  SpscQueue<dht::Front::Stranger> strangers{4'096};
  // Those that found no room.
  std::atomic<std::uint64_t> unheeded = 0, unmet = 0;

  // --- to the front ---
  struct Hand {
    wire::Instant dealt;
    std::uint16_t size = 0;
    std::array<std::uint8_t, dht::Front::kHand * dht::Contact::compact_size(wire::Family::v6)> contacts;
  };
  [[nodiscard]] SpscQueue<Hand>& hands(wire::Family family) { return family == wire::Family::v4 ? hands4_ : hands6_; }
  SpscQueue<std::unique_ptr<dht::Front::News>> news{8};

  // --- the bell of the network thread ---
  /// Something is there to be looked at. Costs a system call the first time only, until answered.
  void ring();
  /// Before looking.
  void answer();
  [[nodiscard]] int bell() const { return bell_.fd(); }

  // --- what the front has counted, as told now and then ---
  struct Counts {
    dht::Counters front;
    UdpBatch::Counters port;
  };
  void tell(const Counts& counts);
  [[nodiscard]] Counts counts() const;

 private:
  SpscQueue<Hand> hands4_{32}, hands6_{32};
  UniqueFd bell_;
  std::atomic<bool> rung_ = false;
  mutable std::mutex mutex_;
  Counts counts_;
};

}  // namespace lodestone::node
