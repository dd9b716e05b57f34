// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/peer_connection.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "wire/peer/early_pieces.hpp"
#include "wire/peer/handshake.hpp"
#include "wire/peer/message.hpp"
#include "wire/peer/receiver.hpp"
#include "wire/peer/send_buffer.hpp"

namespace lodestone::wire {
namespace {

/// How soon bytes that waited for a block are looked at again when no new ones come.
constexpr Duration kBlockRetry = std::chrono::milliseconds(50);

using Done = std::expected<void, PeerError>;

Done refuse(PeerError e) { return std::unexpected(e); }

}  // namespace

std::string_view describe(PeerError e) {
  switch (e) {
    case PeerError::handshake_timeout: return "no complete handshake in time";
    case PeerError::idle_timeout: return "nothing received for too long";
    case PeerError::not_bittorrent: return "does not speak BitTorrent";
    case PeerError::wrong_info_hash: return "handshake for another torrent";
    case PeerError::connected_to_self: return "connected to ourselves";
    case PeerError::message_too_long: return "message too long";
    case PeerError::message_wrong_length: return "message of the wrong length";
    case PeerError::bitfield_not_first: return "bitfield after other messages";
    case PeerError::bitfield_invalid: return "bitfield does not fit the torrent";
    case PeerError::index_out_of_range: return "piece or range outside the torrent";
    case PeerError::unexpected_message: return "message that was not agreed on";
    case PeerError::extension_malformed: return "malformed extension message";
    case PeerError::too_many_early_haves: return "too many haves before the metadata";
    case PeerError::flooding: return "asks without reading the answers";
  }
  return "unknown";
}

// --- state ---

struct PeerConnection::State final : FrameSink {
  State(Instant now, PeerConnectionConfig c, bool is_outgoing)
      : config(std::move(c)),
        outgoing(is_outgoing),
        adopted(is_outgoing),
        early(EarlyPieces::Limits{config.max_early_haves}),
        handshake_deadline(now + config.handshake_timeout),
        last_in(now),
        keepalive_at(now + config.keepalive_after) {}

  // FrameSink
  std::expected<Opening, PeerError> on_opening(Bytes so_far) override;
  std::expected<Frame, PeerError> on_frame(std::uint8_t id, std::uint32_t length) override;
  Done on_message(std::uint8_t id, Bytes payload) override;
  std::expected<std::optional<BlockRef>, PeerError> on_piece(std::uint32_t piece, std::uint32_t begin,
                                                             std::uint32_t length) override;
  void on_block(BlockRef ref, Block&& block) override;
  void on_waste(std::uint32_t bytes) override;

  Done handle_bitfield(Bytes raw);
  Done handle_all_or_none(bool all);
  Done handle_have(Bytes payload);
  Done handle_range(MessageId id, Bytes payload);
  Done handle_extended(Bytes payload);
  Done handle_extension_handshake(Bytes dict);
  Done first_pieces();

  /// Runs one step of receiving with `events` as the place for what comes of it.
  template <class F>
  Done run(PeerEvents& events, F&& step) {
    if (failed) return refuse(*failed);
    out = &events;
    Done result = step();
    out = nullptr;
    return settle(std::move(result));
  }
  Done settle(Done result);
  template <class E>
  void emit(E&& event) {
    out->emplace_back(std::forward<E>(event));
  }

  void send_handshake();
  void send_extensions(const ExtensionHandshake& ours);
  void note_answer() { requests_out -= requests_out > 0 ? 1 : 0; }

