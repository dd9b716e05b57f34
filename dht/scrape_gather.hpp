// SPDX-License-Identifier: Apache-2.0
// The size of a swarm by what the nodes near its hash have stored (BEP 33): the union of their filters (S7).
#pragma once

#include "dht/bloom.hpp"
#include "dht/gather.hpp"

namespace lodestone::dht {

class ScrapeGather final : public Gather {
 public:
  explicit ScrapeGather(const InfoHash& info_hash) : info_hash_(info_hash) {}

  /// What we store ourselves.
  void add_local(const BloomFilter& seeds, const BloomFilter& peers) { scrape_.add(seeds.bytes(), peers.bytes()); }

  void shape(Ask& ask) const override { ask.peers.scrape = true; }
  void on_reply(LookupId lookup, const Answer& answer, Output& out) override;
  void report(LookupId lookup, Output& out) override;

 private:
  InfoHash info_hash_;
  Scrape scrape_;
};

}  // namespace lodestone::dht
