// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/glob.hpp"

#include <catch2/catch.hpp>

namespace lodestone::tools {
namespace {

using Path = std::vector<std::string>;

TEST_CASE("a star stands for any run, a question mark for one character of UTF-8") {
  CHECK(glob_matches("*.mkv", "film.mkv"));
  CHECK(glob_matches("*", ""));
  CHECK(glob_matches("a*b*c", "a--b--b--c"));
  CHECK_FALSE(glob_matches("*.mkv", "film.mkv.txt"));
  CHECK_FALSE(glob_matches("a*b*c", "a--c--b"));
  CHECK(glob_matches("f?lm", "fülm"));
  CHECK_FALSE(glob_matches("f?lm", "flm"));
  CHECK_FALSE(glob_matches("", "x"));
  CHECK(glob_matches("", ""));
}

TEST_CASE("classes have ranges, negation and a bracket as their first member") {
  CHECK(glob_matches("[a-c]1", "b1"));
  CHECK_FALSE(glob_matches("[a-c]1", "d1"));
  CHECK(glob_matches("[!a-c]1", "d1"));
  CHECK(glob_matches("[^a-c]1", "d1"));
  CHECK(glob_matches("[]x]", "]"));
  CHECK(glob_matches("[ä-ü]", "ö"));
  CHECK(glob_matches("[a-]", "-"));
  CHECK(glob_matches("[abc", "[abc"));  // never closed: a bracket
}

TEST_CASE("a backslash takes the next character as it is") {
  CHECK(glob_matches("\\*", "*"));
  CHECK_FALSE(glob_matches("\\*", "x"));
  CHECK(glob_matches("\\[a]", "[a]"));
  CHECK(glob_matches("x\\", "x\\"));
}

TEST_CASE("a byte that is no UTF-8 is a character of its own") {
  CHECK(glob_matches("a?b",
                     "a\xff"
                     "b"));
  CHECK_FALSE(glob_matches("a\xfe", "a\xff"));
}

TEST_CASE("a pattern that goes back and forth ends soon") {
  const std::string name(20'000, 'a');
  CHECK_FALSE(glob_matches("*a*a*a*a*a*a*a*a*a*a*a*a*b", name));
  const Path deep(5'000, "a");
  CHECK_FALSE(glob_matches_path("**/a/**/a/**/a/**/a/**/b", deep));
}

TEST_CASE("a pattern without a slash matches an element anywhere, and what is below it") {
  CHECK(glob_matches_path("*.dat", Path{"root", "sub", "x.dat"}));
  CHECK(glob_matches_path("sub", Path{"root", "sub", "x.dat"}));
  CHECK_FALSE(glob_matches_path("dat", Path{"root", "sub", "x.dat"}));
}

TEST_CASE("a pattern with a slash starts at the start") {
  CHECK(glob_matches_path("root/sub/*", Path{"root", "sub", "x.dat"}));
  CHECK(glob_matches_path("/root/sub", Path{"root", "sub", "x.dat"}));
  CHECK(glob_matches_path("root/", Path{"root", "x"}));
  CHECK_FALSE(glob_matches_path("sub/x.dat", Path{"root", "sub", "x.dat"}));
  CHECK_FALSE(glob_matches_path("root/*.dat", Path{"root", "sub", "x.dat"}));
  CHECK_FALSE(glob_matches_path("/", Path{"root"}));
}

TEST_CASE("two stars stand for any number of folders") {
  CHECK(glob_matches_path("**/x.dat", Path{"x.dat"}));
  CHECK(glob_matches_path("root/**/x.dat", Path{"root", "x.dat"}));
  CHECK(glob_matches_path("root/**/x.dat", Path{"root", "a", "b", "x.dat"}));
  CHECK(glob_matches_path("root/**", Path{"root", "a", "b"}));
  CHECK_FALSE(glob_matches_path("root/**/y", Path{"root", "a", "b"}));
}

}  // namespace
}  // namespace lodestone::tools
