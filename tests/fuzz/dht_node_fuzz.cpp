// SPDX-License-Identifier: Apache-2.0
// A whole Node driven by a byte script: datagrams from varying sources, honest replies to its own queries (bent where
// the script says so), time, and everything a caller may ask for. Invariants are checked after every step, and that the
// node only ever talks to whom its policy allows, in packets of a decent size, and is never due in the past after
// advance().
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "dht/krpc.hpp"
#include "dht/node.hpp"
#include "tests/support/byte_script.hpp"

namespace {

using namespace lodestone;
using test::require;
using wire::Bytes;
using wire::ByteVector;
using wire::Endpoint;
using Script = test::ByteScript;

/// An id from one byte of script, near or far from the node's own, which is zero.
template <class Id>
Id id_of(std::uint8_t b) {
  Id id;
  id.bytes()[b % 20] = b;
  id.bytes()[19] = static_cast<std::uint8_t>(b ^ 0x5a);
  return id;
}

class Harness {
 public:
  explicit Harness(std::uint8_t setup)
      : family_(setup & 1 ? wire::Family::v6 : wire::Family::v4),
        node_(now_, config(setup), wire::Rng::from_number(7)) {}

  void step(Script& s) {
    switch (s.byte() % 16) {
      case 0: receive(endpoint(s.byte()), s.take(s.byte())); break;
      case 1: query(s); break;
      case 2:
      case 3: reply(s); break;
      case 4: pass(std::chrono::milliseconds(s.byte() * 16)); break;
      case 5: pass(std::chrono::seconds(s.byte() * 8)); break;
      case 6: {
        const Endpoint e = endpoint(s.byte());
        node_.add_introducers(now_, {&e, 1}, out_);
        break;
      }
      case 7: {
        const auto b = s.byte();
        std::optional<dht::AnnounceSpec> announce;
        if (b & 1) announce = dht::AnnounceSpec{static_cast<std::uint16_t>(b << 6), (b & 2) != 0};
        last_ = node_.get_peers(now_, id_of<wire::InfoHash>(s.byte()), announce, out_);
        break;
      }
      case 8: last_ = node_.keep_announced(now_, id_of<wire::InfoHash>(s.byte()), {6881, false}, out_); break;
      case 9: node_.withdraw(id_of<wire::InfoHash>(s.byte())); break;
      case 10:
        s.byte() & 1 ? node_.cancel(last_) : void(last_ = node_.find_node(now_, id_of<wire::Key>(s.byte()), out_));
        break;
      case 12: last_ = node_.get_item(now_, dht::immutable_target(value(s.byte())), {}, out_); break;
      case 13: {
        const auto b = s.byte();
        dht::Item item;
        const Bytes v = value(b);
        item.value.assign(v.begin(), v.end());
        last_ = node_.put_item(now_, item, b % 2 ? std::optional<std::int64_t>{b} : std::nullopt, out_);
        break;
      }
      case 14: last_ = node_.scrape(now_, id_of<wire::InfoHash>(s.byte()), out_); break;
      case 15: {
        const auto b = s.byte();
        if (b & 1) {
          node_.sample_at(now_, endpoint(b), {}, out_);
        } else {
          last_ = node_.sample(now_, id_of<wire::Key>(b), out_);
        }
        break;
      }
      default: {
        const auto b = s.byte();
        if (b >= 0xc0) {
          node_.want_both(wants_both_ = (b & 1) != 0);
          std::vector<dht::Contact> named;
          for (int i = 0; i < b % 64; ++i) {
            const auto n = s.byte();
            named.push_back({id_of<wire::NodeId>(n), endpoint(n)});
          }
          node_.offer(now_, named, out_);
        } else {
          b & 1 ? node_.ping(now_, endpoint(s.byte()), out_) : node_.find_node_at(now_, endpoint(s.byte()), {}, out_);
        }
      }
    }
    collect();
  }

