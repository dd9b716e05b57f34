// SPDX-License-Identifier: Apache-2.0
// Magnet links (BEP 9, BEP 53). Unknown parameters and foreign xt are ignored; a link without any BitTorrent topic is
// malformed. Nothing is allocated on a claim: `so` keeps ranges, clipped to the number of files later (M7).
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/base/endpoint.hpp"
#include "wire/base/id.hpp"

namespace lodestone::magnet {

/// Host may be a name; resolving is node's business.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
  [[nodiscard]] static std::optional<HostPort> parse(std::string_view text);  // "h:1", "1.2.3.4:1", "[::1]:1"
  [[nodiscard]] std::string text() const;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

struct IndexRange {
  std::uint64_t first = 0, last = 0;  // inclusive
  friend bool operator==(const IndexRange&, const IndexRange&) = default;
};

struct MagnetUri {
  std::optional<wire::InfoHash> info_hash;       // urn:btih (hex or base32)
  std::optional<wire::InfoHashV2> info_hash_v2;  // urn:btmh:1220...
  std::optional<std::string> name;               // dn
  std::optional<std::uint64_t> size;             // xl
  std::vector<std::string> trackers;             // tr
  std::vector<std::string> webseeds;             // ws
  std::vector<HostPort> peers;                   // x.pe
  std::vector<HostPort> nodes;                   // dht
  std::vector<IndexRange> select;                // so; parsed: ascending, none touches another
  std::optional<std::string> public_key;         // xs=urn:btpk (BEP 46), hex
  std::optional<std::string> salt;               // s, hex

  [[nodiscard]] std::string to_uri() const;
};

struct UriError {
  std::string message;  // one line: what is wrong, and with which parameter
  std::size_t offset = 0;
};

[[nodiscard]] std::expected<MagnetUri, UriError> parse_magnet(std::string_view text);

/// TARGET of the command line without the .torrent case: 40/64 hex, base32, or a magnet link.
[[nodiscard]] std::expected<MagnetUri, UriError> parse_target(std::string_view text);

}  // namespace lodestone::magnet
