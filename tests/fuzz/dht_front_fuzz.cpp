// SPDX-License-Identifier: Apache-2.0
// A Front beside its Node, driven by a byte script, with the target as the thread between them: datagrams from a few
// dozen prefixes, announces with tokens that were given out, time, and news and contacts that come late or never. The
// front answers nobody but the asker, with one datagram of a decent size, never with what it was not dealt; what it
// leaves to the node it has not touched; no prefix gets more than it is entitled to (S3), and nobody is told there are
// no peers for what the node has stored (S1).
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "dht/front.hpp"
#include "dht/krpc.hpp"
#include "dht/node.hpp"
#include "tests/support/byte_script.hpp"

namespace {

using namespace lodestone;
using dht::Front;
using test::ByteScript;
using test::require;
using wire::Bytes;
using wire::ByteVector;
using wire::Endpoint;
using wire::Family;

Family other_than(Family family) { return family == Family::v4 ? Family::v6 : Family::v4; }

template <class Id>
Id id_of(std::uint8_t b) {
  Id id;
  id.bytes()[0] = b;
  return id;
}

class Harness {
 public:
  explicit Harness(std::uint8_t setup)
      : family_((setup & 1) != 0 ? Family::v6 : Family::v4), both_((setup & 2) != 0), config_(config(setup)) {
    node_ = std::make_unique<dht::Node>(now_, config_, wire::Rng::from_number(7));
    ByteVector ring;
    for (std::uint8_t i = 0; i < 40; ++i) add_contact(ring, family_, static_cast<std::uint8_t>(i * 4));
    if ((setup & 4) != 0) node_->restore_ring(ring);
    front_ = std::make_unique<Front>(now_, config_, news(), *announced_, both_, wire::Rng::from_number(8));
  }

  void step(ByteScript& s) {
    switch (s.byte() % 8) {
      case 0: receive(endpoint(s.byte()), s.take(s.byte())); break;
      case 1: now_ += std::chrono::milliseconds(s.byte() * 40); break;
      case 2:
        now_ += std::chrono::seconds(s.byte() * 4);
        node_->advance(now_, out_);
        break;
      case 3: front_->hear(news()); break;
      case 4: deal(); break;
      case 5: deal_others(s); break;
      case 6: expect(s); break;
      default: query(s); break;
    }
    out_.clear();  // what else the node has to say, the front has no part in
  }

 private:
  dht::NodeConfig config(std::uint8_t setup) const {
    dht::NodeConfig c;
    c.family = family_;
    c.policy.allow(wire::AddressKind::global);
    c.private_net = (setup & 8) != 0;
    c.limits.ring_size = (setup & 16) != 0 ? 1'000 : 60;  // young, or not
    c.limits.ping_queue = 16;
    c.limits.visitors = 64;
    c.limits.contact_store = 0;
    c.limits.hashes_total = (setup & 32) != 0 ? 2 : 5'000;
    c.announced = announced_.get();
    return c;
  }
  [[nodiscard]] Front::News news() const { return {node_->id(), node_->tokens(), node_->ring_is_young()}; }

