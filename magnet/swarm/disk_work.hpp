// SPDX-License-Identifier: Apache-2.0
// The torrent's dealings with its disk: when to sync (D3: 2 s after the first unsynced piece, or 256 MiB of them), and
// what to do when writing fails (D2): what could not be written is kept, one of it is tried again each second, and the
// rest follows as soon as one has worked. Nothing is lost and nothing new is written meanwhile.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "magnet/swarm/actions.hpp"

namespace lodestone::magnet {

class DiskWork {
 public:
  static constexpr wire::Duration kSyncAfter = std::chrono::seconds(2);
  static constexpr std::uint64_t kSyncBytes = 256u << 20;
  static constexpr wire::Duration kRetry = std::chrono::seconds(1);

  /// A job that writes: goes out now, or is kept while the disk is in trouble.
  void submit(storage::Job&& job, Actions& out);
  /// It came back undone.
  void failed(wire::Instant now, storage::Job&& job, storage::Trouble trouble);
  /// Something was written (for a piece: so many bytes of it): the disk works (again).
  void worked(wire::Instant now, std::uint64_t piece_bytes, Actions& out);
  void synced(wire::Instant now, const storage::Trouble& trouble);
  void advance(wire::Instant now, Actions& out);
  [[nodiscard]] wire::Instant next_deadline() const;

  [[nodiscard]] bool troubled() const { return static_cast<bool>(trouble_); }
  [[nodiscard]] const storage::Trouble& trouble() const { return trouble_; }

 private:
  std::deque<storage::Job> kept_;
  storage::Trouble trouble_;
  wire::Instant retry_at_ = wire::kNever;
  bool syncing_ = false;
  wire::Instant sync_at_ = wire::kNever;
  std::uint64_t unsynced_ = 0;
};

}  // namespace lodestone::magnet
