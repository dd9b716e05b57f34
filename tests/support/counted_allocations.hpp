// SPDX-License-Identifier: Apache-2.0
// Counts what a test or benchmark executable takes from the heap, by replacing the global operators: to be included by
// exactly one of its sources. One thread counts; what others allocate meanwhile is counted by chance.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <new>

namespace lodestone::test {

/// Calls of any `new` since the program started.
inline std::uint64_t allocations = 0;

}  // namespace lodestone::test

// The whole set: a half-replaced one would mix two allocators (the library's sorting uses the nothrow forms).
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  ++lodestone::test::allocations;
  return std::malloc(n == 0 ? 1 : n);
}
void* operator new[](std::size_t n, const std::nothrow_t& tag) noexcept { return operator new(n, tag); }
void* operator new(std::size_t n) {
  void* p = operator new(n, std::nothrow);
  if (p == nullptr) throw std::bad_alloc{};
  return p;
}
void* operator new[](std::size_t n) { return operator new(n); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
