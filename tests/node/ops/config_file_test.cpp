// SPDX-License-Identifier: Apache-2.0
#include "node/ops/config_file.hpp"

#include <catch2/catch.hpp>

namespace lodestone::node {
namespace {

using Kind = ConfigValue::Kind;

TEST_CASE("a configuration becomes named values in the order of the file") {
  const auto values = parse_config(
      "# hello\n"
      "log-level = 'info'\n"
      "bootstrap = [\n  'a:1',\n  'b:2',\n]\n"
      "json = true\n"
      "[node]\n"
      "ring-size = 2_000_000\n"
      "[dht.ping]\n"
      "timeout = '5s'\n");
  REQUIRE(values);
  struct Expected {
    std::string section, key;
    Kind kind;
    std::vector<std::string> texts;
    unsigned line;
  };
  const std::vector<Expected> expected = {{"", "log-level", Kind::text, {"info"}, 2},
                                          {"", "bootstrap", Kind::list, {"a:1", "b:2"}, 3},
                                          {"", "json", Kind::boolean, {"true"}, 7},
                                          {"node", "", Kind::text, {}, 8},
                                          {"node", "ring-size", Kind::number, {"2000000"}, 9},
                                          {"dht", "", Kind::text, {}, 10},
                                          {"dht.ping", "", Kind::text, {}, 10},
                                          {"dht.ping", "timeout", Kind::text, {"5s"}, 11}};
  REQUIRE(values->size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const ConfigValue& value = (*values)[i];
    CAPTURE(i, value.key);
    std::string section;
    for (const std::string& name : value.section) section += (section.empty() ? "" : ".") + name;
    CHECK(section == expected[i].section);
    CHECK(value.key == expected[i].key);
    CHECK(value.kind == expected[i].kind);
    CHECK(value.texts == expected[i].texts);
    CHECK(value.line == expected[i].line);
  }
}

TEST_CASE("what a configuration may not hold is refused with its line") {
  struct Case {
    std::string text, says;
    unsigned line;
  };
  const std::vector<Case> cases = {
      {"a = 1\nb = = 2\n", "no TOML", 2},
      {"a = 'x'\na = 'y'\n", "no TOML", 2},
      {"\n\na = 2020-01-01\n", "date", 3},
      {"a = ['x', ['y']]\n", "neither text nor number", 1},
      {"a = [true]\n", "neither text nor number", 1},
      {"a = '\xff'\n", "no TOML", 1},
      {"[a.b.c.d.e.f.g.h.i]\nx = 1\n", "too deep", 1},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const auto values = parse_config(c.text);
    REQUIRE(!values);
    CHECK(values.error().what.find(c.says) != std::string::npos);
    CHECK(values.error().line == c.line);
  }
}

TEST_CASE("an empty configuration says nothing") {
  CHECK(parse_config("").value().empty());
  CHECK(parse_config("# only words\n").value().empty());
}

TEST_CASE("a configuration that cannot be read says why") {
  for (const char* path : {"/no/such/file", "/"}) {
    const auto values = read_config(path);
    REQUIRE(!values);
    CHECK(values.error().line == 0);
    CHECK(!values.error().what.empty());
  }
  CHECK(read_config("/dev/zero").error().what == "larger than 1 MiB");
}

}  // namespace
}  // namespace lodestone::node
