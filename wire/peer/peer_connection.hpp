// SPDX-License-Identifier: Apache-2.0
// One peer on one byte stream: bytes <-> handshake <-> messages. Pure: the driver (Asio, simulator, fuzzer) moves bytes
// and time. Both directions; knows the protocol's order, lengths and deadlines (W1, W2, W5), nothing of pieces wanted
// or choking policy: that is magnet/swarm.
//
// Reading: prepare() says where the next bytes should go - blocks land straight in pool memory - then receive(n) says
// how many came. Writing: send*() queue; gather() shows what to write; sent(n) says how much went. Invariant: events
// come out in wire order; after an error the connection emits nothing more and must be closed.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "wire/base/bitfield.hpp"
#include "wire/base/block.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/geometry.hpp"
#include "wire/base/id.hpp"
#include "wire/base/index.hpp"
#include "wire/base/time.hpp"
#include "wire/peer/extension.hpp"
#include "wire/peer/peer_error.hpp"
#include "wire/peer/ut_metadata.hpp"
#include "wire/peer/ut_pex.hpp"

namespace lodestone::wire {

/// What came in. Blocks are moved out of the event.
namespace peer_event {
/// Incoming only: answer with adopt() or close.
struct WantsTorrent {
  InfoHash info_hash;
};
/// The remote's handshake is complete and fits.
struct Ready {
  PeerId peer_id;
  bool dht = false, fast = false, extended = false;
};
/// Merged state after each extension handshake.
struct Extensions {
  ExtensionHandshake handshake;
};
struct Choke {};
struct Unchoke {};
struct Interested {};
struct NotInterested {};
/// Bitfield, have-all, have-none, once the geometry is known.
struct HasPieces {
  Bitfield pieces;
};
struct Have {
  PieceIndex piece;
};
struct Request {
  BlockRange range;
};
struct Cancel {
  BlockRange range;
};
/// Well-formed and in range; whether it was asked for, the torrent knows.
struct BlockData {
  BlockRef ref;
  Block block;
};
/// A piece message that is no block of this geometry's grid (W4).
struct BlockWaste {
  std::uint32_t bytes;
};
/// BEP 6.
struct Reject {
  BlockRange range;
};
struct AllowedFast {
  PieceIndex piece;
};
struct Suggest {
  PieceIndex piece;
};
struct DhtPort {
  std::uint16_t port;
};
struct Metadata {
  UtMetadata message;
};
struct Pex {
  UtPex message;
};
}  // namespace peer_event

using PeerEvent =
    std::variant<peer_event::WantsTorrent, peer_event::Ready, peer_event::Extensions, peer_event::Choke,
                 peer_event::Unchoke, peer_event::Interested, peer_event::NotInterested, peer_event::HasPieces,
                 peer_event::Have, peer_event::Request, peer_event::Cancel, peer_event::BlockData,
                 peer_event::BlockWaste, peer_event::Reject, peer_event::AllowedFast, peer_event::Suggest,
                 peer_event::DhtPort, peer_event::Metadata, peer_event::Pex>;

using PeerEvents = std::vector<PeerEvent>;

/// What can be sent besides payload (send_piece). Extension ids of the remote are filled in by the connection.
namespace peer_message {
struct Choke {};
struct Unchoke {};
struct Interested {};
struct NotInterested {};
struct Have {
  PieceIndex piece;
};
/// As bitfield, have-all or have-none, whichever the peer takes; once, first.
struct Pieces {
  std::shared_ptr<const Bitfield> have;
};
struct Request {
  BlockRange range;
};
struct Cancel {
  BlockRange range;
};
/// Only to peers with Fast; dropped otherwise.
struct Reject {
  BlockRange range;
};
/// Only to peers with Fast; dropped otherwise.
struct AllowedFast {
  PieceIndex piece;
};
struct DhtPort {
  std::uint16_t port;
};
/// Dropped if the peer has no BEP 10.
struct Extensions {
  ExtensionHandshake handshake;
};
/// Dropped if the peer has no ut_metadata.
struct Metadata {
  UtMetadata message;
};
struct Pex {
  UtPex message;
};
}  // namespace peer_message

using PeerMessage =
    std::variant<peer_message::Choke, peer_message::Unchoke, peer_message::Interested, peer_message::NotInterested,
                 peer_message::Have, peer_message::Pieces, peer_message::Request, peer_message::Cancel,
                 peer_message::Reject, peer_message::AllowedFast, peer_message::DhtPort, peer_message::Extensions,
                 peer_message::Metadata, peer_message::Pex>;

struct PeerConnectionConfig {
  PeerId our_id;
  bool dht = true;                    // reserved bit for PORT
  ExtensionHandshake our_extensions;  // sent right after the handshakes, when the peer has BEP 10
  Duration handshake_timeout = std::chrono::seconds(10);
  Duration idle_timeout = std::chrono::seconds(120);
  Duration keepalive_after = std::chrono::seconds(100);
  std::uint32_t max_early_haves = 2'000;          // W1, before the geometry is known
  std::uint32_t max_early_bitfield = 256 * 1024;  // bytes
  std::uint32_t max_extended = 256 * 1024;        // bytes
  std::uint32_t max_queued_control = 1u << 20;    // bytes we are ready to owe a peer that does not read
};

class PeerConnection {
 public:
  /// We dialled: our handshake is queued at once.
  [[nodiscard]] static PeerConnection outgoing(Instant now, PeerConnectionConfig config, const InfoHash& info_hash);
  /// We accepted: nothing is sent until adopt().
  [[nodiscard]] static PeerConnection incoming(Instant now, PeerConnectionConfig config);

