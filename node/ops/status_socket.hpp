// SPDX-License-Identifier: Apache-2.0
// The Unix socket in the state directory on which a running `node` answers `node status`: HTTP, for its user alone
// (0600). A path that is longer than a socket's name may be (107 bytes) is reached through the descriptor of its
// folder. Whoever holds node.lock owns the name: what a killed node has left there is replaced.
#pragma once

#include <expected>
#include <string>
#include <system_error>
#include <utility>

#include "node/net/fd.hpp"

namespace lodestone::node {

class StatusSocket {
 public:
  /// Listening; for the holder of node.lock.
  [[nodiscard]] static std::expected<StatusSocket, std::error_code> make(const std::string& state_dir);
  StatusSocket(StatusSocket&& other) noexcept = default;
  StatusSocket& operator=(StatusSocket&&) = delete;
  /// Its name goes; to be destroyed while node.lock is still held.
  ~StatusSocket();

  /// To listen on; once.
  [[nodiscard]] UniqueFd take() { return std::move(listening_); }

 private:
  StatusSocket(UniqueFd listening, UniqueFd folder) : listening_(std::move(listening)), folder_(std::move(folder)) {}

  UniqueFd listening_;
  UniqueFd folder_;
};

/// What the node of that state directory says on one of its pages; else why it does not, in a few words. Waits some
/// seconds at most.
[[nodiscard]] std::expected<std::string, std::string> ask_node(const std::string& state_dir, const std::string& page);

/// Why we may not look into that folder; nothing when we may, or when it is not there.
[[nodiscard]] std::error_code why_closed(const std::string& folder);

}  // namespace lodestone::node
