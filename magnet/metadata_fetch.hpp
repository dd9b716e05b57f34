// SPDX-License-Identifier: Apache-2.0
// BEP 9 from many peers at once, by rules M1-M3: one pool per claimed size, nothing allocated on a claim, at most two
// pieces asked of each peer at a time, only what we asked *this* peer is taken, reject re-queues at once, a failed hash
// is fetched again from single peers and blames the liar. A claim is asked for once the budget has granted its bytes;
// until then it waits and tries again each second. What is complete goes out to be checked (metadata_check) and comes
// back with a verdict; its bytes count against the budget all the while. Pure: the torrent feeds it events and sends
// what it asks for.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "magnet/metadata_budget.hpp"
#include "magnet/metadata_check.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/id.hpp"
#include "wire/base/slab.hpp"
#include "wire/base/time.hpp"
#include "wire/peer/ut_metadata.hpp"

namespace lodestone::magnet {

using LinkKey = wire::SlabKey<struct LinkTag>;

class MetadataFetch {
 public:
  static constexpr std::uint64_t kMaxSize = 48u << 20;

  struct Send {
    LinkKey link;
    wire::UtMetadata message;
  };
  struct Output {
    std::vector<Send> send;
    std::vector<LinkKey> liars;             // close and ban
    std::optional<MetadataCheck> check;     // to be checked: the verdict is brought to on_checked()
    std::optional<MetadataVerdict> result;  // a good one: set once
  };

  /// `budget`: shared with other fetches (M1), must outlive this; null: one of its own.
  explicit MetadataFetch(const wire::InfoHash& expected, MetadataBudget* budget = nullptr);
  ~MetadataFetch();

  /// The peer's extension handshake says that it has ut_metadata and claims a size. Repeats are allowed.
  void on_peer(wire::Instant now, LinkKey link, std::uint64_t claimed_size, Output& out);
  void on_message(wire::Instant now, LinkKey link, const wire::UtMetadata& message, Output& out);
  void on_gone(wire::Instant now, LinkKey link, Output& out);
  /// Of an Output's check, at any later time.
  void on_checked(wire::Instant now, MetadataVerdict&& verdict, Output& out);
  /// Requests time out (10 s) and go to others.
  void advance(wire::Instant now, Output& out);
  [[nodiscard]] wire::Instant next_deadline() const;

  [[nodiscard]] bool done() const;
  /// Peers that claim to have it; 0: connected but nobody has metadata.
  [[nodiscard]] std::size_t sources() const;
  /// Bytes held now, those that are being checked among them, and how many the best claim has.
  [[nodiscard]] std::uint64_t bytes_held() const;
  [[nodiscard]] std::uint64_t bytes_expected() const;

  /// Unfinished metadata across a restart (M6): the best pool, encoded; empty when nothing is there.
  [[nodiscard]] wire::ByteVector save() const;
  /// Without room in the budget it is not taken.
  void restore(wire::Instant now, wire::Bytes saved);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lodestone::magnet
