// SPDX-License-Identifier: Apache-2.0
// A little network of real dht::Nodes in virtual time: every datagram takes `latency`, nothing is lost unless a test
// says so, time jumps to the next thing that happens. Counts what is sent.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <vector>

#include "dht/node.hpp"

namespace lodestone::test {

using namespace std::chrono_literals;

struct DhtHost {
  wire::Endpoint endpoint;
  std::unique_ptr<dht::Node> node;
  std::vector<dht::Event> events;
  bool up = true;
  std::uint64_t sent = 0;
  std::optional<std::size_t> sister;  // the same machine's host on the other family (BEP 32)

  template <class E>
  [[nodiscard]] std::vector<E> all() const {
    std::vector<E> out;
    for (const dht::Event& e : events)
      if (const auto* x = std::get_if<E>(&e)) out.push_back(*x);
    return out;
  }
  template <class E>
  [[nodiscard]] std::size_t count() const {
    return all<E>().size();
  }
};

class DhtNetwork {
 public:
  explicit DhtNetwork(std::uint64_t seed = 1, wire::Family family = wire::Family::v4, bool private_net = true)
      : rng_(wire::Rng::from_number(seed)), family_(family), private_net_(private_net) {}

  wire::Duration latency = 20ms;
  /// Called for each datagram before it is delivered; false drops it.
  std::function<bool(const wire::Endpoint& from, const wire::Endpoint& to, wire::Bytes)> filter;

  [[nodiscard]] wire::Instant now() const { return now_; }
  [[nodiscard]] wire::Rng& rng() { return rng_; }
  [[nodiscard]] std::uint64_t delivered() const { return delivered_; }
  [[nodiscard]] std::size_t size() const { return hosts_.size(); }
  [[nodiscard]] DhtHost& host(std::size_t i) { return *hosts_[i]; }
  [[nodiscard]] dht::Node& node(std::size_t i) { return *hosts_[i]->node; }
  [[nodiscard]] wire::Endpoint endpoint(std::size_t i) const { return hosts_[i]->endpoint; }

  [[nodiscard]] dht::NodeConfig config() {
    dht::NodeConfig c;
    c.family = family_;
    c.id = rng_.id<wire::NodeId>();
    c.policy = wire::AddressPolicy::everything();
    c.private_net = private_net_;
    return c;
  }
  /// A new host with an address of its own (a /24 or /64 of its own, too).
  std::size_t add() { return add(config()); }
  std::size_t add(dht::NodeConfig config) {
    const auto i = hosts_.size();
    auto h = std::make_unique<DhtHost>();
    h->endpoint = {address(i, config.family), 6881};
    h->node = std::make_unique<dht::Node>(now_, std::move(config), rng_.fork());
    by_endpoint_[h->endpoint] = i;
    hosts_.push_back(std::move(h));
    return i;
  }
  /// A machine on both families: the v4 host; the v6 one comes after it.
  std::size_t add_dual_stack() {
    dht::NodeConfig four = config(), six = config();
    four.family = wire::Family::v4;
    six.family = wire::Family::v6;
    const std::size_t i = add(std::move(four));
    hosts_[i]->sister = add(std::move(six));
    hosts_[i + 1]->sister = i;
    return i;
  }
  /// The host is started again with that configuration; its old state is gone.
  void restart(std::size_t i, dht::NodeConfig config) {
    hosts_[i]->node = std::make_unique<dht::Node>(now_, std::move(config), rng_.fork());
    hosts_[i]->events.clear();
    hosts_[i]->up = true;
  }
  /// f(Node&, Output&): what it appends is sent.
  template <class F>
  auto call(std::size_t i, F&& f) {
    dht::Output out;
    hosts_[i]->node->want_both(hosts_[i]->sister && sister_of(i)->wants_contacts(now_));
    if constexpr (std::is_void_v<decltype(f(*hosts_[i]->node, out))>) {
      f(*hosts_[i]->node, out);
      take(i, out);
    } else {
      auto result = f(*hosts_[i]->node, out);
      take(i, out);
      return result;
    }
  }
  void introduce(std::size_t i, std::size_t via) {
    const wire::Endpoint e = endpoint(via);
    call(i, [&](dht::Node& n, dht::Output& out) { n.add_introducers(now_, {&e, 1}, out); });
  }
  void send_raw(const wire::Endpoint& from, std::size_t to, wire::Bytes payload) {
    queue_.push({now_ + latency, ++serial_, from, endpoint(to), {payload.begin(), payload.end()}});
  }

