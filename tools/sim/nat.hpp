// SPDX-License-Identifier: Apache-2.0
// What stands between a host and the network: nothing, or a box that lets a datagram in only through a pinhole that the
// host itself has opened by sending, and that closes after a while of silence. Pure; one Nat per host.
//
//   open             everything comes in; connections, too
//   full_cone        one public port; once open, anybody may send to it
//   port_restricted  one public port; only endpoints that were sent to may answer
//   unreachable      a public port of its own for each destination: what others tell each other about this host never
//   works
//
// Connections (streams) come in at open hosts only; going out works from everywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "wire/base/endpoint.hpp"
#include "wire/base/rng.hpp"
#include "wire/base/time.hpp"

namespace lodestone::tools::sim {

enum class NatKind : std::uint8_t { open, full_cone, port_restricted, unreachable };

/// Shares of the kinds in a crowd; what is left of 1 is open.
struct NatMix {
  double full_cone = 0, port_restricted = 0, unreachable = 0;
  /// What measurements of the public DHT found.
  [[nodiscard]] static NatMix public_dht() { return {0.05, 0.40, 0.15}; }
  [[nodiscard]] NatKind draw(wire::Rng& rng) const;
};

class Nat {
 public:
  static constexpr wire::Duration kPinholeLifetime = std::chrono::seconds(60);

  explicit Nat(NatKind kind) : kind_(kind) {}

  [[nodiscard]] NatKind kind() const { return kind_; }
  [[nodiscard]] bool accepts_connections() const { return kind_ == NatKind::open; }
  /// A datagram leaves from `port` towards `to`: opens or renews the pinhole and returns the port that `to` will see.
  std::uint16_t leave(wire::Instant now, std::uint16_t port, const wire::Endpoint& to);
  /// A datagram from `from` comes to the public port: the host's own port if it may enter.
  [[nodiscard]] std::optional<std::uint16_t> enter(wire::Instant now, std::uint16_t public_port,
                                                   const wire::Endpoint& from) const;
  /// The box was switched off.
  void forget();

 private:
  struct Pinhole {
    wire::Instant until;
    std::uint16_t port;  // of the host
    std::uint16_t public_port;
  };
  void prune(wire::Instant now);

  NatKind kind_;
  std::uint16_t next_port_ = 20'000;  // unreachable: public ports are counted up
  std::size_t prune_at_ = 64;
  std::unordered_map<std::uint16_t, wire::Instant> cone_;  // full_cone: the host's port -> open until
  std::unordered_map<wire::Endpoint, Pinhole> pinholes_;   // port_restricted, unreachable: by destination
};

}  // namespace lodestone::tools::sim
