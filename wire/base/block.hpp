// SPDX-License-Identifier: Apache-2.0
// Payload memory. A BlockPool hands out 16 KiB blocks up to a fixed budget; when it is empty, links stop reading: the
// start of the back-pressure chain. A Block is moved from the socket to the piece to the disk job and comes back with
// the job's result; its bytes are never copied. Single-threaded: blocks are made and destroyed on the network thread
// only (a worker may read and write a block's bytes, but sends it home in its result).
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "wire/base/bytes.hpp"
#include "wire/base/index.hpp"

namespace lodestone::wire {

class BlockPool;

/// Owns one 16 KiB buffer of which size() bytes are payload. Move-only; an empty Block has no buffer.
class Block {
 public:
  Block() = default;
  Block(Block&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Block& operator=(Block&& other) noexcept {
    if (this != &other) {
      release();
      pool_ = std::exchange(other.pool_, nullptr);
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  ~Block() { release(); }

  [[nodiscard]] explicit operator bool() const { return data_ != nullptr; }
  [[nodiscard]] std::uint32_t size() const { return size_; }
  /// n <= kBlockSize.
  void resize(std::uint32_t n) { size_ = n; }
  [[nodiscard]] Bytes bytes() const { return {data_, size_}; }
  [[nodiscard]] MutableBytes bytes() { return {data_, size_}; }
  /// All 16 KiB, whatever size() says.
  [[nodiscard]] MutableBytes buffer() { return {data_, data_ ? kBlockSize : 0u}; }

 private:
  friend class BlockPool;
  Block(BlockPool* pool, std::uint8_t* data, std::uint32_t size) : pool_(pool), data_(data), size_(size) {}
  void release();

  BlockPool* pool_ = nullptr;
  std::uint8_t* data_ = nullptr;
  std::uint32_t size_ = 0;
};

/// Must outlive its blocks (asserted). Memory is taken from the system in slices as it is first needed.
class BlockPool {
 public:
  /// `budget` in bytes, rounded down to whole blocks, at least one.
  explicit BlockPool(std::size_t budget);
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  /// An empty Block when the budget is used up.
  [[nodiscard]] Block take(std::uint32_t size = kBlockSize);
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] std::size_t in_use() const { return in_use_; }
  [[nodiscard]] std::size_t available() const { return capacity_ - in_use_; }

 private:
  friend class Block;
  void give_back(std::uint8_t* data);

  std::size_t capacity_;
  std::size_t in_use_ = 0;
  std::size_t carved_ = 0;
  std::vector<std::unique_ptr<std::uint8_t[]>> slices_;
  std::vector<std::uint8_t*> free_;
};

inline void Block::release() {
  if (data_ != nullptr) pool_->give_back(data_);
  pool_ = nullptr;
  data_ = nullptr;
  size_ = 0;
}

}  // namespace lodestone::wire
