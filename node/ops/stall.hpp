// SPDX-License-Identifier: Apache-2.0
// Why nothing moves, in words for a person (cli.md): the torrent's own judgement and the DHT's part of the story become
// one reason with a detail (what is the case) and a hint (what can be done). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "magnet/swarm/torrent.hpp"
#include "storage/plan/job.hpp"
#include "wire/base/time.hpp"

namespace lodestone::node {

inline constexpr wire::Duration kStallAfter = std::chrono::seconds(15);

/// What the driver knows and the torrent does not.
struct StallFacts {
  wire::Duration quiet{};     // since the torrent started or a peer was last found, whichever is later
  bool dht_used = false;      // this torrent may use the DHT and the session has one
  bool dht_answered = false;  // some node ever answered
  std::size_t dht_table = 0;  // nodes known
  std::size_t lookups_done = 0;
  std::size_t nodes_answered = 0;  // in the last complete lookup, all families
  bool has_introducers = true;     // there is somebody to ask at all (routers, --bootstrap, saved nodes)
  storage::Trouble trouble;        // the disk's last one
};

struct StallVerdict {
  magnet::StallReason reason = magnet::StallReason::none;
  std::string_view code =
      "";  // stable, for programs: magnet::code(reason), but "disk-full" where the disk is just that
  std::string detail, hint;
};

[[nodiscard]] StallVerdict judge_stall(const magnet::TorrentStatus& status, const StallFacts& facts);

}  // namespace lodestone::node
