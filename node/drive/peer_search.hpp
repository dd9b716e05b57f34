// SPDX-License-Identifier: Apache-2.0
// One torrent's use of the DHT: keeps it announced where that is wanted (L3) and looks for peers while there are too
// few, with back-off. Knows the torrent by its info-hash only; what the lookups find comes back through the session's
// events, some of it after their end.
//
// A peer that announced itself to our own node is taken up at once, even while a lookup still waits for nodes that are
// gone; by one lookup more at a time, however many announce themselves.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "dht/node.hpp"
#include "node/drive/dht_driver.hpp"

namespace lodestone::node {

class PeerSearch {
 public:
  static constexpr wire::Duration kFirstBackOff = std::chrono::milliseconds(500);
  static constexpr wire::Duration kLastBackOff = std::chrono::minutes(2);

  using Drivers = std::span<const std::unique_ptr<DhtDriver>>;

  /// BEP 45: so long after each other nodes of one family announce for the first time; later their jitter keeps them
  /// apart.
  static constexpr wire::Duration kApart = std::chrono::seconds(20);

  /// `announce`: our TCP port, which each driver shares, is announced on every driver. Lookups for more peers are made
  /// on one driver of each family.
  PeerSearch(const wire::InfoHash& info_hash, bool announce) : info_hash_(info_hash), announce_(announce) {}

  void start(wire::Instant now, Drivers drivers);
  /// The torrent would like more peers. Bounded by the back-off, remembered until then.
  void want() { wanted_ = true; }
  /// Whether we have all of it: announced from now on, with a round at once (BEP 33).
  void set_seed(wire::Instant now, bool seed, Drivers drivers);
  /// Starts a lookup when one is wanted and due. Call at next_deadline(), and now and then afterwards.
  void advance(wire::Instant now, Drivers drivers);
  /// No more: lookups are cancelled, the announcement is withdrawn.
  void stop(wire::Instant now, Drivers drivers);

  /// When the back-off ends, if it has not been looked at since; kNever otherwise.
  [[nodiscard]] wire::Instant next_deadline() const { return active_ && !seen_due_ ? not_before_ : wire::kNever; }

  /// Whether that lookup is one of this torrent's, or was of late.
  [[nodiscard]] bool owns(const DhtDriver& driver, dht::LookupId lookup) const;
  void on_done(wire::Instant now, const DhtDriver& driver, const dht::event::LookupDone& done);
  /// Returns how many nodes hold our announcement now, over all drivers.
  std::uint32_t on_announced(const DhtDriver& driver, const dht::event::AnnounceDone& done);

  [[nodiscard]] bool active() const { return active_; }
  [[nodiscard]] bool announcing() const { return announce_ && active_; }
  [[nodiscard]] std::size_t asked() const { return asked_; }
  /// Rounds (a lookup on a driver of each family) that came to an end.
  [[nodiscard]] std::size_t rounds() const { return rounds_; }
  /// Nodes that answered in the last complete round.
  [[nodiscard]] std::size_t answered() const { return answered_; }

 private:
  // Lookups that are over are remembered for what may still come of them.
  static constexpr std::size_t kRemembered = 8;

  enum class Why : std::uint8_t {
    announced,  // keep_announced: comes again by itself, and an AnnounceDone follows its LookupDone
    wanted,
    heard,  // our own node stored peers
  };
  struct Lookup {
    const DhtDriver* driver;
    dht::LookupId id;
    Why why;
    bool running;
  };
  struct Told {
    std::uint32_t stored = 0;  // in the last round
    std::size_t heard = 0;     // peers that our own node stored when a lookup last looked
  };

  void look(wire::Instant now, DhtDriver& driver, Why why);
  [[nodiscard]] dht::LookupId announce_on(wire::Instant now, DhtDriver& driver, wire::Duration delay) const;

  [[nodiscard]] const Lookup* find(const DhtDriver& driver, dht::LookupId id) const;
  [[nodiscard]] Lookup* find(const DhtDriver& driver, dht::LookupId id);
  [[nodiscard]] bool running() const;

  wire::InfoHash info_hash_;
  bool announce_;
  bool seed_ = false;
  bool active_ = false;
  bool wanted_ = false;
  bool seen_due_ = true;
  std::vector<Lookup> lookups_;
  std::map<const DhtDriver*, Told> told_;
  wire::Instant not_before_ = wire::Instant::min();
  wire::Duration back_off_ = kFirstBackOff;
  std::size_t asked_ = 0, rounds_ = 0, answered_ = 0, answering_ = 0;
};

}  // namespace lodestone::node
