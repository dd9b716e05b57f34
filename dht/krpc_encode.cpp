// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "dht/krpc.hpp"

namespace lodestone::dht::krpc {
namespace {

using wire::Endpoint;
using wire::Family;
using wire::Key;
using wire::NodeId;

/// Writes bencode into a fixed piece of memory; once something did not fit, nothing more is written and size() is 0.
class Encoder {
 public:
  explicit Encoder(MutableBytes out) : begin_(out.data()), at_(out.data()), end_(out.data() + out.size()) {}

  Encoder& literal(std::string_view text) { return put(text.data(), text.size()); }
  Encoder& bytes(Bytes raw) { return put(raw.data(), raw.size()); }
  Encoder& number(std::uint64_t v) {
    std::array<char, 20> digits;
    std::size_t i = digits.size();
    do {
      digits[--i] = static_cast<char>('0' + v % 10);
      v /= 10;
    } while (v != 0);
    return put(digits.data() + i, digits.size() - i);
  }
  /// "<n>:", whose payload is to follow.
  Encoder& length(std::size_t n) { return number(n).literal(":"); }
  Encoder& string(Bytes raw) { return length(raw.size()).bytes(raw); }
  Encoder& string(std::string_view text) { return string(wire::as_bytes(text)); }
  template <class Tag>
  Encoder& id(const wire::Id160<Tag>& v) {
    return literal("20:").bytes(v.view());
  }
  /// n pieces of kSize bytes, of which piece(i) says where they are, each behind the same text. Most of a reply is made
  /// of these: there is room for all or none is written, and their size is known to the compiler.
  template <std::size_t kSize, class Piece>
  Encoder& pieces(std::size_t n, std::string_view before_each, Piece&& piece) {
    if (!fits_ || static_cast<std::size_t>(end_ - at_) < n * (before_each.size() + kSize)) {
      fits_ = false;
      return *this;
    }
    for (std::size_t i = 0; i < n; ++i) {
      std::memcpy(at_, before_each.data(), before_each.size());
      std::memcpy(at_ + before_each.size(), piece(i), kSize);
      at_ += before_each.size() + kSize;
    }
    return *this;
  }
  [[nodiscard]] std::size_t left() const { return fits_ ? static_cast<std::size_t>(end_ - at_) : 0; }
  [[nodiscard]] std::size_t size() const { return fits_ ? static_cast<std::size_t>(at_ - begin_) : 0; }

 private:
  Encoder& put(const void* from, std::size_t n) {
    if (!fits_ || static_cast<std::size_t>(end_ - at_) < n) {
      fits_ = false;
      return *this;
    }
    if (n != 0) std::memcpy(at_, from, n);
    at_ += n;
    return *this;
  }