  void run_for(wire::Duration d) {
    run_until(d, [] { return false; });
  }
  /// Runs until done() or the time is over; returns done().
  template <class Done>
  bool run_until(wire::Duration limit, Done&& done) {
    const wire::Instant end = now_ + limit;
    while (!done()) {
      const wire::Instant next = next_event();
      if (next > end) {
        now_ = end;
        return done();
      }
      now_ = std::max(now_, next);
      step();
    }
    return true;
  }

 private:
  struct Packet {
    wire::Instant at;
    std::uint64_t serial;
    wire::Endpoint from, to;
    wire::ByteVector payload;
    friend bool operator>(const Packet& a, const Packet& b) { return a.at != b.at ? a.at > b.at : a.serial > b.serial; }
  };
  [[nodiscard]] const dht::Node* sister_of(std::size_t i) const {
    return hosts_[i]->sister ? hosts_[*hosts_[i]->sister]->node.get() : nullptr;
  }
  [[nodiscard]] static wire::Address address(std::size_t i, wire::Family family) {
    const auto n = static_cast<std::uint32_t>(i);
    if (family == wire::Family::v4) return wire::Address::v4(0x0b000001u + (n << 8));
    std::array<std::uint8_t, 16> raw{0x26, 0x00};
    wire::store_be32(raw.data() + 4, n);
    raw[15] = 1;
    return wire::Address::v6(raw);
  }
  [[nodiscard]] wire::Instant next_event() const {
    wire::Instant next = queue_.empty() ? wire::kNever : queue_.top().at;
    for (const auto& h : hosts_)
      if (h->up) next = std::min(next, h->node->next_deadline());
    return next;
  }
  void step() {
    while (!queue_.empty() && queue_.top().at <= now_) {
      const Packet p = queue_.top();
      queue_.pop();
      const auto to = by_endpoint_.find(p.to);
      if (to == by_endpoint_.end() || !hosts_[to->second]->up) continue;
      if (filter && !filter(p.from, p.to, p.payload)) continue;
      ++delivered_;
      const dht::Node* const sister = sister_of(to->second);
      call(to->second, [&](dht::Node& n, dht::Output& out) { n.receive(now_, p.from, p.payload, out, sister); });
    }
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      if (!hosts_[i]->up || hosts_[i]->node->next_deadline() > now_) continue;
      call(i, [&](dht::Node& n, dht::Output& out) { n.advance(now_, out); });
      hosts_[i]->node->check_invariants();
    }
  }
  void take(std::size_t i, dht::Output& out) {
    DhtHost& h = *hosts_[i];
    for (const auto& e : out.datagrams.entries()) {
      ++h.sent;
      const wire::Bytes payload = out.datagrams.payload(e);
      queue_.push({now_ + latency, ++serial_, h.endpoint, e.to, {payload.begin(), payload.end()}});
    }
    for (auto& e : out.events) h.events.push_back(std::move(e));
    if (out.other_family.empty()) return;
    call(*h.sister, [&](dht::Node& n, dht::Output& more) { n.offer(now_, out.other_family, more); });
  }

  wire::Rng rng_;
  wire::Family family_;
  bool private_net_;
  wire::Instant now_{1h};
  std::uint64_t serial_ = 0;
  std::uint64_t delivered_ = 0;
  std::vector<std::unique_ptr<DhtHost>> hosts_;
  std::map<wire::Endpoint, std::size_t> by_endpoint_;
  std::priority_queue<Packet, std::vector<Packet>, std::greater<>> queue_;
};

}  // namespace lodestone::test
