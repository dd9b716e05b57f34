// SPDX-License-Identifier: Apache-2.0
#include "node/ops/ring_file.hpp"

#include "dht/contact.hpp"
#include "node/ops/log.hpp"
#include "node/ops/state_dir.hpp"

namespace lodestone::node {

void save_ring(const std::string& path, wire::Bytes contacts) {
  if (const auto error = replace_file(path, contacts))
    log::warn("cannot save the ring of contacts: {}: {}", path, error.message());
}

wire::ByteVector load_ring(const std::string& path, wire::Family family, std::size_t most) {
  const std::size_t each = dht::Contact::compact_size(family);
  auto raw = read_file(path, most * each);
  if (!raw) return {};
  if (raw->size() % each != 0) {
    log::warn("{} is not used: no whole number of contacts", path);
    return {};
  }
  return *std::move(raw);
}

}  // namespace lodestone::node
