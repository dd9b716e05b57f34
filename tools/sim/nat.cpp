// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/nat.hpp"

#include <algorithm>

namespace lodestone::tools::sim {

NatKind NatMix::draw(wire::Rng& rng) const {
  double at = rng.unit();
  if ((at -= full_cone) < 0) return NatKind::full_cone;
  if ((at -= port_restricted) < 0) return NatKind::port_restricted;
  if ((at -= unreachable) < 0) return NatKind::unreachable;
  return NatKind::open;
}

std::uint16_t Nat::leave(wire::Instant now, std::uint16_t port, const wire::Endpoint& to) {
  const wire::Instant until = now + kPinholeLifetime;
  switch (kind_) {
    case NatKind::open: return port;
    case NatKind::full_cone: cone_[port] = until; return port;
    case NatKind::port_restricted:
    case NatKind::unreachable: break;
  }
  prune(now);
  const auto [it, fresh] = pinholes_.try_emplace(to, Pinhole{until, port, port});
  Pinhole& hole = it->second;
  if (kind_ == NatKind::unreachable && (fresh || hole.until <= now || hole.port != port)) {
    hole.public_port = next_port_;
    next_port_ = next_port_ == 65'535 ? std::uint16_t{20'000} : static_cast<std::uint16_t>(next_port_ + 1);
  }
  if (kind_ == NatKind::port_restricted) hole.public_port = port;
  hole.port = port;
  hole.until = until;
  return hole.public_port;
}

std::optional<std::uint16_t> Nat::enter(wire::Instant now, std::uint16_t public_port,
                                        const wire::Endpoint& from) const {
  switch (kind_) {
    case NatKind::open: return public_port;
    case NatKind::full_cone: {
      const auto it = cone_.find(public_port);
      if (it == cone_.end() || it->second <= now) return std::nullopt;
      return public_port;
    }
    case NatKind::port_restricted:
    case NatKind::unreachable: break;
  }
  const auto it = pinholes_.find(from);
  if (it == pinholes_.end() || it->second.until <= now || it->second.public_port != public_port) return std::nullopt;
  return it->second.port;
}

void Nat::forget() {
  cone_.clear();
  pinholes_.clear();
}

/// Keeps the table as large as what is open; amortised over the datagrams that made it grow.
void Nat::prune(wire::Instant now) {
  if (pinholes_.size() < prune_at_) return;
  std::erase_if(pinholes_, [now](const auto& entry) { return entry.second.until <= now; });
  prune_at_ = std::max<std::size_t>(64, pinholes_.size() * 2);
}

}  // namespace lodestone::tools::sim
