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
#include "node/net/udp_batch.hpp"
#include "wire/base/datagram.hpp"
#include "wire/base/endpoint.hpp"

namespace lodestone::node {

class UdpPort {
 public:
  static constexpr std::size_t kBatch = UdpBatch::kBatch;
  static constexpr std::size_t kBatchesPerWake = 8;
  static constexpr std::size_t kMaxDatagram = UdpBatch::kMaxDatagram;

  using Received = UdpBatch::Received;  // its bytes are valid during the call
  /// Called once per batch, on the network thread. Must not destroy the port.
  using Handler = std::function<void(std::span<const Received>)>;
  using Counters = UdpBatch::Counters;

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
