// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/shell.hpp"

#include <catch2/catch.hpp>

#include "tools/cli/address_range.hpp"

namespace lodestone::tools {
namespace {

TEST_CASE("words are quoted where a shell would read them otherwise") {
  CHECK(shell_quoted("--listen") == "--listen");
  CHECK(shell_quoted("127.0.0.1:80") == "127.0.0.1:80");
  CHECK(shell_quoted("magnet:?xt=a&b") == "'magnet:?xt=a&b'");
  CHECK(shell_quoted("") == "''");
  CHECK(shell_quoted("it's") == "'it'\\''s'");
  CHECK(shell_line({"a", "b c"}) == "a 'b c'");
}

TEST_CASE("the program is called as it was called") { CHECK(program_name().find("tools_tests") != std::string::npos); }

TEST_CASE("addresses are counted upwards") {
  const auto nth = [](const char* first, std::size_t n) { return nth_address(*wire::Address::parse(first), n).text(); };
  CHECK(nth("127.77.0.1", 0) == "127.77.0.1");
  CHECK(nth("127.77.0.1", 16) == "127.77.0.17");
  CHECK(nth("127.77.0.255", 1) == "127.77.1.0");
  CHECK(nth("fd00::ffff", 1) == "fd00::1:0");
  CHECK(nth("::1", 5) == "::1");
}

}  // namespace
}  // namespace lodestone::tools
