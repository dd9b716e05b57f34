// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/transfer_phase.hpp"

#include <string>

#include <catch2/catch.hpp>

namespace lodestone::tools {
namespace {

std::string names(const std::vector<PhaseChange>& changes) {
  std::string text;
  for (const PhaseChange& change : changes)
    text += std::string(text.empty() ? "" : " ") + std::string(name(change.phase));
  return text;
}

struct Bench {
  TransferFacts facts;
  PhaseTracker tracker;
  std::vector<PhaseChange> last;
  std::string at(double now) {
    facts.now = now;
    last.clear();
    tracker.update(facts, last);
    return names(last);
  }
};

TEST_CASE("a magnet's phases follow each other, each once") {
  Bench b;
  CHECK(b.at(0.1) == "dht");
  CHECK(b.at(0.2) == "");
  b.facts.times.first_dht_answer = 0.25;
  b.facts.dht_nodes = 7;
  CHECK(b.at(0.4) == "lookup");
  CHECK(b.last[0].elapsed == 0.25);
  CHECK(b.last[0].dht_nodes == 7);
  b.facts.times.first_peer = 0.5;
  b.facts.status.seen = 3;
  CHECK(b.at(0.6) == "metadata");
  CHECK(b.last[0].peers == 3);
  b.facts.times.metadata = 0.7;
  CHECK(b.at(0.8) == "open");
  b.facts.status.phase = magnet::Phase::checking;
  CHECK(b.at(0.85) == "");
  b.facts.status.phase = magnet::Phase::downloading;
  b.facts.times.opened = 0.9;
  CHECK(b.at(1.0) == "download");
  b.last.clear();
  b.tracker.enter(TransferPhase::done, b.facts, b.last);
  CHECK(names(b.last) == "done");
  b.last.clear();
  b.tracker.enter(TransferPhase::seed, b.facts, b.last);
  CHECK(b.last.empty());
}

TEST_CASE("phases that were over before anybody looked are told all the same, with their own times") {
  Bench b;
  b.facts.times = {
      .first_dht_answer = 0.1, .first_peer = 0.2, .metadata = 0.3, .opened = 0.4, .finished = std::nullopt};
  b.facts.status.phase = magnet::Phase::downloading;
  CHECK(b.at(5) == "dht lookup metadata open download");
  const double expected[] = {0, 0.1, 0.2, 0.3, 0.4};
  for (std::size_t i = 0; i < b.last.size(); ++i) CHECK(b.last[i].elapsed == expected[i]);
}

TEST_CASE("with a named peer the lookup is skipped when the DHT came later") {
  Bench b;
  CHECK(b.at(0.1) == "dht");
  b.facts.times.first_peer = 0.2;
  b.facts.times.first_dht_answer = 0.3;
  CHECK(b.at(0.4) == "metadata");
}

TEST_CASE("without the DHT there is no phase of it") {
  Bench b;
  b.facts.use_dht = false;
  CHECK(b.at(0.1) == "metadata");
  b.facts.times.metadata = 0.2;
  b.facts.status.phase = magnet::Phase::opening;
  CHECK(b.at(0.3) == "open");
}

TEST_CASE("a torrent file begins with its files") {
  Bench b;
  b.facts.times.metadata = 0.01;
  b.facts.status.phase = magnet::Phase::opening;
  CHECK(b.at(0.1) == "open");
  b.facts.times.opened = 0.2;
  b.facts.times.first_dht_answer = 0.3;
  b.facts.times.first_peer = 0.4;
  b.facts.status.phase = magnet::Phase::downloading;
  CHECK(b.at(0.5) == "download");
}

}  // namespace
}  // namespace lodestone::tools
