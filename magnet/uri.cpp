// SPDX-License-Identifier: Apache-2.0
#include "magnet/uri.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "magnet/text.hpp"
#include "wire/base/bytes.hpp"

namespace lodestone::magnet {
namespace {

constexpr std::string_view kScheme = "magnet:?";
constexpr std::size_t kMaxLength = 1u << 20;  // bytes; a link is typed or pasted
constexpr std::size_t kMaxHost = 253;         // RFC 1035
constexpr std::size_t kMaxHosts = 256;        // of each kind; the rest of a longer list is left
constexpr std::size_t kMaxSalt = 64;          // BEP 44

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool starts_with_any_case(std::string_view text, std::string_view lower_prefix) {
  return text.size() >= lower_prefix.size() && std::equal(lower_prefix.begin(), lower_prefix.end(), text.begin(),
                                                          [](char a, char b) { return a == lower(b); });
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/// A '%' that no two hex digits follow stands for itself, as browsers have it.
std::string percent_decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' && plus_is_space ? ' ' : text[i];
    }
  }
  return out;
}

std::string percent_encoded(std::string_view text, std::string_view kept = "") {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || std::string_view("-._~").contains(c);
    if (plain || kept.contains(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

/// All digits, at least one; beyond 64 bits nullopt, or the largest number when `saturate`.
std::optional<std::uint64_t> decimal(std::string_view text, bool saturate = false) {
  std::uint64_t value = 0;
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  const auto [at, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem == std::errc{}) return value;
  if (saturate) return std::numeric_limits<std::uint64_t>::max();
  return std::nullopt;
}

/// "xt.1" is "xt": some programs number what they repeat. "amp;xt" comes from a link copied out of HTML.
std::string key_of(std::string_view raw) {
  if (raw.starts_with("amp;")) raw.remove_prefix(4);
  std::string key = percent_decoded(raw, false);
  std::transform(key.begin(), key.end(), key.begin(), lower);
  const std::size_t dot = key.rfind('.');
  if (dot != std::string::npos && decimal(std::string_view(key).substr(dot + 1))) key.resize(dot);
  return key;
}

std::optional<wire::InfoHash> parse_btih(std::string_view text) {
  if (text.size() == 40) return wire::InfoHash::from_hex(text);
  if (text.size() != 32) return std::nullopt;
  const auto bytes = wire::from_base32(text);
  if (!bytes) return std::nullopt;
  return wire::InfoHash::from_bytes(*bytes);
}

std::optional<wire::InfoHashV2> parse_hash_v2(std::string_view hex) {
  const auto bytes = wire::from_hex(hex);
  if (!bytes || bytes->size() != 32) return std::nullopt;
  wire::InfoHashV2 hash;
  std::copy(bytes->begin(), bytes->end(), hash.begin());
  return hash;
}

/// M7: ascending, and what overlaps or touches made one, so that whoever walks over them comes by each index once.
void settle(std::vector<IndexRange>& ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const IndexRange& a, const IndexRange& b) { return a.first < b.first; });
  std::size_t kept = 0;
  for (const IndexRange& range : ranges) {
    // A subtraction: one past the last index could wrap.
    if (kept > 0 && (range.first <= ranges[kept - 1].last || range.first - 1 == ranges[kept - 1].last))
      ranges[kept - 1].last = std::max(ranges[kept - 1].last, range.last);
    else
      ranges[kept++] = range;
  }
  ranges.resize(kept);
}

/// Reads one link; each parameter finds its place by its key.
class Reader {
 public:
  std::optional<UriError> parameter(std::string_view key, std::string_view raw, std::size_t offset) {
    const std::string value = percent_decoded(raw, key == "dn");
    if (key == "xt") return topic(value, offset);
    if (key == "xs") return source(value, offset);
    if (key == "s") return salt(value, offset);
    if (key == "so") return selection(value, offset);
    if (key == "dn" && !uri.name && !value.empty()) uri.name = mended_utf8(value);
    // A size is a hint: one that makes no sense is none.
    if (key == "xl" && !uri.size) uri.size = decimal(value);
    if (key == "tr" && !value.empty()) uri.trackers.push_back(mended_utf8(value));
    if (key == "ws" && !value.empty()) uri.webseeds.push_back(mended_utf8(value));
    if (key == "x.pe") add_host(uri.peers, value);
    if (key == "dht") add_host(uri.nodes, value);
    return std::nullopt;
  }

  MagnetUri uri;

 private:
  std::optional<UriError> topic(std::string_view value, std::size_t offset) {
    constexpr std::string_view kV1 = "urn:btih:";
    constexpr std::string_view kV2 = "urn:btmh:";
    if (starts_with_any_case(value, kV1)) {
      const auto hash = parse_btih(value.substr(kV1.size()));
      if (!hash) return UriError{"xt: urn:btih: needs 40 hex or 32 base32 digits", offset};
      if (!uri.info_hash) uri.info_hash = hash;
    } else if (starts_with_any_case(value, kV2)) {
      // A multihash: 0x12 is SHA-256, 0x20 its length. Another function would be foreign to us.
      const std::string_view multihash = value.substr(kV2.size());
      if (!multihash.starts_with("1220")) return std::nullopt;
      const auto hash = parse_hash_v2(multihash.substr(4));
      if (!hash) return UriError{"xt: urn:btmh:1220 needs 64 hex digits", offset};
      if (!uri.info_hash_v2) uri.info_hash_v2 = hash;
    }
    return std::nullopt;
  }

  std::optional<UriError> source(std::string_view value, std::size_t offset) {
    constexpr std::string_view kKey = "urn:btpk:";
    if (!starts_with_any_case(value, kKey)) return std::nullopt;  // some other place to get the file from
    const auto key = parse_hash_v2(value.substr(kKey.size()));
    if (!key) return UriError{"xs: urn:btpk: needs 64 hex digits", offset};
    if (!uri.public_key) uri.public_key = wire::to_hex(*key);
    return std::nullopt;
  }

  std::optional<UriError> salt(std::string_view value, std::size_t offset) {
    const auto bytes = wire::from_hex(value);
    if (!bytes || bytes->size() > kMaxSalt) return UriError{"s: a salt is hex, at most 64 bytes", offset};
    uri.salt = wire::to_hex(*bytes);
    return std::nullopt;
  }

  /// "0,2,6-8". M7: a range is two numbers however far it reaches; past 64 bits it reaches to the end.
  std::optional<UriError> selection(std::string_view value, std::size_t offset) {
    while (!value.empty()) {
      const std::size_t comma = std::min(value.find(','), value.size());
      const std::string_view part = value.substr(0, comma);
      value.remove_prefix(std::min(comma + 1, value.size()));
      if (part.empty()) continue;
      const std::size_t dash = part.find('-');
      const auto first = decimal(part.substr(0, dash), true);
      const auto last = dash == std::string_view::npos ? first : decimal(part.substr(dash + 1), true);
      if (!first || !last || *last < *first) return UriError{"so: neither an index nor a range of indices", offset};
      uri.select.push_back({*first, *last});
    }
    return std::nullopt;
  }

  static void add_host(std::vector<HostPort>& hosts, std::string_view value) {
    if (hosts.size() >= kMaxHosts) return;
    const auto host = HostPort::parse(value);
    if (host && std::find(hosts.begin(), hosts.end(), *host) == hosts.end()) hosts.push_back(*host);
  }
};

}  // namespace

