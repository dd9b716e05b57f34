// SPDX-License-Identifier: Apache-2.0
// A metadata message of a stranger. What decodes, encodes to something that decodes to the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "wire/peer/ut_metadata.hpp"

namespace {

using namespace lodestone::wire;

void demand(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto first = UtMetadata::decode({data, size});
  if (!first) {
    demand(first.error().offset <= size);
    return 0;
  }
  demand(first->data.size() <= kMetadataPiece && first->data.size() <= size);
  demand(first->type == UtMetadata::Type::data || (first->data.empty() && first->total_size == 0));
  ByteVector encoded;
  first->encode(encoded);
  const auto second = UtMetadata::decode(encoded);
  demand(second.has_value());
  demand(second->type == first->type && second->piece == first->piece && second->total_size == first->total_size);
  demand(second->data == first->data);
  ByteVector again;
  second->encode(again);
  demand(again == encoded);
  return 0;
}
