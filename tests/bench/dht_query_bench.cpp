// SPDX-License-Identifier: Apache-2.0
// What a query costs a Node with a full table: decode, dispatch, encode, in nanoseconds, and how often it allocates
// when warm. The aim is at most 0.8 us and no allocation; `ring_` is an introducer with 100,000 nodes in its ring, who
// gives 16 of them to each of 4,096 sources that all come as strangers, in at most 0.45 us. The program says so at the
// end and exits 1 if one misses.
// `throttled` is the query that is not answered: its source has spent its share (S4). `read_` is the decoding alone, by
// the short way of the usual queries and by the full parser; their ratio is printed, too.
#include <cstdint>
#include <cstdio>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "dht/krpc.hpp"
#include "dht/node.hpp"
#include "tests/support/counted_allocations.hpp"

namespace {

using lodestone::test::allocations;
using namespace lodestone;
using wire::Bytes;
using wire::ByteVector;
using wire::Endpoint;

constexpr double kTargetNanoseconds = 800;
constexpr double kRingTargetNanoseconds = 450;
constexpr std::size_t kRing = 100'000;
constexpr std::size_t kContacts = 4'000;  // offered: the table keeps what its buckets hold
constexpr std::size_t kHashes = 2'000;    // stored, one to a hundred peers each
constexpr std::size_t kQueries = 4'096;   // different ones, in turn
// So that the sources, in turn, stay below 20 queries a second.
constexpr wire::Duration kBetweenQueries = wire::Duration{std::chrono::milliseconds(50)} / kQueries + wire::Duration{1};
// So that whoever asks has not been here for a while.
constexpr wire::Duration kBetweenStrangers = wire::Duration{std::chrono::minutes(11)} / kQueries;

/// A node in its prime: table and store filled the honest way, by replies and announces.
class World {
 public:
  enum class Kind { node, introducer };
  explicit World(Kind kind = Kind::node) : node_(now_, config(kind), wire::Rng::from_number(2)) {
    if (kind == Kind::introducer) fill_ring();
    fill_table();
    fill_store();
  }

  struct Query {
    Endpoint from;
    ByteVector payload;
  };
  [[nodiscard]] std::vector<Query> queries(const char* method, bool known_hash) {
    std::vector<Query> out;
    for (std::size_t i = 0; i < kQueries; ++i) {
      const auto key = known_hash ? hashes_[rng_.below(hashes_.size())] : rng_.id<wire::Key>();
      out.push_back({source(), query(method, key, {})});
      verify(out.back().from);
    }
    return out;
  }
  [[nodiscard]] dht::Node& node() { return node_; }
  [[nodiscard]] wire::Instant now() const { return now_; }

