// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/stream.hpp"

#include <algorithm>
#include <cassert>
#include <memory>

namespace lodestone::tools::sim {

Streams::Streams(World& world, const StreamConfig& config) : world_(world), config_(config), rng_(world.fork_rng()) {}

void Streams::set_rate(HostId host, LineRate rate) { line(host).rate = rate; }

void Streams::listen(HostId host, std::uint16_t port, StreamObserver& observer) {
  listeners_[{host, port}] = &observer;
}

void Streams::stop_listening(HostId host, std::uint16_t port) { listeners_.erase({host, port}); }

// --- connecting ---

void Streams::dial(HostId from, const Endpoint& to, StreamObserver& observer) {
  const auto port = static_cast<std::uint16_t>(32'768 + next_port_++ % 28'000);
  const Endpoint local{world_.address(from), port};
  world_.digest().add(world_.now(), local, to, {});
  const auto host = world_.find(to.address);
  if (!host || !world_.accepts_connections(*host)) {
    world_.at(world_.now() + config_.dial_timeout,
              [&observer, to] { observer.on_dialled(to, DialOutcome::timed_out, {}); });
    return;
  }
  world_.at(world_.now() + world_.one_way(from, *host),
            [this, from, local, to, &observer] { knock(from, local, to, observer); });
}

/// The SYN is there.
void Streams::knock(HostId from, const Endpoint& local, const Endpoint& to, StreamObserver& observer) {
  const HostId host = *world_.find(to.address);
  const Duration back = world_.one_way(host, from);
  if (!world_.up(host)) {
    world_.at(world_.now() - back + config_.dial_timeout,
              [&observer, to] { observer.on_dialled(to, DialOutcome::timed_out, {}); });
    return;
  }
  const auto listener = listeners_.find({host, to.port});
  if (listener == listeners_.end()) {
    world_.at(world_.now() + back, [&observer, to] { observer.on_dialled(to, DialOutcome::refused, {}); });
    return;
  }
  const StreamKey dialler = ends_.emplace();
  const StreamKey acceptor = ends_.emplace();
  End& near = *ends_.find(dialler);
  near.host = from;
  near.local = local;
  near.remote = to;
  near.other = acceptor;
  near.observer = &observer;
  End& far = *ends_.find(acceptor);
  far.host = host;
  far.local = to;
  far.remote = local;
  far.other = dialler;
  far.observer = listener->second;
  far.last_arrival = world_.now() + back;  // nothing overtakes the SYN-ACK
  world_.at(world_.now() + back,
            [&observer, to, dialler] { observer.on_dialled(to, DialOutcome::connected, dialler); });
  listener->second->on_accept(acceptor, local);
}

// --- writing ---

std::size_t Streams::write(StreamKey stream, Bytes bytes) {
  End* end = ends_.find(stream);
  if (end == nullptr || end->closing) return 0;
  const std::size_t waiting = end->unsent.size() - end->unsent_at;
  const std::size_t n = std::min(bytes.size(), config_.send_buffer - std::min(waiting, config_.send_buffer));
  if (n < bytes.size()) end->wants_writable = true;
  if (n == 0) return 0;
  end->unsent.insert(end->unsent.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
  enqueue(stream, *end);
  pump(end->host);
  return n;
}

void Streams::enqueue(StreamKey key, End& end) {
  if (end.in_line || end.unsent.size() == end.unsent_at || end.outstanding >= config_.window) return;
  end.in_line = true;
  line(end.host).waiting.push_back(key);
}

/// The uplink takes the next stream's turn, if it is idle.
void Streams::pump(HostId host) {
  Line& uplink = line(host);
  while (!uplink.busy && !uplink.waiting.empty()) {
    const StreamKey key = uplink.waiting.front();
    uplink.waiting.pop_front();
    End* end = ends_.find(key);
    if (end == nullptr) continue;
    end->in_line = false;
    transmit(key, *end);
  }
}

void Streams::transmit(StreamKey key, End& end) {
  const std::size_t n = std::min(
      {end.unsent.size() - end.unsent_at, config_.segment, config_.window - std::min(end.outstanding, config_.window)});
  if (n == 0 || !world_.up(end.host)) return;
  Line& uplink = line(end.host);
  const auto first = end.unsent.begin() + static_cast<std::ptrdiff_t>(end.unsent_at);
  wire::ByteVector bytes(first, first + static_cast<std::ptrdiff_t>(n));
  end.unsent_at += n;
  if (end.unsent_at * 2 > end.unsent.size()) {
    end.unsent.erase(end.unsent.begin(), end.unsent.begin() + static_cast<std::ptrdiff_t>(end.unsent_at));
    end.unsent_at = 0;
  }
  end.outstanding += n;
  end.leaving = true;
  uplink.sent += n;
  uplink.busy = true;
  world_.digest().add(world_.now(), end.local, end.remote, bytes);

  const Instant left = world_.now() + wire::from_seconds(static_cast<double>(n) / uplink.rate.up_bytes_per_second);
  world_.at(left,
            [this, key, host = end.host, to = end.other, held = std::make_shared<wire::ByteVector>(std::move(bytes))] {
              line(host).busy = false;
              if (End* sender = ends_.find(key)) {
                sender->leaving = false;
                if (const End* receiver = ends_.find(to)) {
                  const Instant there = arrival(*sender, receiver->host, held->size());
                  world_.at(there, [this, to, held] { arrive(to, std::move(*held)); });
                }
                enqueue(key, *sender);
                if (sender->wants_writable && sender->observer != nullptr) {
                  sender->wants_writable = false;
                  sender->observer->on_writable(key);
                }
                if (End* still = ends_.find(key);
                    still != nullptr && still->closing && !still->leaving && still->unsent.size() == still->unsent_at)
                  send_end(key, *still);
              }
              pump(host);
            });
}

Instant Streams::arrival(End& end, HostId to, std::size_t bytes) {
  const Duration trip = world_.one_way(end.host, to);
  Instant there = world_.now() + trip + world_.links().draw_jitter(rng_);
  if (world_.links().draw_loss(rng_)) there += 2 * trip + config_.retransmit;
  there = std::max(there, end.last_arrival);
  Line& downlink = line(to);
  there = std::max(there, downlink.down_free) +
          wire::from_seconds(static_cast<double>(bytes) / downlink.rate.down_bytes_per_second);
  downlink.down_free = std::max(downlink.down_free, there);
  end.last_arrival = there;
  return there;
}

// --- reading ---

void Streams::arrive(StreamKey to, wire::ByteVector bytes) {
  End* end = ends_.find(to);
  if (end == nullptr || !world_.up(end->host)) return;
  if (end->observer == nullptr) {
    acknowledge(end->other, bytes.size());  // to a closed end: taken and thrown away
    return;
  }
  end->received.insert(end->received.end(), bytes.begin(), bytes.end());
  end->observer->on_readable(to);
}

Bytes Streams::readable(StreamKey stream) const {
  const End* end = ends_.find(stream);
  if (end == nullptr) return {};
  return Bytes{end->received}.subspan(end->received_at);
}

void Streams::consume(StreamKey stream, std::size_t n) {
  End* end = ends_.find(stream);
  if (end == nullptr || n == 0) return;
  assert(n <= end->received.size() - end->received_at);
  end->received_at += n;
  if (end->received_at == end->received.size()) {
    end->received.clear();
    end->received_at = 0;
  }
  const StreamKey other = end->other;
  if (const End* sender = ends_.find(other)) {
    world_.at(world_.now() + world_.one_way(end->host, sender->host), [this, other, n] { acknowledge(other, n); });
  }
  if (end->remote_closed && end->received.empty()) world_.at(world_.now(), [this, stream] { finish(stream); });
}

void Streams::acknowledge(StreamKey key, std::size_t n) {
  End* end = ends_.find(key);
  if (end == nullptr) return;
  assert(n <= end->outstanding);
  end->outstanding -= n;
  enqueue(key, *end);
  pump(end->host);
}

// --- ending ---

void Streams::close(StreamKey stream) {
  End* end = ends_.find(stream);
  if (end == nullptr || end->observer == nullptr) return;
  end->observer = nullptr;
  end->closing = true;
  // What it has not read nobody will read.
  if (const std::size_t unread = end->received.size() - end->received_at; unread > 0) {
    end->received.clear();
    end->received_at = 0;
    acknowledge(end->other, unread);
  }
  if (end->remote_closed) {
    ends_.erase(stream);
  } else if (end->unsent.size() == end->unsent_at && !end->leaving) {
    send_end(stream, *end);
  }
}

bool Streams::open(StreamKey stream) const {
  const End* end = ends_.find(stream);
  return end != nullptr && end->observer != nullptr;
}

void Streams::send_end(StreamKey key, End& end) {
  const StreamKey other = end.other;
  if (const End* receiver = ends_.find(other)) {
    world_.digest().add(world_.now(), end.local, end.remote, {});
    const Instant there = arrival(end, receiver->host, 0);
    world_.at(there, [this, other, key] {
      end_arrives(other);
      ends_.erase(key);
    });
  } else {
    ends_.erase(key);
  }
}

void Streams::end_arrives(StreamKey to) {
  End* end = ends_.find(to);
  if (end == nullptr || !world_.up(end->host)) return;
  end->remote_closed = true;
  if (end->observer == nullptr) {
    ends_.erase(to);  // both have closed
  } else if (end->received.size() == end->received_at) {
    finish(to);
  }
}

void Streams::finish(StreamKey key) {
  const End* end = ends_.find(key);
  if (end == nullptr) return;
  StreamObserver* observer = end->observer;
  ends_.erase(key);
  if (observer != nullptr) observer->on_end(key);
}

std::uint64_t Streams::sent_by(HostId host) const {
  const auto it = lines_.find(host);
  return it == lines_.end() ? 0 : it->second.sent;
}

Streams::Line& Streams::line(HostId host) { return lines_[host]; }

}  // namespace lodestone::tools::sim
