// SPDX-License-Identifier: Apache-2.0
// For tests of peer connections: byte streams written like sentences, a connection with all it needs around it, and
// events as text that two runs can be compared by.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "wire/base/hash.hpp"
#include "wire/peer/handshake.hpp"
#include "wire/peer/message.hpp"
#include "wire/peer/peer_connection.hpp"

namespace lodestone::test {

using namespace wire;
using namespace std::chrono_literals;

inline constexpr Instant kStart{std::chrono::hours(1)};

inline PeerId peer_id(std::string_view twenty) { return *PeerId::from_bytes(as_bytes(twenty)); }
inline const PeerId kOurId = peer_id("-LS0001-our-own-id--");
inline const PeerId kTheirId = peer_id("-XX0001-their-own-id");
inline const InfoHash kHash = *InfoHash::from_hex("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");

/// Any payload byte of the torrent, so that a block in the wrong place is seen.
inline std::uint8_t content(std::uint64_t offset) {
  return static_cast<std::uint8_t>((offset * 0x9e3779b97f4a7c15ULL) >> 56);
}

/// What a remote sends, piece by piece.
class Stream {
 public:
  Stream& handshake(bool fast, bool extended, const PeerId& id = kTheirId, const InfoHash& hash = kHash) {
    Handshake h;
    h.fast = fast;
    h.extended = extended;
    h.info_hash = hash;
    h.peer_id = id;
    return raw(h.encode());
  }
  Stream& keepalive() { return encode_keepalive(bytes_), *this; }
  Stream& plain(MessageId id) { return encode_plain(bytes_, id), *this; }
  Stream& index(MessageId id, std::uint32_t piece) { return encode_index(bytes_, id, PieceIndex{piece}), *this; }
  Stream& have(std::uint32_t piece) { return index(MessageId::have, piece); }
  Stream& range(MessageId id, std::uint32_t piece, std::uint32_t begin, std::uint32_t length) {
    return encode_range(bytes_, id, {PieceIndex{piece}, begin, length}), *this;
  }
  Stream& bitfield(Bytes bits) { return message(5, bits); }
  Stream& message(std::uint8_t id, Bytes payload) {
    std::array<std::uint8_t, 5> head;
    store_be32(head.data(), static_cast<std::uint32_t>(1 + payload.size()));
    head[4] = id;
    return raw(head).raw(payload);
  }
  Stream& extended(std::uint8_t id, std::string_view payload) {
    ByteVector body{id};
    body.insert(body.end(), payload.begin(), payload.end());
    return message(20, body);
  }
  /// A piece message with the torrent's content.
  Stream& piece(const Geometry& g, const BlockRange& range) {
    raw(piece_header(range));
    const std::uint64_t from = g.offset(range.piece) + range.begin;
    for (std::uint32_t i = 0; i < range.length; ++i) bytes_.push_back(content(from + i));
    return *this;
  }
  Stream& piece(const Geometry& g, const BlockRef& ref) { return piece(g, g.range(ref)); }
  Stream& raw(Bytes bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  [[nodiscard]] const ByteVector& bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }

 private:
  ByteVector bytes_;
};

inline std::string text_of(const BlockRange& r) {
  return std::to_string(r.piece.value()) + "+" + std::to_string(r.begin) + ":" + std::to_string(r.length);
}

/// One event as a line; payload as a digest.
inline std::string text_of(const PeerEvent& event) {
  namespace e = peer_event;
  struct Printer {
    std::string operator()(const e::WantsTorrent& x) { return "wants " + x.info_hash.hex(); }
    std::string operator()(const e::Ready& x) {
      return "ready " + x.peer_id.hex() + (x.dht ? " dht" : "") + (x.fast ? " fast" : "") + (x.extended ? " ext" : "");
    }
    std::string operator()(const e::Extensions& x) {
      ByteVector dict;
      x.handshake.encode(dict);
      return "extensions " + std::string{as_text(dict)};
    }
    std::string operator()(const e::Choke&) { return "choke"; }
    std::string operator()(const e::Unchoke&) { return "unchoke"; }
    std::string operator()(const e::Interested&) { return "interested"; }
    std::string operator()(const e::NotInterested&) { return "not interested"; }
    std::string operator()(const e::HasPieces& x) { return "has " + to_hex(x.pieces.wire()); }
    std::string operator()(const e::Have& x) { return "have " + std::to_string(x.piece.value()); }
    std::string operator()(const e::Request& x) { return "request " + text_of(x.range); }
    std::string operator()(const e::Cancel& x) { return "cancel " + text_of(x.range); }
    std::string operator()(const e::BlockData& x) {
      return "block " + std::to_string(x.ref.piece.value()) + "/" + std::to_string(x.ref.block) + " " +
             std::to_string(x.block.size()) + " " + to_hex(sha1(x.block.bytes()));
    }
    std::string operator()(const e::BlockWaste& x) { return "waste " + std::to_string(x.bytes); }
    std::string operator()(const e::Reject& x) { return "reject " + text_of(x.range); }
    std::string operator()(const e::AllowedFast& x) { return "allowed " + std::to_string(x.piece.value()); }
    std::string operator()(const e::Suggest& x) { return "suggest " + std::to_string(x.piece.value()); }
    std::string operator()(const e::DhtPort& x) { return "port " + std::to_string(x.port); }
    std::string operator()(const e::Metadata& x) {
      return "metadata " + std::to_string(static_cast<int>(x.message.type)) + " " + std::to_string(x.message.piece) +
             " " + std::to_string(x.message.total_size) + " " + to_hex(sha1(x.message.data));
    }
    std::string operator()(const e::Pex& x) {
      ByteVector dict;
      x.message.encode(dict);
      return "pex " + to_hex(dict);
    }
  };
  return std::visit(Printer{}, event);
}

using Lines = std::vector<std::string>;

/// A connection with a pool and a log of what came out of it. WantsTorrent is answered at once, as a driver does.
struct Client {
  explicit Client(PeerConnection c, std::size_t budget = 64)
      : memory(std::make_unique<BlockPool>(budget * kBlockSize)), pool(*memory), connection(std::move(c)) {}

