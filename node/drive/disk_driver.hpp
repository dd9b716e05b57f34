// SPDX-License-Identifier: Apache-2.0
// Carries results from the disk workers to the stores' owners on the network thread. A store that its owner has let go
// keeps working to its end; its results then come to nobody and its blocks go home.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "storage/disk/disk_pool.hpp"

namespace asio {
class io_context;
}

namespace lodestone::node {

class DiskDriver {
 public:
  using StoreId = storage::DiskPool::StoreId;
  using Sink = std::function<void(storage::Result&&)>;
  using ListenerId = std::uint32_t;

  DiskDriver(asio::io_context& io, std::size_t threads);
  ~DiskDriver();
  DiskDriver(const DiskDriver&) = delete;
  DiskDriver& operator=(const DiskDriver&) = delete;

  /// `sink` gets the results of that store, on the network thread, several in a row; then all listeners are called.
  [[nodiscard]] StoreId add(std::unique_ptr<storage::FileSet> files, Sink sink);
  void submit(StoreId store, storage::Job&& job);
  /// No more results for the owner. The store itself goes when its last job has come back.
  void let_go(StoreId store);
  [[nodiscard]] std::size_t pressure() const;

  /// Called after each batch of results.
  ListenerId listen(std::function<void()> after_batch);
  void unlisten(ListenerId id);

 private:
  struct Owner {
    Sink sink;                  // empty: let go
    std::size_t in_flight = 0;  // jobs without a result yet
  };

  void drain();

  std::unordered_map<StoreId, Owner> owners_;
  std::unordered_map<ListenerId, std::function<void()>> listeners_;
  ListenerId next_listener_ = 0;
  std::vector<storage::DiskPool::Completed> completed_;
  std::shared_ptr<DiskDriver*> self_;  // what a wake-up posted by a worker finds; null after the end
  std::unique_ptr<storage::DiskPool> pool_;
};

}  // namespace lodestone::node
