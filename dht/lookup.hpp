// SPDX-License-Identifier: Apache-2.0
// The iterative lookup (BEP 5): find_node, get_peers, get or sample_infohashes towards a target, with an announce or a
// put behind it if one is wanted; a Gather takes what the replies have beside nodes and peers.
// Peers are streamed out as they come and never end the search (L1); it is over when the k closest responding nodes
// have answered and nothing closer is outstanding (for an announce: k that gave a token); a lookup for peers does not
// wait for slow nodes when those k lie so close that all that are to be expected there have answered. Peers that come
// after that, from nodes that were asked before, are streamed, too. An announcement is made to nodes that are close
// enough as soon as they answer (L3).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dht/announce.hpp"
#include "dht/candidates.hpp"
#include "dht/gather.hpp"
#include "dht/guard.hpp"
#include "dht/lookup_trace.hpp"
#include "dht/traversal.hpp"

namespace lodestone::dht {

class Lookup final : public Traversal {
 public:
  struct Params {
    LookupId id = 0;
    krpc::Method method = krpc::Method::find_node;  // or get_peers, get, sample_infohashes
    Key target;
    std::optional<AnnounceSpec> announce;  // get_peers only
    std::optional<AnnounceSpec> known_as;  // what we announce for this hash, here or in another lookup (L4)
    bool silent = false;                   // of the node's own upkeep: no events
    bool traced = false;                   // an event::Hop for each query
    int k = 8;
    int alpha = 4;
    int beta = 0;       // so many more in flight until the first value, beyond the k closest if need be
    double near = 0;    // an announcement does not wait for the end with nodes within this share of the key space (L3)
    double enough = 0;  // nor the search for slow nodes, when its k lie within this one (L1); 0: not known
    bool diverse = true;           // L8; off in a private net
    bool prefer_verified = false;  // L8: most nodes have ids by BEP 42, so that many without are suspicious
  };
  /// `own_id` is never asked. `gather` may be null.
  Lookup(const Params& params, const NodeId& own_id, const Guard& guard, std::unique_ptr<Gather> gather = nullptr);

  /// Peers that need no asking: those stored here, those of the last lookup. Streamed like others, from an empty
  /// endpoint.
  void add_local_peers(const krpc::CompactPeers& peers, const OwnAddress& own_address, Output& out);

  [[nodiscard]] const Key& target() const override { return params_.target; }
  void begin(Instant now, std::span<const Contact> closest, std::span<const Endpoint> introducers) override;
  void add_contact(const Contact& contact) override;
  void add_hearsay(const Contact& contact) override;
  void add_introducer(const Endpoint& endpoint) override;
  [[nodiscard]] std::optional<Ask> next(Instant now) override;
  void on_reply(Instant now, std::uint32_t tag, const Answer& answer, Output& out) override;
  void on_refused(Instant now, std::uint32_t tag, std::int64_t code, Output& out) override;
  void on_late(Instant now, std::uint32_t tag, Lateness how, Output& out) override;
  [[nodiscard]] Next settle(Instant now, Output& out) override;
  [[nodiscard]] Outcome outcome() const override;
  [[nodiscard]] bool hopes() const override;

 private:
  static constexpr std::uint32_t kAnnounceTags = 0x8000'0000;
  static constexpr std::size_t kMaxNodesPerReply = 32;
  static constexpr std::size_t kMaxPeers = 5'000;

  /// Of those with ids of their own choice no more than `most` count, where it matters: they may have chosen them for
  /// this very target (L8).
  [[nodiscard]] auto trusted(int most) const {
    return [this, most, chosen = 0](const Candidates::Candidate& c) mutable {
      return c.verified || !params_.prefer_verified || ++chosen <= most;
    };
  }
  /// Which of those that answered make up the k that end the search.
  [[nodiscard]] auto counts() const {
    return [this, is_trusted = trusted(params_.k / 2)](const Candidates::Candidate& c) mutable {
      return (!tells() || c.token != 0) && is_trusted(c);
    };
  }
  /// The closest are told something when the search is over, for which they must have given a token.
  [[nodiscard]] bool tells() const { return params_.announce || (gather_ && gather_->to_put() != nullptr); }
  void tell_early();
  void tell();
  [[nodiscard]] bool search_over() const;
  [[nodiscard]] int most_in_flight() const;
  void measure_reach();
  void take_nodes(Instant now, std::uint32_t from, const Answer& answer);
  void take_values(Instant now, const Answer& answer, Output& out);
  /// False when it is known already.
  bool remember(const Endpoint& peer);
  /// L4: why it is no peer for us, by what counts such; null: it is one.
  [[nodiscard]] std::uint64_t Counters::* no_peer(const Endpoint& peer, const OwnAddress& own_address) const;
  [[nodiscard]] bool is_ourselves(const Endpoint& peer, const OwnAddress& own_address) const;
  void report(Instant now, Output& out);

  Params params_;
  NodeId own_id_;
  Guard guard_;
  std::unique_ptr<Gather> gather_;
  std::unique_ptr<LookupTrace> trace_;  // null: nobody wants to know
  Candidates candidates_;
  std::optional<Announce> announce_;  // since there is somebody to be told
  bool telling_ = false;              // the search is over
  std::optional<double> reach_;
  std::vector<Endpoint> peers_;  // sorted
  std::vector<Endpoint> named_;  // the first of those that replies named
  std::optional<Instant> first_packet_;
  std::optional<Instant> first_value_;
  std::uint32_t asked_ = 0;
  std::uint32_t answered_ = 0;
  std::uint32_t timeouts_ = 0;
};

}  // namespace lodestone::dht
