// SPDX-License-Identifier: Apache-2.0
// Where bytes land. That the events are right however the stream is cut, peer_connection_test and the fuzzer show.
#include "wire/peer/receiver.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/wire/peer/peer_stream.hpp"

using namespace lodestone::test;

namespace {

const Geometry kGeometry = *Geometry::make(1000 * 65'536 - 10'000, 65'536);

/// Takes everything; notes where the payload of each block lies.
struct Sink final : FrameSink {
  std::expected<Opening, PeerError> on_opening(Bytes so_far) override {
    return so_far.size() == Handshake::kSize ? Opening::complete : Opening::more;
  }
  std::expected<Frame, PeerError> on_frame(std::uint8_t id, std::uint32_t) override {
    return id == 7 ? Frame::piece : Frame::keep;
  }
  std::expected<void, PeerError> on_message(std::uint8_t, Bytes) override {
    ++messages;
    return {};
  }
  std::expected<std::optional<BlockRef>, PeerError> on_piece(std::uint32_t piece, std::uint32_t begin,
                                                             std::uint32_t length) override {
    return kGeometry.block(piece, begin, length);
  }
  void on_block(BlockRef ref, Block&& block) override {
    refs.push_back(ref);
    blocks.push_back(std::move(block));
  }
  void on_waste(std::uint32_t) override {}

  std::vector<BlockRef> refs;
  std::vector<Block> blocks;
  std::size_t messages = 0;
};

struct Reader {
  explicit Reader(std::size_t blocks) : pool(blocks * kBlockSize) {
    give(Stream{}.handshake(true, true));
    CHECK(prepare() == 1);  // a plain read before anything is known
  }

  std::size_t prepare(bool expecting = true, std::size_t most = 16) {
    used = receiver.prepare(pool, expecting, std::span{buffers}.first(most));
    return used;
  }
  [[nodiscard]] std::size_t room() const {
    std::size_t n = 0;
    for (std::size_t i = 0; i < used; ++i) n += buffers[i].size();
    return n;
  }
  /// As one readv that brings as much of it as there is room for; the bytes taken.
  std::size_t read(Bytes bytes) {
    prepare();
    std::size_t n = 0;
    for (std::size_t i = 0; i < used; ++i) {
      const std::size_t here = std::min(buffers[i].size(), bytes.size() - n);
      if (here > 0) std::memcpy(buffers[i].data(), bytes.data() + n, here);
      n += here;
    }
    REQUIRE(receiver.receive(n, sink));
    return n;
  }
  void give(const Stream& s) {
    Bytes rest = s.bytes();
    while (!rest.empty()) rest = rest.subspan(read(rest));
  }
  void check_contents() const {
    for (std::size_t i = 0; i < sink.blocks.size(); ++i) {
      const std::uint64_t from = kGeometry.offset(sink.refs[i].piece) + kGeometry.block_begin(sink.refs[i]);
      const Bytes bytes = sink.blocks[i].bytes();
      bool right = true;
      for (std::size_t k = 0; k < bytes.size(); ++k) right = right && bytes[k] == content(from + k);
      CHECK(right);
    }
  }

  BlockPool pool;
  Sink sink;
  Receiver receiver;
  std::array<MutableBytes, 16> buffers;
  std::size_t used = 0;
};

Stream blocks_of(std::uint32_t first_piece, std::uint32_t pieces) {
  Stream s;
  for (std::uint32_t p = first_piece; p < first_piece + pieces; ++p)
    for (std::uint32_t b = 0; b < kGeometry.block_count(PieceIndex{p}); ++b)
      s.piece(kGeometry, BlockRef{PieceIndex{p}, b});
  return s;
}

}  // namespace

TEST_CASE("while blocks follow each other one read takes eight of them, in place") {
  Reader r{256};
  const Stream s = blocks_of(0, 16);  // 64 blocks
  Bytes rest = s.bytes();
  std::size_t reads = 0;
  while (!rest.empty()) {
    rest = rest.subspan(r.read(rest));
    ++reads;
  }
  CHECK(r.sink.blocks.size() == 64);
  CHECK(reads <= 14);
  r.check_contents();
  // Warm: [13][16 KiB] seven times, or with the rest of a block in front of them.
  CHECK(r.prepare() == 14);
  CHECK(r.room() == 7 * (13 + kBlockSize));
  CHECK(r.prepare(true, 5) == 4);

  r.sink.blocks.clear();
  r.prepare();
  const std::uint8_t* places[] = {r.buffers[1].data(), r.buffers[3].data()};
  const Stream two = blocks_of(20, 1);
  REQUIRE(r.read(Bytes{two.bytes()}.first(2 * (13 + kBlockSize) + 100)) == 2 * (13 + kBlockSize) + 100);
  REQUIRE(r.sink.blocks.size() == 2);
  CHECK(r.sink.blocks[0].bytes().data() == places[0]);
  CHECK(r.sink.blocks[1].bytes().data() == places[1]);
  CHECK(r.pool.in_use() == 3);
  // Inside a block: its rest comes first.
  r.prepare();
  CHECK(r.buffers[0].size() == kBlockSize - 87);
  CHECK(r.used % 2 == 1);
}

TEST_CASE("a wrong prophecy loses nothing") {
  for (const std::size_t before : {0, 1, 3}) {
    Reader r{256};
    r.give(blocks_of(0, 4));
    r.sink.blocks.clear();
    r.sink.refs.clear();
    Stream s;
    for (std::uint32_t b = 0; b < before; ++b) s.piece(kGeometry, BlockRef{PieceIndex{7}, b});
    s.have(5);                                         // where a header was foretold
    s.piece(kGeometry, BlockRef{PieceIndex{999}, 3});  // short: 6,384 bytes
    s.keepalive();
    s.piece(kGeometry, BlockRef{PieceIndex{999}, 3}).piece(kGeometry, BlockRef{PieceIndex{998}, 3});
    s.piece(kGeometry, BlockRef{PieceIndex{999}, 3}).piece(kGeometry, BlockRef{PieceIndex{998}, 2});
    REQUIRE(r.prepare() == 14);
    REQUIRE(r.room() > s.size());
    REQUIRE(r.read(s.bytes()) == s.size());
    CHECK(r.sink.messages == 1);
    CHECK(r.sink.blocks.size() == before + 5);
    CHECK(r.pool.in_use() == before + 5);
    r.check_contents();
  }
}

TEST_CASE("every wrong prophecy is survived: all lengths of a message between two blocks") {
  for (std::size_t n = 1; n < 40; ++n) {
    Reader r{256};
    r.give(blocks_of(0, 4));
    r.sink.blocks.clear();
    r.sink.refs.clear();
    Stream s;
    s.piece(kGeometry, BlockRef{PieceIndex{7}, 0}).message(50, ByteVector(n - 1, 0));
    s.piece(kGeometry, BlockRef{PieceIndex{7}, 1}).piece(kGeometry, BlockRef{PieceIndex{999}, 3});
    s.piece(kGeometry, BlockRef{PieceIndex{7}, 2});
    REQUIRE(r.read(s.bytes()) == s.size());
    CHECK(r.sink.blocks.size() == 4);
    r.check_contents();
  }
}

TEST_CASE("blocks are foretold only after a piece message") {
  Reader r{256};
  r.give(blocks_of(0, 4));
  CHECK(r.prepare() == 14);
  r.give(Stream{}.have(1));
  CHECK(r.prepare() == 1);
  CHECK(r.room() == Receiver::kSpill);
  CHECK(r.pool.in_use() == r.sink.blocks.size());
}

TEST_CASE("a slow peer has few blocks foretold") {
  Reader r{256};
  const Stream s = blocks_of(0, 2);
  Bytes rest = s.bytes();
  while (!rest.empty()) {
    r.prepare();
    CHECK(r.used <= 3);
    rest = rest.subspan(r.read(rest.first(std::min<std::size_t>(rest.size(), 1448))));
  }
  CHECK(r.sink.blocks.size() == 8);
  r.check_contents();
}

TEST_CASE("foretold blocks are a quarter of the free ones at most, and none when blocks are scarce") {
  Reader r{40};
  r.give(blocks_of(0, 4));
  CHECK(r.sink.blocks.size() == 16);
  CHECK(r.prepare() == 2 * 6);  // of 24 free ones
  CHECK(r.pool.in_use() == 16 + 6);
  r.give(blocks_of(4, 5));
  CHECK(r.sink.blocks.size() == 36);
  CHECK(r.prepare() == 2);
  std::vector<Block> taken;
  for (int i = 0; i < 3; ++i) taken.push_back(r.pool.take());  // the plan holds one
  r.receiver.release_plan();
  CHECK(r.pool.available() == 1);
  CHECK(r.prepare() == 1);
  CHECK(r.room() == Receiver::kSpill);
  taken.push_back(r.pool.take());
  CHECK(r.prepare(true) == 0);
  // Whom we asked for nothing may still talk.
  CHECK(r.prepare(false) == 1);
}

TEST_CASE("the last free block is read to its end, and not further") {
  Reader r{1};
  const Stream s = blocks_of(0, 1);
  Bytes rest = s.bytes();
  rest = rest.subspan(r.read(rest.first(13 + 100)));
  CHECK(r.prepare() == 1);
  CHECK(r.room() == kBlockSize - 100);
  rest = rest.subspan(r.read(rest));
  CHECK(r.sink.blocks.size() == 1);
  CHECK(r.prepare() == 0);
  r.sink.blocks.clear();
  CHECK(r.prepare() == 1);
}
