// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/source_tree.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "tools/cli/units.hpp"

namespace lodestone::tools {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::size_t kChunk = 1u << 20;  // bytes read at a time
constexpr unsigned kMostThreads = 4;

Failure unreadable(const fs::path& path, int code) {
  const bool absent = code == ENOENT || code == ENOTDIR;
  return {absent ? ExitCode::usage : ExitCode::storage, path.string(),
          absent ? "there is no such file or directory" : std::generic_category().message(code), ""};
}

Failure unreadable(const fs::path& path, const std::error_code& code) { return unreadable(path, code.value()); }

// --- scanning ---

/// "a/b/", "." and ".." have names too: those of the directories that they are.
fs::path settled(const std::string& path) {
  std::error_code ignored;
  fs::path full = fs::absolute(path, ignored).lexically_normal();
  if (!full.has_filename()) full = full.parent_path();
  return full;
}

class Scanner {
 public:
  Scanner(Context& context, const fs::path& root, const fs::path& except)
      : context_(context), root_(root), except_(except) {}

  std::optional<Failure> run(SourceTree& tree) {
    std::error_code code;
    fs::recursive_directory_iterator at(root_, code);
    for (const fs::recursive_directory_iterator end; !code && at != end; at.increment(code))
      if (auto failure = visit(*at, tree)) return failure;
    if (code) return unreadable(root_, code);
    return std::nullopt;
  }

 private:
  std::optional<Failure> visit(const fs::directory_entry& entry, SourceTree& tree) {
    std::error_code code;
    const fs::file_status status = entry.symlink_status(code);
    if (code) return unreadable(entry.path(), code);
    if (status.type() == fs::file_type::directory) return std::nullopt;
    if (status.type() == fs::file_type::symlink) {
      context_.out.warn(entry.path().string() + ": a symlink, is left out");
      return std::nullopt;
    }
    if (status.type() != fs::file_type::regular) {
      context_.out.warn(entry.path().string() + ": neither file nor directory, is left out");
      return std::nullopt;
    }
    if (!except_.empty() && fs::equivalent(entry.path(), except_, code)) {
      context_.out.warn(entry.path().string() + ": is the output, and is left out");
      return std::nullopt;
    }
    SourceFile file;
    file.path = entry.path();
    for (const fs::path& element : entry.path().lexically_relative(root_)) file.elements.push_back(element.string());
    struct stat info{};
    if (::stat(file.path.c_str(), &info) != 0) return unreadable(file.path, errno);
    file.size = static_cast<std::uint64_t>(info.st_size);
    file.executable = (info.st_mode & S_IXUSR) != 0;
    tree.files.push_back(std::move(file));
    return std::nullopt;
  }

  Context& context_;
  fs::path root_;
  fs::path except_;
};

// --- hashing ---

/// Reads ranges of the stream; keeps the file open that it read last.
class StreamReader {
 public:
  StreamReader(const SourceTree& tree, const std::vector<std::uint64_t>& offsets) : tree_(tree), offsets_(offsets) {}
  ~StreamReader() { close(); }
  StreamReader(const StreamReader&) = delete;
  StreamReader& operator=(const StreamReader&) = delete;

