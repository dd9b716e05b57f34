// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/upload_queue.hpp"

#include <algorithm>

namespace lodestone::magnet {

bool UploadQueue::push(const wire::BlockRange& range, std::size_t limit) {
  if (waiting_.size() + reading_.size() >= limit) return false;
  if (std::find(waiting_.begin(), waiting_.end(), range) != waiting_.end()) return false;
  waiting_.push_back(range);
  return true;
}

std::optional<wire::BlockRange> UploadQueue::start_read() {
  if (waiting_.empty()) return std::nullopt;
  const wire::BlockRange range = waiting_.front();
  waiting_.pop_front();
  reading_.push_back({range});
  reading_bytes_ += range.length;
  return range;
}

UploadQueue::Read UploadQueue::finish_read(const wire::BlockRange& range) {
  const auto it = std::find_if(reading_.begin(), reading_.end(), [&](const Reading& r) { return r.range == range; });
  if (it == reading_.end()) return Read::unknown;
  const bool cancelled = it->cancelled;
  reading_.erase(it);
  reading_bytes_ -= range.length;
  if (cancelled) return Read::cancelled;
  issued_ += range.length;
  return Read::wanted;
}

UploadQueue::Cancel UploadQueue::cancel(const wire::BlockRange& range) {
  const auto waiting = std::find(waiting_.begin(), waiting_.end(), range);
  if (waiting != waiting_.end()) {
    waiting_.erase(waiting);
    return Cancel::dropped;
  }
  for (Reading& r : reading_) {
    if (r.range != range || r.cancelled) continue;
    r.cancelled = true;
    return Cancel::reading;
  }
  return Cancel::unknown;
}

}  // namespace lodestone::magnet
