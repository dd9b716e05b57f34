// SPDX-License-Identifier: Apache-2.0
#include "node/ops/ring_file.hpp"

#include <filesystem>

#include <catch2/catch.hpp>

#include "node/ops/state_dir.hpp"

namespace lodestone::node {
namespace {

constexpr std::size_t kEach = 26;

wire::ByteVector bytes(std::size_t n) {
  wire::ByteVector out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::uint8_t>(i * 7);
  return out;
}

}  // namespace

TEST_CASE("A ring is read in slices of whole contacts, in its order") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/ring4";
  const wire::ByteVector file = bytes(10 * kEach);
  REQUIRE_FALSE(replace_file(path, file));
  auto reader = RingReader::open(path, wire::Family::v4, 10);
  REQUIRE(reader);
  wire::ByteVector all;
  std::vector<std::size_t> sizes;
  for (wire::ByteVector slice = reader->next(4); !slice.empty(); slice = reader->next(4)) {
    sizes.push_back(slice.size() / kEach);
    all.insert(all.end(), slice.begin(), slice.end());
  }
  CHECK(sizes == std::vector<std::size_t>{4, 4, 2});
  CHECK(all == file);
  CHECK(reader->next(4).empty());
}

TEST_CASE("A ring's file that cannot be one is not used") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/ring4";
  CHECK_FALSE(RingReader::open(path, wire::Family::v4, 10));
  CHECK_FALSE(RingReader::open(folder.path(), wire::Family::v4, 10));
  REQUIRE_FALSE(replace_file(path, bytes(10 * kEach)));
  CHECK_FALSE(RingReader::open(path, wire::Family::v6, 10));  // 260 bytes are no whole number of 38
  REQUIRE_FALSE(replace_file(path, bytes(10 * kEach - 1)));
  CHECK_FALSE(RingReader::open(path, wire::Family::v4, 10));
}

TEST_CASE("A ring that has become smaller takes the first of its file") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/ring4";
  REQUIRE_FALSE(replace_file(path, bytes(10 * kEach)));
  auto reader = RingReader::open(path, wire::Family::v4, 7);
  REQUIRE(reader);
  CHECK(reader->next(4).size() == 4 * kEach);
  CHECK(reader->next(4).size() == 3 * kEach);
  CHECK(reader->next(4).empty());
}

TEST_CASE("A ring's file that becomes shorter while it is read gives the contacts that are whole") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/ring4";
  REQUIRE_FALSE(replace_file(path, bytes(10 * kEach)));
  auto reader = RingReader::open(path, wire::Family::v4, 10);
  REQUIRE(reader);
  CHECK(reader->next(4).size() == 4 * kEach);
  std::filesystem::resize_file(path, 7 * kEach + 5);
  CHECK(reader->next(4).size() == 3 * kEach);
  CHECK(reader->next(4).empty());
}

}  // namespace lodestone::node
