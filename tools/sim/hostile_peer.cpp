// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/hostile_peer.hpp"

#include <algorithm>
#include <utility>

namespace lodestone::tools::sim {
namespace {

constexpr std::size_t kBlockMemory = 16u << 20;

}  // namespace

HostilePeer::HostilePeer(World& world, Streams& streams, const Sample& sample, const HostilePeerSpec& spec,
                         dht::Output& arena)
    : world_(world),
      streams_(streams),
      sample_(sample),
      spec_(spec),
      host_(world.add_host({})),
      dht_(world, host_, spec.port, public_node_config(world, host_), arena),
      rng_(world.fork_rng()),
      peer_id_(rng_.id<wire::PeerId>()),
      blocks_(kBlockMemory) {
  streams_.set_rate(host_, spec.rate);
}

HostilePeer::~HostilePeer() {
  streams_.stop_listening(host_, spec_.port);
  for (const auto& [stream, link] : links_) streams_.close(stream);
}

void HostilePeer::start() {
  streams_.listen(host_, spec_.port, *this);
  dht_.join(spec_.introducers);
  dht_.use([&](dht::Node& node, dht::Output& out) {
    (void)node.keep_announced(world_.now(), sample_.info_hash(), {.port = spec_.port, .implied_port = false}, out);
  });
}

std::uint64_t HostilePeer::claimed_size() const {
  const std::uint64_t true_size = sample_.raw_info.size();
  return spec_.mischief == PeerMischief::wrong_metadata_size ? true_size + 40'000 : true_size;
}

void HostilePeer::on_accept(StreamKey stream, const Endpoint& remote) {
  ++accepted_;
  wire::PeerConnectionConfig config;
  config.our_id = peer_id_;
  links_.emplace(stream, PeerLink{streams_, stream, wire::PeerConnection::incoming(world_.now(), config), remote});
}

void HostilePeer::on_dialled(const Endpoint&, DialOutcome, StreamKey) {}  // it dials nobody

void HostilePeer::on_readable(StreamKey stream) {
  const auto at = links_.find(stream);
  if (at == links_.end()) return;
  PeerLink& link = at->second;
  while (true) {
    wire::PeerEvents events;
    const std::size_t before = streams_.readable(stream).size();
    const PeerLink::Outcome outcome = link.read(world_.now(), blocks_, events);
    // adopt() appends to what is being walked.
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (const auto* wants = std::get_if<wire::peer_event::WantsTorrent>(&events[i])) {
        wire::ExtensionHandshake ours;
        ours.ut_metadata = wire::kOurUtMetadata;
        ours.metadata_size = claimed_size();
        wire::PeerEvents more;
        const wire::InfoHash hash = wants->info_hash;
        (void)link.connection().set_geometry(sample_.info->manifest->layout.geometry(), more);
        (void)link.connection().adopt(world_.now(), hash, ours, more);
        std::move(more.begin(), more.end(), std::back_inserter(events));
      } else {
        on_event(link, events[i]);
      }
    }
    (void)link.write(world_.now());
    if (outcome == PeerLink::Outcome::broken) {
      streams_.close(stream);
      links_.erase(at);
      return;
    }
    if (outcome == PeerLink::Outcome::drained || streams_.readable(stream).size() == before) return;
  }
}

void HostilePeer::on_writable(StreamKey stream) {
  if (const auto at = links_.find(stream); at != links_.end()) (void)at->second.write(world_.now());
}

void HostilePeer::on_end(StreamKey stream) { links_.erase(stream); }

void HostilePeer::on_event(PeerLink& link, wire::PeerEvent& event) {
  wire::PeerConnection& connection = link.connection();
  if (std::holds_alternative<wire::peer_event::Ready>(event)) {
    const bool all = spec_.mischief == PeerMischief::corrupt_data;
    const std::uint32_t pieces = sample_.info->manifest->layout.geometry().piece_count();
    connection.send(wire::peer_message::Pieces{std::make_shared<const wire::Bitfield>(pieces, all)});
    if (all) connection.send(wire::peer_message::Unchoke{});
  } else if (const auto* request = std::get_if<wire::peer_event::Request>(&event)) {
    serve(link, request->range);
  } else if (const auto* metadata = std::get_if<wire::peer_event::Metadata>(&event)) {
    if (metadata->message.type == wire::UtMetadata::Type::request) serve_metadata(link, metadata->message.piece);
  }
}

void HostilePeer::serve(PeerLink& link, const wire::BlockRange& range) {
  wire::Block block = range.length <= wire::kBlockSize ? blocks_.take(range.length) : wire::Block{};
  if (!block) {
    link.connection().send(wire::peer_message::Reject{range});
    return;
  }
  if (rng_.chance(spec_.corrupt_share)) {
    ++bad_blocks_;
    rng_.fill(block.bytes());
  } else {
    std::ranges::copy(sample_.bytes(range), block.bytes().begin());
  }
  link.connection().send_piece(range, std::move(block));
}

void HostilePeer::serve_metadata(PeerLink& link, std::uint32_t piece) {
  const std::uint64_t begin = std::uint64_t{piece} * wire::kMetadataPiece;
  if (begin >= claimed_size()) return;
  wire::UtMetadata message;
  message.type = wire::UtMetadata::Type::data;
  message.piece = piece;
  message.total_size = claimed_size();
  message.data.resize(static_cast<std::size_t>(std::min<std::uint64_t>(wire::kMetadataPiece, claimed_size() - begin)));
  if (spec_.mischief == PeerMischief::corrupt_data) {
    std::ranges::copy(Bytes{sample_.raw_info}.subspan(static_cast<std::size_t>(begin), message.data.size()),
                      message.data.begin());
  } else {
    ++bad_metadata_;
    rng_.fill(message.data);
  }
  link.connection().send(wire::peer_message::Metadata{std::move(message)});
}

}  // namespace lodestone::tools::sim
