// SPDX-License-Identifier: Apache-2.0
// Datagrams of a bound socket, in and out by batches of 64 in fixed arenas (recvmmsg, sendmmsg): what a UdpPort does on
// the network thread and a FrontThread on its own. Nothing waits: what the system will not take at once is dropped and
// counted, as DHT datagrams may be. For one thread; the descriptor is the caller's and outlives this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "wire/base/datagram.hpp"
#include "wire/base/endpoint.hpp"

namespace lodestone::node {

class UdpBatch {
 public:
  static constexpr std::size_t kBatch = 64;
  static constexpr std::size_t kLarge = 8;            // datagrams in a batch that tell that more are on their way
  static constexpr std::size_t kMaxDatagram = 2'048;  // bytes; longer ones are junk here and are dropped

  struct Received {
    wire::Endpoint from;
    wire::Address local;  // the address it was sent to; unspecified when the system did not say
    wire::Bytes bytes;    // valid until the next receive()
  };
  struct Counters {
    std::uint64_t received = 0, sent = 0;
    std::uint64_t dropped = 0;    // the send buffer was full
    std::uint64_t refused = 0;    // the system would not send this one (no route, ...)
    std::uint64_t oversized = 0;  // received, longer than kMaxDatagram
    std::uint64_t unheeded = 0;   // received by a thread that found no room to hand them over
  };

  /// From bind_udp().
  explicit UdpBatch(int fd);
  ~UdpBatch();
  UdpBatch(const UdpBatch&) = delete;
  UdpBatch& operator=(const UdpBatch&) = delete;

  [[nodiscard]] const wire::Endpoint& local() const { return local_; }
  /// What has come in, at most kBatch.
  [[nodiscard]] std::span<const Received> receive();
  /// Whether to look again at once, before waiting: the last batch was full; or it was large, and whoever else wants
  /// this core has been let run first. Threads that share cores with each other, or with who sends, wake each other
  /// for every few datagrams otherwise.
  [[nodiscard]] bool look_again() const;
  /// `sources[i]`, where given and specified, is the address datagram i shall leave from (an answer leaves from the
  /// address that was asked).
  void send(const wire::DatagramBatch& batch, std::span<const wire::Address> sources = {});
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  struct Arena;

  std::size_t prepare(const wire::DatagramBatch& batch, std::span<const wire::Address> sources, std::size_t first);
  /// One that is longer than its path allows: large items (BEP 44) are, here and there.
  bool send_in_fragments(std::size_t i);

  int fd_;
  wire::Endpoint local_;
  bool wildcard_;
  std::size_t last_ = 0;  // how many came
  Counters counters_;
  std::unique_ptr<Arena> arena_;
};

}  // namespace lodestone::node
