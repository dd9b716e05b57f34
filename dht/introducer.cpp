// SPDX-License-Identifier: Apache-2.0
#include "dht/introducer.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <tuple>

#include "dht/secret.hpp"

namespace lodestone::dht {
namespace {

// Longer than boxes keep a pinhole for UDP.
constexpr Duration kPinhole = std::chrono::minutes(3);
constexpr Duration kSecret = std::chrono::seconds(30);
// A round's questions leave in runs of at most so many, as often as that.
constexpr double kRun = 64;
constexpr double kRunEvery = 0.05;  // seconds
// A ring of a few has its rounds sooner: that costs nothing, and each of them matters.
constexpr double kLeastPace = 0.2;
constexpr double kLeastRound = 120;  // seconds
constexpr Duration kCatchUp = std::chrono::milliseconds(200);
// In a full ring one newcomer is let in for so many who were asked: nobody stays for more rounds than that, on average.
constexpr std::uint32_t kStay = 64;
// So much sooner is asked who was restored: nobody knows how long we were away.
constexpr double kHurry = 5;
// So many in a row may be gone while nobody else is heard.
constexpr std::uint32_t kHeldBack = 8;

/// Pieces of the caller's memory, each aligned to 4 bytes.
constexpr std::size_t aligned(std::size_t bytes) { return (bytes + 3) / 4 * 4; }
std::size_t ring_bytes(Family family, const Limits& l) { return aligned(ContactRing::bytes_for(family, l.ring_size)); }
std::size_t queue_bytes(Family family, const Limits& l) { return aligned(PingQueue::bytes_for(family, l.ping_queue)); }

/// Tokens are for an address and a key; a ping is for an endpoint.
Key key_of(std::uint16_t port) {
  Key key;
  wire::store_be16(key.bytes().data(), port);
  return key;
}

}  // namespace

std::size_t Introducer::bytes_for(Family family, const Limits& limits) {
  return ring_bytes(family, limits) + queue_bytes(family, limits) + Visitors::bytes_for(limits.visitors);
}

Introducer::Introducer(Instant now, const NodeConfig& config, wire::MutableBytes memory, wire::Rng& rng)
    : id_(config.id),
      version_(config.version.substr(0, 4)),
      early_ring_(std::min(config.limits.early_ring, config.limits.ring_size / 2)),
      ring_round_(config.limits.ring_round),
      settle_(config.limits.verify_max),
      patience_(config.limits.query_timeout),
      max_pace_(config.limits.ring_pings),
      names_(config.family, config.private_net, random_secret(rng)),
      ring_(config.family, config.limits.ring_size, !config.private_net, names_,
            memory.first(ring_bytes(config.family, config.limits)), rng),
      queue_(config.family, config.limits.ping_queue, settle_, names_,
             memory.subspan(ring_bytes(config.family, config.limits), queue_bytes(config.family, config.limits))),
      visitors_(now, config.limits.visitors,
                memory.subspan(ring_bytes(config.family, config.limits) + queue_bytes(config.family, config.limits))),
      transactions_(now, kSecret, rng),
      early_pings_(config.limits.early_rate, config.limits.early_rate),
      queue_pings_(max_pace_, std::max(1.0, max_pace_ * kRunEvery)),
      round_due_(now) {
  assert(config.limits.ping_queue >= 1 && config.limits.visitors >= 1);
}

// --- what comes in ---

void Introducer::expect(Instant now, std::span<const Endpoint> sources) {
  expected_.expect(sources, names_);
  expected_.for_each([&](Name name) { visitors_.prefetch(name); });
  std::array<Name, ExpectedNames::kMost> considered;
  std::size_t n = 0;
  expected_.for_each([&](Name name) {
    if (looked_at(now, name)) return;
    considered[n++] = name;
    ring_.prefetch(name);
    queue_.prefetch(name);
  });
  for (const Name name : std::span{considered}.first(n)) {
    ring_.prefetch_contact(name);
    queue_.prefetch_endpoint(name);
  }
}

std::size_t Introducer::asked_by(Instant now, const Contact& asker, bool read_only, bool wants_nodes, wire::Rng& rng,
                                 wire::DatagramBatch& out) {
  const bool served = visited(now, asker, read_only, wants_nodes, rng, out);
  if (!wants_nodes) return 0;
  const bool again = served && !is_young();
  ++(again ? counters_.served_again : counters_.served);
  return again ? kHandAgain : kHandOut;
}

void Introducer::met(Instant now, const Contact& asker, bool read_only, bool was_served, wire::Rng& rng,
                     wire::DatagramBatch& out) {
  visited(now, asker, read_only, was_served, rng, out);
}

void Introducer::suggested(Instant now, const Endpoint& endpoint, wire::Rng& rng, wire::DatagramBatch& out) {
  const Name name = names_.of(endpoint);
  const auto last = visitors_.last(now, name);
  const CompactEndpoint compact(endpoint);
  if ((last && last->failed) || ring_.find(name, compact.data()) != ContactRing::kNone) return;
  consider(now, endpoint, name, !last || last->ago > kPinhole, rng, out);
  // It will be named again and again. Until it answers it counts as one that has not; a visit this was not.
  visitors_.fail(now, name);
}

bool Introducer::looked_at(Instant now, Name name) const { return !is_young() && visitors_.is_here(now, name); }

bool Introducer::visited(Instant now, const Contact& asker, bool read_only, bool wants_nodes, wire::Rng& rng,
                         wire::DatagramBatch& out) {
  heard_ = now;
  const Name name = expected_.of(asker.endpoint, names_);
  const auto last = visitors_.last(now, name);
  const bool served = last && last->served && last->ago < kRevisit;
  const bool at_once = !last || (last->ago > kPinhole && !last->failed);
  const bool done = looked_at(now, name);
  visitors_.visit(now, name, served || wants_nodes);
  if (!read_only && !done) consider(now, asker.endpoint, name, at_once, rng, out);
  return served;
}

void Introducer::consider(Instant now, const Endpoint& newcomer, Name name, bool at_once, wire::Rng& rng,
                          wire::DatagramBatch& out) {
  const CompactEndpoint compact(newcomer);
  if (ring_.find(name, compact.data()) != ContactRing::kNone) return;
  if (is_young() && at_once && early_pings_.take(now)) {
    ++counters_.pings_early;
    return ping(now, newcomer, rng, out);
  }
  enqueue(now, newcomer, name, rng);
}

void Introducer::enqueue(Instant now, const Endpoint& endpoint, Name name, wire::Rng& rng) {
  switch (queue_.push(now, endpoint, name, rng)) {
    case PingQueue::Verdict::queued: ++counters_.queued; break;
    case PingQueue::Verdict::here: ++counters_.queued_already; break;
    case PingQueue::Verdict::full: ++counters_.queue_full; break;
  }
}

bool Introducer::is_ours(Instant now, const Endpoint& from, Bytes transaction, wire::Rng& rng) {
  return transaction.size() == std::tuple_size_v<Tokens::Token> &&
         transactions_.valid(now, from.address, key_of(from.port), transaction, rng);
}

void Introducer::answered(Instant now, const Contact& contact, wire::Rng& rng) {
  heard_ = now;
  ++counters_.pongs;
  if (contact.id == id_) {
    ++counters_.refused_self;
    return;
  }
  const Name name = names_.of(contact.endpoint);
  const CompactEndpoint compact(contact.endpoint);
  const bool early = was_here(now, name) && ring_.find(name, compact.data()) == ContactRing::kNone;
  if (early && !is_young()) {
    ++counters_.refused_early;
    return enqueue(now, contact.endpoint, name, rng);
  }
  using Verdict = ContactRing::Verdict;
  switch (ring_.answered(contact, name)) {
    case Verdict::added: ++(early ? counters_.added_early : counters_.added); break;
    case Verdict::displaced: ++counters_.displaced; break;
    case Verdict::renewed: ++counters_.renewed; break;
    case Verdict::taken: ++counters_.refused_taken; break;
    case Verdict::full: ++counters_.refused_full; break;
    case Verdict::crowded: ++counters_.refused_crowded; break;
    case Verdict::unproven: ++counters_.refused_unproven; break;
  }
  if (!early) visitors_.forgive(name);
  // On probation: asked again like a newcomer, when he has not been here for long enough.
  if (early && ring_.newest() != ContactRing::kNone) enqueue(now, contact.endpoint, name, rng);
}

void Introducer::restore(std::span<const Contact> contacts) {
  // Each is looked for where nothing has been for long: what that reads is fetched for many at a time (see expect()).
  std::array<Name, ExpectedNames::kMost> names;
  while (!contacts.empty()) {
    const auto group = contacts.first(std::min(contacts.size(), names.size()));
    for (std::size_t i = 0; i < group.size(); ++i) {
      names[i] = names_.of(group[i].endpoint);
      ring_.prefetch(names[i]);
    }
    for (std::size_t i = 0; i < group.size(); ++i)
      if (group[i].id != id_) (void)ring_.answered(group[i], names[i]);
    contacts = contacts.subspan(group.size());
  }
  restored_ = ring_.size();
}

bool Introducer::was_here(Instant now, Name name) const {
  const auto last = visitors_.last(now, name);
  return last && last->ago <= kPinhole;
}

// --- what goes out ---

void Introducer::advance(Instant now, wire::Rng& rng, wire::DatagramBatch& out) {
  for (; !held_.empty() && held_.front().asked <= heard_; held_.pop_front())
    throw_out(now, held_.front().run, rng, out);
  if (held_.empty()) held_back_ = 0;
  for (; !verdicts_.empty() && verdicts_.front().due <= now; verdicts_.pop_front())
    judge(now, verdicts_.front(), rng, out);
  for (; !second_.empty() && second_.front().due <= now; second_.pop_front()) ask_again(now, second_.front(), rng, out);
  while (ring_.size() > 0 && round_due_ <= now) ask_round(now, rng, out);
  ask_queue(now, rng, out);
}

Instant Introducer::next_deadline() const {
  Instant next = std::max(queue_.next_deadline(), queue_not_before_);
  if (ring_.size() > 0) next = std::min(next, round_due_);
  if (!held_.empty() && held_.front().asked <= heard_) next = heard_;
  for (const auto* checks : {&second_, &verdicts_})
    if (!checks->empty()) next = std::min(next, checks->front().due);
  return next;
}

void Introducer::ask_queue(Instant now, wire::Rng& rng, wire::DatagramBatch& out) {
  while (queue_.next_deadline() <= now) {
    if (!queue_pings_.take(now)) {
      queue_not_before_ = queue_pings_.ready_at(now, std::max(1.0, max_pace_ * kRunEvery / 2));
      return;
    }
    const Endpoint endpoint = *queue_.take_due(now);
    const Name name = names_.of(endpoint);
    if (was_here(now, name)) {
      ++counters_.postponed;
      enqueue(now, endpoint, name, rng);
      continue;
    }
    const CompactEndpoint compact(endpoint);
    if (const Position p = ring_.find(name, compact.data()); p != ContactRing::kNone)
      ask(now, {p, 1}, rng, out);
    else
      ping(now, endpoint, rng, out);
  }
  queue_not_before_ = Instant::min();
}

double Introducer::pace() const {
  const double hurry = restored_ > 0 ? kHurry : 1;
  const double even = hurry * static_cast<double>(ring_.size()) / wire::to_seconds(ring_round_);
  const double least = std::min(kLeastPace, static_cast<double>(ring_.size()) / kLeastRound);
  return std::clamp(even, least, std::max(least, max_pace_));
}

void Introducer::ask_round(Instant now, wire::Rng& rng, wire::DatagramBatch& out) {
  const double pace = this->pace();
  const double count = std::clamp(std::floor(pace * kRunEvery), 1.0, kRun);
  const auto run = ring_.walk(static_cast<std::size_t>(count));
  ask(now, run, rng, out);
  restored_ -= std::min<std::size_t>(restored_, run.count);
  walked_ += run.count;
  ring_.let_in(walked_ / kStay);
  walked_ %= kStay;
  // A late call is made up for, a long sleep is not.
  round_due_ = std::max(round_due_, now - kCatchUp) + wire::from_seconds(count / pace);
}

void Introducer::ask(Instant now, ContactRing::Run run, wire::Rng& rng, wire::DatagramBatch& out) {
  run = present(run);
  bool any = false;
  for (Position p = run.begin; p < run.begin + run.count; ++p) {
    if (ring_.tries(p) != 0) continue;  // it is being asked
    const Endpoint endpoint = ring_.contact(p).endpoint;
    if (was_here(now, names_.of(endpoint))) continue;
    ping(now, endpoint, rng, out);
    ring_.asked(p);
    any = true;
  }
  if (any) second_.push_back({run, now + patience_, now});
}

void Introducer::ask_again(Instant now, const Check& check, wire::Rng& rng, wire::DatagramBatch& out) {
  const auto run = present(check.run);
  bool any = false;
  for (Position p = run.begin; p < run.begin + run.count; ++p) {
    if (ring_.tries(p) != 1) continue;
    ping(now, ring_.contact(p).endpoint, rng, out);
    ring_.asked(p);
    any = true;
  }
  if (any) verdicts_.push_back({run, now + patience_, now});
}

void Introducer::judge(Instant now, const Check& check, wire::Rng& rng, wire::DatagramBatch& out) {
  if (check.asked <= heard_) return throw_out(now, check.run, rng, out);
  held_.push_back(check);
  held_back_ += check.run.count;
  if (held_back_ <= kHeldBack) return;
  for (; !held_.empty(); held_.pop_front()) excuse(held_.front().run);
  held_back_ = 0;
}

void Introducer::throw_out(Instant now, ContactRing::Run run, wire::Rng& rng, wire::DatagramBatch& out) {
  run = present(run);
  // Backwards: what takes the place of one that is gone comes from behind the run, or has been looked at.
  for (Position p = run.begin + run.count; p-- > run.begin;) {
    if (ring_.tries(p) < 2) continue;
    visitors_.fail(now, names_.of(ring_.contact(p).endpoint));
    const auto last = static_cast<Position>(ring_.size() - 1);
    const bool last_is_asked = p != last && ring_.tries(last) != 0;
    ring_.remove(p);
    ++counters_.silent;
    // Whoever waits for its answer looks for it where it was.
    if (last_is_asked) ask(now, {p, 1}, rng, out);
  }
}

void Introducer::excuse(ContactRing::Run run) {
  run = present(run);
  for (Position p = run.begin; p < run.begin + run.count; ++p) {
    if (ring_.tries(p) < 2) continue;
    ring_.excuse(p);
    ++counters_.excused;
  }
}

void Introducer::ping(Instant now, const Endpoint& to, wire::Rng& rng, wire::DatagramBatch& out) {
  ++counters_.pings;
  const auto transaction = transactions_.make(now, to.address, key_of(to.port), rng);
  krpc::QueryHead head{0, id_, version_};
  head.own_transaction = transaction;
  out.commit(krpc::encode_ping(out.reserve(to, krpc::kQueryMax), head));
}

ContactRing::Run Introducer::present(ContactRing::Run run) const {
  const auto size = static_cast<Position>(ring_.size());
  if (run.begin >= size) return {};
  return {run.begin, std::min(run.count, size - run.begin)};
}

HandOut Introducer::hand_out(std::size_t n, const Endpoint& asker) {
  const ContactRing::Slice slice = ring_.take(n);
  const HandOut nodes(ring_.family(), slice.first, slice.second, asker);
  counters_.nodes_handed += nodes.count();
  return nodes;
}

std::size_t Introducer::deal(wire::MutableBytes room) {
  const ContactRing::Slice slice = ring_.take(room.size() / Contact::compact_size(ring_.family()));
  const auto end = std::copy(slice.first.begin(), slice.first.end(), room.begin());
  std::copy(slice.second.begin(), slice.second.end(), end);
  return slice.first.size() + slice.second.size();
}

void Introducer::check_invariants() const {
  ring_.check_invariants();
  queue_.check_invariants();
}

}  // namespace lodestone::dht