  std::uint8_t* begin_;
  std::uint8_t* at_;
  std::uint8_t* end_;
  bool fits_ = true;
};

/// Everything behind the arguments: 1:q 2:ro 1:t 1:v 1:y, in canonical order.
std::size_t finish_query(Encoder& e, const QueryHead& head, std::string_view method) {
  std::array<std::uint8_t, 4> transaction;
  wire::store_be32(transaction.data(), head.transaction);
  e.literal("e1:q").string(method);
  if (head.read_only) e.literal("2:roi1e");
  e.literal("1:t").string(head.own_transaction.empty() ? Bytes{transaction} : head.own_transaction);
  if (!head.version.empty()) e.literal("1:v").string(head.version);
  e.literal("1:y1:qe");
  return e.size();
}

constexpr std::size_t digits_of(std::uint64_t n) {
  std::size_t digits = 1;
  for (; n >= 10; n /= 10) ++digits;
  return digits;
}
constexpr std::size_t string_size(std::size_t n) { return digits_of(n) + 1 + n; }

void put_want(Encoder& e, const QueryHead& head) {
  if (head.want_both) e.literal("4:wantl2:n42:n6e");
}

void put_integer(Encoder& e, std::string_view key, std::int64_t v) {
  e.literal(key).literal(v < 0 ? "i-" : "i");
  e.number(v < 0 ? 0 - static_cast<std::uint64_t>(v) : static_cast<std::uint64_t>(v)).literal("e");
}
constexpr std::size_t integer_size(std::int64_t v) {
  return 2 + (v < 0 ? 1 + digits_of(0 - static_cast<std::uint64_t>(v)) : digits_of(static_cast<std::uint64_t>(v)));
}

/// "<transaction>1:v<version>1:y1:Xe" with the key of the transaction.
std::size_t tail_size(Bytes transaction, std::string_view version) {
  return 3 + string_size(transaction.size()) + (version.empty() ? 0 : 3 + string_size(version.size())) + 7;
}

void put_tail(Encoder& e, Bytes transaction, std::string_view version, std::string_view type) {
  e.literal("1:t").string(transaction);
  if (!version.empty()) e.literal("1:v").string(version);
  e.literal("1:y").string(type).literal("e");
}

void put_nodes(Encoder& e, Family family, Bytes nodes, std::size_t room) {
  const std::size_t stride = Contact::compact_size(family);
  const std::string_view key = family == Family::v4 ? "5:nodes" : "6:nodes6";
  const std::size_t overhead = key.size() + 5;  // "1234:"
  const std::size_t count = std::min(nodes.size(), room > overhead ? room - overhead : 0) / stride;
  e.literal(key).string(nodes.first(count * stride));
}

constexpr std::size_t kEmptyNodes = 10;  // "6:nodes60:"

/// In the order of their keys, whichever is the own family; `reserved` bytes are for others.
void put_all_nodes(Encoder& e, const ReplyBody& body, std::size_t reserved) {
  if (body.nodes_family && body.other_nodes) reserved += kEmptyNodes;
  for (const Family family : {Family::v4, Family::v6}) {
    const bool own = body.nodes_family == family;
    if (!own && !(body.other_nodes && body.to.family() != family)) continue;
    put_nodes(e, family, own ? body.nodes : *body.other_nodes, e.left() > reserved ? e.left() - reserved : 0);
    if (body.nodes_family && body.other_nodes && family == Family::v4) reserved -= kEmptyNodes;
  }
}

/// What a reply needs between its nodes and its values.
std::size_t behind_nodes(const ReplyBody& body) {
  std::size_t n = body.token.empty() ? 0 : 7 + string_size(body.token.size());
  if (body.samples != nullptr) {
    n += 5 + 2 + digits_of(body.samples->num) + 9 + string_size(body.samples->samples.size());
  }
  if (body.item == nullptr) return n;
  if (body.item->signed_by != nullptr) n += 5 + integer_size(body.item->signed_by->seq);
  if (body.item->value.empty()) return n;
  if (body.item->signed_by != nullptr) n += 5 + string_size(sizeof(Signature));
  return n + 3 + body.item->value.size();
}

std::size_t values_size(const CompactPeers& peers) {
  return peers.count == 0 ? 0 : 10 + peers.count * string_size(peers.size);
}

void put_values(Encoder& e, const CompactPeers& peers, std::size_t room) {
  static constexpr std::string_view kKey = "6:valuesl";
  const std::size_t each = string_size(peers.size);
  const std::size_t overhead = kKey.size() + 1;
  const std::size_t count = std::min(peers.count, room > overhead ? (room - overhead) / each : 0);
  if (count == 0) return;
  e.literal(kKey);
  const auto peer = [&](std::size_t i) { return peers.data + i * peers.stride; };
  if (peers.size == Endpoint::compact_size(Family::v4)) {
    e.pieces<Endpoint::compact_size(Family::v4)>(count, "6:", peer);
  } else {
    assert(peers.size == Endpoint::compact_size(Family::v6));
    e.pieces<Endpoint::compact_size(Family::v6)>(count, "18:", peer);
  }
  e.literal("e");
}

/// Writes without asking for room: for who has counted.
class Pen {
 public:
  explicit Pen(std::uint8_t* at) : at_(at) {}

