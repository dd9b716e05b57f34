// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/search.hpp"

#include <algorithm>

namespace lodestone::tools::sim {

void Search::start(Instant now, DhtHost& dht) {
  active_ = true;
  if (!announce_) {
    wanted_ = true;
    advance(now, dht);
    return;
  }
  first_round_ = true;
  dht.use([&](dht::Node& node, dht::Output& out) {
    standing_ = node.keep_announced(now, info_hash_, {.port = port_, .implied_port = false}, out);
  });
}

void Search::advance(Instant now, DhtHost& dht) {
  if (!active_ || !wanted_ || now < not_before_ || running_ || first_round_) return;
  wanted_ = false;
  dht.use([&](dht::Node& node, dht::Output& out) { running_ = node.get_peers(now, info_hash_, std::nullopt, out); });
}

void Search::stop(DhtHost& dht) {
  if (!active_) return;
  active_ = false;
  dht.use([&](dht::Node& node, dht::Output&) {
    if (announce_) node.withdraw(info_hash_);
    if (running_) node.cancel(*running_);
  });
  standing_.reset();
  running_.reset();
}

void Search::on_done(Instant now, dht::LookupId lookup) {
  if (lookup == running_) {
    running_.reset();
  } else if (lookup == standing_) {
    first_round_ = false;
  }
  if (running_ || first_round_) return;
  not_before_ = now + back_off_;
  back_off_ = std::min(back_off_ * 2, kLastBackOff);
}

}  // namespace lodestone::tools::sim
