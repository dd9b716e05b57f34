// SPDX-License-Identifier: Apache-2.0
// What the swarm room costs by itself: 1 GiB through one peer, and through forty, without sockets, wire or disk. The
// remote answers every request at once, the disk is a queue of four pieces. Prints CPU time per GiB and allocations per
// block.
#include <cstdint>
#include <cstdio>
#include <deque>
#include <vector>

#include <benchmark/benchmark.h>

#include "magnet/create.hpp"
#include "magnet/swarm/torrent.hpp"
#include "tests/support/counted_allocations.hpp"

namespace {

using lodestone::test::allocations;
using namespace lodestone;
using namespace std::chrono_literals;

constexpr std::uint64_t kTotal = 1ull << 30;

std::shared_ptr<const magnet::Info> info_of(std::uint32_t piece_length) {
  magnet::CreateSpec spec;
  spec.name = "bench";
  spec.single_file = true;
  spec.files.push_back({{"bench"}, kTotal, false});
  spec.piece_length = piece_length;
  spec.pieces.resize(kTotal / piece_length);
  return std::make_shared<const magnet::Info>(magnet::parse_torrent(*magnet::encode_torrent(spec))->info);
}

/// The driver of a torrent whose peers and disk are perfect.
class Loop {
 public:
  Loop(std::shared_ptr<const magnet::Info> info, std::uint32_t peers, double rate)
      : info_(std::move(info)),
        torrent_(now_, config(), wire::Rng::from_number(1)),
        step_(wire::from_seconds(wire::kBlockSize / rate)) {
    torrent_.set_block_pool(&pool_);
    torrent_.start(now_, info_, {}, {}, {}, false, actions_);
    carry_out();
    for (std::uint32_t i = 0; i < peers; ++i) {
      const magnet::LinkKey key{i, 1};
      torrent_.on_link(now_, key, {wire::Address::v4(0x05000000u + i * 256), 6881}, true, actions_);
      wire::PeerId id;
      id.bytes()[0] = static_cast<std::uint8_t>(i + 1);
      torrent_.on_peer(now_, key, wire::peer_event::Ready{id, false, true, true}, actions_);
      wire::ExtensionHandshake e;
      e.request_queue = 500;
      torrent_.on_peer(now_, key, wire::peer_event::Extensions{e}, actions_);
      torrent_.on_peer(now_, key, wire::peer_event::HasPieces{wire::Bitfield(geometry().piece_count(), true)},
                       actions_);
      torrent_.on_peer(now_, key, wire::peer_event::Unchoke{}, actions_);
    }
    carry_out();
  }

  std::uint64_t run() {
    std::uint64_t blocks = 0;
    while (!finished_ && !(asked_.empty() && disk_.empty())) {
      if (!asked_.empty()) {
        const auto [key, ref] = asked_.front();
        asked_.pop_front();
        now_ += step_;
        wire::Block block = pool_.take(geometry().block_length(ref));
        torrent_.on_peer(now_, key, wire::peer_event::BlockData{ref, std::move(block)}, actions_);
        ++blocks;
        carry_out();
      }
      if (!disk_.empty() && (asked_.empty() || disk_.size() > 1)) {
        torrent_.on_storage(now_, std::move(disk_.front()), actions_);
        disk_.pop_front();
        carry_out();
      }
      if (torrent_.next_deadline() <= now_) {
        torrent_.advance(now_, actions_);
        carry_out();
      }
    }
    return finished_ ? blocks : 0;
  }

 private:
  [[nodiscard]] static magnet::TorrentConfig config() {
    magnet::TorrentConfig c;
    c.policy = wire::AddressPolicy::everything();
    return c;
  }
  [[nodiscard]] const wire::Geometry& geometry() const { return info_->manifest->layout.geometry(); }

  void carry_out() {
    for (std::size_t i = 0; i < actions_.size(); ++i) {
      if (auto* send = std::get_if<magnet::action::Send>(&actions_[i])) {
        if (const auto* r = std::get_if<wire::peer_message::Request>(&send->message))
          asked_.push_back({send->link, *geometry().block(r->range.piece.value(), r->range.begin, r->range.length)});
      } else if (auto* disk = std::get_if<magnet::action::Disk>(&actions_[i])) {
        if (auto* store = std::get_if<storage::job::StorePiece>(&disk->job)) {
          disk_.push_back(storage::result::PieceStored{store->piece, std::move(store->blocks), {}});
        } else if (std::holds_alternative<storage::job::Sync>(disk->job)) {
          disk_.push_back(storage::result::Synced{});
        } else if (std::holds_alternative<storage::job::Open>(disk->job)) {
          storage::result::Opened opened;
          opened.have = opened.check = wire::Bitfield(geometry().piece_count());
          torrent_.on_storage(now_, std::move(opened), late_);
        }
      } else if (std::holds_alternative<magnet::action::Finished>(actions_[i])) {
        finished_ = true;
      }
    }
    actions_.clear();
    if (late_.empty()) return;
    actions_.swap(late_);
    carry_out();
  }

  std::shared_ptr<const magnet::Info> info_;
  wire::Instant now_{1h};
  wire::BlockPool pool_{64u << 20};
  magnet::Torrent torrent_;
  magnet::Actions actions_, late_;
  struct Asked {
    magnet::LinkKey key;
    wire::BlockRef ref;
  };
  std::deque<Asked> asked_;
  std::deque<storage::Result> disk_;
  wire::Duration step_;
  bool finished_ = false;
};

void download(benchmark::State& state) {
  const auto info = info_of(static_cast<std::uint32_t>(state.range(1)) << 10);
  std::uint64_t blocks = 0, allocated = 0;
  for (auto _ : state) {
    Loop loop(info, static_cast<std::uint32_t>(state.range(0)), 350.0 * (1 << 20));
    const std::uint64_t before = allocations;
    const std::uint64_t n = loop.run();
    allocated += allocations - before;
    if (n == 0) state.SkipWithError("stuck");
    blocks += n;
  }
  state.counters["seconds_per_block"] =
      benchmark::Counter(static_cast<double>(blocks), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["allocations_per_block"] = static_cast<double>(allocated) / static_cast<double>(blocks);
}
BENCHMARK(download)
    ->ArgNames({"peers", "piece_KiB"})
    ->Args({1, 2048})
    ->Args({1, 256})
    ->Args({40, 2048})
    ->Args({40, 64})
    ->Unit(benchmark::kMillisecond);

}  // namespace
