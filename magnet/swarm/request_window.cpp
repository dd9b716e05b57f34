// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/request_window.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxGivenUp = 256;  // answers to older ones count as unasked
constexpr wire::Duration kEpoch = 250ms;  // how often the window is thought over, at least an RTT
constexpr double kStillRising = 1.25;     // slow start goes on while an epoch brings this much more
constexpr wire::Duration kLate = 5s;
constexpr wire::Duration kNear = 10ms;  // round trips below are no distance
constexpr wire::Duration kYoung = 5s;

}  // namespace

void RequestWindow::set_peer_queue(std::uint32_t reqq) {
  cap_ = std::clamp<std::size_t>(reqq, 1, kCap);
  window_ = std::min(window_, cap_);
}

std::size_t RequestWindow::size() const { return snubbed_ ? 1 : std::min(std::max(window_, kFloor), cap_); }

bool RequestWindow::wants_refill() const {
  const std::size_t r = room();
  return r > 0 && (r >= std::min<std::size_t>(size() / 8 + 1, 16) || live_ <= kFloor);
}

void RequestWindow::sent(wire::Instant now, wire::BlockRef ref) {
  if (first_sent_ == wire::kNever) {
    first_sent_ = now;
    epoch_begin_ = now;
  }
  if (live_ == 0) waiting_since_ = now;
  // Asked again for what was given up: one answer is expected, so there must be one request that it answers.
  if (given_up_ > 0) take(find(ref));
  requests_.push_back({ref, now});
  ++live_;
  if (room() == 0) was_full_ = true;
}

std::size_t RequestWindow::find(wire::BlockRef ref) const {
  for (std::size_t i = head_; i < requests_.size(); ++i)
    if (requests_[i].ref == ref && requests_[i].state != State::gone) return i;
  return requests_.size();
}

RequestWindow::Answer RequestWindow::take(std::size_t index) {
  if (index == requests_.size()) return Answer::unasked;
  Request& r = requests_[index];
  Answer answer = Answer::asked;
  if (r.state == State::given_up) {
    --given_up_;
    answer = Answer::given_up;
  } else {
    --live_;
  }
  r.state = State::gone;
  compact();
  return answer;
}

void RequestWindow::compact() {
  while (head_ < requests_.size() && requests_[head_].state == State::gone) ++head_;
  if (head_ == requests_.size()) {
    requests_.clear();
    head_ = 0;
  } else if (requests_.size() > 2 * (live_ + given_up_) + 64) {
    std::erase_if(requests_, [](const Request& r) { return r.state == State::gone; });
    head_ = 0;
  }
}

RequestWindow::Answer RequestWindow::received(wire::Instant now, wire::BlockRef ref, std::uint32_t bytes) {
  const std::size_t index = find(ref);
  if (index == requests_.size()) return Answer::unasked;
  const wire::Duration trip = now - requests_[index].sent;
  const Answer answer = take(index);
  if (rtt_ == wire::Duration::zero() || trip < rtt_) rtt_ = trip;
  waiting_since_ = now;
  if (snubbed_) {
    snubbed_ = false;
    slow_start_ = true;
    window_ = kFloor;
    epoch_begin_ = now;
    epoch_bytes_ = last_epoch_bytes_ = 0;
  }
  adapt(now, bytes);
  return answer;
}

void RequestWindow::adapt(wire::Instant now, std::uint32_t bytes) {
  rate_.add(now, bytes);
  epoch_bytes_ += bytes;
  if (slow_start_ && window_ < cap_) ++window_;
  if (now - epoch_begin_ < std::max(kEpoch, rtt_)) return;

  if (slow_start_) {
    const bool rising = static_cast<double>(epoch_bytes_) > static_cast<double>(last_epoch_bytes_) * kStillRising;
    if (!rising && was_full_) slow_start_ = false;
  }
  if (!slow_start_) {
    const double target = rate_.per_second(now) * wire::to_seconds(rtt_ + kSlack) / wire::kBlockSize;
    const auto blocks = std::clamp(static_cast<std::size_t>(target) + 1, kFloor, std::max(kFloor, cap_));
    // A window that was not used says nothing about the peer, so it does not shrink for it.
    if (blocks > window_ || was_full_) window_ = std::min(blocks, cap_);
    // A round trip may grow when routes change: forget the best one slowly.
    rtt_ += rtt_ / 256;
  }
  was_full_ = room() == 0;
  last_epoch_bytes_ = epoch_bytes_;
  epoch_bytes_ = 0;
  epoch_begin_ = now;
}

