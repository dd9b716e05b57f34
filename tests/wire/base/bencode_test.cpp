// SPDX-License-Identifier: Apache-2.0
#include "wire/base/bencode.hpp"

#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone::wire;
using bencode::Error;
using bencode::Kind;
using bencode::Limits;
using bencode::View;

namespace {

Limits strict() {
  Limits l;
  l.strict = true;
  return l;
}

/// What is wrong and where; the text must not parse.
std::pair<Error, std::size_t> failure(std::string_view text, const Limits& limits = Limits::wire()) {
  bencode::Document d;
  INFO(text.substr(0, 100));
  const auto v = d.parse(as_bytes(text), limits);
  REQUIRE_FALSE(v);
  return {v.error().error, v.error().offset};
}

bool parses(std::string_view text, const Limits& limits = Limits::wire()) {
  bencode::Document d;
  return d.parse(as_bytes(text), limits).has_value();
}

std::string repeat(std::string_view part, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += part;
  return out;
}

using Fault = std::pair<Error, std::size_t>;

}  // namespace

TEST_CASE("the four kinds are read") {
  const std::string text = "d3:inti-42e4:listl1:a2:bb0:i0ee3:str5:hello3:subd1:xlee1:zdee";
  bencode::Document d;
  const auto root = d.parse(as_bytes(text));
  REQUIRE(root);
  CHECK(root->is_dict());
  CHECK(root->size() == 5);
  CHECK(root->find_integer("int") == -42);
  CHECK(root->find("str")->text() == "hello");
  CHECK(as_text(*root->find_string("str")) == "hello");
  const auto list = root->find_list("list");
  REQUIRE(list);
  CHECK(list->size() == 4);
  std::vector<std::string> raws;
  for (const View v : *list) raws.emplace_back(as_text(v.raw()));
  CHECK(raws == std::vector<std::string>{"1:a", "2:bb", "0:", "i0e"});
  const auto sub = root->find_dict("sub");
  REQUIRE(sub);
  CHECK(sub->find("x")->kind() == Kind::list);
  CHECK(sub->find("x")->size() == 0);
  CHECK(root->find("z")->is_dict());
  CHECK(root->find("z")->begin() == root->find("z")->end());
  CHECK(d.consumed() == text.size());
  CHECK(d.canonical());
  CHECK_FALSE(d.unsorted());
}

TEST_CASE("a question of the wrong kind gets no answer") {
  bencode::Document d;
  const auto root = d.parse(as_bytes("d1:ai1e1:s1:xe"));
  REQUIRE(root);
  CHECK_FALSE(root->integer());
  CHECK_FALSE(root->string());
  CHECK_FALSE(root->text());
  CHECK_FALSE(root->find(""));
  CHECK_FALSE(root->find("x"));
  CHECK_FALSE(root->find("aa"));
  CHECK_FALSE(root->find_string("a"));
  CHECK_FALSE(root->find_integer("s"));
  CHECK_FALSE(root->find_list("a"));
  CHECK_FALSE(root->find_dict("a"));
  const auto number = root->find("a");
  REQUIRE(number);
  CHECK_FALSE(number->find("a"));
  CHECK(number->size() == 0);
  CHECK(number->begin() == number->end());
}

TEST_CASE("items() walks the list under a key and nothing else") {
  bencode::Document d;
  const auto root = d.parse(as_bytes("d1:ad1:li1ee1:bi3e1:lli4ei5eee"));
  REQUIRE(root);
  const auto sum = [](View::Range range) {
    std::int64_t total = 0;
    for (const View v : range) total += v.integer().value_or(1000);
    return total;
  };
  CHECK(sum(root->items("l")) == 9);
  CHECK(sum(root->items("a")) == 0);
  CHECK(sum(root->items("b")) == 0);
  CHECK(sum(root->items("none")) == 0);
}

TEST_CASE("raw() is the exact source of a value") {
  const std::string info = "d6:lengthi10e4:name1:x12:piece lengthi16384ee";
  const std::string text = "d1:ai1e4:info" + info + "1:zi2ee";
  bencode::Document d;
  const auto root = d.parse(as_bytes(text));
  REQUIRE(root);
  const auto found = root->find("info");
  REQUIRE(found);
  CHECK(as_text(found->raw()) == info);
  CHECK(found->offset() == 13);
  CHECK(found->raw().data() == as_bytes(text).data() + 13);
}

