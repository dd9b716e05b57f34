// SPDX-License-Identifier: Apache-2.0
#include "node/net/spsc_queue.hpp"

#include <thread>

#include <catch2/catch.hpp>

namespace lodestone::node {

TEST_CASE("A queue of two threads gives what was put in, in order, and no more than it has room for") {
  SpscQueue<int> queue{4};
  CHECK(queue.front() == nullptr);
  for (int i = 0; i < 4; ++i) {
    REQUIRE(queue.back() != nullptr);
    *queue.back() = i;
    queue.push();
  }
  CHECK(queue.back() == nullptr);
  for (int i = 0; i < 4; ++i) {
    REQUIRE(queue.front() != nullptr);
    CHECK(*queue.front() == i);
    queue.pop();
  }
  CHECK(queue.front() == nullptr);
  CHECK(queue.back() != nullptr);
}

TEST_CASE("A queue of two threads loses nothing between them") {
  constexpr int kMany = 100'000;
  SpscQueue<int> queue{64};
  std::thread producer([&] {
    for (int i = 0; i < kMany;) {
      int* slot = queue.back();
      if (slot == nullptr) {
        std::this_thread::yield();
        continue;
      }
      *slot = i++;
      queue.push();
    }
  });
  int next = 0;
  bool in_order = true;
  while (next < kMany) {
    const int* slot = queue.front();
    if (slot == nullptr) {
      std::this_thread::yield();
      continue;
    }
    in_order = in_order && *slot == next;
    ++next;
    queue.pop();
  }
  producer.join();
  CHECK(in_order);
}

}  // namespace lodestone::node
