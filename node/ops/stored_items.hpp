// SPDX-License-Identifier: Apache-2.0
// The items that others have put here, across restarts (BEP 44): where they lie on the disk, and when they are saved.
// They belong to the holder of node.lock, like the identity that they lie close to (D6).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dht/items_snapshot.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/time.hpp"

namespace lodestone::node {

/// nullopt when there is none or it is none in order. Verifies nothing yet; not on the network thread (D5).
[[nodiscard]] std::optional<dht::ItemsReader> open_stored_items(const std::string& path, wire::UnixSeconds wall_now);
void write_stored_items(const std::string& path, wire::Bytes file);

/// When to save: soon after a change, so that a kill costs little, but a small store not more often than every 15 s and
/// a large one so rarely that the disk writes little.
class SavePace {
 public:
  static constexpr wire::Duration kSoon = std::chrono::seconds(5);
  static constexpr wire::Duration kShortest = std::chrono::seconds(15);  // between two saves
  static constexpr std::size_t kBytesPerSecond = 128u << 10;             // written, in the long run

  /// `changes` begins at 0 and grows with each change. To be asked every second or so.
  [[nodiscard]] bool due(wire::Instant now, std::uint64_t changes);
  [[nodiscard]] bool changed(std::uint64_t changes) const { return changes != saved_changes_; }
  void saved(wire::Instant now, std::uint64_t changes, std::size_t bytes);

 private:
  std::uint64_t saved_changes_ = 0;
  std::optional<wire::Instant> changed_at_;  // the first change that is not saved
  wire::Instant not_before_ = wire::Instant::min();
};

}  // namespace lodestone::node
