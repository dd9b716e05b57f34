// SPDX-License-Identifier: Apache-2.0
#include "storage/disk/disk_pool.hpp"

#include <algorithm>
#include <cassert>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace lodestone::storage {
namespace {

bool is_barrier(const Job& job) {
  return std::holds_alternative<job::Open>(job) || std::holds_alternative<job::Close>(job);
}

std::size_t payload_of(const std::vector<wire::Block>& blocks) {
  std::size_t sum = 0;
  for (const wire::Block& block : blocks) sum += block.size();
  return sum;
}

std::size_t payload_of(const Job& job) {
  if (const auto* store = std::get_if<job::StorePiece>(&job)) return payload_of(store->blocks);
  if (const auto* spill = std::get_if<job::Spill>(&job)) return payload_of(spill->blocks);
  if (const auto* read = std::get_if<job::Read>(&job)) return read->range.length;
  return 0;
}

}  // namespace

struct DiskPool::State {
  struct Entry {
    explicit Entry(std::unique_ptr<FileSet> files) : store(std::move(files)) {}
    Store store;
    std::size_t active = 0;  // jobs that may start or have started
    bool barrier = false;    // the one active job is an Open or a Close
    std::deque<Job> held;    // wait for a barrier in front of them, or are one
  };
  struct Task {
    StoreId id;
    Entry* entry;
    Job job;
  };

  explicit State(std::function<void()> wake_function) : wake(std::move(wake_function)) {}

  // All of these with the mutex held.
  void make_ready(StoreId id, Entry& entry, Job&& job) {
    ++entry.active;
    entry.barrier = is_barrier(job);
    auto& queue = std::holds_alternative<job::Read>(job) ? reads : others;
    queue.push_back({id, &entry, std::move(job)});
    ready.notify_one();
  }
  void release_held(StoreId id, Entry& entry) {
    while (!entry.held.empty() && !entry.barrier && (entry.active == 0 || !is_barrier(entry.held.front()))) {
      Job job = std::move(entry.held.front());
      entry.held.pop_front();
      make_ready(id, entry, std::move(job));
    }
  }
  void work(std::unique_lock<std::mutex>& lock, Task&& task);
  void run();

  const std::function<void()> wake;
  mutable std::mutex mutex;
  std::condition_variable ready;
  bool stopping = false;
  StoreId next_id = 1;
  std::unordered_map<StoreId, std::unique_ptr<Entry>> entries;
  std::deque<Task> reads;
  std::deque<Task> others;
  std::vector<Completed> results;
  std::size_t pressure = 0;
  std::vector<std::jthread> threads;
};

void DiskPool::State::work(std::unique_lock<std::mutex>& lock, Task&& task) {
  const std::size_t payload = payload_of(task.job);
  lock.unlock();
  Completed done{task.id, task.entry->store.execute(std::move(task.job))};
  lock.lock();
  pressure -= payload;
  const bool first = results.empty();
  // The blocks travel inside the result from here on; nothing of them is destroyed on this thread.
  results.push_back(std::move(done));
  --task.entry->active;
  task.entry->barrier = false;
  release_held(task.id, *task.entry);
  if (!first) return;
  lock.unlock();
  wake();
  lock.lock();
}

void DiskPool::State::run() {
  std::unique_lock lock{mutex};
  for (;;) {
    ready.wait(lock, [this] { return stopping || !reads.empty() || !others.empty(); });
    if (stopping) return;
    auto& queue = reads.empty() ? others : reads;
    Task task = std::move(queue.front());
    queue.pop_front();
    work(lock, std::move(task));
  }
}

DiskPool::DiskPool(std::size_t threads, std::function<void()> wake) : state_(std::make_unique<State>(std::move(wake))) {
  for (std::size_t i = 0; i < std::max<std::size_t>(1, threads); ++i)
    state_->threads.emplace_back([state = state_.get()] { state->run(); });
}

DiskPool::~DiskPool() {
  {
    const std::lock_guard lock{state_->mutex};
    state_->stopping = true;
  }
  state_->ready.notify_all();
  // Joined before anything is destroyed: blocks of undone jobs and of results nobody fetched go home on this thread.
  state_->threads.clear();
}

DiskPool::StoreId DiskPool::add(std::unique_ptr<FileSet> files) {
  const std::lock_guard lock{state_->mutex};
  const StoreId id = state_->next_id++;
  state_->entries.emplace(id, std::make_unique<State::Entry>(std::move(files)));
  return id;
}

void DiskPool::submit(StoreId store, Job&& job) {
  const std::lock_guard lock{state_->mutex};
  const auto it = state_->entries.find(store);
  assert(it != state_->entries.end());
  State::Entry& entry = *it->second;
  state_->pressure += payload_of(job);
  entry.held.push_back(std::move(job));
  state_->release_held(store, entry);
}

void DiskPool::drain(std::vector<Completed>& out) {
  const std::lock_guard lock{state_->mutex};
  out.insert(out.end(), std::make_move_iterator(state_->results.begin()),
             std::make_move_iterator(state_->results.end()));
  state_->results.clear();
}

void DiskPool::remove(StoreId store) {
  std::unique_ptr<State::Entry> gone;  // closes its files without the lock
  const std::lock_guard lock{state_->mutex};
  const auto it = state_->entries.find(store);
  if (it == state_->entries.end()) return;
  assert(it->second->active == 0 && it->second->held.empty());
  gone = std::move(it->second);
  state_->entries.erase(it);
}

std::size_t DiskPool::pressure() const {
  const std::lock_guard lock{state_->mutex};
  return state_->pressure;
}

}  // namespace lodestone::storage
