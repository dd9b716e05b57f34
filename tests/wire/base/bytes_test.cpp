// SPDX-License-Identifier: Apache-2.0
#include "wire/base/bytes.hpp"

#include <catch2/catch.hpp>

using namespace lodestone::wire;

TEST_CASE("hex goes both ways and refuses what is no hex") {
  const ByteVector raw{0x00, 0x0f, 0xa5, 0xff};
  CHECK(to_hex(raw) == "000fa5ff");
  CHECK(from_hex("000fa5ff") == raw);
  CHECK(from_hex("000FA5fF") == raw);
  CHECK(from_hex("") == ByteVector{});
  CHECK(to_hex({}) == "");
  for (const char* bad : {"0", "000", "0g", "g0", " 0", "0x", "@0", "`0", "/0", ":0"}) {
    INFO(bad);
    CHECK_FALSE(from_hex(bad));
  }
  CHECK_FALSE(from_hex(std::string_view{"\0\0", 2}));
}

TEST_CASE("base32 reads RFC 4648's examples in any case") {
  const auto text = [](std::string_view in) {
    const auto out = from_base32(in);
    REQUIRE(out);
    return std::string{as_text(*out)};
  };
  CHECK(text("") == "");
  CHECK(text("MY") == "f");
  CHECK(text("MZXQ") == "fo");
  CHECK(text("MZXW6") == "foo");
  CHECK(text("mzxw6yq") == "foob");
  CHECK(text("mZxW6ytB") == "fooba");
  CHECK(text("MZXW6YTBOI") == "foobar");
  const auto hash = from_base32("AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT");
  REQUIRE(hash);
  CHECK(to_hex(*hash) == "000102030405060708090a0b0c0d0e0f10111213");
}

TEST_CASE("base32 refuses foreign characters, impossible lengths and spare bits") {
  for (const char* bad : {"M", "MZX", "MZXW6Y", "M0", "M1", "M8", "MY======", "M Y", "MZXW6YT\xff"}) {
    INFO(bad);
    CHECK_FALSE(from_base32(bad));
  }
  // The same byte as "MY", but with a bit set behind it.
  CHECK_FALSE(from_base32("MZ"));
  CHECK_FALSE(from_base32("MZXR"));
}

TEST_CASE("UTF-8 is taken strictly") {
  const auto utf8 = [](std::string_view s) { return is_utf8(as_bytes(s)); };
  CHECK(utf8(""));
  CHECK(utf8("plain"));
  CHECK(utf8(std::string_view{"\0", 1}));
  CHECK(utf8("\xc2\x80"));          // U+0080, the first of two bytes
  CHECK(utf8("\xdf\xbf"));          // U+07FF
  CHECK(utf8("\xe0\xa0\x80"));      // U+0800
  CHECK(utf8("\xed\x9f\xbf"));      // U+D7FF, just before the surrogates
  CHECK(utf8("\xee\x80\x80"));      // U+E000, just behind them
  CHECK(utf8("\xef\xbf\xbf"));      // U+FFFF
  CHECK(utf8("\xf0\x90\x80\x80"));  // U+10000
  CHECK(utf8("\xf4\x8f\xbf\xbf"));  // U+10FFFF, the last
  CHECK(
      utf8("a\xc3\xb6\xe2\x82\xac"
           "b"));

  CHECK_FALSE(utf8("\x80"));      // a continuation alone
  CHECK_FALSE(utf8("\xc0\xaf"));  // overlong '/'
  CHECK_FALSE(utf8("\xc1\xbf"));
  CHECK_FALSE(utf8("\xe0\x9f\xbf"));      // overlong in three
  CHECK_FALSE(utf8("\xf0\x8f\xbf\xbf"));  // overlong in four
  CHECK_FALSE(utf8("\xed\xa0\x80"));      // a surrogate
  CHECK_FALSE(utf8("\xed\xbf\xbf"));
  CHECK_FALSE(utf8("\xf4\x90\x80\x80"));  // past U+10FFFF
  CHECK_FALSE(utf8("\xf5\x80\x80\x80"));
  CHECK_FALSE(utf8("\xff"));
  CHECK_FALSE(utf8("\xc3"));  // cut short
  CHECK_FALSE(utf8("\xe2\x82"));
  CHECK_FALSE(utf8("\xf0\x9f\x98"));
  CHECK_FALSE(utf8("\xc3\x28"));  // second byte is none
  CHECK_FALSE(utf8("\xe2\x82\x28"));
  CHECK_FALSE(utf8("\xf0\x9f\x98\xc0"));
}

TEST_CASE("what begins with a text is told from what differs in one of its bytes") {
  const auto check = []<std::size_t kSize>(const char(&text)[kSize]) {
    std::string bytes{text};
    bytes += "beyond";
    const auto* raw = reinterpret_cast<const std::uint8_t*>(bytes.data());
    CHECK(begins_with(raw, text));
    for (std::size_t i = 0; i < kSize - 1; ++i) {
      bytes[i] = static_cast<char>(bytes[i] ^ 0x10);
      CHECK_FALSE(begins_with(raw, text));
      bytes[i] = static_cast<char>(bytes[i] ^ 0x10);
    }
    bytes[kSize - 1] = 'B';
    CHECK(begins_with(raw, text));
  };
  // Each way in which it compares.
  check("e");
  check("2:id");
  check("1:y1:qe");
  check("5:token6");
  check("9:info_hash");
  check("16 bytes of text");
  check("17 bytes of a text");
  check("17:sample_infohashes, and more than that");
}

TEST_CASE("big-endian loads and stores agree with the byte order of the wire") {
  std::uint8_t raw[8];
  store_be16(raw, 0x1ae1);
  CHECK(to_hex(Bytes{raw, 2}) == "1ae1");
  CHECK(load_be16(raw) == 0x1ae1);
  store_be32(raw, 0xfedcba98);
  CHECK(to_hex(Bytes{raw, 4}) == "fedcba98");
  CHECK(load_be32(raw) == 0xfedcba98);
  store_be64(raw, 0x8123456789abcdef);
  CHECK(to_hex(raw) == "8123456789abcdef");
  CHECK(load_be64(raw) == 0x8123456789abcdef);
}
