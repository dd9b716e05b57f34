// SPDX-License-Identifier: Apache-2.0
// The second half of a lookup that announces or puts: tell exactly the K closest nodes that gave a token, once each,
// and keep count of who stored it (L3, L7).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dht/candidates.hpp"
#include "dht/gather.hpp"
#include "dht/node.hpp"
#include "dht/traversal.hpp"

namespace lodestone::dht {

class Announce {
 public:
  /// Picks the targets among those that answered. With prefer_verified no more than half of them have ids of their own
  /// choice, as long as there are others (L8).
  Announce(const Candidates& candidates, int k, bool prefer_verified, const Key& info_hash, const AnnounceSpec& spec);
  /// Puts the item of a gather, which outlives this.
  Announce(const Candidates& candidates, int k, bool prefer_verified, const Gather& gather);

  /// Tags count on from the one given here, so that they cannot be mistaken for those of the search.
  [[nodiscard]] std::optional<Ask> next(std::uint32_t tag_base);
  /// `i` is the tag less tag_base.
  void on_reply(std::uint32_t i);
  /// With the code of its error, or 0.
  void on_refused(std::uint32_t i, std::int64_t code);
  void on_overdue(std::uint32_t i);
  /// Everybody has been told, and has answered or will not be waited for.
  [[nodiscard]] bool over() const;

  [[nodiscard]] std::vector<NodeView> stored() const;
  [[nodiscard]] std::uint32_t stored_count() const;
  /// Told, but did not confirm.
  [[nodiscard]] std::uint32_t refused_count() const;
  /// Of these: because of what it has stored already (BEP 44: 301, 302).
  [[nodiscard]] std::uint32_t conflicts() const { return conflicts_; }

 private:
  enum class State : std::uint8_t { untold, told, stored, refused };
  struct Target {
    Contact contact;
    Duration rtt;
    wire::ByteVector token;
    std::optional<std::int64_t> cas;
    State state = State::untold;
  };
  [[nodiscard]] std::uint32_t count(State s) const;

  Key info_hash_;
  AnnounceSpec spec_;
  const Item* item_ = nullptr;  // to be put; else it is announced
  std::uint32_t conflicts_ = 0;
  std::vector<Target> targets_;
};

}  // namespace lodestone::dht
