// SPDX-License-Identifier: Apache-2.0
// Items, scrapes and samples over a small network of real nodes.
#include <algorithm>
#include <string>

#include <catch2/catch.hpp>

#include "dht/items_snapshot.hpp"
#include "dht/krpc.hpp"
#include "tests/support/dht_network.hpp"

using namespace lodestone;
using namespace std::chrono_literals;
using test::DhtNetwork;
using wire::as_bytes;

namespace {

constexpr std::size_t kNodes = 24;

struct Bench {
  Bench() {
    for (std::size_t i = 0; i < kNodes; ++i) {
      net.add();
      if (i == 0) continue;
      const wire::Endpoint introducer = net.endpoint(0);
      net.call(i, [&](dht::Node& n, dht::Output& out) { n.add_introducers(net.now(), {&introducer, 1}, out); });
    }
    net.run_for(16min);  // until each bucket has had its first refresh
  }
  template <class Done, class F>
  Done ask(std::size_t i, F&& f) {
    const dht::LookupId id = net.call(i, f);
    net.run_for(15s);
    for (const Done& done : net.host(i).all<Done>())
      if (done.lookup == id) return done;
    FAIL("it did not end");
    return {};
  }
  dht::event::PutDone put(std::size_t i, const dht::Item& item, std::optional<std::int64_t> cas = std::nullopt) {
    return ask<dht::event::PutDone>(
        i, [&](dht::Node& n, dht::Output& out) { return n.put_item(net.now(), item, cas, out); });
  }
  std::optional<dht::Item> get(std::size_t i, const wire::Key& target, const std::string& salt = "") {
    return ask<dht::event::ItemDone>(
               i, [&](dht::Node& n, dht::Output& out) { return n.get_item(net.now(), target, as_bytes(salt), out); })
        .item;
  }
  /// The node that is n-th farthest from a target: it stores nothing of it, so that all who do have seen every put.
  std::size_t far(const wire::Key& target, std::size_t n) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < kNodes; ++i) order.push_back(i);
    std::sort(order.begin(), order.end(),
              [&](std::size_t x, std::size_t y) { return wire::closer(target, net.node(y).id(), net.node(x).id()); });
    return order[n];
  }
  dht::Item sign(const std::string& value, std::int64_t seq, const std::string& salt = "") const {
    return key.sign(as_bytes(value), as_bytes(salt), seq);
  }

  DhtNetwork net;
  dht::SigningKey key{dht::SigningKey::Seed{5}};
};

}  // namespace

TEST_CASE("S8 what one node puts, the closest store and every other gets") {
  Bench b;
  dht::Item plain;
  const std::string value = "12:Hello World!";
  plain.value.assign(value.begin(), value.end());
  for (const dht::Item& item : {plain, b.sign("d1:ai1ee", 1), b.sign("le", 1, "salt")}) {
    const auto done = b.put(3, item);
    CHECK(done.stored.size() == 8);  // L3
    CHECK(done.refused == 0);
    // Tested against all nodes: exactly the eight closest (but the one that put it) have it.
    const auto target = item.target();
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < kNodes; ++i)
      if (i != 3) order.push_back(i);
    std::sort(order.begin(), order.end(), [&](std::size_t x, std::size_t y) {
      return wire::closer(target, b.net.node(x).id(), b.net.node(y).id());
    });
    std::string ranks;
    for (const dht::NodeView& v : done.stored)
      for (std::size_t n = 0; n < order.size(); ++n)
        if (v.endpoint == b.net.endpoint(order[n])) ranks += std::to_string(n) + " ";
    INFO("ranks of those that stored it: " << ranks);
    for (std::size_t n = 0; n < 8; ++n) {
      CHECK(std::any_of(done.stored.begin(), done.stored.end(),
                        [&](const dht::NodeView& v) { return v.endpoint == b.net.endpoint(order[n]); }));
    }
    for (const std::size_t i : {std::size_t{3}, std::size_t{11}, kNodes - 1}) {
      const auto got = b.get(i, target, std::string{wire::as_text(item.salt)});
      REQUIRE(got);
      CHECK(got->value == item.value);
      CHECK(got->key == item.key);
      CHECK(got->seq == item.seq);
    }
  }
  CHECK_FALSE(b.get(4, b.net.rng().id<wire::Key>()));
}

