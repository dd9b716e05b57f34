// SPDX-License-Identifier: Apache-2.0
// One UDP socket on one local address and family, read and written in batches. Bounded work per wake-up: at most
// kBatchesPerWake batches of kBatch datagrams, then the event loop's other customers get their turn.
// Nothing waits: what the system will not take at once is dropped and counted, as DHT datagrams may be.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "node/net/fd.hpp"
#include "wire/base/datagram.hpp"
#include "wire/base/endpoint.hpp"

namespace lodestone::node {

class UdpPort {
 public:
  static constexpr std::size_t kBatch = 64;
  static constexpr std::size_t kBatchesPerWake = 8;
  static constexpr std::size_t kMaxDatagram = 2'048;  // bytes; longer ones are junk here and are dropped

  struct Received {
    wire::Endpoint from;
    wire::Address local;  // the address it was sent to; unspecified when the system did not say
    wire::Bytes bytes;    // valid during the call
  };
  /// Called once per batch, on the network thread. Must not destroy the port.
  using Handler = std::function<void(std::span<const Received>)>;

  struct Counters {
    std::uint64_t received = 0, sent = 0;
    std::uint64_t dropped = 0;    // the send buffer was full
    std::uint64_t refused = 0;    // the system would not send this one (no route, ...)
    std::uint64_t oversized = 0;  // received, longer than kMaxDatagram
  };

  /// `socket` from bind_udp().
  UdpPort(asio::io_context& io, UniqueFd socket, Handler handler);
  ~UdpPort();
  UdpPort(const UdpPort&) = delete;
  UdpPort& operator=(const UdpPort&) = delete;

  [[nodiscard]] const wire::Endpoint& local() const;
  /// `sources[i]`, where given and specified, is the address datagram i shall leave from (an answer leaves from the
  /// address that was asked).
  void send(const wire::DatagramBatch& batch, std::span<const wire::Address> sources = {});
  [[nodiscard]] const Counters& counters() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lodestone::node