  // One per kind of PeerMessage; each appends to sending.control().
  void write(const peer_message::Choke&) { plain(MessageId::choke); }
  void write(const peer_message::Unchoke&) { plain(MessageId::unchoke); }
  void write(const peer_message::Interested&) { plain(MessageId::interested); }
  void write(const peer_message::NotInterested&) { plain(MessageId::not_interested); }
  void write(const peer_message::Have& m) { encode_index(sending.control(), MessageId::have, m.piece); }
  void write(const peer_message::Pieces& m);
  void write(const peer_message::Request& m);
  void write(const peer_message::Cancel& m);
  void write(const peer_message::Reject& m);
  void write(const peer_message::AllowedFast& m);
  void write(const peer_message::DhtPort& m) { encode_port(sending.control(), m.port); }
  void write(const peer_message::Extensions& m) { send_extensions(m.handshake); }
  void write(const peer_message::Metadata& m);
  void write(const peer_message::Pex& m);
  void plain(MessageId id) { encode_plain(sending.control(), id); }

  PeerConnectionConfig config;
  const bool outgoing;
  bool adopted;            // our handshake is (being) sent
  bool asked_for = false;  // WantsTorrent is out
  bool is_ready = false;
  bool pieces_allowed = true;  // nothing has come that a bitfield must precede (W2)
  bool pieces_sent = false;
  bool starved = false;  // it is us who do not read
  std::optional<PeerError> failed;
  bool flooded = false;

  InfoHash info_hash;  // once adopted
  Handshake remote;    // once ready
  ExtensionHandshake extensions;
  std::optional<Geometry> geometry;
  EarlyPieces early;

  Receiver receiving;
  SendBuffer sending;
  PeerEvents* out = nullptr;
  std::uint32_t requests_out = 0;  // not answered yet, as far as one can tell

  Instant handshake_deadline;
  Instant last_in;
  Instant keepalive_at;
  Instant retry_at = kNever;  // bytes wait for a block

