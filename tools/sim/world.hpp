// SPDX-License-Identifier: Apache-2.0
// The simulated network: virtual time, hosts with addresses, places and NATs, datagrams with latency and loss, timers.
// Everything happens in step(); handlers are called from there and from nowhere else, so whatever a handler does (send,
// arm, schedule) takes effect later and no call is ever re-entered.
// Invariant: the same seed and the same calls give the same run, byte for byte; digest() shows it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "tools/sim/digest.hpp"
#include "tools/sim/event_queue.hpp"
#include "tools/sim/link_model.hpp"
#include "tools/sim/nat.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/rng.hpp"
#include "wire/base/slab.hpp"
#include "wire/base/time.hpp"

namespace lodestone::tools::sim {

using wire::Address;
using wire::Bytes;
using wire::Duration;
using wire::Endpoint;
using wire::Instant;

using HostId = std::uint32_t;

struct HostSpec {
  NatKind nat = NatKind::open;
  std::optional<Address> address = {};  // nullopt: a global v4 address in a /24 of its own
  std::optional<Place> place = {};      // nullopt: drawn
};

struct WorldConfig {
  std::uint64_t seed = 1;
  LinkModelConfig links;
};

struct WorldCounters {
  std::uint64_t events = 0, datagrams_sent = 0, datagrams_delivered = 0, datagrams_lost = 0;
  std::uint64_t datagrams_filtered = 0;   // stopped by a NAT
  std::uint64_t datagrams_to_nobody = 0;  // host down, no such address or port
  std::uint64_t bytes_sent = 0;
};

/// Sees what a host sends and what reaches it, before it does. May not call back into the world.
class DatagramObserver {
 public:
  virtual ~DatagramObserver() = default;
  virtual void on_sent(Instant now, const Endpoint& to, Bytes payload) = 0;
  virtual void on_received(Instant now, const Endpoint& from, Bytes payload) = 0;
};

class World {
 public:
  using Call = std::function<void()>;
  using DatagramHandler = std::function<void(const Endpoint& from, Bytes)>;
  using TimerKey = wire::SlabKey<struct TimerTag>;

  explicit World(const WorldConfig& config);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // --- time ---
  [[nodiscard]] Instant now() const { return now_; }
  /// Runs the next event; false when there is none.
  bool step();
  /// Runs all events up to and including `until`; the time is then `until`.
  void run_until(Instant until);
  void run_for(Duration duration) { run_until(now_ + duration); }
  /// Runs until `done()` (asked after each event) or the time is `deadline`. Returns done().
  bool run_until(Instant deadline, const std::function<bool()>& done);
  void at(Instant when, Call call);

  /// Timers fire once per arm(); use class Timer.
  [[nodiscard]] TimerKey make_timer(Call call);
  void arm(TimerKey key, Instant when);
  void disarm(TimerKey key);
  void drop_timer(TimerKey key);

  // --- chance ---
  [[nodiscard]] wire::Rng& rng() { return rng_; }
  /// A generator for a unit of its own.
  [[nodiscard]] wire::Rng fork_rng() { return rng_.fork(); }

  // --- hosts ---
  HostId add_host(const HostSpec& spec);
  [[nodiscard]] std::size_t host_count() const { return hosts_.size(); }
  [[nodiscard]] const Address& address(HostId host) const { return hosts_[host].address; }
  [[nodiscard]] const Place& place(HostId host) const { return hosts_[host].place; }
  [[nodiscard]] NatKind nat(HostId host) const { return hosts_[host].nat.kind(); }
  [[nodiscard]] bool accepts_connections(HostId host) const { return hosts_[host].nat.accepts_connections(); }
  [[nodiscard]] bool up(HostId host) const { return hosts_[host].up; }
  /// The cable: with it out nothing comes in, nothing leaves, and the NAT forgets. Timers go on; who shall stop is
  /// stopped by its owner.
  void set_up(HostId host, bool up);
  [[nodiscard]] std::optional<HostId> find(const Address& address) const;
  /// A global v4 address in a /24 of its own that no host has, nor ever will have.
  [[nodiscard]] Address draw_address();

  // --- datagrams ---
  /// One UDP port per host. An empty handler closes it.
  void bind(HostId host, std::uint16_t port, DatagramHandler handler);
  void send(HostId from, const Endpoint& to, Bytes payload);
  /// nullptr: nobody watches. The observer outlives the watching.
  void watch(HostId host, DatagramObserver* observer) { hosts_[host].observer = observer; }
  /// Would a datagram from somebody it has never heard of reach it there, now?
  [[nodiscard]] bool answers_strangers(const Endpoint& endpoint) const;

  // --- looking ---
  [[nodiscard]] const LinkModel& links() const { return links_; }
  [[nodiscard]] Duration one_way(HostId a, HostId b) const;
  [[nodiscard]] const WorldCounters& counters() const { return counters_; }
  [[nodiscard]] Digest& digest() { return digest_; }

 private:
  enum class Kind : std::uint32_t { datagram, timer, call };

  struct Host {
    Address address;
    Place place;
    Nat nat;
    std::uint16_t port = 0;
    bool up = true;
    DatagramHandler handler;
    DatagramObserver* observer = nullptr;
  };
  struct Flight {
    Endpoint from;
    std::uint16_t to_port = 0;
    HostId to = 0;
    wire::ByteVector payload;
  };
  struct Alarm {
    Call call;
    Instant due = wire::kNever;     // when it shall fire
    Instant queued = wire::kNever;  // the entry in the queue that counts
  };

  void deliver(std::uint32_t slot);
  void ring(TimerKey key, Instant at);

  wire::Rng rng_;
  LinkModel links_;
  Instant now_;
  EventQueue queue_;
  Digest digest_;
  WorldCounters counters_;
  std::vector<Host> hosts_;
  std::unordered_map<Address, HostId> by_address_;
  std::uint32_t addresses_ = 0;
  std::vector<Flight> flights_;  // slots are used again
  std::vector<std::uint32_t> free_flights_;
  std::vector<Call> calls_;
  std::vector<std::uint32_t> free_calls_;
  wire::Slab<Alarm, TimerTag> alarms_;
};

/// A timer of somebody's. Re-arming costs nothing while the deadline only moves away.
class Timer {
 public:
  /// As the real drivers: nobody asks to be called again sooner than that.
  static constexpr Duration kGrain = std::chrono::milliseconds(1);

  Timer(World& world, World::Call call) : world_(&world), key_(world.make_timer(std::move(call))) {}
  ~Timer() { world_->drop_timer(key_); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  /// kNever disarms. In the past: at once, but not before this event is over.
  void arm(Instant when) { world_->arm(key_, when); }
  void disarm() { world_->disarm(key_); }

 private:
  World* world_;
  World::TimerKey key_;
};

}  // namespace lodestone::tools::sim
