// SPDX-License-Identifier: Apache-2.0
#include "storage/disk/posix_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <expected>
#include <list>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

#include "storage/disk/beneath.hpp"
#include "storage/disk/posix_io.hpp"

namespace lodestone::storage {
namespace {

using posix::Fd;
using posix::last_error;
using Handle = std::shared_ptr<const Fd>;
using Opened = std::expected<Handle, std::error_code>;

/// More than any snapshot or journal of ours can be: 48 MiB of info dict, 2 M pieces.
constexpr std::uint64_t kMaxState = 256u << 20;
/// A file in more pieces than this counts as data to its end.
constexpr std::size_t kMaxRanges = 65'536;

bool missing(const std::error_code& code) { return code == std::errc::no_such_file_or_directory; }

/// Descriptors of payload files, the one used longest ago is closed first. Whoever works with one keeps it alive.
class HandleCache {
 public:
  explicit HandleCache(std::size_t capacity) : capacity_(std::max<std::size_t>(1, capacity)) {}
  [[nodiscard]] Handle find(std::uint32_t file, bool writable) {
    const std::lock_guard lock{mutex_};
    const auto it = index_.find(file);
    if (it == index_.end() || (writable && !it->second->writable)) return nullptr;
    entries_.splice(entries_.begin(), entries_, it->second);
    return it->second->handle;
  }
  void insert(std::uint32_t file, Handle handle, bool writable) {
    const std::lock_guard lock{mutex_};
    erase_locked(file);
    entries_.push_front({file, std::move(handle), writable});
    index_[file] = entries_.begin();
    if (entries_.size() > capacity_) erase_locked(entries_.back().file);
  }
  void erase(std::uint32_t file) {
    const std::lock_guard lock{mutex_};
    erase_locked(file);
  }
  void clear() {
    const std::lock_guard lock{mutex_};
    entries_.clear();
    index_.clear();
  }

 private:
  struct Entry {
    std::uint32_t file;
    Handle handle;
    bool writable;
  };
  void erase_locked(std::uint32_t file) {
    const auto it = index_.find(file);
    if (it == index_.end()) return;
    entries_.erase(it->second);
    index_.erase(it);
  }

  std::size_t capacity_;
  std::mutex mutex_;
  std::list<Entry> entries_;
  std::unordered_map<std::uint32_t, std::list<Entry>::iterator> index_;
};

/// Data in [begin, end) of a file, told relative to begin.
std::error_code find_data(int fd, std::uint64_t begin, std::uint64_t end, std::vector<ByteRange>& out) {
  std::uint64_t at = begin;
  while (at < end) {
    const off_t data = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) return {};
    // A file system that knows no holes, or a file with too many of them: all of it may be data.
    if (data < 0 || out.size() >= kMaxRanges) {
      out.push_back({at - begin, end - begin});
      return {};
    }
    if (static_cast<std::uint64_t>(data) >= end) return {};
    const off_t hole = ::lseek(fd, data, SEEK_HOLE);
    const std::uint64_t stop = hole < 0 ? end : std::min(end, static_cast<std::uint64_t>(hole));
    out.push_back({static_cast<std::uint64_t>(data) - begin, stop - begin});
    at = stop;
  }
  return {};
}

class PosixFiles final : public FileSet {
 public:
  PosixFiles(std::string root, std::string state_dir, std::string stem, const PosixOptions& options)
      : root_(std::move(root), options.use_openat2),
        state_dir_(std::move(state_dir)),
        stem_(std::move(stem)),
        handles_(options.open_files) {}

  void set_layout(std::shared_ptr<const Manifest> manifest) override {
    close();
    manifest_ = std::move(manifest);
    parts_.clear();
  }
  void set_parts(std::vector<bool> parts) override {
    assert(parts.empty() || parts.size() == manifest_->layout.files().size());
    parts_ = std::move(parts);
  }

  std::error_code stat(std::uint32_t file, FileStat& out) override;
  std::error_code data_ranges(std::uint32_t file, std::vector<ByteRange>& out) override;
  std::error_code create(std::uint32_t file) override;
  std::error_code resize(std::uint32_t file, std::uint64_t size) override;
  std::error_code remove(std::uint32_t file) override;
  std::error_code write(std::uint32_t file, std::uint64_t offset, std::span<const wire::Bytes> data) override;
  std::error_code read(std::uint32_t file, std::uint64_t offset, wire::MutableBytes out) override;
  std::error_code adopt(std::uint32_t file, std::uint64_t offset, std::uint64_t length) override;
  void mark_dirty(std::uint32_t file) override;
  std::error_code sync() override;
  void close() override;
  std::string path(std::uint32_t file) const override;
  std::string path(StateBlob blob) const override { return state_dir_ + '/' + name(blob); }

