// SPDX-License-Identifier: Apache-2.0
#include "wire/base/endpoint.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>

namespace lodestone::wire {
namespace {

/// A decimal number of the whole text without sign or leading zeros (which some systems read as octal), at most `max`.
std::optional<std::uint32_t> parse_decimal(std::string_view text, std::uint32_t max) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint32_t>(c - '0');
  }
  if (value > max) return std::nullopt;
  return value;
}

bool parse_v4(std::string_view text, std::uint8_t* out) {
  for (int i = 0; i < 4; ++i) {
    const std::size_t dot = i < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos) return false;
    const auto part = parse_decimal(text.substr(0, dot), 255);
    if (!part) return false;
    out[i] = static_cast<std::uint8_t>(*part);
    text.remove_prefix(i < 3 ? dot + 1 : dot);
  }
  return true;
}

std::optional<std::uint16_t> parse_group(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Colon-separated groups, the last one perhaps a dotted quad, into out[0..16). The byte count, or nullopt.
std::optional<std::size_t> parse_groups(std::string_view text, std::uint8_t* out) {
  std::size_t n = 0;
  if (text.empty()) return n;
  for (;;) {
    const std::size_t colon = text.find(':');
    const std::string_view part = text.substr(0, colon);
    if (colon == std::string_view::npos && part.find('.') != std::string_view::npos) {
      if (n > 12 || !parse_v4(part, out + n)) return std::nullopt;
      return n + 4;
    }
    const auto group = parse_group(part);
    if (!group || n > 14) return std::nullopt;
    store_be16(out + n, *group);
    n += 2;
    if (colon == std::string_view::npos) return n;
    text.remove_prefix(colon + 1);
  }
}

bool parse_v6(std::string_view text, std::array<std::uint8_t, 16>& out) {
  out.fill(0);
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) return parse_groups(text, out.data()) == std::size_t{16};
  std::array<std::uint8_t, 16> tail{};
  const std::string_view head_text = text.substr(0, gap);
  if (head_text.find('.') != std::string_view::npos) return false;  // a dotted quad may only come last
  const auto head_size = parse_groups(head_text, out.data());
  const auto tail_size = parse_groups(text.substr(gap + 2), tail.data());
  // The gap stands for at least one group.
  if (!head_size || !tail_size || *head_size + *tail_size > 14) return false;
  std::copy_n(tail.begin(), *tail_size, out.end() - static_cast<std::ptrdiff_t>(*tail_size));
  return true;
}

bool is_v4_mapped(const std::array<std::uint8_t, 16>& b) {
  static constexpr std::array<std::uint8_t, 12> kPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::equal(kPrefix.begin(), kPrefix.end(), b.begin());
}

std::string v4_text(const std::uint8_t* b) {
  std::string out;
  for (int i = 0; i < 4; ++i) {
    if (i != 0) out += '.';
    out += std::to_string(b[i]);
  }
  return out;
}

/// RFC 5952: lower case, no leading zeros, the first of the longest runs of two or more zero groups is "::".
std::string v6_text(const std::array<std::uint8_t, 16>& b) {
  if (is_v4_mapped(b)) return "::ffff:" + v4_text(b.data() + 12);
  int run_begin = -1;
  int run_length = 1;
  for (int i = 0; i < 8;) {
    int j = i;
    while (j < 8 && load_be16(b.data() + 2 * j) == 0) ++j;
    if (j - i > run_length) {
      run_begin = i;
      run_length = j - i;
    }
    i = j + 1;
  }
  std::string out;
  for (int i = 0; i < 8; ++i) {
    if (i == run_begin) {
      out += "::";
      i += run_length - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    std::array<char, 4> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), load_be16(b.data() + 2 * i), 16).ptr;
    out.append(digits.data(), end);
  }
  return out;
}

struct V4Range {
  std::uint32_t base;
  int bits;
  AddressKind kind;
};