 private:
  [[nodiscard]] dht::NodeConfig config(Kind kind) {
    dht::NodeConfig c;
    c.id = rng_.id<wire::NodeId>();
    c.policy.allow(wire::AddressKind::global);
    if (kind == Kind::node) return c;
    c.private_net = true;  // no rates: they are looked up and counted all the same
    c.limits = dht::Limits::bootstrap();
    c.limits.ring_size = 2 * kRing;
    c.limits.ping_queue = c.limits.visitors = kRing;
    return c;
  }
  [[nodiscard]] Endpoint source() {
    for (;;) {
      const Endpoint e{wire::Address::v4(static_cast<std::uint32_t>(rng_.next())), 6881};
      if (e.address.kind() == wire::AddressKind::global) return e;
    }
  }
  [[nodiscard]] ByteVector query(std::string_view method, const wire::Key& key, Bytes token) {
    ByteVector raw;
    wire::bencode::Writer w{raw};
    w.begin_dict().key("a").begin_dict().key("id").string(rng_.id<wire::NodeId>().view());
    if (method == "get_peers" || method == "announce_peer") w.key("info_hash").string(key.view());
    if (method == "announce_peer") w.key("port").integer(6881);
    if (method == "find_node") w.key("target").string(key.view());
    if (!token.empty()) w.key("token").string(token);
    w.end().key("q").string(method).key("t").string("aa").key("v").string("LT\1\2").key("y").string("q").end();
    return raw;
  }
  /// It answers a query of ours, so that its queries get full replies (S3): with an error, which leaves the table
  /// alone.
  void verify(const Endpoint& who) {
    dht::Output out;
    node_.ping(now_, who, out);
    const auto sent = decoder_.decode(out.datagrams.payload(out.datagrams.entries().front()));
    std::uint8_t room[256];
    const std::size_t n = dht::krpc::encode_error(room, sent->transaction, "LD", 202, "busy");
    node_.receive(now_, who, Bytes{room, n}, out);
  }
  void fill_ring() {
    ByteVector contacts(kRing * dht::Contact::compact_size(wire::Family::v4));
    for (std::size_t i = 0; i < kRing; ++i)
      dht::Contact{rng_.id<wire::NodeId>(), source()}.write_compact(contacts.data() + i * 26);
    node_.restore_ring(contacts);
  }
  void fill_table() {
    dht::Output out;
    for (std::size_t i = 0; i < kContacts; ++i) {
      out.clear();
      // Ever nearer ids, so that deep buckets fill, too.
      auto id = rng_.id<wire::NodeId>();
      const std::size_t shared = i % 16;
      for (std::size_t b = 0; b < shared; ++b) {
        const auto mask = static_cast<std::uint8_t>(0x80 >> (b % 8));
        id.bytes()[b / 8] = static_cast<std::uint8_t>((id.bytes()[b / 8] & ~mask) | (node_.id().bytes()[b / 8] & mask));
      }
      const Endpoint from = source();
      node_.ping(now_, from, out);
      if (out.datagrams.empty()) continue;
      const auto sent = decoder_.decode(out.datagrams.payload(out.datagrams.entries().front()));
      std::uint8_t room[256];
      const std::size_t n =
          dht::krpc::encode_reply(room, sent->transaction, "LD", {id, from, std::nullopt, {}, {}, {}});
      dht::Output ignored;
      node_.receive(now_, from, Bytes{room, n}, ignored);
    }
  }
  void fill_store() {
    dht::Output out;
    for (std::size_t i = 0; i < kHashes; ++i) {
      hashes_.push_back(rng_.id<wire::Key>());
      for (std::size_t peer = 0; peer <= i % 100 / 10; ++peer) {
        out.clear();
        const Endpoint from = source();
        node_.receive(now_, from, query("get_peers", hashes_.back(), {}), out);
        const auto reply = decoder_.decode(out.datagrams.payload(out.datagrams.entries().front()));
        const Bytes given = std::get<dht::krpc::Reply>(reply->body).token;
        const ByteVector token{given.begin(), given.end()};
        node_.receive(now_, from, query("announce_peer", hashes_.back(), token), out);
      }
    }
  }

