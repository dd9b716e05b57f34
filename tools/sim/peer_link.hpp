// SPDX-License-Identifier: Apache-2.0
// A PeerConnection on a simulated stream: moves bytes between the two. What node/net/tcp_link is to a socket.
#pragma once

#include <optional>

#include "tools/sim/stream.hpp"
#include "wire/base/block.hpp"
#include "wire/peer/peer_connection.hpp"

namespace lodestone::tools::sim {

class PeerLink {
 public:
  PeerLink(Streams& streams, StreamKey stream, wire::PeerConnection connection, const Endpoint& remote)
      : streams_(&streams), stream_(stream), connection_(std::move(connection)), remote_(remote) {}

  enum class Outcome : std::uint8_t {
    drained,  // all that has come is taken; writing: all is written
    blocked,  // reading: no block to read into, or an answer to WantsTorrent is owed; writing: the stream takes no more
    broken    // error() says why
  };
  /// Appends what came.
  [[nodiscard]] Outcome read(Instant now, wire::BlockPool& pool, wire::PeerEvents& out);
  Outcome write(Instant now);

  [[nodiscard]] wire::PeerConnection& connection() { return connection_; }
  [[nodiscard]] const wire::PeerConnection& connection() const { return connection_; }
  [[nodiscard]] StreamKey stream() const { return stream_; }
  [[nodiscard]] const Endpoint& remote() const { return remote_; }
  [[nodiscard]] const std::optional<wire::PeerError>& error() const { return error_; }

 private:
  Streams* streams_;
  StreamKey stream_;
  wire::PeerConnection connection_;
  Endpoint remote_;
  std::optional<wire::PeerError> error_;
};

}  // namespace lodestone::tools::sim
