// SPDX-License-Identifier: Apache-2.0
#include "storage/disk/memory_files.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace lodestone::storage {
namespace {

std::error_code error(std::errc e) { return std::make_error_code(e); }

}  // namespace

// --- the disk ---

MemoryDisk::Node* MemoryDisk::find(const std::string& path) {
  const auto it = nodes_.find(path);
  return it == nodes_.end() ? nullptr : &it->second;
}
const MemoryDisk::Node* MemoryDisk::find(const std::string& path) const {
  return const_cast<MemoryDisk*>(this)->find(path);
}

MemoryDisk::Node& MemoryDisk::make(const std::string& path) {
  const auto [it, fresh] = nodes_.try_emplace(path);
  if (fresh) it->second.mtime_ns = ++clock_;
  return it->second;
}

void MemoryDisk::write(Node& node, std::uint64_t offset, wire::Bytes data) {
  node.mtime_ns = ++clock_;
  node.size = std::max(node.size, offset + data.size());
  while (!data.empty()) {
    auto& block = node.blocks[offset / kBlock];
    if (!block) block = std::make_unique<Block>();
    const std::uint64_t begin = offset % kBlock;
    const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(data.size(), kBlock - begin));
    std::memcpy(block->data() + begin, data.data(), n);
    data = data.subspan(n);
    offset += n;
  }
}

bool MemoryDisk::read(const Node& node, std::uint64_t offset, wire::MutableBytes out) {
  if (offset > node.size || out.size() > node.size - offset) return false;
  while (!out.empty()) {
    const auto block = node.blocks.find(offset / kBlock);
    const std::uint64_t begin = offset % kBlock;
    const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), kBlock - begin));
    if (block == node.blocks.end()) {
      std::memset(out.data(), 0, n);
    } else {
      std::memcpy(out.data(), block->second->data() + begin, n);
    }
    out = out.subspan(n);
    offset += n;
  }
  return true;
}

void MemoryDisk::resize(Node& node, std::uint64_t size) {
  node.mtime_ns = ++clock_;
  if (size < node.size) {
    node.blocks.erase(node.blocks.lower_bound((size + kBlock - 1) / kBlock), node.blocks.end());
    const auto last = node.blocks.find(size / kBlock);
    if (last != node.blocks.end())
      std::fill(last->second->begin() + static_cast<std::ptrdiff_t>(size % kBlock), last->second->end(),
                std::uint8_t{0});
  }
  node.size = size;
}

void MemoryDisk::put(const std::string& path, wire::Bytes content) {
  const std::lock_guard lock{mutex_};
  Node& node = make(path);
  node.regular = true;
  resize(node, 0);
  write(node, 0, content);
}

void MemoryDisk::truncate(const std::string& path, std::uint64_t size) {
  const std::lock_guard lock{mutex_};
  resize(make(path), size);
}

void MemoryDisk::put_irregular(const std::string& path) {
  const std::lock_guard lock{mutex_};
  make(path).regular = false;
}

void MemoryDisk::remove(const std::string& path) {
  const std::lock_guard lock{mutex_};
  nodes_.erase(path);
}

bool MemoryDisk::exists(const std::string& path) const {
  const std::lock_guard lock{mutex_};
  return find(path) != nullptr;
}

std::optional<wire::ByteVector> MemoryDisk::content(const std::string& path) const {
  const std::lock_guard lock{mutex_};
  const Node* node = find(path);
  if (node == nullptr) return std::nullopt;
  wire::ByteVector out(static_cast<std::size_t>(node->size));
  if (!read(*node, 0, out)) return std::nullopt;
  return out;
}

std::uint64_t MemoryDisk::allocated(const std::string& path) const {
  const std::lock_guard lock{mutex_};
  const Node* node = find(path);
  return node == nullptr ? 0 : node->blocks.size() * kBlock;
}

std::uint64_t MemoryDisk::syncs() const {
  const std::lock_guard lock{mutex_};
  return syncs_;
}

// --- the file set ---

class MemoryFileSet final : public FileSet {
 public:
  MemoryFileSet(std::shared_ptr<MemoryDisk> disk, std::string root, std::string stem)
      : disk_(std::move(disk)), root_(std::move(root)), stem_(std::move(stem)) {}

  void set_layout(std::shared_ptr<const Manifest> manifest) override {
    manifest_ = std::move(manifest);
    parts_.clear();
  }
  void set_parts(std::vector<bool> parts) override { parts_ = std::move(parts); }

  std::error_code stat(std::uint32_t file, FileStat& out) override {
    const std::lock_guard lock{disk_->mutex_};
    out = {};
    const MemoryDisk::Node* node = disk_->find(path(file));
    if (node == nullptr) return {};
    if (in_parts(file)) {
      out.exists = node->size > base(file);
      if (out.exists) out.size = std::min(entry(file).size, node->size - base(file));
      return {};
    }
    out = {true, node->regular, node->regular ? node->size : 0, node->mtime_ns};
    return {};
  }

