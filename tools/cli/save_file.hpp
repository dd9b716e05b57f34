// SPDX-License-Identifier: Apache-2.0
// Writes a user's file: it appears under its name only when it is complete; what is no regular file (a pipe, a device)
// is written as it is.
#pragma once

#include <string>
#include <system_error>

#include "wire/base/bytes.hpp"

namespace lodestone::tools {

[[nodiscard]] std::error_code save_file(const std::string& path, wire::Bytes bytes);

}  // namespace lodestone::tools
