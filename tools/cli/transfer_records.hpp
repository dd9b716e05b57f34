// SPDX-License-Identifier: Apache-2.0
// The JSON records of `get` and `seed`, exactly as cli.md has them; each carries the info-hash. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "magnet/metainfo.hpp"
#include "magnet/swarm/torrent.hpp"
#include "node/session.hpp"
#include "tools/cli/transfer_phase.hpp"
#include "wire/base/id.hpp"

namespace lodestone::tools {

/// How long each stage of a download took, in seconds; their sum is when it was finished, counted from process start.
struct StageSeconds {
  double bootstrap = 0;  // until a DHT node answered
  double lookup = 0;     // until a peer was known
  double metadata = 0;   // until the info dict was verified
  double transfer = 0;   // until every piece was stored, opening and checking included
};
/// Stages that did not happen, or happened while an earlier one still ran, take no time.
[[nodiscard]] StageSeconds stage_seconds(const node::TorrentTimes& times, double finished);

struct DoneFacts {
  std::string path;         // where the user finds it
  std::uint64_t bytes = 0;  // size of what was asked for
  double seconds = 0;       // from process start
  StageSeconds stages{};
  std::uint64_t downloaded = 0;  // payload bytes received in this run
  std::uint64_t verified_pieces = 0;
};

[[nodiscard]] nlohmann::ordered_json phase_record(const wire::InfoHash& hash, const PhaseChange& change);
[[nodiscard]] nlohmann::ordered_json metadata_record(const wire::InfoHash& hash, const magnet::Info& info);
[[nodiscard]] nlohmann::ordered_json progress_record(const wire::InfoHash& hash, const magnet::TorrentStatus& status);
[[nodiscard]] nlohmann::ordered_json stall_record(const wire::InfoHash& hash, std::string_view code,
                                                  std::string_view detail, std::string_view hint);
[[nodiscard]] nlohmann::ordered_json done_record(const wire::InfoHash& hash, const DoneFacts& facts);
[[nodiscard]] nlohmann::ordered_json seeding_record(const wire::InfoHash& hash, std::string_view magnet,
                                                    std::uint32_t announced);

/// Seconds to the end at the present rate; nullopt: nothing moves.
[[nodiscard]] std::optional<double> eta_seconds(const magnet::TorrentStatus& status);

}  // namespace lodestone::tools
