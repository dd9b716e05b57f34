// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/selection.hpp"

#include <cstdint>

#include <catch2/catch.hpp>

namespace lodestone::tools {
namespace {

/// 0 film.mkv, 1 pad, 2 sample/film.mkv, 3 subs/de.srt, 4 7
magnet::Info torrent() {
  magnet::Info info;
  info.name = "Film";
  const auto add = [&info](std::vector<std::string> path, bool pad = false) {
    storage::FileEntry file;
    file.path = std::move(path);
    file.size = 10;
    file.pad = pad;
    info.files.push_back(file);
  };
  add({"Film", "film.mkv"});
  add({"Film", ".pad", "10"}, true);
  add({"Film", "sample", "film.mkv"});
  add({"Film", "subs", "de.srt"});
  add({"Film", "7"});
  return info;
}

std::string selected(const std::vector<std::string>& patterns, const std::vector<magnet::IndexRange>& ranges = {}) {
  const auto result = select_files(torrent(), patterns, ranges);
  if (!result) return result.error();
  std::string text;
  for (const bool file : result->files) text += file ? '1' : '0';
  return text;
}

TEST_CASE("without a selection every file is wanted, and no pad") {
  CHECK(selected({}) == "10111");
  CHECK(select_files(torrent(), {}, {})->all(torrent()));
}

TEST_CASE("globs and indices add up") {
  CHECK(selected({"*.mkv"}) == "10100");
  CHECK(selected({"*.mkv", "3"}) == "10110");
  CHECK(selected({"Film/film.mkv"}) == "10000");
  CHECK(selected({"subs/*"}) == "00010");  // below the torrent's own folder
  CHECK(selected({"Film"}) == "10111");
  CHECK(selected({"[7]"}) == "00001");
  const auto result = select_files(torrent(), std::vector<std::string>{"0"}, {});
  CHECK_FALSE(result->all(torrent()));
}

TEST_CASE("an exclamation mark excludes, wherever it stands") {
  CHECK(selected({"*.mkv", "!sample"}) == "10000");
  CHECK(selected({"!sample", "*.mkv"}) == "10000");
  CHECK(selected({"!*.mkv"}) == "00011");
  CHECK(selected({"!0"}) == "00111");
}

TEST_CASE("what matches nothing is said") {
  CHECK(selected({"*.avi"}) == "the selection matches none of the torrent's files");
  CHECK(selected({"9"}) == "there is no file 9, the last one is 4");
  CHECK(selected({"99999999999999999999999"}) == "there is no file 99999999999999999999999, the last one is 4");
  CHECK(selected({"1"}) == "the selection matches none of the torrent's files");  // a pad
  const auto result = select_files(torrent(), std::vector<std::string>{"*.mkv", "*.avi", "!*.nfo"}, {});
  REQUIRE(result);
  CHECK(result->unmatched == std::vector<std::string>{"*.avi", "!*.nfo"});
}

TEST_CASE("M7 ranges of a magnet are clipped to the files, and --select goes before them") {
  CHECK(selected({}, {{0, UINT64_MAX}}) == "10111");
  CHECK(selected({}, {{3, 3}}) == "00010");
  CHECK(selected({}, {{2, 3}, {4, 100}}) == "00111");
  CHECK(selected({}, {{50, 60}}) == "the selection matches none of the torrent's files");
  CHECK(selected({"4"}, {{0, 0}}) == "00001");
}

}  // namespace
}  // namespace lodestone::tools
