// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/stall.hpp"

#include <set>
#include <string>

#include <catch2/catch.hpp>

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;

/// A download that goes nowhere though everything seems right.
SwarmFacts stuck() {
  SwarmFacts f;
  f.phase = Phase::downloading;
  f.quiet = 15s;
  f.known = 10;
  f.connected = 5;
  f.max_peers = 80;
  f.interesting = 3;
  f.unchoked_us = 2;
  return f;
}

TEST_CASE("no stall while something moves, or when nothing has to") {
  SwarmFacts f = stuck();
  f.quiet = 14s;
  CHECK(judge(f) == StallReason::none);
  f = stuck();
  for (const Phase p : {Phase::seeding, Phase::stopped, Phase::opening, Phase::checking}) {
    f.phase = p;
    CHECK(judge(f) == StallReason::none);
  }
}

TEST_CASE("stall: nobody stores the hash") {
  SwarmFacts f = stuck();
  f.known = f.connected = 0;
  CHECK(judge(f) == StallReason::nobody_stores_hash);
}

TEST_CASE("stall: peers are known, none can be reached") {
  SwarmFacts f = stuck();
  f.connected = 0;
  CHECK(judge(f) == StallReason::peers_unreachable);
  f.phase = Phase::metadata;
  CHECK(judge(f) == StallReason::peers_unreachable);
}

TEST_CASE("stall: connected, but nobody has metadata") {
  SwarmFacts f = stuck();
  f.phase = Phase::metadata;
  CHECK(judge(f) == StallReason::no_metadata);
}

TEST_CASE("stall: nobody has the missing pieces") {
  SwarmFacts f = stuck();
  f.interesting = f.unchoked_us = 0;
  CHECK(judge(f) == StallReason::missing_pieces);
}

TEST_CASE("stall: everybody chokes us") {
  SwarmFacts f = stuck();
  f.unchoked_us = 0;
  CHECK(judge(f) == StallReason::all_choke);
}

TEST_CASE("stall: the disk, and that at once") {
  SwarmFacts f = stuck();
  f.disk_trouble = true;
  f.quiet = 0s;
  CHECK(judge(f) == StallReason::disk);
  f.phase = Phase::checking;
  CHECK(judge(f) == StallReason::disk);
}

TEST_CASE("stall: our own limits") {
  SwarmFacts f = stuck();
  f.max_peers = 0;
  CHECK(judge(f) == StallReason::limits);
  f = stuck();
  f.interesting = f.unchoked_us = 0;
  f.connected = f.max_peers = 5;  // no place for anybody who would have something
  CHECK(judge(f) == StallReason::limits);
  f = stuck();
  f.budget_blocked = true;
  CHECK(judge(f) == StallReason::limits);
}

TEST_CASE("each reason has a code of its own") {
  std::set<std::string> codes;
  for (int r = 0; r <= static_cast<int>(StallReason::limits); ++r) codes.emplace(code(static_cast<StallReason>(r)));
  CHECK(codes.size() == static_cast<std::size_t>(StallReason::limits) + 1);
  CHECK_FALSE(codes.contains("unknown"));
  std::set<std::string> words;
  for (int r = 0; r <= static_cast<int>(CloseReason::shutting_down); ++r)
    words.emplace(describe(static_cast<CloseReason>(r)));
  CHECK(words.size() == static_cast<std::size_t>(CloseReason::shutting_down) + 1);
}

}  // namespace
}  // namespace lodestone::magnet