  /// Fills `into` from that offset; the range lies in the stream.
  std::optional<Failure> read(std::uint64_t offset, wire::MutableBytes into) {
    // The last file that starts at or before the offset; empty files start where the next one does.
    auto index =
        static_cast<std::size_t>(std::upper_bound(offsets_.begin(), offsets_.end(), offset) - offsets_.begin()) - 1;
    while (!into.empty()) {
      const SourceFile& file = tree_.files[index];
      const std::uint64_t begin = offset - offsets_[index];
      const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), file.size - begin));
      if (part > 0) {
        if (auto failure = read_file(index, begin, into.first(part))) return failure;
        into = into.subspan(part);
        offset += part;
      }
      ++index;
    }
    return std::nullopt;
  }

 private:
  std::optional<Failure> open(std::size_t index) {
    if (open_ == index && file_ >= 0) return std::nullopt;
    close();
    const SourceFile& source = tree_.files[index];
    file_ = ::open(source.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file_ < 0) return unreadable(source.path, errno);
    open_ = index;
    struct stat info{};
    if (::fstat(file_, &info) != 0) return unreadable(source.path, errno);
    if (!S_ISREG(info.st_mode) || static_cast<std::uint64_t>(info.st_size) != source.size) return changed(source);
    return std::nullopt;
  }

  std::optional<Failure> read_file(std::size_t index, std::uint64_t offset, wire::MutableBytes into) {
    if (auto failure = open(index)) return failure;
    while (!into.empty()) {
      const auto got = ::pread(file_, into.data(), into.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return unreadable(tree_.files[index].path, errno);
      if (got == 0) return changed(tree_.files[index]);
      into = into.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
    return std::nullopt;
  }

  static Failure changed(const SourceFile& file) {
    return {ExitCode::error, file.path.string(), "the file changed while it was read", "Run the command again"};
  }

  void close() {
    if (file_ >= 0) ::close(file_);
    file_ = -1;
  }

  const SourceTree& tree_;
  const std::vector<std::uint64_t>& offsets_;
  int file_ = -1;
  std::size_t open_ = 0;
};

/// The workers' common state: the next piece to take, what was read, why it stopped.
class Hashing {
 public:
  Hashing(const SourceTree& tree, std::uint64_t piece_length)
      : tree_(tree), piece_length_(piece_length), total_(tree.total()) {
    std::uint64_t offset = 0;
    for (const SourceFile& file : tree.files) {
      offsets_.push_back(offset);
      offset += file.size;
    }
    digests_.resize(static_cast<std::size_t>(total_ / piece_length + (total_ % piece_length != 0 ? 1 : 0)));
  }

  std::expected<std::vector<wire::Sha1Digest>, Failure> run(const std::function<bool(std::uint64_t)>& tick) {
    const auto cores = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kMostThreads);
    running_ = std::min(cores, digests_.size());
    std::vector<std::jthread> workers;
    for (std::size_t i = 0, count = running_; i < count; ++i) workers.emplace_back([this] { work(); });
    {
      std::unique_lock lock(mutex_);
      while (!finished_.wait_for(lock, 100ms, [this] { return running_ == 0; })) {
        lock.unlock();
        if (!tick(read_)) stop({ExitCode::interrupted, tree_.name, "interrupted", "Run the command again"});
        lock.lock();
      }
    }
    workers.clear();
    if (failure_) return std::unexpected(*std::move(failure_));
    return std::move(digests_);
  }

 private:
  void work() {
    StreamReader reader(tree_, offsets_);
    wire::ByteVector buffer(static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, piece_length_)));
    wire::Sha1 hasher;
    for (std::size_t piece = next_++; piece < digests_.size() && !stopped_; piece = next_++)
      hash_piece(piece, reader, hasher, buffer);
    const std::scoped_lock lock(mutex_);
    if (--running_ == 0) finished_.notify_all();
  }

  void hash_piece(std::size_t piece, StreamReader& reader, wire::Sha1& hasher, wire::MutableBytes buffer) {
    std::uint64_t at = piece * piece_length_;
    const std::uint64_t end = std::min(at + piece_length_, total_);
    while (at < end && !stopped_) {
      const auto part = buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - at)));
      if (auto failure = reader.read(at, part)) return stop(*std::move(failure));
      hasher.update(part);
      at += part.size();
      read_ += part.size();
    }
    digests_[piece] = hasher.finish();
  }

  void stop(Failure failure) {
    const std::scoped_lock lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
    stopped_ = true;
  }

  const SourceTree& tree_;
  std::uint64_t piece_length_;
  std::uint64_t total_;
  std::vector<std::uint64_t> offsets_;
  std::vector<wire::Sha1Digest> digests_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<std::uint64_t> read_ = 0;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;
  std::condition_variable finished_;
  std::size_t running_ = 0;         // guarded
  std::optional<Failure> failure_;  // guarded
};

