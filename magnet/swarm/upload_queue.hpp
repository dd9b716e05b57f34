// SPDX-License-Identifier: Apache-2.0
// What one peer asked of us and has not got (W12): waiting requests, at most as many as the `reqq` we announced, and
// how much of the way to the socket is in use: blocks being read and blocks handed to the connection. Invariant: a
// request is in exactly one of waiting, reading, issued. Pure; owned by the peer's record.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "wire/base/index.hpp"

namespace lodestone::magnet {

class UploadQueue {
 public:
  /// False: it is there already, or `limit` requests are waiting or being read.
  bool push(const wire::BlockRange& range, std::size_t limit);
  /// The next request to read, which then counts as being read.
  [[nodiscard]] std::optional<wire::BlockRange> start_read();
  [[nodiscard]] const wire::BlockRange* front() const { return waiting_.empty() ? nullptr : &waiting_.front(); }

  enum class Read : std::uint8_t { unknown, cancelled, wanted };
  /// The read is back. wanted: it goes on to the connection and counts as issued.
  Read finish_read(const wire::BlockRange& range);
  /// A block that was read but cannot be sent does not stay issued.
  void unissue(std::uint32_t bytes) { issued_ = bytes > issued_ ? 0 : issued_ - bytes; }
  /// Payload left for the network.
  void sent(std::uint64_t bytes) { issued_ = bytes > issued_ ? 0 : issued_ - bytes; }

  enum class Cancel : std::uint8_t { unknown, dropped, reading };
  /// dropped: answer it now; reading: it is answered when the read is back.
  Cancel cancel(const wire::BlockRange& range);
  /// Takes all waiting requests out for which keep(piece) is false. Those being read go their way.
  template <class Keep>
  std::vector<wire::BlockRange> drop_waiting(Keep keep) {
    std::vector<wire::BlockRange> dropped;
    std::deque<wire::BlockRange> kept;
    for (const wire::BlockRange& r : waiting_) {
      if (keep(r.piece))
        kept.push_back(r);
      else
        dropped.push_back(r);
    }
    waiting_.swap(kept);
    return dropped;
  }

  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  [[nodiscard]] std::size_t reading() const { return reading_.size(); }
  /// Bytes between the disk and the network.
  [[nodiscard]] std::uint64_t under_way() const { return reading_bytes_ + issued_; }
  [[nodiscard]] bool idle() const { return waiting_.empty() && reading_.empty(); }

 private:
  struct Reading {
    wire::BlockRange range;
    bool cancelled = false;
  };
  std::deque<wire::BlockRange> waiting_;
  std::vector<Reading> reading_;
  std::uint64_t reading_bytes_ = 0, issued_ = 0;
};

}  // namespace lodestone::magnet
