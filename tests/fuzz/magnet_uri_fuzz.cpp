// SPDX-License-Identifier: Apache-2.0
// Magnet links: what is accepted is written again in a form that reads back as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "magnet/uri.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lodestone::magnet;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto uri = parse_magnet(text);
  if (!uri) {
    if (uri.error().offset > size || uri.error().message.empty()) std::abort();
    return 0;
  }
  if (uri->select.size() > size || uri->peers.size() > size) std::abort();
  const std::string written = uri->to_uri();
  const auto again = parse_magnet(written);
  // A written link is longer than a read one at most by its escapes; near the length limit it may be refused.
  if (!again && written.size() > (1u << 20)) return 0;
  if (!again || again->to_uri() != written) std::abort();
  return 0;
}