  std::optional<wire::ByteVector> load(StateBlob blob) override;
  std::error_code replace(StateBlob blob, wire::Bytes content) override;
  std::error_code append(StateBlob blob, wire::Bytes content) override;
  void erase(StateBlob blob) override;
  std::error_code write_scratch(std::uint64_t offset, std::span<const wire::Bytes> data) override;
  std::error_code read_scratch(std::uint64_t offset, wire::MutableBytes out) override;

 private:
  /// What is to be synced. A file is named here after it was written, so that a sync in between cannot miss it.
  struct Dirty {
    std::set<std::uint32_t> files;
    std::set<std::vector<std::string>> directories;  // new entries in them
    bool parts = false;
    bool journal = false;
  };

  [[nodiscard]] const FileEntry& entry(std::uint32_t file) const { return manifest_->layout.files()[file]; }
  [[nodiscard]] bool in_parts(std::uint32_t file) const { return !parts_.empty() && parts_[file]; }
  [[nodiscard]] std::string name(StateBlob blob) const;
  [[nodiscard]] Opened open_file(std::uint32_t file, bool writable, bool create);
  [[nodiscard]] std::expected<Fd, std::error_code> create_file(std::uint32_t file, bool& created);
  [[nodiscard]] Opened state_directory(bool create);
  [[nodiscard]] Opened open_blob(StateBlob blob, bool create);
  [[nodiscard]] std::error_code sync_all(const Dirty& dirty);

  posix::Beneath root_;
  const std::string state_dir_;
  const std::string stem_;
  std::shared_ptr<const Manifest> manifest_;
  std::vector<bool> parts_;
  HandleCache handles_;

