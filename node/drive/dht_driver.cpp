// SPDX-License-Identifier: Apache-2.0
#include "node/drive/dht_driver.hpp"

#include <algorithm>
#include <iterator>

#include "node/net/clock.hpp"

namespace lodestone::node {
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
  for (const UdpPort::Received& datagram : received) {
    if (wire::classify(datagram.bytes) != wire::DatagramKind::dht) continue;
    const std::size_t before = out_.datagrams.size();
    node_.receive(now, datagram.from, datagram.bytes, out_, sister_ != nullptr ? &sister_->node_ : nullptr);
    if (datagram.local.is_unspecified()) continue;
    for (std::size_t i = before; i < out_.datagrams.size(); ++i) {
      if (out_.datagrams.entries()[i].to != datagram.from) continue;
      sources_.resize(i + 1);
      sources_[i] = datagram.local;
    }
  }
  flush(now);
  // Only what a datagram of this batch has said can be in there.
  if (!out_.other_family.empty()) sister_->offer(now, out_.other_family);
  out_.other_family.clear();
  if (!out_.events.empty()) wake_();
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
