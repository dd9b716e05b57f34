// SPDX-License-Identifier: Apache-2.0
#include "node/ops/stall.hpp"

#include <fmt/core.h>

namespace lodestone::node {
namespace {

using magnet::Phase;
using magnet::StallReason;

bool wants_peers(Phase phase) { return phase == Phase::metadata || phase == Phase::downloading; }

/// With no peer known at all it is about finding some, and that is the DHT's story.
StallReason reason_without_peers(const StallFacts& facts) {
  if (facts.dht_used && !facts.dht_answered) return StallReason::dht_unreachable;
  // While the first lookup is still on its way nobody can say that there is nobody.
  if (facts.dht_used && facts.lookups_done == 0) return StallReason::none;
  return StallReason::nobody_stores_hash;
}

StallReason reason_of(const magnet::TorrentStatus& status, const StallFacts& facts) {
  if (status.stall == StallReason::disk || status.stall == StallReason::limits) return status.stall;
  if (!wants_peers(status.phase)) return StallReason::none;
  if (status.seen == 0) return facts.quiet >= kStallAfter ? reason_without_peers(facts) : StallReason::none;
  return status.stall;
}

std::string disk_hint(storage::Trouble::Kind kind) {
  switch (kind) {
    case storage::Trouble::Kind::disk_full: return "free some space; the download goes on by itself";
    case storage::Trouble::Kind::permission: return "make the folder writable, or choose another one with -o";
    case storage::Trouble::Kind::read_only: return "choose a folder on a writable file system with -o";
    default: return "check the disk; the download goes on by itself when it works again";
  }
}

std::string dht_unreachable_hint(const StallFacts& facts) {
  if (!facts.has_introducers) return "name a node with --bootstrap HOST:PORT, or a peer with --peer HOST:PORT";
  return "check the connection and that a firewall lets UDP out, or name a node with --bootstrap HOST:PORT";
}

StallVerdict nobody_stores_hash(const StallFacts& facts) {
  if (!facts.dht_used) {
    return {StallReason::nobody_stores_hash, "", "no peer is known, and the DHT is not used for this torrent",
            "name a peer with --peer HOST:PORT, or allow the DHT"};
  }
  return {StallReason::nobody_stores_hash, "",
          fmt::format("the lookup is complete: {} DHT nodes answered and none of them knows a peer for this hash",
                      facts.nodes_answered),
          "check the info-hash; if it is right, nobody shares it now: it is asked for again every minute or two"};
}

StallVerdict explain(StallReason reason, const magnet::TorrentStatus& status, const StallFacts& facts) {
  switch (reason) {
    case StallReason::none: return {};
    case StallReason::dht_unreachable:
      return {reason, "", facts.has_introducers ? "no DHT node has answered yet" : "no DHT node is known to start from",
              dht_unreachable_hint(facts)};
    case StallReason::nobody_stores_hash: return nobody_stores_hash(facts);
    case StallReason::peers_unreachable:
      return {
          reason, "",
          fmt::format("{} peers are known and none can be reached ({} refused, {} did not answer)", status.seen,
                      status.dial_refused, status.dial_timed_out),
          "they may be gone or behind a firewall; an open port on this side lets them come to us (--listen ADDR:PORT)"};
    case StallReason::no_metadata:
      return {
          reason, "", fmt::format("{} peers are connected and none has the metadata", status.connected),
          "they are waiting for it, too; it comes when somebody who has the content connects, or from a .torrent file"};
    case StallReason::missing_pieces:
      return {reason, "",
              fmt::format("none of the {} connected peers has a piece that is missing here", status.connected),
              "it goes on when somebody with the rest connects; leave it running"};
    case StallReason::all_choke:
      return {reason, "", fmt::format("all {} connected peers are busy serving others", status.connected),
              "they serve a few at a time, in turn; leave it running"};
    case StallReason::disk: {
      std::string what = facts.trouble.code ? facts.trouble.code.message() : "the disk does not take what was received";
      if (!facts.trouble.path.empty()) what = fmt::format("{}: {}", facts.trouble.path, what);
      return {reason, "", std::move(what), disk_hint(facts.trouble.kind)};
    }
    case StallReason::limits:
      return {reason, "", "a limit of this session holds the transfer back",
              "raise --max-peers, or stop another torrent"};
  }
  return {};
}

std::string_view code_of(StallReason reason, const StallFacts& facts) {
  const bool full = reason == StallReason::disk && facts.trouble.kind == storage::Trouble::Kind::disk_full;
  return full ? "disk-full" : magnet::code(reason);
}

}  // namespace

StallVerdict judge_stall(const magnet::TorrentStatus& status, const StallFacts& facts) {
  const StallReason reason = reason_of(status, facts);
  StallVerdict verdict = explain(reason, status, facts);
  verdict.code = code_of(reason, facts);
  return verdict;
}

}  // namespace lodestone::node
