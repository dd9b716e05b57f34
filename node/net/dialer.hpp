// SPDX-License-Identifier: Apache-2.0
// Outgoing TCP connections with a time limit. Results always come later, from the event loop, never from inside dial().
// Destroying the dialer gives all attempts up silently.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>

#include "magnet/swarm/actions.hpp"
#include "node/net/fd.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/id.hpp"
#include "wire/base/time.hpp"

namespace lodestone::node {

class Dialer {
 public:
  struct Result {
    wire::InfoHash torrent;
    wire::Endpoint to;
    std::expected<UniqueFd, magnet::DialError> socket;
  };
  using Handler = std::function<void(Result&&)>;

  Dialer(asio::io_context& io, wire::Duration timeout, Handler handler);
  ~Dialer();
  Dialer(const Dialer&) = delete;
  Dialer& operator=(const Dialer&) = delete;

  /// `source`: the local address to connect from, if that matters (an explicit --listen address).
  void dial(wire::Instant now, const wire::InfoHash& torrent, const wire::Endpoint& to,
            const std::optional<wire::Address>& source);
  /// Gives up every attempt for that torrent; no results come for them.
  void cancel(const wire::InfoHash& torrent);
  [[nodiscard]] std::size_t pending() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// What a failed connect() means for a torrent's choice of peers.
[[nodiscard]] magnet::DialError classify_dial_error(const std::error_code& error);

}  // namespace lodestone::node
