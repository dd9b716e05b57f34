// SPDX-License-Identifier: Apache-2.0
// One torrent's use of its host's DHT node, with the policy of node/drive/peer_search: the announcement is kept up, and
// while more peers are wanted there are lookups with back-off. (Peers that announce themselves to the node are not
// taken up beside that: a simulated network is never so small.)
#pragma once

#include <optional>

#include "tools/sim/dht_host.hpp"

namespace lodestone::tools::sim {

class Search {
 public:
  static constexpr Duration kFirstBackOff = std::chrono::milliseconds(500);
  static constexpr Duration kLastBackOff = std::chrono::minutes(2);

  Search(const wire::InfoHash& info_hash, std::uint16_t port, bool announce)
      : info_hash_(info_hash), port_(port), announce_(announce) {}

  void start(Instant now, DhtHost& dht);
  void want() { wanted_ = true; }
  /// Starts a lookup when one is wanted and due.
  void advance(Instant now, DhtHost& dht);
  void stop(DhtHost& dht);
  [[nodiscard]] bool owns(dht::LookupId lookup) const { return lookup == standing_ || lookup == running_; }
  void on_done(Instant now, dht::LookupId lookup);

 private:
  wire::InfoHash info_hash_;
  std::uint16_t port_;
  bool announce_;
  bool active_ = false;
  bool wanted_ = false;
  std::optional<dht::LookupId> standing_;  // keep_announced
  std::optional<dht::LookupId> running_;
  bool first_round_ = false;  // the announcement's own lookup is under way
  Instant not_before_ = Instant::min();
  Duration back_off_ = kFirstBackOff;
};

}  // namespace lodestone::tools::sim
