// SPDX-License-Identifier: Apache-2.0
#include "magnet/metadata_fetch.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <catch2/catch.hpp>

#include "wire/base/hash.hpp"
#include "wire/base/rng.hpp"

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
using Type = wire::UtMetadata::Type;
using wire::ByteVector;
using wire::Instant;
using wire::kMetadataPiece;

ByteVector bytes_of(std::size_t size, std::uint64_t seed = 1) {
  ByteVector bytes(size);
  wire::Rng::from_number(seed).fill(bytes);
  return bytes;
}

LinkKey link(std::uint32_t n) { return {n, 1}; }

/// A fetch and the peers around it: requests go to a pending list that the test answers as it likes.
struct Bench {
  explicit Bench(ByteVector dict, MetadataBudget* budget = nullptr)
      : truth(std::move(dict)), fetch(wire::InfoHash(wire::sha1(truth)), budget) {}

  ByteVector truth;
  MetadataFetch fetch;
  Instant now{};
  std::vector<MetadataFetch::Send> pending;
  std::vector<LinkKey> liars;
  std::optional<ByteVector> result;
  std::map<std::uint32_t, std::size_t> asked;  // requests per peer in all
  bool slow_checks = false;                    // the test calls checked()
  std::vector<MetadataCheck> checks;

  void take(MetadataFetch::Output&& out) {
    for (auto& send : out.send) {
      CHECK(send.message.type == Type::request);
      ++asked[send.link.slot];
      pending.push_back(std::move(send));
    }
    liars.insert(liars.end(), out.liars.begin(), out.liars.end());
    if (out.result) {
      CHECK_FALSE(result);
      result = std::move(out.result->raw);
    }
    if (out.check) {
      checks.push_back(*std::move(out.check));
      if (!slow_checks) checked();
    }
  }
  /// The verdict on what was handed out first.
  void checked() {
    MetadataVerdict verdict = check_metadata(std::move(checks.front()));
    checks.erase(checks.begin());
    MetadataFetch::Output out;
    fetch.on_checked(now, std::move(verdict), out);
    take(std::move(out));
  }
  void peer(std::uint32_t n, std::uint64_t size) {
    MetadataFetch::Output out;
    fetch.on_peer(now, link(n), size, out);
    take(std::move(out));
  }
  void peer(std::uint32_t n) { peer(n, truth.size()); }
  void message(std::uint32_t n, Type type, std::uint32_t piece, ByteVector data = {}, std::uint64_t total = 0) {
    MetadataFetch::Output out;
    fetch.on_message(now, link(n), {type, piece, total, std::move(data)}, out);
    take(std::move(out));
  }
  void gone(std::uint32_t n) {
    MetadataFetch::Output out;
    fetch.on_gone(now, link(n), out);
    take(std::move(out));
  }
  void advance(wire::Duration by) {
    now += by;
    MetadataFetch::Output out;
    fetch.advance(now, out);
    take(std::move(out));
    CHECK(fetch.next_deadline() > now);  // else a driver would spin
  }
  [[nodiscard]] ByteVector piece(std::uint32_t index, const ByteVector& of) const {
    const std::size_t begin = std::size_t{index} * kMetadataPiece;
    const std::size_t end = std::min(of.size(), begin + kMetadataPiece);
    return {of.begin() + static_cast<std::ptrdiff_t>(begin), of.begin() + static_cast<std::ptrdiff_t>(end)};
  }
  /// Answers everything that is pending and what follows from it; content_of says what a peer has, nullptr: silence.
  template <class F>
  void serve(F content_of) {
    while (!pending.empty()) {
      const auto send = pending.front();
      pending.erase(pending.begin());
      const ByteVector* content = content_of(send.link.slot);
      if (content == nullptr) continue;
      message(send.link.slot, Type::data, send.message.piece, piece(send.message.piece, *content), content->size());
    }
  }
  void serve_truth() {
    serve([this](std::uint32_t) { return &truth; });
  }
};

TEST_CASE("one honest peer is enough") {
  for (const std::size_t size : {1u, 16'383u, 16'384u, 16'385u, 100'000u}) {
    Bench bench(bytes_of(size));
    bench.peer(1);
    bench.serve_truth();
    REQUIRE(bench.result);
    CHECK(*bench.result == bench.truth);
    CHECK(bench.fetch.done());
    CHECK(bench.fetch.bytes_held() == 0);
    CHECK(bench.fetch.next_deadline() == wire::kNever);
    CHECK(bench.liars.empty());
  }
}

