// SPDX-License-Identifier: Apache-2.0
#include "node/net/udp_batch.hpp"

#include <string>

#include <catch2/catch.hpp>

#include "node/net/sockets.hpp"

namespace lodestone::node {
namespace {

using wire::Address;
using wire::Endpoint;

/// On the loopback, where what was sent is there.
struct Pair {
  UniqueFd from = bound(1), to = bound(2);
  UdpBatch sender{from.fd()}, receiver{to.fd()};

  static UniqueFd bound(std::uint8_t last) {
    auto socket = bind_udp({Address::v4(127, 0, 0, last), 0});
    REQUIRE(socket);
    return *std::move(socket);
  }
  void send(std::size_t count) {
    wire::DatagramBatch batch;
    for (std::size_t i = 0; i < count; ++i) batch.push(receiver.local(), wire::as_bytes(std::to_string(i)));
    sender.send(batch);
  }
};

}  // namespace

TEST_CASE("Who has received a full batch, or a large one, looks again, and who has not waits") {
  Pair pair;
  pair.send(UdpBatch::kBatch + UdpBatch::kLarge);
  CHECK(pair.receiver.receive().size() == UdpBatch::kBatch);
  CHECK(pair.receiver.look_again());
  CHECK(pair.receiver.receive().size() == UdpBatch::kLarge);
  CHECK(pair.receiver.look_again());
  CHECK(pair.receiver.receive().empty());
  CHECK_FALSE(pair.receiver.look_again());
  pair.send(UdpBatch::kLarge - 1);
  CHECK(pair.receiver.receive().size() == UdpBatch::kLarge - 1);
  CHECK_FALSE(pair.receiver.look_again());
}

}  // namespace lodestone::node
