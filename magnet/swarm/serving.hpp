// SPDX-License-Identifier: Apache-2.0
// Answering requests (W12): what was asked waits in the peer's UploadQueue, is read into blocks of the pool by Read
// jobs and handed to the connection. Bounded three times: requests per peer (the reqq we announced), bytes between disk
// and network per peer (half a second of what it takes), and in all. With Fast every request is answered, by a block or
// a reject (BEP 6).
#pragma once

#include <cstdint>

#include "magnet/swarm/actions.hpp"
#include "magnet/swarm/peer.hpp"
#include "wire/base/block.hpp"

namespace lodestone::magnet {

class Serving {
 public:
  static constexpr std::uint64_t kLeastUnderWay = 256u << 10;  // bytes a peer
  static constexpr std::uint64_t kMostUnderWay = 2u << 20;
  static constexpr std::uint64_t kReading = 4u << 20;  // bytes being read, all peers

  explicit Serving(std::uint32_t request_queue) : request_queue_(request_queue) {}
  void set_pool(wire::BlockPool* pool) { pool_ = pool; }

  void on_request(wire::Instant now, Peer& peer, const wire::BlockRange& range, const wire::Bitfield& have,
                  Actions& out);
  void on_cancel(Peer& peer, const wire::BlockRange& range, Actions& out);
  /// We have choked the peer.
  void on_choked(Peer& peer, Actions& out);
  void on_read(wire::Instant now, PeerTable& peers, storage::result::BlockRead&& read, Actions& out);
  void on_sent(wire::Instant now, Peer& peer, std::uint64_t bytes);
  /// Starts reads for everybody who waits and has room.
  void pump(wire::Instant now, PeerTable& peers, Actions& out);
  /// Somebody waits for memory or for room: pump() again soon.
  [[nodiscard]] bool wants_pump() const { return wants_pump_; }
  [[nodiscard]] std::uint64_t bytes_reading() const { return reading_; }

 private:
  [[nodiscard]] bool pump(wire::Instant now, Peer& peer, Actions& out);

  std::uint32_t request_queue_;
  wire::BlockPool* pool_ = nullptr;
  std::uint64_t reading_ = 0;
  bool wants_pump_ = false;
  std::size_t turn_ = 0;
};

}  // namespace lodestone::magnet
