// SPDX-License-Identifier: Apache-2.0
#include "storage/disk/opening.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "storage/disk/piece_io.hpp"
#include "wire/base/hash.hpp"

namespace lodestone::storage {
namespace {

using wire::Bitfield;
using wire::PieceIndex;

/// Digest of n zeros; remembers the last, as all pieces but one have the same length.
class ZeroDigest {
 public:
  const wire::Sha1Digest& of(std::uint32_t length) {
    if (length != length_) {
      static constexpr std::array<std::uint8_t, 16 * 1024> kZeros{};
      wire::Sha1 hasher;
      for (std::uint32_t left = length; left > 0;) {
        const auto n = std::min<std::uint32_t>(left, kZeros.size());
        hasher.update(wire::Bytes{kZeros.data(), n});
        left -= n;
      }
      digest_ = hasher.finish();
      length_ = length;
    }
    return digest_;
  }

 private:
  std::uint32_t length_ = 0;
  wire::Sha1Digest digest_{};
};

enum class Presence { absent, hole, data };

class Surveyor {
 public:
  Surveyor(FileSet& files, const Manifest& manifest, const ResumeState& resume, const std::vector<bool>& wanted,
           bool force)
      : files_(files),
        manifest_(manifest),
        layout_(manifest.layout),
        resume_(resume),
        wanted_(wanted),
        force_(force),
        stats_(layout_.files().size()),
        candidates_(layout_.geometry().piece_count()),
        carried_(layout_.geometry().piece_count()) {
    out_.have = resume.have;
    out_.check = Bitfield{layout_.geometry().piece_count()};
    out_.parked = Bitfield{layout_.geometry().piece_count()};
    out_.stateless = !resume.usable || resume.foreign;
  }

  Survey run() {
    place_files();
    if (out_.trouble) return std::move(out_);
    if (out_.stateless) {
      out_.have.fill(false);
      candidates_.fill(true);
      find_foreign();
    } else {
      plan_carry();
      compare_files();
      add_pending();
    }
    if (!out_.trouble) sort_candidates();
    if (!out_.trouble) judge_newcomers();
    if (!out_.trouble) find_conflict();
    for (std::uint32_t i = 0; i < stats_.size(); ++i)
      if (!layout_.files()[i].pad && !out_.parts[i] && !stats_[i].exists) out_.absent.push_back(i);
    keep_spilled();
    return std::move(out_);
  }

 private:
  [[nodiscard]] bool was_in_parts(std::uint32_t file) const {
    return resume_.usable && resume_.parts.test(PieceIndex{file});
  }

  void fail(std::uint32_t file, const std::error_code& code) {
    if (!out_.trouble) out_.trouble = trouble_with(files_, file, code);
  }
  void fail_conflict(std::uint32_t file) { fail(file, std::make_error_code(std::errc::file_exists)); }

  /// Decides which files live in the parts blob, and looks at all of them.
  void place_files() {
    const auto& entries = layout_.files();
    out_.parts.assign(entries.size(), false);
    files_.set_parts({});
    for (std::uint32_t i = 0; i < entries.size() && !out_.trouble; ++i) {
      if (entries[i].pad) continue;
      const bool ours = !out_.stateless && !was_in_parts(i);
      if (!wanted_[i]) {
        // A file that was wanted once and is there stays in use; any other that nobody wants is not even looked at.
        FileStat st;
        if (!ours || files_.stat(i, st) || !st.exists || !st.regular || st.size > entries[i].size) {
          out_.parts[i] = true;
          continue;
        }
      }
      look_at(i);
      // It was none of our files until now: what it holds is not ours to overwrite, unless a piece says that it is.
      if (!force_ && !out_.stateless && was_in_parts(i) && stats_[i].exists && !ranges_of(i).empty())
        out_.newcomers.push_back(i);
    }
    ranges_file_.reset();
    files_.set_parts(out_.parts);
    for (std::uint32_t i = 0; i < entries.size() && !out_.trouble; ++i) {
      if (!out_.parts[i]) continue;
      if (const auto code = files_.stat(i, stats_[i])) fail(i, code);
    }
  }