  std::mutex mutex_;  // guards what follows
  Dirty dirty_;
  Handle state_handle_;
  std::array<Handle, kStateBlobs> blobs_;
  std::uint64_t journal_size_ = 0;
};

// --- names and handles ---

std::string PosixFiles::name(StateBlob blob) const {
  constexpr std::array<const char*, kStateBlobs> kSuffix{".resume", ".journal", ".scratch", ".parts"};
  return stem_ + kSuffix[static_cast<std::size_t>(blob)];
}

std::string PosixFiles::path(std::uint32_t file) const {
  return in_parts(file) ? path(StateBlob::parts) : root_.root() + '/' + entry(file).joined();
}

std::expected<Fd, std::error_code> PosixFiles::create_file(std::uint32_t file, bool& created) {
  // An existing file is opened as it is: whether it was there decides if its directory must be synced.
  constexpr int kFlags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  auto fd = root_.open(entry(file).path, kFlags);
  if (fd || !missing(fd.error())) return fd;
  created = true;
  const unsigned mode = entry(file).executable ? 0777 : 0666;
  fd = root_.open(entry(file).path, kFlags | O_CREAT, mode);
  if (fd || !missing(fd.error())) return fd;
  if (const auto code = root_.make_parents(entry(file).path)) return std::unexpected(code);
  return root_.open(entry(file).path, kFlags | O_CREAT, mode);
}

Opened PosixFiles::open_file(std::uint32_t file, bool writable, bool create) {
  if (in_parts(file)) return open_blob(StateBlob::parts, create);
  if (Handle known = handles_.find(file, writable)) return known;
  bool created = false;
  auto fd = create ? create_file(file, created)
                   : root_.open(entry(file).path, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!fd) return std::unexpected(fd.error());
  struct stat st;
  if (::fstat(fd->value(), &st) != 0) return std::unexpected(last_error());
  if (!S_ISREG(st.st_mode)) {
    return std::unexpected(
        std::make_error_code(S_ISDIR(st.st_mode) ? std::errc::is_a_directory : std::errc::file_exists));
  }
  if (created) {
    const std::lock_guard lock{mutex_};
    std::vector<std::string> directory = entry(file).path;
    while (!directory.empty()) {
      directory.pop_back();
      dirty_.directories.insert(directory);
    }
  }
  auto handle = std::make_shared<const Fd>(std::move(*fd));
  handles_.insert(file, handle, writable || create);
  return handle;
}

Opened PosixFiles::state_directory(bool create) {
  const std::lock_guard lock{mutex_};
  if (state_handle_) return state_handle_;
  if (create) {
    if (const auto code = posix::make_directories(state_dir_, 0700)) return std::unexpected(code);
  }
  Fd fd{::open(state_dir_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!fd) return std::unexpected(last_error());
  state_handle_ = std::make_shared<const Fd>(std::move(fd));
  return state_handle_;
}

Opened PosixFiles::open_blob(StateBlob blob, bool create) {
  Handle& slot = blobs_[static_cast<std::size_t>(blob)];
  {
    const std::lock_guard lock{mutex_};
    if (slot) return slot;
  }
  const auto directory = state_directory(create);
  if (!directory) return std::unexpected(directory.error());
  const std::lock_guard lock{mutex_};
  if (slot) return slot;
  // A new journal begins empty; the other two are used where they lie.
  const int flags = O_RDWR | (create ? O_CREAT : 0) | (create && blob == StateBlob::journal ? O_TRUNC : 0);
  Fd fd{::openat((*directory)->value(), name(blob).c_str(), flags | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!fd) return std::unexpected(last_error());
  slot = std::make_shared<const Fd>(std::move(fd));
  return slot;
}

// --- payload ---

std::error_code PosixFiles::stat(std::uint32_t file, FileStat& out) {
  out = {};
  struct stat st;
  if (in_parts(file)) {
    const auto blob = open_blob(StateBlob::parts, false);
    if (!blob) return missing(blob.error()) ? std::error_code{} : blob.error();
    if (::fstat((*blob)->value(), &st) != 0) return last_error();
    const auto size = static_cast<std::uint64_t>(st.st_size);
    out.exists = size > entry(file).offset;
    if (out.exists) out.size = std::min(entry(file).size, size - entry(file).offset);
    return {};
  }
  const auto fd = root_.open(entry(file).path, O_PATH | O_NOFOLLOW);
  if (!fd) return missing(fd.error()) ? std::error_code{} : fd.error();
  if (::fstat(fd->value(), &st) != 0) return last_error();
  if (S_ISLNK(st.st_mode)) return std::make_error_code(std::errc::too_many_symbolic_link_levels);
  out.exists = true;
  out.regular = S_ISREG(st.st_mode);
  out.size = out.regular ? static_cast<std::uint64_t>(st.st_size) : 0;
  out.mtime_ns = std::int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec;
  return {};
}

std::error_code PosixFiles::data_ranges(std::uint32_t file, std::vector<ByteRange>& out) {
  out.clear();
  FileStat st;
  if (const auto code = stat(file, st)) return code;
  if (!st.exists || st.size == 0) return {};
  const auto handle = open_file(file, false, false);
  if (!handle) return handle.error();
  const std::uint64_t begin = in_parts(file) ? entry(file).offset : 0;
  return find_data((*handle)->value(), begin, begin + st.size, out);
}

std::error_code PosixFiles::create(std::uint32_t file) {
  const auto handle = open_file(file, true, true);
  return handle ? std::error_code{} : handle.error();
}

std::error_code PosixFiles::resize(std::uint32_t file, std::uint64_t size) {
  assert(!in_parts(file));
  const auto handle = open_file(file, true, true);
  if (!handle) return handle.error();
  if (::ftruncate((*handle)->value(), static_cast<off_t>(size)) != 0) return last_error();
  mark_dirty(file);
  return {};
}

std::error_code PosixFiles::remove(std::uint32_t file) {
  assert(!in_parts(file));
  handles_.erase(file);
  return root_.unlink(entry(file).path);
}

std::error_code PosixFiles::write(std::uint32_t file, std::uint64_t offset, std::span<const wire::Bytes> data) {
  const auto handle = open_file(file, true, true);
  if (!handle) return handle.error();
  const std::uint64_t base = in_parts(file) ? entry(file).offset : 0;
  const auto code = posix::write_all((*handle)->value(), base + offset, data);
  mark_dirty(file);
  return code;
}

std::error_code PosixFiles::read(std::uint32_t file, std::uint64_t offset, wire::MutableBytes out) {
  const auto handle = open_file(file, false, false);
  if (!handle) return missing(handle.error()) ? posix::no_data() : handle.error();
  const std::uint64_t base = in_parts(file) ? entry(file).offset : 0;
  return posix::read_all((*handle)->value(), base + offset, out);
}

std::error_code PosixFiles::adopt(std::uint32_t file, std::uint64_t offset, std::uint64_t length) {
  assert(!in_parts(file));
  const auto from = open_blob(StateBlob::parts, false);
  if (!from) return from.error();
  const auto to = open_file(file, true, true);
  if (!to) return to.error();
  const auto code = posix::copy_range((*from)->value(), entry(file).offset + offset, (*to)->value(), offset, length);
  mark_dirty(file);
  return code;
}

void PosixFiles::mark_dirty(std::uint32_t file) {
  const std::lock_guard lock{mutex_};
  if (in_parts(file)) {
    dirty_.parts = true;
  } else {
    dirty_.files.insert(file);
  }
}

std::error_code PosixFiles::sync_all(const Dirty& dirty) {
  const auto sync_blob = [&](StateBlob blob) -> std::error_code {
    const auto handle = open_blob(blob, false);
    if (!handle) return missing(handle.error()) ? std::error_code{} : handle.error();
    return ::fdatasync((*handle)->value()) == 0 ? std::error_code{} : last_error();
  };
  for (const std::uint32_t file : dirty.files) {
    const auto handle = open_file(file, false, false);
    // Deleted behind our back: there is nothing to sync, and the next Open will see that it is gone.
    if (!handle && missing(handle.error())) continue;
    if (!handle) return handle.error();
    if (::fdatasync((*handle)->value()) != 0) return last_error();
  }
  for (const auto& directory : dirty.directories) {
    auto fd = directory.empty()
                  ? std::expected<Fd, std::error_code>{Fd{::open(root_.root().c_str(), O_RDONLY | O_CLOEXEC)}}
                  : root_.open(directory, O_RDONLY | O_DIRECTORY);
    if (!fd || !*fd) continue;  // gone or not readable: its files are synced, which is what counts
    if (::fsync(fd->value()) != 0 && errno != EINVAL) return last_error();
  }
  if (dirty.parts) {
    if (const auto code = sync_blob(StateBlob::parts)) return code;
  }
  return dirty.journal ? sync_blob(StateBlob::journal) : std::error_code{};
}

std::error_code PosixFiles::sync() {
  Dirty taken;
  {
    const std::lock_guard lock{mutex_};
    taken = std::exchange(dirty_, {});
  }
  const auto code = sync_all(taken);
  if (code) {
    const std::lock_guard lock{mutex_};
    dirty_.files.merge(taken.files);
    dirty_.directories.merge(taken.directories);
    dirty_.parts |= taken.parts;
    dirty_.journal |= taken.journal;
  }
  return code;
}

void PosixFiles::close() {
  handles_.clear();
  root_.close();
  const std::lock_guard lock{mutex_};
  dirty_ = {};
  state_handle_.reset();
  blobs_.fill(nullptr);
  journal_size_ = 0;
}

// --- state ---

std::optional<wire::ByteVector> PosixFiles::load(StateBlob blob) {
  const auto directory = state_directory(false);
  if (!directory) return std::nullopt;
  return posix::read_file((*directory)->value(), name(blob), kMaxState);
}

std::error_code PosixFiles::replace(StateBlob blob, wire::Bytes content) {
  const auto directory = state_directory(true);
  if (!directory) return directory.error();
  return posix::replace_file((*directory)->value(), name(blob), content);
}

std::error_code PosixFiles::append(StateBlob blob, wire::Bytes content) {
  assert(blob == StateBlob::journal);
  const auto handle = open_blob(blob, true);
  if (!handle) return handle.error();
  const std::lock_guard lock{mutex_};
  if (const auto code = posix::write_all((*handle)->value(), journal_size_, {&content, 1})) {
    // A torn record must not stand in front of the next one. If even this fails, the next append overwrites it.
    static_cast<void>(::ftruncate((*handle)->value(), static_cast<off_t>(journal_size_)) == 0);
    return code;
  }
  journal_size_ += content.size();
  dirty_.journal = true;
  return {};
}

void PosixFiles::erase(StateBlob blob) {
  const auto directory = state_directory(false);
  const std::lock_guard lock{mutex_};
  blobs_[static_cast<std::size_t>(blob)].reset();
  if (blob == StateBlob::journal) {
    journal_size_ = 0;
    dirty_.journal = false;
  }
  if (directory) ::unlinkat((*directory)->value(), name(blob).c_str(), 0);
}

std::error_code PosixFiles::write_scratch(std::uint64_t offset, std::span<const wire::Bytes> data) {
  const auto handle = open_blob(StateBlob::scratch, true);
  if (!handle) return handle.error();
  return posix::write_all((*handle)->value(), offset, data);
}

std::error_code PosixFiles::read_scratch(std::uint64_t offset, wire::MutableBytes out) {
  const auto handle = open_blob(StateBlob::scratch, false);
  if (!handle) return missing(handle.error()) ? posix::no_data() : handle.error();
  return posix::read_all((*handle)->value(), offset, out);
}

}  // namespace

std::unique_ptr<FileSet> make_posix_files(std::string root, std::string state_dir, std::string stem,
                                          const PosixOptions& options) {
  return std::make_unique<PosixFiles>(std::move(root), std::move(state_dir), std::move(stem), options);
}

std::unique_ptr<FileSet> make_posix_files(std::string root, std::string state_dir, std::string stem) {
  return make_posix_files(std::move(root), std::move(state_dir), std::move(stem), PosixOptions{});
}

}  // namespace lodestone::storage
