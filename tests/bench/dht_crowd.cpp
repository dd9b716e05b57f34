// SPDX-License-Identifier: Apache-2.0
// 100,000 DHT nodes behind one UDP socket, for real clients to be measured against (tests/bench/live_lookup.py). The
// namespace routes 44.0.0.0/6 to this machine (AnyIP), so that every node is asked, and answers, at an address of its
// own. The model:
//   who        CrowdKeys: ids by BEP 42, tables of 128/64/32/16/8 contacts of which a share is dead. To the dead one
//              may write; nobody answers.
//   what       ping, find_node, get_peers (token, nodes, and three peers from each of the 8 living nodes that are
//              closest to the hash, whatever the hash), announce_peer (taken, and forgotten), unknown methods like
//              find_node; `ip` is echoed. No node asks anything by itself.
//   when       a node and a client's /24 are two places, between which the round trip is log-normal, plus a little
//              jitter; a share of the answers (--late) comes after 2 to 8 s instead. The whole round trip is spent
//              here, before the answer leaves: loopback is quick.
//   loss       --loss for each datagram, query and answer.
// stdout: one JSON record when ready, then one for each line on stdin: what each source has asked since the last one.
// Ends with its stdin.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <map>
#include <numbers>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/read_until.hpp>
#include <asio/streambuf.hpp>
#include <nlohmann/json.hpp>

#include "dht/krpc.hpp"
#include "node/net/clock.hpp"
#include "node/net/sockets.hpp"
#include "node/net/timer.hpp"
#include "node/net/udp_port.hpp"
#include "tests/bench/crowd_keys.hpp"
#include "wire/base/datagram.hpp"
#include "wire/base/rng.hpp"

namespace {

using namespace lodestone;
using bench::CrowdKeys;
using wire::Bytes;
using wire::Duration;
using wire::Endpoint;
using wire::Instant;
namespace krpc = dht::krpc;

constexpr std::string_view kVersion{"LT\x01\x02", 4};
constexpr std::size_t kReplyMax = 1'024;  // bytes
constexpr std::size_t kPeers = 3;

struct Options {
  std::size_t nodes = 100'000;  // living ones
  double dead = 0.40;
  std::uint16_t port = 6881;
  double rtt_ms = 159;  // median
  double rtt_sigma = 0.6;
  double late = 0.03;
  double loss = 0.01;
  std::uint64_t seed = 1;
};

/// How long a round trip takes, and whether there is one.
class Weather {
 public:
  explicit Weather(const Options& options) : options_(options), rng_(wire::Rng::from_number(options.seed + 1)) {}

  /// nullopt: query or answer is lost.
  [[nodiscard]] std::optional<Duration> round_trip(CrowdKeys::Index node, const wire::Address& client) {
    if (rng_.chance(options_.loss) || rng_.chance(options_.loss)) return std::nullopt;
    if (rng_.chance(options_.late)) return wire::from_seconds(2 + 6 * rng_.unit());
    const double jitter_ms = -kJitterMeanMs * std::log(1 - rng_.unit());
    return wire::from_seconds((between(node, client) + jitter_ms) / 1'000);
  }

 private:
  static constexpr double kJitterMeanMs = 2;

  /// Milliseconds; the same each time, for everybody in that /24.
  [[nodiscard]] double between(CrowdKeys::Index node, const wire::Address& client) const {
    const std::uint64_t place = wire::load_be32(client.bytes().data()) >> 8;
    auto rng = wire::Rng::from_number(options_.seed ^ std::uint64_t{node} << 24 ^ place);
    const double normal = std::sqrt(-2 * std::log(1 - rng.unit())) * std::cos(2 * std::numbers::pi * rng.unit());
    return options_.rtt_ms * std::exp(options_.rtt_sigma * normal);
  }

  Options options_;
  wire::Rng rng_;
};

/// Answers that are on their way.
class Travelling {
 public:
  struct Parcel {
    Instant due;
    std::uint64_t number;  // of equals the first goes first
    Endpoint to;
    wire::Address from;
    wire::ByteVector bytes;
    friend bool operator>(const Parcel& a, const Parcel& b) {
      return std::pair{a.due, a.number} > std::pair{b.due, b.number};
    }
  };
  void add(Instant due, const Endpoint& to, const wire::Address& from, Bytes bytes) {
    heap_.push_back({due, ++last_, to, from, {bytes.begin(), bytes.end()}});
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>{});
  }
  [[nodiscard]] Instant next() const { return heap_.empty() ? wire::kNever : heap_.front().due; }
  [[nodiscard]] Parcel take() {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>{});
    Parcel out = std::move(heap_.back());
    heap_.pop_back();
    return out;
  }