  PeerConnection(PeerConnection&&) noexcept;
  PeerConnection& operator=(PeerConnection&&) noexcept;
  ~PeerConnection();

  // --- bytes in ---
  static constexpr std::size_t kMaxBuffers = 16;
  /// Fills `buffers` with places for the next bytes and returns how many are used; 0: stop reading until the pool has a
  /// block again (back-pressure), or, while an adopt() is owed and 4 KiB wait for it, until then. The places
  /// are good until the next receive(), prepare() or advance(); one of the first two must follow.
  std::size_t prepare(BlockPool& pool, std::span<MutableBytes> buffers);
  /// n bytes came into what prepare() gave. An error means: close. n == 0 is right when none came: it gives back the
  /// blocks held out for them, and goes on with bytes that had waited for a block.
  [[nodiscard]] std::expected<void, PeerError> receive(Instant now, std::size_t n, PeerEvents& out);
  /// For drivers that have the bytes already (simulator, tests, fuzzers): prepare + copy + receive, repeated.
  /// Returns the bytes taken: fewer than given when the pool ran dry.
  [[nodiscard]] std::expected<std::size_t, PeerError> feed(Instant now, Bytes bytes, BlockPool& pool, PeerEvents& out);

  // --- facts ---
  /// Until then bitfield and haves are kept raw, bounded; now they are validated and emitted.
  [[nodiscard]] std::expected<void, PeerError> set_geometry(const Geometry& geometry, PeerEvents& out);
  /// Answer to WantsTorrent: sends our handshake; Ready follows.
  [[nodiscard]] std::expected<void, PeerError> adopt(Instant now, const InfoHash& info_hash, ExtensionHandshake ours,
                                                     PeerEvents& out);

  // --- bytes out ---
  void send(const PeerMessage& message);
  /// The block is kept until written. range.length == block.size() > 0.
  void send_piece(const BlockRange& range, Block&& block);
  /// Takes a queued, not yet started piece back out (cancel, choke). False when it was not there.
  bool unsend_piece(const BlockRange& range);
  /// Next bytes to write, in order; returns how many spans are used (0: nothing to send). Nothing may be sent between
  /// this and sent().
  std::size_t gather(std::span<Bytes> buffers) const;
  void sent(Instant now, std::size_t n);
  [[nodiscard]] bool wants_write() const;
  /// Piece payload bytes queued and not yet written.
  [[nodiscard]] std::size_t queued_payload() const;

  // --- time ---
  [[nodiscard]] Instant next_deadline() const;
  /// Time-outs and keep-alives (W5).
  [[nodiscard]] std::expected<void, PeerError> advance(Instant now, PeerEvents& out);

  // --- looking ---
  [[nodiscard]] bool ready() const;
  [[nodiscard]] bool is_outgoing() const;
  [[nodiscard]] bool fast() const;      // both sides speak BEP 6
  [[nodiscard]] bool extended() const;  // both sides speak BEP 10
  [[nodiscard]] const PeerId& peer_id() const;
  [[nodiscard]] const ExtensionHandshake& extensions() const;
  [[nodiscard]] std::uint64_t bytes_in() const;
  [[nodiscard]] std::uint64_t payload_in() const;
  [[nodiscard]] std::uint64_t payload_out() const;
  /// Bytes of bitfield and haves kept until the geometry is known (the session bounds their sum per torrent, W1).
  [[nodiscard]] std::size_t early_bytes() const;

 private:
  struct State;
  explicit PeerConnection(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace lodestone::wire