RequestWindow::Answer RequestWindow::forget(wire::BlockRef ref) { return take(find(ref)); }

bool RequestWindow::has(wire::BlockRef ref) const { return find(ref) != requests_.size(); }

std::size_t RequestWindow::position(wire::BlockRef ref) const {
  std::size_t n = 0;
  for (std::size_t i = head_; i < requests_.size(); ++i) {
    if (requests_[i].state != State::live && requests_[i].state != State::late) continue;
    if (requests_[i].ref == ref) return n;
    ++n;
  }
  return live_;
}

void RequestWindow::clear(std::vector<wire::BlockRef>& live) {
  for (std::size_t i = head_; i < requests_.size(); ++i)
    if (requests_[i].state == State::live || requests_[i].state == State::late) live.push_back(requests_[i].ref);
  requests_.clear();
  head_ = live_ = given_up_ = 0;
  slow_start_ = true;
  epoch_bytes_ = last_epoch_bytes_ = 0;
}

void RequestWindow::give_up(Request& r) {
  r.state = State::given_up;
  --live_;
  ++given_up_;
  if (given_up_ <= kMaxGivenUp) return;
  for (std::size_t i = head_; i < requests_.size(); ++i) {
    if (requests_[i].state != State::given_up) continue;
    requests_[i].state = State::gone;
    --given_up_;
    return;
  }
}

bool RequestWindow::advance(wire::Instant now, std::vector<wire::BlockRef>& given_up) {
  if (live_ == 0) return false;
  const bool silent = now - waiting_since_ >= kPatience;
  for (std::size_t i = head_; i < requests_.size(); ++i) {
    Request& r = requests_[i];
    if (!silent && now - r.sent < kGiveUp) break;
    if (r.state != State::live && r.state != State::late) continue;
    given_up.push_back(r.ref);
    give_up(r);
  }
  compact();
  if (!silent) return false;
  waiting_since_ = now;
  return !std::exchange(snubbed_, true);
}

void RequestWindow::collect_late(wire::Instant now, std::vector<wire::BlockRef>& late) {
  if (live_ == 0) return;
  const double rate = rate_.per_second(now);
  const double fair = rate > 0 ? 3 * static_cast<double>(live_) * wire::kBlockSize / rate : 0;
  const wire::Duration limit = std::max(kLate, wire::from_seconds(std::min(fair, 60.0)));
  for (std::size_t i = head_; i < requests_.size(); ++i) {
    Request& r = requests_[i];
    if (now - r.sent < limit) break;
    if (r.state != State::live) continue;
    r.state = State::late;
    late.push_back(r.ref);
  }
}

double RequestWindow::expected_seconds(wire::Instant now, std::size_t in_front) const {
  const double rate = rate_.per_second(now);
  if (snubbed_) return 1e9;
  if (rate <= 0) return rtt_ > wire::Duration::zero() ? 30 : 10;  // has stopped, or was never heard
  return wire::to_seconds(rtt_) + static_cast<double>(in_front + 1) * wire::kBlockSize / rate;
}

std::uint64_t RequestWindow::distant_bytes(wire::Instant now) const {
  if (first_sent_ == wire::kNever || now - first_sent_ < kYoung) return 0;
  const double outstanding = static_cast<double>(live_) * wire::kBlockSize;
  const double rate = rate_.per_second(now);
  const double soon = std::min(outstanding, rate);
  const double on_the_road = rtt_ > kNear ? std::min(soon, rate * wire::to_seconds(rtt_)) : 0;
  return static_cast<std::uint64_t>(outstanding - soon + on_the_road);
}

void RequestWindow::check_invariants() const {
#ifndef NDEBUG
  std::size_t live = 0, given_up = 0;
  for (std::size_t i = head_; i < requests_.size(); ++i) {
    if (requests_[i].state == State::live || requests_[i].state == State::late) ++live;
    if (requests_[i].state == State::given_up) ++given_up;
  }
  assert(live == live_ && given_up == given_up_);
  assert(given_up_ <= kMaxGivenUp);
#endif
}

}  // namespace lodestone::magnet
