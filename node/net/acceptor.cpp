// SPDX-License-Identifier: Apache-2.0
#include "node/net/acceptor.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "node/net/clock.hpp"
#include "node/net/sockets.hpp"
#include "node/net/timer.hpp"

namespace lodestone::node {
namespace {

constexpr int kPerWake = 32;
constexpr wire::Duration kPause = std::chrono::seconds(1);

}  // namespace

struct Acceptor::State {
  State(asio::io_context& io, Handler h) : handler(std::move(h)), pause(io, [this] { fd.want_read(); }) {}

  Handler handler;
  wire::Endpoint local;
  WatchedFd fd;
  Timer pause;

  void on_readable();
};

Acceptor::Acceptor(asio::io_context& io, UniqueFd socket, Handler handler)
    : state_(std::make_unique<State>(io, std::move(handler))) {
  state_->local = local_endpoint(socket.fd()).value_or(wire::Endpoint{});
  State* state = state_.get();
  state_->fd = WatchedFd{io, std::move(socket), [state](WatchedFd::Ready) { state->on_readable(); }};
  state_->fd.want_read();
}

Acceptor::~Acceptor() = default;

const wire::Endpoint& Acceptor::local() const { return state_->local; }

void Acceptor::State::on_readable() {
  for (int i = 0; i < kPerWake; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    UniqueFd socket{::accept4(fd.fd(), reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!socket) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        pause.arm(clock_now() + kPause);
        return;
      }
      continue;  // this one came to nothing (ECONNABORTED, a network error, a signal); the next may be fine
    }
    if (const auto remote = from_sockaddr(address)) {
      set_no_delay(socket.fd());
      handler(std::move(socket), *remote);
    }
  }
  fd.want_read();
}

}  // namespace lodestone::node
