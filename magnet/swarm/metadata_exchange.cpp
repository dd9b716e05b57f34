// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/metadata_exchange.hpp"

#include <algorithm>
#include <utility>

namespace lodestone::magnet {

MetadataExchange::News MetadataExchange::carry(MetadataFetch::Output&& from, Actions& out) {
  for (MetadataFetch::Send& s : from.send)
    out.push_back(action::Send{s.link, wire::peer_message::Metadata{std::move(s.message)}});
  if (from.check) out.push_back(action::CheckMetadata{*std::move(from.check)});
  return {std::move(from.liars), std::move(from.result)};
}

MetadataExchange::News MetadataExchange::on_extensions(wire::Instant now, const Peer& peer, Actions& out) {
  if (known_) return {};
  MetadataFetch::Output output;
  const wire::ExtensionHandshake& e = peer.extensions;
  // Id 0 switches off what an earlier handshake has switched on (M5): a claim of nothing.
  const std::uint64_t claim = e.ut_metadata.value_or(0) != 0 ? e.metadata_size.value_or(0) : 0;
  fetch_.on_peer(now, peer.link, claim, output);
  return carry(std::move(output), out);
}

MetadataExchange::News MetadataExchange::on_gone(wire::Instant now, const Peer& peer, Actions& out) {
  if (known_) return {};
  MetadataFetch::Output output;
  fetch_.on_gone(now, peer.link, output);
  return carry(std::move(output), out);
}

/// Also once it is known: what was being checked besides gives its memory back.
MetadataExchange::News MetadataExchange::on_checked(wire::Instant now, MetadataVerdict&& verdict, Actions& out) {
  MetadataFetch::Output output;
  fetch_.on_checked(now, std::move(verdict), output);
  return carry(std::move(output), out);
}

MetadataExchange::News MetadataExchange::advance(wire::Instant now, Actions& out) {
  if (known_) return {};
  MetadataFetch::Output output;
  fetch_.advance(now, output);
  return carry(std::move(output), out);
}

void MetadataExchange::set_known(wire::ByteVector raw, bool is_private) {
  known_ = true;
  private_ = is_private;
  raw_ = std::move(raw);
}

std::optional<std::uint64_t> MetadataExchange::served_size() const {
  if (!known_ || private_ || raw_.empty()) return std::nullopt;
  return raw_.size();
}

MetadataExchange::News MetadataExchange::on_message(wire::Instant now, Peer& peer, wire::UtMetadata&& message,
                                                    Actions& out) {
  if (message.type == wire::UtMetadata::Type::request) {
    serve(now, peer, message.piece, out);
    return {};
  }
  if (known_) return {};
  MetadataFetch::Output output;
  fetch_.on_message(now, peer.link, message, output);
  return carry(std::move(output), out);
}

void MetadataExchange::serve(wire::Instant now, Peer& peer, std::uint32_t piece, Actions& out) {
  wire::UtMetadata answer;
  answer.piece = piece;
  answer.type = wire::UtMetadata::Type::reject;
  const std::uint64_t begin = std::uint64_t{piece} * wire::kMetadataPiece;
  if (served_size() && begin < raw_.size() && peer.metadata_requests.take(now)) {
    const std::size_t n = std::min<std::size_t>(wire::kMetadataPiece, raw_.size() - static_cast<std::size_t>(begin));
    const auto from = raw_.begin() + static_cast<std::ptrdiff_t>(begin);
    answer.type = wire::UtMetadata::Type::data;
    answer.total_size = raw_.size();
    answer.data.assign(from, from + static_cast<std::ptrdiff_t>(n));
  }
  out.push_back(action::Send{peer.link, wire::peer_message::Metadata{std::move(answer)}});
}

}  // namespace lodestone::magnet