 private:
  dht::NodeConfig config(std::uint8_t setup) const {
    dht::NodeConfig c;
    c.family = family_;
    c.policy.allow(wire::AddressKind::global);
    ours_ = endpoint(77);
    c.ours = {ours_};
    c.private_net = (setup & 2) != 0;
    c.read_only = (setup & 4) != 0;
    c.limits.contact_store = 128;  // the invariants of what lies beside it are checked after each step
    c.limits.k = setup & 8 ? 2 : 8;
    c.limits.max_outstanding = setup & 16 ? 3 : 2'000;
    c.limits.max_lookups = setup & 32 ? 1 : 64;
    c.limits.peers_total = setup & 64 ? 4 : 20'000;
    c.limits.hashes_total = setup & 128 ? 2 : 5'000;
    if ((setup & 192) == 192) {
      c.limits.ring_size = c.limits.ping_queue = c.limits.visitors = 16;
      c.limits.early_ring = setup & 16 ? 0 : 1'000;
    }
    policy_ = c.policy;
    return c;
  }
  [[nodiscard]] Endpoint endpoint(std::uint8_t b) const {
    const auto port = static_cast<std::uint16_t>(b == 255 ? 0 : 6881 + b % 3);
    if (b == 254) return {wire::Address::v4(127, 0, 0, 1), port};
    if (family_ == wire::Family::v4) return {wire::Address::v4(11, 0, b >> 2, b), port};
    std::array<std::uint8_t, 16> raw{0x26, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(b >> 2)};
    raw[15] = b;
    return {wire::Address::v6(raw), port};
  }
  /// A value in bencode, valid until the next call.
  Bytes value(std::uint8_t b) {
    value_.clear();
    wire::bencode::Writer(value_).integer(b);
    return value_;
  }
  void receive(const Endpoint& from, Bytes datagram) { node_.receive(now_, from, datagram, out_); }
  void pass(wire::Duration d) {
    const wire::Instant end = now_ + d;
    // As a driver would: at each deadline on the way, but not for ever.
    for (int i = 0; i < 200 && node_.next_deadline() <= end; ++i) {
      now_ = std::max(now_, node_.next_deadline());
      node_.advance(now_, out_);
      require(node_.next_deadline() > now_);
      collect();
    }
    now_ = end;
    node_.advance(now_, out_);
    require(node_.next_deadline() > now_);
  }
  void query(Script& s) {
    static constexpr const char* kMethods[] = {"ping", "find_node", "get_peers", "announce_peer",    "vote",
                                               "",     "get",       "put",       "sample_infohashes"};
    const Endpoint from = endpoint(s.byte());
    const std::string_view method = kMethods[s.byte() % 9];
    const auto named = s.byte();
    const bool item = method == "get" || method == "put";
    const auto key = item ? dht::immutable_target(value(named)) : id_of<wire::Key>(named);
    const auto flags = s.byte();
    ByteVector raw;
    wire::bencode::Writer w{raw};
    w.begin_dict().key("a").begin_dict().key("id").string(id_of<wire::NodeId>(s.byte()).view());
    if (flags & 1) w.key("implied_port").integer(1);
    if (!(flags & 2)) w.key("info_hash").string(key.view());
    w.key("port").integer(flags * 257);
    if (!(flags & 4)) w.key("target").string(key.view());
    w.key("token").string(flags & 8 ? Bytes{token_} : Bytes{});
    if (method == "put") w.key("v").integer(named);
    w.end()
        .key("q")
        .string(method)
        .key("ro")
        .integer(flags >> 7)
        .key("t")
        .string(s.take(flags & 3))
        .key("y")
        .string("q");
    w.end();
    receive(from, raw);
  }
  /// Answers a query that the node has sent.
  void reply(Script& s) {
    if (asked_.empty()) return;
    const std::size_t at = s.byte() % asked_.size();
    const Asked query = asked_[at];
    asked_.erase(asked_.begin() + static_cast<std::ptrdiff_t>(at));
    const auto flags = s.byte();
    ByteVector nodes;
    for (int i = 0; i < flags % 16; ++i) {
      const auto b = s.byte();
      std::uint8_t raw[38];
      const Endpoint e = endpoint(b);
      if (e.family() != family_) continue;
      const std::size_t n = dht::Contact{id_of<wire::NodeId>(b), e}.write_compact(raw);
      nodes.insert(nodes.end(), raw, raw + n);
    }
    ByteVector raw;
    wire::bencode::Writer w{raw};
    w.begin_dict();
    if (flags & 128) {
      w.key("e").begin_list().integer(202).string("no").end();
    } else {
      const bool more = (flags & 48) == 48;  // with what BEP 33, 44 and 51 may add
      const ByteVector filter(256, static_cast<std::uint8_t>(flags));
      w.key("r").begin_dict();
      if (more) w.key("BFpe").string(filter).key("BFsd").string(filter);
      w.key("id").string(id_of<wire::NodeId>(flags & 64 ? s.byte() : query.id).view());
      if (more) w.key("interval").integer(flags * 40);
      w.key("nodes").string(nodes).key("nodes6").string(nodes);
      if (more) w.key("num").integer(flags).key("samples").string(nodes);
      if (flags & 32) w.key("token").string("token");
      if (more) w.key("v").integer(s.byte());
      if (flags & 16) {
        w.key("values").begin_list();
        for (int i = 0; i < 3; ++i) {
          std::uint8_t peer[18];
          w.string(Bytes{peer, endpoint(s.byte()).write_compact(peer)});
        }
        w.end();
      }
      w.end();
    }
    w.key("t").string(query.transaction).key("y").string(flags & 128 ? "e" : "r").end();
    receive(query.to, raw);
  }
  void collect() {
    node_.check_invariants();
    for (const auto& d : out_.datagrams.entries()) {
      const Bytes payload = out_.datagrams.payload(d);
      require(policy_.allows(d.to) && d.to.family() == family_ && d.to != ours_);
      require(payload.size() <= 1'500);
      const auto m = decoder_.decode(payload);
      require(m.has_value());
      if (const auto* r = std::get_if<dht::krpc::Reply>(&m->body))
        require(payload.size() <= 1'024 || !r->value.empty());
      if (const auto* r = std::get_if<dht::krpc::Reply>(&m->body); r != nullptr && !r->token.empty()) {
        token_.assign(r->token.begin(), r->token.end());
      }
      if (!std::holds_alternative<dht::krpc::Query>(m->body) || asked_.size() > 512) continue;
      const auto last = d.to.address.bytes().back();
      asked_.push_back({d.to, {m->transaction.begin(), m->transaction.end()}, last});
    }
    require(out_.events.size() < 10'000);
    require(wants_both_ || out_.other_family.empty());
    require(out_.other_family.size() <= 32);  // one datagram at most since the last time
    out_.clear();
  }

  struct Asked {
    Endpoint to;
    ByteVector transaction;
    std::uint8_t id;
  };
  mutable wire::AddressPolicy policy_;
  mutable Endpoint ours_;
  wire::Family family_;
  wire::Instant now_{std::chrono::hours(1)};
  dht::Node node_;
  dht::Output out_;
  dht::krpc::Decoder decoder_;
  std::vector<Asked> asked_;
  ByteVector token_;
  ByteVector value_;
  dht::LookupId last_ = 0;
  bool wants_both_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Script script{{data, std::min<std::size_t>(size, 4'096)}};
  Harness harness{script.byte()};
  while (!script.done()) harness.step(script);
  return 0;
}
