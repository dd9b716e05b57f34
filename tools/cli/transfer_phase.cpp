// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/transfer_phase.hpp"

#include <algorithm>

namespace lodestone::tools {
namespace {

TransferPhase present(const TransferFacts& facts) {
  switch (facts.status.phase) {
    case magnet::Phase::metadata:
      if (facts.times.metadata) return TransferPhase::open;
      if (facts.times.first_peer || !facts.use_dht) return TransferPhase::metadata;
      return facts.times.first_dht_answer ? TransferPhase::lookup : TransferPhase::dht;
    case magnet::Phase::opening:
    case magnet::Phase::checking: return TransferPhase::open;
    case magnet::Phase::downloading:
    case magnet::Phase::seeding:
    case magnet::Phase::stopped: return TransferPhase::download;
  }
  return TransferPhase::download;
}

/// When that phase began, if the session has noted it.
std::optional<double> began(TransferPhase phase, const node::TorrentTimes& times) {
  switch (phase) {
    case TransferPhase::lookup: return times.first_dht_answer;
    case TransferPhase::metadata: return times.first_peer;
    case TransferPhase::open: return times.metadata;
    case TransferPhase::download: return times.opened;
    default: return std::nullopt;
  }
}

/// A phase that was passed unseen and really happened before `limit`, the time of what came after it.
bool passed(TransferPhase phase, const TransferFacts& facts, double limit) {
  const auto at = began(phase, facts.times);
  return at && *at <= limit && (facts.use_dht || phase > TransferPhase::lookup);
}

}  // namespace

std::string_view name(TransferPhase phase) {
  switch (phase) {
    case TransferPhase::dht: return "dht";
    case TransferPhase::lookup: return "lookup";
    case TransferPhase::metadata: return "metadata";
    case TransferPhase::open: return "open";
    case TransferPhase::download: return "download";
    case TransferPhase::seed: return "seed";
    case TransferPhase::done: return "done";
  }
  return "";
}

void PhaseTracker::update(const TransferFacts& facts, std::vector<PhaseChange>& out) {
  const TransferPhase target = present(facts);
  if (current_ && target <= *current_) return;
  const double reached = began(target, facts.times).value_or(facts.now);
  double earliest = 0;
  // A torrent file's metadata is there before anybody was looked for: then only `open` and what follows are its phases.
  const node::TorrentTimes& times = facts.times;
  const bool by_magnet = !times.metadata || (times.first_peer && *times.first_peer <= *times.metadata);
  int next = current_ ? static_cast<int>(*current_) + 1
                      : static_cast<int>(by_magnet ? TransferPhase::dht : TransferPhase::open);
  for (; next < static_cast<int>(target); ++next) {
    const auto phase = static_cast<TransferPhase>(next);
    if (phase == TransferPhase::dht) {
      if (facts.use_dht) append(phase, 0, facts, out);
    } else if (passed(phase, facts, reached)) {
      earliest = std::max(earliest, *began(phase, facts.times));
      append(phase, earliest, facts, out);
    }
  }
  append(target, std::max(earliest, reached), facts, out);
}

void PhaseTracker::enter(TransferPhase phase, const TransferFacts& facts, std::vector<PhaseChange>& out) {
  if (current_ && phase <= *current_) return;
  append(phase, facts.now, facts, out);
}

void PhaseTracker::append(TransferPhase phase, double elapsed, const TransferFacts& facts,
                          std::vector<PhaseChange>& out) {
  current_ = phase;
  out.push_back({phase, elapsed, facts.dht_nodes, facts.asked, facts.status.seen, facts.status.bytes_done,
                 facts.status.bytes_total});
}

}  // namespace lodestone::tools
