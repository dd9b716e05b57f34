// SPDX-License-Identifier: Apache-2.0
#include "dht/lookup_trace.hpp"

#include <algorithm>
#include <utility>

namespace lodestone::dht {

using Hop = event::Hop;

void LookupTrace::known(const Endpoint& node, Hop::Source source, const Endpoint& by) {
  origins_.try_emplace(node, Origin{source, by});
}

void LookupTrace::asked(Instant now, const Ask& ask) {
  if (!first_) first_ = now;
  Open open{ask.tag, now, {}};
  open.hop.lookup = lookup_;
  open.hop.to = ask.to;
  open.hop.id = ask.expected;
  open.hop.sent = now - *first_;
  if (const auto origin = origins_.find(ask.to); origin != origins_.end()) {
    open.hop.source = origin->second.source;
    open.hop.named_by = origin->second.by;
    origins_.erase(origin);
  }
  open_.push_back(std::move(open));
}

template <class Fill>
void LookupTrace::close(std::uint32_t tag, Output& out, Fill&& fill) {
  const auto open = std::find_if(open_.begin(), open_.end(), [tag](const Open& o) { return o.tag == tag; });
  if (open == open_.end()) return;
  fill(*open);
  out.events.emplace_back(std::move(open->hop));
  open_.erase(open);
}

void LookupTrace::answered(std::uint32_t tag, const Answer& answer, Family family, Output& out) {
  close(tag, out, [&](Open& open) {
    const krpc::Reply& reply = answer.reply;
    open.hop.id = answer.from.id;
    open.hop.outcome = Hop::Outcome::answered;
    open.hop.rtt = answer.rtt;
    const Bytes nodes = family == Family::v4 ? reply.nodes : reply.nodes6;
    open.hop.named = static_cast<std::uint32_t>(nodes.size() / Contact::compact_size(family));
    if (!reply.values) return;
    for (const wire::bencode::View value : *reply.values)
      open.hop.values += value.string().value_or(Bytes{}).size() == Endpoint::compact_size(family);
  });
}

void LookupTrace::refused(Instant now, std::uint32_t tag, Output& out) {
  close(tag, out, [&](Open& open) {
    open.hop.outcome = Hop::Outcome::refused;
    open.hop.rtt = now - open.at;
  });
}

void LookupTrace::lost(std::uint32_t tag, Output& out) {
  close(tag, out, [](Open&) {});
}

void LookupTrace::end(Output& out) {
  for (Open& open : open_) out.events.emplace_back(std::move(open.hop));
  open_.clear();
  origins_.clear();
}

}  // namespace lodestone::dht