  static PeerConnectionConfig config() {
    PeerConnectionConfig c;
    c.our_id = kOurId;
    c.our_extensions.ut_metadata = kOurUtMetadata;
    c.our_extensions.ut_pex = kOurUtPex;
    return c;
  }
  static Client dialled(std::size_t budget = 64) {
    return Client{PeerConnection::outgoing(kStart, config(), kHash), budget};
  }
  static Client accepted(std::size_t budget = 64) { return Client{PeerConnection::incoming(kStart, config()), budget}; }

  /// False once an error has come.
  bool feed(Bytes bytes) {
    while (!error) {
      const auto n = connection.feed(now, bytes, pool, events);
      note();
      if (!n) {
        error = n.error();
        break;
      }
      bytes = bytes.subspan(*n);
      const bool adopted = adopt();
      if (bytes.empty() || (*n == 0 && !adopted)) break;
    }
    unread = bytes.size();
    return !error;
  }
  bool feed(const Stream& stream) { return feed(stream.bytes()); }
  /// Goes on with what waited for a block, as long as that brings anything. (The blocks of logged events are free
  /// again.)
  void resume() {
    for (std::size_t before = log.size() + 1; !error && before != log.size();) {
      before = log.size();
      if (const auto ok = connection.receive(now, 0, events); !ok) error = ok.error();
      note();
    }
  }
  bool set_geometry(const Geometry& g) {
    if (const auto ok = connection.set_geometry(g, events); !ok) error = ok.error();
    note();
    return !error;
  }
  bool advance(Instant to) {
    now = to;
    if (const auto ok = connection.advance(now, events); !ok) error = ok.error();
    note();
    return !error;
  }
  /// Everything that is to be written, written.
  ByteVector written() {
    ByteVector out;
    std::array<Bytes, 4> buffers;
    while (const std::size_t used = connection.gather(buffers)) {
      std::size_t n = 0;
      for (std::size_t i = 0; i < used; ++i) {
        out.insert(out.end(), buffers[i].begin(), buffers[i].end());
        n += buffers[i].size();
      }
      connection.sent(now, n);
    }
    return out;
  }
  /// What was logged since the last call.
  Lines take_log() { return std::exchange(log, {}); }

  std::unique_ptr<BlockPool> memory;  // before the connection and the events, which hold its blocks
  BlockPool& pool;
  PeerConnection connection;
  PeerEvents events;
  Lines log;
  std::optional<PeerError> error;
  std::size_t unread = 0;  // bytes that feed() could not get rid of
  bool keep_blocks = false;
  std::vector<Block> blocks;
  Instant now = kStart;

 private:
  bool adopt() {
    if (!asked_ || adopted_ || error) return false;
    adopted_ = true;
    if (const auto ok = connection.adopt(now, kHash, config().our_extensions, events); !ok) error = ok.error();
    note();
    return true;
  }
  void note() {
    for (PeerEvent& event : events) {
      log.push_back(text_of(event));
      if (std::holds_alternative<peer_event::WantsTorrent>(event)) asked_ = true;
      if (auto* data = std::get_if<peer_event::BlockData>(&event); data != nullptr && keep_blocks)
        blocks.push_back(std::move(data->block));
    }
    events.clear();
  }
  bool asked_ = false;
  bool adopted_ = false;
};

}  // namespace lodestone::test
