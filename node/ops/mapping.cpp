// SPDX-License-Identifier: Apache-2.0
#include "node/ops/mapping.hpp"

#include <sys/mman.h>

#include <new>

namespace lodestone::node {

Mapping::Mapping(std::size_t bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  // Reads are all over it: with large pages there are far fewer to remember. Where there are none, none are used.
  (void)::madvise(at, bytes, MADV_HUGEPAGE);
  bytes_ = {static_cast<std::uint8_t*>(at), bytes};
}

Mapping::~Mapping() { ::munmap(bytes_.data(), bytes_.size()); }

}  // namespace lodestone::node
