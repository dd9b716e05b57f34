// SPDX-License-Identifier: Apache-2.0
#include "magnet/safe_path.hpp"

#include <cassert>

#include "magnet/text.hpp"

namespace lodestone::magnet {
namespace {

// A longer tail after the last dot is not an extension.
constexpr std::size_t kMaxExtension = 32;

/// Splits "name.ext" into "name" and ".ext"; a leading dot starts no extension.
std::pair<std::string_view, std::string_view> split_extension(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() - dot > kMaxExtension) return {name, {}};
  return {name.substr(0, dot), name.substr(dot)};
}

/// stem + middle + extension in at most kMaxElement bytes; the stem gives way.
std::string fitted(std::string_view stem, std::string_view middle, std::string_view extension) {
  std::string name(cut_to_bytes(stem, kMaxElement - middle.size() - extension.size()));
  name += middle;
  name += extension;
  return name;
}

bool is_forbidden(std::int32_t point) { return point < 0 || is_control(point) || point == '/' || point == '\\'; }

}  // namespace

std::string clean_element(std::string_view raw) {
  std::string clean;
  clean.reserve(std::min(raw.size(), kMaxElement * 2));
  while (!raw.empty()) {
    const Point point = first_point(raw);
    if (is_forbidden(point.value)) {
      clean += '_';
    } else {
      clean += raw.substr(0, point.length);
    }
    raw.remove_prefix(point.length);
  }
  if (clean.empty() || clean == "." || clean == "..") return "_";
  if (clean.size() <= kMaxElement) return clean;
  const auto [stem, extension] = split_extension(clean);
  return fitted(stem, {}, extension);
}

std::string PathSet::free_name(DirectoryIndex directory, const std::string& clean) {
  std::set<std::string>& taken = directories_[directory].taken;
  if (taken.insert(collision_key(clean)).second) return clean;
  const auto [stem, extension] = split_extension(clean);
  std::string name = fitted(stem, " (2)", extension);
  while (!taken.insert(collision_key(name)).second)
    name = fitted(stem, " (" + std::to_string(next_number_++) + ")", extension);
  return name;
}

PathSet::DirectoryIndex PathSet::enter(DirectoryIndex parent, const std::string& clean, std::string& name) {
  if (const auto known = directories_[parent].children.find(clean); known != directories_[parent].children.end()) {
    name = known->second.name;
    return known->second.directory;
  }
  name = free_name(parent, clean);
  const auto index = static_cast<DirectoryIndex>(directories_.size());
  directories_.emplace_back();
  directories_[parent].children.emplace(clean, Child{name, index});
  return index;
}

std::vector<std::string> PathSet::add(const std::vector<std::string_view>& raw) {
  assert(!raw.empty() && raw.size() <= kMaxPathDepth);
  std::vector<std::string> path(raw.size());
  DirectoryIndex at = 0;
  for (std::size_t i = 0; i + 1 < raw.size(); ++i) at = enter(at, clean_element(raw[i]), path[i]);
  path.back() = free_name(at, clean_element(raw.back()));
  return path;
}

}  // namespace lodestone::magnet
