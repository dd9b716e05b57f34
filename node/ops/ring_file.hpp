// SPDX-License-Identifier: Apache-2.0
// Whom an introducer handed out, for its next start: compact contacts one behind the other and nothing else, as they
// lie in memory; read a slice at a time, because there are millions. What a Replacement was given in slices may hold
// one twice and miss another that was moved meanwhile. A file is as untrusted as a datagram: whoever is in it is asked
// before long.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "node/net/fd.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"

namespace lodestone::node {

class RingReader {
 public:
  /// nullopt when there is none, it cannot be read or is of another form. Of more than `most` contacts there are the
  /// first. Reads nothing yet.
  [[nodiscard]] static std::optional<RingReader> open(const std::string& path, wire::Family family, std::size_t most);

  /// The next `contacts`, or what there is left; empty at the end. Not on the network thread (D5).
  [[nodiscard]] wire::ByteVector next(std::size_t contacts);

 private:
  RingReader(std::string path, UniqueFd fd, std::size_t each, std::size_t left)
      : path_(std::move(path)), fd_(std::move(fd)), each_(each), left_(left) {}

  std::string path_;
  UniqueFd fd_;
  std::size_t each_;  // bytes of a contact
  std::size_t left_;  // bytes
};

}  // namespace lodestone::node