TEST_CASE("S8 an update replaces the item, an outdated one conflicts with everybody") {
  Bench b;
  const auto target = b.sign("1:a", 1).target();
  CHECK(b.put(b.far(target, 0), b.sign("1:a", 1)).stored.size() == 8);
  CHECK(b.put(b.far(target, 1), b.sign("1:b", 2)).stored.size() == 8);
  const auto late = b.put(b.far(target, 0), b.sign("1:c", 1));
  CHECK(late.stored.empty());
  CHECK(late.refused == 8);
  CHECK(late.conflicts == 8);
  CHECK(b.get(9, late.target)->seq == 2);
  CHECK(wire::as_text(b.get(9, late.target)->value) == "1:b");
}

TEST_CASE("S8 compare-and-swap: of two writers who read the same, the second is told so") {
  Bench b;
  const auto target = b.sign("1:a", 1).target();
  const auto first = b.put(b.far(target, 0), b.sign("1:a", 1), 0);  // nobody has it: the number does not count
  CHECK(first.stored.size() == 8);
  CHECK(b.put(b.far(target, 1), b.sign("1:b", 2), 1).stored.size() == 8);
  const auto second = b.put(b.far(target, 2), b.sign("1:c", 3), 1);
  CHECK(second.conflicts == 8);
  CHECK(second.stored.empty());
  CHECK(wire::as_text(b.get(9, first.target)->value) == "1:b");
  CHECK(b.put(b.far(target, 2), b.sign("1:c", 3), 2).stored.size() == 8);
}

TEST_CASE("S8 an item that is not put again is gone after two hours, one that is stays") {
  Bench b;
  const auto gone = b.sign("1:a", 1, "gone"), kept = b.sign("1:a", 1, "kept");
  b.put(1, gone);
  b.put(1, kept);
  b.net.run_for(1h);
  b.put(2, kept);  // anybody may, with the old signature
  b.net.run_for(65min);
  CHECK_FALSE(b.get(5, gone.target(), "gone"));
  CHECK(b.get(5, kept.target(), "kept"));
}

TEST_CASE("S8 an item that is kept is there for days, until somebody else puts a newer one or it is dropped") {
  Bench b;
  const auto keep = [&](std::size_t i, const dht::Item& item) {
    return b.net.call(i, [&](dht::Node& n, dht::Output& out) { return n.keep_item(b.net.now(), item, out); });
  };
  const auto item = b.sign("1:a", 1);
  const std::size_t by = b.far(item.target(), 0);
  CHECK(keep(by, item));
  CHECK_FALSE(keep(by, item));
  b.net.run_for(30h);
  CHECK(b.get(5, item.target()));
  CHECK(b.net.node(by).kept_items() == std::vector{item.target()});
  const auto rounds = b.net.host(by).all<dht::event::PutDone>().size();
  CHECK(rounds >= 30);
  CHECK(rounds <= 37);
  // Its author puts a newer version from elsewhere: the old one is not insisted on.
  CHECK(b.put(b.far(item.target(), 1), b.sign("1:b", 2)).stored.size() == 8);
  b.net.run_for(65min);
  CHECK(b.net.node(by).kept_items().empty());
  // What is dropped is forgotten like everything else.
  const auto other = b.sign("1:a", 1, "other");
  CHECK(keep(by, other));
  b.net.run_for(90min);
  CHECK(b.get(5, other.target(), "other"));
  b.net.call(by, [&](dht::Node& n, dht::Output&) { return n.drop_item(other.target()), 0; });
  b.net.run_for(125min);
  CHECK_FALSE(b.get(5, other.target(), "other"));
}

