// SPDX-License-Identifier: Apache-2.0
#include "node/ops/kept_items.hpp"

#include <sys/stat.h>

#include <fstream>

#include <catch2/catch.hpp>

#include "node/ops/state_dir.hpp"

namespace lodestone::node {
namespace {

dht::Item immutable(std::string_view value) {
  dht::Item item;
  item.value.assign(value.begin(), value.end());
  return item;
}

}  // namespace

TEST_CASE("S8 items that were saved are found, the newest version of each, and removed ones are gone") {
  const TemporaryDir state;
  const std::string folder = state.path() + "/items";
  const dht::SigningKey key{dht::SigningKey::Seed{9}};
  CHECK(load_items(folder).empty());
  const dht::Item plain = immutable("1:a"), old = key.sign(wire::as_bytes("1:b"), {}, 1),
                  update = key.sign(wire::as_bytes("1:c"), {}, 2);
  for (const dht::Item& item : {plain, old, update}) CHECK(!save_item(folder, item));
  struct stat about{};
  REQUIRE(::stat(folder.c_str(), &about) == 0);
  CHECK((about.st_mode & 077) == 0);
  auto found = load_items(folder);
  REQUIRE(found.size() == 2);
  for (const dht::Item& item : found) {
    CHECK(item.target() == (item.key ? update.target() : plain.target()));
    CHECK(item.value == (item.key ? update.value : plain.value));
  }
  remove_file(folder + "/" + plain.target().hex());
  found = load_items(folder);
  REQUIRE(found.size() == 1);
  CHECK(found[0].seq == 2);
}

TEST_CASE("S8 a file that is no item, or lies under another's name, costs only itself") {
  const TemporaryDir state;
  const std::string folder = state.path() + "/items";
  const dht::Item good = immutable("1:a");
  CHECK(!save_item(folder, good));
  std::ofstream(folder + "/" + std::string(40, '0')) << "d1:v1:be";
  std::ofstream(folder + "/" + immutable("1:c").target().hex()) << "d1:v1:c";
  std::ofstream(folder + "/" + immutable("1:d").target().hex()) << std::string(5'000, 'x');
  std::ofstream(folder + "/README") << "d1:v1:be";
  const auto found = load_items(folder);
  REQUIRE(found.size() == 1);
  CHECK(found[0].value == good.value);
}

}  // namespace lodestone::node
