// SPDX-License-Identifier: Apache-2.0
#include "wire/base/slab.hpp"

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone::wire;

using Names = Slab<std::string, struct NamesTag>;
using Pointers = Slab<std::shared_ptr<int>, struct PointersTag>;

TEST_CASE("a key finds its value until that is erased, and nobody else's afterwards") {
  Names slab;
  CHECK(slab.find(Names::Key{}) == nullptr);
  CHECK_FALSE(Names::Key{}.valid());
  const auto a = slab.emplace("a");
  const auto b = slab.emplace(3, 'b');
  CHECK(a.valid());
  REQUIRE(slab.find(a) != nullptr);
  CHECK(*slab.find(a) == "a");
  CHECK(*slab.find(b) == "bbb");
  CHECK(slab.erase(a));
  CHECK_FALSE(slab.erase(a));
  CHECK(slab.find(a) == nullptr);
  const auto c = slab.emplace("c");
  CHECK(c.slot == a.slot);         // the slot is used again,
  CHECK(slab.find(a) == nullptr);  // and the stale key does not see it
  CHECK(*slab.find(c) == "c");
  CHECK(slab.size() == 2);
}

TEST_CASE("values do not move when the slab grows and are destroyed when erased") {
  Pointers slab;
  const auto shared = std::make_shared<int>(1);
  const auto first = slab.emplace(shared);
  const auto* where = slab.find(first);
  std::vector<Pointers::Key> keys;
  for (int i = 0; i < 1000; ++i) keys.push_back(slab.emplace(shared));
  CHECK(slab.find(first) == where);
  CHECK(shared.use_count() == 1002);
  for (const auto& k : keys) slab.erase(k);
  CHECK(shared.use_count() == 2);
}

TEST_CASE("for_each visits what lives, in slot order, and may erase the value it is at") {
  Names slab;
  std::vector<Names::Key> keys;
  for (int i = 0; i < 10; ++i) keys.push_back(slab.emplace(std::to_string(i)));
  slab.erase(keys[3]);
  std::string seen;
  slab.for_each([&](Names::Key key, std::string& value) {
    seen += value;
    if ((value[0] - '0') % 2 == 0) slab.erase(key);
  });
  CHECK(seen == "012456789");
  seen.clear();
  std::as_const(slab).for_each([&](Names::Key, const std::string& value) { seen += value; });
  CHECK(seen == "1579");
}

TEST_CASE("a slab behaves like a map from keys that are never given twice") {
  Rng rng = Rng::from_number(1);
  Names slab;
  std::unordered_map<Names::Key, std::string> model;
  std::vector<Names::Key> every;
  for (int i = 0; i < 5000; ++i) {
    if (every.empty() || rng.chance(0.5)) {
      const std::string value = std::to_string(i);
      const auto key = slab.emplace(value);
      REQUIRE(model.emplace(key, value).second);
      every.push_back(key);
    } else {
      const auto key = every[rng.below(every.size())];
      REQUIRE(slab.erase(key) == (model.erase(key) == 1));
    }
    const auto probe = every[rng.below(every.size())];
    const auto it = model.find(probe);
    const std::string* found = slab.find(probe);
    REQUIRE((found != nullptr) == (it != model.end()));
    if (found != nullptr) REQUIRE(*found == it->second);
    REQUIRE(slab.size() == model.size());
  }
}
