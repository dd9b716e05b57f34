// SPDX-License-Identifier: Apache-2.0
// The half of a lookup that announces or puts: tells the K closest nodes that gave a token, once each, and keeps count
// of who stored it (L3, L7). An announcement begins while the search goes on, with nodes that are so close that they
// will hardly be displaced: all in all it may tell kMore more than K. A put is told at the end, to K.
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
  static constexpr std::size_t kMore = 4;

  /// With prefer_verified no more than half of those that are told have ids of their own choice, as long as there are
  /// others (L8).
  Announce(int k, bool prefer_verified, const Key& info_hash, const AnnounceSpec& spec);
  /// Puts the item of a gather, which outlives this.
  Announce(int k, bool prefer_verified, const Gather& gather);

  /// The search goes on: picks from those that have answered until now the ones that lie within `near`, a share of the
  /// key space, and are among the K closest that are known yet. At most K in all.
  void pick_early(const Candidates& candidates, double near);
  /// The search is over: picks the rest. May be called again when somebody has answered late.
  void pick(const Candidates& candidates);

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
  [[nodiscard]] bool picked(const Endpoint& endpoint) const;
  [[nodiscard]] bool suspicious(const Candidates::Candidate& c) const;
  void add(const Candidates& candidates, const Candidates::Candidate& c);

  std::size_t wanted_;
  bool prefer_verified_;
  Key info_hash_;
  AnnounceSpec spec_;
  const Gather* gather_ = nullptr;  // whose item is to be put; else it is announced
  std::uint32_t conflicts_ = 0;
  std::size_t suspicious_ = 0;  // of those that were picked
  std::vector<Target> targets_;
};

}  // namespace lodestone::dht
