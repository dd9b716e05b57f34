// SPDX-License-Identifier: Apache-2.0
// The candidates of one lookup, sorted by distance to its target; those whose id is unknown (introducers) come last
// until they answer. Decides who is asked next and when the search is over (L1), and keeps a lookup from asking an
// address, or outside private nets a /24 (v6: /64), twice (L7, L8). Who is named counts under the id that it answers
// with, wherever somebody else has put it, and who put several of them elsewhere is believed no more (L6). Invariant:
// no endpoint twice; bounded, the farthest unasked give way.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dht/contact.hpp"
#include "dht/density.hpp"
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
    failed,   // lost, refused, or left out by L8
    dropped,  // never asked: only a liar has named it
  };
  struct Candidate {
    Contact contact;
    bool id_known = false;
    bool verified = false;  // its id is one that its address allows (BEP 42)
    State state = State::fresh;
    std::uint16_t token = 0;  // its number, see token_of(); 0: none
    std::uint16_t named_by = kSeveral;
    std::uint16_t misnamed = 0;  // so many that it named have answered under another id
    wire::Duration rtt{};
  };
  using Index = std::uint32_t;
  // Candidate::named_by, if it is not the index of the only one who did.
  static constexpr std::uint16_t kSeveral = 0xffff;
  static constexpr std::uint16_t kOurselves = 0xfffe;
  static constexpr std::uint16_t kHearsay = 0xfffd;  // somebody did, before this lookup

  /// `diverse` false in a private net.
  Candidates(const wire::Key& target, bool diverse) : target_(target), diverse_(diverse) {}

  /// A node that the one at index `by` has named; without it, one that we knew. False when it is here already or too
  /// far to matter. Of several ids that an endpoint is given the closest counts until it is asked, but never another
  /// one than we knew it by.
  bool add(const Contact& contact, std::optional<Index> by = std::nullopt);
  /// One that was named before this lookup and not asked since: like one that has been named in it.
  bool add_hearsay(const Contact& contact);
  bool add_introducer(const wire::Endpoint& endpoint);

  /// The closest candidate worth asking now, which becomes `asked`: one among the `wanted` closest that have answered
  /// or still may soon. One that only one node has named comes after all others there: what several say, or what we
  /// know ourselves, is less likely to be a liar's or long gone (L8). counts(candidate) says whether an answered one is
  /// one of those wanted.
  template <class Counts>
  [[nodiscard]] std::optional<Index> take_next(int wanted, Counts&& counts) {
    std::optional<Index> next;
    for (int found = 0; const Index i : order_) {
      Candidate& c = all_[i];
      if (c.state == State::fresh && crowded(c)) {
        c.state = State::failed;
        ++crowded_out_;
      }
      if (c.state == State::fresh) {
        const bool vouched_for = c.id_known && c.named_by > kHearsay;
        if (!next || vouched_for) next = i;
        if (vouched_for) break;
      }
      // What was named before this lookup is to be asked beside those that we know, not instead of them.
      const bool to_be_asked = c.state == State::fresh && c.named_by < kHearsay;
      found += to_be_asked || c.state == State::asked || (c.state == State::answered && counts(c));
      if (found >= wanted) break;
    }
    if (next) all_[*next].state = State::asked;
    return next;
  }
  /// The `wanted` closest have answered and nothing closer is outstanding or unasked, or there is nobody left. Those
  /// that are slow are waited for unless the `wanted` lie within `enough`, a share of the key space (0: always): so
  /// many nodes are to be expected there that hardly any of the slow ones can be one more (L1).
  template <class Counts>
  [[nodiscard]] bool search_over(int wanted, Counts&& counts, double enough = 0) const {
    bool stragglers = false;
    for (int found = 0; const Index i : order_) {
      const Candidate& c = all_[i];
      stragglers = stragglers || c.state == State::slow;
      if (c.state == State::asked || (stragglers && enough <= 0)) return false;
      if (c.state == State::fresh && !crowded(c)) return false;
      if (c.state == State::answered && counts(c) && ++found >= wanted) return !stragglers || reach(c) <= enough;
    }
    return !stragglers;
  }
  /// How far it is from the target, as a share of the key space.
  [[nodiscard]] double reach(const Candidate& c) const {
    return share_of_key_space(wire::distance(target_, wire::Key{c.contact.id.bytes()}));
  }

  [[nodiscard]] const Candidate& at(Index i) const { return all_[i]; }
  /// What it gave us; empty: nothing.
  [[nodiscard]] wire::Bytes token_of(const Candidate& c) const {
    return c.token == 0 ? wire::Bytes{} : wire::Bytes{tokens_[c.token - 1u]};
  }
  void set_state(Index i, State state) { all_[i].state = state; }
  /// It answered, and gets its id and its place by that.
  void answered(Index i, const wire::NodeId& id, wire::Duration rtt, wire::Bytes token);
  /// How many hold a slot: queries that are out to one of the `among` closest that have answered or still may soon, or
  /// are to be asked. What lies farther has been overtaken, and need not hold up who lies closer.
  [[nodiscard]] int in_flight(int among) const;
  /// Somebody has been asked and may yet answer.
  [[nodiscard]] bool outstanding() const;

  /// f(const Candidate&) for those that answered, closest first, until it returns false.
  template <class F>
  void for_each_answered(F&& f) const {
    for (const Index i : order_)
      if (all_[i].state == State::answered && !f(all_[i])) return;
  }
  /// The same for those that answered or still may soon, or are to be asked.
  template <class F>
  void for_each_hopeful(F&& f) const {
    for (const Index i : order_) {
      const State s = all_[i].state;
      if ((s == State::answered || s == State::asked || s == State::fresh) && !f(all_[i])) return;
    }
  }
  [[nodiscard]] std::size_t size() const { return all_.size(); }
  /// Those that were left out by L8, and those that only a liar has named.
  [[nodiscard]] std::uint32_t crowded_out() const { return crowded_out_; }
  [[nodiscard]] std::uint32_t named_by_liars() const;

 private:
  // A hostile network can name ever closer nodes; there is no hop limit, but there is this.
  static constexpr std::size_t kMax = 1'024;
  static constexpr std::size_t kMaxTokenSize = 128;
  // An honest node may name one that was started again.
  static constexpr std::uint16_t kMaxMisnamed = 2;

  [[nodiscard]] std::optional<Index> find(const wire::Endpoint& endpoint) const;
  bool add_named(const Contact& contact, std::uint16_t named_by);
  /// An endpoint that is here is named again.
  bool add_again(Index i, const Contact& contact, std::uint16_t named_by);
  /// Its id is another one, and so its place.
  void rename(Index i, const wire::NodeId& id);
  /// Candidate i has answered under another id than it was named by.
  void blame_namer(Index i);
  /// L8: its address or prefix has been asked already.
  [[nodiscard]] bool crowded(const Candidate& c) const;
  [[nodiscard]] bool before(const Candidate& a, const Candidate& b) const;
  bool insert(Candidate&& c);
  void place(Index i);

  wire::Key target_;
  bool diverse_;
  std::vector<Candidate> all_;  // only grows, and only the unasked are replaced: an Index that is known stays good
  std::vector<Index> order_;
  std::uint32_t crowded_out_ = 0;
  std::vector<wire::ByteVector> tokens_;  // of few lookups, and in these of few candidates
};

}  // namespace lodestone::dht