  /// A wanted file: what may not stand there is a conflict, or goes away with force.
  void look_at(std::uint32_t file) {
    FileStat& st = stats_[file];
    const std::uint64_t size = layout_.files()[file].size;
    if (const auto code = files_.stat(file, st)) return fail(file, code);
    if (st.exists && !st.regular) {
      if (!force_) return fail_conflict(file);
      if (const auto code = files_.remove(file)) return fail(file, code);
      st = {};
    }
    if (st.exists && st.size > size) {
      if (!force_) return fail_conflict(file);
      if (const auto code = files_.resize(file, size)) return fail(file, code);
      if (const auto code = files_.stat(file, st)) return fail(file, code);
    }
  }

  /// Data of unknown origin in a wanted file: it may be this torrent's or somebody's diary.
  void find_foreign() {
    if (force_) return;
    for (std::uint32_t i = 0; i < stats_.size() && out_.foreign.empty(); ++i) {
      if (!stats_[i].exists || stats_[i].size == 0 || out_.parts[i]) continue;
      if (ranges_of(i).empty()) continue;
      out_.foreign.push_back({files_.path(i), PieceIndex{0}, PieceIndex{candidates_.size() - 1}});
    }
  }

  /// A newcomer that has a piece without hashing (zeros in a hole) is ours already.
  void judge_newcomers() {
    std::erase_if(out_.newcomers, [&](std::uint32_t file) {
      const auto [first, last] = layout_.pieces_of(file);
      if (has_any(out_.have, PieceIndex{first}, PieceIndex{last})) return true;
      out_.foreign.push_back({files_.path(file), PieceIndex{first}, PieceIndex{last}});
      return false;
    });
  }

  /// Where no piece is had and none can turn out good nothing needs to be hashed to know it.
  void find_conflict() {
    for (const result::Foreign& one : out_.foreign) {
      if (has_any(out_.have, one.first, one.last) || has_any(out_.check, one.first, one.last)) continue;
      out_.trouble = {Trouble::Kind::conflict, std::make_error_code(std::errc::file_exists), one.path};
      return;
    }
  }

  [[nodiscard]] static bool has_any(const Bitfield& pieces, PieceIndex first, PieceIndex last) {
    for (std::uint32_t p = first.value(); p <= last.value() && !pieces.none(); ++p)
      if (pieces.test(PieceIndex{p})) return true;
    return false;
  }

  /// Files that were unwanted and are wanted now get their bytes of verified pieces out of the parts blob; a newcomer
  /// does not, and then these stay there.
  void plan_carry() {
    for (std::uint32_t i = 0; i < stats_.size(); ++i) {
      if (!was_in_parts(i) || out_.parts[i]) continue;
      const auto [first, last] = layout_.pieces_of(i);
      const FileEntry& entry = layout_.files()[i];
      const bool newcomer = std::binary_search(out_.newcomers.begin(), out_.newcomers.end(), i);
      for (std::uint32_t p = first; p <= last && entry.size > 0; ++p) {
        const PieceIndex piece{p};
        if (!resume_.have.test(piece) && !resume_.check.test(piece)) continue;
        if (newcomer) {
          out_.parked.set(piece);
          continue;
        }
        const std::uint64_t begin = std::max(entry.offset, layout_.geometry().offset(piece));
        const std::uint64_t end =
            std::min(entry.offset + entry.size, layout_.geometry().offset(piece) + layout_.geometry().length(piece));
        out_.carry.push_back({i, begin - entry.offset, end - begin});
        carried_.set(piece);
      }
    }
  }

  /// What changed since the state was written is hashed again, that file only.
  void compare_files() {
    if (resume_.unknown) candidates_.fill(true);
    for (std::uint32_t i = 0; i < stats_.size(); ++i) {
      if (layout_.files()[i].pad || !changed(i)) continue;
      const auto [first, last] = layout_.pieces_of(i);
      for (std::uint32_t p = first; p <= last; ++p) {
        out_.have.reset(PieceIndex{p});
        candidates_.set(PieceIndex{p});
      }
    }
  }

  [[nodiscard]] bool changed(std::uint32_t file) const {
    const FileStat& st = stats_[file];
    if (out_.parts[file] != was_in_parts(file)) return true;  // its bytes are looked for in another place now
    if (resume_.clean && !out_.parts[file]) {
      const FileMark& mark = resume_.files[file];
      return mark.exists != st.exists || (st.exists && (mark.size != st.size || mark.mtime_ns != st.mtime_ns));
    }
    return st.size < needed(file);
  }