TEST_CASE("entries are visited in source order") {
  bencode::Document d;
  const auto root = d.parse(as_bytes("d1:bi1e1:ai2e2:ccle0:0:e"));
  REQUIRE(root);
  std::string seen;
  root->for_each_entry([&seen](std::string_view key, View value) {
    seen += std::string{key} + "=" + std::string{as_text(value.raw())} + ";";
  });
  CHECK(seen == "b=i1e;a=i2e;cc=le;=0:;");
  int calls = 0;
  root->find("cc")->for_each_entry([&calls](std::string_view, View) { ++calls; });
  CHECK(calls == 0);
}

TEST_CASE("P1 integers have 64 bits") {
  const auto value = [](std::string_view text) {
    bencode::Document d;
    const auto v = d.parse(as_bytes(text), strict());
    REQUIRE(v);
    return *v->integer();
  };
  CHECK(value("i0e") == 0);
  CHECK(value("i9e") == 9);
  CHECK(value("i-1e") == -1);
  CHECK(value("i9223372036854775807e") == INT64_MAX);
  CHECK(value("i-9223372036854775808e") == INT64_MIN);
  CHECK(failure("i9223372036854775808e") == Fault{Error::integer_overflow, 0});
  CHECK(failure("i-9223372036854775809e") == Fault{Error::integer_overflow, 0});
  CHECK(failure("i18446744073709551616e") == Fault{Error::integer_overflow, 0});
  CHECK(failure("li1ei" + std::string(400, '9') + "ee") == Fault{Error::integer_overflow, 4});
}

TEST_CASE("malformed integers are refused at the byte that is wrong") {
  CHECK(failure("ie") == Fault{Error::bad_integer, 1});
  CHECK(failure("i-e") == Fault{Error::bad_integer, 2});
  CHECK(failure("i--1e") == Fault{Error::bad_integer, 2});
  CHECK(failure("i+1e") == Fault{Error::bad_integer, 1});
  CHECK(failure("i 1e") == Fault{Error::bad_integer, 1});
  CHECK(failure("i1 e") == Fault{Error::bad_integer, 2});
  CHECK(failure("i1.5e") == Fault{Error::bad_integer, 2});
  CHECK(failure("i1-e") == Fault{Error::bad_integer, 2});
  CHECK(failure("i0x1e") == Fault{Error::bad_integer, 2});
  CHECK(failure("i") == Fault{Error::truncated, 1});
  CHECK(failure("i-") == Fault{Error::truncated, 2});
  CHECK(failure("i12") == Fault{Error::truncated, 3});
}

TEST_CASE("string lengths are held against what remains") {
  CHECK(parses("0:"));
  CHECK(parses("3:abc"));
  CHECK(parses("10:abcdefghij"));
  CHECK(parses("100:" + std::string(100, 'x')));
  CHECK(failure("4:abc") == Fault{Error::string_too_long, 0});
  CHECK(failure("11:abcdefghij") == Fault{Error::string_too_long, 0});
  CHECK(failure("101:" + std::string(100, 'x')) == Fault{Error::string_too_long, 0});
  CHECK(failure("l1:a9:bcee") == Fault{Error::string_too_long, 4});
  // Numbers that would be small after a wrap at 32 or 64 bits.
  CHECK(failure("4294967297:a") == Fault{Error::string_too_long, 0});
  CHECK(failure("18446744073709551617:a") == Fault{Error::string_too_long, 0});
  CHECK(failure("99999999999999999999999999:a") == Fault{Error::string_too_long, 0});
  CHECK(failure(std::string(300, '0') + ":") == Fault{Error::bad_length, 0});
  CHECK(failure("3abc") == Fault{Error::bad_length, 1});
  CHECK(failure("1x:abcdefghijklmno") == Fault{Error::bad_length, 1});
  CHECK(failure("1-1:abcdefghijklmno") == Fault{Error::bad_length, 1});
  CHECK(failure("-1:a") == Fault{Error::unexpected_byte, 0});
  CHECK(failure("1") == Fault{Error::truncated, 1});
  CHECK(failure("l1") == Fault{Error::truncated, 2});
  CHECK(failure("l12") == Fault{Error::string_too_long, 1});  // known before the colon has come
}

