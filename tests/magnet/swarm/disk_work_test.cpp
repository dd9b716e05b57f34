// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/disk_work.hpp"

#include <catch2/catch.hpp>

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
constexpr wire::Instant kStart{1h};

storage::Job store(std::uint32_t piece) { return storage::job::StorePiece{wire::PieceIndex{piece}, {}}; }

storage::Trouble full() {
  storage::Trouble t;
  t.kind = storage::Trouble::Kind::disk_full;
  return t;
}

template <class J>
std::size_t count(const Actions& out) {
  return static_cast<std::size_t>(std::count_if(out.begin(), out.end(), [](const Action& a) {
    const auto* d = std::get_if<action::Disk>(&a);
    return d != nullptr && std::holds_alternative<J>(d->job);
  }));
}

TEST_CASE("D3 a sync two seconds after the first unsynced piece, one at a time") {
  DiskWork w;
  Actions out;
  CHECK(w.next_deadline() == wire::kNever);
  w.worked(kStart, 1'000, out);
  w.worked(kStart + 1s, 1'000, out);
  CHECK(w.next_deadline() == kStart + 2s);
  w.advance(kStart + 1'999ms, out);
  CHECK(out.empty());
  w.advance(kStart + 2s, out);
  CHECK(count<storage::job::Sync>(out) == 1);
  CHECK(w.next_deadline() == wire::kNever);
  // Pieces that come while it runs are due two seconds after the first of them, but not before it is back.
  w.worked(kStart + 3s, 1'000, out);
  w.advance(kStart + 6s, out);
  CHECK(count<storage::job::Sync>(out) == 1);
  w.synced(kStart + 7s, {});
  w.advance(kStart + 7s, out);
  CHECK(count<storage::job::Sync>(out) == 2);
}

TEST_CASE("D3 a sync after 256 MiB, however fast they came") {
  DiskWork w;
  Actions out;
  for (int i = 0; i < 63; ++i) w.worked(kStart, 4u << 20, out);
  CHECK(out.empty());
  w.worked(kStart, 4u << 20, out);
  CHECK(count<storage::job::Sync>(out) == 1);
}

TEST_CASE("a sync that failed is tried again") {
  DiskWork w;
  Actions out;
  w.worked(kStart, 1, out);
  w.advance(kStart + 2s, out);
  w.synced(kStart + 2s, full());
  w.advance(kStart + 4s, out);
  CHECK(count<storage::job::Sync>(out) == 2);
}

TEST_CASE("D2 what could not be written is kept; one try a second; all at once when the disk is well again") {
  DiskWork w;
  Actions out;
  w.submit(store(1), out);
  w.submit(store(2), out);
  CHECK(count<storage::job::StorePiece>(out) == 2);
  out.clear();
  w.failed(kStart, store(1), full());
  w.failed(kStart, store(2), full());
  CHECK(w.troubled());
  CHECK(w.trouble().kind == storage::Trouble::Kind::disk_full);
  w.submit(store(3), out);
  CHECK(out.empty());
  for (int s = 1; s <= 10; ++s) {
    CHECK(w.next_deadline() == kStart + 1s * s);
    w.advance(kStart + 1s * s, out);
    CHECK(count<storage::job::StorePiece>(out) == 1);
    auto job = std::move(std::get<action::Disk>(out.at(0)).job);
    out.clear();
    w.failed(kStart + 1s * s, std::move(job), full());
  }
  w.advance(kStart + 11s, out);
  CHECK(count<storage::job::StorePiece>(out) == 1);
  w.worked(kStart + 11s, 100, out);
  CHECK_FALSE(w.troubled());
  CHECK(count<storage::job::StorePiece>(out) == 3);
  CHECK(w.next_deadline() == kStart + 13s);
}

}  // namespace
}  // namespace lodestone::magnet
