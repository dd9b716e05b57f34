// SPDX-License-Identifier: Apache-2.0
// Finds the newest version of an item among what nodes have (BEP 44), and carries one to be put. Nothing is believed: a
// value must have the hash, a signature must hold for the key that was asked for.
#pragma once

#include <optional>
#include <vector>

#include "dht/gather.hpp"
#include "dht/item.hpp"

namespace lodestone::dht {

class ItemGather final : public Gather {
 public:
  /// `salt` belongs to a mutable item; an immutable one has none.
  ItemGather(const Key& target, wire::ByteVector salt) : target_(target), salt_(std::move(salt)) {}
  ItemGather(const Item& item, std::optional<std::int64_t> cas)
      : target_(item.target()), salt_(item.salt), put_(item), cas_(cas) {}

  /// What we store ourselves, which was verified when it came.
  void add_local(LookupId lookup, const ItemView& item, Output& out);

  void shape(Ask& ask) const override;
  void on_reply(LookupId lookup, const Answer& answer, Output& out) override;
  void report(LookupId lookup, Output& out) override;
  [[nodiscard]] const Item* to_put() const override { return put_ ? &*put_ : nullptr; }
  [[nodiscard]] bool superseded() const override { return put_ && put_->key && best_ && best_->seq > put_->seq; }
  /// Only for nodes that have an item: to others it means nothing, and some take it amiss.
  [[nodiscard]] std::optional<std::int64_t> cas_for(const Endpoint& node) const override;

 private:
  static constexpr std::size_t kMaxHolders = 256;

  [[nodiscard]] bool holds(const ItemView& item) const;
  [[nodiscard]] bool same_as_best(const ItemView& item) const;
  void take(LookupId lookup, const ItemView& item, const Endpoint& from, Output& out);

  Key target_;
  wire::ByteVector salt_;
  std::optional<Item> put_;
  std::optional<std::int64_t> cas_;
  std::optional<Item> best_;
  std::uint32_t copies_ = 0;  // of the best one
  std::vector<Endpoint> holders_;
};

}  // namespace lodestone::dht
