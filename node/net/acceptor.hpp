// SPDX-License-Identifier: Apache-2.0
// A listening TCP socket. Bounded work per wake-up; when the system runs out of descriptors it pauses for a second
// instead of spinning on a backlog that it cannot take.
#pragma once

#include <functional>
#include <memory>

#include "node/net/fd.hpp"
#include "wire/base/endpoint.hpp"

namespace lodestone::node {

class Acceptor {
 public:
  using Handler = std::function<void(UniqueFd socket, const wire::Endpoint& remote)>;

  /// `socket` from listen_tcp(). The handler must not destroy the acceptor.
  Acceptor(asio::io_context& io, UniqueFd socket, Handler handler);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  [[nodiscard]] const wire::Endpoint& local() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lodestone::node
