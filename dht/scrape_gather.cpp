// SPDX-License-Identifier: Apache-2.0
#include "dht/scrape_gather.hpp"

namespace lodestone::dht {

void ScrapeGather::on_reply(LookupId, const Answer& answer, Output&) {
  const krpc::Reply& reply = answer.reply;
  if (scrape_.add(reply.seeds_filter, reply.peers_filter) || !reply.values) return;
  // Who gave filters that cannot be true is not believed about values either.
  if (!reply.seeds_filter.empty() || !reply.peers_filter.empty()) return;
  const Family family = answer.from.endpoint.family();
  for (const wire::bencode::View item : *reply.values) {
    const Bytes raw = item.string().value_or(Bytes{});
    if (raw.size() != Endpoint::compact_size(family)) continue;
    const auto peer = Endpoint::from_compact(raw);
    if (peer && peer->port > 1) scrape_.add_value(peer->address);
  }
}

void ScrapeGather::report(LookupId lookup, Output& out) {
  const BloomFilter peers = scrape_.peers();
  out.events.emplace_back(event::ScrapeDone{.lookup = lookup,
                                            .info_hash = info_hash_,
                                            .seeds = scrape_.seeds().estimate(),
                                            .seeds_error = scrape_.seeds().standard_error(),
                                            .peers = peers.estimate(),
                                            .peers_error = peers.standard_error(),
                                            .nodes = scrape_.nodes()});
}

}  // namespace lodestone::dht
