// SPDX-License-Identifier: Apache-2.0
#include "node/ops/stall.hpp"

#include <catch2/catch.hpp>

namespace lodestone::node {
namespace {

using magnet::Phase;
using magnet::StallReason;

magnet::TorrentStatus status(Phase phase, StallReason stall = StallReason::none, std::size_t seen = 0) {
  magnet::TorrentStatus s;
  s.phase = phase;
  s.stall = stall;
  s.seen = seen;
  return s;
}

StallFacts quiet_for(wire::Duration quiet) {
  StallFacts f;
  f.quiet = quiet;
  f.dht_used = true;
  return f;
}

bool mentions(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }

}  // namespace

TEST_CASE("Nothing is a stall before 15 quiet seconds") {
  CHECK(judge_stall(status(Phase::metadata), quiet_for(std::chrono::seconds(14))).reason == StallReason::none);
  CHECK(judge_stall(status(Phase::metadata), quiet_for(std::chrono::seconds(15))).reason ==
        StallReason::dht_unreachable);
}

TEST_CASE("A DHT that never answered is named as the reason, with what to do about it") {
  StallFacts facts = quiet_for(std::chrono::seconds(20));
  StallVerdict verdict = judge_stall(status(Phase::metadata), facts);
  CHECK(verdict.reason == StallReason::dht_unreachable);
  CHECK(mentions(verdict.detail, "no DHT node has answered"));
  CHECK(mentions(verdict.hint, "firewall"));
  facts.has_introducers = false;
  verdict = judge_stall(status(Phase::metadata), facts);
  CHECK(mentions(verdict.detail, "no DHT node is known"));
  CHECK(mentions(verdict.hint, "--bootstrap"));
}

TEST_CASE("Nobody stores the hash only after a complete lookup") {
  StallFacts facts = quiet_for(std::chrono::seconds(20));
  facts.dht_answered = true;
  CHECK(judge_stall(status(Phase::metadata), facts).reason == StallReason::none);
  facts.lookups_done = 1;
  facts.nodes_answered = 8;
  const StallVerdict verdict = judge_stall(status(Phase::metadata), facts);
  CHECK(verdict.reason == StallReason::nobody_stores_hash);
  CHECK(mentions(verdict.detail, "8 DHT nodes answered"));
  CHECK(mentions(verdict.hint, "info-hash"));
}

TEST_CASE("Without the DHT and without peers the hint is to name one") {
  StallFacts facts = quiet_for(std::chrono::seconds(20));
  facts.dht_used = false;
  const StallVerdict verdict = judge_stall(status(Phase::metadata), facts);
  CHECK(verdict.reason == StallReason::nobody_stores_hash);
  CHECK(mentions(verdict.hint, "--peer"));
}

TEST_CASE("The torrent's own reasons are put into words") {
  StallFacts facts = quiet_for(wire::Duration::zero());
  facts.dht_answered = true;

  auto s = status(Phase::metadata, StallReason::peers_unreachable, 7);
  s.dial_refused = 4;
  s.dial_timed_out = 3;
  StallVerdict verdict = judge_stall(s, facts);
  CHECK(verdict.reason == StallReason::peers_unreachable);
  CHECK(mentions(verdict.detail, "7 peers"));
  CHECK(mentions(verdict.detail, "4 refused, 3 did not answer"));

  s = status(Phase::metadata, StallReason::no_metadata, 7);
  s.connected = 3;
  CHECK(mentions(judge_stall(s, facts).detail, "3 peers are connected and none has the metadata"));

  s = status(Phase::downloading, StallReason::missing_pieces, 7);
  s.connected = 2;
  CHECK(mentions(judge_stall(s, facts).detail, "none of the 2"));

  s = status(Phase::downloading, StallReason::all_choke, 7);
  s.connected = 5;
  CHECK(mentions(judge_stall(s, facts).detail, "all 5"));

  CHECK(mentions(judge_stall(status(Phase::downloading, StallReason::limits, 7), facts).hint, "--max-peers"));
}

TEST_CASE("A full disk is named with its path, in any phase, and before everything else") {
  StallFacts facts = quiet_for(std::chrono::seconds(20));
  facts.trouble = {storage::Trouble::Kind::disk_full, std::make_error_code(std::errc::no_space_on_device), "/data/f"};
  const StallVerdict verdict = judge_stall(status(Phase::downloading, StallReason::disk), facts);
  CHECK(verdict.reason == StallReason::disk);
  CHECK(verdict.code == "disk-full");
  CHECK(mentions(verdict.detail, "/data/f"));
  CHECK(mentions(verdict.detail, "No space left"));
  CHECK(mentions(verdict.hint, "free some space"));

  facts.trouble = {storage::Trouble::Kind::io, std::make_error_code(std::errc::io_error), "/data/f"};
  CHECK(judge_stall(status(Phase::downloading, StallReason::disk), facts).code == "disk");
}

TEST_CASE("Seeding and checking do not stall for want of peers") {
  StallFacts facts = quiet_for(std::chrono::hours(1));
  facts.dht_answered = true;
  facts.lookups_done = 3;
  for (const Phase phase : {Phase::opening, Phase::checking, Phase::seeding, Phase::stopped})
    CHECK(judge_stall(status(phase), facts).reason == StallReason::none);
}

TEST_CASE("Every reason has words and every verdict ends without a full stop") {
  StallFacts facts = quiet_for(std::chrono::seconds(20));
  for (const StallReason reason :
       {StallReason::peers_unreachable, StallReason::no_metadata, StallReason::missing_pieces, StallReason::all_choke,
        StallReason::disk, StallReason::limits}) {
    const StallVerdict verdict = judge_stall(status(Phase::downloading, reason, 1), facts);
    CHECK(verdict.reason == reason);
    CHECK_FALSE(verdict.detail.empty());
    CHECK_FALSE(verdict.hint.empty());
    CHECK(verdict.detail.back() != '.');
    CHECK(verdict.hint.back() != '.');
  }
}

}  // namespace lodestone::node
