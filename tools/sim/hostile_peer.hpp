// SPDX-License-Identifier: Apache-2.0
// A peer that means ill. It announces itself in the DHT like a seed, accepts everybody and talks the protocol
// correctly, but what it serves is wrong.
//
//   corrupt_data         has all pieces and unchokes at once; a share of its blocks is random bytes
//   wrong_metadata_size  claims another metadata_size than there is, and serves that many random bytes
//   garbage_metadata     claims the right size and serves random bytes
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "tools/sim/dht_host.hpp"
#include "tools/sim/peer_link.hpp"
#include "tools/sim/sample.hpp"

namespace lodestone::tools::sim {

enum class PeerMischief : std::uint8_t { corrupt_data, wrong_metadata_size, garbage_metadata };

struct HostilePeerSpec {
  PeerMischief mischief = PeerMischief::corrupt_data;
  double corrupt_share = 1;  // of blocks
  LineRate rate;
  std::uint16_t port = 6881;
  std::vector<Endpoint> introducers;
};

class HostilePeer final : private StreamObserver {
 public:
  /// Must outlive the run of the world; so must the sample.
  HostilePeer(World& world, Streams& streams, const Sample& sample, const HostilePeerSpec& spec, dht::Output& arena);
  ~HostilePeer() override;
  HostilePeer(const HostilePeer&) = delete;
  HostilePeer& operator=(const HostilePeer&) = delete;

  void start();
  [[nodiscard]] const Endpoint& local() const { return dht_.local(); }
  [[nodiscard]] std::uint64_t accepted() const { return accepted_; }
  [[nodiscard]] std::uint64_t bad_blocks() const { return bad_blocks_; }
  [[nodiscard]] std::uint64_t bad_metadata() const { return bad_metadata_; }  // pieces served

 private:
  void on_accept(StreamKey stream, const Endpoint& remote) override;
  void on_dialled(const Endpoint& to, DialOutcome outcome, StreamKey stream) override;
  void on_readable(StreamKey stream) override;
  void on_writable(StreamKey stream) override;
  void on_end(StreamKey stream) override;

  void on_event(PeerLink& link, wire::PeerEvent& event);
  void serve(PeerLink& link, const wire::BlockRange& range);
  void serve_metadata(PeerLink& link, std::uint32_t piece);
  [[nodiscard]] std::uint64_t claimed_size() const;

  World& world_;
  Streams& streams_;
  const Sample& sample_;
  HostilePeerSpec spec_;
  HostId host_;
  DhtHost dht_;
  wire::Rng rng_;
  wire::PeerId peer_id_;
  wire::BlockPool blocks_;
  std::map<StreamKey, PeerLink> links_;
  std::uint64_t accepted_ = 0, bad_blocks_ = 0, bad_metadata_ = 0;
};

}  // namespace lodestone::tools::sim
