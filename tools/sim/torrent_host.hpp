// SPDX-License-Identifier: Apache-2.0
// A machine with one torrent: magnet::Torrent, its peers on simulated streams, its store in memory, and the DHT node of
// that machine. It makes the same calls in the same order as the real session and torrent driver (node/), so what a
// scenario finds out holds there, too.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "magnet/swarm/torrent.hpp"
#include "storage/disk/executor.hpp"
#include "storage/disk/memory_files.hpp"
#include "tools/sim/dht_host.hpp"
#include "tools/sim/peer_link.hpp"
#include "tools/sim/sample.hpp"
#include "tools/sim/search.hpp"

namespace lodestone::tools::sim {

struct TorrentHostSpec {
  wire::InfoHash info_hash;
  const Sample* seed = nullptr;  // set: the host has it all, and seeds
  NatKind nat = NatKind::open;
  LineRate rate;
  std::uint16_t port = 6881;          // UDP and TCP
  std::vector<Endpoint> introducers;  // of its DHT node
  bool use_dht = true;
  bool announce = true;
  bool seed_after = true;  // goes on serving when finished
  std::size_t block_memory = 16u << 20;
};

class TorrentHost final : private StreamObserver {
 public:
  /// Must outlive the run of the world, as its streams call back. `arena` as for DhtHost.
  TorrentHost(World& world, Streams& streams, const TorrentHostSpec& spec, dht::Output& arena);
  ~TorrentHost() override;
  TorrentHost(const TorrentHost&) = delete;
  TorrentHost& operator=(const TorrentHost&) = delete;

  void start();
  /// Closes everything; stopped() says when it is over.
  void stop();
  /// As x.pe does.
  void add_peers(std::span<const Endpoint> peers);

  // --- looking ---
  [[nodiscard]] HostId host() const { return host_; }
  [[nodiscard]] const Endpoint& local() const { return dht_.local(); }
  [[nodiscard]] const dht::Node& dht() const { return dht_.node(); }
  [[nodiscard]] magnet::TorrentStatus status() const { return torrent_.status(world_.now()); }
  [[nodiscard]] std::vector<magnet::PeerInfo> peers() const { return torrent_.peers(world_.now()); }
  [[nodiscard]] bool finished() const { return finished_at_.has_value(); }
  [[nodiscard]] std::optional<Instant> finished_at() const { return finished_at_; }
  [[nodiscard]] std::optional<Instant> metadata_at() const { return metadata_at_; }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool stopped() const { return stopped_; }
  [[nodiscard]] const storage::MemoryDisk& disk() const { return *disk_; }
  /// Links that were closed for that reason, by us.
  [[nodiscard]] std::size_t closed(magnet::CloseReason reason) const {
    return closed_[static_cast<std::size_t>(reason)];
  }
  [[nodiscard]] const std::vector<Address>& banned() const { return banned_; }
  void check_invariants() const;

 private:
  struct Link {
    PeerLink io;
    std::optional<wire::InfoHash> torrent;  // incoming: once the peer has said which
    bool joined = false;
    bool dirty = false;
    bool blocked = false;
    bool parked = false;
    std::uint64_t payload_told = 0;
  };
  struct Carrier;  // one overload per action
  using LinkKey = magnet::LinkKey;

  // --- streams ---
  void on_accept(StreamKey stream, const Endpoint& remote) override;
  void on_dialled(const Endpoint& to, DialOutcome outcome, StreamKey stream) override;
  void on_readable(StreamKey stream) override;
  void on_writable(StreamKey stream) override;
  void on_end(StreamKey stream) override;

  // --- links ---
  LinkKey add_link(StreamKey stream, wire::PeerConnection connection, const Endpoint& remote, bool ours);
  [[nodiscard]] wire::PeerConnectionConfig connection_config() const;
  void read(LinkKey key);
  void on_link_events(LinkKey key, wire::PeerEvents& events);
  void answer_handshake(LinkKey key, const wire::InfoHash& wanted, wire::PeerEvents& events);
  void drop(LinkKey key, magnet::CloseReason reason, std::optional<wire::PeerError> error = std::nullopt);
  void touch(LinkKey key);
  bool flush_links();
  void send_ports();
  void unpark();
  void sweep();

  // --- torrent ---
  void tell_geometry(const magnet::Info& info);
  void submit(storage::Job&& job);
  void disk_done();
  void tick();
  bool dispatch_dht_events();
  bool carry_out();
  void settle();

  World& world_;
  Streams& streams_;
  TorrentHostSpec spec_;
  HostId host_;
  DhtHost dht_;
  wire::PeerId peer_id_;
  wire::AddressPolicy policy_;
  wire::BlockPool blocks_;  // outlives everything that holds blocks
  std::shared_ptr<storage::MemoryDisk> disk_;
  storage::Store store_;
  std::deque<std::pair<Instant, storage::Result>> disk_results_;
  magnet::Torrent torrent_;
  magnet::Actions actions_;
  std::optional<Search> search_;
  wire::Slab<Link, magnet::LinkTag> links_;
  std::unordered_map<StreamKey, LinkKey> by_stream_;
  std::vector<LinkKey> dirty_, parked_, ports_due_;
  std::vector<dht::Event> dht_events_;
  Timer torrent_timer_, sweep_timer_, tick_timer_, disk_timer_;

  std::optional<Instant> finished_at_, metadata_at_;
  std::array<std::size_t, 16> closed_{};
  std::vector<Address> banned_;
  bool failed_ = false;
  bool stopping_ = false;
  bool stopped_ = false;
  bool settling_ = false;
  bool sweeping_ = false;  // the sweep's timer is armed
};

}  // namespace lodestone::tools::sim
