// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/upload_queue.hpp"

#include <catch2/catch.hpp>

namespace lodestone::magnet {
namespace {

wire::BlockRange range(std::uint32_t n, std::uint32_t length = wire::kBlockSize) {
  return {wire::PieceIndex{n}, 0, length};
}

TEST_CASE("W12 a queue takes as many as the limit says, reads included, and nothing twice") {
  UploadQueue q;
  CHECK(q.push(range(1), 3));
  CHECK_FALSE(q.push(range(1), 3));
  CHECK(q.push(range(2), 3));
  CHECK(q.start_read() == range(1));
  CHECK(q.push(range(3), 3));
  CHECK_FALSE(q.push(range(4), 3));
  CHECK(q.waiting() == 2);
  CHECK(q.reading() == 1);
}

TEST_CASE("a request goes from waiting to reading to issued to sent") {
  UploadQueue q;
  q.push(range(1, 1'000), 9);
  CHECK(q.under_way() == 0);
  CHECK(*q.front() == range(1, 1'000));
  CHECK(q.start_read() == range(1, 1'000));
  CHECK_FALSE(q.start_read().has_value());
  CHECK(q.under_way() == 1'000);
  CHECK(q.finish_read(range(1, 1'000)) == UploadQueue::Read::wanted);
  CHECK(q.under_way() == 1'000);
  q.sent(400);
  CHECK(q.under_way() == 600);
  q.sent(10'000);
  CHECK(q.under_way() == 0);
  CHECK(q.idle());
  CHECK(q.finish_read(range(1, 1'000)) == UploadQueue::Read::unknown);
}

TEST_CASE("cancels: at once while waiting, with the result while reading") {
  UploadQueue q;
  q.push(range(1), 9);
  q.push(range(2), 9);
  CHECK(q.start_read() == range(1));
  CHECK(q.cancel(range(2)) == UploadQueue::Cancel::dropped);
  CHECK(q.cancel(range(2)) == UploadQueue::Cancel::unknown);
  CHECK(q.cancel(range(1)) == UploadQueue::Cancel::reading);
  CHECK(q.cancel(range(1)) == UploadQueue::Cancel::unknown);
  CHECK(q.finish_read(range(1)) == UploadQueue::Read::cancelled);
  CHECK(q.under_way() == 0);
}

TEST_CASE("a choke takes out what waits, except what is kept") {
  UploadQueue q;
  for (std::uint32_t i = 0; i < 5; ++i) q.push(range(i), 9);
  (void)q.start_read();
  const auto dropped = q.drop_waiting([](wire::PieceIndex p) { return p.value() == 3; });
  CHECK(dropped == std::vector{range(1), range(2), range(4)});
  CHECK(q.waiting() == 1);
  CHECK(q.reading() == 1);
}

}  // namespace
}  // namespace lodestone::magnet
