// SPDX-License-Identifier: Apache-2.0
// Which files of a torrent `get` shall fetch: --select GLOB|INDEX (repeatable, `!` excludes), else the magnet's `so`
// (BEP 53), else all. Pure.
// A pattern is looked for in the path with and without the torrent's own folder (glob.hpp). Digits alone are an index
// as
// --list shows it: counted from 0 over all files, as `so` counts. Excluding wins, wherever it stands.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <vector>

#include "magnet/metainfo.hpp"
#include "magnet/uri.hpp"

namespace lodestone::tools {

struct Selected {
  std::vector<bool> files;             // of info.files; pads are never selected
  std::vector<std::string> unmatched;  // patterns that match nothing, for a warning
  [[nodiscard]] bool all(const magnet::Info& info) const;
};

/// The error is a cause for a person: nothing is left, or an index that does not exist.
[[nodiscard]] std::expected<Selected, std::string> select_files(const magnet::Info& info,
                                                                std::span<const std::string> patterns,
                                                                std::span<const magnet::IndexRange> ranges);

}  // namespace lodestone::tools
