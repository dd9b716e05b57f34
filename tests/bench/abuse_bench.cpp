// SPDX-License-Identifier: Apache-2.0
// What ten million datagrams of each kind of abuse do to an introducer's memory (S2-S4): it grows while tables fill up
// to their caps, and then no more. Each flood runs alone against a node of its own, from sources all over the world;
// the program prints what the node refused, by the reason, and exits 1 where the second half of a flood takes more than
// 1 MiB, or where what was sent back is more than was sent (S3).
//
//   announces   get a token for a hash of their own, announce it, and come from somewhere else the next time
//   get_peers   for random hashes
//   forged      announces and puts with tokens that nobody gave
//   puts        items of a kilobyte, with good tokens
//   malformed   random bytes, and good queries with a byte changed
//   replies     that nobody asked for
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "dht/counters.hpp"
#include "dht/krpc.hpp"
#include "dht/node.hpp"
#include "wire/base/bencode.hpp"
#include "wire/base/hash.hpp"

namespace {

using namespace lodestone;
using wire::ByteVector;
using wire::Endpoint;
using wire::Instant;

constexpr std::size_t kDatagrams = 10'000'000;                      // or argument 1
constexpr double kMostGrowth = 1.0;                                 // MiB, in the second half
constexpr wire::Duration kBetween = std::chrono::microseconds(20);  // 50,000 a second

double resident_mib() {
  std::ifstream statm("/proc/self/statm");
  double total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

class Flood {
 public:
  Flood() : node_(now_, config(), wire::Rng::from_number(2)) {}

  /// One datagram, or two where the first one asks for the token of the second.
  void announce() {
    const Endpoint from = source();
    const auto hash = rng_.id<wire::Key>();
    send(from, get_peers(hash));
    if (!token_.empty()) send(from, announcement(hash, token_));
  }
  void ask() { send(source(), get_peers(rng_.id<wire::Key>())); }
  void forge() {
    const ByteVector token(8, static_cast<std::uint8_t>(rng_.next()));
    send(source(), rng_.chance(0.5) ? announcement(rng_.id<wire::Key>(), token) : put(token));
  }
  void put_item() {
    const Endpoint from = source();
    // The token of an immutable item is for its hash, which is that of its value.
    value_ = std::string(996, 'v');
    for (std::size_t i = 0; i < 8; ++i) value_[i] = static_cast<char>('a' + rng_.below(26));
    const auto target = wire::Key{wire::sha1(wire::as_bytes("996:" + value_))};
    send(from, query("get", [&](auto& w) { w.key("target").string(target.view()); }));
    if (!token_.empty()) send(from, put(token_));
  }
  void garble() {
    ByteVector raw = get_peers(rng_.id<wire::Key>());
    if (rng_.chance(0.5)) {
      raw.resize(rng_.below(raw.size()) + 1);
      rng_.fill(raw);
      raw[0] = 'd';
    } else {
      raw[rng_.below(raw.size())] = static_cast<std::uint8_t>(rng_.next());
    }
    send(source(), raw);
  }
  void reply() {
    std::uint8_t room[256];
    const auto id = rng_.id<wire::NodeId>();
    const std::uint32_t transaction = static_cast<std::uint32_t>(rng_.next());
    std::uint8_t raw[4];
    wire::store_be32(raw, transaction);
    const std::size_t n = dht::krpc::encode_reply(room, raw, "XX", {id, source(), {}, {}, {}, {}});
    send(source(), wire::Bytes{room, n});
  }

  [[nodiscard]] std::size_t sent() const { return sent_; }
  [[nodiscard]] double reflection() const { return static_cast<double>(bytes_back_) / static_cast<double>(bytes_); }
  [[nodiscard]] const dht::Counters& counters() const { return node_.counters(); }

 private:
  [[nodiscard]] dht::NodeConfig config() {
    dht::NodeConfig c;
    c.limits = dht::Limits::bootstrap();
    c.limits.ring_size = 100'000;
    c.limits.ping_queue = 50'000;
    c.limits.visitors = 100'000;
    c.id = rng_.id<wire::NodeId>();
    c.policy.allow(wire::AddressKind::global);
    return c;
  }
  [[nodiscard]] Endpoint source() {
    for (;;) {
      const Endpoint e{wire::Address::v4(static_cast<std::uint32_t>(rng_.next())), 6881};
      if (e.address.kind() == wire::AddressKind::global) return e;
    }
  }
  template <class Arguments>
  [[nodiscard]] ByteVector query(std::string_view method, Arguments&& arguments) {
    ByteVector raw;
    wire::bencode::Writer w{raw};
    w.begin_dict().key("a").begin_dict().key("id").string(rng_.id<wire::NodeId>().view());
    arguments(w);
    w.end().key("q").string(method).key("t").string("aa").key("y").string("q").end();
    return raw;
  }
  [[nodiscard]] ByteVector get_peers(const wire::Key& hash) {
    return query("get_peers", [&](auto& w) { w.key("info_hash").string(hash.view()); });
  }
  [[nodiscard]] ByteVector announcement(const wire::Key& hash, wire::Bytes token) {
    return query("announce_peer", [&](auto& w) {
      w.key("info_hash").string(hash.view()).key("port").integer(6881).key("token").string(token);
    });
  }
  [[nodiscard]] ByteVector put(wire::Bytes token) {
    return query("put", [&](auto& w) { w.key("token").string(token).key("v").string(value_); });
  }

  void send(const Endpoint& from, wire::Bytes raw) {
    now_ += kBetween;
    ++sent_;
    bytes_ += raw.size();
    if (node_.next_deadline() <= now_) node_.advance(now_, out_);
    out_.clear();  // its own upkeep leads nowhere here
    node_.receive(now_, from, raw, out_);
    token_.clear();
    for (const auto& entry : out_.datagrams.entries()) {
      if (entry.to != from) continue;
      const auto message = decoder_.decode(out_.datagrams.payload(entry));
      if (!message || std::holds_alternative<dht::krpc::Query>(message->body)) continue;
      bytes_back_ += entry.size;
      if (const auto* r = std::get_if<dht::krpc::Reply>(&message->body))
        token_.assign(r->token.begin(), r->token.end());
    }
    out_.clear();
  }

  wire::Rng rng_ = wire::Rng::from_number(1);
  Instant now_{std::chrono::hours(1)};
  dht::Node node_;
  dht::Output out_;
  dht::krpc::Decoder decoder_;
  ByteVector token_;
  std::string value_ = std::string(996, 'v');
  std::size_t sent_ = 0;
  std::uint64_t bytes_ = 0, bytes_back_ = 0;
};

bool run(const char* name, std::size_t datagrams, void (Flood::*step)()) {
  Flood flood;
  double at_half = 0;
  while (flood.sent() < datagrams) {
    (flood.*step)();
    if (at_half == 0 && flood.sent() >= datagrams / 2) at_half = resident_mib();
  }
  const double growth = resident_mib() - at_half;
  const bool held = growth <= kMostGrowth;
  std::printf(
      "%-9s  %zu datagrams, %.1f MiB resident at half, %+.2f MiB in the second half, %.2f bytes back for one  %s\n",
      name, flood.sent(), at_half, growth, flood.reflection(), held ? "held" : "MISSED");
  for (const dht::CounterInfo& info : dht::kCounters) {
    const std::uint64_t n = flood.counters().*info.value;
    if (n != 0 && info.group == dht::CounterGroup::dropped)
      std::printf("%20llu  %s\n", static_cast<unsigned long long>(n), std::string(info.meaning).c_str());
  }
  std::fflush(stdout);
  return held;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t n = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : kDatagrams;
  bool held = run("announces", n, &Flood::announce);
  held = run("get_peers", n, &Flood::ask) && held;
  held = run("forged", n, &Flood::forge) && held;
  held = run("puts", n, &Flood::put_item) && held;
  held = run("malformed", n, &Flood::garble) && held;
  held = run("replies", n, &Flood::reply) && held;
  return held ? EXIT_SUCCESS : EXIT_FAILURE;
}