  template <std::size_t kSize>
  Pen& text(const char (&literal)[kSize]) {
    std::memcpy(at_, literal, kSize - 1);
    at_ += kSize - 1;
    return *this;
  }
  template <std::size_t kSize>
  Pen& fixed(const std::uint8_t* from) {
    std::memcpy(at_, from, kSize);
    at_ += kSize;
    return *this;
  }
  Pen& string(Bytes raw) {
    length(raw.size());
    if (!raw.empty()) std::memcpy(at_, raw.data(), raw.size());
    at_ += raw.size();
    return *this;
  }
  Pen& length(std::size_t n) {
    if (n >= 10) {
      const std::size_t digits = digits_of(n);
      for (std::size_t i = digits; i-- > 0; n /= 10) at_[i] = static_cast<std::uint8_t>('0' + n % 10);
      at_ += digits;
    } else {
      *at_++ = static_cast<std::uint8_t>('0' + n);
    }
    *at_++ = ':';
    return *this;
  }
  [[nodiscard]] const std::uint8_t* at() const { return at_; }

 private:
  std::uint8_t* at_;
};

/// What nearly every reply is: one from an IPv4 node, with nodes of IPv4, a token, peers or none of them, and room for
/// all. 0: something else is. As below, byte for byte.
std::size_t encode_plain_reply(MutableBytes out, Bytes transaction, std::string_view version, const ReplyBody& body) {
  constexpr std::size_t kPeer = Endpoint::compact_size(Family::v4);
  constexpr std::size_t kFixed = 7 + kPeer + 4 + 7 + NodeId::kSize + 1;  // d2:ip6: 1:rd 2:id20: e
  constexpr std::size_t kSlack = 32;  // where it gets tight, what is left out is decided below
  if (body.item != nullptr || body.samples != nullptr || body.scrape != nullptr || body.other_nodes) return 0;
  if (body.nodes_family == Family::v6 || body.to.family() == Family::v6) return 0;
  std::size_t size = kFixed + tail_size(transaction, version);
  if (body.nodes_family) size += 7 + string_size(body.nodes.size());
  if (!body.token.empty()) size += 7 + string_size(body.token.size());
  if (body.values.count != 0 && body.values.size != kPeer) return 0;
  size += values_size(body.values);
  if (out.size() < size + kSlack) return 0;

  std::array<std::uint8_t, 18> ip;
  body.to.write_compact(ip.data());
  Pen pen{out.data()};
  pen.text("d2:ip6:").fixed<kPeer>(ip.data()).text("1:rd2:id20:").fixed<NodeId::kSize>(body.id.bytes().data());
  if (body.nodes_family) pen.text("5:nodes").string(body.nodes);
  if (!body.token.empty()) pen.text("5:token").string(body.token);
  if (body.values.count != 0) {
    pen.text("6:valuesl");
    for (std::size_t i = 0; i < body.values.count; ++i)
      pen.text("6:").fixed<kPeer>(body.values.data + i * body.values.stride);
    pen.text("e");
  }
  pen.text("e1:t").string(transaction);
  if (!version.empty()) pen.text("1:v").string(wire::as_bytes(version));
  pen.text("1:y1:re");
  assert(pen.at() == out.data() + size);
  return size;
}

}  // namespace

std::size_t encode_ping(MutableBytes out, const QueryHead& head) {
  Encoder e{out};
  e.literal("d1:ad2:id").id(head.id);
  return finish_query(e, head, "ping");
}

std::size_t encode_find_node(MutableBytes out, const QueryHead& head, const Key& target) {
  Encoder e{out};
  e.literal("d1:ad2:id").id(head.id).literal("6:target").id(target);
  put_want(e, head);
  return finish_query(e, head, "find_node");
}

std::size_t encode_get_peers(MutableBytes out, const QueryHead& head, const Key& info_hash, const PeersWanted& wanted) {
  Encoder e{out};
  e.literal("d1:ad2:id").id(head.id).literal("9:info_hash").id(info_hash);
  if (wanted.no_seed) e.literal("6:noseedi1e");
  if (wanted.scrape) e.literal("6:scrapei1e");
  put_want(e, head);
  return finish_query(e, head, "get_peers");
}

std::size_t encode_announce_peer(MutableBytes out, const QueryHead& head, const Key& info_hash, std::uint16_t port,
                                 bool implied_port, Bytes token, bool seed) {
  Encoder e{out};
  e.literal("d1:ad2:id").id(head.id);
  if (implied_port) e.literal("12:implied_porti1e");
  e.literal("9:info_hash").id(info_hash);
  e.literal("4:porti").number(port).literal(seed ? "e4:seedi1e5:token" : "e5:token").string(token);
  return finish_query(e, head, "announce_peer");
}

std::size_t encode_get(MutableBytes out, const QueryHead& head, const Key& target) {
  Encoder e{out};
  e.literal("d1:ad2:id").id(head.id).literal("6:target").id(target);
  put_want(e, head);
  return finish_query(e, head, "get");
}

std::size_t encode_put(MutableBytes out, const QueryHead& head, const ItemView& item, std::optional<std::int64_t> cas,
                       Bytes token) {
  Encoder e{out};
  e.literal("d1:ad");
  if (cas && item.signed_by) put_integer(e, "3:cas", *cas);
  e.literal("2:id").id(head.id);
  if (item.signed_by) {
    e.literal("1:k").string(Bytes{item.signed_by->key});
    if (!item.signed_by->salt.empty()) e.literal("4:salt").string(item.signed_by->salt);
    put_integer(e, "3:seq", item.signed_by->seq);
    e.literal("3:sig").string(Bytes{item.signed_by->signature});
  }
  e.literal("5:token").string(token).literal("1:v").bytes(item.value);
  return finish_query(e, head, "put");
}

std::size_t encode_sample_infohashes(MutableBytes out, const QueryHead& head, const Key& target) {
  Encoder e{out};
  e.literal("d1:ad2:id").id(head.id).literal("6:target").id(target);
  put_want(e, head);
  return finish_query(e, head, "sample_infohashes");
}

std::size_t encode_reply(MutableBytes out, Bytes transaction, std::string_view version, const ReplyBody& body) {
  if (const std::size_t size = encode_plain_reply(out, transaction, version, body); size != 0) return size;
  Encoder e{out};
  std::array<std::uint8_t, 18> ip;
  const std::size_t ip_size = body.to.write_compact(ip.data());
  e.literal("d2:ip").string(Bytes{ip.data(), ip_size}).literal("1:rd");
  if (body.scrape != nullptr)
    e.literal("4:BFpe").string(body.scrape->peers).literal("4:BFsd").string(body.scrape->seeds);
  e.literal("2:id").id(body.id);
  if (body.samples != nullptr) put_integer(e, "8:interval", body.samples->interval);
  const MutablePart* part = body.item != nullptr ? body.item->signed_by : nullptr;
  const bool has_value = body.item != nullptr && !body.item->value.empty();
  if (part != nullptr && has_value) e.literal("1:k").string(Bytes{part->key});

  const std::size_t tail = 1 + tail_size(transaction, version);
  const std::size_t reserved = tail + behind_nodes(body);
  if (e.left() < reserved) return 0;
  const std::size_t for_values = body.values_before_nodes ? values_size(body.values) : 0;
  put_all_nodes(e, body, reserved + for_values);

  if (body.samples != nullptr) {
    e.literal("3:numi").number(body.samples->num).literal("e7:samples").string(body.samples->samples);
  }
  if (part != nullptr) put_integer(e, "3:seq", part->seq);
  if (part != nullptr && has_value) e.literal("3:sig").string(Bytes{part->signature});
  if (!body.token.empty()) e.literal("5:token").string(body.token);
  if (has_value) e.literal("1:v").bytes(body.item->value);
  if (e.left() < tail) return 0;
  put_values(e, body.values, e.left() - tail);
  e.literal("e");
  put_tail(e, transaction, version, "r");
  return e.size();
}

std::size_t encode_error(MutableBytes out, Bytes transaction, std::string_view version, int code,
                         std::string_view text) {
  Encoder e{out};
  e.literal("d1:eli").number(static_cast<std::uint64_t>(code)).literal("e").string(text).literal("e");
  put_tail(e, transaction, version, "e");
  return e.size();
}

}  // namespace lodestone::dht::krpc
