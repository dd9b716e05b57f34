// SPDX-License-Identifier: Apache-2.0
#include "node/ops/stored_items.hpp"

#include <algorithm>
#include <utility>

#include "node/ops/log.hpp"
#include "node/ops/state_dir.hpp"

namespace lodestone::node {

std::optional<dht::ItemsReader> open_stored_items(const std::string& path, wire::UnixSeconds wall_now) {
  auto raw = read_file(path, dht::kMaxItemsBytes);
  if (!raw) return std::nullopt;
  auto reader = dht::ItemsReader::open(*std::move(raw), wall_now);
  if (!reader) {
    log::warn("{} is not used: {}", path, dht::describe(reader.error()));
    return std::nullopt;
  }
  return *std::move(reader);
}

void write_stored_items(const std::string& path, wire::Bytes file) {
  if (const auto error = replace_file(path, file)) log::warn("cannot save stored items: {}: {}", path, error.message());
}

bool SavePace::due(wire::Instant now, std::uint64_t changes) {
  if (!changed(changes)) return false;
  if (!changed_at_) changed_at_ = now;
  return now >= *changed_at_ + kSoon && now >= not_before_;
}

void SavePace::saved(wire::Instant now, std::uint64_t changes, std::size_t bytes) {
  saved_changes_ = changes;
  changed_at_.reset();
  not_before_ = now + std::max(kShortest, wire::Duration(std::chrono::seconds(bytes / kBytesPerSecond)));
}

}  // namespace lodestone::node
