// SPDX-License-Identifier: Apache-2.0
// A TCP socket and the PeerConnection that speaks on it: bytes are moved between the two, scattered straight into
// blocks and gathered straight from them. Decides nothing: what the peer said comes out as events, and so does the end.
// Bounded work per call (kReadBudget, kWriteBudget), so that one fast peer cannot starve the others.
#pragma once

#include <cstdint>
#include <optional>
#include <system_error>

#include "node/net/fd.hpp"
#include "wire/base/block.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/peer/peer_connection.hpp"

namespace lodestone::node {

class TcpLink {
 public:
  static constexpr std::size_t kReadBudget = 1u << 20;  // bytes per call
  static constexpr std::size_t kWriteBudget = 1u << 20;

  enum class Outcome : std::uint8_t {
    drained,   // the socket has no more to give, or takes no more: wait for readiness
    budget,    // more could be done at once: wait for readiness, others first
    starved,   // reading only: no block to be had; read again when blocks are free
    finished,  // writing only: nothing left to send
    closed,    // the remote closed
    broken     // error() or protocol_error() says why
  };

  TcpLink(WatchedFd socket, wire::PeerConnection connection, const wire::Endpoint& remote);

  /// Appends what came.
  [[nodiscard]] Outcome read(wire::Instant now, wire::BlockPool& pool, wire::PeerEvents& out);
  [[nodiscard]] Outcome write(wire::Instant now);

  [[nodiscard]] wire::PeerConnection& connection() { return connection_; }
  [[nodiscard]] const wire::PeerConnection& connection() const { return connection_; }
  [[nodiscard]] const wire::Endpoint& remote() const { return remote_; }
  [[nodiscard]] WatchedFd& socket() { return socket_; }
  [[nodiscard]] const std::error_code& error() const { return error_; }
  [[nodiscard]] const std::optional<wire::PeerError>& protocol_error() const { return protocol_error_; }

 private:
  WatchedFd socket_;
  wire::PeerConnection connection_;
  wire::Endpoint remote_;
  std::error_code error_;
  std::optional<wire::PeerError> protocol_error_;
};

}  // namespace lodestone::node
