// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/checking.hpp"

#include <algorithm>

namespace lodestone::magnet {

void Checking::begin(const storage::result::Opened& opened, Actions& out) {
  pieces_ = opened.check;
  next_ = 0;
  claims_.clear();
  for (const storage::result::Foreign& data : opened.foreign) claims_.push_back({data});
  for (std::uint32_t p = 0; p < opened.have.size() && !claims_.empty(); ++p)
    if (opened.have.test(wire::PieceIndex{p})) good(wire::PieceIndex{p});
  fill(out);
}

void Checking::good(wire::PieceIndex piece) {
  const auto before = [&](const Claim& claim) { return claim.data.last < piece; };
  for (auto it = std::partition_point(claims_.begin(), claims_.end(), before);
       it != claims_.end() && it->data.first <= piece; ++it)
    it->ours = true;
}

const std::string* Checking::conflict() const {
  const auto it = std::find_if(claims_.begin(), claims_.end(), [](const Claim& claim) { return !claim.ours; });
  return it == claims_.end() ? nullptr : &it->data.path;
}

void Checking::fill(Actions& out) {
  for (; next_ < pieces_.size() && in_flight_ < kInFlight; ++next_) {
    if (!pieces_.test(wire::PieceIndex{next_})) continue;
    ++in_flight_;
    out.push_back(action::Disk{storage::job::CheckPiece{wire::PieceIndex{next_}}});
  }
  // So that done() is true as soon as nothing is left, not one result later.
  while (next_ < pieces_.size() && !pieces_.test(wire::PieceIndex{next_})) ++next_;
}

bool Checking::on_checked(wire::Instant now, const storage::result::PieceChecked& checked, Actions& out) {
  if (in_flight_ > 0) --in_flight_;
  if (checked.trouble) {
    trouble_ = checked.trouble;
    again_.push_back(checked.piece);
    if (retry_at_ == wire::kNever) retry_at_ = now + kRetry;
  } else {
    trouble_ = {};
  }
  if (checked.good) good(checked.piece);
  fill(out);
  return checked.good;
}

void Checking::advance(wire::Instant now, Actions& out) {
  if (now < retry_at_) return;
  retry_at_ = wire::kNever;
  while (!again_.empty() && in_flight_ < kInFlight) {
    ++in_flight_;
    out.push_back(action::Disk{storage::job::CheckPiece{again_.front()}});
    again_.pop_front();
  }
  if (!again_.empty()) retry_at_ = now + kRetry;
}

}  // namespace lodestone::magnet
