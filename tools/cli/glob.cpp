// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/glob.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

#include "magnet/text.hpp"

namespace lodestone::tools {
namespace {

/// Code points; a byte that is no UTF-8 stands for itself, out of the way of all characters.
std::vector<std::int32_t> points_of(std::string_view text) {
  std::vector<std::int32_t> points;
  while (!text.empty()) {
    const magnet::Point point = magnet::first_point(text);
    points.push_back(point.value >= 0 ? point.value
                                      : -static_cast<std::int32_t>(static_cast<unsigned char>(text[0])) - 1);
    text.remove_prefix(point.length);
  }
  return points;
}

using Points = std::span<const std::int32_t>;

/// "[...]" at the front of `pattern`: how long it is and whether it has `c`. nullopt: the bracket is never closed, so
/// it is a bracket.
struct Class {
  std::size_t length;
  bool matches;
};
std::optional<Class> match_class(Points pattern, std::int32_t c) {
  std::size_t at = 1;
  const bool negated = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
  if (negated) ++at;
  bool found = false;
  for (bool first = true; at < pattern.size(); first = false) {
    if (pattern[at] == ']' && !first) return Class{at + 1, found != negated};
    const std::int32_t low = pattern[at];
    std::int32_t high = low;
    if (at + 2 < pattern.size() && pattern[at + 1] == '-' && pattern[at + 2] != ']') {
      high = pattern[at + 2];
      at += 2;
    }
    found = found || (low <= c && c <= high);
    ++at;
  }
  return std::nullopt;
}

/// The element at the front of `pattern`, which is no '*', against one character: its length when it matches, else 0.
std::size_t match_one(Points pattern, std::int32_t c) {
  switch (pattern[0]) {
    case '?': return 1;
    case '[':
      if (const auto set = match_class(pattern, c)) return set->matches ? set->length : 0;
      return c == '[' ? 1 : 0;
    case '\\':
      if (pattern.size() > 1) return pattern[1] == c ? 2 : 0;
      return c == '\\' ? 1 : 0;
    default: return pattern[0] == c ? 1 : 0;
  }
}

bool matches(Points pattern, Points name) {
  // Only the last star is ever taken back: what an earlier one could do, the later one can, too.
  std::size_t p = 0, n = 0;
  std::optional<std::size_t> star;
  std::size_t star_name = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_name = n;
      continue;
    }
    const std::size_t step = p < pattern.size() ? match_one(pattern.subspan(p), name[n]) : 0;
    if (step > 0) {
      p += step;
      ++n;
      continue;
    }
    if (!star) return false;
    p = *star;
    n = ++star_name;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::vector<std::string_view> elements_of(std::string_view pattern) {
  std::vector<std::string_view> elements;
  while (!pattern.empty()) {
    const std::size_t slash = std::min(pattern.find('/'), pattern.size());
    if (slash > 0) elements.push_back(pattern.substr(0, slash));
    pattern.remove_prefix(std::min(slash + 1, pattern.size()));
  }
  return elements;
}

/// All of `pattern` against a prefix of `path`. The same way of going back as within an element.
bool matches_from_start(std::span<const std::string_view> pattern, std::span<const std::string> path) {
  std::size_t p = 0, n = 0;
  std::optional<std::size_t> any;
  std::size_t any_path = 0;
  while (p < pattern.size()) {
    if (pattern[p] == "**") {
      any = ++p;
      any_path = n;
      continue;
    }
    if (n < path.size() && glob_matches(pattern[p], path[n])) {
      ++p;
      ++n;
      continue;
    }
    if (!any || any_path >= path.size()) return false;
    p = *any;
    n = ++any_path;
  }
  return true;
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view name) {
  return matches(points_of(pattern), points_of(name));
}

bool glob_matches_path(std::string_view pattern, const std::vector<std::string>& path) {
  if (!pattern.contains('/'))
    return std::any_of(path.begin(), path.end(), [&](const std::string& name) { return glob_matches(pattern, name); });
  const std::vector<std::string_view> elements = elements_of(pattern);
  return !elements.empty() && matches_from_start(elements, path);
}

}  // namespace lodestone::tools
