// SPDX-License-Identifier: Apache-2.0
// A peer-exchange message of a stranger. What decodes, encodes to something that decodes to the same, within the
// limits.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "wire/peer/ut_pex.hpp"

namespace {

using namespace lodestone::wire;

void demand(bool holds) {
  if (!holds) std::abort();
}

bool same(const PexPeer& a, const PexPeer& b) { return a.endpoint == b.endpoint && a.flags == b.flags; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto first = UtPex::decode({data, size});
  if (!first) {
    demand(first.error().offset <= size);
    return 0;
  }
  demand(first->added.size() <= 2 * UtPex::kMaxEntries && first->dropped.size() <= 2 * UtPex::kMaxEntries);
  ByteVector encoded;
  first->encode(encoded);
  const auto second = UtPex::decode(encoded);
  demand(second.has_value());
  demand(std::equal(first->added.begin(), first->added.end(), second->added.begin(), second->added.end(), same));
  demand(second->dropped == first->dropped);
  ByteVector again;
  second->encode(again);
  demand(again == encoded);
  return 0;
}