  std::error_code data_ranges(std::uint32_t file, std::vector<ByteRange>& out) override {
    constexpr std::uint64_t kBlock = MemoryDisk::kBlock;
    out.clear();
    FileStat st;
    if (const auto code = stat(file, st)) return code;
    const std::lock_guard lock{disk_->mutex_};
    const MemoryDisk::Node* node = disk_->find(path(file));
    if (!st.exists || node == nullptr) return {};
    const std::uint64_t begin = base(file);
    const std::uint64_t end = begin + st.size;
    for (auto it = node->blocks.lower_bound(begin / kBlock); it != node->blocks.end(); ++it) {
      const std::uint64_t from = std::max(begin, it->first * kBlock);
      const std::uint64_t to = std::min(end, (it->first + 1) * kBlock);
      if (from >= to) break;
      if (!out.empty() && out.back().end == from - begin) {
        out.back().end = to - begin;
      } else {
        out.push_back({from - begin, to - begin});
      }
    }
    return {};
  }

  std::error_code create(std::uint32_t file) override {
    const std::lock_guard lock{disk_->mutex_};
    return disk_->make(path(file)).regular ? std::error_code{} : error(std::errc::file_exists);
  }

  std::error_code resize(std::uint32_t file, std::uint64_t size) override {
    const std::lock_guard lock{disk_->mutex_};
    disk_->resize(disk_->make(path(file)), size);
    return {};
  }

  std::error_code remove(std::uint32_t file) override {
    disk_->remove(path(file));
    return {};
  }

  std::error_code write(std::uint32_t file, std::uint64_t offset, std::span<const wire::Bytes> data) override {
    const std::lock_guard lock{disk_->mutex_};
    MemoryDisk::Node& node = disk_->make(path(file));
    if (!node.regular) return error(std::errc::file_exists);
    write_node(node, base(file) + offset, data);
    return {};
  }

  std::error_code read(std::uint32_t file, std::uint64_t offset, wire::MutableBytes out) override {
    return read_path(path(file), base(file) + offset, out);
  }

  std::error_code adopt(std::uint32_t file, std::uint64_t offset, std::uint64_t length) override {
    wire::ByteVector bytes(static_cast<std::size_t>(length));
    if (const auto code = read_path(path(StateBlob::parts), entry(file).offset + offset, bytes)) return code;
    const wire::Bytes data = bytes;
    return write(file, offset, {&data, 1});
  }

  void mark_dirty(std::uint32_t) override {}

  std::error_code sync() override {
    const std::lock_guard lock{disk_->mutex_};
    ++disk_->syncs_;
    return {};
  }

  void close() override {}

  std::string path(std::uint32_t file) const override {
    return in_parts(file) ? path(StateBlob::parts) : root_ + '/' + entry(file).joined();
  }
  std::string path(StateBlob blob) const override {
    constexpr std::array<const char*, kStateBlobs> kSuffix{".resume", ".journal", ".scratch", ".parts"};
    return stem_ + kSuffix[static_cast<std::size_t>(blob)];
  }

  std::optional<wire::ByteVector> load(StateBlob blob) override { return disk_->content(path(blob)); }

  std::error_code replace(StateBlob blob, wire::Bytes content) override {
    disk_->put(path(blob), content);
    return {};
  }

  std::error_code append(StateBlob blob, wire::Bytes content) override {
    const std::lock_guard lock{disk_->mutex_};
    MemoryDisk::Node& node = disk_->make(path(blob));
    disk_->write(node, node.size, content);
    return {};
  }

  void erase(StateBlob blob) override { disk_->remove(path(blob)); }

  std::error_code write_scratch(std::uint64_t offset, std::span<const wire::Bytes> data) override {
    const std::lock_guard lock{disk_->mutex_};
    write_node(disk_->make(path(StateBlob::scratch)), offset, data);
    return {};
  }

  std::error_code read_scratch(std::uint64_t offset, wire::MutableBytes out) override {
    return read_path(path(StateBlob::scratch), offset, out);
  }

 private:
  [[nodiscard]] const FileEntry& entry(std::uint32_t file) const { return manifest_->layout.files()[file]; }
  [[nodiscard]] bool in_parts(std::uint32_t file) const { return !parts_.empty() && parts_[file]; }
  [[nodiscard]] std::uint64_t base(std::uint32_t file) const { return in_parts(file) ? entry(file).offset : 0; }

  void write_node(MemoryDisk::Node& node, std::uint64_t offset, std::span<const wire::Bytes> data) {
    for (const wire::Bytes bytes : data) {
      disk_->write(node, offset, bytes);
      offset += bytes.size();
    }
  }

  std::error_code read_path(const std::string& name, std::uint64_t offset, wire::MutableBytes out) {
    const std::lock_guard lock{disk_->mutex_};
    const MemoryDisk::Node* node = disk_->find(name);
    if (node == nullptr || !MemoryDisk::read(*node, offset, out)) return error(std::errc::no_message_available);
    return {};
  }

  std::shared_ptr<MemoryDisk> disk_;
  const std::string root_;
  const std::string stem_;
  std::shared_ptr<const Manifest> manifest_;
  std::vector<bool> parts_;
};

std::unique_ptr<FileSet> make_memory_files(std::shared_ptr<MemoryDisk> disk, std::string root, std::string stem) {
  return std::make_unique<MemoryFileSet>(std::move(disk), std::move(root), std::move(stem));
}

}  // namespace lodestone::storage
