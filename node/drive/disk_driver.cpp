// SPDX-License-Identifier: Apache-2.0
#include "node/drive/disk_driver.hpp"

#include <cassert>
#include <utility>

#include <asio/io_context.hpp>
#include <asio/post.hpp>

namespace lodestone::node {

DiskDriver::DiskDriver(asio::io_context& io, std::size_t threads) : self_(std::make_shared<DiskDriver*>(this)) {
  pool_ = std::make_unique<storage::DiskPool>(threads, [&io, self = self_] {
    asio::post(io, [self] {
      if (*self != nullptr) (*self)->drain();
    });
  });
}

DiskDriver::~DiskDriver() { *self_ = nullptr; }

DiskDriver::StoreId DiskDriver::add(std::unique_ptr<storage::FileSet> files, Sink sink) {
  const StoreId id = pool_->add(std::move(files));
  owners_.emplace(id, Owner{std::move(sink), 0});
  return id;
}

void DiskDriver::submit(StoreId store, storage::Job&& job) {
  const auto it = owners_.find(store);
  assert(it != owners_.end());
  ++it->second.in_flight;
  pool_->submit(store, std::move(job));
}

void DiskDriver::let_go(StoreId store) {
  const auto it = owners_.find(store);
  if (it == owners_.end()) return;
  it->second.sink = nullptr;
  if (it->second.in_flight > 0) return;
  pool_->remove(store);
  owners_.erase(it);
}

std::size_t DiskDriver::pressure() const { return pool_->pressure(); }

DiskDriver::ListenerId DiskDriver::listen(std::function<void()> after_batch) {
  listeners_.emplace(next_listener_, std::move(after_batch));
  return next_listener_++;
}

void DiskDriver::unlisten(ListenerId id) { listeners_.erase(id); }

void DiskDriver::drain() {
  completed_.clear();
  pool_->drain(completed_);
  for (storage::DiskPool::Completed& done : completed_) {
    const auto it = owners_.find(done.store);
    if (it == owners_.end()) continue;
    --it->second.in_flight;
    if (it->second.sink) {
      it->second.sink(std::move(done.result));
    } else if (it->second.in_flight == 0) {
      pool_->remove(done.store);
      owners_.erase(it);
    }
  }
  completed_.clear();  // blocks that nobody took go home
  // A listener may take others (or itself) off the list.
  std::vector<ListenerId> ids;
  for (const auto& [id, f] : listeners_) ids.push_back(id);
  for (const ListenerId id : ids) {
    const auto it = listeners_.find(id);
    if (it == listeners_.end()) continue;
    const std::function<void()> after_batch = it->second;
    after_batch();
  }
}

}  // namespace lodestone::node
