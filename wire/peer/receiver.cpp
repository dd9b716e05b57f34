// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/receiver.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace lodestone::wire {
namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kHeadBytes = 5;
/// More than this is not kept for the next frame.
constexpr std::size_t kKeepInbox = 4096;
/// Room that a frame is given before its bytes have come: a claim alone costs the peer nothing.
constexpr std::size_t kFirstInbox = 4096;

}  // namespace

// --- where bytes land ---

std::size_t Receiver::prepare(BlockPool& pool, bool expecting, std::span<MutableBytes> buffers) {
  assert(!buffers.empty());
  const std::size_t most = std::min(buffers.size(), kMaxPlanned);
  release_plan();
  pool_ = &pool;

  if (stage_ == Stage::waiting) {
    if (backlog_.size() < kSpill) plan_spill(kSpill - backlog_.size());
  } else if (stage_ == Stage::block_wait && !backlog_.empty()) {
    // The backlog must be cut before anything else; receive() does that, so there must be something to receive. Each
    // such read adds less to the backlog than cutting it takes away.
    if (pool.available() > 0) plan_spill(kPieceHeader);
  } else if (stage_ != Stage::block_wait || start_block()) {
    if (stage_ == Stage::payload) {
      plan(Place::payload, 0, block_.bytes().subspan(filled_));
      plan_ahead(most - 1);
    } else if (stage_ == Stage::length && have_ == 0 && after_piece_) {
      plan_ahead(most);
    }
    // With a block under way and none left, what follows would have no place to go.
    const bool dry = pool.available() == 0 && (expecting || planned_count_ > 0);
    if (ahead_count_ == 0 && !dry) {
      if (stage_ == Stage::body && planned_count_ + 1 < most) plan_inbox();
      if (planned_count_ < most) plan_spill(kSpill);
    }
  }
  for (std::size_t i = 0; i < planned_count_; ++i) buffers[i] = planned_[i].bytes;
  return planned_count_;
}

/// [header][block] pairs, for as many blocks as the last read makes likely and the pool can spare.
void Receiver::plan_ahead(std::size_t buffers) {
  const std::size_t likely = std::min(kMaxAhead, 1 + 2 * (last_read_ / kBlockSize));
  const std::size_t n = std::min({likely, pool_->available() / kReserve, buffers / 2});
  for (std::size_t i = 0; i < n; ++i) {
    ahead_[i] = pool_->take();
    plan(Place::head, i, headers_[i]);
    plan(Place::ahead, i, ahead_[i].buffer());
  }
  ahead_count_ = n;
}

void Receiver::plan_spill(std::size_t room) {
  if (spill_ == nullptr) spill_ = std::make_unique_for_overwrite<std::uint8_t[]>(kSpill);
  plan(Place::spill, 0, {spill_.get(), room});
}

/// The rest of a long frame. Its length is within the limits, but the room grows only as bytes come.
void Receiver::plan_inbox() {
  const std::size_t room = std::min(need_, std::max(kFirstInbox, 2 * have_));
  if (inbox_.size() < room) inbox_.resize(room);
  // Only up to the room's end: the spill behind it must be what follows in the stream.
  plan(Place::inbox, 0, MutableBytes{inbox_}.subspan(have_, room - have_));
}

void Receiver::release_plan() {
  // Backwards: the pool then gives them out again in the order in which they were, hot ones first.
  while (ahead_count_ > 0) ahead_[--ahead_count_] = Block{};
  planned_count_ = 0;
}

void Receiver::clear() {
  release_plan();
  block_ = Block{};
  inbox_ = ByteVector{};
  backlog_ = ByteVector{};
  spill_.reset();
}

// --- what landed ---

std::expected<void, PeerError> Receiver::receive(std::size_t n, FrameSink& sink) {
  std::expected<void, PeerError> result;
  if (stage_ == Stage::block_wait || !backlog_.empty()) result = resume(sink);
  if (n > 0) last_read_ = n;
  for (std::size_t i = 0; i < planned_count_ && n > 0 && result; ++i) {
    const Planned& planned = planned_[i];
    const std::size_t here = std::min(n, planned.bytes.size());
    n -= here;
    result = take_planned(planned, planned.bytes.first(here), sink);
  }
  assert(n == 0 || !result);
  release_plan();
  return result;
}

