// SPDX-License-Identifier: Apache-2.0
#include "dht/table_entry.hpp"

#include <vector>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using namespace std::chrono_literals;
using dht::Contact;
using dht::NewTableEntry;
using dht::TableEntries;
using dht::TableEntry;

namespace {

Contact contact(wire::Rng& rng, wire::Family family) {
  std::array<std::uint8_t, 16> raw;
  rng.fill(raw);
  const auto address =
      family == wire::Family::v4 ? wire::Address::v4(raw[0], raw[1], raw[2], raw[3]) : wire::Address::v6(raw);
  return {rng.id<wire::NodeId>(), {address, static_cast<std::uint16_t>(rng.next())}};
}

}  // namespace

TEST_CASE("an entry of the table is the contact it was made of") {
  auto rng = wire::Rng::from_number(1);
  for (const wire::Family family : {wire::Family::v4, wire::Family::v6}) {
    const Contact c = contact(rng, family);
    NewTableEntry e{c, 77, 120};
    CHECK(e.family() == family);
    CHECK(e.contact() == c);
    CHECK(e.id() == c.id);
    CHECK(e.endpoint() == c.endpoint);
    CHECK(e.has_id(c.id));
    CHECK_FALSE(e.has_id(rng.id<wire::NodeId>()));
    const dht::CompactContact compact{c};
    CHECK(std::equal(e.compact().begin(), e.compact().end(), compact.data()));
    CHECK(e.compact().size() == Contact::compact_size(family));
    CHECK(e.first_seen == 77);
    CHECK(e.last_seen == 77);
    CHECK(e.good());
    CHECK(e.rtt() == 120ms);
    CHECK_FALSE(dht::is_known(e.version));
    e.version = {'L', 'T', 2, 1};
    CHECK(e.contact() == c);
    CHECK(e.family() == family);
    e.set_good(false);
    CHECK_FALSE(e.good());
    e.set_rtt_ms(1'000'000);
    CHECK(e.rtt() >= 16s);  // longer than anybody waits
    CHECK_FALSE(e.good());
    CHECK(e.family() == family);
    e.set_good(true);
    CHECK(e.good());
    CHECK(e.rtt() >= 16s);
  }
}

TEST_CASE("entries side by side are what a vector of contacts is") {
  auto rng = wire::Rng::from_number(2);
  for (const wire::Family family : {wire::Family::v4, wire::Family::v6}) {
    TableEntries entries{family};
    std::vector<Contact> model;
    for (int step = 0; step < 5'000; ++step) {
      const auto what = rng.below(100);
      if (what < (step / 1'000 % 2 == 0 ? 70u : 40u)) {
        model.push_back(contact(rng, family));
        entries.push_back(NewTableEntry{model.back(), 1, 1});
      } else if (what < 98 && !model.empty()) {
        const auto at = static_cast<std::size_t>(rng.below(model.size()));
        model.erase(model.begin() + static_cast<std::ptrdiff_t>(at));
        entries.erase(at);
      } else if (what == 98) {
        const auto odd = [](const wire::NodeId& id) { return (id.bytes()[0] & 7) == 0; };
        const auto dropped = std::erase_if(model, [&](const Contact& c) { return odd(c.id); });
        CHECK(entries.erase_if([&](const TableEntry& e) { return odd(e.id()); }) == dropped);
      } else if (rng.below(20) == 0) {
        model.clear();
        entries.clear();
        CHECK(entries.bytes() == 0);
      }
      REQUIRE(entries.size() == model.size());
      REQUIRE(entries.bytes() <= (model.size() + 16) * TableEntry::size(family));
      std::size_t i = 0;
      for (const TableEntry& e : entries) REQUIRE(e.contact() == model[i++]);
    }
  }
}
