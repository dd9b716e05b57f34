// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/rate.hpp"

#include <algorithm>

namespace lodestone::magnet {

void Rate::add(wire::Instant now, std::uint64_t bytes) {
  const std::int64_t n = std::max(number(now), newest_);
  if (total_ == 0 || n - newest_ >= kSlices) {
    slices_.fill(0);
    begin_ = now;
  } else {
    for (std::int64_t i = newest_ + 1; i <= n; ++i) slices_[static_cast<std::size_t>(i % kSlices)] = 0;
  }
  newest_ = n;
  slices_[static_cast<std::size_t>(n % kSlices)] += bytes;
  total_ += bytes;
}

double Rate::per_second(wire::Instant now) const {
  const std::int64_t n = std::max(number(now), newest_);
  if (total_ == 0 || n - newest_ >= kSlices) return 0;
  std::uint64_t sum = 0;
  for (std::int64_t i = n - kSlices + 1; i <= newest_; ++i)
    if (i > newest_ - kSlices && i >= 0) sum += slices_[static_cast<std::size_t>(i % kSlices)];
  // The slice being filled is only partly over, so the window begins inside its oldest slice.
  const wire::Instant oldest{slice_ * (n - kSlices + 1)};
  const wire::Duration covered = std::max(now - std::max(begin_, oldest), slice_);
  return static_cast<double>(sum) / wire::to_seconds(covered);
}

}  // namespace lodestone::magnet
