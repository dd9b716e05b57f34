// SPDX-License-Identifier: Apache-2.0
#include "node/ops/stored_items.hpp"

#include <sys/stat.h>

#include <fstream>

#include <catch2/catch.hpp>

#include "node/ops/state_dir.hpp"

namespace lodestone::node {
namespace {

using namespace std::chrono_literals;

wire::ByteVector file_of(std::string_view value) {
  dht::Items items{{}, {}, {10, 10'000, 2h}};
  REQUIRE(items.put({}, {wire::as_bytes(value), std::nullopt}, std::nullopt) == dht::Items::Verdict::stored);
  return dht::encode(items, {}, 1'000);
}

}  // namespace

TEST_CASE("C3 stored items are saved for our eyes only, replaced as a whole, and read again") {
  const TemporaryDir folder;
  const StateDir state = StateDir::at(folder.path());
  const std::string path = state.stored_items(wire::Family::v4, true);
  CHECK(path == folder.path() + "/dht-stored-4.private");
  CHECK(state.stored_items(wire::Family::v6, false) == folder.path() + "/dht-stored-6");
  CHECK_FALSE(open_stored_items(path, 1'000));
  for (const char* value : {"1:a", "1:b"}) {
    write_stored_items(path, file_of(value));
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    auto reader = open_stored_items(path, 1'010);
    REQUIRE(reader);
    const auto items = reader->next(5);
    CHECK(reader->done());
    REQUIRE(items.size() == 1);
    CHECK(wire::as_text(items[0].item.item().value) == value);
    CHECK(items[0].age == 10s);
  }
}

TEST_CASE("A damaged file of stored items costs only itself") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/dht-stored-4";
  std::ofstream(path) << "d6:formati1e5:itemsl";
  CHECK_FALSE(open_stored_items(path, 1'000));
  std::ofstream(path).seekp(static_cast<std::streamoff>(dht::kMaxItemsBytes)) << "x";
  CHECK_FALSE(open_stored_items(path, 1'000));
  // And it is replaced by the next.
  write_stored_items(path, file_of("1:a"));
  CHECK(open_stored_items(path, 1'000));
}

TEST_CASE("Stored items are saved within seconds of a change, and not without one") {
  SavePace pace;
  wire::Instant now{1h};
  CHECK_FALSE(pace.changed(0));
  CHECK_FALSE(pace.due(now, 0));
  CHECK(pace.changed(1));
  CHECK_FALSE(pace.due(now, 1));
  CHECK_FALSE(pace.due(now + 4s, 3));
  CHECK(pace.due(now + 5s, 9));  // counted from the first change
  pace.saved(now + 5s, 9, 1'000);
  CHECK_FALSE(pace.changed(9));
  CHECK_FALSE(pace.due(now + 1h, 9));
  now += 1h;
  CHECK_FALSE(pace.due(now, 10));
  CHECK(pace.due(now + 5s, 10));
}

TEST_CASE("Stored items that change all the time are saved every 15 s, many of them more rarely") {
  const auto saves_an_hour = [](std::size_t bytes) {
    SavePace pace;
    int n = 0;
    for (int second = 0; second < 3'600; ++second) {
      const wire::Instant now{std::chrono::seconds(second)};
      const auto changes = static_cast<std::uint64_t>(second) + 1;
      if (!pace.due(now, changes)) continue;
      ++n;
      pace.saved(now, changes, bytes);
    }
    return n;
  };
  CHECK(saves_an_hour(1'000) == 240);
  CHECK(saves_an_hour(SavePace::kBytesPerSecond * 15) == 240);
  CHECK(saves_an_hour(16u << 20) == 29);  // every 128 s
}

}  // namespace lodestone::node
