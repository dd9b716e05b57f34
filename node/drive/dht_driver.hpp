// SPDX-License-Identifier: Apache-2.0
// One UDP port, one dht::Node, one timer. Answers leave from the address that was asked. Events are kept until the
// session takes them: nothing is called back from inside a call into the node.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dht/front.hpp"
#include "dht/node.hpp"
#include "node/drive/front_line.hpp"
#include "node/net/fd.hpp"
#include "node/net/timer.hpp"
#include "node/net/udp_port.hpp"

namespace lodestone::node {

class DhtDriver {
 public:
  /// `socket` from bind_udp(), of the config's family. `wake` is called when there are new events.
  DhtDriver(asio::io_context& io, UniqueFd socket, wire::Instant now, dht::NodeConfig config, wire::Rng rng,
            std::function<void()> wake);
  DhtDriver(const DhtDriver&) = delete;
  DhtDriver& operator=(const DhtDriver&) = delete;

  [[nodiscard]] const dht::Node& node() const { return node_; }
  [[nodiscard]] wire::Family family() const { return node_.family(); }
  [[nodiscard]] const wire::Endpoint& local() const { return port_.local(); }
  /// Of the port, and of the fronts' share in it.
  [[nodiscard]] UdpPort::Counters port_counters() const;

  /// Our node on the other family: who asks this one for its nodes gets them, and while it wants contacts this one asks
  /// for them and hands them over (BEP 32). It lives as long.
  void set_sister(DhtDriver& sister) { sister_ = &sister; }
  [[nodiscard]] bool has_sister() const { return sister_ != nullptr; }
  /// Contacts from another node of ours, to be asked.
  void offer(wire::Instant now, std::span<const dht::Contact> contacts);

  /// A front answers beside this node from now on: what it leaves comes here, what it needs goes there. All of them
  /// after set_sister().
  void add_front(asio::io_context& io, std::shared_ptr<FrontLine> line);
  /// What the fronts have counted, as far as they have told, and what the node has with them.
  [[nodiscard]] std::vector<FrontLine::Counts> front_counts() const;
  [[nodiscard]] dht::Counters counters() const;

  /// f(node, output): asks the node something; what it wants to send leaves at once.
  template <class F>
  auto use(wire::Instant now, F&& f) {
    struct Flush {
      DhtDriver& driver;
      wire::Instant at;
      ~Flush() { driver.flush(at); }
    } const flush_at_the_end{*this, now};
    heed_sister(now);
    return std::forward<F>(f)(node_, out_);
  }

  /// Moves all events so far to the end of `out`.
  void take_events(std::vector<dht::Event>& out);

 private:
  void on_datagrams(std::span<const UdpPort::Received> received);
  void on_timer();
  /// A front has rung.
  void on_front(FrontLine& line);
  void take_in(wire::Instant now, const wire::Endpoint& from, const wire::Address& local, wire::Bytes datagram);
  void end_of_batch(wire::Instant now);
  /// What its queue has room for.
  void deal_to(wire::Instant now, FrontLine& line);
  /// Tells the fronts what has changed since they were told last.
  void tell_fronts();
  /// Before each call into the node: what it asks for depends on what the sister needs.
  void heed_sister(wire::Instant now);
  /// Sends what is in the output and arms the timer.
  void flush(wire::Instant now);

  std::function<void()> wake_;
  DhtDriver* sister_ = nullptr;
  dht::Node node_;
  dht::Output out_;
  std::vector<wire::Address> sources_;    // of out_.datagrams, as far as they answer something
  std::vector<wire::Endpoint> expected_;  // the sources of a batch
  struct Front {
    std::shared_ptr<FrontLine> line;
    WatchedFd bell;
    std::optional<dht::Front::News> told;
  };
  std::vector<std::unique_ptr<Front>> fronts_;
  Timer timer_;
  UdpPort port_;
};

/// Of each family one, the first that is in touch with the network, else the first: who looks for something looks
/// through these. Several of our addresses do not ask for the same thing at the same time (BEP 45).
[[nodiscard]] std::vector<DhtDriver*> one_of_each_family(std::span<const std::unique_ptr<DhtDriver>> drivers);

}  // namespace lodestone::node