  wire::Rng rng_ = wire::Rng::from_number(1);
  wire::Instant now_{std::chrono::hours(1)};
  dht::Node node_;
  dht::krpc::Decoder decoder_;
  std::vector<wire::Key> hashes_;
};

void answer(benchmark::State& state, const char* method, bool known_hash, World::Kind kind) {
  World world(kind);
  const auto queries = world.queries(method, known_hash);
  dht::Output out;
  wire::Instant now = world.now();
  const auto run = [&](const World::Query& q) {
    out.clear();
    now += kind == World::Kind::introducer ? kBetweenStrangers : kBetweenQueries;
    world.node().receive(now, q.from, q.payload, out);
  };
  for (const auto& q : queries) {
    run(q);
    if (out.datagrams.size() != 1) return state.SkipWithError("a query got no reply");
  }
  const std::uint64_t before = allocations;
  std::size_t i = 0;
  std::size_t bytes = 0, replies = 0;
  for (auto _ : state) {
    run(queries[i]);
    for (const auto& reply : out.datagrams.entries()) bytes += reply.size;
    replies += out.datagrams.size();
    i = (i + 1) % queries.size();
  }
  if (replies != static_cast<std::size_t>(state.iterations()))
    return state.SkipWithError("not every query got a reply");
  state.counters["allocs"] = static_cast<double>(allocations - before);
  state.counters["table"] = static_cast<double>(world.node().table_size());
  state.counters["reply_bytes"] =
      static_cast<double>(bytes) / static_cast<double>(std::max<benchmark::IterationCount>(1, state.iterations()));
}

void throttled(benchmark::State& state) {
  World world;
  const auto queries = world.queries("find_node", false);
  dht::Output out;
  for (int i = 0; i < 101; ++i)
    for (const auto& q : queries) {
      out.clear();
      world.node().receive(world.now(), q.from, q.payload, out);
    }
  if (!out.datagrams.empty()) return state.SkipWithError("a source that has spent its share got a reply");
  const std::uint64_t before = allocations;
  std::size_t i = 0;
  for (auto _ : state) {
    world.node().receive(world.now(), queries[i].from, queries[i].payload, out);
    i = (i + 1) % queries.size();
  }
  state.counters["allocs"] = static_cast<double>(allocations - before);
}

using Decode = std::expected<dht::krpc::Message, dht::krpc::Rejected> (dht::krpc::Decoder::*)(Bytes);

void read(benchmark::State& state, Decode decode) {
  World world;
  const auto queries = world.queries("get_peers", false);
  dht::krpc::Decoder decoder;
  for (const auto& q : queries) {
    if (!(decoder.*decode)(q.payload)) return state.SkipWithError("a query could not be read");
  }
  const std::uint64_t before = allocations;
  std::size_t i = 0;
  for (auto _ : state) {
    auto message = (decoder.*decode)(queries[i].payload);
    benchmark::DoNotOptimize(message);
    i = (i + 1) % queries.size();
  }
  state.counters["allocs"] = static_cast<double>(allocations - before);
}

void read_usual(benchmark::State& state) { read(state, &dht::krpc::Decoder::decode); }
void read_by_full_parser(benchmark::State& state) { read(state, &dht::krpc::Decoder::decode_any); }

class Judge : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      if (run.error_occurred || run.run_type != Run::RT_Iteration) {
        failed_ = failed_ || run.error_occurred;
        continue;
      }
      const double ns = run.GetAdjustedCPUTime();
      const double allocs = run.counters.at("allocs").value;
      const auto& name = run.run_name.function_name;
      // With repetitions, the best one: the others measured the machine.
      if (lines_.empty() || lines_.back().name != name) lines_.push_back({name, ns, allocs});
      lines_.back().ns = std::min(lines_.back().ns, ns);
    }
  }
  [[nodiscard]] bool verdict() const {
    bool good = !failed_ && !lines_.empty();
    std::printf("\n%-28s %10s %12s\n", "one query answered, warm", "ns", "allocations");
    for (const Line& line : lines_) {
      const bool ring = line.name.starts_with("ring_");
      const bool held = line.ns <= (ring ? kRingTargetNanoseconds : kTargetNanoseconds) && line.allocs == 0;
      good = good && held;
      std::printf("%-28s %10.1f %12.0f  %s\n", line.name.c_str(), line.ns, line.allocs, held ? "ok" : "MISSED");
    }
    const double usual = ns_of("read_usual"), full = ns_of("read_by_full_parser");
    if (usual > 0 && full > 0)
      std::printf("reading a get_peers, the short way : the full parser = %.1f : %.1f ns = 1 : %.1f\n", usual, full,
                  full / usual);
    std::printf("target: at most %.0f ns (an introducer's: %.0f) and 0 allocations: %s\n", kTargetNanoseconds,
                kRingTargetNanoseconds, good ? "held" : "MISSED");
    return good;
  }

 private:
  struct Line {
    std::string name;
    double ns;
    double allocs;
  };
  [[nodiscard]] double ns_of(std::string_view name) const {
    for (const Line& line : lines_)
      if (line.name == name) return line.ns;
    return 0;
  }

  std::vector<Line> lines_;
  bool failed_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const struct {
    const char* name;
    const char* method;
    bool known_hash;
    World::Kind kind = World::Kind::node;
  } kinds[] = {{"ping", "ping", false},
               {"find_node", "find_node", false},
               {"get_peers_unknown_hash", "get_peers", false},
               {"get_peers_stored_hash", "get_peers", true},
               {"ring_find_node", "find_node", false, World::Kind::introducer},
               {"ring_get_peers", "get_peers", false, World::Kind::introducer}};
  for (const auto& k : kinds) {
    benchmark::RegisterBenchmark(k.name, [k](benchmark::State& s) { answer(s, k.method, k.known_hash, k.kind); })
        ->MinTime(0.2)
        ->Repetitions(3);
  }
  benchmark::RegisterBenchmark("throttled", throttled)->MinTime(0.2)->Repetitions(3);
  benchmark::RegisterBenchmark("read_usual", read_usual)->MinTime(0.2)->Repetitions(3);
  benchmark::RegisterBenchmark("read_by_full_parser", read_by_full_parser)->MinTime(0.2)->Repetitions(3);
  Judge judge;
  benchmark::RunSpecifiedBenchmarks(&judge);
  benchmark::Shutdown();
  return judge.verdict() ? 0 : 1;
}
