// SPDX-License-Identifier: Apache-2.0
// What a download is busy with, as a person is told: dht, lookup, metadata, open, download, seed, done. Follows from
// facts that are polled, so that short phases are noticed late; they are reported all the same, with the time they
// began. Pure. Invariant: phases only go forward.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "magnet/swarm/torrent.hpp"
#include "node/session.hpp"

namespace lodestone::tools {

enum class TransferPhase : std::uint8_t { dht, lookup, metadata, open, download, seed, done };
[[nodiscard]] std::string_view name(TransferPhase phase);

struct TransferFacts {
  magnet::TorrentStatus status;
  node::TorrentTimes times;
  bool use_dht = true;
  std::size_t dht_nodes = 0;  // in the tables
  std::size_t asked = 0;      // by this torrent's lookups
  double now = 0;             // seconds since process start
};

struct PhaseChange {
  TransferPhase phase;
  double elapsed;  // seconds since process start
  std::size_t dht_nodes, asked, peers;
  std::uint64_t bytes_done = 0, bytes_total = 0;  // verified and wanted; at `download`: what was there before
};

class PhaseTracker {
 public:
  /// Appends every phase that has begun since the last call.
  void update(const TransferFacts& facts, std::vector<PhaseChange>& out);
  /// seed, done: the command's own decision.
  void enter(TransferPhase phase, const TransferFacts& facts, std::vector<PhaseChange>& out);
  [[nodiscard]] std::optional<TransferPhase> current() const { return current_; }

 private:
  void append(TransferPhase phase, double elapsed, const TransferFacts& facts, std::vector<PhaseChange>& out);

  std::optional<TransferPhase> current_;
};

}  // namespace lodestone::tools