TEST_CASE("M1 nothing is held on a claim and absurd claims are none") {
  Bench bench(bytes_of(50'000));
  bench.peer(1, 0);
  bench.peer(2, MetadataFetch::kMaxSize + 1);
  bench.peer(3, ~std::uint64_t{0});
  CHECK(bench.fetch.sources() == 0);
  CHECK(bench.pending.empty());
  bench.peer(4, MetadataFetch::kMaxSize);
  CHECK(bench.fetch.sources() == 1);
  CHECK(bench.fetch.bytes_held() == 0);
  CHECK(bench.fetch.bytes_expected() == MetadataFetch::kMaxSize);
}

TEST_CASE("M1 peers that disagree fill pools of their own and the true one wins") {
  Bench bench(bytes_of(50'000));
  const ByteVector lie = bytes_of(60'000, 2);
  bench.peer(1, lie.size());
  bench.peer(2);
  bench.serve([&](std::uint32_t n) { return n == 1 ? &lie : &bench.truth; });
  REQUIRE(bench.result);
  CHECK(*bench.result == bench.truth);
  CHECK(bench.fetch.bytes_held() == 0);
}

TEST_CASE("M1 all claims together hold at most 64 MiB, and the most believed one goes on") {
  const ByteVector truth = bytes_of(40u << 20);
  Bench bench(truth);
  const ByteVector lie1 = bytes_of((47u << 20) + 1, 2);
  const ByteVector lie2 = bytes_of((47u << 20) + 2, 3);
  bench.peer(1, lie1.size());
  bench.peer(2, lie2.size());
  bench.peer(3);
  bench.peer(4);
  std::uint64_t most = 0;
  bench.serve([&](std::uint32_t n) {
    most = std::max(most, bench.fetch.bytes_held());
    return n == 1 ? &lie1 : n == 2 ? &lie2 : &bench.truth;
  });
  CHECK(most <= 64u << 20);
  CHECK(most > 32u << 20);
  REQUIRE(bench.result);
  CHECK(*bench.result == truth);
}

TEST_CASE("M1 two fetches share one budget: the second waits, and goes on when the first is done") {
  MetadataBudget budget;
  Bench first(bytes_of(30u << 20), &budget);
  Bench second(bytes_of(31u << 20, 2), &budget);
  first.peer(1);
  second.peer(1);
  CHECK(first.pending.size() == 2);
  CHECK(second.pending.empty());
  CHECK(second.fetch.next_deadline() == second.now + 1s);
  second.advance(1s);
  CHECK(second.pending.empty());
  CHECK(budget.granted() == 30u << 20);
  first.serve_truth();
  REQUIRE(first.result);
  CHECK(budget.granted() == 0);
  second.advance(1s);
  second.serve_truth();
  REQUIRE(second.result);
  CHECK(*second.result == second.truth);
  CHECK(budget.granted() == 0);
}

TEST_CASE("M1 a fetch whose peers have fallen silent gives way to one that waits, and comes again after it") {
  MetadataBudget budget;
  Bench silent(bytes_of(40u << 20), &budget);
  Bench waits(bytes_of(40u << 20, 2), &budget);
  silent.peer(1);
  const auto send = silent.pending.front();
  silent.message(1, Type::data, send.message.piece, silent.piece(send.message.piece, silent.truth));
  silent.pending.clear();
  for (int second = 0; second < 30; ++second) silent.advance(1s);
  CHECK(silent.fetch.bytes_held() == kMetadataPiece);  // nobody else wants it

  waits.now = silent.now;
  waits.peer(1);
  CHECK(waits.pending.empty());
  silent.advance(1s);
  CHECK(silent.fetch.bytes_held() == 0);
  waits.advance(1s);
  CHECK(waits.pending.size() == 2);
  waits.serve_truth();
  REQUIRE(waits.result);

  for (int second = 0; second < 70 && !silent.result; ++second) {
    silent.advance(1s);
    silent.serve_truth();
  }
  CHECK(silent.result);
}

TEST_CASE("M1 a claim whose peers refuse keeps neither memory nor a place in line") {
  MetadataBudget budget;
  Bench refused(bytes_of(40u << 20), &budget);
  Bench other(bytes_of(40u << 20, 2), &budget);
  refused.peer(1);
  CHECK(budget.granted() == 40u << 20);
  while (!refused.pending.empty()) {
    const auto send = refused.pending.front();
    refused.pending.erase(refused.pending.begin());
    refused.message(1, Type::reject, send.message.piece);
  }
  CHECK(budget.granted() == 0);
  other.peer(1);
  CHECK(other.pending.size() == 2);
  refused.advance(4s);  // the pause is over; now it is behind
  CHECK(refused.pending.empty());
  other.serve_truth();
  CHECK(other.result);
  refused.advance(1s);
  refused.serve_truth();
  CHECK(refused.result);
}

TEST_CASE("M1 after a wrong hash the peers that are asked alone are within the budget, too") {
  MetadataBudget budget;
  Bench bench(bytes_of(20u << 20), &budget);
  ByteVector lie = bench.truth;
  for (std::size_t i = 0; i < lie.size(); i += 1000) lie[i] ^= 1;
  for (std::uint32_t n = 1; n <= 6; ++n) bench.peer(n);
  std::uint64_t most = 0;
  bench.serve([&](std::uint32_t n) {
    most = std::max(most, bench.fetch.bytes_held());
    return n == 3 ? &lie : &bench.truth;
  });
  CHECK(most <= 48u << 20);
  REQUIRE(bench.result);
  CHECK(bench.liars == std::vector<LinkKey>{link(3)});
  CHECK(budget.granted() == 0);
}

TEST_CASE("M1 saved metadata is taken up only within the budget") {
  Bench saving(bytes_of(30u << 20));
  saving.peer(1);
  const auto send = saving.pending.front();
  saving.message(1, Type::data, send.message.piece, saving.piece(send.message.piece, saving.truth));
  const ByteVector saved = saving.fetch.save();
  REQUIRE_FALSE(saved.empty());

  MetadataBudget budget;
  Bench one(saving.truth, &budget), two(saving.truth, &budget);
  one.fetch.restore({}, saved);
  two.fetch.restore({}, saved);
  CHECK(one.fetch.bytes_held() == kMetadataPiece);
  CHECK(two.fetch.bytes_held() == 0);
  CHECK(budget.granted() == 30u << 20);
}

TEST_CASE("M1 strangers who come and go leave at most one pool behind") {
  Bench bench(bytes_of(50'000));
  for (std::uint32_t n = 1; n <= 50; ++n) {
    bench.peer(n, 100'000 + n);
    const auto send = bench.pending.front();
    bench.message(n, Type::data, send.message.piece, ByteVector(kMetadataPiece, 7), 100'000 + n);
    bench.pending.clear();
    bench.gone(n);
    CHECK(bench.fetch.bytes_held() <= kMetadataPiece);
  }
  CHECK(bench.fetch.sources() == 0);
}

TEST_CASE("M2 only what was asked of this peer is taken, and of exactly its length") {
  Bench bench(bytes_of(50'000));
  bench.peer(1);
  REQUIRE(bench.pending.size() == 2);
  const std::uint32_t first = bench.pending[0].message.piece;
  bench.message(1, Type::data, 3, bench.piece(3, bench.truth), 50'000);          // not asked
  bench.message(1, Type::data, 4'000'000'000u, ByteVector(5), 50'000);           // not there
  bench.message(9, Type::data, first, bench.piece(first, bench.truth), 50'000);  // nobody
  CHECK(bench.fetch.bytes_held() == 0);
  bench.message(1, Type::data, first, bench.piece(first, bench.truth), 50'000);
  CHECK(bench.fetch.bytes_held() == kMetadataPiece);
  bench.message(1, Type::data, first, bench.piece(first, bench.truth), 50'000);  // twice
  CHECK(bench.fetch.bytes_held() == kMetadataPiece);
  CHECK(bench.liars.empty());
  const std::uint32_t second = bench.pending[1].message.piece;
  bench.message(1, Type::data, second, ByteVector(kMetadataPiece - 1), 50'000);
  CHECK(bench.liars == std::vector<LinkKey>{link(1)});
  CHECK(bench.fetch.sources() == 0);
}

TEST_CASE("M2 a data message of another total size than claimed is a lie") {
  Bench bench(bytes_of(50'000));
  bench.peer(1);
  bench.message(1, Type::data, bench.pending[0].message.piece, ByteVector(kMetadataPiece), 50'001);
  CHECK(bench.liars == std::vector<LinkKey>{link(1)});
}

TEST_CASE("M2 reject re-queues at once") {
  Bench bench(bytes_of(2 * kMetadataPiece));
  bench.peer(1);
  bench.pending.clear();
  for (std::uint32_t n = 2; n <= 4; ++n) bench.peer(n);
  bench.pending.clear();
  bench.peer(5);
  CHECK(bench.pending.empty());  // four are asked for each piece already
  bench.message(1, Type::reject, 0);
  REQUIRE(bench.pending.size() == 1);
  CHECK(bench.pending[0].link == link(5));
  CHECK(bench.pending[0].message.piece == 0);
  CHECK(bench.fetch.sources() == 5);
}

TEST_CASE("M2 a peer that rejects is asked again after a pause") {
  Bench bench(bytes_of(100));
  bench.peer(1);
  bench.pending.clear();
  bench.message(1, Type::reject, 0);
  CHECK(bench.pending.empty());
  const auto again = bench.fetch.next_deadline();
  CHECK(again > bench.now);
  bench.advance(again - bench.now);
  CHECK(bench.pending.size() == 1);
  bench.message(1, Type::reject, 7);  // not asked: no matter
  bench.serve_truth();
  CHECK(bench.result);
}

TEST_CASE("M2 a wrong hash is fetched again from single peers and the liar is named") {
  Bench bench(bytes_of(10 * kMetadataPiece));
  ByteVector lie = bench.truth;
  for (std::size_t i = 0; i < lie.size(); i += 1000) lie[i] ^= 1;
  for (std::uint32_t n = 1; n <= 5; ++n) bench.peer(n);
  bench.serve([&](std::uint32_t n) { return n == 3 ? &lie : &bench.truth; });
  REQUIRE(bench.result);
  CHECK(*bench.result == bench.truth);
  CHECK(bench.liars == std::vector<LinkKey>{link(3)});
}

TEST_CASE("M2 one peer that gave all of a wrong dict is the liar") {
  Bench bench(bytes_of(40'000));
  const ByteVector lie = bytes_of(40'000, 9);
  bench.peer(1);
  bench.serve([&](std::uint32_t) { return &lie; });
  CHECK_FALSE(bench.result);
  CHECK(bench.liars == std::vector<LinkKey>{link(1)});
  CHECK(bench.fetch.sources() == 0);
  CHECK(bench.fetch.bytes_held() == 0);
  bench.peer(1);  // the same link again: known
  CHECK(bench.pending.empty());
  bench.peer(2);
  bench.serve_truth();
  CHECK(bench.result);
}

TEST_CASE("M2 many liars do not outlast one honest peer") {
  Bench bench(bytes_of(6 * kMetadataPiece));
  std::map<std::uint32_t, ByteVector> lies;
  for (std::uint32_t n = 1; n <= 20; ++n) lies[n] = bytes_of(bench.truth.size(), n + 100);
  for (std::uint32_t n = 1; n <= 21; ++n) bench.peer(n);
  bench.serve([&](std::uint32_t n) { return lies.contains(n) ? &lies[n] : &bench.truth; });
  REQUIRE(bench.result);
  CHECK(*bench.result == bench.truth);
  CHECK(std::find(bench.liars.begin(), bench.liars.end(), link(21)) == bench.liars.end());
  const std::set<LinkKey> different(bench.liars.begin(), bench.liars.end());
  CHECK(different.size() == bench.liars.size());
}

TEST_CASE("M2 silent peers do not keep the places of those asked alone") {
  Bench bench(bytes_of(4 * kMetadataPiece));
  ByteVector lie = bench.truth;
  lie[0] ^= 1;
  lie[kMetadataPiece] ^= 1;
  bench.peer(1);
  bench.peer(2);
  const auto answer = [&](std::uint32_t n) -> const ByteVector* {
    if (n >= 10) return nullptr;
    return n == 1 ? &lie : &bench.truth;
  };
  for (std::uint32_t n = 10; n < 20; ++n) bench.peer(n);  // these never answer
  bench.serve(answer);
  for (int round = 0; round < 200 && !bench.result; ++round) {
    bench.advance(1s);
    bench.serve(answer);
  }
  REQUIRE(bench.result);
  CHECK(bench.liars == std::vector<LinkKey>{link(1)});
}

TEST_CASE("D5 what is complete is checked elsewhere: meanwhile it is held, and nobody is asked for it again") {
  MetadataBudget budget;
  Bench bench(bytes_of(40'000), &budget);
  bench.slow_checks = true;
  bench.peer(1);
  bench.serve_truth();
  REQUIRE(bench.checks.size() == 1);
  CHECK(bench.checks[0].raw == bench.truth);
  CHECK(bench.checks[0].expected == wire::InfoHash(wire::sha1(bench.truth)));
  CHECK_FALSE(bench.fetch.done());
  CHECK(bench.fetch.bytes_held() == 40'000);
  CHECK(budget.granted() == 40'000);
  bench.peer(2);
  bench.message(1, Type::data, 0, bench.piece(0, bench.truth), 40'000);
  bench.advance(20s);
  CHECK(bench.pending.empty());
  CHECK(bench.checks.size() == 1);
  CHECK_FALSE(bench.result);

  SECTION("and then it is there") {
    bench.checked();
    CHECK(bench.result == bench.truth);
    CHECK(bench.fetch.bytes_held() == 0);
    CHECK(budget.granted() == 0);
  }
  SECTION("even if everybody has left") {
    bench.gone(1);
    bench.gone(2);
    CHECK(budget.granted() == 40'000);
    bench.checked();
    CHECK(bench.result == bench.truth);
    CHECK(budget.granted() == 0);
  }
}

TEST_CASE("D5 M2 a bad verdict that comes late finds its liar, or does without") {
  MetadataBudget budget;
  Bench bench(bytes_of(40'000), &budget);
  const ByteVector lie = bytes_of(40'000, 9);
  bench.slow_checks = true;
  bench.peer(1);
  bench.serve([&](std::uint32_t) { return &lie; });
  REQUIRE(bench.checks.size() == 1);

  SECTION("it is still there, and so is another") {
    bench.peer(2);
    CHECK(bench.pending.empty());
    bench.checked();
    CHECK(bench.liars == std::vector<LinkKey>{link(1)});
    CHECK(bench.pending.size() == 2);
  }
  SECTION("it claims something else by now") {
    bench.peer(1, 50'000);
    bench.pending.clear();
    bench.checked();
    CHECK(bench.liars == std::vector<LinkKey>{link(1)});
    CHECK(bench.fetch.sources() == 0);
    bench.peer(2);
  }
  SECTION("it has left, and others of the same claim have come") {
    bench.gone(1);
    bench.peer(2);
    CHECK(bench.pending.size() == 2);  // a claim that was made anew
    bench.checked();
    CHECK(bench.liars.empty());
  }
  bench.serve_truth();
  bench.checked();
  CHECK(bench.result == bench.truth);
  CHECK(budget.granted() == 0);
}

TEST_CASE("D5 M2 two that mixed their pieces are asked alone after a late verdict, and the liar is named") {
  Bench bench(bytes_of(10 * kMetadataPiece));
  ByteVector lie = bench.truth;
  for (std::size_t i = 0; i < lie.size(); i += 1000) lie[i] ^= 1;
  bench.slow_checks = true;
  for (std::uint32_t n = 1; n <= 5; ++n) bench.peer(n);
  for (int round = 0; round < 10 && !bench.result; ++round) {
    bench.serve([&](std::uint32_t n) { return n == 3 ? &lie : &bench.truth; });
    REQUIRE_FALSE(bench.checks.empty());
    bench.checked();
  }
  CHECK(bench.result == bench.truth);
  CHECK(bench.liars == std::vector<LinkKey>{link(3)});
}

TEST_CASE("D5 M1 two claims are checked at once; the later verdict gives its memory back though all is done") {
  MetadataBudget budget;
  Bench bench(bytes_of(40'000), &budget);
  const ByteVector lie = bytes_of(50'000, 2);
  bench.slow_checks = true;
  bench.peer(2);
  bench.peer(1, lie.size());
  bench.serve([&](std::uint32_t n) { return n == 1 ? &lie : &bench.truth; });
  REQUIRE(bench.checks.size() == 2);
  CHECK(budget.granted() == 90'000);
  bench.checked();
  CHECK(bench.result == bench.truth);
  CHECK(budget.granted() == 50'000);
  bench.checked();
  CHECK(budget.granted() == 0);
  MetadataFetch::Output out;
  bench.fetch.on_checked(bench.now, MetadataVerdict{}, out);  // nobody's
  CHECK_FALSE(out.result);
}

TEST_CASE("M3 many peers are asked in parallel, two pieces each") {
  Bench bench(bytes_of(100 * kMetadataPiece));
  for (std::uint32_t n = 1; n <= 40; ++n) bench.peer(n);
  CHECK(bench.pending.size() == 80);
  std::set<std::uint32_t> pieces;
  for (const auto& send : bench.pending) pieces.insert(send.message.piece);
  CHECK(pieces.size() == 80);  // all different
  for (const auto& [peer, count] : bench.asked) CHECK(count == 2);
}

TEST_CASE("M3 with few pieces the same one is asked of several, and of more when they are slow") {
  Bench bench(bytes_of(100));
  for (std::uint32_t n = 1; n <= 12; ++n) bench.peer(n);
  CHECK(bench.pending.size() == 4);
  CHECK(bench.fetch.next_deadline() == bench.now + 1s);
  bench.advance(1s);
  CHECK(bench.pending.size() == 8);
  bench.advance(1s);
  CHECK(bench.pending.size() == 12);
  bench.serve([&](std::uint32_t n) { return n == 12 ? &bench.truth : nullptr; });
  CHECK(bench.result);
}

TEST_CASE("a request times out after 10 s, goes to another, and a late answer still counts") {
  Bench bench(bytes_of(100));
  bench.peer(1);
  bench.advance(1s);
  bench.advance(8999ms);
  CHECK(bench.asked[1] == 1);
  bench.advance(1ms);
  CHECK(bench.asked[1] == 1);  // it has a pause
  bench.message(1, Type::data, 0, bench.truth, 100);
  CHECK(bench.result);
}

TEST_CASE("a peer that leaves gives its pieces to the others") {
  Bench bench(bytes_of(4 * kMetadataPiece));
  bench.peer(1);
  bench.pending.clear();
  bench.peer(2);
  bench.gone(1);
  bench.serve_truth();
  REQUIRE(bench.result);
  CHECK(bench.fetch.sources() == 1);
}

TEST_CASE("M5 a repeated handshake changes nothing, a changed claim moves the peer") {
  Bench bench(bytes_of(50'000));
  bench.peer(1);
  const auto before = bench.pending.size();
  bench.peer(1);
  CHECK(bench.pending.size() == before);
  bench.pending.clear();
  bench.peer(1, 20'000);
  CHECK(bench.fetch.bytes_expected() == 20'000);
  CHECK(bench.fetch.sources() == 1);
  bench.peer(1, 0);  // id 0: it has it no more
  CHECK(bench.fetch.sources() == 0);
  bench.peer(1);
  bench.pending.erase(bench.pending.begin(), bench.pending.begin() + 2);
  bench.serve_truth();
  CHECK(bench.result);
}

TEST_CASE("M6 unfinished metadata survives a restart") {
  Bench first(bytes_of(5 * kMetadataPiece + 5));
  CHECK(first.fetch.save().empty());
  first.peer(1);
  const auto send = first.pending.front();
  first.message(1, Type::data, send.message.piece, first.piece(send.message.piece, first.truth), first.truth.size());
  first.gone(1);
  const ByteVector saved = first.fetch.save();
  CHECK_FALSE(saved.empty());

  Bench second(first.truth);
  second.fetch.restore({}, saved);
  CHECK(second.fetch.bytes_held() == kMetadataPiece);
  CHECK(second.fetch.save() == saved);
  second.peer(1);
  second.serve_truth();
  REQUIRE(second.result);
  CHECK(second.asked[1] == 5);  // of six
}

TEST_CASE("M6 a saved state that is wrong costs a fetch, not more") {
  Bench first(bytes_of(5 * kMetadataPiece));
  first.peer(1);
  const auto send = first.pending.front();
  first.message(1, Type::data, send.message.piece, ByteVector(kMetadataPiece, 1), first.truth.size());
  const ByteVector saved = first.fetch.save();
  Bench second(first.truth);
  second.fetch.restore({}, saved);
  second.peer(1);
  second.serve_truth();
  REQUIRE(second.result);
  CHECK(second.liars.empty());

  Bench other(bytes_of(5 * kMetadataPiece, 77));
  other.fetch.restore({}, saved);  // another torrent's
  CHECK(other.fetch.bytes_held() == 0);
  for (std::size_t cut = 0; cut < 200; ++cut) {
    Bench broken(first.truth);
    broken.fetch.restore({}, wire::Bytes(saved).first(cut));
    CHECK(broken.fetch.bytes_held() == 0);
  }
}

}  // namespace
}  // namespace lodestone::magnet
