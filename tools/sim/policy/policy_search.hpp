// SPDX-License-Identifier: Apache-2.0
// One iterative search under a Policy: who is asked next, when it is over, who is told. Knows neither network nor
// message format: its owner sends, and reports replies and the passing of time.
// Invariant: candidates are sorted by distance (those whose id is not known yet come first), no endpoint twice.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dht/contact.hpp"
#include "tools/sim/policy/policy.hpp"
#include "wire/base/bytes.hpp"

namespace lodestone::tools::sim {

class PolicySearch {
 public:
  enum class State : std::uint8_t { fresh, asked, slow, answered, failed };
  struct Candidate {
    dht::Contact contact;
    bool id_known = true;
    State state = State::fresh;
    wire::Instant asked_at{};
    wire::Instant slow_at = wire::kNever;
    wire::ByteVector token;
  };

  PolicySearch(const Policy& policy, const wire::Key& target, const wire::NodeId& own)
      : policy_(policy), target_(target), own_(own) {}

  [[nodiscard]] const wire::Key& target() const { return target_; }
  void add(const dht::Contact& contact);
  void add_introducer(const wire::Endpoint& endpoint);

  /// The next to ask, which counts as asked from now; nullopt: nobody, for now. `slow_after` (kNever: never) is what
  /// the owner knows of quantiles.
  [[nodiscard]] std::optional<dht::Contact> next(wire::Instant now, wire::Duration slow_after);
  /// From there, by that id. False when it was not asked, or has answered. `named` are added.
  bool answered(const wire::Endpoint& from, const wire::NodeId& id, wire::Bytes token,
                std::span<const dht::Contact> named);
  /// What has taken too long by now, has.
  void advance(wire::Instant now);
  [[nodiscard]] wire::Instant next_deadline() const;
  /// Call when next() has nobody.
  [[nodiscard]] bool over() const;
  /// The k closest that have answered, closest first.
  [[nodiscard]] std::vector<const Candidate*> closest() const;

 private:
  static constexpr std::size_t kMaxCandidates = 100;

  [[nodiscard]] bool before(const Candidate& a, const Candidate& b) const;
  void insert(Candidate&& candidate);

  Policy policy_;
  wire::Key target_;
  wire::NodeId own_;
  std::vector<Candidate> candidates_;
};

}  // namespace lodestone::tools::sim
