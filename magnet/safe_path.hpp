// SPDX-License-Identifier: Apache-2.0
// D1: names of strangers become names of files, element by element. Used by metainfo for everything it hands out.
// Invariant: an element that comes out is well-formed UTF-8 of 1 to 240 bytes without '/', '\\', NUL or control
// characters and is neither "." nor ".."; within one directory no two names are equal, not even after NFC and case
// folding.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lodestone::magnet {

inline constexpr std::size_t kMaxElement = 240;  // bytes
/// More elements than this no path has that was meant well; parsers refuse it.
inline constexpr std::size_t kMaxPathDepth = 100;

/// One element. What must not be becomes '_' (so do "", "." and ".."; "..." is legal); a long name is cut, its
/// extension kept.
[[nodiscard]] std::string clean_element(std::string_view raw);

/// Hands out paths that differ from each other. The same calls in the same order give the same names, which is what
/// lets a later run find the files again.
class PathSet {
 public:
  PathSet() : directories_(1) {}
  /// The elements of one file, not empty, at most kMaxPathDepth. A name that is taken gets " (2)" or a higher number in
  /// front of its extension; a directory of the same spelling is shared.
  [[nodiscard]] std::vector<std::string> add(const std::vector<std::string_view>& raw);

 private:
  using DirectoryIndex = std::uint32_t;
  struct Child {
    std::string name;
    DirectoryIndex directory;
  };
  // Ordered maps: their cost does not depend on names that somebody chose so that they collide.
  struct Directory {
    std::map<std::string, Child, std::less<>> children;  // subdirectories by their clean name before renaming
    std::set<std::string> taken;                         // collision keys of all names in it
  };

  [[nodiscard]] std::string free_name(DirectoryIndex directory, const std::string& clean);
  [[nodiscard]] DirectoryIndex enter(DirectoryIndex parent, const std::string& clean, std::string& name);

  std::vector<Directory> directories_;
  // One counter for the whole set: each number is tried once, so a hostile list of names costs linear time.
  std::uint64_t next_number_ = 3;
};

}  // namespace lodestone::magnet
