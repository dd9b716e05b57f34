// SPDX-License-Identifier: Apache-2.0
#include "dht/krpc.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "dht/krpc_fast.hpp"

namespace lodestone::dht::krpc {
namespace {

using wire::as_text;
using wire::Endpoint;
using wire::Family;
using wire::Key;
using wire::NodeId;
using wire::bencode::View;

constexpr std::size_t kFilterSize = 256;  // BEP 33

/// The top level of a message, before anybody has asked whether it makes sense.
struct Envelope {
  std::optional<Bytes> transaction;
  std::string_view type;                   // y
  std::optional<std::string_view> method;  // q
  std::optional<View> arguments;           // a
  std::optional<View> response;            // r
  std::optional<View> error;               // e
  Bytes version;
  Bytes external;  // ip
  bool read_only = false;
};

Envelope open(const View& root) {
  Envelope e;
  root.for_each_entry([&](std::string_view key, const View& value) {
    if (key.size() == 1) {
      switch (key[0]) {
        case 't': e.transaction = value.string(); break;
        case 'y': e.type = value.text().value_or(std::string_view{}); break;
        case 'q': e.method = value.text(); break;
        case 'a': e.arguments = value; break;
        case 'r': e.response = value; break;
        case 'e': e.error = value; break;
        case 'v': e.version = value.string().value_or(Bytes{}); break;
        default: break;
      }
    } else if (key == "ro") {
      e.read_only = value.integer().value_or(0) != 0;
    } else if (key == "ip") {
      e.external = value.string().value_or(Bytes{});
    }
  });
  return e;
}

template <class Id>
bool read_id(const View& value, std::optional<Id>& out) {
  const auto raw = value.string();
  if (!raw || raw->size() != Id::kSize) return false;
  std::memcpy(out.emplace().bytes().data(), raw->data(), Id::kSize);
  return true;
}

void read_want(const View& list, Query& q) {
  int looked_at = 0;
  for (const View item : list) {
    if (++looked_at > 8) break;
    const std::string_view text = item.text().value_or(std::string_view{});
    if (text == "n4") q.want_v4 = true;
    if (text == "n6") q.want_v6 = true;
  }
}

Method method_of(std::string_view name) {
  if (name == "ping") return Method::ping;
  if (name == "find_node") return Method::find_node;
  if (name == "get_peers") return Method::get_peers;
  if (name == "announce_peer") return Method::announce_peer;
  if (name == "get") return Method::get;
  if (name == "put") return Method::put;
  if (name == "sample_infohashes") return Method::sample_infohashes;
  return Method::other;
}

struct Arguments {
  std::optional<NodeId> id;
  std::optional<Key> target;
  std::optional<Key> info_hash;
  std::optional<std::int64_t> port;
  bool bad = false;  // a key that we know has a value of the wrong kind or size
};

bool is_true(const View& value) { return value.integer().value_or(0) != 0; }

void read_string(const View& value, Bytes& out, bool& bad) {
  const auto raw = value.string();
  bad |= !raw;
  if (raw) out = *raw;
}

void read_integer(const View& value, std::optional<std::int64_t>& out, bool& bad) {
  out = value.integer();
  bad |= !out;
}

Arguments read_arguments(const View& dict, Query& q) {
  Arguments args;
  bool bad_item = false;  // matters to put and get only: elsewhere these keys mean nothing
  dict.for_each_entry([&](std::string_view key, const View& value) {
    switch (key.size()) {
      case 1:
        if (key == "v") q.value = value.raw();
        if (key == "k") read_string(value, q.key, bad_item);
        break;
      case 2:
        if (key == "id") args.bad |= !read_id(value, args.id);
        break;
      case 3:
        if (key == "seq") read_integer(value, q.seq, bad_item);
        if (key == "sig") read_string(value, q.signature, bad_item);
        if (key == "cas") read_integer(value, q.cas, bad_item);
        break;
      case 4:
        if (key == "port") args.port = value.integer();
        if (key == "want") read_want(value, q);
        if (key == "seed") q.seed = value.integer() == 1;
        if (key == "salt") read_string(value, q.salt, bad_item);
        break;
      case 5:
        if (key == "token") q.token = value.string().value_or(Bytes{});
        break;
      case 6:
        if (key == "target") args.bad |= !read_id(value, args.target);
        if (key == "scrape") q.scrape = value.integer() == 1;
        if (key == "noseed") q.no_seed = value.integer() == 1;
        break;
      case 9:
        if (key == "info_hash") args.bad |= !read_id(value, args.info_hash);
        break;
      case 12:
        if (key == "implied_port") q.implied_port = is_true(value);
        break;
      default: break;
    }
  });
  if (bad_item && (q.method == Method::put || q.method == Method::get)) args.bad = true;
  return args;
}

/// What is missing from a put; empty: nothing.
std::string_view put_lacks(const Query& q) {
  if (q.token.empty()) return "no token";
  if (q.value.empty()) return "no value";
  if (q.key.empty()) return q.signature.empty() ? "" : "no key";
  if (q.key.size() != sizeof(PublicKey)) return "bad key";
  if (q.signature.size() != sizeof(Signature)) return "bad signature";
  if (!q.seq) return "no seq";
  return "";
}

std::expected<Message, Rejected> decode_query(const Envelope& e) {
  const auto refuse = [&](int code, std::string_view reason) {
    return std::unexpected(Rejected{code, *e.transaction, reason});
  };
  if (!e.method) return refuse(kProtocolError, "no method");
  if (!e.arguments || !e.arguments->is_dict()) return refuse(kProtocolError, "no arguments");
  Message m{*e.transaction, e.version, Query{}};
  Query& q = std::get<Query>(m.body);
  q.method = method_of(*e.method);
  q.read_only = e.read_only;
  const Arguments args = read_arguments(*e.arguments, q);

  const bool has_key = args.target.has_value() || args.info_hash.has_value();
  if (q.method == Method::other && !has_key) return refuse(kMethodUnknown, "method unknown");
  if (!args.id || args.bad) return refuse(kProtocolError, "bad arguments");
  q.id = *args.id;
  switch (q.method) {
    case Method::ping: break;
    case Method::find_node:
      if (!args.target) return refuse(kProtocolError, "no target");
      q.target = *args.target;
      break;
    case Method::get_peers:
      if (!args.info_hash) return refuse(kProtocolError, "no info_hash");
      q.target = *args.info_hash;
      break;
    case Method::announce_peer: {
      if (!args.info_hash) return refuse(kProtocolError, "no info_hash");
      if (q.token.empty()) return refuse(kProtocolError, "no token");
      q.target = *args.info_hash;
      const bool valid = args.port && *args.port > 0 && *args.port <= 0xffff;
      if (valid) q.port = static_cast<std::uint16_t>(*args.port);
      if (!valid && !q.implied_port) return refuse(kProtocolError, "bad port");
      break;
    }
    case Method::get:
    case Method::sample_infohashes:
      if (!args.target) return refuse(kProtocolError, "no target");
      q.target = *args.target;
      break;
    case Method::put:
      if (const auto lack = put_lacks(q); !lack.empty()) return refuse(kProtocolError, lack);
      break;
    case Method::other: q.target = args.target ? *args.target : *args.info_hash; break;
  }
  return m;
}

/// Empty unless it is a string of exactly that size.
Bytes string_of(const View& value, std::size_t size) {
  const Bytes raw = value.string().value_or(Bytes{});
  return raw.size() == size ? raw : Bytes{};
}

std::expected<Message, Rejected> decode_reply(const Envelope& e) {
  if (!e.response || !e.response->is_dict()) return std::unexpected(Rejected{});
  Message m{*e.transaction, e.version, Reply{}};
  Reply& r = std::get<Reply>(m.body);
  std::optional<NodeId> id;
  Bytes external = e.external;
  e.response->for_each_entry([&](std::string_view key, const View& value) {
    if (key == "id") {
      (void)read_id(value, id);
    } else if (key == "nodes") {
      r.nodes = value.string().value_or(Bytes{});
    } else if (key == "nodes6") {
      r.nodes6 = value.string().value_or(Bytes{});
    } else if (key == "token") {
      r.token = value.string().value_or(Bytes{});
    } else if (key == "values") {
      if (value.is_list()) r.values = value;
    } else if (key == "ip" && external.empty()) {
      external = value.string().value_or(Bytes{});  // some put it where it does not belong
    } else if (key == "v") {
      r.value = value.raw();
    } else if (key == "k") {
      r.key = string_of(value, sizeof(PublicKey));
    } else if (key == "sig") {
      r.signature = string_of(value, sizeof(Signature));
    } else if (key == "seq") {
      r.seq = value.integer();
    } else if (key == "samples") {
      r.samples = value.string();
    } else if (key == "interval") {
      r.interval = value.integer();
    } else if (key == "num") {
      r.num = value.integer();
    } else if (key == "BFsd") {
      r.seeds_filter = string_of(value, kFilterSize);
    } else if (key == "BFpe") {
      r.peers_filter = string_of(value, kFilterSize);
    }
  });
  if (!id) return std::unexpected(Rejected{});
  r.id = *id;
  if (!external.empty()) r.external = Endpoint::from_compact(external);
  return m;
}

std::expected<Message, Rejected> decode_error(const Envelope& e) {
  Message m{*e.transaction, e.version, ErrorReply{}};
  if (e.error && e.error->is_list() && e.error->size() > 0) {
    std::get<ErrorReply>(m.body).code = (*e.error->begin()).integer().value_or(0);
  }
  return m;
}

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

std::optional<ItemView> Reply::item(Bytes salt) const {
  if (value.empty()) return std::nullopt;
  if (key.empty()) return ItemView{value, std::nullopt};
  if (signature.empty() || !seq) return std::nullopt;
  MutablePart part{};
  std::copy(key.begin(), key.end(), part.key.begin());
  std::copy(signature.begin(), signature.end(), part.signature.begin());
  part.salt = salt;
  part.seq = *seq;
  return ItemView{value, part};
}

namespace {

bool looks_like_query(Bytes datagram) { return datagram.size() >= 7 && as_text(datagram.last(7)) == "1:y1:qe"; }

}  // namespace

bool looks_like_reply(Bytes datagram) {
  if (datagram.size() < 7) return false;
  const std::string_view tail = as_text(datagram.last(7));
  return tail == "1:y1:re" || tail == "1:y1:ee";
}

std::expected<Message, Rejected> Decoder::decode(Bytes datagram) {
  return looks_like_query(datagram) ? decode_query_like(datagram) : decode_any(datagram);
}

std::expected<Message, Rejected> Decoder::decode_query_like(Bytes datagram) {
  std::expected<Message, Rejected> result;  // returned from one place, so that it is never copied
  if (!read_usual_query(datagram, *result)) result = decode_any(datagram);
  return result;
}

std::expected<Message, Rejected> Decoder::decode_any(Bytes datagram) {
  // Trailing bytes are tolerated: some middleboxes and clients pad.
  wire::bencode::Limits limits = wire::bencode::Limits::wire();
  limits.allow_trailing = true;
  const auto root = document_.parse(datagram, limits);
  if (!root || !root->is_dict()) return std::unexpected(Rejected{});
  const Envelope e = open(*root);
  if (!e.transaction || e.type.size() != 1) return std::unexpected(Rejected{});
  switch (e.type[0]) {
    case 'q': return decode_query(e);
    case 'r': return decode_reply(e);
    case 'e': return decode_error(e);
    default: return std::unexpected(Rejected{});
  }
}

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
