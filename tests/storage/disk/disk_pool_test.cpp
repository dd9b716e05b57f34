// SPDX-License-Identifier: Apache-2.0
#include "storage/disk/disk_pool.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

#include <catch2/catch.hpp>

#include "storage/disk/faulty_files.hpp"
#include "storage/disk/memory_files.hpp"
#include "tests/storage/disk/fixture.hpp"

using namespace lodestone;
using namespace lodestone::storage;
using namespace lodestone::storage::test;
using wire::PieceIndex;

namespace {

constexpr std::uint32_t kPieceLength = 64 * 1024;

/// What the network thread does between jobs: waits to be woken, fetches results.
class Inbox {
 public:
  [[nodiscard]] std::function<void()> waker() {
    return [this] {
      const std::lock_guard lock{mutex_};
      ++wakes_;
      woken_.notify_one();
    };
  }
  void collect(DiskPool& pool, std::size_t count, std::vector<DiskPool::Completed>& out) {
    while (out.size() < count) {
      {
        std::unique_lock lock{mutex_};
        woken_.wait(lock, [this] { return wakes_ > 0; });
        --wakes_;
      }
      pool.drain(out);
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable woken_;
  std::size_t wakes_ = 0;
};

/// Stops whoever passes until it is told to go on.
class Gate {
 public:
  void pass() {
    std::unique_lock lock{mutex_};
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void await_arrival() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }
  void open() {
    const std::lock_guard lock{mutex_};
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t waiting_ = 0;
  bool open_ = false;
};

/// Memory files whose syncs wait at a gate: a slow disk that the test controls.
class GatedFiles final : public FileSet {
 public:
  GatedFiles(std::unique_ptr<FileSet> inner, Gate& gate) : inner_(std::move(inner)), gate_(&gate) {}
  void set_layout(std::shared_ptr<const Manifest> m) override { inner_->set_layout(std::move(m)); }
  void set_parts(std::vector<bool> p) override { inner_->set_parts(std::move(p)); }
  std::error_code stat(std::uint32_t f, FileStat& o) override { return inner_->stat(f, o); }
  std::error_code data_ranges(std::uint32_t f, std::vector<ByteRange>& o) override { return inner_->data_ranges(f, o); }
  std::error_code create(std::uint32_t f) override { return inner_->create(f); }
  std::error_code resize(std::uint32_t f, std::uint64_t s) override { return inner_->resize(f, s); }
  std::error_code remove(std::uint32_t f) override { return inner_->remove(f); }
  std::error_code write(std::uint32_t f, std::uint64_t o, std::span<const wire::Bytes> d) override {
    return inner_->write(f, o, d);
  }
  std::error_code read(std::uint32_t f, std::uint64_t o, wire::MutableBytes d) override {
    return inner_->read(f, o, d);
  }
  std::error_code adopt(std::uint32_t f, std::uint64_t o, std::uint64_t n) override { return inner_->adopt(f, o, n); }
  void mark_dirty(std::uint32_t f) override { inner_->mark_dirty(f); }
  std::error_code sync() override {
    gate_->pass();
    return inner_->sync();
  }
  void close() override { inner_->close(); }
  std::string path(std::uint32_t f) const override { return inner_->path(f); }
  std::string path(StateBlob b) const override { return inner_->path(b); }
  std::optional<wire::ByteVector> load(StateBlob b) override { return inner_->load(b); }
  std::error_code replace(StateBlob b, wire::Bytes c) override { return inner_->replace(b, c); }
  std::error_code append(StateBlob b, wire::Bytes c) override { return inner_->append(b, c); }
  void erase(StateBlob b) override { inner_->erase(b); }
  std::error_code write_scratch(std::uint64_t o, std::span<const wire::Bytes> d) override {
    return inner_->write_scratch(o, d);
  }
  std::error_code read_scratch(std::uint64_t o, wire::MutableBytes d) override { return inner_->read_scratch(o, d); }

 private:
  std::unique_ptr<FileSet> inner_;
  Gate* gate_;
};

template <class T>
std::size_t position_of(const std::vector<DiskPool::Completed>& results) {
  for (std::size_t i = 0; i < results.size(); ++i)
    if (std::holds_alternative<T>(results[i].result)) return i;
  return results.size();
}

}  // namespace

TEST_CASE("D5 several workers store, read, sync and close several torrents at once") {
  constexpr std::uint32_t kTorrents = 4;
  wire::BlockPool blocks{32u << 20};
  const Sample sample = make_sample({{"t/a", 900'000}, {"t/b", 0}, {"t/c", 700'000}}, kPieceLength);
  std::vector<std::shared_ptr<MemoryDisk>> disks;
  Inbox inbox;
  DiskPool pool{4, inbox.waker()};
  std::vector<DiskPool::StoreId> ids;
  for (std::uint32_t t = 0; t < kTorrents; ++t) {
    disks.push_back(std::make_shared<MemoryDisk>());
    ids.push_back(pool.add(make_memory_files(disks.back())));
  }
  std::vector<DiskPool::Completed> results;
  for (const auto id : ids) pool.submit(id, job::Open{sample.manifest, {}, false});
  for (std::uint32_t p = 0; p < sample.pieces(); ++p) {
    for (const auto id : ids) {
      pool.submit(id, job::StorePiece{PieceIndex{p}, blocks_of(blocks, sample, p)});
      if (p % 5 == 0) pool.submit(id, job::Sync{});
    }
  }
  const std::size_t syncs = (sample.pieces() + 4) / 5;
  const std::size_t jobs = kTorrents * (1 + sample.pieces() + syncs);
  inbox.collect(pool, jobs, results);
  CHECK(results.size() == jobs);
  CHECK(pool.pressure() == 0);
  std::size_t stored = 0;
  for (const auto& [id, result] : results)
    if (std::holds_alternative<result::PieceStored>(result)) ++stored;
  CHECK(stored == kTorrents * sample.pieces());

  results.clear();
  for (const auto id : ids) {
    for (std::uint32_t p = 0; p < sample.pieces(); ++p)
      pool.submit(id, job::Read{{PieceIndex{p}, 0, 1'000}, blocks.take(), p});
    pool.submit(id, job::Close{});
  }
  inbox.collect(pool, kTorrents * (sample.pieces() + 1), results);
  for (auto& [id, result] : results) {
    if (auto* read = std::get_if<result::BlockRead>(&result)) {
      REQUIRE_FALSE(read->trouble);
      REQUIRE(
          std::ranges::equal(read->block.bytes(), sample.piece(static_cast<std::uint32_t>(read->cookie)).first(1'000)));
    } else {
      CHECK_FALSE(std::get<result::Closed>(result).trouble);
    }
  }
  results.clear();
  CHECK(blocks.in_use() == 0);
  for (const auto id : ids) pool.remove(id);
  for (const auto& disk : disks) {
    CHECK(disk->content("root/t/a") == sample.file(0));
    CHECK(disk->content("root/t/c") == sample.file(2));
  }
}

TEST_CASE("D5 Open comes before and Close after all that was submitted around them") {
  wire::BlockPool blocks{8u << 20};
  const Sample sample = make_sample({{"a", 10 * kPieceLength}}, kPieceLength);
  Inbox inbox;
  Gate gate;
  DiskPool pool{3, inbox.waker()};
  const auto id = pool.add(std::make_unique<GatedFiles>(make_memory_files(std::make_shared<MemoryDisk>()), gate));
  pool.submit(id, job::Open{sample.manifest, {}, false});
  for (std::uint32_t p = 0; p < 10; ++p) pool.submit(id, job::StorePiece{PieceIndex{p}, blocks_of(blocks, sample, p)});
  pool.submit(id, job::Sync{});
  pool.submit(id, job::Close{});
  pool.submit(id, job::Open{sample.manifest, {}, false});
  std::vector<DiskPool::Completed> results;
  // With one worker held in the Sync the others finish what they may: everything but Close and what follows.
  gate.await_arrival();
  inbox.collect(pool, 11, results);
  CHECK(results.size() == 11);
  CHECK(position_of<result::Opened>(results) == 0);
  CHECK(position_of<result::Closed>(results) == results.size());
  gate.open();
  inbox.collect(pool, 14, results);
  CHECK(std::holds_alternative<result::Synced>(results[11].result));
  CHECK(std::holds_alternative<result::Closed>(results[12].result));
  const auto& again = std::get<result::Opened>(results[13].result);
  CHECK(again.have.all());
}

TEST_CASE("D3 a failed fdatasync speaks for pieces that were written while it ran, too") {
  wire::BlockPool blocks{8u << 20};
  const Sample sample = make_sample({{"a", 10 * kPieceLength}}, kPieceLength);
  const auto disk = std::make_shared<MemoryDisk>();
  const auto faults = std::make_shared<Faults>();
  {
    Inbox inbox;
    Gate gate;
    DiskPool pool{2, inbox.waker()};
    const auto id = pool.add(std::make_unique<GatedFiles>(make_faulty_files(make_memory_files(disk), faults), gate));
    const auto store = [&](std::uint32_t p) {
      pool.submit(id, job::StorePiece{PieceIndex{p}, blocks_of(blocks, sample, p)});
    };
    std::vector<DiskPool::Completed> results;
    pool.submit(id, job::Open{sample.manifest, {}, false});
    store(0);
    inbox.collect(pool, 2, results);
    faults->fail(FileOp::sync, std::errc::io_error);
    pool.submit(id, job::Sync{});
    gate.await_arrival();
    store(1);  // its pages may be among those that the kernel drops with this error
    inbox.collect(pool, 3, results);
    gate.open();
    inbox.collect(pool, 4, results);
    CHECK(std::get<result::Synced>(results[3].result).trouble.kind == Trouble::Kind::io);
    store(2);
    inbox.collect(pool, 5, results);
    pool.submit(id, job::Sync{});
    inbox.collect(pool, 6, results);
    CHECK_FALSE(std::get<result::Synced>(results[5].result).trouble);
  }  // killed
  Session session{sample, make_memory_files(disk)};
  const auto opened = session.open();
  CHECK(members(opened.have) == Pieces{2});
  CHECK(members(opened.check) == Pieces{0, 1});
}

TEST_CASE("D5 reads go before what else waits, of any torrent") {
  wire::BlockPool blocks{8u << 20};
  const Sample sample = make_sample({{"a", 10 * kPieceLength}}, kPieceLength);
  Inbox inbox;
  Gate gate;
  DiskPool pool{1, inbox.waker()};
  const auto slow = pool.add(std::make_unique<GatedFiles>(make_memory_files(std::make_shared<MemoryDisk>()), gate));
  const auto other = pool.add(make_memory_files(std::make_shared<MemoryDisk>()));
  std::vector<DiskPool::Completed> results;
  for (const auto id : {slow, other}) {
    pool.submit(id, job::Open{sample.manifest, {}, false});
    pool.submit(id, job::StorePiece{PieceIndex{0}, blocks_of(blocks, sample, 0)});
  }
  inbox.collect(pool, 4, results);
  results.clear();

  pool.submit(slow, job::Sync{});
  gate.await_arrival();
  for (std::uint32_t p = 1; p < 4; ++p) pool.submit(slow, job::StorePiece{PieceIndex{p}, blocks_of(blocks, sample, p)});
  pool.submit(other, job::Read{{PieceIndex{0}, 0, 16}, blocks.take(), 1});
  pool.submit(slow, job::Read{{PieceIndex{0}, 0, 16}, blocks.take(), 2});
  CHECK(pool.pressure() == 3 * kPieceLength + 32);
  gate.open();
  inbox.collect(pool, 6, results);
  CHECK(std::get<result::BlockRead>(results[1].result).cookie == 1);
  CHECK(std::get<result::BlockRead>(results[2].result).cookie == 2);
  for (std::uint32_t p = 1; p < 4; ++p)
    CHECK(std::get<result::PieceStored>(results[2 + p].result).piece == PieceIndex{p});
}

TEST_CASE("D5 blocks of jobs that never ran go home on the thread that destroys the pool") {
  // The block pool asserts that nothing is left, and is not thread-safe: TSan would see a worker touch it.
  wire::BlockPool blocks{8u << 20};
  const Sample sample = make_sample({{"a", 40 * kPieceLength}}, kPieceLength);
  Inbox inbox;
  {
    DiskPool pool{2, inbox.waker()};
    const auto id = pool.add(make_memory_files(std::make_shared<MemoryDisk>()));
    pool.submit(id, job::Open{sample.manifest, {}, false});
    for (std::uint32_t p = 0; p < 40; ++p)
      pool.submit(id, job::StorePiece{PieceIndex{p}, blocks_of(blocks, sample, p)});
  }
  CHECK(blocks.in_use() == 0);
}

TEST_CASE("the pool wakes once for each change from no results to some") {
  const Sample sample = make_sample({{"a", 4 * kPieceLength}}, kPieceLength);
  std::mutex mutex;
  std::condition_variable woken;
  int wakes = 0;
  const auto count = [&] {
    const std::lock_guard lock{mutex};
    return wakes;
  };
  Gate gate;
  DiskPool pool{1, [&] {
                  const std::lock_guard lock{mutex};
                  ++wakes;
                  woken.notify_one();
                }};
  const auto id = pool.add(std::make_unique<GatedFiles>(make_memory_files(std::make_shared<MemoryDisk>()), gate));
  const auto other = pool.add(make_memory_files(std::make_shared<MemoryDisk>()));
  pool.submit(other, job::Open{sample.manifest, {}, false});
  pool.submit(other, job::Close{});
  pool.submit(id, job::Open{sample.manifest, {}, false});
  pool.submit(id, job::Sync{});
  // The one worker stands at the gate, so what was submitted before is done: three results, fetched by nobody yet.
  gate.await_arrival();
  CHECK(count() == 1);
  std::vector<DiskPool::Completed> results;
  pool.drain(results);
  CHECK(results.size() == 3);
  gate.open();
  std::unique_lock lock{mutex};
  woken.wait(lock, [&] { return wakes >= 2; });
  CHECK(wakes == 2);
}
