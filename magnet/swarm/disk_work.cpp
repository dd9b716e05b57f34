// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/disk_work.hpp"

#include <algorithm>
#include <utility>

namespace lodestone::magnet {

void DiskWork::submit(storage::Job&& job, Actions& out) {
  if (troubled())
    kept_.push_back(std::move(job));
  else
    out.push_back(action::Disk{std::move(job)});
}

void DiskWork::failed(wire::Instant now, storage::Job&& job, storage::Trouble trouble) {
  trouble_ = std::move(trouble);
  kept_.push_back(std::move(job));
  if (retry_at_ == wire::kNever) retry_at_ = now + kRetry;
}

void DiskWork::worked(wire::Instant now, std::uint64_t piece_bytes, Actions& out) {
  trouble_ = {};
  retry_at_ = wire::kNever;
  while (!kept_.empty()) {
    out.push_back(action::Disk{std::move(kept_.front())});
    kept_.pop_front();
  }
  if (piece_bytes == 0) return;
  unsynced_ += piece_bytes;
  if (sync_at_ == wire::kNever) sync_at_ = now + kSyncAfter;
  if (unsynced_ >= kSyncBytes) sync_at_ = now;
  advance(now, out);
}

void DiskWork::synced(wire::Instant now, const storage::Trouble& trouble) {
  syncing_ = false;
  if (!trouble) return;
  // What it was to sync is still unsynced.
  sync_at_ = std::min(sync_at_, now + kSyncAfter);
}

void DiskWork::advance(wire::Instant now, Actions& out) {
  if (now >= sync_at_ && !syncing_ && !troubled()) {
    syncing_ = true;
    sync_at_ = wire::kNever;
    unsynced_ = 0;
    out.push_back(action::Disk{storage::job::Sync{}});
  }
  if (now >= retry_at_ && !kept_.empty()) {
    out.push_back(action::Disk{std::move(kept_.front())});
    kept_.pop_front();
    retry_at_ = kept_.empty() ? wire::kNever : now + kRetry;
  }
}

wire::Instant DiskWork::next_deadline() const {
  const wire::Instant sync = syncing_ || troubled() ? wire::kNever : sync_at_;
  return std::min(sync, retry_at_);
}

}  // namespace lodestone::magnet