TEST_CASE("S8 what others have put survives a restart of all who have it, and not a minute longer than it would have") {
  Bench b;
  const auto item = b.sign("1:a", 4, "salt");
  const auto done = b.put(b.far(item.target(), 0), item);
  REQUIRE(done.stored.size() == 8);
  b.net.run_for(90min);
  constexpr wire::UnixSeconds kSaved = 1'800'000'000;
  std::size_t restarted = 0;
  for (std::size_t i = 0; i < kNodes; ++i) {
    if (b.net.node(i).stored_items() == 0) continue;
    ++restarted;
    CHECK(b.net.node(i).item_puts() == 1);
    const auto file = b.net.node(i).saved_items(kSaved, b.net.now());
    const auto snapshot = b.net.node(i).snapshot(kSaved, b.net.now());
    auto config = b.net.config();
    config.id = snapshot.id;
    b.net.restart(i, config);
    auto reader = dht::ItemsReader::open(file, kSaved + 60);
    REQUIRE(reader);
    const auto items = reader->next(10);
    b.net.call(i, [&](dht::Node& n, dht::Output& out) {
      n.restore(b.net.now(), snapshot, out);
      n.restore_items(b.net.now(), items);
    });
    CHECK(b.net.node(i).stored_items() == 1);
    CHECK(b.net.node(i).item_puts() == 0);
    b.net.node(i).check_invariants();
  }
  CHECK(restarted == 8);
  b.net.run_for(20min);
  const auto got = b.get(5, item.target(), "salt");
  REQUIRE(got);
  CHECK(got->seq == 4);
  CHECK(got->signature == item.signature);
  // An older version is refused as if nothing had been.
  CHECK(b.put(b.far(item.target(), 0), b.sign("1:b", 3, "salt")).conflicts == 8);
  b.net.run_for(9min);
  CHECK_FALSE(b.get(5, item.target(), "salt"));
}

TEST_CASE("S7 a scrape counts seeds and peers over all who store them") {
  Bench b;
  const auto hash = b.net.rng().id<wire::InfoHash>();
  for (std::size_t i = 0; i < 20; ++i) {
    b.ask<dht::event::AnnounceDone>(i, [&](dht::Node& n, dht::Output& out) {
      return n.get_peers(b.net.now(), hash, dht::AnnounceSpec{.port = 7000, .implied_port = false, .seed = i < 6}, out);
    });
  }
  const auto done = b.ask<dht::event::ScrapeDone>(
      22, [&](dht::Node& n, dht::Output& out) { return n.scrape(b.net.now(), hash, out); });
  CHECK(done.nodes >= 8);
  CHECK(done.seeds == Approx(6).margin(0.6));
  CHECK(done.peers == Approx(14).margin(1.1));
}

TEST_CASE("S6 a sampling lookup asks nodes for samples, and each of them not again within its interval") {
  Bench b;
  std::vector<wire::InfoHash> hashes;
  for (int i = 0; i < 5; ++i) {
    hashes.push_back(b.net.rng().id<wire::InfoHash>());
    b.ask<dht::event::AnnounceDone>(1, [&](dht::Node& n, dht::Output& out) {
      return n.get_peers(b.net.now(), hashes.back(), dht::AnnounceSpec{.port = 7000}, out);
    });
  }
  std::uint64_t asked = 0;
  b.net.filter = [&](const wire::Endpoint&, const wire::Endpoint&, wire::Bytes raw) {
    asked += wire::as_text(raw).find("17:sample_infohashes") != std::string_view::npos;
    return true;
  };
  const auto sample = [&](const wire::Key& target) {
    b.ask<dht::event::LookupDone>(7,
                                  [&](dht::Node& n, dht::Output& out) { return n.sample(b.net.now(), target, out); });
    return b.net.host(7).all<dht::event::Samples>();
  };
  const auto first = sample(wire::Key{hashes[0].bytes()});
  CHECK(first.size() >= 8);
  CHECK(first.size() <= asked);
  std::vector<wire::InfoHash> seen;
  for (const auto& s : first) {
    CHECK(s.num == s.hashes.size());
    CHECK(s.interval == 3'600);
    seen.insert(seen.end(), s.hashes.begin(), s.hashes.end());
  }
  CHECK(std::find(seen.begin(), seen.end(), hashes[0]) != seen.end());
  // The same way again: everybody on it has been asked, so nobody is; by name neither.
  asked = 0;
  CHECK(sample(wire::Key{hashes[0].bytes()}).size() == first.size());
  CHECK(asked == 0);
  b.net.call(7, [&](dht::Node& n, dht::Output& out) { return n.sample_at(b.net.now(), first[0].from, {}, out); });
  b.net.run_for(15s);
  CHECK(asked == 0);
  CHECK(b.net.host(7).all<dht::event::QueryDone>().back().answered == false);
  b.net.run_for(1h);
  b.net.call(7, [&](dht::Node& n, dht::Output& out) { return n.sample_at(b.net.now(), first[0].from, {}, out); });
  b.net.run_for(15s);
  CHECK(asked == 1);
  CHECK(b.net.host(7).all<dht::event::Samples>().back().from == first[0].from);
  CHECK(b.net.host(7).all<dht::event::QueryDone>().back().answered);
}
