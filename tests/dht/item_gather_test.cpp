// SPDX-License-Identifier: Apache-2.0
#include "dht/item_gather.hpp"

#include <string>

#include <catch2/catch.hpp>

#include "dht/krpc.hpp"

using namespace lodestone;
using wire::as_bytes;
using wire::Endpoint;

namespace {

Endpoint node(std::uint8_t n) { return {wire::Address::v4(5, n, 0, 1), 6881}; }

struct Bench {
  explicit Bench(dht::ItemGather g) : gather(std::move(g)) {}
  /// That node answers with that item, over the wire.
  void answer(std::uint8_t from, const dht::Item& item) {
    const auto id = rng.id<wire::NodeId>();
    const auto view = item.view();
    const dht::krpc::ItemBody body{view.value, view.signed_by ? &*view.signed_by : nullptr};
    dht::krpc::ReplyBody reply{id, node(200), std::nullopt, {}, {}, {}};
    reply.item = &body;
    std::uint8_t room[1'500];
    const auto size = dht::krpc::encode_reply(room, as_bytes("aa"), "", reply);
    REQUIRE(size != 0);
    const auto message = decoder.decode({room, size});
    const dht::Contact contact{id, node(from)};
    gather.on_reply(7, {contact, {}, std::get<dht::krpc::Reply>(message->body), own_address, nullptr, &counters}, out);
  }
  dht::event::ItemDone done() {
    gather.report(7, out);
    return std::get<dht::event::ItemDone>(out.events.back());
  }
  [[nodiscard]] std::size_t found() const {
    std::size_t n = 0;
    for (const auto& e : out.events) n += std::holds_alternative<dht::event::ItemFound>(e);
    return n;
  }
  wire::Rng rng = wire::Rng::from_number(1);
  dht::krpc::Decoder decoder;
  dht::OwnAddress own_address;
  dht::Counters counters;
  dht::Output out;
  dht::ItemGather gather;
};

dht::Item plain(const std::string& value) {
  dht::Item item;
  item.value.assign(value.begin(), value.end());
  return item;
}

const dht::SigningKey kKey{dht::SigningKey::Seed{1}};
dht::Item version(std::int64_t seq, const std::string& salt = "") {
  return kKey.sign(as_bytes("i" + std::to_string(seq) + "e"), as_bytes(salt), seq);
}

}  // namespace

TEST_CASE("S8 an immutable value counts if it has the hash, and only then") {
  Bench b{dht::ItemGather(plain("1:a").target(), {})};
  b.answer(1, plain("1:b"));
  CHECK(b.found() == 0);
  b.answer(2, plain("1:a"));
  b.answer(3, plain("1:a"));
  b.answer(4, version(3));
  CHECK(b.found() == 1);
  const auto done = b.done();
  REQUIRE(done.item);
  CHECK(wire::as_text(done.item->value) == "1:a");
  CHECK(done.copies == 2);
  CHECK(b.counters.items_invalid == 2);
}

TEST_CASE("S8 of a mutable item the newest that is signed wins") {
  Bench b{dht::ItemGather(version(0).target(), {})};
  b.answer(1, version(5));
  b.answer(2, version(4));
  b.answer(3, version(7));
  b.answer(4, version(7));
  auto forged = version(9);
  forged.signature[1] ^= 1;
  b.answer(5, forged);
  b.answer(6, version(9, "other salt"));
  b.answer(7, dht::SigningKey(dht::SigningKey::Seed{2}).sign(as_bytes("i9e"), {}, 9));
  b.answer(8, plain("i9e"));
  CHECK(b.found() == 2);
  const auto done = b.done();
  REQUIRE(done.item);
  CHECK(done.item->seq == 7);
  CHECK(done.item->key == kKey.public_key());
  CHECK(done.copies == 2);
}

TEST_CASE("S8 a salted item is found under its salt") {
  const std::string salt = "pepper";
  Bench b{dht::ItemGather(version(0, salt).target(), {salt.begin(), salt.end()})};
  b.answer(1, version(3, salt));
  b.answer(2, version(9));
  const auto done = b.done();
  REQUIRE(done.item);
  CHECK(done.item->seq == 3);
  CHECK(wire::as_text(done.item->salt) == salt);
}

TEST_CASE("S8 what we store ourselves is found first, and outdone by what is newer") {
  Bench b{dht::ItemGather(version(0).target(), {})};
  b.gather.add_local(7, version(3).view(), b.out);
  CHECK(b.found() == 1);
  b.answer(1, version(2));
  b.answer(2, version(4));
  CHECK(b.found() == 2);
  CHECK(b.done().item->seq == 4);
}

TEST_CASE("S8 the compare-and-swap number is for nodes that have a version") {
  Bench b{dht::ItemGather(version(8), 5)};
  REQUIRE(b.gather.to_put() != nullptr);
  CHECK(b.gather.to_put()->seq == 8);
  b.answer(1, version(5));
  b.answer(2, version(4));
  auto forged = version(6);
  forged.signature[1] ^= 1;
  b.answer(3, forged);
  CHECK(b.gather.cas_for(node(1)) == 5);
  CHECK(b.gather.cas_for(node(2)) == 5);
  CHECK_FALSE(b.gather.cas_for(node(3)));
  CHECK_FALSE(b.gather.cas_for(node(9)));
  CHECK(Bench{dht::ItemGather(version(8), std::nullopt)}.gather.cas_for(node(1)) == std::nullopt);
}
