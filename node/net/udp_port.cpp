// SPDX-License-Identifier: Apache-2.0
#include "node/net/udp_port.hpp"

#include <optional>

namespace lodestone::node {

namespace {

// As many answers are cheaper with the watcher taken off and put back on again.
constexpr std::size_t kRestAt = 16;

}  // namespace

struct UdpPort::State {
  WatchedFd fd;
  Handler handler;
  std::optional<UdpBatch> batch;

  void on_readable();
};

UdpPort::UdpPort(asio::io_context& io, UniqueFd socket, Handler handler) : state_(std::make_unique<State>()) {
  state_->handler = std::move(handler);
  state_->batch.emplace(socket.fd());
  State* state = state_.get();  // owns the watcher, which calls nobody after its end
  state_->fd = WatchedFd{io, std::move(socket), [state](WatchedFd::Ready) { state->on_readable(); }};
  state_->fd.want_read();
}

UdpPort::~UdpPort() = default;

const wire::Endpoint& UdpPort::local() const { return state_->batch->local(); }
const UdpPort::Counters& UdpPort::counters() const { return state_->batch->counters(); }

void UdpPort::State::on_readable() {
  for (std::size_t i = 0; i < kBatchesPerWake; ++i) {
    const auto received = batch->receive();
    if (received.size() >= kRestAt) fd.rest();
    if (!received.empty()) handler(received);
    if (!batch->look_again()) break;
  }
  fd.want_read();
}

void UdpPort::send(const wire::DatagramBatch& batch, std::span<const wire::Address> sources) {
  state_->batch->send(batch, sources);
}

}  // namespace lodestone::node