constexpr std::uint32_t quad(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

// From IANA's register of special-purpose addresses.
constexpr V4Range kV4Ranges[] = {
    {quad(0, 0, 0, 0), 8, AddressKind::martian},          // "this network"
    {quad(10, 0, 0, 0), 8, AddressKind::private_},        //
    {quad(100, 64, 0, 0), 10, AddressKind::cgnat},        //
    {quad(127, 0, 0, 0), 8, AddressKind::loopback},       //
    {quad(169, 254, 0, 0), 16, AddressKind::link_local},  //
    {quad(172, 16, 0, 0), 12, AddressKind::private_},     //
    {quad(192, 0, 0, 0), 24, AddressKind::martian},       // protocol assignments
    {quad(192, 0, 2, 0), 24, AddressKind::martian},       // documentation
    {quad(192, 88, 99, 0), 24, AddressKind::martian},     // 6to4 relays, withdrawn
    {quad(192, 168, 0, 0), 16, AddressKind::private_},    //
    {quad(198, 18, 0, 0), 15, AddressKind::benchmark},    //
    {quad(198, 51, 100, 0), 24, AddressKind::martian},    // documentation
    {quad(203, 0, 113, 0), 24, AddressKind::martian},     // documentation
    {quad(224, 0, 0, 0), 4, AddressKind::martian},        // multicast
    {quad(240, 0, 0, 0), 4, AddressKind::martian},        // reserved, and 255.255.255.255
};

AddressKind v4_kind(std::uint32_t a) {
  for (const V4Range& r : kV4Ranges)
    if ((a ^ r.base) >> (32 - r.bits) == 0) return r.kind;
  return AddressKind::global;
}

AddressKind v6_kind(const std::uint8_t* b) {
  const std::uint64_t high = load_be64(b);
  const std::uint64_t low = load_be64(b + 8);
  const auto in = [high](std::uint64_t base, int bits) { return (high ^ base) >> (64 - bits) == 0; };

  if (high == 0 && low == 1) return AddressKind::loopback;
  if (in(0xfc00'0000'0000'0000, 7)) return AddressKind::private_;
  if (in(0xfe80'0000'0000'0000, 10)) return AddressKind::link_local;
  if (high == 0x0064'ff9b'0000'0000 && low >> 32 == 0) {
    // NAT64's well-known prefix is the way to IPv4 for hosts without it; inside is a public address or a trick to
    // reach the translator's own network (RFC 6052 forbids it, too).
    const bool public_inside = v4_kind(static_cast<std::uint32_t>(low)) == AddressKind::global;
    return public_inside ? AddressKind::global : AddressKind::martian;
  }
  // Only 2000::/3 has been given out as global unicast. The rest holds the unspecified address, v4-mapped and
  // v4-compatible forms, discard-only (100::/64), old site-local addresses and multicast.
  if (!in(0x2000'0000'0000'0000, 3)) return AddressKind::martian;
  if (in(0x2001'0002'0000'0000, 48)) return AddressKind::benchmark;
  // 2001::/23 is for protocols, not for hosts. It holds Teredo (2001::/32). Teredo and 6to4 are martians to us: both
  // are withdrawn, hardly an address works, and both embed an IPv4 address that a stranger could aim at a local host.
  if (in(0x2001'0000'0000'0000, 23)) return AddressKind::martian;
  if (in(0x2002'0000'0000'0000, 16)) return AddressKind::martian;  // 6to4
  if (in(0x2001'0db8'0000'0000, 32)) return AddressKind::martian;  // documentation
  if (in(0x3fff'0000'0000'0000, 20)) return AddressKind::martian;  // documentation
  return AddressKind::global;
}

std::uint8_t bit_of(AddressKind kind) { return static_cast<std::uint8_t>(1u << static_cast<unsigned>(kind)); }

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t hash_of(const Address& a, std::uint16_t port) {
  std::array<std::uint8_t, 16> raw{};
  const Bytes bytes = a.bytes();
  std::memcpy(raw.data(), bytes.data(), bytes.size());
  const std::uint64_t tail = (std::uint64_t{port} << 8) | static_cast<std::uint64_t>(a.family());
  const std::uint64_t h =
      mix(load_be64(raw.data()) ^ 0x9e3779b97f4a7c15ULL, load_be64(raw.data() + 8) ^ 0xe7037ed1a0b428dbULL);
  return mix(h ^ 0x8ebc6af09c88c6e3ULL, tail ^ 0x589965cc75374cc3ULL);
}

}  // namespace

Address Address::v4(std::uint32_t host_order) {
  Address a;
  store_be32(a.bytes_.data(), host_order);
  return a;
}

Address Address::v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) { return v4(quad(a, b, c, d)); }

Address Address::v6(const std::array<std::uint8_t, 16>& bytes) {
  Address a;
  a.family_ = Family::v6;
  a.bytes_ = bytes;
  return a;
}

std::optional<Address> Address::parse(std::string_view text) {
  Address a;
  if (text.find(':') == std::string_view::npos) {
    if (!parse_v4(text, a.bytes_.data())) return std::nullopt;
    return a;
  }
  std::array<std::uint8_t, 16> raw;
  if (!parse_v6(text, raw)) return std::nullopt;
  if (is_v4_mapped(raw)) return v4(load_be32(raw.data() + 12));
  return v6(raw);
}

std::optional<Address> Address::from_bytes(Bytes raw) {
  if (raw.size() == 4) return v4(load_be32(raw.data()));
  if (raw.size() != 16) return std::nullopt;
  std::array<std::uint8_t, 16> bytes;
  std::memcpy(bytes.data(), raw.data(), 16);
  return v6(bytes);
}

bool Address::is_unspecified() const { return bytes_ == std::array<std::uint8_t, 16>{}; }

AddressKind Address::kind() const { return is_v4() ? v4_kind(load_be32(bytes_.data())) : v6_kind(bytes_.data()); }

Address Address::prefix(int bits) const {
  assert(bits >= 0);
  Address out = *this;
  const auto keep = static_cast<std::size_t>(bits);
  for (std::size_t i = 0; i < out.bytes_.size(); ++i) {
    if (keep >= 8 * (i + 1)) continue;
    const std::size_t left = keep > 8 * i ? keep - 8 * i : 0;
    out.bytes_[i] = static_cast<std::uint8_t>(out.bytes_[i] & (0xff00u >> left));
  }
  return out;
}

std::string Address::text() const { return is_v4() ? v4_text(bytes_.data()) : v6_text(bytes_); }

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_decimal(text.substr(colon + 1), 65535);
  if (!port) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  // Brackets if and only if the address has colons: "::1:80" would be ambiguous.
  if (bracketed != (host.find(':') != std::string_view::npos)) return std::nullopt;
  const auto address = Address::parse(host);
  if (!address) return std::nullopt;
  return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

std::optional<Endpoint> Endpoint::from_compact(Bytes raw) {
  if (raw.size() != compact_size(Family::v4) && raw.size() != compact_size(Family::v6)) return std::nullopt;
  // Filled in place and with sizes that the compiler knows: replies carry dozens of these.
  std::optional<Endpoint> out{std::in_place};
  if (raw.size() == compact_size(Family::v4)) {
    std::memcpy(out->address.bytes_.data(), raw.data(), 4);
    out->port = load_be16(raw.data() + 4);
  } else {
    out->address.family_ = Family::v6;
    std::memcpy(out->address.bytes_.data(), raw.data(), 16);
    out->port = load_be16(raw.data() + 16);
  }
  return out;
}

std::size_t Endpoint::write_compact(std::uint8_t* out) const {
  const Bytes raw = address.bytes();
  std::memcpy(out, raw.data(), raw.size());
  store_be16(out + raw.size(), port);
  return raw.size() + 2;
}

std::string Endpoint::text() const {
  const std::string host = address.text();
  return (address.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

AddressPolicy AddressPolicy::everything() {
  AddressPolicy p;
  for (const AddressKind k : {AddressKind::loopback, AddressKind::private_, AddressKind::link_local, AddressKind::cgnat,
                              AddressKind::benchmark, AddressKind::global}) {
    p.allow(k);
  }
  return p;
}

void AddressPolicy::allow(AddressKind kind) {
  if (kind != AddressKind::martian) kinds_ = static_cast<std::uint8_t>(kinds_ | bit_of(kind));
}

void AddressPolicy::allow_from(const Address& given) {
  allow(given.is_unspecified() ? AddressKind::global : given.kind());
}

bool AddressPolicy::allows(const Address& a) const { return (kinds_ & bit_of(a.kind())) != 0; }

}  // namespace lodestone::wire

std::size_t std::hash<lodestone::wire::Address>::operator()(const lodestone::wire::Address& a) const noexcept {
  return static_cast<std::size_t>(lodestone::wire::hash_of(a, 0));
}

std::size_t std::hash<lodestone::wire::Endpoint>::operator()(const lodestone::wire::Endpoint& e) const noexcept {
  return static_cast<std::size_t>(lodestone::wire::hash_of(e.address, e.port));
}
