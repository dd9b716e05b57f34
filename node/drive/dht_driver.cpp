// SPDX-License-Identifier: Apache-2.0
#include "node/drive/dht_driver.hpp"

#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "node/net/clock.hpp"

namespace lodestone::node {
namespace {

constexpr std::size_t kHandedAtOnce = 512;
constexpr std::size_t kMetAtOnce = 4'096;

}  // namespace

DhtDriver::DhtDriver(asio::io_context& io, UniqueFd socket, wire::Instant now, dht::NodeConfig config, wire::Rng rng,
                     std::function<void()> wake)
    : wake_(std::move(wake)),
      node_(now, std::move(config), std::move(rng)),
      timer_(io, [this] { on_timer(); }),
      port_(io, std::move(socket), [this](std::span<const UdpPort::Received> r) { on_datagrams(r); }) {
  timer_.arm(node_.next_deadline());
}

void DhtDriver::take_events(std::vector<dht::Event>& out) {
  std::move(out_.events.begin(), out_.events.end(), std::back_inserter(out));
  out_.events.clear();
}

void DhtDriver::on_datagrams(std::span<const UdpPort::Received> received) {
  const wire::Instant now = clock_now();
  heed_sister(now);
  expected_.clear();
  for (const UdpPort::Received& datagram : received) expected_.push_back(datagram.from);
  node_.expect(now, expected_);
  for (const UdpPort::Received& datagram : received) take_in(now, datagram.from, datagram.local, datagram.bytes);
  end_of_batch(now);
}

void DhtDriver::take_in(wire::Instant now, const wire::Endpoint& from, const wire::Address& local,
                        wire::Bytes datagram) {
  if (wire::classify(datagram) != wire::DatagramKind::dht) return;
  const std::size_t before = out_.datagrams.size();
  node_.receive(now, from, datagram, out_, sister_ != nullptr ? &sister_->node_ : nullptr);
  if (local.is_unspecified()) return;
  for (std::size_t i = before; i < out_.datagrams.size(); ++i) {
    if (out_.datagrams.entries()[i].to != from) continue;
    sources_.resize(i + 1);
    sources_[i] = local;
  }
}

void DhtDriver::end_of_batch(wire::Instant now) {
  flush(now);
  // Only what a datagram of this batch has said can be in there.
  if (!out_.other_family.empty()) sister_->offer(now, out_.other_family);
  out_.other_family.clear();
  if (!out_.events.empty()) wake_();
}

void DhtDriver::add_front(asio::io_context& io, std::shared_ptr<FrontLine> line) {
  auto front = std::make_unique<Front>();
  front->line = std::move(line);
  Front* raw = front.get();  // lives as long as its watcher
  front->bell = WatchedFd{io, UniqueFd{::dup(raw->line->bell())}, [this, raw](WatchedFd::Ready) {
                            on_front(*raw->line);
                            raw->bell.want_read();
                          }};
  front->bell.want_read();
  fronts_.push_back(std::move(front));
  tell_fronts();
  deal_to(clock_now(), *raw->line);
}

void DhtDriver::on_front(FrontLine& line) {
  const wire::Instant now = clock_now();
  line.answer();
  heed_sister(now);
  // Bounded, lest a flood of what only the node can answer keeps it from all else: what was pushed meanwhile has rung
  // again.
  std::size_t taken = 0;
  for (; taken < kHandedAtOnce; ++taken) {
    const FrontLine::Handed* handed = line.handed.front();
    if (handed == nullptr) break;
    take_in(now, handed->from, handed->local, wire::Bytes{handed->bytes.data(), handed->size});
    line.handed.pop();
  }
  if (taken == kHandedAtOnce) line.ring();
  for (std::size_t met = 0; met < kMetAtOnce; ++met) {
    const dht::Front::Stranger* stranger = line.strangers.front();
    if (stranger == nullptr) break;
    node_.met(now, stranger->contact, stranger->read_only, stranger->served, out_);
    line.strangers.pop();
    if (met + 1 == kMetAtOnce) line.ring();
  }
  deal_to(now, line);
  end_of_batch(now);
}

void DhtDriver::deal_to(wire::Instant now, FrontLine& line) {
  for (DhtDriver* dealer : {this, sister_}) {
    if (dealer == nullptr) continue;
    auto& hands = line.hands(dealer->family());
    while (FrontLine::Hand* hand = hands.back()) {
      const std::size_t room = dht::Front::kHand * dht::Contact::compact_size(dealer->family());
      hand->size = static_cast<std::uint16_t>(dealer->node_.deal({hand->contacts.data(), room}));
      if (hand->size == 0) break;
      hand->dealt = now;
      hands.push();
    }
  }
}

void DhtDriver::tell_fronts() {
  for (const auto& front : fronts_) {
    const bool young = node_.ring_is_young();
    if (front->told && front->told->id == node_.id() && front->told->young == young &&
        front->told->tokens.same_period(node_.tokens()))
      continue;
    auto* slot = front->line->news.back();
    if (slot == nullptr) continue;  // it has enough to read
    front->told = dht::Front::News{node_.id(), node_.tokens(), young};
    *slot = std::make_unique<dht::Front::News>(*front->told);
    front->line->news.push();
  }
}

std::vector<FrontLine::Counts> DhtDriver::front_counts() const {
  std::vector<FrontLine::Counts> counts;
  for (const auto& front : fronts_) counts.push_back(front->line->counts());
  return counts;
}

UdpPort::Counters DhtDriver::port_counters() const {
  UdpPort::Counters sum = port_.counters();
  for (const FrontLine::Counts& theirs : front_counts()) {
    sum.received += theirs.port.received;
    sum.sent += theirs.port.sent;
    sum.dropped += theirs.port.dropped;
    sum.refused += theirs.port.refused;
    sum.oversized += theirs.port.oversized;
  }
  for (const auto& front : fronts_) sum.unheeded += front->line->unheeded.load(std::memory_order_relaxed);
  return sum;
}

dht::Counters DhtDriver::counters() const {
  dht::Counters sum = node_.counters();
  for (const FrontLine::Counts& theirs : front_counts())
    for (const dht::CounterInfo& info : dht::kCounters) sum.*info.value += theirs.front.*info.value;
  for (const auto& front : fronts_) sum.strangers_unqueued += front->line->unmet.load(std::memory_order_relaxed);
  return sum;
}

void DhtDriver::offer(wire::Instant now, std::span<const dht::Contact> contacts) {
  use(now, [&](dht::Node& node, dht::Output& out) { node.offer(now, contacts, out); });
  if (!out_.events.empty()) wake_();
}

void DhtDriver::heed_sister(wire::Instant now) {
  node_.want_both(sister_ != nullptr && sister_->node_.wants_contacts(now));
}

void DhtDriver::on_timer() {
  const wire::Instant now = clock_now();
  heed_sister(now);
  if (now >= node_.next_deadline()) node_.advance(now, out_);
  flush(now);
  if (!out_.events.empty()) wake_();
}

void DhtDriver::flush(wire::Instant now) {
  if (!out_.datagrams.empty()) {
    port_.send(out_.datagrams, sources_);
    out_.datagrams.clear();
  }
  sources_.clear();
  if (!fronts_.empty()) tell_fronts();
  timer_.arm(std::max(node_.next_deadline(), now + Timer::kGrain));
}

std::vector<DhtDriver*> one_of_each_family(std::span<const std::unique_ptr<DhtDriver>> drivers) {
  const auto in_touch = [](const DhtDriver& d) { return d.node().ever_answered() && !d.node().offline(); };
  std::vector<DhtDriver*> chosen;
  for (const auto& driver : drivers) {
    const auto same = [&](const DhtDriver* c) { return c->family() == driver->family(); };
    const auto at = std::find_if(chosen.begin(), chosen.end(), same);
    if (at == chosen.end()) {
      chosen.push_back(driver.get());
    } else if (!in_touch(**at) && in_touch(*driver)) {
      *at = driver.get();
    }
  }
  return chosen;
}

}  // namespace lodestone::node
