// SPDX-License-Identifier: Apache-2.0
// Makes of a node one that newcomers ask first (role bootstrap): it hands out slices of a ring of nodes that are there.
// Whoever asks us is pinged a quarter of an hour later, when his NAT pinhole has closed, and enters the ring by
// answering; while the ring is young (T2) he is pinged at once, too, enters early, and is asked again after that time;
// but only once: whoever turns out not to be reachable has to wait like others. The ring is asked round and round: who
// does not answer twice is out, as soon as somebody else is heard. When several in a row do not answer and nobody is
// heard, it may be us (T5): that counts for nothing.
//
// No ping is remembered. Its transaction id is a keyed hash of whom it was sent to under a secret that changes every
// half minute: 8 bytes, where those of other queries are 4.
//
// The memory is the caller's: bytes_for() bytes, zeroed. Invariant: at most `ring_pings` pings a second to the queue
// and as many to the ring; everything is bounded by Limits. Owned by the Node, which says what comes in.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "dht/contact_ring.hpp"
#include "dht/expected_names.hpp"
#include "dht/hand_out.hpp"
#include "dht/node.hpp"
#include "dht/ping_queue.hpp"
#include "dht/tokens.hpp"
#include "dht/visitors.hpp"
#include "wire/base/token_bucket.hpp"

namespace lodestone::dht {

class Introducer {
 public:
  static constexpr std::size_t kHandOut = HandOut::kMost;  // nodes, to who is new here
  static constexpr std::size_t kHandAgain = 3;             // and to who has had some of late:
  static constexpr Duration kRevisit = std::chrono::minutes(10);

  [[nodiscard]] static std::size_t bytes_for(Family family, const Limits& limits);
  /// ring_size, ping_queue and visitors of the limits >= 1; `memory` is aligned to 4 bytes.
  Introducer(Instant now, const NodeConfig& config, wire::MutableBytes memory, wire::Rng& rng);

  // --- what comes in ---
  /// Datagrams of these are about to come in: what is known of them is fetched meanwhile, all at a time and not each in
  /// its turn. Tables of millions are in no cache, and to wait for them is most of what a query costs here.
  void expect(Instant now, std::span<const Endpoint> sources);
  /// Somebody has asked us something, within his rates. Returns how many nodes are to be given to him, if it is nodes
  /// that he wants. Appends at most a ping. In a grown ring it is looked at once in each Visitors::kGrain whether he is
  /// to be pinged: in tables of millions that costs more than all else.
  std::size_t asked_by(Instant now, const Contact& asker, bool read_only, bool wants_nodes, wire::Rng& rng,
                       wire::DatagramBatch& out);
  /// The same of one whom a Front has answered.
  void met(Instant now, const Contact& asker, bool read_only, bool was_served, wire::Rng& rng,
           wire::DatagramBatch& out);
  /// Another introducer has named it: who has not been here, or asked in vain, is considered like a newcomer.
  void suggested(Instant now, const Endpoint& endpoint, wire::Rng& rng, wire::DatagramBatch& out);
  /// Whether one of our pings to that endpoint is what is answered, by a reply or an error.
  [[nodiscard]] bool is_ours(Instant now, const Endpoint& from, Bytes transaction, wire::Rng& rng);
  /// It is, by a reply under that id.
  void answered(Instant now, const Contact& contact, wire::Rng& rng);
  /// Some datagram has come in: we are not cut off (T5).
  void heard(Instant now) { heard_ = now; }
  /// Of an earlier run: handed out at once; asked sooner than others. A ring comes in many calls or in one.
  void restore(std::span<const Contact> contacts);
  /// Our id has changed (T1).
  void move_to(const NodeId& id) { id_ = id; }

  // --- what goes out ---
  /// Sends the pings that are due.
  void advance(Instant now, wire::Rng& rng, wire::DatagramBatch& out);
  [[nodiscard]] Instant next_deadline() const;

  /// The next n <= kHandOut of the ring, or all it has; without that endpoint. Good until the next call of anything
  /// here.
  [[nodiscard]] HandOut hand_out(std::size_t n, const Endpoint& asker);
  /// The next ones, as many as there is room for, one behind the other: what a Front hands out. Returns the bytes.
  std::size_t deal(wire::MutableBytes room);

  [[nodiscard]] const ContactRing& ring() const { return ring_; }
  /// It has little to give, and those who want it need all of it (T2).
  [[nodiscard]] bool is_young() const { return ring_.size() < early_ring_; }
  [[nodiscard]] std::size_t queued() const { return queue_.size(); }
  [[nodiscard]] const IntroducerCounters& counters() const { return counters_; }
  void check_invariants() const;

 private:
  using Name = AddressNames::Name;
  using Position = ContactRing::Position;
  /// Neighbours in the ring that something is due for.
  struct Check {
    ContactRing::Run run;
    Instant due;
    Instant asked{};
  };

  /// Its pinhole may be open still: whether strangers reach it, an answer would not say.
  [[nodiscard]] bool was_here(Instant now, Name name) const;
  /// He was here a moment ago: whether to ping him, now or later, has been decided.
  [[nodiscard]] bool looked_at(Instant now, Name name) const;
  /// Whether he has been given nodes of late.
  bool visited(Instant now, const Contact& asker, bool read_only, bool wants_nodes, wire::Rng& rng,
               wire::DatagramBatch& out);
  void consider(Instant now, const Endpoint& newcomer, Name name, bool at_once, wire::Rng& rng,
                wire::DatagramBatch& out);
  void enqueue(Instant now, const Endpoint& endpoint, Name name, wire::Rng& rng);
  void ask_queue(Instant now, wire::Rng& rng, wire::DatagramBatch& out);
  void ask_round(Instant now, wire::Rng& rng, wire::DatagramBatch& out);
  void ask(Instant now, ContactRing::Run run, wire::Rng& rng, wire::DatagramBatch& out);
  void ask_again(Instant now, const Check& check, wire::Rng& rng, wire::DatagramBatch& out);
  void judge(Instant now, const Check& check, wire::Rng& rng, wire::DatagramBatch& out);
  void throw_out(Instant now, ContactRing::Run run, wire::Rng& rng, wire::DatagramBatch& out);
  void excuse(ContactRing::Run run);
  void ping(Instant now, const Endpoint& to, wire::Rng& rng, wire::DatagramBatch& out);
  /// A run as far as it is in the ring still.
  [[nodiscard]] ContactRing::Run present(ContactRing::Run run) const;
  /// Of the ring, a second.
  [[nodiscard]] double pace() const;

  NodeId id_;
  std::string version_;
  std::size_t early_ring_;
  Duration ring_round_;
  Duration settle_;
  Duration patience_;
  double max_pace_;
  AddressNames names_;
  ExpectedNames expected_;
  ContactRing ring_;
  PingQueue queue_;
  Visitors visitors_;
  Tokens transactions_;
  wire::TokenBucket early_pings_;
  wire::TokenBucket queue_pings_;
  Instant queue_not_before_ = Instant::min();
  Instant round_due_;
  std::uint32_t walked_ = 0;  // since somebody was let in
  std::size_t restored_ = 0;  // are still to be asked for the first time
  Instant heard_ = Instant::min();
  std::deque<Check> second_;     // asked once: those that have not answered are asked again
  std::deque<Check> verdicts_;   // asked twice: those that have not answered are out
  std::deque<Check> held_;       // or will be, when somebody is heard
  std::uint32_t held_back_ = 0;  // how many these are
  IntroducerCounters counters_;
};

}  // namespace lodestone::dht
