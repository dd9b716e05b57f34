// SPDX-License-Identifier: Apache-2.0
#include "magnet/create.hpp"

#include <string>

#include <catch2/catch.hpp>

#include "magnet/metainfo.hpp"
#include "wire/base/bencode.hpp"
#include "wire/base/geometry.hpp"

namespace lodestone::magnet {
namespace {

CreateSpec sample() {
  CreateSpec spec;
  spec.name = "root";
  spec.files = {{{"a", "b.txt"}, 16'384, true}, {{"empty"}, 0, false}, {{"z"}, 3, false}};
  spec.piece_length = 16'384;
  spec.pieces.resize(2);
  return spec;
}

TEST_CASE("what is created is canonical and reads back") {
  CreateSpec spec = sample();
  spec.is_private = true;
  spec.trackers = {{"http://a", "http://b"}, {"udp://c"}};
  spec.webseeds = {"http://w"};
  spec.nodes = {{"::1", 5}};
  spec.comment = "hello";
  spec.created_by = "test";
  spec.created = 1'000'000;
  const auto bytes = encode_torrent(spec);
  REQUIRE(bytes);
  wire::bencode::Document document;
  auto limits = wire::bencode::Limits::file();
  limits.strict = true;
  limits.allow_trailing = false;
  CHECK(document.parse(*bytes, limits));
  const auto parsed = parse_torrent(*bytes);
  REQUIRE(parsed);
  CHECK(parsed->info.is_private);
  REQUIRE(parsed->info.files.size() == 3);
  CHECK(parsed->info.files[0].joined() == "root/a/b.txt");
  CHECK(parsed->info.files[0].executable);
  CHECK(parsed->trackers == spec.trackers);
  CHECK(parsed->webseeds == spec.webseeds);
  CHECK(parsed->nodes == spec.nodes);
  CHECK(parsed->comment == spec.comment);
  CHECK(parsed->created_by == spec.created_by);
  CHECK(parsed->created == spec.created);
  CHECK(*encode_torrent(spec) == *bytes);
}

TEST_CASE("a single file has no list and no optional keys") {
  CreateSpec spec;
  spec.name = "n";
  spec.single_file = true;
  spec.files = {{{}, 1, false}};
  spec.piece_length = 16'384;
  spec.pieces = {{}};
  const auto bytes = encode_torrent(spec);
  REQUIRE(bytes);
  CHECK(wire::as_text(*bytes) ==
        "d4:infod6:lengthi1e4:name1:n12:piece lengthi16384e6:pieces20:" + std::string(20, '\0') + "ee");
}

TEST_CASE("a spec that no reader would understand alike is refused") {
  auto spec = sample();
  spec.name = "a/b";
  CHECK_FALSE(encode_torrent(spec));
  spec = sample();
  spec.files[0].path = {"..", "x"};
  CHECK_FALSE(encode_torrent(spec));
  spec = sample();
  spec.files[0].path = {"\xff"};
  CHECK_FALSE(encode_torrent(spec));
  spec = sample();
  spec.pieces.resize(3);
  CHECK_FALSE(encode_torrent(spec));
  spec = sample();
  spec.piece_length = 0;
  CHECK_FALSE(encode_torrent(spec));
  spec = sample();
  spec.files.clear();
  CHECK_FALSE(encode_torrent(spec));
  spec = sample();
  spec.files[0].size = ~std::uint64_t{0};
  CHECK_FALSE(encode_torrent(spec));
}

TEST_CASE("D1 names that a reader would have to tell apart are refused, and named") {
  auto spec = sample();
  spec.files[1].path = {"Z"};
  auto refused = encode_torrent(spec);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().find("'z'") != std::string::npos);
  spec = sample();
  spec.files[2].path = {"A", "c"};  // a directory beside "a"
  refused = encode_torrent(spec);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().find("'A/c'") != std::string::npos);
  spec = sample();
  spec.files[2].path = spec.files[0].path;
  CHECK_FALSE(encode_torrent(spec));
  spec = sample();
  spec.files[2].path = {"a", "c.txt"};
  CHECK(encode_torrent(spec));
}

TEST_CASE("the default piece length grows with the content") {
  CHECK(choose_piece_length(0) == 16'384);
  CHECK(choose_piece_length(1) == 16'384);
  CHECK(choose_piece_length(32u << 20) == 16'384);
  CHECK(choose_piece_length(std::uint64_t{1} << 30) == 512 * 1024);
  CHECK(choose_piece_length(std::uint64_t{1} << 40) == 16u << 20);
  for (std::uint64_t total = 1; total < (std::uint64_t{1} << 49); total *= 3) {
    const auto length = choose_piece_length(total);
    CHECK((length & (length - 1)) == 0);
    CHECK(wire::Geometry::make(total, length));
  }
}

}  // namespace
}  // namespace lodestone::magnet
