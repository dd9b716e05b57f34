// SPDX-License-Identifier: Apache-2.0
// Names to addresses: all A and AAAA of each name, by getaddrinfo on helper threads (D5). Numeric hosts and "localhost"
// need no thread and no network. A helper that hangs in a dead DNS is left behind, never waited for: it owns what it
// touches.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "magnet/uri.hpp"
#include "wire/base/endpoint.hpp"

namespace lodestone::node {

class Resolver {
 public:
  using Done = std::function<void(std::vector<wire::Endpoint>)>;
  /// Runs a function on the network thread; must stay callable from any thread until the Resolver is destroyed.
  using Post = std::function<void(std::function<void()>)>;

  explicit Resolver(Post post);
  /// What is under way is forgotten: no more calls of `done`.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// Calls `done` once on the network thread, never from inside this call; empty when the name has no address now.
  void resolve(const magnet::HostPort& name, Done done);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

/// The endpoints of a host that is an address or "localhost"; nullopt: it must be asked for.
[[nodiscard]] std::optional<std::vector<wire::Endpoint>> numeric_endpoints(const magnet::HostPort& name);

}  // namespace lodestone::node
