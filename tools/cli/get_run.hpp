// SPDX-License-Identifier: Apache-2.0
// The running part of `get`: one session, several downloads, each from "not started" to an outcome. On the network
// thread but for run() itself.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "tools/cli/context.hpp"
#include "tools/cli/seed_goal.hpp"
#include "tools/cli/target.hpp"

namespace lodestone::tools {

struct GetOptions {
  std::vector<std::string> targets;
  std::string folder;               // -o; empty: the current one
  std::vector<std::string> select;  // --select
  bool list = false;
  bool sequential = false;
  bool force = false;
  bool no_dht = false, no_pex = false;
  std::size_t max_peers = 80;
  bool metadata_only = false;
  std::string metadata_file;     // of --metadata-only=FILE; empty: <name>.torrent in the folder
  std::optional<SeedGoal> seed;  // --seed

  /// A name in the download folder, as the user would write it.
  [[nodiscard]] std::string in_folder(const std::string& name) const;
};

/// The codes of several inputs as one: ok, the only one, or partial.
[[nodiscard]] ExitCode combined(const std::vector<ExitCode>& codes);

/// Without pads.
[[nodiscard]] std::size_t file_count(const magnet::Info& info);
/// What --list prints once the info dict is known.
void print_listing(Context& context, const wire::InfoHash& hash, const magnet::Info& info);
/// Where the .torrent file was written.
[[nodiscard]] std::expected<std::string, Failure> write_metadata(const GetOptions& options, const magnet::Info& info,
                                                                 wire::Bytes raw, const magnet::MagnetUri& source);

/// Downloads; each target has an info-hash and no two the same. The outcome of each, in order.
[[nodiscard]] std::vector<ExitCode> run_downloads(Context& context, const GetOptions& options,
                                                  std::vector<Target> targets);

}  // namespace lodestone::tools