 private:
  std::vector<Parcel> heap_;
  std::uint64_t last_ = 0;
};

/// What one source has asked.
struct Account {
  std::uint64_t queries = 0, to_the_dead = 0, to_nobody = 0, answers = 0;
  std::uint64_t named = 0, named_dead = 0;            // contacts in the answers
  std::map<std::string, std::uint64_t> by_method;     // get_peers are not in it
  std::map<std::string, std::uint64_t> by_info_hash;  // get_peers
};

class Crowd {
 public:
  Crowd(asio::io_context& io, node::UniqueFd socket, const Options& options)
      : keys_(options.nodes, options.dead, options.port, options.seed),
        weather_(options),
        timer_(io, [this] { deliver(); }),
        port_(io, std::move(socket), [this](std::span<const node::UdpPort::Received> r) { on_datagrams(r); }) {}

  [[nodiscard]] const CrowdKeys& keys() const { return keys_; }

  [[nodiscard]] nlohmann::ordered_json take_accounts() {
    auto sources = nlohmann::ordered_json::object();
    for (const auto& [address, a] : accounts_) {
      sources[address.text()] = {{"queries", a.queries},     {"to_the_dead", a.to_the_dead},
                                 {"to_nobody", a.to_nobody}, {"answers", a.answers},
                                 {"named", a.named},         {"named_dead", a.named_dead},
                                 {"by_method", a.by_method}, {"by_info_hash", a.by_info_hash}};
    }
    accounts_.clear();
    const auto& counters = port_.counters();
    return {{"type", "accounts"}, {"dropped", counters.dropped + counters.refused}, {"sources", std::move(sources)}};
  }

 private:
  void on_datagrams(std::span<const node::UdpPort::Received> received) {
    const Instant now = node::clock_now();
    for (const auto& datagram : received) on_datagram(now, datagram);
    timer_.arm(travelling_.next());
  }

  void on_datagram(Instant now, const node::UdpPort::Received& datagram) {
    const auto message = decoder_.decode(datagram.bytes);
    if (message && !std::holds_alternative<krpc::Query>(message->body)) return;
    if (!message && message.error().code == 0) return;
    Account& account = accounts_[datagram.from.address];
    ++account.queries;
    if (message) note(std::get<krpc::Query>(message->body), account);
    const auto node = keys_.at(datagram.local);
    account.to_nobody += !node;
    account.to_the_dead += node && !keys_[*node].alive;
    if (!node || !keys_[*node].alive) return;
    const auto delay = weather_.round_trip(*node, datagram.from.address);
    if (!delay) return;
    std::array<std::uint8_t, kReplyMax> room;
    const std::size_t size = message ? answer(*node, datagram.from, message->transaction,
                                              std::get<krpc::Query>(message->body), account, room)
                                     : krpc::encode_error(room, message.error().transaction, kVersion,
                                                          message.error().code, message.error().reason);
    if (size == 0) return;
    ++account.answers;
    travelling_.add(now + *delay, datagram.from, datagram.local, Bytes{room.data(), size});
  }

  static void note(const krpc::Query& query, Account& account) {
    switch (query.method) {
      case krpc::Method::ping: ++account.by_method["ping"]; break;
      case krpc::Method::find_node: ++account.by_method["find_node"]; break;
      case krpc::Method::get_peers: ++account.by_info_hash[query.target.hex()]; break;
      case krpc::Method::announce_peer: ++account.by_method["announce_peer"]; break;
      default: ++account.by_method["other"]; break;
    }
  }

  std::size_t answer(CrowdKeys::Index index, const Endpoint& to, Bytes transaction, const krpc::Query& query,
                     Account& account, wire::MutableBytes room) {
    const auto& own = keys_[index].contact;
    krpc::ReplyBody body{own.id, to, std::nullopt, {}, {}, {}};
    const bool wants_nodes = query.method != krpc::Method::ping && query.method != krpc::Method::announce_peer &&
                             query.method != krpc::Method::put;
    constexpr std::size_t kStride = dht::Contact::compact_size(wire::Family::v4);
    wire::ByteVector nodes;
    if (wants_nodes) {
      for (const CrowdKeys::Index i : keys_.closest_known(index, query.target)) {
        nodes.resize(nodes.size() + kStride);
        keys_[i].contact.write_compact(nodes.data() + nodes.size() - kStride);
        ++account.named;
        account.named_dead += !keys_[i].alive;
      }
      body.nodes_family = wire::Family::v4;
      body.nodes = nodes;
    }
    std::array<std::uint8_t, kPeers * Endpoint::compact_size(wire::Family::v6)> peers;
    if (query.method == krpc::Method::get_peers) {
      body.token = own.id.view().first(4);
      if (keys_.stores(index, query.target)) body.values = peers_of(query.target, peers);
    }
    return krpc::encode_reply(room, transaction, kVersion, body);
  }

