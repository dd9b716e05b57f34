// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/hostile_node.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace lodestone::tools::sim {
namespace {

constexpr std::uint16_t kPort = 6881;
constexpr std::size_t kMaxKnown = 500;
constexpr std::size_t kReplyMax = 1'024;
constexpr std::size_t kMadeUp = 8;

}  // namespace

HostileNode::HostileNode(World& world, HostId host, Misbehaviour kind, const Endpoint& introducer,
                         std::optional<wire::NodeId> id)
    : world_(world),
      host_(host),
      kind_(kind),
      local_{world.address(host), kPort},
      rng_(world.fork_rng()),
      id_(id ? *id : rng_.id<wire::NodeId>()),
      known_{introducer},
      timer_(world, [this] { ask_somebody(); }) {
  world_.bind(host_, kPort, [this](const Endpoint& from, Bytes bytes) { on_datagram(from, bytes); });
  timer_.arm(world_.now());
}

HostileNode::~HostileNode() { world_.bind(host_, 0, nullptr); }

void HostileNode::ask_somebody() {
  const Endpoint& to = known_[static_cast<std::size_t>(rng_.below(known_.size()))];
  std::array<std::uint8_t, dht::krpc::kQueryMax> buffer{};
  const std::size_t n = dht::krpc::encode_find_node(buffer, {++transaction_, id_, "XX", false}, rng_.id<wire::Key>());
  world_.send(host_, to, Bytes{buffer}.first(n));
  timer_.arm(world_.now() + kAskEvery);
}

void HostileNode::on_datagram(const Endpoint& from, Bytes bytes) {
  const auto message = decoder_.decode(bytes);
  if (!message) return;
  if (const auto* query = std::get_if<dht::krpc::Query>(&message->body)) {
    ++asked_;
    answer(from, message->transaction, *query);
  } else if (const auto* reply = std::get_if<dht::krpc::Reply>(&message->body)) {
    for (std::size_t at = 0; at + 26 <= reply->nodes.size() && known_.size() < kMaxKnown; at += 26) {
      const Endpoint named = *Endpoint::from_compact(reply->nodes.subspan(at + 20, 6));
      if (std::find(known_.begin(), known_.end(), named) == known_.end()) known_.push_back(named);
    }
  }
}

void HostileNode::answer(const Endpoint& from, Bytes transaction, const dht::krpc::Query& query) {
  if (kind_ == Misbehaviour::silent) return;
  const wire::NodeId as = kind_ == Misbehaviour::wrong_id ? rng_.id<wire::NodeId>() : id_;
  constexpr std::size_t kStride = dht::Contact::compact_size(wire::Family::v4);
  wire::ByteVector named;
  const auto name = [&](const dht::Contact& contact) {
    named.resize(named.size() + kStride);
    contact.write_compact(named.data() + named.size() - kStride);
  };
  if (kind_ == Misbehaviour::liar || kind_ == Misbehaviour::misnamer) {
    for (std::size_t i = 0; i < kMadeUp; ++i) {
      dht::Contact contact;
      contact.id = wire::NodeId{query.target.bytes()};
      rng_.fill(wire::MutableBytes{contact.id.bytes()}.subspan(12));  // shares 96 bits with the target
      contact.endpoint = {wire::Address::v4(static_cast<std::uint32_t>(rng_.next()) | 0x4000'0000u), kPort};
      if (kind_ == Misbehaviour::misnamer)
        contact.endpoint = known_[static_cast<std::size_t>(rng_.below(known_.size()))];
      name(contact);
    }
  }
  for (std::size_t i = 0; i < kMadeUp && !fellows_.empty(); ++i) {
    name(fellows_[static_cast<std::size_t>(rng_.below(fellows_.size()))]);
  }
  std::array<std::uint8_t, kReplyMax> buffer{};
  const dht::krpc::ReplyBody body{.id = as,
                                  .to = from,
                                  .nodes_family = wire::Family::v4,
                                  .nodes = named,
                                  .token = wire::as_bytes("token"),
                                  .values = {}};
  const std::size_t n = dht::krpc::encode_reply(buffer, transaction, "XX", body);
  world_.send(host_, from, Bytes{buffer}.first(n));
}

}  // namespace lodestone::tools::sim