std::expected<void, PeerError> Receiver::take_planned(const Planned& planned, Bytes bytes, FrameSink& sink) {
  switch (planned.place) {
    case Place::payload: payload_came(bytes.size(), sink); return {};
    case Place::inbox: have_ += bytes.size(); return take({}, sink);
    case Place::head: {
      // As foretold, a header from its first to its last byte: its payload has landed in the block behind it. (A header
      // that only ends here would have payload here, too, which must not be copied over what landed behind.)
      if (stage_ == Stage::length && have_ == 0 && bytes.size() == kPieceHeader) offered_ = &ahead_[planned.index];
      auto result = take(bytes, sink);
      offered_ = nullptr;
      return result;
    }
    case Place::ahead: {
      const bool in_place = stage_ == Stage::payload && filled_ == 0 && block_.bytes().data() == bytes.data();
      if (!in_place) return take(bytes, sink);
      const std::size_t n = std::min<std::size_t>(bytes.size(), length_);
      payload_came(n, sink);
      // A short block: what follows it has landed in the same memory, which its new owner still holds for us here.
      return n < bytes.size() ? take(bytes.subspan(n), sink) : std::expected<void, PeerError>{};
    }
    case Place::spill: return take(bytes, sink);
  }
  return {};
}

std::expected<void, PeerError> Receiver::resume(FrameSink& sink) {
  if (stage_ == Stage::waiting) stage_ = Stage::opening;
  const auto n = consume(backlog_, sink);
  if (!n) return std::unexpected(n.error());
  backlog_.erase(backlog_.begin(), backlog_.begin() + static_cast<std::ptrdiff_t>(*n));
  if (backlog_.empty()) backlog_ = ByteVector{};
  return {};
}

std::expected<void, PeerError> Receiver::take(Bytes bytes, FrameSink& sink) {
  std::size_t consumed = 0;
  if (backlog_.empty()) {
    const auto n = consume(bytes, sink);
    if (!n) return std::unexpected(n.error());
    consumed = *n;
  }
  backlog_.insert(backlog_.end(), bytes.begin() + static_cast<std::ptrdiff_t>(consumed), bytes.end());
  return {};
}

// --- cutting ---

/// Cuts as far as it can; returns the bytes used up. They are fewer than given only if something has to be waited for.
std::expected<std::size_t, PeerError> Receiver::consume(Bytes bytes, FrameSink& sink) {
  Bytes rest = bytes;
  while (true) {
    const auto moved = step(rest, sink);
    if (!moved) return std::unexpected(moved.error());
    if (!*moved) return bytes.size() - rest.size();
  }
}

/// One step of the machine; false when it needs more bytes, a block, or resume().
std::expected<bool, PeerError> Receiver::step(Bytes& bytes, FrameSink& sink) {
  switch (stage_) {
    case Stage::opening: return open(bytes, sink);
    case Stage::waiting: return false;
    case Stage::block_wait: return start_block();
    case Stage::payload: {
      const std::size_t n = std::min<std::size_t>(bytes.size(), length_ - filled_);
      if (n == 0) return false;
      std::memcpy(block_.bytes().data() + filled_, bytes.data(), n);
      bytes = bytes.subspan(n);
      payload_came(n, sink);
      return true;
    }
    case Stage::waste: {
      const std::size_t n = std::min<std::size_t>(bytes.size(), skip_);
      if (n == 0) return false;
      bytes = bytes.subspan(n);
      waste_came(n, sink);
      return true;
    }
    case Stage::length:
    case Stage::id:
    case Stage::body:
    case Stage::piece_head: {
      gather_bytes(bytes);
      if (have_ < need_) return false;
      if (auto ok = gathered(sink); !ok) return std::unexpected(ok.error());
      return true;
    }
  }
  return false;
}

