// SPDX-License-Identifier: Apache-2.0
// The BEP 10 extension handshake: what a peer says of itself, and what we say. Values are hostile until decoded here:
// ids outside 0..255, ports 0, and over-long strings are dropped, never trusted (M5: id 0 disables, repeats update).
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "wire/base/bencode.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"

namespace lodestone::wire {

/// The ids under which *we* receive extension messages (our "m"). 0 is the handshake itself.
inline constexpr std::uint8_t kOurUtMetadata = 1;
inline constexpr std::uint8_t kOurUtPex = 2;

struct ExtensionHandshake {
  // From "m"; 0: the sender does not take that message (or switched it off).
  std::optional<std::uint8_t> ut_metadata;
  std::optional<std::uint8_t> ut_pex;
  std::optional<std::uint64_t> metadata_size;  // bytes, unchecked claim
  std::optional<std::uint16_t> listen_port;    // "p"
  std::optional<std::uint32_t> request_queue;  // "reqq"
  std::optional<Address> your_ip;              // "yourip": how the sender sees us
  std::optional<bool> upload_only;             // BEP 21
  std::string client;                          // "v", at most 64 bytes, printable

  /// The dictionary, without the message header.
  void encode(ByteVector& out) const;
  [[nodiscard]] static std::expected<ExtensionHandshake, bencode::Failure> decode(Bytes payload);
  /// A later handshake overrides only what it names.
  void update(const ExtensionHandshake& later);
};

}  // namespace lodestone::wire
