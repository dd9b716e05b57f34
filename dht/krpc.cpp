// SPDX-License-Identifier: Apache-2.0
#include "dht/krpc.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

namespace lodestone::dht::krpc {
namespace {

using wire::as_text;
using wire::Endpoint;
using wire::Family;
using wire::Key;
using wire::NodeId;
using wire::bencode::View;

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
  return Method::other;
}

struct Arguments {
  std::optional<NodeId> id;
  std::optional<Key> target;
  std::optional<Key> info_hash;
  std::optional<std::int64_t> port;
  bool bad = false;  // a key that we know has a value of the wrong kind or size
};

Arguments read_arguments(const View& dict, Query& q) {
  Arguments args;
  dict.for_each_entry([&](std::string_view key, const View& value) {
    if (key == "id") {
      args.bad |= !read_id(value, args.id);
    } else if (key == "target") {
      args.bad |= !read_id(value, args.target);
    } else if (key == "info_hash") {
      args.bad |= !read_id(value, args.info_hash);
    } else if (key == "token") {
      q.token = value.string().value_or(Bytes{});
    } else if (key == "port") {
      args.port = value.integer();
    } else if (key == "implied_port") {
      q.implied_port = value.integer().value_or(0) != 0;
    } else if (key == "want") {
      read_want(value, q);
    }
  });
  return args;
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
  if (!args.id || args.bad) return refuse(kProtocolError, "bad id");
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
    case Method::other: q.target = args.target ? *args.target : *args.info_hash; break;
  }
  return m;
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
  e.literal("1:t").string(Bytes{transaction});
  if (!head.version.empty()) e.literal("1:v").string(head.version);
  e.literal("1:y1:qe");
  return e.size();
}

constexpr std::size_t digits_of(std::size_t n) { return n < 10 ? 1 : n < 100 ? 2 : n < 1'000 ? 3 : n < 10'000 ? 4 : 5; }
constexpr std::size_t string_size(std::size_t n) { return digits_of(n) + 1 + n; }

/// "<transaction>1:v<version>1:y1:Xe" with the key of the transaction.
std::size_t tail_size(Bytes transaction, std::string_view version) {
  return 3 + string_size(transaction.size()) + (version.empty() ? 0 : 3 + string_size(version.size())) + 7;
}

void put_tail(Encoder& e, Bytes transaction, std::string_view version, std::string_view type) {
  e.literal("1:t").string(transaction);
  if (!version.empty()) e.literal("1:v").string(version);
  e.literal("1:y").string(type).literal("e");
}

void put_nodes(Encoder& e, Family family, std::span<const Contact* const> nodes, std::size_t room) {
  const std::size_t stride = Contact::compact_size(family);
  const std::string_view key = family == Family::v4 ? "5:nodes" : "6:nodes6";
  const std::size_t overhead = key.size() + 5;  // "1234:"
  const std::size_t count = std::min(nodes.size(), room > overhead ? (room - overhead) / stride : 0);
  e.literal(key).length(count * stride);
  std::array<std::uint8_t, Contact::compact_size(Family::v6)> raw;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t n = nodes[i]->write_compact(raw.data());
    assert(n == stride);
    e.bytes({raw.data(), n});
  }
}

void put_values(Encoder& e, const CompactPeers& peers, std::size_t room) {
  static constexpr std::string_view kKey = "6:valuesl";
  const std::size_t each = string_size(peers.size);
  const std::size_t overhead = kKey.size() + 1;
  const std::size_t count = std::min(peers.count, room > overhead ? (room - overhead) / each : 0);
  if (count == 0) return;
  e.literal(kKey);
  for (std::size_t i = 0; i < count; ++i) e.string(Bytes{peers.data + i * peers.stride, peers.size});
  e.literal("e");
}

}  // namespace

std::expected<Message, Rejected> Decoder::decode(Bytes datagram) {
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
  return finish_query(e, head, "find_node");
}

std::size_t encode_get_peers(MutableBytes out, const QueryHead& head, const Key& info_hash) {
  Encoder e{out};
  e.literal("d1:ad2:id").id(head.id).literal("9:info_hash").id(info_hash);
  return finish_query(e, head, "get_peers");
}

std::size_t encode_announce_peer(MutableBytes out, const QueryHead& head, const Key& info_hash, std::uint16_t port,
                                 bool implied_port, Bytes token) {
  Encoder e{out};
  e.literal("d1:ad2:id").id(head.id);
  if (implied_port) e.literal("12:implied_porti1e");
  e.literal("9:info_hash").id(info_hash);
  e.literal("4:porti").number(port).literal("e5:token").string(token);
  return finish_query(e, head, "announce_peer");
}

std::size_t encode_reply(MutableBytes out, Bytes transaction, std::string_view version, const ReplyBody& body) {
  Encoder e{out};
  std::array<std::uint8_t, 18> ip;
  const std::size_t ip_size = body.to.write_compact(ip.data());
  e.literal("d2:ip").string(Bytes{ip.data(), ip_size}).literal("1:rd2:id").id(body.id);
  const std::size_t reserved =
      1 + tail_size(transaction, version) + (body.token.empty() ? 0 : 7 + string_size(body.token.size()));
  if (e.left() < reserved) return 0;
  if (body.nodes_family) put_nodes(e, *body.nodes_family, body.nodes, e.left() - reserved);
  if (!body.token.empty()) e.literal("5:token").string(body.token);
  const std::size_t tail = 1 + tail_size(transaction, version);
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