TEST_CASE("what is no value is refused where it stands") {
  CHECK(failure("") == Fault{Error::truncated, 0});
  CHECK(failure("e") == Fault{Error::unexpected_byte, 0});
  CHECK(failure("x") == Fault{Error::unexpected_byte, 0});
  CHECK(failure(std::string_view{"\0", 1}) == Fault{Error::unexpected_byte, 0});
  CHECK(failure("l:e") == Fault{Error::unexpected_byte, 1});
  CHECK(failure("l") == Fault{Error::truncated, 1});
  CHECK(failure("ll1:ae") == Fault{Error::truncated, 6});
  CHECK(failure("d") == Fault{Error::truncated, 1});
  CHECK(failure("d1:a") == Fault{Error::truncated, 4});
  CHECK(failure("d1:ae") == Fault{Error::missing_value, 4});
  CHECK(failure("d1:ai1e1:be") == Fault{Error::missing_value, 10});
  CHECK(failure("di1ei2ee") == Fault{Error::key_not_string, 1});
  CHECK(failure("dle1:ae") == Fault{Error::key_not_string, 1});
  CHECK(failure("d1:ai1ede1:ae") == Fault{Error::key_not_string, 7});
  CHECK(failure("d-e") == Fault{Error::unexpected_byte, 1});
  CHECK(failure("i1ei2e") == Fault{Error::trailing_bytes, 3});
  CHECK(failure("lee") == Fault{Error::trailing_bytes, 2});
}

TEST_CASE("with allow_trailing the rest is left, and consumed() says where it begins") {
  Limits l;
  l.allow_trailing = true;
  bencode::Document d;
  const std::string text = "d8:msg_typei1e5:piecei0ee\x01\x02raw";
  const auto v = d.parse(as_bytes(text), l);
  REQUIRE(v);
  CHECK(d.consumed() == 25);
  CHECK(v->raw().size() == 25);
  CHECK(as_text(as_bytes(text).subspan(d.consumed())) == "\x01\x02raw");
}

TEST_CASE("P1 depth is bounded on the wire and in files, at the limit and one past it") {
  const auto nested = [](int depth) { return repeat("l", depth) + repeat("e", depth); };
  CHECK(parses(nested(16)));
  CHECK(failure(nested(17)) == Fault{Error::too_deep, 16});
  CHECK(parses(nested(100), Limits::file()));
  CHECK(failure(nested(101), Limits::file()) == Fault{Error::too_deep, 100});
  CHECK(failure(repeat("l", 1'000'000)) == Fault{Error::too_deep, 16});
  CHECK(failure(repeat("d1:a", 1'000'000), Limits::file()) == Fault{Error::too_deep, 400});
  // Depth counts what is open, not what there is.
  CHECK(parses("l" + repeat("le", 1000) + "e"));
  Limits scalars;
  scalars.depth = 0;
  CHECK(parses("i1e", scalars));
  CHECK(failure("le", scalars) == Fault{Error::too_deep, 0});
}

TEST_CASE("P1 tokens are bounded on the wire and in files, at the limit and one past it") {
  CHECK(parses("l" + repeat("i1e", 1999) + "e"));
  CHECK(failure("l" + repeat("i1e", 2000) + "e") == Fault{Error::too_many_tokens, 1 + 3 * 1999});
  // The same for the fast way through equal strings, and for other shapes.
  CHECK(parses("l" + repeat("2:xx", 1999) + "e"));
  CHECK(failure("l" + repeat("2:xx", 2000) + "e") == Fault{Error::too_many_tokens, 1 + 4 * 1999});
  CHECK(failure("l" + repeat("le", 2000) + "e") == Fault{Error::too_many_tokens, 1 + 2 * 1999});
  CHECK(parses("l" + repeat("0:", 2000) + "e", Limits::file()));
  Limits two;
  two.tokens = 2;
  CHECK(parses("li1ee", two));
  CHECK(failure("li1ei1ee", two) == Fault{Error::too_many_tokens, 4});
  Limits none;
  none.tokens = 0;
  CHECK(failure("i1e", none) == Fault{Error::too_many_tokens, 0});

  bencode::Document d;
  const std::string three_million = "l" + repeat("0:", 2'999'999) + "e";
  const auto v = d.parse(as_bytes(three_million), Limits::file());
  REQUIRE(v);
  CHECK(v->size() == 2'999'999);
  CHECK(failure("l" + repeat("0:", 3'000'000) + "e", Limits::file()).first == Error::too_many_tokens);
}

