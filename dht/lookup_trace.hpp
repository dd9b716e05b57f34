// SPDX-License-Identifier: Apache-2.0
// What a traced lookup tells of each of its queries: how the node that was asked came to be known, and what became of
// the question. Only a lookup that is traced has one. Invariant: one event::Hop for every query of the search, not
// later than its end; a reply that comes after that makes no second one.
#pragma once

#include <map>
#include <vector>

#include "dht/traversal.hpp"

namespace lodestone::dht {

class LookupTrace {
 public:
  explicit LookupTrace(LookupId lookup) : lookup_(lookup) {}

  /// A candidate, and who brought it: the first account counts. `by` where it was a node.
  void known(const Endpoint& node, event::Hop::Source source, const Endpoint& by = {});
  void asked(Instant now, const Ask& ask);
  void answered(std::uint32_t tag, const Answer& answer, Family family, Output& out);
  /// By an error, or under another id than expected.
  void refused(Instant now, std::uint32_t tag, Output& out);
  void lost(std::uint32_t tag, Output& out);
  /// The search is over: nobody waits for those who have not answered by now.
  void end(Output& out);

 private:
  struct Open {
    std::uint32_t tag;
    Instant at;
    event::Hop hop;
  };
  struct Origin {
    event::Hop::Source source;
    Endpoint by;
  };
  /// Takes the query out; null when its hop has been told.
  template <class Fill>
  void close(std::uint32_t tag, Output& out, Fill&& fill);

  LookupId lookup_;
  std::map<Endpoint, Origin> origins_;  // of those that were not asked yet
  std::vector<Open> open_;
  std::optional<Instant> first_;
};

}  // namespace lodestone::dht
