// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/blame.hpp"

#include <algorithm>

namespace lodestone::magnet {

void Blame::contributed(wire::BlockRef ref, std::uint32_t block_count, const wire::Endpoint& source) {
  std::vector<wire::Endpoint>& sources = contributors_[ref.piece.value()];
  if (sources.empty()) sources.resize(block_count);
  if (ref.block < sources.size()) sources[ref.block] = source;
}

bool Blame::single_source(wire::PieceIndex piece) const {
  const auto it = contributors_.find(piece.value());
  if (it == contributors_.end() || it->second.empty()) return false;
  const wire::Endpoint& first = it->second.front();
  return first != wire::Endpoint{} &&
         std::all_of(it->second.begin(), it->second.end(), [&](const wire::Endpoint& e) { return e == first; });
}

std::vector<wire::Endpoint> Blame::corrupt(wire::PieceIndex piece, std::span<const wire::Sha1Digest> digests) {
  const auto it = contributors_.find(piece.value());
  if (it == contributors_.end()) return {};
  const bool single = single_source(piece);
  const std::vector<wire::Endpoint> sources = std::move(it->second);
  contributors_.erase(it);
  if (single) return {sources.front()};

  const auto [entry, fresh] = evidence_.try_emplace(piece.value());
  if (fresh) evidence_order_.push_back(piece.value());  // once, even if nothing can be said about it
  std::vector<Testimony>& evidence = entry->second;
  for (std::uint32_t b = 0; b < sources.size() && b < digests.size(); ++b) {
    if (sources[b] == wire::Endpoint{}) continue;
    evidence.push_back({b, digests[b], sources[b]});
    ++evidence_size_;
  }
  while (evidence_size_ > kMaxEvidence && !evidence_order_.empty()) {
    const auto oldest = evidence_.find(evidence_order_.front());
    evidence_order_.erase(evidence_order_.begin());
    evidence_size_ -= oldest->second.size();
    evidence_.erase(oldest);
  }
  return {};
}

std::vector<wire::Endpoint> Blame::good(wire::PieceIndex piece, std::span<const wire::Sha1Digest> digests) {
  contributors_.erase(piece.value());
  const auto it = evidence_.find(piece.value());
  if (it == evidence_.end()) return {};
  std::vector<wire::Endpoint> liars;
  for (const Testimony& t : it->second)
    if (t.block < digests.size() && digests[t.block] != t.digest) liars.push_back(t.source);
  std::sort(liars.begin(), liars.end());
  liars.erase(std::unique(liars.begin(), liars.end()), liars.end());
  evidence_size_ -= it->second.size();
  evidence_.erase(it);
  std::erase(evidence_order_, piece.value());
  return liars;
}

}  // namespace lodestone::magnet