  /// How far the file must reach for the pieces that are had.
  [[nodiscard]] std::uint64_t needed(std::uint32_t file) const {
    const FileEntry& entry = layout_.files()[file];
    const auto [first, last] = layout_.pieces_of(file);
    if (first > last) return 0;
    for (std::uint32_t p = last + 1; p-- > first;) {
      const PieceIndex piece{p};
      if (!resume_.have.test(piece)) continue;
      const std::uint64_t end = layout_.geometry().offset(piece) + layout_.geometry().length(piece);
      return std::min(entry.size, end - entry.offset);
    }
    return 0;
  }

  void add_pending() {
    for (std::uint32_t p = 0; p < candidates_.size(); ++p)
      if (resume_.check.test(PieceIndex{p})) candidates_.set(PieceIndex{p});
  }

  void sort_candidates() {
    ZeroDigest zeros;
    for (std::uint32_t p = 0; p < candidates_.size() && !out_.trouble; ++p) {
      const PieceIndex piece{p};
      if (!candidates_.test(piece) || out_.have.test(piece)) continue;
      if (carried_.test(piece)) {
        // Not there yet; whether it has come, its hash will tell.
        out_.check.set(piece);
        continue;
      }
      switch (presence(piece)) {
        case Presence::absent: break;
        case Presence::data: out_.check.set(piece); break;
        case Presence::hole:
          // Holes read as zeros, so this is known without reading.
          if (manifest_.pieces[p] == zeros.of(layout_.geometry().length(piece))) out_.have.set(piece);
          break;
      }
    }
  }

  /// Blocks in the scratch file count while it reaches that far and their piece is still wanting.
  void keep_spilled() {
    const wire::Geometry& geometry = layout_.geometry();
    const auto& all = resume_.spilled;
    for (std::size_t i = 0; i < all.size();) {
      const PieceIndex piece = all[i].ref.piece;
      std::size_t end = i;
      while (end < all.size() && all[end].ref.piece == piece) ++end;
      const wire::BlockRange last = geometry.range(all[end - 1].ref);
      std::uint8_t byte = 0;
      const std::uint64_t place = std::uint64_t{all[i].slot} * geometry.piece_length();
      if (!out_.have.test(piece) && !out_.check.test(piece) &&
          !files_.read_scratch(place + last.begin + last.length - 1, {&byte, 1}))
        out_.spilled.insert(out_.spilled.end(), all.begin() + static_cast<std::ptrdiff_t>(i),
                            all.begin() + static_cast<std::ptrdiff_t>(end));
      i = end;
    }
  }

  [[nodiscard]] Presence presence(PieceIndex piece) {
    slices_.clear();
    layout_.slices(layout_.geometry().offset(piece), layout_.geometry().length(piece), slices_);
    for (const FileSlice& slice : slices_) {
      if (layout_.files()[slice.file].pad) continue;
      const FileStat& st = stats_[slice.file];
      if (!st.exists || st.size < slice.offset + slice.length) return Presence::absent;
    }
    for (const FileSlice& slice : slices_) {
      if (layout_.files()[slice.file].pad) continue;
      const auto& ranges = ranges_of(slice.file);
      const auto it = std::upper_bound(ranges.begin(), ranges.end(), slice.offset,
                                       [](std::uint64_t at, const ByteRange& range) { return at < range.end; });
      if (it != ranges.end() && it->begin < slice.offset + slice.length) return Presence::data;
    }
    return Presence::hole;
  }

  /// Of one file at a time: pieces are gone through in order.
  const std::vector<ByteRange>& ranges_of(std::uint32_t file) {
    if (ranges_file_ != file) {
      ranges_file_ = file;
      if (const auto code = files_.data_ranges(file, ranges_)) fail(file, code);
    }
    return ranges_;
  }

  FileSet& files_;
  const Manifest& manifest_;
  const Layout& layout_;
  const ResumeState& resume_;
  const std::vector<bool>& wanted_;
  const bool force_;
  std::vector<FileStat> stats_;  // pads: as if absent
  Bitfield candidates_;          // pieces about which only the files can tell
  Bitfield carried_;             // pieces that have bytes to be carried into a file
  std::optional<std::uint32_t> ranges_file_;
  std::vector<ByteRange> ranges_;
  std::vector<FileSlice> slices_;
  Survey out_;
};

}  // namespace

Survey survey(FileSet& files, const Manifest& manifest, const ResumeState& resume, const std::vector<bool>& wanted,
              bool force) {
  return Surveyor{files, manifest, resume, wanted, force}.run();
}

}  // namespace lodestone::storage
