// SPDX-License-Identifier: Apache-2.0
#include "dht/item_gather.hpp"

#include <algorithm>

namespace lodestone::dht {

void ItemGather::add_local(LookupId lookup, const ItemView& item, Output& out) { take(lookup, item, Endpoint{}, out); }

void ItemGather::shape(Ask& ask) const { ask.method = krpc::Method::get; }

void ItemGather::on_reply(LookupId lookup, const Answer& answer, Output& out) {
  const auto item = answer.reply.item(salt_);
  if (!item) return;
  if (!same_as_best(*item)) {
    // An older version is not worth the price of its signature, but its holder must be told of the new one all the
    // same.
    const bool older = best_ && best_->key && item->signed_by && item->signed_by->seq <= best_->seq;
    if (!older && !holds(*item)) return answer.count(&Counters::items_invalid);
  }
  if (holders_.size() < kMaxHolders) holders_.push_back(answer.from.endpoint);
  take(lookup, *item, answer.from.endpoint, out);
}

bool ItemGather::holds(const ItemView& item) const {
  if (item.value.size() > kMaxValue || item.target() != target_) return false;
  // Of an item that shall be put the kind is known; else a key that hashes to the target is proof enough.
  return !item.signed_by || signature_holds(item.value, *item.signed_by);
}

bool ItemGather::same_as_best(const ItemView& item) const {
  if (!best_ || best_->key.has_value() != item.signed_by.has_value()) return false;
  if (item.signed_by && (item.signed_by->seq != best_->seq || item.signed_by->key != *best_->key)) return false;
  return std::equal(item.value.begin(), item.value.end(), best_->value.begin(), best_->value.end());
}

void ItemGather::take(LookupId lookup, const ItemView& item, const Endpoint& from, Output& out) {
  if (same_as_best(item)) {
    ++copies_;
    return;
  }
  if (best_ && (!item.signed_by || !best_->key || item.signed_by->seq <= best_->seq)) return;
  best_.emplace(item);
  copies_ = 1;
  out.events.emplace_back(event::ItemFound{lookup, target_, *best_, from});
}

void ItemGather::report(LookupId lookup, Output& out) {
  out.events.emplace_back(event::ItemDone{lookup, target_, best_, copies_});
}

std::optional<std::int64_t> ItemGather::cas_for(const Endpoint& node) const {
  if (!cas_ || std::find(holders_.begin(), holders_.end(), node) == holders_.end()) return std::nullopt;
  return cas_;
}

}  // namespace lodestone::dht
