// SPDX-License-Identifier: Apache-2.0
// The candidates of one lookup, sorted by distance to its target; those whose id is unknown (introducers) come last
// until they answer. Decides who is asked next and when the search is over (L1), and keeps a lookup from asking an
// address, or outside private nets a /24 (v6: /64), twice (L7, L8). Invariant: no endpoint twice; bounded, the farthest
// unasked give way.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dht/contact.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class Candidates {
 public:
  enum class State : std::uint8_t {
    fresh,    // to be asked
    asked,    // its reply is expected any moment and holds a slot
    slow,     // still hoped for, holds no slot
    overdue,  // nobody waits for it; its reply would be used
    answered,
    failed,  // lost, refused, or left out by L8
  };
  struct Candidate {
    Contact contact;
    bool id_known = false;
    bool verified = false;  // its id is one that its address allows (BEP 42)
    State state = State::fresh;
    std::uint16_t token = 0;  // its number, see token_of(); 0: none
    wire::Duration rtt{};
  };
  using Index = std::uint32_t;

  /// `diverse` false in a private net.
  Candidates(const wire::Key& target, bool diverse) : target_(target), diverse_(diverse) {}

  /// A node that somebody named, or the table knew. False when it is here already or too far to matter.
  bool add(const Contact& contact);
  bool add_introducer(const wire::Endpoint& endpoint);

  /// The closest candidate worth asking now, which becomes `asked`: one among the `wanted` closest that have answered
  /// or still may soon. counts(candidate) says whether an answered one is one of those wanted.
  template <class Counts>
  [[nodiscard]] std::optional<Index> take_next(int wanted, Counts&& counts) {
    for (int found = 0; const Index i : order_) {
      Candidate& c = all_[i];
      if (c.state == State::fresh && crowded(c)) c.state = State::failed;
      if (c.state == State::fresh) {
        c.state = State::asked;
        return i;
      }
      found += c.state == State::asked || (c.state == State::answered && counts(c));
      if (found >= wanted) break;
    }
    return std::nullopt;
  }
  /// The `wanted` closest have answered and nothing closer is outstanding or unasked, or there is nobody left.
  template <class Counts>
  [[nodiscard]] bool search_over(int wanted, Counts&& counts) const {
    for (int found = 0; const Index i : order_) {
      const Candidate& c = all_[i];
      if (c.state == State::asked || c.state == State::slow) return false;
      if (c.state == State::fresh && !crowded(c)) return false;
      if (c.state == State::answered && counts(c) && ++found >= wanted) return true;
    }
    return true;
  }

  [[nodiscard]] const Candidate& at(Index i) const { return all_[i]; }
  /// What it gave us; empty: nothing.
  [[nodiscard]] wire::Bytes token_of(const Candidate& c) const {
    return c.token == 0 ? wire::Bytes{} : wire::Bytes{tokens_[c.token - 1u]};
  }
  void set_state(Index i, State state) { all_[i].state = state; }
  /// It answered; an introducer gets its id and its place by that.
  void answered(Index i, const wire::NodeId& id, wire::Duration rtt, wire::Bytes token);
  /// How many hold a slot.
  [[nodiscard]] int in_flight() const;
  /// Somebody has been asked and may yet answer.
  [[nodiscard]] bool outstanding() const;

  /// f(const Candidate&) for those that answered, closest first, until it returns false.
  template <class F>
  void for_each_answered(F&& f) const {
    for (const Index i : order_)
      if (all_[i].state == State::answered && !f(all_[i])) return;
  }
  [[nodiscard]] std::size_t size() const { return all_.size(); }

 private:
  // A hostile network can name ever closer nodes; there is no hop limit, but there is this.
  static constexpr std::size_t kMax = 1'024;
  static constexpr std::size_t kMaxTokenSize = 128;

  [[nodiscard]] bool knows(const wire::Endpoint& endpoint) const;
  /// L8: its address or prefix has been asked already.
  [[nodiscard]] bool crowded(const Candidate& c) const;
  [[nodiscard]] bool before(const Candidate& a, const Candidate& b) const;
  bool insert(Candidate&& c);
  void place(Index i);

  wire::Key target_;
  bool diverse_;
  std::vector<Candidate> all_;  // only grows, and only the unasked are replaced: an Index that is known stays good
  std::vector<Index> order_;
  std::vector<wire::ByteVector> tokens_;  // of few lookups, and in these of few candidates
};

}  // namespace lodestone::dht
