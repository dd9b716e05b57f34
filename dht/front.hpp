// SPDX-License-Identifier: Apache-2.0
// The part of an introducer that answers on a thread of its own, beside the Node on the first one: pings, find_node and
// get_peers for what nobody has announced, from contacts that it has been dealt, under its own rates (S3, S4). All
// else - replies, announces, items, samples, whatever it has no contacts or no fresh tokens for - is for the Node to
// see. It owns what it uses and shares nothing but the HashFilter: a value for one thread, fed with copies. Pure, like
// the Node. Its driver (node/drive/front_thread) sees to it that all datagrams of a prefix come to the same one, so
// that rates stay exact.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dht/address_names.hpp"
#include "dht/expected_names.hpp"
#include "dht/guard.hpp"
#include "dht/hash_filter.hpp"
#include "dht/introducer.hpp"
#include "dht/node.hpp"
#include "dht/responder.hpp"
#include "dht/routing_table.hpp"
#include "dht/throttle.hpp"
#include "dht/visitors.hpp"

namespace lodestone::dht {

class Front {
 public:
  /// Contacts that are dealt at a time.
  static constexpr std::size_t kHand = 64;

  /// What the Node says of itself, whenever it has changed.
  struct News {
    NodeId id;
    Tokens tokens;
    bool young = false;  // its ring is (Introducer::is_young)
  };
  /// Somebody who asked: for the Node to get to know (Node::met). At most one each few seconds of the same.
  struct Stranger {
    Contact contact;
    bool read_only = false;
    bool served = false;  // with nodes
  };
  enum class Fate : std::uint8_t { done, for_the_node };

  /// The config of the Node, whose introducer memory is not used; `announced` outlives the front. `both_families`: the
  /// Node has a sister, whose contacts are dealt, too. `memory`: bytes_for() bytes, zeroed and aligned to 4, which
  /// outlive the front; without them it has its own.
  Front(Instant now, const NodeConfig& config, const News& news, const HashFilter& announced, bool both_families,
        wire::Rng rng, wire::MutableBytes memory = {});
  [[nodiscard]] static std::size_t bytes_for(const Limits& limits) { return Visitors::bytes_for(limits.visitors); }
  ~Front();
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;

  void hear(const News& news);
  /// At most kHand compact contacts of that family, one behind the other, as they were at that time; they are shown in
  /// turn until others come, for no longer than kFresh.
  void deal(Instant at, Family family, Bytes contacts);
  static constexpr Duration kFresh = std::chrono::minutes(1);
  /// All have been shown, or are too old: it is time for others.
  [[nodiscard]] bool wants(Instant now, Family family) const {
    const Hand& hand = hand_of(family);
    return (family == config_.family || both_families_) && (hand.spent || now - hand.dealt >= kFresh);
  }

  /// May be called before datagrams of these are received, in that order and 64 at a time (see Node::expect).
  void expect(std::span<const Endpoint> sources);
  /// The same for what one of these says: changes nothing but how soon it is answered.
  void foresee(Bytes datagram) const;
  /// Appends at most one datagram and at most one stranger.
  Fate receive(Instant now, const Endpoint& from, Bytes datagram, wire::DatagramBatch& out,
               std::vector<Stranger>& strangers);
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  struct Hand {
    std::array<std::uint8_t, kHand * Contact::compact_size(Family::v6)> contacts;
    Instant dealt;
    std::size_t count = 0;
    std::size_t next = 0;
    bool spent = true;
  };

  [[nodiscard]] Hand& hand_of(Family family) { return family == config_.family ? own_ : other_; }
  [[nodiscard]] const Hand& hand_of(Family family) const { return family == config_.family ? own_ : other_; }
  /// It has enough for anybody, and they are fresh.
  [[nodiscard]] static bool suffices(Instant now, const Hand& hand) {
    return hand.count >= Introducer::kHandOut && now - hand.dealt < kFresh;
  }
  [[nodiscard]] bool can_answer(Instant now, const krpc::Query& query) const;
  void answer(Instant now, const Endpoint& from, const krpc::Message& message, const krpc::Query& query,
              const Throttle::Visit& visit, std::size_t received, wire::DatagramBatch& out,
              std::vector<Stranger>& strangers);
  /// How many nodes a visitor is shown: few, if he was here of late.
  [[nodiscard]] std::size_t visited(Instant now, const Contact& visitor, bool read_only, bool wants_nodes,
                                    std::vector<Stranger>& strangers);
  static HandOut show(Hand& hand, Family family, std::size_t n, const Endpoint& asker);

  NodeConfig config_;
  bool young_ = false;
  const HashFilter& announced_;
  bool both_families_;
  wire::Rng rng_;
  Guard guard_;
  Throttle throttle_;
  Responder responder_;
  RoutingTable no_table_;  // all that is shown has been dealt
  AddressNames names_;
  ExpectedNames expected_;
  wire::ByteVector own_memory_;  // where none was given
  Visitors visitors_;
  Hand own_, other_;
  krpc::Decoder decoder_;
  Counters counters_;
};

}  // namespace lodestone::dht
