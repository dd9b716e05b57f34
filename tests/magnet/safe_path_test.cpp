// SPDX-License-Identifier: Apache-2.0
#include "magnet/safe_path.hpp"

#include <chrono>
#include <set>
#include <string>

#include <catch2/catch.hpp>

#include "magnet/text.hpp"
#include "wire/base/bytes.hpp"

namespace lodestone::magnet {
namespace {

using Path = std::vector<std::string>;

TEST_CASE("D1 an element loses what a path must not hold") {
  CHECK(clean_element("plain.txt") == "plain.txt");
  CHECK(clean_element("") == "_");
  CHECK(clean_element(".") == "_");
  CHECK(clean_element("..") == "_");
  CHECK(clean_element("...") == "...");
  CHECK(clean_element("../../etc/passwd") == ".._.._etc_passwd");
  CHECK(clean_element("a\\b") == "a_b");
  CHECK(clean_element(std::string("a\0b", 3)) == "a_b");
  CHECK(clean_element("a\nb\x1b[2Jc\x7f") == "a_b_[2Jc_");
  CHECK(clean_element("\xC2\x85x") == "_x");  // NEL, a C1 control
  CHECK(clean_element("\xff\xfe.mp3") == "__.mp3");
  CHECK(clean_element("\xC0\xAF") == "__");       // an overlong '/'
  CHECK(clean_element("\xED\xA0\x80") == "___");  // a surrogate
  CHECK(clean_element("日本語.txt") == "日本語.txt");
}

TEST_CASE("D1 a long element is cut on a boundary and keeps its extension") {
  const std::string cut = clean_element(std::string(300, 'a') + ".tar");
  CHECK(cut.size() == kMaxElement);
  CHECK(cut.ends_with("a.tar"));
  std::string wide;
  for (int i = 0; i < 100; ++i) wide += "日";
  const std::string short_wide = clean_element(wide + ".x");
  CHECK(short_wide.size() <= kMaxElement);
  CHECK(short_wide.size() > kMaxElement - 3);
  CHECK(short_wide.ends_with("日.x"));
  CHECK(wire::is_utf8(wire::as_bytes(short_wide)));
  CHECK(clean_element("a." + std::string(300, 'b')).size() == kMaxElement);
  CHECK(clean_element(std::string(240, 'a')).size() == 240);
}

TEST_CASE("D1 names that a file system may confuse are renamed") {
  PathSet set;
  CHECK(set.add({"t", "Read.me"}) == Path{"t", "Read.me"});
  CHECK(set.add({"t", "read.ME"}) == Path{"t", "read (2).ME"});
  CHECK(set.add({"t", "READ.ME"}) == Path{"t", "READ (3).ME"});
  CHECK(set.add({"t", "Read.me"}) == Path{"t", "Read (4).me"});
  CHECK(set.add({"t", "é"}) == Path{"t", "é"});                      // composed
  CHECK(set.add({"t", "e\xCC\x81"}) == Path{"t", "e\xCC\x81 (2)"});  // decomposed
  CHECK(set.add({"t", "straße"}) == Path{"t", "straße"});
  CHECK(set.add({"t", "STRASSE"}) == Path{"t", "STRASSE (2)"});
  CHECK(set.add({"t", "read (2).me"}) == Path{"t", "read (2) (2).me"});
  CHECK(set.add({"t", ".hidden"}) == Path{"t", ".hidden"});
  CHECK(set.add({"t", ".HIDDEN"}) == Path{"t", ".HIDDEN (2)"});
}

TEST_CASE("D1 a directory is shared, and is never also a file") {
  PathSet set;
  CHECK(set.add({"t", "d", "a"}) == Path{"t", "d", "a"});
  CHECK(set.add({"t", "d", "b"}) == Path{"t", "d", "b"});
  CHECK(set.add({"t", "d"}) == Path{"t", "d (2)"});
  CHECK(set.add({"t", "D", "a"}) == Path{"t", "D (3)", "a"});
  CHECK(set.add({"t", "D", "b"}).at(1) == set.add({"t", "D", "c"}).at(1));
  CHECK(set.add({"t", "f"}) == Path{"t", "f"});
  CHECK(set.add({"t", "f", "x"}) == Path{"t", "f (2)", "x"});
  CHECK(set.add({"t", "..", "x"}) == Path{"t", "_", "x"});
}

TEST_CASE("D1 long colliding names stay short and different") {
  PathSet set;
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    const auto path = set.add({std::string(400, 'x') + ".bin"});
    CHECK(path[0].size() <= kMaxElement);
    CHECK(path[0].ends_with(".bin"));
    CHECK(seen.insert(path[0]).second);
  }
}

TEST_CASE("D1 a hostile list of names costs no quadratic time") {
  PathSet set;
  const auto start = std::chrono::steady_clock::now();
  std::set<std::string> seen;
  for (int i = 0; i < 30'000; ++i) {
    // Different names that are the same once a number has to fit behind them.
    const std::string tail = std::to_string(100'000 + i / 2);
    CHECK(seen.insert(set.add({std::string(234, 'y') + tail})[0]).second);
  }
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}

TEST_CASE("text for a terminal cannot steer it") {
  CHECK(printable("a\x1b[31mb\x7f\xC2\x9B") == "a\xEF\xBF\xBD[31mb\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(printable("x\xE2\x80\xAEgpj.exe") == "x\xEF\xBF\xBDgpj.exe");
  CHECK(printable("tab\tline\nümlaut") == "tab\tline\nümlaut");
  CHECK(cut_to_width("日本語", 5) == "日本");
  CHECK(cut_to_bytes("日本語", 5) == "日");
}

}  // namespace
}  // namespace lodestone::magnet
