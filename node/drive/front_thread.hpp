// SPDX-License-Identifier: Apache-2.0
// A thread that answers for introducers (dht/front): it reads sockets of its own, which share their ports with those of
// the nodes (bind_udp_group), and hands over by a FrontLine what is not for it. It owns its sockets and fronts. Made
// and ended on the network thread; while it lives nobody else touches them.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "dht/front.hpp"
#include "node/drive/front_line.hpp"
#include "node/net/fd.hpp"
#include "node/ops/mapping.hpp"

namespace lodestone::node {

class FrontThread {
 public:
  struct Post {
    UniqueFd socket;
    std::unique_ptr<Mapping> memory;  // the front's; null: it has its own
    std::unique_ptr<dht::Front> front;
    std::shared_ptr<FrontLine> line;
  };
  /// Throws std::system_error when the system has no thread or descriptor left.
  explicit FrontThread(std::vector<Post> posts);
  /// Ends it, and waits for that: some microseconds.
  ~FrontThread();
  FrontThread(const FrontThread&) = delete;
  FrontThread& operator=(const FrontThread&) = delete;

 private:
  struct Desk;

  void run();

  std::vector<std::unique_ptr<Desk>> desks_;
  UniqueFd end_;  // an eventfd
  std::thread thread_;
};

}  // namespace lodestone::node