std::expected<bool, PeerError> Receiver::open(Bytes& bytes, FrameSink& sink) {
  const std::size_t before = have_;
  gather_bytes(bytes);
  if (have_ == 0) return false;
  const auto verdict = sink.on_opening({inbox_.data(), have_});
  if (!verdict) return std::unexpected(verdict.error());
  switch (*verdict) {
    case FrameSink::Opening::more: return have_ > before && !bytes.empty();
    case FrameSink::Opening::pause: stage_ = Stage::waiting; return false;
    case FrameSink::Opening::complete: break;
  }
  assert(have_ == Handshake::kSize);
  next_frame();
  return true;
}

/// Moves bytes into the inbox until the current stage has what it needs.
void Receiver::gather_bytes(Bytes& bytes) {
  const std::size_t n = std::min(bytes.size(), need_ - have_);
  if (n == 0) return;
  if (inbox_.size() < have_ + n) inbox_.resize(have_ + n);
  std::memcpy(inbox_.data() + have_, bytes.data(), n);
  have_ += n;
  bytes = bytes.subspan(n);
}

/// The inbox has all that its stage was waiting for.
std::expected<void, PeerError> Receiver::gathered(FrameSink& sink) {
  switch (stage_) {
    case Stage::length:
      if (load_be32(inbox_.data()) == 0) {
        have_ = 0;  // a keep-alive
      } else {
        stage_ = Stage::id;
        need_ = kHeadBytes;
      }
      return {};
    case Stage::id: return frame_begins(sink);
    case Stage::piece_head: return piece_begins(sink);
    default: break;
  }
  assert(stage_ == Stage::body);
  auto result = sink.on_message(inbox_[4], Bytes{inbox_}.subspan(kHeadBytes, need_ - kHeadBytes));
  after_piece_ = false;
  next_frame();
  return result;
}

std::expected<void, PeerError> Receiver::frame_begins(FrameSink& sink) {
  const std::uint32_t length = load_be32(inbox_.data());
  const auto frame = sink.on_frame(inbox_[4], length);
  if (!frame) return std::unexpected(frame.error());
  switch (*frame) {
    case FrameSink::Frame::keep:
      stage_ = Stage::body;
      need_ = kLengthBytes + length;
      break;
    case FrameSink::Frame::piece:
      stage_ = Stage::piece_head;
      need_ = kPieceHeader;
      break;
    case FrameSink::Frame::skip:
      after_piece_ = false;
      next_frame();
      if (length > 1) {
        stage_ = Stage::waste;
        skip_ = length - 1;
      }
      break;
  }
  return {};
}

std::expected<void, PeerError> Receiver::piece_begins(FrameSink& sink) {
  length_ = load_be32(inbox_.data()) - 9;
  const auto ref = sink.on_piece(load_be32(inbox_.data() + 5), load_be32(inbox_.data() + 9), length_);
  if (!ref) return std::unexpected(ref.error());
  after_piece_ = true;
  if (*ref) {
    ref_ = **ref;
    stage_ = Stage::block_wait;
    start_block();
  } else {
    next_frame();
    stage_ = Stage::waste;
    skip_ = waste_ = length_;
  }
  return {};
}

/// From block_wait to payload, if there is a block.
bool Receiver::start_block() {
  Block block = offered_ != nullptr ? std::move(*offered_) : pool_->take();
  offered_ = nullptr;
  if (!block) return false;
  block.resize(length_);
  block_ = std::move(block);
  filled_ = 0;
  next_frame();
  stage_ = Stage::payload;
  return true;
}

void Receiver::payload_came(std::size_t n, FrameSink& sink) {
  filled_ += static_cast<std::uint32_t>(n);
  if (filled_ < length_) return;
  stage_ = Stage::length;
  sink.on_block(ref_, std::move(block_));
}

void Receiver::waste_came(std::size_t n, FrameSink& sink) {
  skip_ -= static_cast<std::uint32_t>(n);
  if (skip_ > 0) return;
  stage_ = Stage::length;
  if (waste_ > 0) sink.on_waste(std::exchange(waste_, 0));
}

void Receiver::next_frame() {
  stage_ = Stage::length;
  need_ = kLengthBytes;
  have_ = 0;
  if (inbox_.capacity() > kKeepInbox) inbox_ = ByteVector{};
}

}  // namespace lodestone::wire
