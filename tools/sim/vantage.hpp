// SPDX-License-Identifier: Apache-2.0
// A node from which an experiment looks: ours, or one that searches under a rival policy. Each has the same id, place,
// line and first table whatever its policy is.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "tools/sim/settled_crowd.hpp"
#include "tools/sim/wiretap.hpp"

namespace lodestone::tools::sim {

class Vantage {
 public:
  virtual ~Vantage() { world_.watch(host_, nullptr); }
  Vantage(const Vantage&) = delete;
  Vantage& operator=(const Vantage&) = delete;

  virtual void find_node(const wire::Key& target) = 0;
  virtual void get_peers(const wire::InfoHash& info_hash) = 0;
  virtual void announce(const wire::InfoHash& info_hash, std::uint16_t port) = 0;

  [[nodiscard]] Wiretap& tap() { return tap_; }

 protected:
  Vantage(World& world, HostId host) : world_(world), host_(host) { world.watch(host, &tap_); }
  [[nodiscard]] Instant now() const { return world_.now(); }

 private:
  World& world_;
  HostId host_;
  Wiretap tap_;
};

/// "lodestone" and those of policy.hpp.
[[nodiscard]] std::span<const std::string_view> policy_names();
/// One of the crowd's residents that are left to the caller. The name is one of policy_names().
[[nodiscard]] std::unique_ptr<Vantage> make_vantage(SettledCrowd& crowd, SettledCrowd::Number number,
                                                    std::string_view policy);
/// Somebody on a new host who knows nobody but these, and begins at once.
[[nodiscard]] std::unique_ptr<Vantage> make_newcomer(SettledCrowd& crowd, std::string_view policy,
                                                     const wire::NodeId& id, HostId host,
                                                     std::span<const Endpoint> introducers);

}  // namespace lodestone::tools::sim