  /// Three that anybody would talk to; which ones follows from the hash.
  static krpc::CompactPeers peers_of(const wire::Key& info_hash, std::span<std::uint8_t> room) {
    constexpr std::size_t kSize = Endpoint::compact_size(wire::Family::v4);
    for (std::size_t i = 0; i < kPeers; ++i) {
      const std::uint8_t* h = info_hash.bytes().data() + 4 * i;
      const auto address = wire::Address::v4(81, h[0], h[1], h[2]);
      Endpoint{address, static_cast<std::uint16_t>(50'000 + h[3])}.write_compact(room.data() + i * kSize);
    }
    return {room.data(), kPeers, kSize, kSize};
  }

  void deliver() {
    const Instant now = node::clock_now();
    while (travelling_.next() <= now) {
      const auto parcel = travelling_.take();
      batch_.push(parcel.to, parcel.bytes);
      sources_.push_back(parcel.from);
    }
    port_.send(batch_, sources_);
    batch_.clear();
    sources_.clear();
    timer_.arm(travelling_.next());
  }

  CrowdKeys keys_;
  Weather weather_;
  Travelling travelling_;
  std::map<wire::Address, Account> accounts_;
  krpc::Decoder decoder_;
  wire::DatagramBatch batch_;
  std::vector<wire::Address> sources_;
  node::Timer timer_;
  node::UdpPort port_;
};

void print(const nlohmann::ordered_json& record) {
  std::puts(record.dump().c_str());
  std::fflush(stdout);
}

/// f() for each line on stdin; the loop stops with the last.
template <class F>
class Lines {
 public:
  Lines(asio::io_context& io, F f) : io_(io), stdin_(io, ::dup(STDIN_FILENO)), f_(std::move(f)) { wait(); }

 private:
  void wait() {
    asio::async_read_until(stdin_, buffer_, '\n', [this](const std::error_code& error, std::size_t size) {
      if (error) return io_.stop();
      buffer_.consume(size);
      f_();
      wait();
    });
  }
  asio::io_context& io_;
  asio::posix::stream_descriptor stdin_;
  asio::streambuf buffer_;
  F f_;
};

nlohmann::ordered_json ready_record(const CrowdKeys& keys) {
  auto bootstrap = nlohmann::ordered_json::array();
  for (std::size_t part = 1; part <= 3; ++part) {
    auto i = static_cast<CrowdKeys::Index>(keys.size() * part / 4);
    while (!keys[i].alive) i = static_cast<CrowdKeys::Index>((i + 1) % keys.size());
    bootstrap.push_back(keys[i].contact.endpoint.text());
  }
  return {{"type", "ready"}, {"nodes", keys.size()}, {"bootstrap", std::move(bootstrap)}};
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"A crowd of DHT nodes without state, at 44.0.0.0/6"};
  app.option_defaults()->always_capture_default();
  app.add_option("--nodes", options.nodes, "Living nodes");
  app.add_option("--dead", options.dead, "Share of contacts that never answer")->check(CLI::Range(0.0, 0.99));
  app.add_option("--port", options.port, "UDP port of all of them");
  app.add_option("--rtt", options.rtt_ms, "Median round trip, milliseconds");
  app.add_option("--rtt-sigma", options.rtt_sigma, "Of its logarithm");
  app.add_option("--late", options.late, "Share of answers that take 2 to 8 s")->check(CLI::Range(0.0, 1.0));
  app.add_option("--loss", options.loss, "Share of datagrams that are lost")->check(CLI::Range(0.0, 1.0));
  app.add_option("--seed", options.seed, "Decides everything");
  CLI11_PARSE(app, argc, argv);
  try {
    asio::io_context io{1};
    auto socket = node::bind_udp({wire::Address{}, options.port});
    if (!socket) {
      std::fprintf(stderr, "dht_crowd: port %u: %s\n", options.port, socket.error().message().c_str());
      return 1;
    }
    Crowd crowd(io, *std::move(socket), options);
    const Lines lines(io, [&crowd] { print(crowd.take_accounts()); });
    print(ready_record(crowd.keys()));
    io.run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "dht_crowd: %s\n", e.what());
    return 1;
  }
}
