// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/wiretap.hpp"

namespace lodestone::tools::sim {
namespace {

using dht::krpc::Method;

std::optional<std::uint32_t> transaction_of(const dht::krpc::Message& message) {
  if (message.transaction.size() != 4) return std::nullopt;
  return wire::load_be32(message.transaction.data());
}

}  // namespace

std::optional<Instant> Wiretap::answered(const Endpoint& who) const {
  const auto at = answered_.find(who);
  if (at == answered_.end()) return std::nullopt;
  return at->second;
}

void Wiretap::on_sent(Instant now, const Endpoint& to, Bytes payload) {
  const auto message = decoder_.decode(payload);
  if (!message) return;
  const auto* query = std::get_if<dht::krpc::Query>(&message->body);
  const auto transaction = transaction_of(*message);
  if (query == nullptr || !transaction) return;
  if (everybody_) queries_.push_back(now);
  const auto story = stories_.find(query->target);
  if (story == stories_.end()) return;
  Story& s = story->second;
  Pending pending{query->target, to, std::nullopt};
  switch (query->method) {
    case Method::find_node:
    case Method::get_peers:
      if (!s.first_query) s.first_query = now;
      ++s.queries;
      break;
    case Method::announce_peer:
      pending.told = s.told.size();
      s.told.push_back({to, now, std::nullopt});
      break;
    default: return;
  }
  pending_[*transaction] = pending;
}

void Wiretap::on_received(Instant now, const Endpoint& from, Bytes payload) {
  const auto message = decoder_.decode(payload);
  if (!message) return;
  const auto* reply = std::get_if<dht::krpc::Reply>(&message->body);
  const auto transaction = transaction_of(*message);
  if (reply == nullptr || !transaction) return;
  if (everybody_) answered_.try_emplace(from, now);
  const auto at = pending_.find(*transaction);
  if (at == pending_.end() || at->second.to != from) return;
  Story& s = stories_[at->second.about];
  if (at->second.told) {
    s.told[*at->second.told].confirmed = now;
  } else {
    ++s.answers;
    const bool values = reply->values && reply->values->begin() != reply->values->end();
    if (values && !s.first_value) s.first_value = now;
  }
  pending_.erase(at);
}

}  // namespace lodestone::tools::sim
