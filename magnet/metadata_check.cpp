// SPDX-License-Identifier: Apache-2.0
#include "magnet/metadata_check.hpp"

#include <algorithm>
#include <utility>

#include "wire/peer/ut_metadata.hpp"

namespace lodestone::magnet {

MetadataVerdict check_metadata(MetadataCheck&& check) {
  MetadataVerdict out;
  out.number = check.number;
  out.raw = std::move(check.raw);
  out.good = wire::InfoHash(wire::sha1(out.raw)) == check.expected;
  if (out.good) {
    if (auto info = parse_info(out.raw))
      out.info = std::make_shared<const Info>(*std::move(info));
    else
      out.error = std::move(info.error().message);
  }
  if (!out.good || check.digests) {
    for (wire::Bytes left(out.raw); !left.empty();) {
      const auto n = std::min<std::size_t>(left.size(), wire::kMetadataPiece);
      out.digests.push_back(wire::sha1(left.first(n)));
      left = left.subspan(n);
    }
  }
  return out;
}

}  // namespace lodestone::magnet
