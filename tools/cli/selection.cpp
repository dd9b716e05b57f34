// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/selection.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

#include "tools/cli/glob.hpp"

namespace lodestone::tools {
namespace {

std::optional<std::uint64_t> index_of(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc{} ? value : UINT64_MAX;
}

bool matches_file(std::string_view pattern, const storage::FileEntry& file, const magnet::Info& info) {
  if (glob_matches_path(pattern, file.path)) return true;
  if (info.single_file || file.path.size() < 2) return false;
  return glob_matches_path(pattern, {file.path.begin() + 1, file.path.end()});
}

/// Calls f for every file that is meant. The error: an index that does not exist.
template <class F>
std::expected<void, std::string> for_each_meant(std::string_view pattern, const magnet::Info& info, F f) {
  if (const auto index = index_of(pattern)) {
    if (*index >= info.files.size())
      return std::unexpected(fmt::format("there is no file {}, the last one is {}", pattern, info.files.size() - 1));
    f(static_cast<std::size_t>(*index));
    return {};
  }
  for (std::size_t i = 0; i < info.files.size(); ++i)
    if (!info.files[i].pad && matches_file(pattern, info.files[i], info)) f(i);
  return {};
}

std::vector<bool> from_ranges(const magnet::Info& info, std::span<const magnet::IndexRange> ranges) {
  std::vector<bool> files(info.files.size(), ranges.empty());
  for (const magnet::IndexRange& range : ranges)
    for (std::uint64_t i = range.first; i < files.size() && i <= range.last; ++i)
      files[static_cast<std::size_t>(i)] = true;
  return files;
}

std::expected<Selected, std::string> from_patterns(const magnet::Info& info, std::span<const std::string> patterns) {
  Selected result;
  const auto excludes = [](const std::string& p) { return p.starts_with('!'); };
  const bool only_excludes = std::all_of(patterns.begin(), patterns.end(), excludes);
  result.files.assign(info.files.size(), only_excludes);
  for (const bool excluding : {false, true}) {
    for (const std::string& pattern : patterns) {
      if (excludes(pattern) != excluding) continue;
      std::size_t meant = 0;
      const auto ok = for_each_meant(std::string_view(pattern).substr(excluding ? 1 : 0), info, [&](std::size_t i) {
        ++meant;
        result.files[i] = !excluding;
      });
      if (!ok) return std::unexpected(ok.error());
      if (meant == 0) result.unmatched.push_back(pattern);
    }
  }
  return result;
}

}  // namespace

bool Selected::all(const magnet::Info& info) const {
  for (std::size_t i = 0; i < info.files.size(); ++i)
    if (!files[i] && !info.files[i].pad) return false;
  return true;
}

std::expected<Selected, std::string> select_files(const magnet::Info& info, std::span<const std::string> patterns,
                                                  std::span<const magnet::IndexRange> ranges) {
  Selected result;
  if (patterns.empty()) {
    result.files = from_ranges(info, ranges);
  } else {
    auto chosen = from_patterns(info, patterns);
    if (!chosen) return chosen;
    result = *std::move(chosen);
  }
  for (std::size_t i = 0; i < info.files.size(); ++i)
    if (info.files[i].pad) result.files[i] = false;
  if (std::find(result.files.begin(), result.files.end(), true) == result.files.end())
    return std::unexpected("the selection matches none of the torrent's files");
  return result;
}

}  // namespace lodestone::tools
