// SPDX-License-Identifier: Apache-2.0
#include "magnet/metadata_budget.hpp"

#include <cassert>
#include <utility>

namespace lodestone::magnet {

MetadataBudget::MetadataBudget(std::uint64_t total) : small_(total / 32) {
  lanes_[0].limit = total / 4;
  lanes_[1].limit = total - total / 4;
}

MetadataBudget::Share::Share(MetadataBudget& budget, std::uint64_t bytes)
    : budget_(&budget), bytes_(bytes), number_(budget.next_number_++) {
  assert(bytes > 0 && bytes <= budget.largest());
  budget.lane(bytes).waiting.insert(number_);
}

MetadataBudget::Share::~Share() { end(); }

MetadataBudget::Share::Share(Share&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)),
      bytes_(other.bytes_),
      number_(other.number_),
      granted_(other.granted_),
      since_(other.since_) {}

MetadataBudget::Share& MetadataBudget::Share::operator=(Share&& other) noexcept {
  if (this == &other) return *this;
  end();
  budget_ = std::exchange(other.budget_, nullptr);
  bytes_ = other.bytes_;
  number_ = other.number_;
  granted_ = other.granted_;
  since_ = other.since_;
  return *this;
}

void MetadataBudget::Share::end() {
  if (budget_ == nullptr) return;
  Lane& lane = budget_->lane(bytes_);
  if (granted_)
    lane.granted -= bytes_;
  else
    lane.waiting.erase(number_);
  budget_ = nullptr;
}

bool MetadataBudget::Share::take(wire::Instant now) {
  if (granted_) return true;
  Lane& lane = budget_->lane(bytes_);
  if (*lane.waiting.begin() != number_ || bytes_ > lane.limit - lane.granted) return false;
  lane.waiting.erase(number_);
  lane.granted += bytes_;
  granted_ = true;
  since_ = now;
  return true;
}

bool MetadataBudget::Share::must_yield(wire::Instant now, std::uint64_t fetched) const {
  if (!granted_ || budget_->lane(bytes_).waiting.empty()) return false;
  const wire::Duration late = now - since_ - kGrace;
  return late >= wire::Duration::zero() && static_cast<double>(fetched) < wire::to_seconds(late) * kPace;
}

}  // namespace lodestone::magnet
