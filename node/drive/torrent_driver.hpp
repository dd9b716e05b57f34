// SPDX-License-Identifier: Apache-2.0
// Drives one magnet::Torrent: carries out its actions, feeds it what links, disk, dialer and DHT report, keeps its
// unfinished metadata, judges stalls. Reaches the session's units only through the context it is handed.
// Facts may produce actions; they wait in here until carry_out(), so that one wake-up's actions go out together.
// A magnet begins by looking, on the saver's thread, for what an earlier run has left (D5); until that is known the
// torrent has not started: endpoints are kept for it, links are turned away.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "magnet/swarm/torrent.hpp"
#include "node/drive/dht_driver.hpp"
#include "node/drive/disk_driver.hpp"
#include "node/drive/link_table.hpp"
#include "node/drive/peer_search.hpp"
#include "node/net/dialer.hpp"
#include "node/net/timer.hpp"
#include "node/ops/locks.hpp"
#include "node/ops/stall.hpp"
#include "node/ops/state_dir.hpp"
#include "node/ops/worker.hpp"
#include "node/session.hpp"

namespace lodestone::node {

/// What a torrent's driver may use, for the length of one call.
struct TorrentContext {
  wire::Instant now;
  LinkTable& links;
  Dialer& dialer;
  DiskDriver& disk;
  Worker& saver;
  Worker& hasher;
  const StateDir* state;            // null: nothing is kept
  const std::string& store_folder;  // for the stores' state blobs; a temporary one when nothing is kept
  std::span<const std::unique_ptr<DhtDriver>> dht;
  const std::vector<wire::Endpoint>& listening;
  bool dht_has_introducers;
};

class TorrentDriver {
 public:
  /// One wake-up of the session: calls `f`, then carries out what has come of it.
  using Wake = std::function<void(const std::function<void(TorrentContext&)>& f)>;

  /// `wake` is called by this driver's timer and by workers' answers, on the network thread, while the driver exists.
  TorrentDriver(asio::io_context& io, wire::Instant now, TorrentSpec spec, magnet::TorrentConfig config, wire::Rng rng,
                wire::BlockPool& blocks, std::optional<FileLock> lock, Wake wake, Session::EventHandler on_event);
  ~TorrentDriver();
  TorrentDriver(const TorrentDriver&) = delete;
  TorrentDriver& operator=(const TorrentDriver&) = delete;

  [[nodiscard]] const wire::InfoHash& info_hash() const { return spec_.info_hash; }

  void start(TorrentContext& context);
  void stop(TorrentContext& context);
  /// Before a destruction without stop(): what the disk still answers is for nobody.
  void abandon(DiskDriver& disk);
  [[nodiscard]] bool stopping() const { return stopping_; }
  /// Everything is closed; the driver may be destroyed.
  [[nodiscard]] bool stopped() const { return stopped_; }

  // --- facts ---
  void on_peers_found(wire::Instant now, std::span<const wire::Endpoint> peers, magnet::PeerSource source);
  void on_dial_failed(wire::Instant now, const wire::Endpoint& to, magnet::DialError error);
  /// What a link of this torrent said. A link joins with its Ready; then it is told the geometry, if that is known.
  void on_link_events(wire::Instant now, LinkKey key, Link& link, wire::PeerEvents& events);
  void on_link_gone(wire::Instant now, LinkKey key, const Link& link, magnet::CloseReason reason,
                    std::optional<wire::PeerError> error);
  void on_sent(wire::Instant now, LinkKey key, std::uint64_t payload_bytes);
  void set_disk_pressure(bool pressed) {
    torrent_.set_disk_pressure(pressed);
    pending_ = true;
  }

  // --- DHT ---
  [[nodiscard]] bool owns_lookup(const DhtDriver& driver, dht::LookupId lookup) const;
  void on_dht_event(wire::Instant now, const DhtDriver& driver, const dht::Event& event);

  // --- driving ---
  /// Once a second: back-off of lookups, stall, unfinished metadata.
  void tick(TorrentContext& context);
  /// Something was learnt since the last carry_out(), or the timer was due.
  [[nodiscard]] bool pending() const { return pending_; }
  void set_pending() { pending_ = true; }
  /// Lets the torrent advance if it is due, carries out what has accumulated, arms the timer.
  void carry_out(TorrentContext& context);
  /// Moves out what the owner shall be told.
  [[nodiscard]] std::vector<SessionEvent> take_events();
  [[nodiscard]] const std::shared_ptr<const Session::EventHandler>& handler() const { return on_event_; }

  // --- looking ---
  [[nodiscard]] magnet::TorrentStatus status(wire::Instant now) const;
  [[nodiscard]] std::vector<magnet::PeerInfo> peers(wire::Instant now) const { return torrent_.peers(now); }
  [[nodiscard]] const TorrentTimes& times() const { return times_; }
  [[nodiscard]] std::size_t dht_asked() const { return search_ ? search_->asked() : 0; }
  [[nodiscard]] const magnet::Info* info() const { return torrent_.info(); }
  [[nodiscard]] const wire::Geometry* geometry() const { return torrent_.geometry(); }
  [[nodiscard]] bool wants_link(const wire::Endpoint& remote) const {
    return !stopping_ && torrent_.wants_link(remote);
  }
  [[nodiscard]] wire::ExtensionHandshake extensions() const { return torrent_.extensions(); }

 private:
  struct Carrier;  // one overload per action
  /// What an earlier run has left of a magnet: its info dict, or some pieces of it.
  struct Remains {
    std::shared_ptr<const magnet::Info> info;
    wire::ByteVector raw;
    wire::ByteVector unfinished;
  };
  [[nodiscard]] static Remains look_for_remains(const StateDir& state, const wire::InfoHash& hash);

  void begin(TorrentContext& context, Remains&& remains);
  /// work() on a worker's thread, then then(*this, context, its result), if this driver still exists.
  template <class Work, class Then>
  void ask(Worker& worker, Work work, Then then);
  void on_storage(storage::Result&& result);
  void note_first_peer(wire::Instant now);
  [[nodiscard]] DiskDriver::StoreId store(TorrentContext& context);
  void tell_geometry(TorrentContext& context, const magnet::Info& info);
  void tell_metadata(std::shared_ptr<const magnet::Info> info, wire::ByteVector raw);
  void look_for_peers(TorrentContext& context);
  void save_metadata(TorrentContext& context);
  void check_stall(TorrentContext& context);
  void check_stopped(TorrentContext& context);
  [[nodiscard]] std::string file(const TorrentContext& context, std::string_view suffix) const;

  TorrentSpec spec_;
  magnet::Torrent torrent_;
  magnet::Actions actions_;
  Wake wake_;
  std::shared_ptr<TorrentDriver*> self_;  // null when this driver is gone
  std::optional<PeerSearch> search_;
  std::optional<FileLock> lock_;
  Timer timer_;
  std::shared_ptr<const Session::EventHandler> on_event_;
  std::vector<SessionEvent> events_;
  TorrentTimes times_;

  std::optional<DiskDriver::StoreId> store_;
  storage::Trouble trouble_;
  std::shared_ptr<const magnet::Info> info_;
  magnet::StallReason stall_ = magnet::StallReason::none;
  wire::Instant quiet_since_;
  wire::Instant metadata_saved_at_;
  std::uint64_t metadata_saved_ = 0;  // bytes; the same number again is (nearly always) the same bytes
  bool pending_ = false;
  bool metadata_told_ = false;
  bool stopping_ = false;
  bool stopped_ = false;
};

}  // namespace lodestone::node