  std::uint64_t bytes_in = 0, payload_in = 0, payload_out = 0;
};

Done PeerConnection::State::settle(Done result) {
  if (result && flooded) result = refuse(PeerError::flooding);
  if (!result) {
    failed = result.error();
    receiving.clear();
    sending.clear();
    early.clear();
  }
  return result;
}

// --- frames in ---

std::expected<FrameSink::Opening, PeerError> PeerConnection::State::on_opening(Bytes so_far) {
  if (!Handshake::plausible(so_far)) return std::unexpected(PeerError::not_bittorrent);
  if (so_far.size() < Handshake::kInfoHashEnd) return Opening::more;
  const Handshake theirs = Handshake::decode(so_far);
  if (!adopted) {
    if (!std::exchange(asked_for, true)) {
      info_hash = theirs.info_hash;
      emit(peer_event::WantsTorrent{theirs.info_hash});
    }
    return Opening::pause;
  }
  if (theirs.info_hash != info_hash) return std::unexpected(PeerError::wrong_info_hash);
  if (so_far.size() < Handshake::kSize) return Opening::more;
  if (theirs.peer_id == config.our_id) return std::unexpected(PeerError::connected_to_self);

  remote = theirs;
  is_ready = true;
  if (remote.extended) {
    send_extensions(config.our_extensions);
    sending.commit();
  }
  emit(peer_event::Ready{remote.peer_id, remote.dht, remote.fast, remote.extended});
  return Opening::complete;
}

std::expected<FrameSink::Frame, PeerError> PeerConnection::State::on_frame(std::uint8_t id, std::uint32_t length) {
  MessageLimits limits;
  limits.early_bitfield = config.max_early_bitfield;
  limits.extended = config.max_extended;
  if (geometry) limits.pieces = geometry->piece_count();
  switch (check_length(id, length, limits)) {
    case LengthVerdict::fits: break;
    case LengthVerdict::too_long: return std::unexpected(PeerError::message_too_long);
    case LengthVerdict::wrong: return std::unexpected(PeerError::message_wrong_length);
  }
  if (!is_known(id)) return Frame::skip;

  const auto message = static_cast<MessageId>(id);
  if (needs_fast(message) && !remote.fast) return std::unexpected(PeerError::unexpected_message);
  switch (message) {
    case MessageId::bitfield:
    case MessageId::have_all:
    case MessageId::have_none:
      if (!std::exchange(pieces_allowed, false)) return std::unexpected(PeerError::bitfield_not_first);
      return Frame::keep;
    // These two may come before the bitfield: many clients send their extension handshake first.
    case MessageId::port: return Frame::keep;
    case MessageId::extended: return remote.extended ? Frame::keep : Frame::skip;
    case MessageId::piece: pieces_allowed = false; return Frame::piece;
    default: pieces_allowed = false; return Frame::keep;
  }
}

Done PeerConnection::State::on_message(std::uint8_t id, Bytes payload) {
  const auto message = static_cast<MessageId>(id);
  switch (message) {
    case MessageId::choke:
      // Without BEP 6 a choke drops what we asked for (W2); with it, each request is rejected by name.
      if (!remote.fast) requests_out = 0;
      emit(peer_event::Choke{});
      return {};
    case MessageId::unchoke: emit(peer_event::Unchoke{}); return {};
    case MessageId::interested: emit(peer_event::Interested{}); return {};
    case MessageId::not_interested: emit(peer_event::NotInterested{}); return {};
    case MessageId::have: return handle_have(payload);
    case MessageId::bitfield: return handle_bitfield(payload);
    case MessageId::have_all:
    case MessageId::have_none: return handle_all_or_none(message == MessageId::have_all);
    case MessageId::request:
    case MessageId::cancel:
    case MessageId::reject: return handle_range(message, payload);
    case MessageId::port:
      if (const std::uint16_t port = load_be16(payload.data()); port != 0) emit(peer_event::DhtPort{port});
      return {};
    case MessageId::suggest:
      // Both of these are hints; one that makes no sense is not worth a connection.
      if (geometry)
        if (const auto piece = geometry->piece(load_be32(payload.data()))) emit(peer_event::Suggest{*piece});
      return {};
    case MessageId::allowed_fast:
      if (!geometry) {
        early.add_allowed_fast(load_be32(payload.data()));
      } else if (const auto piece = geometry->piece(load_be32(payload.data()))) {
        emit(peer_event::AllowedFast{*piece});
      }
      return {};
    case MessageId::extended: return handle_extended(payload);
    case MessageId::piece: break;
  }
  assert(false && "piece messages come as blocks");
  return {};
}

Done PeerConnection::State::handle_bitfield(Bytes raw) {
  if (!geometry) {
    early.set_bitfield(raw);
    return {};
  }
  auto pieces = Bitfield::from_wire(raw, geometry->piece_count());
  if (!pieces) return refuse(PeerError::bitfield_invalid);
  emit(peer_event::HasPieces{std::move(*pieces)});
  return {};
}

Done PeerConnection::State::handle_all_or_none(bool all) {
  if (!geometry) {
    early.set_all_or_none(all);
  } else {
    emit(peer_event::HasPieces{Bitfield{geometry->piece_count(), all}});
  }
  return {};
}

Done PeerConnection::State::handle_have(Bytes payload) {
  const std::uint32_t raw = load_be32(payload.data());
  if (!geometry) return early.add_have(raw) ? Done{} : refuse(PeerError::too_many_early_haves);
  const auto piece = geometry->piece(raw);
  if (!piece) return refuse(PeerError::index_out_of_range);
  emit(peer_event::Have{*piece});
  return {};
}

Done PeerConnection::State::handle_range(MessageId id, Bytes payload) {
  // Before the geometry is known we have nothing to give and have asked for nothing.
  if (!geometry) return {};
  const auto range =
      geometry->range(load_be32(payload.data()), load_be32(payload.data() + 4), load_be32(payload.data() + 8));
  if (!range) return refuse(PeerError::index_out_of_range);
  if (id == MessageId::request) {
    emit(peer_event::Request{*range});
  } else if (id == MessageId::cancel) {
    emit(peer_event::Cancel{*range});
  } else {
    note_answer();
    emit(peer_event::Reject{*range});
  }
  return {};
}

Done PeerConnection::State::handle_extended(Bytes payload) {
  const Bytes body = payload.subspan(1);
  switch (payload[0]) {
    case 0: return handle_extension_handshake(body);
    case kOurUtMetadata: {
      auto message = UtMetadata::decode(body);
      if (!message) return refuse(PeerError::extension_malformed);
      if (message->type != UtMetadata::Type::unknown) emit(peer_event::Metadata{std::move(*message)});
      return {};
    }
    case kOurUtPex: {
      auto message = UtPex::decode(body);
      if (!message) return refuse(PeerError::extension_malformed);
      emit(peer_event::Pex{std::move(*message)});
      return {};
    }
    // lt_donthave and its like: we have not asked for them, and some clients send them all the same.
    default: return {};
  }
}

Done PeerConnection::State::handle_extension_handshake(Bytes dict) {
  const auto news = ExtensionHandshake::decode(dict);
  if (!news) return refuse(PeerError::extension_malformed);
  extensions.update(*news);
  emit(peer_event::Extensions{extensions});
  return {};
}

std::expected<std::optional<BlockRef>, PeerError> PeerConnection::State::on_piece(std::uint32_t piece,
                                                                                  std::uint32_t begin,
                                                                                  std::uint32_t length) {
  if (!geometry) return std::nullopt;
  if (const auto ref = geometry->block(piece, begin, length)) return *ref;
  if (!geometry->range(piece, begin, length)) return std::unexpected(PeerError::index_out_of_range);
  return std::nullopt;
}

void PeerConnection::State::on_block(BlockRef ref, Block&& block) {
  payload_in += block.size();
  note_answer();
  emit(peer_event::BlockData{ref, std::move(block)});
}

void PeerConnection::State::on_waste(std::uint32_t bytes) {
  payload_in += bytes;
  note_answer();
  emit(peer_event::BlockWaste{bytes});
}

/// The geometry has come: what was kept is worth something now.
Done PeerConnection::State::first_pieces() {
  auto pieces = early.pieces(*geometry);
  if (!pieces) return refuse(pieces.error());
  if (*pieces) emit(peer_event::HasPieces{std::move(**pieces)});
  for (const std::uint32_t raw : early.allowed_fast())
    if (const auto piece = geometry->piece(raw)) emit(peer_event::AllowedFast{*piece});
  early.clear();
  return {};
}

// --- messages out ---

void PeerConnection::State::send_handshake() {
  Handshake ours;
  ours.dht = config.dht;
  ours.fast = ours.extended = true;
  ours.info_hash = info_hash;
  ours.peer_id = config.our_id;
  const auto bytes = ours.encode();
  sending.control().insert(sending.control().end(), bytes.begin(), bytes.end());
  sending.commit();
}

void PeerConnection::State::send_extensions(const ExtensionHandshake& ours) {
  if (!remote.extended) return;
  const std::size_t begin = begin_extended(sending.control(), 0);
  ours.encode(sending.control());
  end_extended(sending.control(), begin);
}

void PeerConnection::State::write(const peer_message::Pieces& m) {
  assert(!pieces_sent);
  if (std::exchange(pieces_sent, true)) return;
  const bool none = m.have == nullptr || m.have->none();
  if (none) {
    if (remote.fast) plain(MessageId::have_none);
  } else if (remote.fast && m.have->all()) {
    plain(MessageId::have_all);
  } else {
    encode_bitfield(sending.control(), *m.have);
  }
}

void PeerConnection::State::write(const peer_message::Request& m) {
  ++requests_out;
  encode_range(sending.control(), MessageId::request, m.range);
}

void PeerConnection::State::write(const peer_message::Cancel& m) {
  // With BEP 6 a cancelled request is still answered, by the piece or by a reject.
  if (!remote.fast) note_answer();
  encode_range(sending.control(), MessageId::cancel, m.range);
}

void PeerConnection::State::write(const peer_message::Reject& m) {
  if (remote.fast) encode_range(sending.control(), MessageId::reject, m.range);
}

void PeerConnection::State::write(const peer_message::AllowedFast& m) {
  if (remote.fast) encode_index(sending.control(), MessageId::allowed_fast, m.piece);
}

void PeerConnection::State::write(const peer_message::Metadata& m) {
  const std::uint8_t id = extensions.ut_metadata.value_or(0);
  if (!remote.extended || id == 0) return;
  const std::size_t begin = begin_extended(sending.control(), id);
  m.message.encode(sending.control());
  end_extended(sending.control(), begin);
}

void PeerConnection::State::write(const peer_message::Pex& m) {
  const std::uint8_t id = extensions.ut_pex.value_or(0);
  if (!remote.extended || id == 0) return;
  const std::size_t begin = begin_extended(sending.control(), id);
  m.message.encode(sending.control());
  end_extended(sending.control(), begin);
}

// --- the connection ---

PeerConnection::PeerConnection(std::unique_ptr<State> state) : state_(std::move(state)) {}
PeerConnection::PeerConnection(PeerConnection&&) noexcept = default;
PeerConnection& PeerConnection::operator=(PeerConnection&&) noexcept = default;
PeerConnection::~PeerConnection() = default;

PeerConnection PeerConnection::outgoing(Instant now, PeerConnectionConfig config, const InfoHash& info_hash) {
  auto state = std::make_unique<State>(now, std::move(config), true);
  state->info_hash = info_hash;
  state->send_handshake();
  return PeerConnection{std::move(state)};
}

PeerConnection PeerConnection::incoming(Instant now, PeerConnectionConfig config) {
  return PeerConnection{std::make_unique<State>(now, std::move(config), false)};
}

std::size_t PeerConnection::prepare(BlockPool& pool, std::span<MutableBytes> buffers) {
  State& s = *state_;
  if (s.failed) return 0;
  const std::size_t used = s.receiving.prepare(pool, s.requests_out > 0, buffers);
  s.starved = used == 0;
  return used;
}

std::expected<void, PeerError> PeerConnection::receive(Instant now, std::size_t n, PeerEvents& out) {
  State& s = *state_;
  return s.run(out, [&] {
    s.bytes_in += n;
    if (n > 0) s.last_in = now;
    Done result = s.receiving.receive(n, s);
    s.retry_at = s.receiving.waits_for_block() ? now + kBlockRetry : kNever;
    return result;
  });
}

std::expected<std::size_t, PeerError> PeerConnection::feed(Instant now, Bytes bytes, BlockPool& pool, PeerEvents& out) {
  std::array<MutableBytes, kMaxBuffers> buffers;
  std::size_t taken = 0;
  while (taken < bytes.size()) {
    if (state_->failed) return std::unexpected(*state_->failed);
    const std::size_t used = prepare(pool, buffers);
    if (used == 0) break;
    std::size_t n = 0;
    for (std::size_t i = 0; i < used && taken + n < bytes.size(); ++i) {
      const Bytes part = bytes.subspan(taken + n, std::min(buffers[i].size(), bytes.size() - taken - n));
      std::memcpy(buffers[i].data(), part.data(), part.size());
      n += part.size();
    }
    if (const auto ok = receive(now, n, out); !ok) return std::unexpected(ok.error());
    taken += n;
  }
  return taken;
}

std::expected<void, PeerError> PeerConnection::set_geometry(const Geometry& geometry, PeerEvents& out) {
  State& s = *state_;
  return s.run(out, [&]() -> Done {
    assert(!s.geometry || *s.geometry == geometry);
    if (s.geometry) return {};
    s.geometry = geometry;
    return s.first_pieces();
  });
}

std::expected<void, PeerError> PeerConnection::adopt(Instant now, const InfoHash& info_hash, ExtensionHandshake ours,
                                                     PeerEvents& out) {
  State& s = *state_;
  assert(!s.outgoing && !s.adopted);
  return s.run(out, [&]() -> Done {
    if (!s.asked_for || s.info_hash != info_hash) return refuse(PeerError::wrong_info_hash);
    s.adopted = true;
    s.config.our_extensions = std::move(ours);
    s.send_handshake();
    Done result = s.receiving.resume(s);
    s.retry_at = s.receiving.waits_for_block() ? now + kBlockRetry : kNever;
    return result;
  });
}

void PeerConnection::send(const PeerMessage& message) {
  State& s = *state_;
  if (s.failed || s.flooded) return;
  assert(s.is_ready);
  std::visit([&](const auto& m) { s.write(m); }, message);
  s.sending.commit();
  s.flooded = s.sending.control_bytes() > s.config.max_queued_control;
}

void PeerConnection::send_piece(const BlockRange& range, Block&& block) {
  State& s = *state_;
  Block mine = std::move(block);
  if (s.failed || s.flooded) return;
  assert(s.is_ready);
  s.sending.push_piece(range, std::move(mine));
}

bool PeerConnection::unsend_piece(const BlockRange& range) { return state_->sending.remove_piece(range); }

std::size_t PeerConnection::gather(std::span<Bytes> buffers) const { return state_->sending.gather(buffers); }

void PeerConnection::sent(Instant now, std::size_t n) {
  State& s = *state_;
  if (n == 0 || s.failed) return;
  s.payload_out += s.sending.sent(n);
  s.keepalive_at = now + s.config.keepalive_after;
}

bool PeerConnection::wants_write() const { return !state_->sending.empty(); }
std::size_t PeerConnection::queued_payload() const { return state_->sending.payload(); }

Instant PeerConnection::next_deadline() const {
  const State& s = *state_;
  if (s.failed) return kNever;
  if (s.flooded) return Instant::min();
  if (!s.is_ready) return s.handshake_deadline;
  return std::min({s.last_in + s.config.idle_timeout, s.keepalive_at, s.retry_at});
}

std::expected<void, PeerError> PeerConnection::advance(Instant now, PeerEvents& out) {
  State& s = *state_;
  return s.run(out, [&]() -> Done {
    if (!s.is_ready) return now >= s.handshake_deadline ? refuse(PeerError::handshake_timeout) : Done{};
    // Whom we did not read from was not idle; from the moment on that there are blocks again, it may be.
    if (s.starved) {
      s.last_in = std::max(s.last_in, now);
      s.starved = s.receiving.dry();
    }
    if (now >= s.last_in + s.config.idle_timeout) return refuse(PeerError::idle_timeout);
    if (now >= s.keepalive_at) {
      // With bytes still queued the peer will hear from us without one.
      if (s.sending.empty()) encode_keepalive(s.sending.control());
      s.sending.commit();
      s.keepalive_at = now + s.config.keepalive_after;
    }
    s.receiving.release_plan();
    Done result;
    if (now >= s.retry_at) {
      result = s.receiving.resume(s);
      s.retry_at = s.receiving.waits_for_block() ? now + kBlockRetry : kNever;
    }
    return result;
  });
}

bool PeerConnection::ready() const { return state_->is_ready; }
bool PeerConnection::is_outgoing() const { return state_->outgoing; }
bool PeerConnection::fast() const { return state_->remote.fast; }
bool PeerConnection::extended() const { return state_->remote.extended; }
const PeerId& PeerConnection::peer_id() const { return state_->remote.peer_id; }
const ExtensionHandshake& PeerConnection::extensions() const { return state_->extensions; }
std::uint64_t PeerConnection::bytes_in() const { return state_->bytes_in; }
std::uint64_t PeerConnection::payload_in() const { return state_->payload_in; }
std::uint64_t PeerConnection::payload_out() const { return state_->payload_out; }
std::size_t PeerConnection::early_bytes() const { return state_->early.bytes(); }

}  // namespace lodestone::wire
