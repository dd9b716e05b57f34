// SPDX-License-Identifier: Apache-2.0
#include "node/ops/kept_items.hpp"

#include <algorithm>
#include <filesystem>

#include "dht/republisher.hpp"
#include "dht/saved_item.hpp"
#include "node/ops/log.hpp"
#include "node/ops/state_dir.hpp"

namespace lodestone::node {

std::error_code save_item(const std::string& folder, const dht::Item& item) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return error;
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  if (error) return error;
  return replace_file(folder + "/" + item.target().hex(), dht::encode(item));
}

std::vector<dht::Item> load_items(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (std::string name = it->path().filename().string(); wire::Key::from_hex(name)) names.push_back(std::move(name));
  // The same ones each time, if there are too many.
  std::sort(names.begin(), names.end());
  std::vector<dht::Item> out;
  for (const std::string& name : names) {
    if (out.size() == dht::Republisher::kMax) {
      log::warn("{} holds more than {} items; the others are not put again", folder, dht::Republisher::kMax);
      break;
    }
    const std::string path = folder + "/" + name;
    const auto raw = read_file(path, dht::kMaxSavedItem);
    auto item = raw ? dht::decode_item(*raw) : std::nullopt;
    if (item && item->target().hex() == name) {
      out.push_back(*std::move(item));
    } else {
      log::warn("{} is no item of that name and is not put again", path);
    }
  }
  return out;
}

}  // namespace lodestone::node
