// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/transfer_records.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <nlohmann/json.hpp>

namespace lodestone::tools {
namespace {

using nlohmann::ordered_json;

constexpr std::array<std::string_view, magnet::kPeerSources> kSources = {"dht", "pex", "lsd", "magnet", "incoming"};

/// Durations to the millisecond: more digits say nothing.
double rounded(double seconds) { return std::round(seconds * 1000) / 1000; }

std::uint64_t bytes_per_second(double rate) { return rate > 0 ? static_cast<std::uint64_t>(std::llround(rate)) : 0; }

}  // namespace

StageSeconds stage_seconds(const node::TorrentTimes& times, double finished) {
  // With everything on disk already nobody had to be found.
  if (!times.first_peer || *times.first_peer >= finished) return {.transfer = finished};
  const double found = std::max(0.0, *times.first_peer);
  // Peers may be known before a DHT node answers (x.pe, --peer): then nobody waited for the DHT.
  const double bootstrapped = std::clamp(times.first_dht_answer.value_or(0), 0.0, found);
  // With a torrent file, or an info dict of an earlier run, the metadata was there before.
  const double described = std::clamp(times.metadata.value_or(found), found, finished);
  return {bootstrapped, found - bootstrapped, described - found, finished - described};
}

ordered_json phase_record(const wire::InfoHash& hash, const PhaseChange& change) {
  return {{"type", "phase"},
          {"info_hash", hash.hex()},
          {"phase", name(change.phase)},
          {"elapsed", rounded(change.elapsed)},
          {"dht_nodes", change.dht_nodes},
          {"asked", change.asked},
          {"peers", change.peers},
          {"bytes_done", change.bytes_done},
          {"bytes_total", change.bytes_total}};
}

ordered_json metadata_record(const wire::InfoHash& hash, const magnet::Info& info) {
  ordered_json files = ordered_json::array();
  for (const storage::FileEntry& file : info.files) {
    ordered_json entry = {{"path", file.joined()}, {"size", file.size}};
    // Kept in the list so that a file's place in it is its index (--select, `so`).
    if (file.pad) entry["pad"] = true;
    files.push_back(std::move(entry));
  }
  return {{"type", "metadata"},        {"info_hash", hash.hex()},           {"name", info.name},
          {"size", info.total_size()}, {"piece_length", info.piece_length}, {"files", std::move(files)}};
}

ordered_json progress_record(const wire::InfoHash& hash, const magnet::TorrentStatus& status) {
  ordered_json by_source;
  for (std::size_t i = 0; i < kSources.size(); ++i) by_source[std::string(kSources[i])] = status.seen_by_source[i];
  const auto eta = eta_seconds(status);
  return {{"type", "progress"},
          {"info_hash", hash.hex()},
          {"bytes_done", status.bytes_done},
          {"bytes_total", status.bytes_total},
          {"rate_down", bytes_per_second(status.rate_down)},
          {"rate_up", bytes_per_second(status.rate_up)},
          {"peers", {{"connected", status.connected}, {"seen", status.seen}, {"by_source", std::move(by_source)}}},
          {"eta", eta ? ordered_json(rounded(*eta)) : ordered_json(nullptr)}};
}

ordered_json stall_record(const wire::InfoHash& hash, std::string_view code, std::string_view detail,
                          std::string_view hint) {
  return {{"type", "stall"}, {"info_hash", hash.hex()}, {"reason", code}, {"detail", detail}, {"hint", hint}};
}

ordered_json done_record(const wire::InfoHash& hash, const DoneFacts& facts) {
  return {{"type", "done"},
          {"info_hash", hash.hex()},
          {"path", facts.path},
          {"bytes", facts.bytes},
          {"seconds", rounded(facts.seconds)},
          {"bootstrap_seconds", rounded(facts.stages.bootstrap)},
          {"lookup_seconds", rounded(facts.stages.lookup)},
          {"metadata_seconds", rounded(facts.stages.metadata)},
          {"transfer_seconds", rounded(facts.stages.transfer)},
          {"downloaded", facts.downloaded},
          {"verified_pieces", facts.verified_pieces}};
}

ordered_json seeding_record(const wire::InfoHash& hash, std::string_view magnet, std::uint32_t announced) {
  return {{"type", "seeding"}, {"info_hash", hash.hex()}, {"magnet", magnet}, {"announced", announced}};
}

std::optional<double> eta_seconds(const magnet::TorrentStatus& status) {
  if (status.bytes_total > 0 && status.bytes_done >= status.bytes_total) return 0.0;
  if (status.bytes_total == 0 || status.rate_down < 1) return std::nullopt;
  return static_cast<double>(status.bytes_total - status.bytes_done) / status.rate_down;
}

}  // namespace lodestone::tools
