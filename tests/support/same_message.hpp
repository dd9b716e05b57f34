// SPDX-License-Identifier: Apache-2.0
// Whether two readings of one datagram are the same, down to where their views point: what the short way of the KRPC
// decoder owes the long one. Queries only; for its tests and its fuzzer.
#pragma once

#include "dht/krpc.hpp"

namespace lodestone::test {

[[nodiscard]] inline bool same_view(wire::Bytes a, wire::Bytes b) {
  return a.data() == b.data() && a.size() == b.size();
}

[[nodiscard]] inline bool same_query(const dht::krpc::Query& a, const dht::krpc::Query& b) {
  return a.method == b.method && a.id == b.id && a.target == b.target && same_view(a.token, b.token) &&
         a.port == b.port && a.implied_port == b.implied_port && a.read_only == b.read_only && a.want_v4 == b.want_v4 &&
         a.want_v6 == b.want_v6 && a.seed == b.seed && a.scrape == b.scrape && a.no_seed == b.no_seed &&
         same_view(a.value, b.value) && same_view(a.key, b.key) && same_view(a.signature, b.signature) &&
         same_view(a.salt, b.salt) && a.seq == b.seq && a.cas == b.cas;
}

/// False, too, when one of them is no query.
[[nodiscard]] inline bool same_message(const dht::krpc::Message& a, const dht::krpc::Message& b) {
  const auto* x = std::get_if<dht::krpc::Query>(&a.body);
  const auto* y = std::get_if<dht::krpc::Query>(&b.body);
  return x != nullptr && y != nullptr && same_view(a.transaction, b.transaction) && same_view(a.version, b.version) &&
         same_query(*x, *y);
}

}  // namespace lodestone::test
