// SPDX-License-Identifier: Apache-2.0
// Lodestone as one of the clients of tests/bench/live_lookup.py: a session with the limits of `client`, as `get` has
// them, on real sockets, that looks up the info-hashes of its stdin. `dht get-peers` is a process for each lookup; here
// one node stays up. stdout, JSON Lines: `ready`; `first` when the first peers of a hash are there; `done` with the
// figures of its lookup; with --trace `hop` for each query. Ends with its stdin.
#include <cstdio>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "node/runtime.hpp"
#include "node/session.hpp"
#include "wire/base/time.hpp"

namespace {

using namespace lodestone;
using Json = nlohmann::ordered_json;

void print(const Json& record) {
  std::puts(record.dump().c_str());
  std::fflush(stdout);
}

class Lookups {
 public:
  Lookups(node::Runtime& runtime, node::Session& session, bool traced)
      : runtime_(runtime), session_(session), traced_(traced) {
    session_.on_dht_event([this](wire::Family, const dht::Event& event) { on_event(event); });
  }

  void start(const wire::InfoHash& info_hash) {
    const wire::Instant now = runtime_.now();
    const auto nodes = traced_ ? session_.dht_trace(info_hash) : session_.dht_get_peers(info_hash, std::nullopt);
    if (!nodes.empty()) running_[nodes.front().lookup] = {info_hash, now, false};
  }

 private:
  struct Running {
    wire::InfoHash info_hash;
    wire::Instant since;
    bool found = false;
  };

  void on_event(const dht::Event& event) {
    if (const auto* peers = std::get_if<dht::event::PeersFound>(&event)) {
      const auto at = running_.find(peers->lookup);
      if (at == running_.end() || at->second.found) return;
      at->second.found = true;
      print({{"type", "first"}, {"info_hash", at->second.info_hash.hex()}, {"after", since(at->second)}});
    } else if (const auto* done = std::get_if<dht::event::LookupDone>(&event)) {
      const auto at = running_.find(done->lookup);
      if (at == running_.end()) return;
      print({{"type", "done"},
             {"info_hash", at->second.info_hash.hex()},
             {"after", since(at->second)},
             {"asked", done->stats.asked},
             {"answered", done->stats.answered},
             {"timeouts", done->stats.timeouts},
             {"table", session_.dht_status().table()}});
    } else if (const auto* hop = std::get_if<dht::event::Hop>(&event)) {
      print({{"type", "hop"},
             {"lookup", hop->lookup},
             {"to", hop->to.text()},
             {"id", hop->id ? Json(hop->id->hex()) : Json()},
             {"named_by", hop->source == dht::event::Hop::Source::node ? Json(hop->named_by.text()) : Json()},
             {"sent", wire::to_seconds(hop->sent)},
             {"rtt", hop->rtt ? Json(wire::to_seconds(*hop->rtt)) : Json()},
             {"named", hop->named},
             {"values", hop->values}});
    }
  }
  [[nodiscard]] double since(const Running& r) const { return wire::to_seconds(runtime_.now() - r.since); }

  node::Runtime& runtime_;
  node::Session& session_;
  bool traced_;
  std::map<dht::LookupId, Running> running_;  // stays: peers may come after the end
};

std::optional<node::SessionConfig> config_of(const std::string& listen, const std::vector<std::string>& bootstrap) {
  const auto local = wire::Endpoint::parse(listen);
  if (!local) return std::nullopt;
  node::SessionConfig config;
  config.listen = {{local->address, local->port}};
  config.tcp = false;
  config.use_builtin_routers = false;
  for (const std::string& text : bootstrap) {
    const auto introducer = magnet::HostPort::parse(text);
    if (!introducer) return std::nullopt;
    config.bootstrap.push_back(*introducer);
  }
  return config;
}

}  // namespace

int main(int argc, char** argv) {
  std::string listen;
  std::vector<std::string> bootstrap;
  bool traced = false;
  auto limits = dht::Limits::client();
  double slow_max = wire::to_seconds(limits.slow_max);
  CLI::App app{"Looks up the info-hashes of its stdin, one a line"};
  app.add_option("--listen", listen, "ADDR:PORT")->required();
  app.add_option("--bootstrap", bootstrap, "HOST:PORT,...")->required()->delimiter(',');
  app.add_option("--alpha", limits.alpha, "Limits::alpha, for experiments")->check(CLI::Range(1, 64));
  app.add_option("--slow-max", slow_max, "Limits::slow_max in seconds, for experiments")->check(CLI::Range(0.15, 10.0));
  app.add_flag("--trace", traced, "Tell of each query");
  CLI11_PARSE(app, argc, argv);
  auto config = config_of(listen, bootstrap);
  if (!config) {
    std::fputs("live_lookup: --listen and --bootstrap want ADDR:PORT\n", stderr);
    return 2;
  }
  limits.slow_max = wire::from_seconds(slow_max);
  config->dht_limits = limits;
  node::Runtime runtime{{.block_memory = 1u << 20, .disk_threads = 1}};
  node::Session session{runtime, *std::move(config)};
  if (const auto started = session.start(); !started) {
    std::fprintf(stderr, "live_lookup: %s: %s\n", started.error().subject.c_str(), started.error().cause.c_str());
    return 1;
  }
  Lookups lookups{runtime, session, traced};
  print({{"type", "ready"}});
  // A thread of its own waits for lines: only it may block.
  const std::jthread reader([&] {
    for (std::string line; std::getline(std::cin, line);) {
      if (const auto info_hash = wire::InfoHash::from_hex(line)) {
        runtime.post([&lookups, h = *info_hash] { lookups.start(h); });
      } else {
        std::fprintf(stderr, "live_lookup: no info-hash: %s\n", line.c_str());
      }
    }
    runtime.post([&] { session.stop([&runtime] { runtime.stop(); }); });
  });
  runtime.run();
}