/// Progress of hashing under the rules of cli.md: a bar at about 5 Hz, or a line every 10 s.
class HashProgress {
 public:
  HashProgress(Context& context, std::uint64_t total) : context_(context), total_(total) {}

  void update(std::uint64_t done) {
    const auto now = std::chrono::steady_clock::now();
    const ProgressMode mode = context_.out.progress();
    if (now - last_ < (mode == ProgressMode::bar ? 200ms : 10s)) return;
    last_ = now;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
    const std::string text =
        fmt::format("hashing {:3.0f} %  {} of {}  {}",
                    100.0 * static_cast<double>(done) / static_cast<double>(std::max<std::uint64_t>(total_, 1)),
                    format_size(done), format_size(total_), format_rate(rate));
    if (mode == ProgressMode::bar) context_.out.status(text);
    if (mode == ProgressMode::line) context_.out.note(text);
  }

 private:
  using Time = std::chrono::steady_clock::time_point;
  Context& context_;
  std::uint64_t total_;
  Time start_ = std::chrono::steady_clock::now();
  Time last_ = start_;
};

}  // namespace

std::uint64_t SourceTree::total() const {
  std::uint64_t sum = 0;
  for (const SourceFile& file : files) sum += file.size;
  return sum;
}

std::expected<SourceTree, Failure> scan_tree(const std::string& path, Context& context, const fs::path& except) {
  const fs::path root = settled(path);
  std::error_code code;
  const fs::file_status status = fs::status(root, code);
  if (status.type() == fs::file_type::not_found) return std::unexpected(unreadable(path, ENOENT));
  if (code) return std::unexpected(unreadable(path, code));
  SourceTree tree;
  tree.name = root.filename().string();
  tree.parent = root.parent_path();
  if (tree.name.empty())
    return std::unexpected(Failure{ExitCode::usage, path, "has no name", "Name a file or a directory"});
  if (status.type() == fs::file_type::regular) {
    tree.single_file = true;
    struct stat info{};
    if (::stat(root.c_str(), &info) != 0) return std::unexpected(unreadable(path, errno));
    tree.files.push_back({root, {}, static_cast<std::uint64_t>(info.st_size), (info.st_mode & S_IXUSR) != 0});
    return tree;
  }
  if (status.type() != fs::file_type::directory)
    return std::unexpected(Failure{ExitCode::usage, path, "neither file nor directory", ""});
  if (auto failure = Scanner(context, root, except).run(tree)) return std::unexpected(*std::move(failure));
  if (tree.files.empty()) return std::unexpected(Failure{ExitCode::error, path, "there is no file in it", ""});
  std::sort(tree.files.begin(), tree.files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.elements < b.elements; });
  return tree;
}

std::expected<std::vector<wire::Sha1Digest>, Failure> hash_tree(const SourceTree& tree, std::uint64_t piece_length,
                                                                const std::function<bool(std::uint64_t)>& tick) {
  return Hashing(tree, piece_length).run(tick);
}

std::expected<magnet::CreateSpec, Failure> spec_of(const SourceTree& tree, std::uint64_t piece_length, Context& context,
                                                   const std::function<bool()>& keep_going) {
  magnet::CreateSpec spec;
  spec.name = tree.name;
  spec.single_file = tree.single_file;
  spec.piece_length = piece_length != 0 ? piece_length : magnet::choose_piece_length(tree.total());
  for (const SourceFile& file : tree.files) spec.files.push_back({file.elements, file.size, file.executable});
  HashProgress progress(context, tree.total());
  auto digests = hash_tree(tree, spec.piece_length, [&](std::uint64_t done) {
    progress.update(done);
    return keep_going();
  });
  context.out.end_status();
  if (!digests) return std::unexpected(std::move(digests.error()));
  spec.pieces = *std::move(digests);
  return spec;
}

}  // namespace lodestone::tools
