// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "tests/tools/cli_bench.hpp"
#include "tools/cli/get_run.hpp"
#include "tools/cli/save_file.hpp"

namespace lodestone::tools {
namespace {

TEST_CASE("one exit code for several inputs") {
  using E = ExitCode;
  CHECK(combined({}) == E::ok);
  CHECK(combined({E::ok, E::ok}) == E::ok);
  CHECK(combined({E::timeout}) == E::timeout);
  CHECK(combined({E::timeout, E::timeout}) == E::timeout);
  CHECK(combined({E::ok, E::timeout}) == E::partial);
  CHECK(combined({E::bad_input, E::timeout}) == E::partial);
  CHECK(combined({E::ok, E::interrupted}) == E::interrupted);
  CHECK(combined({E::bad_input, E::terminated}) == E::terminated);
}

TEST_CASE("results are named as the user would name them") {
  GetOptions options;
  CHECK(options.in_folder("x") == "x");
  options.folder = "out";
  CHECK(options.in_folder("x") == "out/x");
  options.folder = "out/";
  CHECK(options.in_folder("x") == "out/x");
}

TEST_CASE("a file appears whole, replaces an older one and leaves nothing behind") {
  const TemporaryDirectory folder;
  const std::string path = folder.file("a");
  CHECK_FALSE(save_file(path, wire::as_bytes("one")));
  CHECK_FALSE(save_file(path, wire::as_bytes("two")));
  CHECK(TemporaryDirectory::read(path) == "two");
  CHECK(save_file(folder.file("no/such/folder"), wire::as_bytes("x")));
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.file(""))) ++files;
  CHECK(files == 1);
  CHECK_FALSE(save_file("/dev/null", wire::as_bytes("x")));
  struct stat state{};
  REQUIRE(::stat("/dev/null", &state) == 0);
  CHECK(S_ISCHR(state.st_mode));
}

}  // namespace
}  // namespace lodestone::tools
