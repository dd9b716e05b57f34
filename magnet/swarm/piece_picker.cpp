// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/piece_picker.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>

namespace lodestone::magnet {
namespace {

constexpr std::size_t kMaxJudged = 64;  // candidates for duplication that one pick looks at

std::uint32_t blocks_in(std::uint64_t bytes) { return static_cast<std::uint32_t>(bytes / wire::kBlockSize); }

}  // namespace

PiecePicker::PiecePicker(const wire::Geometry& geometry, PickerConfig config, wire::Rng rng)
    : geometry_(geometry),
      config_(config),
      rng_(std::move(rng)),
      spilling_(geometry.piece_length() > storage::kMemoryPieceLimit),
      piece_blocks_((geometry.piece_length() + wire::kBlockSize - 1) / wire::kBlockSize),
      base_limit_(std::max(blocks_in(config.unstored_limit), spilling_ ? 1 : piece_blocks_)),
      limit_(base_limit_),
      max_open_(static_cast<std::size_t>(std::max<std::uint64_t>(2, kOpenLimit / geometry.piece_length()))),
      have_(geometry.piece_count()),
      missing_(geometry.piece_count()),
      availability_(geometry.piece_count(), 0),
      order_(geometry.piece_count()),
      slot_of_(geometry.piece_count(), kNoSlot) {}

// --- pieces ---

void PiecePicker::begin(const wire::Bitfield& wanted, const wire::Bitfield& have) {
  assert(!begun_ && wanted.size() == have_.size() && have.size() == have_.size());
  begun_ = true;
  have_ = have;
  std::vector<std::uint32_t> members;
  for (std::uint32_t p = 0; p < geometry_.piece_count(); ++p) {
    const wire::PieceIndex piece{p};
    if (!wanted.test(piece) || have.test(piece)) continue;
    missing_.set(piece);
    members.push_back(p);
  }
  order_.fill(members, rng_);
  for (const std::uint32_t p : members)
    for (std::uint32_t a = 0; a < availability_[p]; ++a) order_.raise(p, a);
  ++news_;
}

void PiecePicker::set_have(wire::PieceIndex piece) {
  const std::uint32_t p = piece.value();
  if (slot_of_[p] != kNoSlot) close(slot_of_[p]);
  if (order_.contains(p)) order_.erase(p, availability_[p]);
  have_.set(piece);
  missing_.reset(piece);
}

std::uint32_t PiecePicker::interesting(const wire::Bitfield& pieces) const {
  assert(pieces.size() == missing_.size());
  if (pieces.none() || missing_.none()) return 0;
  if (pieces.all()) return missing_.count();
  const wire::Bytes a = pieces.wire(), b = missing_.wire();
  std::uint32_t n = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    n += static_cast<std::uint32_t>(std::popcount(static_cast<std::uint8_t>(a[i] & b[i])));
  return n;
}

// --- availability ---

void PiecePicker::add_pieces(const wire::Bitfield& pieces) {
  if (pieces.none()) return;
  for (std::uint32_t p = 0; p < pieces.size(); ++p)
    if (pieces.test(wire::PieceIndex{p})) add_piece(wire::PieceIndex{p});
}

void PiecePicker::add_piece(wire::PieceIndex piece) {
  std::uint16_t& a = availability_[piece.value()];
  assert(a < std::numeric_limits<std::uint16_t>::max());
  if (order_.contains(piece.value())) order_.raise(piece.value(), a);
  ++a;
}

void PiecePicker::remove_pieces(const wire::Bitfield& pieces) {
  if (pieces.none()) return;
  for (std::uint32_t p = 0; p < pieces.size(); ++p) {
    if (!pieces.test(wire::PieceIndex{p})) continue;
    std::uint16_t& a = availability_[p];
    assert(a > 0);
    if (order_.contains(p)) order_.lower(p, a);
    --a;
  }
}

// --- the account of D4 ---

PiecePicker::Reserve PiecePicker::reserve() const {
  if (spilling_ || wholly_asked_ > 0) return {};
  Reserve least;
  for (const std::uint32_t slot : with_free_)
    if (least.slot == kNoReserve || open_[slot].free < least.blocks) least = {slot, open_[slot].free};
  return least;
}

/// Blocks of the open piece `slot`, or of a new one (kNoSlot), which has `free` of them, that may be committed now.
std::uint32_t PiecePicker::allowance(const Reserve& r, std::uint32_t slot, std::uint32_t free) const {
  const std::uint32_t left = limit_ > committed_ ? limit_ - committed_ : 0;
  if (spilling_) return std::min(left, free);
  // Nothing is under way to make room: the piece nearest to its end must be allowed to get there.
  const bool waiting = storing_ > 0 || wholly_asked_ > 0;
  if (slot != kNoSlot && slot == r.slot) return left >= r.blocks || !waiting ? free : 0;
  if (slot == kNoSlot && r.slot == kNoReserve && wholly_asked_ == 0) return left >= free || !waiting ? free : 0;
  return left > r.blocks ? std::min(left - r.blocks, free) : 0;
}

void PiecePicker::set_distant(std::uint64_t bytes) {
  limit_ =
      base_limit_ + std::min(blocks_in(bytes), blocks_in(kOpenLimit - std::min(kOpenLimit, config_.unstored_limit)));
}

// --- open pieces ---

std::uint32_t PiecePicker::open(std::uint32_t piece) {
  assert(slot_of_[piece] == kNoSlot && missing_.test(wire::PieceIndex{piece}));
  if (order_.contains(piece)) order_.erase(piece, availability_[piece]);
  std::uint32_t slot;
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(open_.size());
    open_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  Open& o = open_[slot];
  o.piece = piece;
  o.blocks = o.free = geometry_.block_count(wire::PieceIndex{piece});
  o.received = o.first_free = 0;
  o.used = true;
  o.exclusive = false;
  o.owner = kNobody;
  o.state.assign(o.blocks, 0);
  o.first_asker.assign(o.blocks, kNobody);
  slot_of_[piece] = slot;
  open_order_.push_back(slot);
  with_free_.push_back(slot);
  committed_ += phantom(o);
  return slot;
}

void PiecePicker::close(std::uint32_t slot) {
  Open& o = open_[slot];
  // What a spilling piece had in memory was taken off the account block by block.
  if (!spilling_)
    committed_ -= o.blocks - o.free + phantom(o);
  else
    committed_ -= o.blocks - o.free - o.received;
  if (o.storing())
    --storing_;
  else if (o.free == 0)
    --wholly_asked_;
  std::erase(open_order_, slot);
  std::erase(with_free_, slot);
  slot_of_[o.piece] = kNoSlot;
  o.used = false;
  free_slots_.push_back(slot);
}

/// `blocks` of them were free and are not any more.
void PiecePicker::take_from_free(std::uint32_t slot, std::uint32_t blocks) {
  Open& o = open_[slot];
  o.free -= blocks;
  if (o.free > 0) return;
  std::erase(with_free_, slot);
  ++wholly_asked_;
}

void PiecePicker::free_block(std::uint32_t slot, std::uint32_t block) {
  Open& o = open_[slot];
  o.state[block] = 0;
  o.first_asker[block] = kNobody;
  o.first_free = std::min(o.first_free, block);
  --committed_;
  if (++o.free > 1) return;
  --wholly_asked_;
  // Back among the partial ones at its age.
  auto at = with_free_.begin();
  for (const std::uint32_t s : open_order_) {
    if (s == slot) break;
    if (at != with_free_.end() && *at == s) ++at;
  }
  with_free_.insert(at, slot);
}

bool PiecePicker::admits(const Open& o, const Asker& asker) const {
  return asker.pieces->test(wire::PieceIndex{o.piece}) && (!o.exclusive || o.owner == kNobody || o.owner == asker.id);
}

/// Nobody has it and nothing of it is under way.
bool PiecePicker::dead(const Open& o) const {
  return !o.storing() && o.free + o.received == o.blocks && availability(wire::PieceIndex{o.piece}) == 0;
}

/// Open pieces, as far as they count against max_open_. A dead long piece waits in the scratch file and takes no
/// memory: it must not keep pieces that can be had from being opened.
std::size_t PiecePicker::in_the_way() const {
  if (!spilling_ || open_order_.size() < max_open_) return open_order_.size();
  const auto aside =
      std::count_if(open_order_.begin(), open_order_.end(), [&](std::uint32_t slot) { return dead(open_[slot]); });
  return open_order_.size() - std::min(static_cast<std::size_t>(aside), kMaxAside);
}

void PiecePicker::take_free(std::uint32_t slot, const Asker& asker, std::uint32_t n, std::vector<wire::BlockRef>& out) {
  Open& o = open_[slot];
  if (o.exclusive) o.owner = asker.id;
  std::uint32_t taken = 0;
  std::uint32_t b = o.first_free;
  for (; taken < n; ++b) {
    if (o.state[b] != 0) continue;
    o.state[b] = 1;
    o.first_asker[b] = asker.id;
    out.push_back({wire::PieceIndex{o.piece}, b});
    ++taken;
  }
  o.first_free = b;
  committed_ += taken;
  take_from_free(slot, taken);
}

// --- asking ---

std::size_t PiecePicker::pick(const Asker& asker, std::size_t n, std::vector<wire::BlockRef>& out) {
  if (!begun_ || asker.pieces->size() != have_.size()) return 0;
  std::size_t got = 0;
  bool blocked = false;
  Reserve r = reserve();
  for (std::size_t i = 0; i < with_free_.size() && got < n;) {
    const std::uint32_t slot = with_free_[i];
    const Open& o = open_[slot];
    if (!admits(o, asker)) {
      ++i;
      continue;
    }
    const std::uint32_t k = allowance(r, slot, static_cast<std::uint32_t>(std::min<std::size_t>(o.free, n - got)));
    if (k == 0) {
      blocked = true;
      ++i;
      continue;
    }
    const std::size_t before = with_free_.size();
    take_free(slot, asker, k, out);
    got += k;
    r = reserve();
    if (with_free_.size() == before) ++i;
  }

  while (got < n && asker.may_open && *asker.nothing_new != news_ && in_the_way() < max_open_) {
    if (allowance(r, kNoSlot, piece_blocks_) == 0) {
      blocked = true;
      break;
    }
    const auto piece = choose_new(asker);
    if (!piece) {
      *asker.nothing_new = news_;
      break;
    }
    const std::uint32_t slot = open(*piece);
    const std::uint32_t free = open_[slot].free;
    r = reserve();
    const std::uint32_t k = allowance(r, slot, static_cast<std::uint32_t>(std::min<std::size_t>(free, n - got)));
    if (k == 0) {  // a short last piece counts as a whole one, and that was too much
      close(slot);
      order_.insert(*piece, availability_[*piece]);
      blocked = true;
      break;
    }
    take_free(slot, asker, k, out);
    got += k;
    r = reserve();
  }
  if (got < n && asker.may_open && in_the_way() >= max_open_) blocked = true;

  blocked_ = blocked && got == 0;
  if (got == 0 && asker.duplicates > 0) got += pick_duplicates(asker, std::min(n, asker.duplicates), out);
  return got;
}

/// Late blocks may be asked twice at any time; others when there is nothing else to do, and only if this peer is likely
/// to bring them sooner.
std::size_t PiecePicker::pick_duplicates(const Asker& asker, std::size_t n, std::vector<wire::BlockRef>& out) {
  const bool idle = blocked_ || end_game();
  std::size_t got = 0, judged = 0;
  for (const std::uint32_t slot : open_order_) {
    Open& o = open_[slot];
    if (o.storing() || o.free + o.received == o.blocks || !admits(o, asker)) continue;
    for (std::uint32_t b = 0; b < o.blocks; ++b) {
      std::uint8_t& s = o.state[b];
      const std::uint32_t askers = s & kCount;
      if ((s & kReceived) != 0 || askers == 0) continue;
      const bool late = (s & kLate) != 0;
      if ((!late && !idle) || askers >= kMaxAskers + (late ? 1 : 0)) continue;
      if (++judged > kMaxJudged) return got;
      const wire::BlockRef ref{wire::PieceIndex{o.piece}, b};
      if (asker.worth == nullptr || !(*asker.worth)(ref, o.first_asker[b])) continue;
      ++s;
      out.push_back(ref);
      if (++got == n) return got;
    }
  }
  return got;
}

std::optional<std::uint32_t> PiecePicker::choose_new(const Asker& asker) {
  if (order_.empty()) return std::nullopt;
  if (config_.sequential) return choose_first(asker);
  return have_.count() < kRandomFirst ? choose_random(asker) : choose_rarest(asker);
}

std::optional<std::uint32_t> PiecePicker::choose_first(const Asker& asker) {
  while (first_missing_ < missing_.size() && !missing_.test(wire::PieceIndex{first_missing_})) ++first_missing_;
  for (std::uint32_t p = first_missing_; p < missing_.size(); ++p)
    if (order_.contains(p) && asker.pieces->test(wire::PieceIndex{p})) return p;
  return std::nullopt;
}

std::optional<std::uint32_t> PiecePicker::choose_random(const Asker& asker) {
  const auto start = static_cast<std::uint32_t>(rng_.below(order_.size()));
  for (std::uint32_t i = 0; i < order_.size(); ++i) {
    const std::uint32_t p = order_.at((start + i) % order_.size());
    if (asker.pieces->test(wire::PieceIndex{p})) return p;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> PiecePicker::choose_rarest(const Asker& asker) {
  // Whoever is no seed has nothing of the lowest bucket, which only seeds have.
  for (std::uint32_t a = asker.seed || asker.pieces->all() ? 0 : 1; a < order_.buckets(); ++a) {
    const std::uint32_t begin = order_.bucket_begin(a), n = order_.bucket_end(a) - begin;
    if (n == 0) continue;
    const auto start = static_cast<std::uint32_t>(rng_.below(n));
    for (std::uint32_t i = 0; i < n; ++i) {
      const std::uint32_t p = order_.at(begin + (start + i) % n);
      if (asker.pieces->test(wire::PieceIndex{p})) return p;
    }
  }
  return std::nullopt;
}

void PiecePicker::release(wire::BlockRef ref, std::uint32_t asker) {
  const std::uint32_t slot = slot_of_[ref.piece.value()];
  if (slot == kNoSlot) return;
  Open& o = open_[slot];
  std::uint8_t& s = o.state[ref.block];
  if ((s & kReceived) != 0 || (s & kCount) == 0) return;
  if (o.first_asker[ref.block] == asker) o.first_asker[ref.block] = kNobody;
  // An owner that does not deliver must not keep the piece from the others.
  if (o.owner == asker) {
    o.exclusive = false;
    o.owner = kNobody;
  }
  --s;
  if ((s & kCount) == 0) free_block(slot, ref.block);
}

void PiecePicker::mark_late(wire::BlockRef ref) {
  const std::uint32_t slot = slot_of_[ref.piece.value()];
  if (slot == kNoSlot) return;
  std::uint8_t& s = open_[slot].state[ref.block];
  if ((s & kReceived) == 0 && (s & kCount) != 0) s |= kLate;
}

PiecePicker::Arrival PiecePicker::arrived(wire::BlockRef ref, std::uint32_t asker) {
  const std::uint32_t slot = slot_of_[ref.piece.value()];
  if (slot == kNoSlot) return {};
  Open& o = open_[slot];
  std::uint8_t& s = o.state[ref.block];
  if ((s & kReceived) != 0) return {};
  Arrival arrival{.fresh = true};
  const std::uint32_t askers = s & kCount;
  if (askers == 0) {  // asked for, given up, and here after all
    ++committed_;
    take_from_free(slot, 1);
  }
  arrival.others_asked = askers > 1 || (askers == 1 && o.first_asker[ref.block] != asker);
  s = kReceived;
  ++o.received;
  if (o.storing()) {
    --wholly_asked_;
    ++storing_;
    arrival.complete = true;
  }
  return arrival;
}

bool PiecePicker::resumed(wire::BlockRef ref) {
  if (!missing_.test(ref.piece)) return false;
  std::uint32_t slot = slot_of_[ref.piece.value()];
  if (slot == kNoSlot) slot = open(ref.piece.value());
  const bool complete = arrived(ref, kNobody).complete;
  spilled(1);
  return complete;
}

void PiecePicker::spilled(std::uint32_t blocks) {
  assert(committed_ >= blocks);
  if (spilling_) committed_ -= blocks;
}

void PiecePicker::corrupt(wire::PieceIndex piece, bool exclusive) {
  const std::uint32_t slot = slot_of_[piece.value()];
  if (slot == kNoSlot) return;
  Open& o = open_[slot];
  assert(o.storing());
  --storing_;
  o.received = 0;
  o.free = o.blocks;
  o.first_free = 0;
  std::fill(o.state.begin(), o.state.end(), std::uint8_t{0});
  std::fill(o.first_asker.begin(), o.first_asker.end(), kNobody);
  if (!spilling_) committed_ -= o.blocks;
  o.exclusive = exclusive;
  o.owner = kNobody;
  with_free_.push_back(slot);
  std::erase(open_order_, slot);
  open_order_.push_back(slot);
}

void PiecePicker::forget(std::uint32_t asker) {
  for (const std::uint32_t slot : open_order_)
    if (open_[slot].owner == asker) open_[slot].owner = kNobody;
}

std::optional<wire::PieceIndex> PiecePicker::hopeless() const {
  if (!blocked_ || (spilling_ && in_the_way() < max_open_)) return std::nullopt;
  for (const std::uint32_t slot : open_order_)
    if (dead(open_[slot])) return wire::PieceIndex{open_[slot].piece};
  return std::nullopt;
}

void PiecePicker::abandon(wire::PieceIndex piece) {
  const std::uint32_t slot = slot_of_[piece.value()];
  if (slot == kNoSlot) return;
  assert(!open_[slot].storing());
  close(slot);
  order_.insert(piece.value(), availability_[piece.value()]);
  ++news_;
}

void PiecePicker::check_invariants() const {
#ifndef NDEBUG
  std::uint32_t committed = 0, storing = 0, wholly_asked = 0, with_free = 0;
  for (const std::uint32_t slot : open_order_) {
    const Open& o = open_[slot];
    assert(o.used && slot_of_[o.piece] == slot && missing_.test(wire::PieceIndex{o.piece}));
    assert(!order_.contains(o.piece));
    std::uint32_t free = 0, received = 0;
    for (std::uint32_t b = 0; b < o.blocks; ++b) {
      if ((o.state[b] & kReceived) != 0)
        ++received;
      else if ((o.state[b] & kCount) == 0)
        ++free;
      assert(o.state[b] != 0 || b >= o.first_free);
    }
    assert(free == o.free && received == o.received);
    committed += o.blocks - o.free + phantom(o);
    storing += o.storing();
    wholly_asked += !o.storing() && o.free == 0;
    with_free += o.free > 0;
  }
  assert(storing == storing_ && wholly_asked == wholly_asked_ && with_free == with_free_.size());
  assert(spilling_ ? committed_ <= committed : committed_ == committed);
  for (std::uint32_t p = 0; p < geometry_.piece_count(); ++p) {
    const wire::PieceIndex piece{p};
    assert(!(have_.test(piece) && missing_.test(piece)));
    assert(!begun_ || missing_.test(piece) == (order_.contains(p) || slot_of_[p] != kNoSlot));
    if (!order_.contains(p)) continue;
    const std::uint32_t a = availability_[p];
    bool found = false;
    for (std::uint32_t i = order_.bucket_begin(a); i < order_.bucket_end(a) && !found; ++i) found = order_.at(i) == p;
    assert(found);
  }
#endif
}

}  // namespace lodestone::magnet
