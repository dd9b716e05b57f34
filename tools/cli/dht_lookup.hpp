// SPDX-License-Identifier: Apache-2.0
// One lookup of a `dht ...` command, over all families that the session has: when it begins, when it is complete, when
// it is hopeless.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "tools/cli/dht_run.hpp"

namespace lodestone::tools {

class DhtLookup {
 public:
  struct Result {
    dht::LookupStats stats;              // of all families together
    double bootstrap_seconds = 0;        // from process start to the first packet
    std::vector<wire::Endpoint> stored;  // of an announcing lookup or a put
    std::uint32_t refused = 0;
    std::uint32_t conflicts = 0;  // of a put: refused because of what is stored already
  };

  struct Handlers {
    std::function<std::vector<node::Session::DhtNodeRef>(node::Session&)> begin;  // starts it on every family
    std::function<void(const dht::event::PeersFound&, double elapsed)> on_peers;  // may be empty
    std::function<void(const Result&)> on_done;                                   // it calls finish() or fail()
    std::function<void(const dht::Event&)> on_event = {};  // of one of the lookups, any other; may be empty
  };

  /// `wait`: dwells that long after the start, so that the table is filled, before it begins.
  DhtLookup(DhtRun& run, std::optional<wire::Duration> wait, bool announces, Handlers handlers);

  /// The whole command.
  ExitCode run();

 private:
  struct Part {
    wire::Family family;
    dht::LookupId id;
    std::optional<dht::LookupStats> stats;
    bool announced = false;
    double ended_at = 0;
  };

  void on_event(wire::Family family, const dht::Event& event);
  bool tick();
  void begin();
  [[nodiscard]] Part* find(wire::Family family, dht::LookupId id);
  [[nodiscard]] bool complete(const Part& part) const { return part.stats && (!announces_ || part.announced); }
  [[nodiscard]] bool all_complete(double now) const;
  [[nodiscard]] bool answered(wire::Family family) const;
  void done();

  DhtRun& run_;
  std::optional<wire::Duration> wait_;
  bool announces_;
  Handlers handlers_;
  double started_at_ = 0;           // seconds since process start
  std::optional<double> begun_at_;  // likewise: the first packet, as near as can be told from here
  std::vector<Part> parts_;
  Result result_;
};

}  // namespace lodestone::tools