  static Endpoint address(Family family, std::uint8_t b) {
    const auto port = static_cast<std::uint16_t>(b == 255 ? 0 : 6881);
    if (family == Family::v4) return {wire::Address::v4(11, b >> 4, b >> 2, b), port};
    std::array<std::uint8_t, 16> raw{
        0x26, 0, 0, static_cast<std::uint8_t>(b >> 4), 0, static_cast<std::uint8_t>(b >> 2), 0, b};
    return {wire::Address::v6(raw), port};
  }
  [[nodiscard]] Endpoint endpoint(std::uint8_t b) const {
    if (b == 254) return {wire::Address::v4(127, 0, 0, 1), 6881};
    return address(family_, b);
  }
  static void add_contact(ByteVector& to, Family family, std::uint8_t b) {
    const dht::CompactContact compact(dht::Contact{id_of<wire::NodeId>(b), address(family, b)});
    to.insert(to.end(), compact.data(), compact.data() + dht::Contact::compact_size(family));
  }
  void dealt(Family family, const ByteVector& hand) {
    front_->deal(now_, family, hand);
    hands_[family == Family::v4 ? 0 : 1] = hand;  // the one before it counts no more
  }
  void deal() {
    ByteVector hand(Front::kHand * dht::Contact::compact_size(family_));
    hand.resize(node_->deal(hand));
    dealt(family_, hand);
  }
  /// As many of either family as the script says.
  void deal_others(ByteScript& s) {
    const auto count = s.byte() % (Front::kHand + 1);
    const Family family = s.flag() ? family_ : other_than(family_);
    if (family != family_ && !both_) return;
    ByteVector hand;
    for (std::size_t i = 0; i < count; ++i) add_contact(hand, family, static_cast<std::uint8_t>(i));
    dealt(family, hand);
  }
  void expect(ByteScript& s) {
    std::vector<Endpoint> sources(s.byte() % 80);
    for (Endpoint& source : sources) source = endpoint(s.byte());
    front_->expect(sources);
  }

  void query(ByteScript& s) {
    static constexpr std::array<std::string_view, 6> kMethods{"ping",          "find_node", "get_peers",
                                                              "announce_peer", "get",       "vote"};
    const Endpoint from = endpoint(s.byte());
    const std::string_view method = kMethods[s.byte() % kMethods.size()];
    const auto key = id_of<wire::Key>(s.byte());
    const auto flags = s.byte();
    const auto wanted = flags & 3;
    ByteVector raw;
    wire::bencode::Writer w{raw};
    w.begin_dict().key("a").begin_dict().key("id").string(id_of<wire::NodeId>(s.byte()).view());
    const bool announce = method == "announce_peer";
    if (announce) w.key("implied_port").integer(flags & 1);
    if (announce || method == "get_peers") w.key("info_hash").string(key.view());
    if (announce) w.key("port").integer(6881);
    if (method == "find_node" || method == "get" || method == "vote") w.key("target").string(key.view());
    if (announce) w.key("token").string((flags & 4) != 0 ? Bytes{token_} : Bytes{});
    if (wanted != 0) {
      w.key("want").begin_list();
      if ((wanted & 1) != 0) w.string("n4");
      if ((wanted & 2) != 0) w.string("n6");
      w.end();
    }
    w.end();
    w.key("q")
        .string(method)
        .key("ro")
        .integer(flags >> 7)
        .key("t")
        .string(s.take(flags >> 4 & 3))
        .key("y")
        .string("q");
    w.end();
    receive(from, raw);
  }

  void receive(const Endpoint& from, Bytes datagram) {
    const dht::Counters before = front_->counters();
    batch_.clear();
    strangers_.clear();
    front_->foresee(datagram);
    const Front::Fate fate = front_->receive(now_, from, datagram, batch_, strangers_);
    require(batch_.size() <= 1 && strangers_.size() <= 1);
    for (const Front::Stranger& stranger : strangers_) {
      require(fate == Front::Fate::done && stranger.contact.endpoint == from);
      node_->met(now_, stranger.contact, stranger.read_only, stranger.served, out_);
    }
    auto& books = books_[prefix_of(from)];
    if (fate == Front::Fate::for_the_node) {
      require(batch_.empty() && strangers_.empty());
      require(front_->counters().datagrams_in == before.datagrams_in);
      hand_over(from, datagram);
      return;
    }
    require(front_->counters().datagrams_in == before.datagrams_in + 1);
    books.received += datagram.size();
    if (batch_.empty()) return;
    const auto& answer = batch_.entries()[0];
    require(answer.to == from && config_.policy.allows(from));
    books.sent += answer.size;
    require(books.sent <= config_.limits.unverified_burst + config_.limits.unverified_factor * books.received ||
            config_.private_net);
    look_at(from, datagram, batch_.payload(answer));
  }

  static wire::Address prefix_of(const Endpoint& from) {
    std::array<std::uint8_t, 16> raw{};
    const Bytes bytes = from.address.bytes();
    std::copy_n(bytes.begin(), from.address.is_v4() ? 3 : 6, raw.begin());
    return wire::Address::v6(raw);
  }

