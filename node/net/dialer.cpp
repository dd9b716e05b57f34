// SPDX-License-Identifier: Apache-2.0
#include "node/net/dialer.hpp"

#include <cerrno>
#include <utility>
#include <vector>

#include "node/net/clock.hpp"
#include "node/net/sockets.hpp"
#include "node/net/timer.hpp"
#include "wire/base/slab.hpp"

namespace lodestone::node {
namespace {

struct Attempt {
  wire::InfoHash torrent;
  wire::Endpoint to;
  wire::Instant deadline;
  WatchedFd socket;
  std::optional<magnet::DialError> failed;  // decided inside dial(), to be told from the event loop
};
using AttemptKey = wire::SlabKey<struct AttemptTag>;

}  // namespace

struct Dialer::State {
  State(asio::io_context& loop, wire::Duration limit, Handler h)
      : io(loop), timeout(limit), handler(std::move(h)), timer(loop, [this] { on_timer(); }) {}

  asio::io_context& io;
  wire::Duration timeout;
  Handler handler;
  Timer timer;
  wire::Slab<Attempt, AttemptTag> attempts;

  void on_writable(AttemptKey key);
  void on_timer();
  void finish(AttemptKey key, std::expected<UniqueFd, magnet::DialError> socket);
};

Dialer::Dialer(asio::io_context& io, wire::Duration timeout, Handler handler)
    : state_(std::make_unique<State>(io, timeout, std::move(handler))) {}

Dialer::~Dialer() = default;

void Dialer::dial(wire::Instant now, const wire::InfoHash& torrent, const wire::Endpoint& to,
                  const std::optional<wire::Address>& source) {
  State* state = state_.get();
  const AttemptKey key = state->attempts.emplace(Attempt{torrent, to, now + state->timeout, WatchedFd{}, std::nullopt});
  Attempt& attempt = *state->attempts.find(key);
  auto socket = connect_tcp(to, source);
  if (socket) {
    attempt.socket =
        WatchedFd{state->io, *std::move(socket), [state, key](WatchedFd::Ready) { state->on_writable(key); }};
  }
  if (attempt.socket.valid()) {
    attempt.socket.want_write();
  } else {
    attempt.failed = socket ? magnet::DialError::local : classify_dial_error(socket.error());
    attempt.deadline = now;
  }
  state->timer.arm(attempt.deadline);
}

void Dialer::cancel(const wire::InfoHash& torrent) {
  state_->attempts.for_each([&](AttemptKey key, const Attempt& attempt) {
    if (attempt.torrent == torrent) state_->attempts.erase(key);
  });
}

std::size_t Dialer::pending() const { return state_->attempts.size(); }

void Dialer::State::on_writable(AttemptKey key) {
  Attempt* attempt = attempts.find(key);
  if (attempt == nullptr) return;
  if (const std::error_code error = connect_result(attempt->socket.fd())) {
    finish(key, std::unexpected(classify_dial_error(error)));
  } else {
    finish(key, attempt->socket.release());
  }
}

void Dialer::State::on_timer() {
  const wire::Instant now = clock_now();
  wire::Instant next = wire::kNever;
  std::vector<AttemptKey> due;
  attempts.for_each([&](AttemptKey key, const Attempt& attempt) {
    if (attempt.deadline <= now) {
      due.push_back(key);
    } else if (attempt.deadline < next) {
      next = attempt.deadline;
    }
  });
  timer.arm(next);
  for (const AttemptKey key : due) {  // a handler may cancel what comes after it
    if (const Attempt* attempt = attempts.find(key))
      finish(key, std::unexpected(attempt->failed.value_or(magnet::DialError::timed_out)));
  }
}

void Dialer::State::finish(AttemptKey key, std::expected<UniqueFd, magnet::DialError> socket) {
  Attempt* attempt = attempts.find(key);
  Result result{attempt->torrent, attempt->to, std::move(socket)};
  attempts.erase(key);
  handler(std::move(result));
}

magnet::DialError classify_dial_error(const std::error_code& error) {
  switch (error.value()) {
    case ECONNREFUSED:
    case ECONNRESET: return magnet::DialError::refused;
    case ETIMEDOUT: return magnet::DialError::timed_out;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EACCES:
    case EPERM:
    case EAFNOSUPPORT:
    case EADDRNOTAVAIL:
    case EINVAL: return magnet::DialError::unreachable;
    default: return magnet::DialError::local;
  }
}

}  // namespace lodestone::node
