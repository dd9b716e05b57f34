// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/serving.hpp"

#include <algorithm>

namespace lodestone::magnet {
namespace {

/// Names the peer in a Read job and back.
std::uint64_t cookie_of(LinkKey link) { return std::uint64_t{link.generation} << 32 | link.slot; }
LinkKey link_of(std::uint64_t cookie) {
  return LinkKey{static_cast<std::uint32_t>(cookie), static_cast<std::uint32_t>(cookie >> 32)};
}

void reject(const Peer& peer, const wire::BlockRange& range, Actions& out) {
  if (peer.fast) out.push_back(action::Send{peer.link, wire::peer_message::Reject{range}});
}

}  // namespace

void Serving::on_request(wire::Instant now, Peer& peer, const wire::BlockRange& range, const wire::Bitfield& have,
                         Actions& out) {
  const bool ours = range.piece.value() < have.size() && have.test(range.piece);
  const bool allowed = ours && range.length <= wire::kBlockSize && (!peer.we_choke || peer.fast_grant.use(range));
  if (!allowed || !peer.uploads.push(range, request_queue_)) return reject(peer, range, out);
  wants_pump_ = !pump(now, peer, out) || wants_pump_;
}

void Serving::on_cancel(Peer& peer, const wire::BlockRange& range, Actions& out) {
  if (peer.uploads.cancel(range) == UploadQueue::Cancel::dropped) reject(peer, range, out);
}

void Serving::on_choked(Peer& peer, Actions& out) {
  for (const wire::BlockRange& range :
       peer.uploads.drop_waiting([&](wire::PieceIndex p) { return peer.fast_grant.covers(p); }))
    reject(peer, range, out);
}

/// False: it waits for something that is shared, so that somebody else's progress may be its own.
bool Serving::pump(wire::Instant now, Peer& peer, Actions& out) {
  if (pool_ == nullptr || peer.closing) return true;
  const auto wanted = static_cast<std::uint64_t>(peer.up.per_second(now) / 2);
  const std::uint64_t depth = std::clamp(wanted, kLeastUnderWay, kMostUnderWay);
  while (const wire::BlockRange* next = peer.uploads.front()) {
    if (peer.uploads.under_way() + next->length > depth) return true;
    // A quarter of the pool is left to what comes in.
    if (reading_ + next->length > kReading || pool_->available() <= pool_->capacity() / 4) return false;
    wire::Block block = pool_->take(next->length);
    if (!block) return false;
    const auto range = peer.uploads.start_read();
    reading_ += range->length;
    out.push_back(action::Disk{storage::job::Read{*range, std::move(block), cookie_of(peer.link)}});
  }
  return true;
}

void Serving::pump(wire::Instant now, PeerTable& peers, Actions& out) {
  wants_pump_ = false;
  const std::size_t n = peers.size();
  if (n == 0) return;
  // Somebody else first each time: with little memory the first would take it all.
  turn_ = (turn_ + 1) % n;
  for (std::size_t i = 0; i < n; ++i) {
    Peer& peer = *peers.begin()[static_cast<std::ptrdiff_t>((turn_ + i) % n)];
    if (!pump(now, peer, out)) {
      wants_pump_ = true;
      return;
    }
  }
}

void Serving::on_read(wire::Instant now, PeerTable& peers, storage::result::BlockRead&& read, Actions& out) {
  reading_ -= std::min<std::uint64_t>(reading_, read.range.length);
  if (Peer* peer = peers.find(link_of(read.cookie)); peer != nullptr && !peer->closing) {
    switch (peer->uploads.finish_read(read.range)) {
      case UploadQueue::Read::unknown: break;
      case UploadQueue::Read::cancelled: reject(*peer, read.range, out); break;
      case UploadQueue::Read::wanted:
        // Without Fast our choke has called the request off; with Fast it still waits for its answer.
        if (read.trouble || (peer->we_choke && !peer->fast)) {
          peer->uploads.unissue(read.range.length);
          reject(*peer, read.range, out);
        } else {
          out.push_back(action::SendPiece{peer->link, read.range, std::move(read.block)});
        }
        break;
    }
    wants_pump_ = !pump(now, *peer, out) || wants_pump_;
  }
  if (wants_pump_) pump(now, peers, out);
}

void Serving::on_sent(wire::Instant now, Peer& peer, std::uint64_t bytes) {
  peer.up.add(now, bytes);
  peer.uploads.sent(bytes);
  peer.moved_at = now;
  if (peer.uploads.waiting() > 0) wants_pump_ = true;
}

}  // namespace lodestone::magnet