TEST_CASE("P1 a document that has grown for a file keeps the limits of the wire") {
  bencode::Document d;
  const std::string many = "l" + repeat("0:", 5000) + "e";
  REQUIRE(d.parse(as_bytes(many), Limits::file()));
  const auto v = d.parse(as_bytes(many), Limits::wire());
  REQUIRE_FALSE(v);
  CHECK(v.error().error == Error::too_many_tokens);
  CHECK(v.error().offset == 1 + 2 * 1999);
}

TEST_CASE("P1 unsorted and repeated keys are noted in lenient reading and refused in strict") {
  const auto read = [](std::string_view text, bool unsorted) {
    INFO(text);
    bencode::Document d;
    REQUIRE(d.parse(as_bytes(text)));
    CHECK(d.unsorted() == unsorted);
    CHECK(d.canonical() == !unsorted);
    CHECK(parses(text, strict()) == !unsorted);
  };
  read("d1:ai1e1:bi1ee", false);
  read("d1:bi1e1:ai1ee", true);
  read("d1:ai1e1:ai1ee", true);
  read("d1:ai1e2:aai1e1:bi1ee", false);
  read("d2:aai1e1:ai1ee", true);
  read("d0:i1e1:ai1ee", false);
  read("d1:ai1e0:i1ee", true);
  read("d1:\x7fi1e1:\x80i1ee", false);  // bytes, not signed characters
  read("d1:\x80i1e1:\x7fi1ee", true);
  read("d1:ad1:bi1e1:ai1ee1:bi1ee", true);
  read("d1:bd1:a0:1:b0:e1:cd1:a0:ee", false);  // an inner dict does not disturb the outer one's order
  read("d1:bd1:z0:e1:a0:e", true);
  read("d3:abc0:3:abd0:e", false);
  CHECK(failure("d1:bi1e1:ai1ee", strict()) == Fault{Error::unsorted_keys, 7});
  CHECK(failure("d1:ai1e1:ai1ee", strict()) == Fault{Error::duplicate_key, 7});

  bencode::Document d;
  const auto v = d.parse(as_bytes("d1:ai1e1:ai2ee"));
  REQUIRE(v);
  CHECK(v->find_integer("a") == 1);  // the first one counts
  REQUIRE(d.parse(as_bytes("de")));
  CHECK_FALSE(d.unsorted());  // of the last parse only
}

TEST_CASE("P1 leading zeros are noted in lenient reading and refused in strict") {
  const std::pair<const char*, std::int64_t> integers[] = {{"i-0e", 0}, {"i00e", 0}, {"i007e", 7}, {"i-007e", -7}};
  for (const auto& [text, value] : integers) {
    INFO(text);
    bencode::Document d;
    const auto v = d.parse(as_bytes(text));
    REQUIRE(v);
    CHECK(v->integer() == value);
    CHECK_FALSE(d.canonical());
    CHECK_FALSE(d.unsorted());
    CHECK(failure(text, strict()).first == Error::leading_zero);
  }
  bencode::Document d;
  auto v = d.parse(as_bytes("003:abc"));
  REQUIRE(v);
  CHECK(v->text() == "abc");
  CHECK_FALSE(d.canonical());
  v = d.parse(as_bytes("l02:ab02:cd00:2:efe"));
  REQUIRE(v);
  CHECK(v->size() == 4);
  CHECK_FALSE(d.canonical());
  REQUIRE(d.parse(as_bytes("i10e")));
  CHECK(d.canonical());
  CHECK(failure("i-0e", strict()) == Fault{Error::leading_zero, 2});
  CHECK(failure("i01e", strict()) == Fault{Error::leading_zero, 1});
  CHECK(failure("l1:a01:be", strict()) == Fault{Error::leading_zero, 4});
  CHECK(failure("d02:ab0:e", strict()) == Fault{Error::leading_zero, 1});
  CHECK(failure("00:", strict()) == Fault{Error::leading_zero, 0});
}

