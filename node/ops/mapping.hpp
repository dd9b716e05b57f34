// SPDX-License-Identifier: Apache-2.0
// A large piece of zeroed memory that costs nothing where it is not touched: what an introducer's ring lies in. Throws
// std::bad_alloc when there is no room for it in the address space.
#pragma once

#include <cstddef>

#include "wire/base/bytes.hpp"

namespace lodestone::node {

class Mapping {
 public:
  explicit Mapping(std::size_t bytes);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  [[nodiscard]] wire::MutableBytes bytes() const { return bytes_; }

 private:
  wire::MutableBytes bytes_;
};

}  // namespace lodestone::node
