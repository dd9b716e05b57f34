// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "dht/krpc.hpp"
#include "dht/krpc_fast.hpp"

namespace lodestone::dht::krpc {
namespace {

using wire::as_text;
using wire::Endpoint;
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

bool looks_like_query(Bytes datagram) {
  return datagram.size() >= 7 && wire::begins_with(datagram.last(7).data(), "1:y1:qe");
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

bool looks_like_reply(Bytes datagram) {
  if (datagram.size() < 7) return false;
  const std::uint8_t* const tail = datagram.last(7).data();
  return wire::begins_with(tail, "1:y1:re") || wire::begins_with(tail, "1:y1:ee");
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

}  // namespace lodestone::dht::krpc