TEST_CASE("lists of equal and of mixed strings read alike") {
  Rng rng = Rng::from_number(1);
  bencode::Document d;
  for (int round = 0; round < 500; ++round) {
    std::vector<std::string> items(1 + rng.below(60));
    const std::size_t usual = rng.below(30);
    for (auto& item : items) {
      std::size_t n = usual;
      if (rng.chance(0.1)) n = rng.below(1200);
      item.resize(n);
      // Payloads that look like the beginning of another item.
      for (char& c : item) c = "0123456789:eild"[rng.below(15)];
    }
    ByteVector text;
    bencode::Writer w{text};
    w.begin_list();
    for (const auto& item : items) w.string(item);
    w.end();
    const auto v = d.parse(text, strict());
    REQUIRE(v);
    std::vector<std::string> got;
    for (const View item : *v) got.emplace_back(*item.text());
    REQUIRE(got == items);
    // Cut anywhere, it is not whole, and the fault lies inside.
    const auto cut = static_cast<std::size_t>(rng.below(text.size()));
    const auto part = d.parse(Bytes{text}.first(cut));
    REQUIRE_FALSE(part);
    REQUIRE(part.error().offset <= cut);
    REQUIRE((part.error().error == Error::truncated || part.error().error == Error::string_too_long));
  }
}

TEST_CASE("an input of 4 GiB or more is refused before it is looked at") {
  const std::uint8_t byte = 'i';
  bencode::Document d;
  const auto v = d.parse(Bytes{&byte, std::size_t{1} << 32}, Limits::file());
  REQUIRE_FALSE(v);
  CHECK(v.error().error == Error::input_too_large);
}

TEST_CASE("a document is used again after success and after failure") {
  bencode::Document d;
  for (int i = 0; i < 3; ++i) {
    const auto a = d.parse(as_bytes("d1:ai1ee"));
    REQUIRE(a);
    CHECK(a->find_integer("a") == 1);
    CHECK_FALSE(d.parse(as_bytes("d1:al1:b")));
    const auto b = d.parse(as_bytes("l1:xe"));
    REQUIRE(b);
    CHECK(b->size() == 1);
  }
}

TEST_CASE("every error has words") {
  for (int i = 0; i <= static_cast<int>(Error::input_too_large); ++i)
    CHECK(bencode::describe(static_cast<Error>(i)) != "an unknown error");
}

TEST_CASE("the writer makes what the strict reader takes") {
  ByteVector out;
  bencode::Writer w{out};
  w.begin_dict();
  w.key("").integer(0);
  w.key("a").begin_list().integer(INT64_MIN).integer(INT64_MAX).string("x").string("").begin_dict().end().end();
  w.key("aa").raw(as_bytes("i7e"));
  w.key("b").begin_dict().key("a").string(std::string(1000, 'y')).end();
  w.key("\xff").begin_list().end();
  w.end();
  const std::string expected =
      "d0:i0e1:ali-9223372036854775808ei9223372036854775807e1:x0:dee2:aai7e1:bd1:a1000:" + std::string(1000, 'y') +
      "e1:\xfflee";
  CHECK(as_text(out) == expected);
  CHECK(parses(as_text(out), strict()));
}

TEST_CASE("the writer appends and goes deeper than it checks") {
  ByteVector out{'x'};
  bencode::Writer w{out};
  for (int i = 0; i < 40; ++i) w.begin_dict().key("k");
  w.integer(1);
  for (int i = 0; i < 40; ++i) w.end();
  CHECK(as_text(out) == "x" + repeat("d1:k", 40) + "i1e" + repeat("e", 40));
}
