// SPDX-License-Identifier: Apache-2.0
// Hashing what is (perhaps) on disk already: a bounded number of CheckPiece jobs at a time, unreadable ones again after
// a second, and at the end the verdict on data of unknown origin (D3): if nothing of it matched, nobody may write
// there.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "magnet/swarm/actions.hpp"
#include "wire/base/bitfield.hpp"

namespace lodestone::magnet {

class Checking {
 public:
  static constexpr std::size_t kInFlight = 8;
  static constexpr wire::Duration kRetry = std::chrono::seconds(1);

  void begin(const storage::result::Opened& opened, Actions& out);
  /// True when the piece is good.
  bool on_checked(wire::Instant now, const storage::result::PieceChecked& checked, Actions& out);
  void advance(wire::Instant now, Actions& out);
  [[nodiscard]] wire::Instant next_deadline() const { return retry_at_; }
  [[nodiscard]] bool done() const { return next_ >= pieces_.size() && again_.empty() && in_flight_ == 0; }
  /// Valid when done: the first of what is somebody else's; null: nothing.
  [[nodiscard]] const std::string* conflict() const;
  /// A piece that could not be read, and why; until a retry has worked.
  [[nodiscard]] const storage::Trouble& trouble() const { return trouble_; }

 private:
  struct Claim {
    storage::result::Foreign data;
    bool ours = false;
  };
  void fill(Actions& out);
  void good(wire::PieceIndex piece);

  wire::Bitfield pieces_;
  std::uint32_t next_ = 0;
  std::size_t in_flight_ = 0;
  std::deque<wire::PieceIndex> again_;
  wire::Instant retry_at_ = wire::kNever;
  std::vector<Claim> claims_;  // ordered by first and by last
  storage::Trouble trouble_;
};

}  // namespace lodestone::magnet
