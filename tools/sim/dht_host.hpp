// SPDX-License-Identifier: Apache-2.0
// A dht::Node on a host of the world: datagrams in and out, one timer for next_deadline(). The same sequence of calls
// as node/drive/dht_driver. Many hosts share one output arena, so that a crowd costs what its nodes cost.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "dht/node.hpp"
#include "tools/sim/world.hpp"

namespace lodestone::tools::sim {

class DhtHost {
 public:
  /// Called after the call that caused the event, from World::step() or from inside use().
  using EventHandler = std::function<void(dht::Event&&)>;

  /// `arena` is only used during calls; it must outlive the host. Binds the host's UDP port.
  DhtHost(World& world, HostId host, std::uint16_t port, dht::NodeConfig config, dht::Output& arena)
      : DhtHost(world, host, port, std::move(config), arena, world.now()) {}
  /// `since`: when its node was started, in the past for one that has been there before the simulation (assume()).
  DhtHost(World& world, HostId host, std::uint16_t port, dht::NodeConfig config, dht::Output& arena, Instant since);
  ~DhtHost();
  DhtHost(const DhtHost&) = delete;
  DhtHost& operator=(const DhtHost&) = delete;

  [[nodiscard]] const dht::Node& node() const { return node_; }
  [[nodiscard]] HostId host() const { return host_; }
  /// Where it listens; what others see behind a NAT may differ.
  [[nodiscard]] const Endpoint& local() const { return local_; }
  void on_event(EventHandler handler) { on_event_ = std::move(handler); }
  /// The same machine's node on the other family (BEP 32); for both of them. It lives as long.
  void set_sister(DhtHost& sister) { sister_ = &sister; }

  /// f(node, output): asks the node something; what it wants to send leaves at once.
  template <class F>
  auto use(F&& f) {
    struct Flush {
      DhtHost& host;
      ~Flush() { host.flush(); }
    } const flush_at_the_end{*this};
    heed_sister();
    return std::forward<F>(f)(node_, arena_);
  }

  /// What comes in on its port; called by the world, or by who has put himself in between.
  void receive(const Endpoint& from, Bytes datagram);
  void join(std::span<const Endpoint> introducers);

 private:
  void heed_sister();
  void flush();

  World& world_;
  HostId host_;
  Endpoint local_;
  dht::Output& arena_;
  dht::Node node_;
  DhtHost* sister_ = nullptr;
  EventHandler on_event_;
  Timer timer_;
};

/// What all crowds use: the public rules (S5: global addresses only, diversity on), and the id of a node that has been
/// at that address before (T1). Who comes with another one is given it soon.
[[nodiscard]] dht::NodeConfig public_node_config(wire::Rng& rng, const Address& address);
/// With a generator of its own.
[[nodiscard]] dht::NodeConfig public_node_config(World& world, HostId host);

}  // namespace lodestone::tools::sim
