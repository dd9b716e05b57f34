// SPDX-License-Identifier: Apache-2.0
// Binding: UDP and TCP of an address share one number, and addresses without an explicit port share it among themselves
// as far as that can be had (the extension handshake has room for one port only).
#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>

#include "node/net/sockets.hpp"
#include "node/session_impl.hpp"

namespace lodestone::node {
namespace {

constexpr int kEphemeralTries = 32;
constexpr std::uint16_t kFirstPort = 6881, kLastPort = 6999;

struct BindFailure {
  wire::Endpoint where;
  std::error_code error;
  [[nodiscard]] bool taken() const { return error == std::errc::address_in_use; }
};

struct Wish {
  wire::Address address;
  bool optional = false;  // a family that this machine does not have is no failure
};

StartError to_start_error(const BindFailure& failure) {
  const auto kind = failure.taken() || failure.error == std::errc::permission_denied ? StartError::Kind::port_taken
                                                                                     : StartError::Kind::no_interface;
  return {kind, failure.where.text(), failure.error.message()};
}

/// Port 0: any, the same for both.
std::expected<BoundPort, BindFailure> bind_one(const SessionConfig& config, wire::Endpoint where) {
  BoundPort port;
  if (config.dht) {
    auto group = bind_udp_group(where, std::max<std::size_t>(config.dht_threads, 1));
    if (!group) return std::unexpected(BindFailure{where, group.error()});
    port.udp = std::move(group->front());
    port.fronts.assign(std::make_move_iterator(group->begin() + 1), std::make_move_iterator(group->end()));
    where.port = local_endpoint(port.udp.fd()).value_or(where).port;
  }
  if (config.tcp) {
    auto tcp = listen_tcp(where);
    if (!tcp) return std::unexpected(BindFailure{where, tcp.error()});
    port.tcp = *std::move(tcp);
    where.port = local_endpoint(port.tcp.fd()).value_or(where).port;
  }
  port.local = where;
  return port;
}

/// All wishes on one number; 0: whichever the first one gets.
std::expected<std::vector<BoundPort>, BindFailure> bind_together(const SessionConfig& config,
                                                                 const std::vector<Wish>& wishes,
                                                                 std::uint16_t number) {
  std::vector<BoundPort> bound;
  std::optional<BindFailure> skipped;
  for (const Wish& wish : wishes) {
    auto port = bind_one(config, {wish.address, number});
    if (port) {
      number = port->local.port;
      bound.push_back(*std::move(port));
    } else if (wish.optional && !port.error().taken()) {
      skipped = port.error();
    } else {
      return std::unexpected(port.error());
    }
  }
  if (bound.empty() && skipped) return std::unexpected(*skipped);
  return bound;
}

std::expected<std::vector<BoundPort>, BindFailure> bind_by_rule(const SessionConfig& config,
                                                                const std::vector<Wish>& wishes) {
  if (config.port_rule == PortRule::first_free_6881_6999) {
    for (std::uint16_t number = kFirstPort;; ++number) {
      auto bound = bind_together(config, wishes, number);
      if (bound || !bound.error().taken() || number == kLastPort) return bound;
    }
  }
  for (int i = 1;; ++i) {
    auto bound = bind_together(config, wishes, 0);
    if (bound || !bound.error().taken() || i == kEphemeralTries) return bound;
  }
}

}  // namespace

std::expected<std::vector<BoundPort>, StartError> Session::Impl::bind_all() const {
  std::vector<BoundPort> bound;
  std::vector<Wish> wishes;
  const auto wanted = [this](const wire::Address& a) { return a.is_v4() ? config.v4 : config.v6; };
  for (const ListenAddress& listen : config.listen) {
    if (!wanted(listen.address)) continue;
    if (!listen.port || *listen.port == 0) {
      wishes.push_back({listen.address, false});
      continue;
    }
    auto port = bind_one(config, {listen.address, *listen.port});
    if (!port) return std::unexpected(to_start_error(port.error()));
    bound.push_back(*std::move(port));
  }
  if (config.listen.empty()) {
    // A machine without one of the families is an ordinary one; it is a failure only if nothing is left.
    if (config.v4) wishes.push_back({wire::Address{}, true});
    if (config.v6) wishes.push_back({wire::Address::v6({}), true});
  }
  if (!wishes.empty()) {
    auto rest = bind_by_rule(config, wishes);
    if (!rest) return std::unexpected(to_start_error(rest.error()));
    std::move(rest->begin(), rest->end(), std::back_inserter(bound));
  }
  if (bound.empty())
    return std::unexpected(StartError{StartError::Kind::no_interface, "listen", "no address of the chosen family"});
  return bound;
}

}  // namespace lodestone::node
