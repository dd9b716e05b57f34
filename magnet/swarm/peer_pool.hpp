// SPDX-License-Identifier: Apache-2.0
// The endpoints a torrent knows, and whom to dial next (W9, W10, W12). Back-off per endpoint, for ever; at most
// `max_half_open` dials pending and `dials_per_second` begun; no source fills more than a share of the pool; at most
// kPerAddress links to one address (not in a private net); banned addresses and our own are never dialled.
// Invariant: counts of half-open dials and of links per address agree with the entries' states.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "magnet/swarm/actions.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/hash.hpp"
#include "wire/base/rng.hpp"
#include "wire/base/token_bucket.hpp"

namespace lodestone::magnet {

struct PeerPoolConfig {
  wire::AddressPolicy policy;
  bool private_net = false;
  std::size_t max_half_open = 30;
  double dials_per_second = 30;
  std::size_t max_known = 2'000;
};

class PeerPool {
 public:
  static constexpr std::size_t kPerAddress = 3;
  /// Of max_known, for what strangers tell us; endpoints the user named have no such limit.
  static constexpr double kSourceShare = 0.6;
  static constexpr wire::Duration kFirstBackOff = std::chrono::seconds(4);
  static constexpr wire::Duration kLongestBackOff = std::chrono::minutes(15);

  PeerPool(PeerPoolConfig config, wire::Rng rng);

  // --- who is there ---
  /// False: known already, not allowed, banned, ourselves, or no room.
  bool add(wire::Instant now, const wire::Endpoint& endpoint, PeerSource source);
  /// Our own listening endpoints as others see them. Never dialled; the first of a family ranks peers (BEP 40).
  void add_own(const wire::Endpoint& endpoint);
  [[nodiscard]] bool is_own(const wire::Endpoint& endpoint) const;
  /// Drops what is not linked and came from strangers (M6: the torrent is private).
  void keep_only_explicit();

  // --- dialling ---
  /// `links`: how many more links are wanted. The endpoint counts as half-open until one of the following is told.
  [[nodiscard]] std::optional<action::Dial> next_dial(wire::Instant now, std::size_t links);
  void dial_failed(wire::Instant now, const wire::Endpoint& endpoint, DialError error);
  /// A link is up. Returns where the endpoint is known from.
  PeerSource link_up(const wire::Endpoint& remote, bool incoming);
  /// An incoming peer said where it listens: from now on that entry is linked. False: that entry has a link already.
  bool learnt_listen_port(wire::Instant now, const wire::Endpoint& listen);
  /// `entry`: the endpoint that was dialled or learnt; port 0: none. `useful`: it gave us data.
  void link_down(wire::Instant now, const wire::Address& address, const wire::Endpoint& entry, CloseReason reason,
                 bool useful);
  /// When next_dial() with that many links wanted may have something.
  [[nodiscard]] wire::Instant next_deadline(wire::Instant now, std::size_t links);

  // --- bans ---
  /// Port 0 bans the whole address.
  void ban(const wire::Endpoint& culprit);
  [[nodiscard]] bool banned(const wire::Endpoint& endpoint) const;
  /// May this address have one more link?
  [[nodiscard]] bool has_room(const wire::Address& address) const;

  // --- looking ---
  [[nodiscard]] std::size_t known() const { return entries_.size(); }
  [[nodiscard]] std::size_t half_open() const { return half_open_; }
  /// Different endpoints ever added, by first source.
  [[nodiscard]] const std::array<std::size_t, kPeerSources>& seen_by_source() const { return seen_; }
  [[nodiscard]] std::size_t refused() const { return refused_; }
  [[nodiscard]] std::size_t timed_out() const { return timed_out_; }
  void check_invariants() const;

 private:
  enum class State : std::uint8_t { idle, dialing, linked };
  struct Entry {
    wire::Endpoint endpoint;
    PeerSource source;
    State state = State::idle;
    bool useful = false;        // gave us data once
    std::uint8_t failures = 0;  // in a row
    std::uint32_t rank = 0;     // BEP 40 priority, or by lot while our own address is unknown
    wire::Instant next_try{};
  };
  /// Strangers choose the keys.
  struct KeyedHash {
    wire::SipKey key;
    std::size_t operator()(const wire::Endpoint& e) const;
    std::size_t operator()(const wire::Address& a) const;
  };

  [[nodiscard]] Entry* find(const wire::Endpoint& endpoint);
  [[nodiscard]] std::uint32_t rank_of(const wire::Endpoint& endpoint);
  [[nodiscard]] bool make_room(PeerSource source);
  [[nodiscard]] Entry* best(wire::Instant now);
  void erase(std::size_t index);
  void back_off(wire::Instant now, Entry& entry, wire::Duration base);
  void count(const wire::Address& address, int change);

  PeerPoolConfig config_;
  wire::Rng rng_;
  wire::TokenBucket dials_;
  std::vector<Entry> entries_;
  std::unordered_map<wire::Endpoint, std::uint32_t, KeyedHash> index_;
  std::unordered_map<wire::Address, std::uint32_t, KeyedHash> links_;  // links and half-open dials per address
  std::set<wire::Endpoint> banned_;
  std::vector<wire::Endpoint> own_;
  std::array<std::size_t, kPeerSources> held_{}, seen_{};
  std::size_t half_open_ = 0, refused_ = 0, timed_out_ = 0;
  wire::Instant nothing_before_ = wire::Instant::min();  // no idle entry is due earlier; min(): not known
};

}  // namespace lodestone::magnet
