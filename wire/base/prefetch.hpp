// SPDX-License-Identifier: Apache-2.0
// Reading ahead: the line of cache that an address is in is fetched while something else is done. A hint; any address
// will do.
#pragma once

namespace lodestone::wire {

inline void prefetch(const void* at) {
  __builtin_prefetch(at);
  // To GCC a function that does nothing else is one without effect, whose calls it drops when it links.
  asm volatile("" : : "r"(at));
}

}  // namespace lodestone::wire
