// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/target.hpp"

#include <sstream>

#include <catch2/catch.hpp>

#include "tests/tools/cli_bench.hpp"

namespace lodestone::tools {
namespace {

const std::string kHex = "0123456789abcdef0123456789abcdef01234567";
const std::string kTorrent = "d4:infod6:lengthi1e4:name1:n12:piece lengthi16384e6:pieces20:hhhhhhhhhhhhhhhhhhhhee";

struct Bench {
  explicit Bench(const std::string& input = "") : in(input), context(out, err, in, {}) {}
  std::ostringstream out, err;
  std::istringstream in;
  Context context;
};

TEST_CASE("a target is a hash, a link, a file or stdin") {
  TemporaryDirectory dir;
  const std::string path = dir.write("a.torrent", kTorrent);
  Bench b(kTorrent);
  CHECK(read_target(kHex, b.context)->uri.info_hash->hex() == kHex);
  CHECK(read_target("AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH", b.context)->uri.info_hash->hex() == kHex);
  CHECK(read_target(kHex + kHex.substr(0, 24), b.context)->uri.info_hash_v2);
  CHECK(read_target("Magnet:?xt=urn:btih:" + kHex, b.context)->subject == kHex);
  const auto file = read_target(path, b.context);
  REQUIRE(file);
  REQUIRE(file->torrent);
  CHECK(file->info->name == "n");
  CHECK(file->uri.info_hash == file->info->info_hash);
  CHECK(wire::as_text(file->torrent->raw_info).starts_with("d6:length"));
  CHECK(file->subject == path);
  const auto input = read_target("-", b.context, true);
  REQUIRE(input);
  CHECK(input->subject == "stdin");
  Bench link("\n magnet:?xt=urn:btih:" + kHex + "\r\n");
  CHECK(read_target("-", link.context, true)->uri.info_hash->hex() == kHex);
}

TEST_CASE("why a target is refused") {
  TemporaryDirectory dir;
  Bench b;
  CHECK(read_target("no-such-file", b.context).error().code == ExitCode::usage);
  CHECK(read_target("-", b.context).error().code == ExitCode::usage);             // stdin only where a command says so
  CHECK(read_target(dir.file(""), b.context).error().code == ExitCode::storage);  // a directory
  const auto link = read_target("magnet:?xt=urn:btih:123", b.context);
  CHECK(link.error().code == ExitCode::bad_input);
  CHECK(link.error().cause.ends_with("at byte 11"));
  const auto file = read_target(dir.write("bad.torrent", "d4:infod4:name"), b.context);
  CHECK(file.error().code == ExitCode::bad_input);
  CHECK(file.error().cause.ends_with("at byte 14"));
  CHECK(read_input(dir.write("large", std::string(1001, 'x')), b.context, false, 1000).error().code ==
        ExitCode::bad_input);
  CHECK(read_input(dir.file("large"), b.context, false, 1001)->size() == 1001);
}

TEST_CASE("bytes after a torrent are tolerated with a warning") {
  Bench b(kTorrent + "\n");
  CHECK(read_target("-", b.context, true));
  CHECK(b.err.str().starts_with("warning: stdin: bytes after"));
}

}  // namespace
}  // namespace lodestone::tools
