// SPDX-License-Identifier: Apache-2.0
#include "node/drive/front_thread.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <system_error>
#include <utility>

#include "node/net/clock.hpp"
#include "node/net/udp_batch.hpp"
#include "wire/base/datagram.hpp"

namespace lodestone::node {
namespace {

constexpr std::size_t kFrontBatches = 8;  // of one socket, before the next one's turn
constexpr wire::Duration kTellEvery = std::chrono::milliseconds(250);
constexpr wire::Duration kAskForHands = std::chrono::milliseconds(10);
constexpr int kTellSoon = 250;  // milliseconds

}  // namespace

/// A post, and what it needs to be served.
struct FrontThread::Desk {
  explicit Desk(Post p) : post(std::move(p)), datagrams(post.socket.fd()) {}

  Post post;
  UdpBatch datagrams;
  wire::DatagramBatch out;
  std::vector<wire::Address> sources;
  std::vector<wire::Endpoint> expected;
  std::vector<dht::Front::Stranger> strangers;
  wire::Instant told;
  wire::Instant asked_for_hands;
  bool untold = false;

  void serve();
  void serve_batch(std::span<const UdpBatch::Received> received);
  void hear_news(wire::Instant now);
  void hand_over(const UdpBatch::Received& datagram);
  void tell(wire::Instant now);
};

void FrontThread::Desk::serve() {
  for (std::size_t i = 0; i < kFrontBatches; ++i) {
    const auto received = datagrams.receive();
    if (!received.empty()) serve_batch(received);
    if (!datagrams.look_again()) return;
  }
}

void FrontThread::Desk::serve_batch(std::span<const UdpBatch::Received> received) {
  const wire::Instant now = clock_now();
  hear_news(now);
  expected.clear();
  for (const UdpBatch::Received& datagram : received) {
    expected.push_back(datagram.from);
    post.front->foresee(datagram.bytes);
  }
  post.front->expect(expected);
  bool handed = false;
  for (const UdpBatch::Received& datagram : received) {
    if (wire::classify(datagram.bytes) != wire::DatagramKind::dht) continue;
    const std::size_t before = out.size();
    if (post.front->receive(now, datagram.from, datagram.bytes, out, strangers) == dht::Front::Fate::for_the_node) {
      hand_over(datagram);
      handed = true;
    }
    if (out.size() == before || datagram.local.is_unspecified()) continue;
    sources.resize(out.size());
    sources.back() = datagram.local;
  }
  if (!out.empty()) datagrams.send(out, sources);
  out.clear();
  sources.clear();
  for (const dht::Front::Stranger& stranger : strangers) {
    if (auto* slot = post.line->strangers.back()) {
      *slot = stranger;
      post.line->strangers.push();
    } else {
      post.line->unmet.fetch_add(1, std::memory_order_relaxed);
    }
  }
  if (handed || !strangers.empty()) post.line->ring();
  strangers.clear();
  untold = true;
  if (now - told >= kTellEvery) tell(now);
}

void FrontThread::Desk::hear_news(wire::Instant now) {
  dht::Front& front = *post.front;
  while (auto* news = post.line->news.front()) {
    front.hear(**news);
    news->reset();
    post.line->news.pop();
  }
  bool short_of = false;
  for (const wire::Family family : {wire::Family::v4, wire::Family::v6}) {
    auto& hands = post.line->hands(family);
    while (front.wants(now, family)) {
      const auto* hand = hands.front();
      short_of = short_of || hand == nullptr;
      if (hand == nullptr) break;
      front.deal(hand->dealt, family, wire::Bytes{hand->contacts.data(), hand->size});
      hands.pop();
    }
  }
  // Who has none may have none to expect: a ring of that family is empty.
  if (!short_of || now - asked_for_hands < kAskForHands) return;
  asked_for_hands = now;
  post.line->ring();
}

void FrontThread::Desk::hand_over(const UdpBatch::Received& datagram) {
  auto* slot = post.line->handed.back();
  if (slot == nullptr) {
    post.line->unheeded.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  slot->from = datagram.from;
  slot->local = datagram.local;
  slot->size = static_cast<std::uint16_t>(datagram.bytes.size());
  std::copy(datagram.bytes.begin(), datagram.bytes.end(), slot->bytes.begin());
  post.line->handed.push();
}

void FrontThread::Desk::tell(wire::Instant now) {
  post.line->tell({post.front->counters(), datagrams.counters()});
  told = now;
  untold = false;
}

FrontThread::FrontThread(std::vector<Post> posts) : end_(::eventfd(0, EFD_CLOEXEC)) {
  if (!end_) throw std::system_error(last_error(), "eventfd");
  for (Post& post : posts) desks_.push_back(std::make_unique<Desk>(std::move(post)));
  thread_ = std::thread([this] { run(); });
}

FrontThread::~FrontThread() {
  const std::uint64_t one = 1;
  (void)!::write(end_.fd(), &one, sizeof(one));
  thread_.join();
}

void FrontThread::run() {
  std::vector<pollfd> watched;
  for (const auto& desk : desks_) watched.push_back({desk->post.socket.fd(), POLLIN, 0});
  watched.push_back({end_.fd(), POLLIN, 0});
  for (;;) {
    const bool untold = std::any_of(desks_.begin(), desks_.end(), [](const auto& desk) { return desk->untold; });
    const int ready = ::poll(watched.data(), watched.size(), untold ? kTellSoon : -1);
    const wire::Instant now = clock_now();
    if (watched.back().revents != 0) {
      for (const auto& desk : desks_) desk->tell(now);
      return;
    }
    for (std::size_t i = 0; i < desks_.size(); ++i) {
      if (ready > 0 && watched[i].revents != 0) desks_[i]->serve();
      if (ready == 0 && desks_[i]->untold) desks_[i]->tell(now);
    }
  }
}

}  // namespace lodestone::node
