// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/peer_link.hpp"

#include <array>

namespace lodestone::tools::sim {

PeerLink::Outcome PeerLink::read(Instant now, wire::BlockPool& pool, wire::PeerEvents& out) {
  const Bytes waiting = streams_->readable(stream_);
  const auto taken = connection_.feed(now, waiting, pool, out);
  if (!taken) {
    error_ = taken.error();
    return Outcome::broken;
  }
  streams_->consume(stream_, *taken);
  return *taken == waiting.size() ? Outcome::drained : Outcome::blocked;
}

PeerLink::Outcome PeerLink::write(Instant now) {
  std::array<Bytes, wire::PeerConnection::kMaxBuffers> buffers;
  while (const std::size_t used = connection_.gather(buffers)) {
    std::size_t written = 0;
    bool full = false;
    for (std::size_t i = 0; i < used && !full; ++i) {
      const std::size_t n = streams_->write(stream_, buffers[i]);
      written += n;
      full = n < buffers[i].size();
    }
    connection_.sent(now, written);
    if (full) return Outcome::blocked;
  }
  return Outcome::drained;
}

}  // namespace lodestone::tools::sim
