// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/peer_connection.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/wire/peer/peer_stream.hpp"
#include "wire/base/rng.hpp"

using namespace lodestone::test;

namespace {

// 10 pieces of 40 KiB (two blocks and a half), the last one 20,000 bytes.
const Geometry kGeometry = *Geometry::make(9 * 40'960 + 20'000, 40'960);

const std::string kReadyLine = "ready " + kTheirId.hex();

/// Dialled, handshaken, geometry known, our own opening words written.
Client ready_client(bool fast = true, bool extended = false, std::size_t blocks = 64) {
  Client c = Client::dialled(blocks);
  REQUIRE(c.set_geometry(kGeometry));
  REQUIRE(c.feed(Stream{}.handshake(fast, extended)));
  (void)c.written();
  c.log.clear();
  return c;
}

/// The same before the geometry is known.
Client early_client(bool fast = true, bool extended = false) {
  Client c = Client::dialled();
  REQUIRE(c.feed(Stream{}.handshake(fast, extended)));
  (void)c.written();
  c.log.clear();
  return c;
}

PeerError error_of(Client c, const Stream& stream) {
  c.feed(stream);
  REQUIRE(c.error);
  CHECK(c.pool.in_use() == 0);
  CHECK_FALSE(c.connection.wants_write());
  // And nothing more after it.
  c.log.clear();
  CHECK_FALSE(c.feed(Stream{}.keepalive().plain(MessageId::choke)));
  CHECK(c.log.empty());
  return *c.error;
}

std::string sent_by(Client& c, const PeerMessage& message) {
  c.connection.send(message);
  return to_hex(c.written());
}

}  // namespace

// --- handshakes ---

TEST_CASE("a dialled connection opens with its handshake and is ready when the remote's has come") {
  Client c = Client::dialled();
  CHECK(c.connection.is_outgoing());
  const ByteVector hello = c.written();
  REQUIRE(hello.size() == Handshake::kSize);
  const Handshake ours = Handshake::decode(hello);
  CHECK((ours.dht && ours.fast && ours.extended));
  CHECK(ours.info_hash == kHash);
  CHECK(ours.peer_id == kOurId);
  CHECK_FALSE(c.connection.ready());
  REQUIRE(c.feed(Stream{}.handshake(true, true)));
  CHECK(c.take_log() == Lines{kReadyLine + " fast ext"});
  CHECK(c.connection.ready());
  CHECK(c.connection.peer_id() == kTheirId);
  // The extension handshake follows on its own, since the remote has BEP 10.
  CHECK(as_text(Bytes{c.written()}.subspan(6)) == "d1:md11:ut_metadatai1e6:ut_pexi2eee");
}

TEST_CASE("an accepted connection asks for its torrent before the peer id is there, and says nothing until adopted") {
  const Stream hello = Stream{}.handshake(true, false);
  Client c = Client::accepted();
  PeerEvents events;
  REQUIRE(c.connection.feed(kStart, Bytes{hello.bytes()}.first(47), c.pool, events));
  CHECK(events.empty());
  REQUIRE(c.connection.feed(kStart, Bytes{hello.bytes()}.subspan(47, 1), c.pool, events));
  REQUIRE(events.size() == 1);
  CHECK(text_of(events[0]) == "wants " + kHash.hex());
  CHECK_FALSE(c.connection.wants_write());
  events.clear();
  REQUIRE(c.connection.adopt(kStart, kHash, {}, events));
  CHECK(events.empty());
  CHECK(c.written().size() == Handshake::kSize);
  REQUIRE(c.connection.feed(kStart, Bytes{hello.bytes()}.subspan(48), c.pool, events));
  REQUIRE(events.size() == 1);
  CHECK(text_of(events[0]) == kReadyLine + " fast");
  CHECK_FALSE(c.connection.extended());
  CHECK_FALSE(c.connection.wants_write());
}

TEST_CASE("what comes behind a handshake waits for adopt(), up to 4 KiB") {
  Stream s = Stream{}.handshake(false, false).plain(MessageId::unchoke);
  while (s.size() < 10'000) s.have(1);
  Client c = Client::accepted();
  PeerEvents events;
  const auto taken = c.connection.feed(kStart, s.bytes(), c.pool, events);
  REQUIRE(taken);
  CHECK(*taken >= 4096);
  CHECK(*taken <= 4096 + Handshake::kSize);
  REQUIRE(events.size() == 1);
  std::array<MutableBytes, 4> buffers;
  CHECK(c.connection.prepare(c.pool, buffers) == 0);
  events.clear();
  REQUIRE(c.connection.set_geometry(kGeometry, events));
  REQUIRE(c.connection.adopt(kStart, kHash, {}, events));
  REQUIRE(events.size() > 100);
  CHECK(text_of(events[0]) == kReadyLine);
  CHECK(text_of(events[1]) == "unchoke");
  CHECK(text_of(events[2]) == "have 1");
  CHECK(c.connection.prepare(c.pool, buffers) > 0);
}

TEST_CASE("handshakes that are none, for others, or our own are refused") {
  CHECK(error_of(Client::dialled(), Stream{}.raw(as_bytes("GET / HTTP/1.1\r\n"))) == PeerError::not_bittorrent);
  CHECK(error_of(Client::accepted(), Stream{}.raw(as_bytes("\x14"))) == PeerError::not_bittorrent);
  InfoHash other;
  CHECK(error_of(Client::dialled(), Stream{}.handshake(true, true, kTheirId, other)) == PeerError::wrong_info_hash);
  CHECK(error_of(Client::dialled(), Stream{}.handshake(true, true, kOurId)) == PeerError::connected_to_self);
  CHECK(error_of(Client::accepted(), Stream{}.handshake(true, true, kOurId)) == PeerError::connected_to_self);
}

// --- order and tolerance ---

TEST_CASE("what real clients do at the beginning is tolerated") {
  const std::array<std::uint8_t, 2> bits{0xff, 0xc0};
  const std::string ext = "d1:md11:ut_metadatai3eee";
  const std::string ext_line = "extensions " + ext;
  SECTION("no bitfield at all") {
    Client c = ready_client(false);
    CHECK(c.feed(Stream{}.plain(MessageId::interested).have(3)));
    CHECK(c.log == Lines{"interested", "have 3"});
  }
  SECTION("the extension handshake before the bitfield, PORT and keep-alives too") {
    Client c = ready_client(true, true);
    CHECK(c.feed(Stream{}
                     .keepalive()
                     .extended(0, ext)
                     .message(9, std::array<std::uint8_t, 2>{1, 2})
                     .keepalive()
                     .message(99, bits)
                     .bitfield(bits)));
    CHECK(c.log == Lines{ext_line, "port 258", "has ffc0"});
  }
  SECTION("the extension handshake after it") {
    Client c = ready_client(true, true);
    CHECK(c.feed(Stream{}.bitfield(bits).extended(0, ext)));
    CHECK(c.log == Lines{"has ffc0", ext_line});
  }
  SECTION("have-all and have-none") {
    Client all = ready_client();
    CHECK(all.feed(Stream{}.plain(MessageId::have_all).have(3)));
    CHECK(all.log == Lines{"has ffc0", "have 3"});
    Client none = ready_client();
    CHECK(none.feed(Stream{}.plain(MessageId::have_none)));
    CHECK(none.log == Lines{"has 0000"});
  }
  SECTION("have for a piece it had") {
    Client c = ready_client();
    CHECK(c.feed(Stream{}.bitfield(bits).have(0).have(0)));
    CHECK(c.log == Lines{"has ffc0", "have 0", "have 0"});
  }
  SECTION("unknown ids, extended messages we did not offer, or without BEP 10") {
    Client c = ready_client(true, true);
    CHECK(c.feed(Stream{}
                     .message(21, ByteVector(48))
                     .message(99, {})
                     .extended(7, "de")
                     .extended(3, "junk")
                     .plain(MessageId::choke)));
    CHECK(c.log == Lines{"choke"});
    Client without = ready_client(true, false);
    CHECK(without.feed(Stream{}.extended(0, "not bencode").plain(MessageId::choke)));
    CHECK(without.log == Lines{"choke"});
  }
  SECTION("hints that make no sense, PORT 0") {
    Client c = ready_client();
    CHECK(c.feed(Stream{}
                     .index(MessageId::suggest, 10)
                     .index(MessageId::allowed_fast, 10)
                     .message(9, std::array<std::uint8_t, 2>{0, 0})
                     .index(MessageId::suggest, 9)
                     .index(MessageId::allowed_fast, 9)));
    CHECK(c.log == Lines{"suggest 9", "allowed 9"});
  }
}

TEST_CASE("W2 a bitfield comes first or not at all, and once") {
  const std::array<std::uint8_t, 2> bits{0xff, 0xc0};
  CHECK(error_of(ready_client(), Stream{}.plain(MessageId::unchoke).bitfield(bits)) == PeerError::bitfield_not_first);
  CHECK(error_of(ready_client(), Stream{}.bitfield(bits).bitfield(bits)) == PeerError::bitfield_not_first);
  CHECK(error_of(ready_client(), Stream{}.have(1).plain(MessageId::have_all)) == PeerError::bitfield_not_first);
}

TEST_CASE("W2 spare bits are zero, indices in range") {
  const std::array<std::uint8_t, 2> spare{0xff, 0xe0};
  CHECK(error_of(ready_client(), Stream{}.bitfield(spare)) == PeerError::bitfield_invalid);
  CHECK(error_of(ready_client(), Stream{}.have(10)) == PeerError::index_out_of_range);
  CHECK(error_of(ready_client(), Stream{}.have(0xffffffff)) == PeerError::index_out_of_range);
  const auto request = MessageId::request;
  CHECK(error_of(ready_client(), Stream{}.range(request, 10, 0, 16384)) == PeerError::index_out_of_range);
  CHECK(error_of(ready_client(), Stream{}.range(request, 9, 16384, 16384)) == PeerError::index_out_of_range);
  CHECK(error_of(ready_client(), Stream{}.range(request, 0, 0, 0)) == PeerError::index_out_of_range);
  CHECK(error_of(ready_client(), Stream{}.range(request, 0, 0xffffffff, 2)) == PeerError::index_out_of_range);
  CHECK(error_of(ready_client(), Stream{}.range(MessageId::cancel, 10, 0, 1)) == PeerError::index_out_of_range);
  // The last piece is shorter.
  Client c = ready_client();
  CHECK(c.feed(Stream{}.range(request, 9, 16384, 3616).range(request, 0, 0, 40960)));
  CHECK(c.log == Lines{"request 9+16384:3616", "request 0+0:40960"});
}

TEST_CASE("a request of more than 128 KiB disconnects, whatever the piece has") {
  const Geometry wide = *Geometry::make(1 << 20, 1 << 20);
  Client c = Client::dialled();
  REQUIRE(c.set_geometry(wide));
  REQUIRE(c.feed(Stream{}.handshake(true, false).range(MessageId::request, 0, 0, 131'072)));
  CHECK_FALSE(c.feed(Stream{}.range(MessageId::request, 0, 0, 131'073)));
  CHECK(c.error == PeerError::index_out_of_range);
}

TEST_CASE("W1 lengths are judged before the message has come") {
  const auto head = [](std::uint32_t length, std::uint8_t id) {
    std::array<std::uint8_t, 5> out;
    store_be32(out.data(), length);
    out[4] = id;
    return Stream{}.raw(out);
  };
  CHECK(error_of(ready_client(), head(10 + kBlockSize, 7)) == PeerError::message_too_long);
  CHECK(error_of(ready_client(), head(9, 7)) == PeerError::message_wrong_length);
  CHECK(error_of(ready_client(), head(2, 5)) == PeerError::message_wrong_length);
  CHECK(error_of(ready_client(true, true), head(2 + 256 * 1024, 20)) == PeerError::message_too_long);
  CHECK(error_of(ready_client(), head(0xffffffff, 200)) == PeerError::message_too_long);
  CHECK(error_of(early_client(), head(2 + 256 * 1024, 5)) == PeerError::message_too_long);
  CHECK(error_of(ready_client(), head(6, 4)) == PeerError::message_wrong_length);
}

TEST_CASE("messages of BEP 6 without BEP 6 disconnect") {
  CHECK(error_of(ready_client(false), Stream{}.plain(MessageId::have_all)) == PeerError::unexpected_message);
  CHECK(error_of(ready_client(false), Stream{}.range(MessageId::reject, 0, 0, 16384)) == PeerError::unexpected_message);
}

// --- before the geometry ---

TEST_CASE("W1 what a peer has is kept until the geometry is known, then validated and told") {
  SECTION("bitfield and haves") {
    Client c = early_client();
    const std::array<std::uint8_t, 2> bits{0x80, 0x00};
    REQUIRE(c.feed(Stream{}
                       .bitfield(bits)
                       .have(1)
                       .plain(MessageId::unchoke)
                       .index(MessageId::allowed_fast, 4)
                       .index(MessageId::allowed_fast, 10)
                       .index(MessageId::suggest, 4)
                       .range(MessageId::request, 99, 99, 99)
                       .range(MessageId::cancel, 99, 99, 99)));
    CHECK(c.take_log() == Lines{"unchoke"});
    CHECK(c.connection.early_bytes() == 2 + 8);
    REQUIRE(c.set_geometry(kGeometry));
    CHECK(c.take_log() == Lines{"has c000", "allowed 4"});
    CHECK(c.connection.early_bytes() == 0);
    REQUIRE(c.feed(Stream{}.have(2)));
    CHECK(c.take_log() == Lines{"have 2"});
    CHECK_FALSE(c.feed(Stream{}.bitfield(bits)));
    CHECK(c.error == PeerError::bitfield_not_first);
  }
  SECTION("have-all") {
    Client c = early_client();
    REQUIRE(c.feed(Stream{}.plain(MessageId::have_all)));
    REQUIRE(c.set_geometry(kGeometry));
    CHECK(c.log == Lines{"has ffc0"});
  }
  SECTION("nothing") {
    Client c = early_client();
    REQUIRE(c.set_geometry(kGeometry));
    CHECK(c.log.empty());
  }
  SECTION("haves beyond the torrent") {
    Client c = early_client();
    REQUIRE(c.feed(Stream{}.have(10)));
    CHECK_FALSE(c.set_geometry(kGeometry));
    CHECK(c.error == PeerError::index_out_of_range);
  }
  SECTION("a bitfield of the wrong length, half of it before") {
    Client c = early_client();
    const Stream s = Stream{}.bitfield(ByteVector(3));
    REQUIRE(c.feed(Bytes{s.bytes()}.first(6)));
    REQUIRE(c.set_geometry(kGeometry));
    CHECK_FALSE(c.feed(Bytes{s.bytes()}.subspan(6)));
    CHECK(c.error == PeerError::bitfield_invalid);
  }
}

TEST_CASE("W1 more than 2000 early haves disconnect") {
  Client c = early_client();
  Stream s;
  for (std::uint32_t i = 0; i < 2'000; ++i) s.have(i);
  REQUIRE(c.feed(s));
  CHECK(c.connection.early_bytes() == 8'000);
  CHECK_FALSE(c.feed(Stream{}.have(0)));
  CHECK(c.error == PeerError::too_many_early_haves);
}

TEST_CASE("W1 a long message gets memory as its bytes come, not when it is announced") {
  Client c = early_client();
  const Stream s = Stream{}.bitfield(ByteVector(256 * 1024, 0xff));
  REQUIRE(c.feed(Bytes{s.bytes()}.first(5)));
  std::array<MutableBytes, PeerConnection::kMaxBuffers> buffers;
  const std::size_t used = c.connection.prepare(c.pool, buffers);
  std::size_t room = 0;
  for (std::size_t i = 0; i < used; ++i) room += buffers[i].size();
  CHECK(room <= 8192);
  REQUIRE(c.feed(Bytes{s.bytes()}.subspan(5)));
  CHECK(c.connection.early_bytes() == 256 * 1024);
}

// --- blocks ---

TEST_CASE("blocks come out with their names and their bytes") {
  Client c = ready_client();
  c.keep_blocks = true;
  Stream s;
  std::vector<BlockRef> refs;
  for (std::uint32_t p = 0; p < 10; ++p)
    for (std::uint32_t b = 0; b < kGeometry.block_count(PieceIndex{p}); ++b) refs.push_back({PieceIndex{p}, b});
  for (const BlockRef& r : refs) s.piece(kGeometry, r);
  REQUIRE(c.feed(s));
  REQUIRE(c.blocks.size() == refs.size());
  for (std::size_t i = 0; i < refs.size(); ++i) {
    const std::uint64_t from = kGeometry.offset(refs[i].piece) + kGeometry.block_begin(refs[i]);
    const Bytes bytes = c.blocks[i].bytes();
    REQUIRE(bytes.size() == kGeometry.block_length(refs[i]));
    bool right = true;
    for (std::size_t k = 0; k < bytes.size(); ++k) right = right && bytes[k] == content(from + k);
    CHECK(right);
  }
  CHECK(c.connection.payload_in() == kGeometry.total());
  CHECK(c.pool.in_use() == refs.size());
}

TEST_CASE("W4 a piece message off the grid is waste, out of range it disconnects") {
  Client c = ready_client();
  const auto p = PieceIndex{0};
  REQUIRE(c.feed(Stream{}
                     .piece(kGeometry, BlockRange{p, 1, 100})
                     .piece(kGeometry, BlockRange{p, 16384, 100})
                     .piece(kGeometry, BlockRange{PieceIndex{9}, 0, 16384})));
  CHECK(c.log.size() == 3);
  CHECK(c.log[0] == "waste 100");
  CHECK(c.log[1] == "waste 100");
  CHECK(c.log[2].starts_with("block 9/0 16384"));
  CHECK(c.pool.in_use() == 0);
  CHECK(error_of(ready_client(), Stream{}.piece(kGeometry, BlockRange{PieceIndex{9}, 16384, 16384})) ==
        PeerError::index_out_of_range);
  CHECK(error_of(ready_client(), Stream{}.raw(piece_header({PieceIndex{10}, 0, 16384}))) ==
        PeerError::index_out_of_range);
  // Before the geometry we have asked for nothing.
  Client early = early_client();
  REQUIRE(early.feed(Stream{}.piece(kGeometry, BlockRange{p, 0, 16384}).plain(MessageId::choke)));
  CHECK(early.log == Lines{"waste 16384", "choke"});
}

TEST_CASE("an idle connection holds no block, one in a block holds one") {
  Client c = ready_client();
  std::array<MutableBytes, PeerConnection::kMaxBuffers> buffers;
  REQUIRE(c.connection.prepare(c.pool, buffers) == 1);
  CHECK(buffers[0].size() <= 4096);
  CHECK(c.pool.in_use() == 0);
  const Stream s = Stream{}.piece(kGeometry, BlockRef{PieceIndex{0}, 0});
  REQUIRE(c.feed(Bytes{s.bytes()}.first(13)));
  CHECK(c.pool.in_use() == 1);
  REQUIRE(c.feed(Bytes{s.bytes()}.subspan(13, 5000)));
  CHECK(c.pool.in_use() == 1);
  REQUIRE(c.feed(Bytes{s.bytes()}.subspan(5013)));
  CHECK(c.pool.in_use() == 0);
  // A prophecy that nothing has answered is taken back.
  CHECK(c.connection.prepare(c.pool, buffers) > 1);
  CHECK(c.pool.in_use() > 0);
  PeerEvents events;
  REQUIRE(c.connection.receive(kStart, 0, events));
  CHECK(c.pool.in_use() == 0);
  CHECK(c.connection.prepare(c.pool, buffers) > 1);
  REQUIRE(c.advance(kStart + 1s));
  CHECK(c.pool.in_use() == 0);
}

TEST_CASE("without a free block the connection stops reading and goes on when there is one") {
  Client c = ready_client(true, false, 2);
  c.keep_blocks = true;
  c.connection.send(peer_message::Request{kGeometry.range({PieceIndex{0}, 0})});
  c.connection.send(peer_message::Request{kGeometry.range({PieceIndex{0}, 1})});
  c.connection.send(peer_message::Request{kGeometry.range({PieceIndex{0}, 2})});
  Stream s;
  for (std::uint32_t b = 0; b < 3; ++b) s.piece(kGeometry, BlockRef{PieceIndex{0}, b});
  s.plain(MessageId::choke);
  REQUIRE(c.feed(s));
  CHECK(c.unread > 0);
  CHECK(c.log.size() == 2);
  std::array<MutableBytes, 4> buffers;
  CHECK(c.connection.prepare(c.pool, buffers) == 0);

  SECTION("it is not idle in that time, and may be so afterwards") {
    REQUIRE(c.advance(kStart + 1h));
    c.blocks.clear();
    REQUIRE(c.advance(kStart + 2h));
    CHECK(c.connection.next_deadline() <= kStart + 2h + 120s);
    CHECK_FALSE(c.advance(kStart + 2h + 120s));
    CHECK(c.error == PeerError::idle_timeout);
  }
  SECTION("reading goes on") {
    c.blocks.clear();
    CHECK(c.connection.prepare(c.pool, buffers) > 0);
    REQUIRE(c.feed(Bytes{s.bytes()}.last(c.unread)));
    CHECK(c.unread == 0);
    CHECK(c.log.size() == 4);
    CHECK(c.log.back() == "choke");
  }
}

TEST_CASE("small blocks that came together in one read wait for a block one by one") {
  const Geometry small = *Geometry::make(100 * 50, 50);
  Client c = Client::dialled(1);
  c.keep_blocks = true;
  REQUIRE(c.set_geometry(small));
  Stream s = Stream{}.handshake(true, false);
  for (std::uint32_t p = 0; p < 40; ++p) s.piece(small, BlockRef{PieceIndex{p}, 0});
  s.plain(MessageId::choke);
  REQUIRE(c.feed(s));
  CHECK(c.unread == 0);
  REQUIRE(c.log.size() == 2);  // ready, and one block
  CHECK(c.connection.next_deadline() <= kStart + 100ms);
  for (int round = 1; round < 40; ++round) {
    c.blocks.clear();
    if (round % 2 == 0) {
      REQUIRE(c.advance(c.connection.next_deadline()));
    } else {
      REQUIRE(c.connection.receive(c.now, 0, c.events));
      REQUIRE(c.advance(c.now));
    }
  }
  CHECK(c.log.size() == 42);
  CHECK(c.log.back() == "choke");
  CHECK(c.connection.next_deadline() > c.now + 1s);
}

TEST_CASE("what waits for a block does not grow while reading goes on") {
  const Geometry small = *Geometry::make(2'000, 1);
  Client c = Client::dialled(1);
  REQUIRE(c.set_geometry(small));
  Stream s = Stream{}.handshake(true, false);
  for (std::uint32_t p = 0; p < 2'000; ++p) s.piece(small, BlockRef{PieceIndex{p}, 0});
  // Blocks are set free between the calls only, so each call brings one on.
  Bytes rest = s.bytes();
  std::size_t blocks = 0;
  while (!rest.empty()) {
    PeerEvents events;
    const auto n = c.connection.feed(kStart, rest, c.pool, events);
    REQUIRE(n);
    for (const PeerEvent& e : events) blocks += std::holds_alternative<peer_event::BlockData>(e) ? 1 : 0;
    rest = rest.subspan(*n);
    const std::size_t consumed = s.size() - rest.size();
    REQUIRE(consumed <= 68 + 14 * blocks + 2 * 4096);
  }
}

TEST_CASE("P3 the events do not depend on how the stream was cut") {
  const Geometry g = kGeometry;
  Stream s = Stream{}.handshake(true, true).extended(0, "d1:md11:ut_metadatai3e6:ut_pexi4ee13:metadata_sizei40000ee");
  s.bitfield(std::array<std::uint8_t, 2>{0xff, 0xc0}).keepalive().plain(MessageId::unchoke);
  Rng rng = Rng::from_number(3);
  for (int i = 0; i < 60; ++i) {
    const PieceIndex p{static_cast<std::uint32_t>(rng.below(10))};
    switch (rng.below(12)) {
      case 0: s.have(p.value()); break;
      case 1: s.keepalive(); break;
      case 2: s.message(77, ByteVector(rng.below(300))); break;
      case 3: s.range(MessageId::request, p.value(), 0, 16384); break;
      case 4: s.extended(2, "d5:added6:abcdef7:added.f1:xe"); break;
      case 5: s.extended(1, "d8:msg_typei1e5:piecei1e10:total_sizei40000ee" + std::string(16'000, 'm')); break;
      case 6: s.piece(g, BlockRange{p, 5, 1000}); break;
      default: s.piece(g, BlockRef{p, static_cast<std::uint32_t>(rng.below(g.block_count(p)))}); break;
    }
  }
  s.plain(MessageId::choke).have(10);
  for (const bool incoming : {false, true}) {
    for (const std::size_t geometry_at : {std::size_t{0}, std::size_t{68}, std::size_t{500}, s.size()}) {
      Lines whole;
      for (int how = 0; how < 5; ++how) {
        Client c = incoming ? Client::accepted() : Client::dialled();
        Rng cuts = Rng::from_number(static_cast<std::uint64_t>(how));
        const std::size_t most =
            std::array<std::size_t, 5>{s.size(), 1, 40, 5'000, 150'000}[static_cast<std::size_t>(how)];
        std::size_t at = 0;
        bool known = false;
        bool stuck = false;
        while (at < s.size() && !c.error) {
          if (at == geometry_at && !known) {
            known = true;
            c.set_geometry(g);
            continue;
          }
          const std::size_t stop = at < geometry_at ? geometry_at : s.size();
          const std::size_t n = std::min(stop - at, how == 1 ? 1 : 1 + cuts.below(most));
          const std::size_t step = how == 0 ? stop - at : n;
          c.feed(Bytes{s.bytes()}.subspan(at, step));
          stuck = stuck || (c.unread != 0 && !c.error);
          at += step;
        }
        if (!known && !c.error) c.set_geometry(g);
        c.log.push_back(c.error ? std::string{describe(*c.error)} : "fine");
        REQUIRE_FALSE(stuck);
        REQUIRE(c.pool.in_use() == 0);
        if (how == 0) whole = c.log;
        REQUIRE(c.log == whole);
      }
      CHECK(whole.size() > 30);
    }
  }
}

// --- sending ---

TEST_CASE("pieces are told in the way the peer takes them") {
  const auto bits = [](std::uint32_t n, bool all) { return std::make_shared<const Bitfield>(n, all); };
  Bitfield some{10};
  some.set(PieceIndex{0});
  const auto sent = [](bool fast, const peer_message::Pieces& m) {
    Client c = ready_client(fast);
    return sent_by(c, m);
  };
  CHECK(sent(true, {bits(10, true)}) == "000000010e");
  CHECK(sent(true, {bits(10, false)}) == "000000010f");
  CHECK(sent(true, {nullptr}) == "000000010f");
  CHECK(sent(true, {std::make_shared<const Bitfield>(some)}) == "00000003058000");
  CHECK(sent(false, {bits(10, true)}) == "0000000305ffc0");
  CHECK(sent(false, {bits(10, false)}).empty());
  CHECK(sent(false, {nullptr}).empty());
  CHECK(sent(false, {std::make_shared<const Bitfield>(some)}) == "00000003058000");
}

TEST_CASE("what a peer cannot take is not sent to it") {
  const BlockRange range{PieceIndex{1}, 0, 16384};
  Client plain = ready_client(false, false);
  CHECK(sent_by(plain, peer_message::Reject{range}).empty());
  CHECK(sent_by(plain, peer_message::AllowedFast{PieceIndex{1}}).empty());
  CHECK(sent_by(plain, peer_message::Extensions{{}}).empty());
  CHECK(sent_by(plain, peer_message::Metadata{{}}).empty());
  CHECK(sent_by(plain, peer_message::Pex{{}}).empty());
  CHECK(sent_by(plain, peer_message::Have{PieceIndex{1}}) == "000000050400000001");
  Client full = ready_client(true, true);
  CHECK(sent_by(full, peer_message::Reject{range}) == "0000000d10000000010000000000004000");
  CHECK(sent_by(full, peer_message::AllowedFast{PieceIndex{1}}) == "000000051100000001");
  CHECK(sent_by(full, peer_message::Extensions{{}}) ==
        "0000000914006431"
        "3a6d646565");
  CHECK(sent_by(full, peer_message::Metadata{{}}).empty());  // its handshake has not come
}

TEST_CASE("M5 extension messages carry the remote's ids; 0 switches off, a repeated handshake on") {
  Client c = ready_client(true, true);
  const peer_message::Metadata ask{{UtMetadata::Type::request, 0, 0, {}}};
  REQUIRE(c.feed(Stream{}.extended(0, "d1:md11:ut_metadatai7e6:ut_pexi9eee")));
  CHECK(sent_by(c, ask).starts_with("0000001b1407"));
  CHECK(sent_by(c, peer_message::Pex{{}}).substr(8, 4) == "1409");
  REQUIRE(c.feed(Stream{}.extended(0, "d1:md11:ut_metadatai0eee")));
  CHECK(sent_by(c, ask).empty());
  CHECK(sent_by(c, peer_message::Pex{{}}).substr(8, 4) == "1409");
  REQUIRE(c.feed(Stream{}.extended(0, "d1:md11:ut_metadatai8eee")));
  CHECK(sent_by(c, ask).substr(8, 4) == "1408");
  CHECK(c.connection.extensions().ut_pex == 9);
  // They come in under ours.
  c.log.clear();
  REQUIRE(c.feed(Stream{}.extended(kOurUtMetadata, "d8:msg_typei2e5:piecei5ee").extended(1, "d8:msg_typei9ee")));
  CHECK(c.log == Lines{"metadata 2 5 0 " + to_hex(sha1({}))});
}

TEST_CASE("M5 malformed extension messages disconnect") {
  CHECK(error_of(ready_client(true, true), Stream{}.extended(0, "x")) == PeerError::extension_malformed);
  CHECK(error_of(ready_client(true, true), Stream{}.extended(1, "de")) == PeerError::extension_malformed);
  CHECK(error_of(ready_client(true, true), Stream{}.extended(2, "")) == PeerError::extension_malformed);
}

TEST_CASE("pieces go out as header and block, and can be taken back") {
  Client c = ready_client();
  const auto push = [&](std::uint32_t piece) {
    Block b = c.pool.take(100);
    std::fill(b.bytes().begin(), b.bytes().end(), static_cast<std::uint8_t>(piece));
    c.connection.send_piece({PieceIndex{piece}, 0, 100}, std::move(b));
  };
  push(1);
  push(2);
  CHECK(c.connection.queued_payload() == 200);
  CHECK(c.connection.unsend_piece({PieceIndex{2}, 0, 100}));
  CHECK_FALSE(c.connection.unsend_piece({PieceIndex{2}, 0, 100}));
  CHECK(c.connection.queued_payload() == 100);
  CHECK(to_hex(c.written()) == "0000006d070000000100000000" + to_hex(ByteVector(100, 1)));
  CHECK(c.connection.payload_out() == 100);
  CHECK(c.pool.in_use() == 0);
}

TEST_CASE("a peer that asks without reading the answers is let go at 1 MiB") {
  Client c = ready_client();
  const peer_message::Reject reject{{PieceIndex{0}, 0, 16384}};
  std::size_t n = 0;
  while (c.connection.next_deadline() > kStart && n < 1'000'000) {
    c.connection.send(reject);
    ++n;
  }
  CHECK(n * 17 > (1u << 20));
  CHECK(n * 17 <= (1u << 20) + 17);
  SECTION("found at the next bytes") {
    CHECK_FALSE(c.feed(Stream{}.keepalive()));
    CHECK(c.error == PeerError::flooding);
  }
  SECTION("or by time") {
    CHECK_FALSE(c.advance(kStart));
    CHECK(c.error == PeerError::flooding);
  }
  CHECK_FALSE(c.connection.wants_write());
}

// --- time ---

TEST_CASE("W5 a handshake has 10 s in all") {
  for (const bool dialled : {true, false}) {
    Client c = dialled ? Client::dialled() : Client::accepted();
    CHECK(c.connection.next_deadline() == kStart + 10s);
    c.now = kStart + 9s;
    REQUIRE(c.feed(Bytes{Stream{}.handshake(true, true).bytes()}.first(67)));
    CHECK(c.connection.next_deadline() == kStart + 10s);
    REQUIRE(c.advance(kStart + 10s - 1ns));
    CHECK_FALSE(c.advance(kStart + 10s));
    CHECK(c.error == PeerError::handshake_timeout);
  }
}

TEST_CASE("W5 a peer that is silent for 120 s is let go, a keep-alive saves it") {
  Client c = ready_client();
  REQUIRE(c.advance(kStart + 119s));
  REQUIRE(c.feed(Stream{}.keepalive()));
  REQUIRE(c.advance(kStart + 119s + 120s - 1ns));
  CHECK(c.connection.next_deadline() <= kStart + 119s + 120s);
  CHECK_FALSE(c.advance(kStart + 119s + 120s));
  CHECK(c.error == PeerError::idle_timeout);
  CHECK(c.connection.next_deadline() == kNever);
}

TEST_CASE("W5 a keep-alive goes out when nothing else did for 100 s") {
  Client c = ready_client();
  CHECK(c.connection.next_deadline() == kStart + 100s);
  REQUIRE(c.advance(kStart + 100s));
  CHECK(to_hex(c.written()) == "00000000");
  CHECK(c.connection.next_deadline() == kStart + 120s);
  REQUIRE(c.feed(Stream{}.keepalive()));
  CHECK(c.connection.next_deadline() == kStart + 200s);
  // With something unsent in the queue there is no need for one, and time goes on.
  c.connection.send(peer_message::Choke{});
  REQUIRE(c.advance(kStart + 200s));
  CHECK(c.connection.next_deadline() > kStart + 200s);
  CHECK(to_hex(c.written()) == "0000000100");
}
