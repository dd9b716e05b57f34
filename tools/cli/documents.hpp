// SPDX-License-Identifier: Apache-2.0
// The JSON documents of cli.md that several commands print. The order of keys is that of cli.md.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "magnet/metainfo.hpp"
#include "magnet/uri.hpp"
#include "tools/cli/output.hpp"

namespace lodestone::tools {

/// {"type":"torrent",...}
[[nodiscard]] nlohmann::ordered_json torrent_document(const magnet::Metainfo& torrent);
/// {"type":"magnet",...}. `select` has the indices one by one as far as 65,536 of them go; a range that reaches further
/// (M7) stands there as a text "first-last".
[[nodiscard]] nlohmann::ordered_json magnet_document(const magnet::MagnetUri& uri);

/// The same for a person, on stdout.
void print_torrent(const magnet::Metainfo& torrent, Output& out);
void print_magnet(const magnet::MagnetUri& uri, Output& out);

}  // namespace lodestone::tools
