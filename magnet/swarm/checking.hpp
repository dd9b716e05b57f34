// SPDX-License-Identifier: Apache-2.0
// Hashing what is (perhaps) on disk already: a bounded number of CheckPiece jobs at a time, unreadable ones again after
// a second, and at the end the verdict on foreign files (D3): if nothing matched, nobody may write there.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

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
  /// Valid when done: the files are somebody else's.
  [[nodiscard]] bool conflict() const { return conflict_if_none_ && !any_good_; }
  [[nodiscard]] const std::string& conflict_path() const { return conflict_path_; }
  /// A piece that could not be read, and why; until a retry has worked.
  [[nodiscard]] const storage::Trouble& trouble() const { return trouble_; }

 private:
  void fill(Actions& out);

  wire::Bitfield pieces_;
  std::uint32_t next_ = 0;
  std::size_t in_flight_ = 0;
  std::deque<wire::PieceIndex> again_;
  wire::Instant retry_at_ = wire::kNever;
  bool conflict_if_none_ = false, any_good_ = false;
  std::string conflict_path_;
  storage::Trouble trouble_;
};

}  // namespace lodestone::magnet
