// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/ut_metadata.hpp"

#include <catch2/catch.hpp>

using namespace lodestone::wire;
using Type = UtMetadata::Type;

namespace {

std::string encoded(const UtMetadata& m) {
  ByteVector out;
  m.encode(out);
  return std::string{as_text(out)};
}

}  // namespace

TEST_CASE("metadata messages are encoded as BEP 9 has them") {
  CHECK(encoded({Type::request, 3, 0, {}}) == "d8:msg_typei0e5:piecei3ee");
  CHECK(encoded({Type::data, 3, 34256, {'a', 'b'}}) == "d8:msg_typei1e5:piecei3e10:total_sizei34256eeab");
  CHECK(encoded({Type::reject, 3, 0, {}}) == "d8:msg_typei2e5:piecei3ee");
}

TEST_CASE("M5 raw bytes begin where the dict has ended") {
  // The payload begins with bytes that would go on as bencode.
  const auto m = UtMetadata::decode(as_bytes("d8:msg_typei1e5:piecei2e10:total_sizei40000eed4:name1:ee"));
  REQUIRE(m);
  CHECK(m->type == Type::data);
  CHECK(m->piece == 2);
  CHECK(m->total_size == 40000);
  CHECK(as_text(m->data) == "d4:name1:ee");
}

TEST_CASE("an unknown metadata message is of no type and no error") {
  for (const char* text : {"d8:msg_typei3ee", "d8:msg_typei-1e5:piecei0ee", "d8:msg_typei99999999999ee"}) {
    const auto m = UtMetadata::decode(as_bytes(text));
    REQUIRE(m);
    CHECK(m->type == Type::unknown);
  }
}

TEST_CASE("malformed metadata messages are refused") {
  for (const char* text : {"", "i0e", "d5:piecei0ee", "d8:msg_typei0ee", "d8:msg_typei0e5:piecei-1ee",
                           "d8:msg_typei0e5:piecei4294967296ee", "d8:msg_typei1e5:piecei0e10:total_sizei-1eeabc",
                           "d8:msg_type1:05:piecei0ee", "d8:msg_typei0e5:piecei0e"}) {
    INFO(text);
    CHECK_FALSE(UtMetadata::decode(as_bytes(text)));
  }
}

TEST_CASE("a metadata piece has at most 16 KiB") {
  const std::string head = "d8:msg_typei1e5:piecei0e10:total_sizei1ee";
  CHECK(UtMetadata::decode(as_bytes(head + std::string(kMetadataPiece, 'x'))));
  const auto too_long = UtMetadata::decode(as_bytes(head + std::string(kMetadataPiece + 1, 'x')));
  REQUIRE_FALSE(too_long);
  CHECK(too_long.error().offset == head.size());
}

TEST_CASE("bytes behind a metadata request or reject are ignored") {
  const auto m = UtMetadata::decode(as_bytes("d8:msg_typei2e5:piecei1eexyz"));
  REQUIRE(m);
  CHECK(m->type == Type::reject);
  CHECK(m->data.empty());
}
