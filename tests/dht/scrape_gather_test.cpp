// SPDX-License-Identifier: Apache-2.0
#include "dht/scrape_gather.hpp"

#include <string>

#include <catch2/catch.hpp>

#include "dht/krpc.hpp"

using namespace lodestone;
using dht::BloomFilter;
using wire::as_bytes;
using wire::Endpoint;

namespace {

wire::Address peer(std::uint32_t n) { return wire::Address::v4(0x05000000u + n); }

BloomFilter of(std::uint32_t first, std::uint32_t count) {
  BloomFilter f;
  for (std::uint32_t i = 0; i < count; ++i) f.insert(peer(first + i));
  return f;
}

struct Bench {
  void answer(const dht::krpc::ScrapeBody* filters, const wire::ByteVector& compact_peers) {
    const auto id = rng.id<wire::NodeId>();
    const Endpoint to{wire::Address::v4(9, 9, 9, 9), 1};
    dht::krpc::ReplyBody reply{id, to, std::nullopt, {}, {}, {compact_peers.data(), compact_peers.size() / 6, 6, 6}};
    reply.scrape = filters;
    std::uint8_t room[1'500];
    const auto size = dht::krpc::encode_reply(room, as_bytes("aa"), "", reply);
    const auto message = decoder.decode({room, size});
    const dht::Contact contact{id, {wire::Address::v4(8, 8, 8, 8), 2}};
    gather.on_reply(3, {contact, {}, std::get<dht::krpc::Reply>(message->body), own_address}, out);
  }
  void answer(const BloomFilter& seeds, const BloomFilter& peers) {
    const dht::krpc::ScrapeBody body{seeds.bytes(), peers.bytes()};
    answer(&body, {});
  }
  dht::event::ScrapeDone done() {
    gather.report(3, out);
    return std::get<dht::event::ScrapeDone>(out.events.back());
  }
  wire::Rng rng = wire::Rng::from_number(1);
  dht::krpc::Decoder decoder;
  dht::OwnAddress own_address;
  dht::Output out;
  dht::ScrapeGather gather{wire::InfoHash{}};
};

wire::ByteVector compact(std::uint32_t first, std::uint32_t count) {
  wire::ByteVector out(count * 6u);
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint8_t raw[18];
    Endpoint{peer(first + i), 6881}.write_compact(raw);
    std::copy_n(raw, 6, out.begin() + static_cast<std::ptrdiff_t>(i * 6u));
  }
  return out;
}

}  // namespace

TEST_CASE("S7 a scrape asks for filters, and its size is that of their union") {
  dht::Ask ask;
  Bench b;
  b.gather.shape(ask);
  CHECK(ask.peers.scrape);
  b.gather.add_local(of(0, 10), of(1'000, 50));
  b.answer(of(0, 20), of(1'000, 100));
  b.answer(of(10, 20), of(1'050, 100));
  const auto done = b.done();
  CHECK(done.lookup == 3);
  CHECK(done.nodes == 3);
  CHECK(done.seeds == Approx(of(0, 30).estimate()));
  CHECK(done.peers == Approx(of(1'000, 150).estimate()));
  CHECK(done.peers == Approx(150).epsilon(0.1));
  CHECK(done.peers_error > 0);
}

TEST_CASE("S7 nodes without filters count by their values, liars do not count") {
  Bench b;
  b.answer(of(0, 20), of(100, 5));
  b.answer(nullptr, compact(15, 10));  // five of them are seeds
  BloomFilter full;
  full.merge(wire::ByteVector(256, 0xff));
  const dht::krpc::ScrapeBody lie{full.bytes(), full.bytes()};
  b.answer(&lie, compact(5'000, 20));
  const auto done = b.done();
  CHECK(done.nodes == 1);
  CHECK(done.seeds == Approx(of(0, 20).estimate()));
  BloomFilter expected = of(100, 5);
  expected.merge(of(20, 5));
  CHECK(done.peers == Approx(expected.estimate()));
}
