// SPDX-License-Identifier: Apache-2.0
#include "dht/krpc_fast.hpp"

#include <cstring>

namespace lodestone::dht::krpc {
namespace {

inline std::uint32_t digit(std::uint8_t c) { return std::uint32_t{c} - '0'; }

/// Moves over what it recognises and stays where it does not.
class Cursor {
 public:
  explicit Cursor(Bytes input) : at_(input.data()), end_(input.data() + input.size()) {}

  [[nodiscard]] bool at_end() const { return at_ == end_; }

  /// A text without its final zero; how long it is, the compiler knows.
  template <std::size_t kSize>
  [[nodiscard]] bool skip(const char (&text)[kSize]) {
    constexpr std::size_t kLength = kSize - 1;
    if (left() < kLength || !wire::begins_with(at_, text)) return false;
    at_ += kLength;
    return true;
  }
  /// "20:" and what it announces.
  template <class Id>
  [[nodiscard]] bool read_id(Id& out) {
    if (left() < 3 + Id::kSize || std::memcmp(at_, "20:", 3) != 0) return false;
    std::memcpy(out.bytes().data(), at_ + 3, Id::kSize);
    at_ += 3 + Id::kSize;
    return true;
  }
  /// A string of at most 99 bytes, its length without a leading zero.
  [[nodiscard]] bool read_string(Bytes& out) {
    if (left() < 3) return false;
    std::size_t size = digit(at_[0]);
    if (size > 9) return false;
    const std::uint8_t* payload = at_ + 2;
    if (at_[1] != ':') {
      if (size == 0 || digit(at_[1]) > 9 || at_[2] != ':') return false;
      size = size * 10 + digit(at_[1]);
      ++payload;
    }
    if (size > static_cast<std::size_t>(end_ - payload)) return false;
    out = {payload, size};
    at_ = payload + size;
    return true;
  }
  /// "i0e" or "i1e".
  [[nodiscard]] bool read_flag(bool& out) {
    if (left() < 3 || at_[0] != 'i' || (at_[1] | 1) != '1' || at_[2] != 'e') return false;
    out = at_[1] == '1';
    at_ += 3;
    return true;
  }
  /// "i<number>e", 1 to 65535.
  [[nodiscard]] bool read_port(std::uint16_t& out) {
    constexpr std::size_t kLongest = 7;  // "i65535e"
    if (left() < 3 || at_[0] != 'i' || at_[1] == '0') return false;
    const std::uint8_t* const stop = at_ + (left() < kLongest ? left() : kLongest);
    std::uint32_t value = 0;
    const std::uint8_t* p = at_ + 1;
    for (; p != stop && digit(*p) <= 9; ++p) value = value * 10 + digit(*p);
    if (p == stop || *p != 'e' || value == 0 || value > 0xffff) return false;
    out = static_cast<std::uint16_t>(value);
    at_ = p + 1;
    return true;
  }

 private:
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

/// What of "a" a Query has a place for in some methods only.
struct KnownArguments {
  bool has_info_hash = false;  // then it is in Query::target
  bool has_target = false;     // likewise; never both
  std::uint16_t port = 0;      // 0: none
};

/// From behind "4:want" on.
bool read_want(Cursor& in, Query& q) {
  if (!in.skip("l")) return false;
  for (int i = 0; i < 2; ++i) {
    if (in.skip("2:n4")) q.want_v4 = true;
    if (in.skip("2:n6")) q.want_v6 = true;
  }
  return in.skip("e");
}

bool read_arguments(Cursor& in, Query& q, KnownArguments& args) {
  Bytes ignored;
  bool ignored_flag;
  if (in.skip("2:bs") && !in.read_flag(ignored_flag)) return false;
  if (!in.skip("2:id") || !in.read_id(q.id)) return false;
  if (in.skip("e")) return true;
  if (in.skip("12:implied_port") && !in.read_flag(q.implied_port)) return false;
  if (in.skip("9:info_hash")) {
    if (!in.read_id(q.target)) return false;
    args.has_info_hash = true;
    if (in.skip("e")) return true;
    if (in.skip("4:name") && !in.read_string(ignored)) return false;
    if (in.skip("6:noseed") && !in.read_flag(q.no_seed)) return false;
    if (in.skip("4:port") && !in.read_port(args.port)) return false;
    if (in.skip("6:scrape") && !in.read_flag(q.scrape)) return false;
    if (in.skip("4:seed") && !in.read_flag(q.seed)) return false;
  } else if (in.skip("6:target")) {
    if (!in.read_id(q.target)) return false;
    args.has_target = true;
  }
  if (in.skip("5:token") && !in.read_string(q.token)) return false;
  if (in.skip("4:want") && !read_want(in, q)) return false;
  return in.skip("e");
}

/// Whether the arguments are those of that method.
bool accept(Query& q, Method method, const KnownArguments& args) {
  q.method = method;
  switch (method) {
    case Method::ping: q.target = {}; return true;
    case Method::find_node:
    case Method::get:
    case Method::sample_infohashes: return args.has_target;
    case Method::get_peers: return args.has_info_hash;
    case Method::announce_peer:
      q.port = args.port;
      return args.has_info_hash && !q.token.empty() && (args.port != 0 || q.implied_port);
    case Method::put:
    case Method::other: break;
  }
  return false;
}

bool read_method(Cursor& in, Query& q, const KnownArguments& args) {
  if (in.skip("9:get_peers")) return accept(q, Method::get_peers, args);
  if (in.skip("9:find_node")) return accept(q, Method::find_node, args);
  if (in.skip("4:ping")) return accept(q, Method::ping, args);
  if (in.skip("13:announce_peer")) return accept(q, Method::announce_peer, args);
  if (in.skip("17:sample_infohashes")) return accept(q, Method::sample_infohashes, args);
  if (in.skip("3:get")) return accept(q, Method::get, args);
  return false;
}

}  // namespace

const std::uint8_t* likely_info_hash(Bytes datagram) {
  constexpr char kHead[] = "9:info_hash20:";
  constexpr std::size_t kSize = sizeof(kHead) - 1 + wire::Key::kSize;
  // Behind the id, which is the first argument, or with "2:bsi1e" the second.
  for (const std::size_t place : {32u, 39u}) {
    if (datagram.size() < place + kSize) return nullptr;
    const std::uint8_t* at = datagram.data() + place;
    if (wire::begins_with(at, kHead)) return at + sizeof(kHead) - 1;
  }
  return nullptr;
}

bool read_usual_query(Bytes datagram, Message& out) {
  Query& q = std::get<Query>(out.body);
  KnownArguments args;
  Cursor in{datagram};
  Bytes ignored;
  if (!in.skip("d1:ad") || !read_arguments(in, q, args)) return false;
  if (in.skip("2:ip") && !in.read_string(ignored)) return false;
  if (!in.skip("1:q") || !read_method(in, q, args)) return false;
  if (in.skip("2:ro") && !in.read_flag(q.read_only)) return false;
  if (!in.skip("1:t") || !in.read_string(out.transaction)) return false;
  if (in.skip("1:v") && !in.read_string(out.version)) return false;
  return in.skip("1:y1:qe") && in.at_end();
}

}  // namespace lodestone::dht::krpc