std::optional<HostPort> HostPort::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = decimal(text.substr(colon + 1));
  if (!port || *port == 0 || *port > 65535) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (!host.contains(':') || !wire::Address::parse(host)) return std::nullopt;
  } else {
    const auto legal = [](char c) {
      return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '.' || c == '-' || c == '_';
    };
    if (host.empty() || host.size() > kMaxHost || !std::all_of(host.begin(), host.end(), legal)) return std::nullopt;
  }
  return HostPort{std::string(host), static_cast<std::uint16_t>(*port)};
}

std::string HostPort::text() const {
  const bool v6 = host.contains(':');
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string MagnetUri::to_uri() const {
  std::string uri(kScheme);
  const auto add = [&uri](std::string_view key, const std::string& value) {
    if (uri.size() > kScheme.size()) uri += '&';
    uri += key;
    uri += '=';
    uri += value;
  };
  if (info_hash) add("xt", "urn:btih:" + info_hash->hex());
  if (info_hash_v2) add("xt", "urn:btmh:1220" + wire::to_hex(*info_hash_v2));
  if (public_key) add("xs", "urn:btpk:" + *public_key);
  if (salt) add("s", *salt);
  if (name) add("dn", percent_encoded(*name));
  if (size) add("xl", std::to_string(*size));
  for (const std::string& tracker : trackers) add("tr", percent_encoded(tracker));
  for (const std::string& seed : webseeds) add("ws", percent_encoded(seed));
  for (const HostPort& peer : peers) add("x.pe", percent_encoded(peer.text(), ":[]"));
  for (const HostPort& node : nodes) add("dht", percent_encoded(node.text(), ":[]"));
  std::string ranges;
  for (const IndexRange& range : select) {
    if (!ranges.empty()) ranges += ',';
    ranges += std::to_string(range.first);
    if (range.last != range.first) ranges += "-" + std::to_string(range.last);
  }
  if (!ranges.empty()) add("so", ranges);
  return uri;
}

std::expected<MagnetUri, UriError> parse_magnet(std::string_view text) {
  if (!starts_with_any_case(text, kScheme)) return std::unexpected(UriError{"a magnet link starts with magnet:?", 0});
  if (text.size() > kMaxLength) return std::unexpected(UriError{"a magnet link of more than 1 MiB", kMaxLength});
  Reader reader;
  std::size_t at = kScheme.size();
  const std::size_t end = std::min(text.find('#'), text.size());
  while (at < end) {
    const std::size_t stop = std::min(text.find('&', at), end);
    const std::string_view pair = text.substr(at, stop - at);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos) {
      const std::string key = key_of(pair.substr(0, equals));
      if (auto error = reader.parameter(key, pair.substr(equals + 1), at + equals + 1)) return std::unexpected(*error);
    }
    at = stop + 1;
  }
  settle(reader.uri.select);
  const MagnetUri& uri = reader.uri;
  if (!uri.info_hash && !uri.info_hash_v2 && !uri.public_key)
    return std::unexpected(UriError{"no xt with a BitTorrent info-hash (urn:btih or urn:btmh)", kScheme.size()});
  return std::move(reader.uri);
}

std::expected<MagnetUri, UriError> parse_target(std::string_view text) {
  MagnetUri uri;
  if (auto hash = parse_btih(text)) {
    uri.info_hash = hash;
    return uri;
  }
  if (auto hash = parse_hash_v2(text)) {
    uri.info_hash_v2 = hash;
    return uri;
  }
  if (starts_with_any_case(text, "magnet:")) return parse_magnet(text);
  return std::unexpected(UriError{"neither an info-hash (40 or 64 hex, 32 base32 digits) nor a magnet link", 0});
}

}  // namespace lodestone::magnet
