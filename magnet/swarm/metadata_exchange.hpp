// SPDX-License-Identifier: Apache-2.0
// The info dictionary, both ways: while it is unknown, MetadataFetch gets it from the peers; once it is verified it is
// served from the raw slice, rate-limited per peer, and never when the torrent is private (M4).
#pragma once

#include <optional>
#include <vector>

#include "magnet/metadata_fetch.hpp"
#include "magnet/swarm/actions.hpp"
#include "magnet/swarm/peer.hpp"

namespace lodestone::magnet {

class MetadataExchange {
 public:
  explicit MetadataExchange(const wire::InfoHash& info_hash, MetadataBudget* budget = nullptr)
      : fetch_(info_hash, budget) {}

  struct News {
    std::vector<LinkKey> liars;             // close and ban
    std::optional<MetadataVerdict> result;  // a good one; set once
  };

  // --- while it is unknown ---
  void restore(wire::Instant now, wire::Bytes unfinished) { fetch_.restore(now, unfinished); }
  [[nodiscard]] News on_extensions(wire::Instant now, const Peer& peer, Actions& out);
  [[nodiscard]] News on_gone(wire::Instant now, const Peer& peer, Actions& out);
  [[nodiscard]] News on_checked(wire::Instant now, MetadataVerdict&& verdict, Actions& out);
  [[nodiscard]] News advance(wire::Instant now, Actions& out);
  [[nodiscard]] wire::Instant next_deadline() const { return known() ? wire::kNever : fetch_.next_deadline(); }
  [[nodiscard]] const MetadataFetch& fetch() const { return fetch_; }

  // --- once it is known ---
  void set_known(wire::ByteVector raw, bool is_private);
  [[nodiscard]] bool known() const { return known_; }
  [[nodiscard]] std::size_t raw_size() const { return raw_.size(); }
  /// What the extension handshake may say; nullopt: nothing to get from us.
  [[nodiscard]] std::optional<std::uint64_t> served_size() const;

  [[nodiscard]] News on_message(wire::Instant now, Peer& peer, wire::UtMetadata&& message, Actions& out);

 private:
  [[nodiscard]] News carry(MetadataFetch::Output&& from, Actions& out);
  void serve(wire::Instant now, Peer& peer, std::uint32_t piece, Actions& out);

  MetadataFetch fetch_;
  bool known_ = false, private_ = false;
  wire::ByteVector raw_;
};

}  // namespace lodestone::magnet