  /// By the front.
  void look_at(const Endpoint& from, Bytes asked, Bytes answered) {
    require(answered.size() <= config_.limits.reply_max);
    const auto message = answer_decoder_.decode(answered);
    require(message.has_value());
    const auto query = query_decoder_.decode(asked);
    if (std::holds_alternative<dht::krpc::ErrorReply>(message->body)) {
      require(!query);
      return;
    }
    const auto* reply = std::get_if<dht::krpc::Reply>(&message->body);
    require(reply != nullptr && query && std::holds_alternative<dht::krpc::Query>(query->body));
    require(std::ranges::equal(message->transaction, query->transaction) && !reply->values);
    const auto& q = std::get<dht::krpc::Query>(query->body);
    require(q.method == dht::krpc::Method::ping || q.method == dht::krpc::Method::find_node ||
            q.method == dht::krpc::Method::get_peers);
    if (q.method == dht::krpc::Method::get_peers) {
      const auto stored = stored_.find(q.target);
      require(stored == stored_.end() || now_ - stored->second >= config_.limits.peer_expiry);
    }
    if (!reply->token.empty()) token_.assign(reply->token.begin(), reply->token.end());
    shown(reply->nodes, Family::v4, from);
    shown(reply->nodes6, Family::v6, from);
  }
  void shown(Bytes nodes, Family family, const Endpoint& asker) const {
    const std::size_t stride = dht::Contact::compact_size(family);
    require(nodes.size() % stride == 0 && nodes.size() <= dht::Introducer::kHandOut * stride);
    dht::for_each_contact(nodes, family, dht::Introducer::kHandOut,
                          [&](const dht::Contact& contact) { require(contact.endpoint != asker); });
    const auto& hand = hands_[family == Family::v4 ? 0 : 1];
    for (std::size_t at = 0; at < nodes.size(); at += stride) {
      bool there = false;
      for (std::size_t i = 0; i < hand.size() && !there; i += stride)
        there = std::equal(nodes.begin() + static_cast<std::ptrdiff_t>(at),
                           nodes.begin() + static_cast<std::ptrdiff_t>(at + stride),
                           hand.begin() + static_cast<std::ptrdiff_t>(i));
      require(there);
    }
  }

  void hand_over(const Endpoint& from, Bytes datagram) {
    out_.clear();
    node_->receive(now_, from, datagram, out_);
    const auto query = query_decoder_.decode(datagram);
    const auto* q = query ? std::get_if<dht::krpc::Query>(&query->body) : nullptr;
    for (const auto& entry : out_.datagrams.entries()) {
      if (entry.to != from) continue;
      const auto message = answer_decoder_.decode(out_.datagrams.payload(entry));
      require(message.has_value());
      const auto* reply = std::get_if<dht::krpc::Reply>(&message->body);
      if (reply == nullptr || q == nullptr) continue;
      if (q->method == dht::krpc::Method::announce_peer) stored_[q->target] = now_;
      if (!reply->token.empty()) token_.assign(reply->token.begin(), reply->token.end());
    }
  }

  struct Books {
    std::size_t received = 0, sent = 0;
  };

  wire::Instant now_{std::chrono::hours(1)};
  std::unique_ptr<dht::HashFilter> announced_ = std::make_unique<dht::HashFilter>();
  Family family_;
  bool both_;
  dht::NodeConfig config_;
  std::unique_ptr<dht::Node> node_;
  std::unique_ptr<Front> front_;
  std::array<ByteVector, 2> hands_;  // as the front has them
  std::map<wire::Address, Books> books_;
  std::map<wire::Key, wire::Instant> stored_;
  ByteVector token_;
  wire::DatagramBatch batch_;
  std::vector<Front::Stranger> strangers_;
  dht::Output out_;
  dht::krpc::Decoder query_decoder_, answer_decoder_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteScript script{{data, std::min<std::size_t>(size, 4'096)}};
  Harness harness{script.byte()};
  while (!script.done()) harness.step(script);
  return 0;
}
