// SPDX-License-Identifier: Apache-2.0
// Which program this is, for --version and for whoever watches a node.
#pragma once

namespace lodestone::tools {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace lodestone::tools
