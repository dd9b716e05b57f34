// SPDX-License-Identifier: Apache-2.0
// The items that others have put here (dht/items) in a file, as bencode:
//   format  1
//   items   a list of {"age": seconds since it was last put, "v": a string of the bencoded value} and, if it is signed,
//           BEP 44's "k", "salt" (if there is one), "seq" and "sig"
//   saved   seconds since 1970
// Ages and not points in time, so that a clock that is set back makes nothing older or younger than it was when it was
// saved. A file is as untrusted as a datagram: sizes and counts are bounded, each item is verified again, and what
// makes no sense costs only itself.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "dht/item.hpp"
#include "dht/items.hpp"
#include "wire/base/bencode.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

enum class ItemsError : std::uint8_t { too_large, not_bencode, not_items, unknown_format };
[[nodiscard]] std::string_view describe(ItemsError e);

/// Files of more bytes or items than this are not read; the store's caps keep it well below.
inline constexpr std::size_t kMaxItemsBytes = 64u << 20;
inline constexpr std::size_t kMaxSavedItems = 100'000;

/// All that have not expired, the closest to our id first. One pass and one allocation: 20,000 items of 16 MiB take
/// some milliseconds.
[[nodiscard]] wire::ByteVector encode(const Items& items, wire::Instant now, wire::UnixSeconds wall_now);

/// Reads them a few at a time, because the signatures of a full store take more than a second to verify. Whoever owns
/// it may call it from any one thread at a time.
class ItemsReader {
 public:
  /// `wall_now`: ages are as of then.
  [[nodiscard]] static std::expected<ItemsReader, ItemsError> open(wire::ByteVector raw, wire::UnixSeconds wall_now);
  ItemsReader(ItemsReader&&) = default;
  ItemsReader& operator=(ItemsReader&&) = default;

  /// Looks at the next `n`; those of them that are in order. Nothing is left when done().
  [[nodiscard]] std::vector<AgedItem> next(std::size_t n);
  [[nodiscard]] bool done() const { return at_ == end_; }

 private:
  struct File {
    wire::ByteVector raw;
    wire::bencode::Document document;
  };
  ItemsReader() = default;
  [[nodiscard]] std::optional<AgedItem> read(const wire::bencode::View& entry);

  std::unique_ptr<File> file_;  // of a fixed address, because the views point into it
  wire::bencode::View::Iterator at_, end_;
  std::int64_t elapsed_ = 0;  // seconds since it was saved
  wire::bencode::Document scratch_;
};

}  // namespace lodestone::dht
