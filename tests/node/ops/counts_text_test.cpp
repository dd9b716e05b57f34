// SPDX-License-Identifier: Apache-2.0
#include "node/ops/counts_text.hpp"

#include <catch2/catch.hpp>

namespace lodestone::node {

TEST_CASE("what is not zero is shown by its name with its meaning, in groups") {
  CHECK(counter_lines({}).empty());
  dht::Counters c;
  c.queries_in = 1234;
  c.throttled_address = 12;
  c.peers_expired = 3;
  CHECK(counter_lines(c) ==
        std::vector<std::string>{"in:",                                                           //
                                 "        1234  queries_in              queries that were read",  //
                                 "dropped:",                                                      //
                                 "          12  throttled_address       datagrams beyond the rate of an address",
                                 "evicted:",  //
                                 "           3  peers_expired           stored peers that were not announced again"});
}

TEST_CASE("a short line has only what may say that something is wrong") {
  dht::Counters c;
  c.queries_in = 1234;
  c.unanswered_read_only = 5;  // as it shall be
  CHECK(troubles(c).empty());
  c.outages = 2;
  CHECK(troubles(c) == "beside: 2 outages");
  c.malformed_in = 3;
  c.throttled_address = 12;
  CHECK(troubles(c) == "dropped: 3 malformed, 12 throttled by address; beside: 2 outages");
}

}  // namespace lodestone::node
