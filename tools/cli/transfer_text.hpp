// SPDX-License-Identifier: Apache-2.0
// A transfer in words and as a bar, for people. Pure; names in it are strangers' and must pass Output, which cleans
// them.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "tools/cli/transfer_phase.hpp"

namespace lodestone::tools {

struct TransferView {
  std::string name;  // the torrent's, or its hash until that is known
  std::optional<TransferPhase> phase;
  TransferFacts facts;
};

/// "45% of 1.2 GiB, 12.0 MiB/s, 8 peers, 1m 20s left".
[[nodiscard]] std::string describe(const TransferView& view);
/// For a stream of lines: "[12 s] name: 45% of ...".
[[nodiscard]] std::string progress_line(const TransferView& view);
/// For a line that is replaced in place; several transfers become one sum. `columns` 0: unknown.
[[nodiscard]] std::string progress_bar(std::span<const TransferView> views, std::size_t columns);

/// "1 peer", "2 peers".
[[nodiscard]] std::string count_of(std::size_t n, std::string_view noun);

}  // namespace lodestone::tools
