// SPDX-License-Identifier: Apache-2.0
// Addresses counted upwards. Pure.
#pragma once

#include <cstddef>

#include "wire/base/endpoint.hpp"

namespace lodestone::tools {

/// `first` + n, as a number. Of ::1, the one loopback address of its family, there is no next one: it stays.
[[nodiscard]] wire::Address nth_address(const wire::Address& first, std::size_t n);

}  // namespace lodestone::tools
