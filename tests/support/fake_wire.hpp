// SPDX-License-Identifier: Apache-2.0
// Torrents joined by real PeerConnections over links in memory, with real stores on memory disks, in virtual time.
// A test says who is there, what they have and how they misbehave, and lets time run.
//
//   FakeWire net;
//   auto sample = make_sample({{"a.bin", 1 << 20}}, 64 << 10);
//   auto& seed = net.add_seed(sample);
//   auto& get = net.add(sample);
//   net.introduce(get, seed);
//   REQUIRE(net.run_until([&] { return get.finished; }, 60s));
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "magnet/create.hpp"
#include "magnet/swarm/torrent.hpp"
#include "storage/disk/executor.hpp"
#include "storage/disk/faulty_files.hpp"
#include "storage/disk/memory_files.hpp"

namespace lodestone::test {

using namespace std::chrono_literals;

/// Files of pseudo-random bytes and the torrent over them.
struct Sample {
  magnet::Metainfo torrent;
  std::shared_ptr<const magnet::Info> info;
  wire::ByteVector stream;  // all files, one behind the other
};

struct SampleFile {
  std::string name;
  std::uint64_t size;
};

inline Sample make_sample(const std::vector<SampleFile>& files, std::uint32_t piece_length, bool is_private = false,
                          std::uint64_t seed = 7) {
  magnet::CreateSpec spec;
  spec.name = "sample";
  spec.single_file = files.size() == 1;
  spec.piece_length = piece_length;
  spec.is_private = is_private;
  Sample sample;
  std::uint64_t total = 0;
  for (const SampleFile& f : files) {
    spec.files.push_back({{f.name}, f.size, false});
    total += f.size;
  }
  sample.stream.resize(total);
  wire::Rng::from_number(seed).fill(sample.stream);
  for (std::uint64_t at = 0; at < total; at += piece_length) {
    const std::uint64_t n = std::min<std::uint64_t>(piece_length, total - at);
    spec.pieces.push_back(wire::sha1(wire::Bytes(sample.stream).subspan(at, n)));
  }
  const auto file = magnet::encode_torrent(spec);
  if (!file) throw std::runtime_error("sample: " + file.error());
  auto parsed = magnet::parse_torrent(*file);
  if (!parsed) throw std::runtime_error("sample: " + parsed.error().message);
  sample.torrent = *std::move(parsed);
  sample.info = std::make_shared<const magnet::Info>(sample.torrent.info);
  return sample;
}

class FakeWire {
 public:
  struct Node;

  struct LinkSpec {
    wire::Duration latency = 5ms;  // one way
    double rate = 0;               // bytes/s each way; 0: no limit
  };

  struct Link {
    Node* self;
    wire::PeerConnection connection;
    wire::Endpoint remote;
    Node* other = nullptr;
    magnet::LinkKey other_key = {};
    LinkSpec spec = {};
    bool joined = false;
    wire::Instant free_at{};       // when the wire has taken what was written so far
    std::uint64_t told_sent = 0;   // payload
    wire::ByteVector unread = {};  // the pool was dry
  };

  struct NodeSpec {
    magnet::TorrentConfig config;  // info_hash, our_id and policy are filled in
    bool knows_info = false;
    std::function<std::vector<bool>(const magnet::Info&)> wanted;
    std::shared_ptr<storage::MemoryDisk> disk;  // null: an empty one
    std::shared_ptr<storage::Faults> faults;
    wire::Duration disk_latency{};  // each job
    bool accepts = true;            // false: behind a NAT
    wire::ByteVector unfinished_metadata;
    bool force = false;
    /// Looks at each action before it is carried out and may change it; false: drop it.
    std::function<bool(magnet::Action&)> tamper;
    std::function<void(wire::ExtensionHandshake&)> tamper_extensions;
  };

  struct Node {
    Node(FakeWire& w, wire::Instant now, NodeSpec s, const Sample& what, wire::Endpoint at, wire::Rng rng)
        : wire(w), spec(std::move(s)), sample(what), endpoint(at), torrent(now, spec.config, std::move(rng)) {}
    FakeWire& wire;
    NodeSpec spec;
    const Sample& sample;
    wire::Endpoint endpoint;
    wire::BlockPool pool{64u << 20};
    wire::Slab<Link, magnet::LinkTag> links;
    std::unique_ptr<storage::Store> store;
    std::shared_ptr<storage::MemoryDisk> disk;
    magnet::Torrent torrent;
    magnet::Actions actions;

    // What happened, for assertions.
    bool finished = false, went_private = false, dead = false;
    std::optional<wire::Instant> finished_at;
    std::optional<magnet::action::Failed> failed;
    std::shared_ptr<const magnet::Info> info;
    std::vector<magnet::CloseReason> closes;  // that it asked for
    std::vector<wire::Endpoint> dials;
    std::vector<std::uint32_t> stored;  // pieces in order of storing
    std::size_t requests = 0, cancels = 0, wants = 0, rejects = 0, syncs = 0, max_unstored = 0;
    std::size_t haves = 0, pexes = 0;

    [[nodiscard]] magnet::TorrentStatus status() const { return torrent.status(wire.now); }
    [[nodiscard]] std::optional<wire::ByteVector> file(const std::string& name) const {
      return disk->content("root/sample/" + name);
    }
    /// Single file torrents have no directory.
    [[nodiscard]] std::optional<wire::ByteVector> single() const { return disk->content("root/sample"); }
  };

  wire::Instant now{std::chrono::hours(1)};
  LinkSpec link;                 // for links made from now on
  bool check_invariants = true;  // after each step

  explicit FakeWire(std::uint64_t seed = 1) : rng_(wire::Rng::from_number(seed)) {}
  ~FakeWire() {
    // Jobs and results hold blocks of the pools.
    events_.clear();
    for (auto& node : nodes_) node->links.for_each([&](magnet::LinkKey key, Link&) { node->links.erase(key); });
  }

  [[nodiscard]] static NodeSpec node_spec() {
    NodeSpec spec;
    spec.config.private_net = true;
    return spec;
  }

  Node& add(const Sample& sample, NodeSpec spec = node_spec()) {
    const auto number = static_cast<std::uint8_t>(nodes_.size() + 1);
    const wire::Endpoint endpoint{wire::Address::v4(10, 0, number, 1), 6881};
    spec.config.info_hash = *sample.info->info_hash;
    spec.config.our_id = rng_.id<wire::PeerId>();
    spec.config.policy = wire::AddressPolicy::everything();
    spec.config.our_extensions.listen_port = endpoint.port;
    spec.config.our_extensions.client = "fake " + std::to_string(number);
    nodes_.push_back(std::make_unique<Node>(*this, now, std::move(spec), sample, endpoint, rng_.fork()));
    Node& node = *nodes_.back();
    node.disk = node.spec.disk ? node.spec.disk : std::make_shared<storage::MemoryDisk>();
    node.torrent.set_block_pool(&node.pool);
    if (node.spec.knows_info) node.info = sample.info;
    node.torrent.start(now, node.info, node.spec.knows_info ? sample.torrent.raw_info : wire::ByteVector{},
                       node.spec.unfinished_metadata, node.spec.wanted, node.spec.force, node.actions);
    settle();
    return node;
  }

  /// Has everything on its disk and seeds.
  Node& add_seed(const Sample& sample, NodeSpec spec = node_spec()) {
    spec.knows_info = true;
    spec.config.seed_after = true;
    spec.disk = full_disk(sample);
    return add(sample, std::move(spec));
  }

  [[nodiscard]] static std::shared_ptr<storage::MemoryDisk> full_disk(const Sample& sample) {
    auto disk = std::make_shared<storage::MemoryDisk>();
    for (const storage::FileEntry& f : sample.info->files)
      if (!f.pad) disk->put("root/" + f.joined(), wire::Bytes(sample.stream).subspan(f.offset, f.size));
    return disk;
  }

  /// `who` hears of `whom`.
  void introduce(Node& who, Node& whom, magnet::PeerSource source = magnet::PeerSource::dht) {
    tell(who, {whom.endpoint}, source);
  }
  void tell(Node& who, const std::vector<wire::Endpoint>& endpoints, magnet::PeerSource source) {
    who.torrent.on_peers_found(now, endpoints, source, who.actions);
    settle();
  }

  /// Its process is killed: links break, nothing more happens there.
  void kill(Node& node) {
    node.dead = true;
    std::vector<magnet::LinkKey> keys;
    node.links.for_each([&](magnet::LinkKey key, Link&) { keys.push_back(key); });
    for (const magnet::LinkKey key : keys) cut(node, key, false);
  }

  /// Its cable is pulled: nothing is said to anybody, bytes vanish.
  void mute(Node& node) { node.dead = true; }

  void stop(Node& node) {
    node.torrent.stop(now, node.actions);
    settle();
  }

  void run_for(wire::Duration d) {
    const wire::Instant until = now + d;
    (void)run_until([] { return false; }, d);
    now = until;
  }

  /// False: the time is over, or nothing is going to happen any more.
  template <class Done>
  bool run_until(Done done, wire::Duration limit) {
    const wire::Instant until = now + limit;
    settle();
    while (!done()) {
      const wire::Instant next = next_event();
      if (next > until) return false;
      now = std::max(now, next);
      step();
    }
    return true;
  }

  void at(wire::Instant when, std::function<void()> what) { events_.emplace(std::max(when, now), std::move(what)); }
  [[nodiscard]] std::size_t live_links(const Node& node) const {
    std::size_t n = 0;
    node.links.for_each([&](magnet::LinkKey, const Link& l) { n += l.joined; });
    return n;
  }

 private:
  [[nodiscard]] Node* listening(const wire::Endpoint& e) {
    for (auto& node : nodes_)
      if (node->endpoint == e && !node->dead && node->spec.accepts) return node.get();
    return nullptr;
  }

  [[nodiscard]] wire::Instant next_event() const {
    wire::Instant next = events_.empty() ? wire::kNever : events_.begin()->first;
    for (const auto& node : nodes_) {
      if (node->dead) continue;
      next = std::min(next, node->torrent.next_deadline());
      node->links.for_each(
          [&](magnet::LinkKey, const Link& l) { next = std::min(next, l.connection.next_deadline()); });
    }
    return next;
  }

  void step() {
    while (!events_.empty() && events_.begin()->first <= now) {
      auto event = std::move(events_.begin()->second);
      events_.erase(events_.begin());
      event();
    }
    for (auto& node : nodes_) {
      if (node->dead) continue;
      std::vector<magnet::LinkKey> due;
      node->links.for_each([&](magnet::LinkKey key, Link& l) {
        if (l.connection.next_deadline() <= now) due.push_back(key);
      });
      for (const magnet::LinkKey key : due) {
        Link* l = node->links.find(key);
        if (l == nullptr) continue;
        wire::PeerEvents events;
        const auto ok = l->connection.advance(now, events);
        hear(*node, key, events);
        if (!ok) cut(*node, key, true);
      }
      if (node->torrent.next_deadline() <= now) node->torrent.advance(now, node->actions);
    }
    settle();
  }

  /// Carries out all actions and moves all bytes that can be moved now.
  void settle() {
    for (bool busy = true; busy;) {
      busy = false;
      for (auto& node : nodes_) {
        if (node->dead) {
          node->actions.clear();
          continue;
        }
        while (!node->actions.empty()) {
          busy = true;
          magnet::Actions batch;
          batch.swap(node->actions);
          for (magnet::Action& action : batch)
            if (!node->spec.tamper || node->spec.tamper(action))
              std::visit([&](auto& a) { carry_out(*node, a); }, action);
        }
        std::vector<magnet::LinkKey> keys;
        node->links.for_each([&](magnet::LinkKey key, Link&) { keys.push_back(key); });
        for (const magnet::LinkKey key : keys) busy = write(*node, key) || busy;
      }
    }
    if (!check_invariants) return;
    for (auto& node : nodes_)
      if (!node->dead) node->torrent.check_invariants();
  }

  bool write(Node& node, magnet::LinkKey key) {
    Link* l = node.links.find(key);
    if (l == nullptr || !l->connection.wants_write() || l->free_at > now) return false;
    wire::ByteVector bytes;
    std::array<wire::Bytes, 64> spans;
    // With a rate the wire takes a little at a time, so that a queue forms where a real one would.
    const std::size_t most = l->spec.rate > 0 ? 64 * 1024 : 8u << 20;
    while (l->connection.wants_write() && bytes.size() < most) {
      const std::size_t used = l->connection.gather(spans);
      std::size_t n = 0;
      for (std::size_t i = 0; i < used; ++i) {
        bytes.insert(bytes.end(), spans[i].begin(), spans[i].end());
        n += spans[i].size();
      }
      if (n == 0) break;
      l->connection.sent(now, n);
    }
    if (bytes.empty()) return false;
    if (l->spec.rate > 0) {
      l->free_at = now + wire::from_seconds(static_cast<double>(bytes.size()) / l->spec.rate);
      at(l->free_at, [] {});
    } else {
      l->free_at = now;
    }
    const std::uint64_t payload = l->connection.payload_out();
    if (l->joined && payload > l->told_sent)
      node.torrent.on_sent(now, key, payload - std::exchange(l->told_sent, payload));
    Node* other = l->other;
    const magnet::LinkKey other_key = l->other_key;
    at(l->free_at + l->spec.latency, [this, other, other_key, b = std::move(bytes)] { read(*other, other_key, b); });
    return true;
  }

  void read(Node& node, magnet::LinkKey key, const wire::ByteVector& bytes) {
    Link* l = node.links.find(key);
    if (l == nullptr || node.dead) return;
    l->unread.insert(l->unread.end(), bytes.begin(), bytes.end());
    wire::PeerEvents events;
    const auto taken = l->connection.feed(now, l->unread, node.pool, events);
    hear(node, key, events);
    l = node.links.find(key);
    if (l == nullptr) return;
    if (!taken) return cut(node, key, true);
    l->unread.erase(l->unread.begin(), l->unread.begin() + static_cast<std::ptrdiff_t>(*taken));
    if (!l->unread.empty()) at(now + 1ms, [this, &node, key] { read(node, key, {}); });
  }

  void hear(Node& node, magnet::LinkKey key, wire::PeerEvents& events) {
    for (std::size_t i = 0; i < events.size(); ++i) {
      Link* l = node.links.find(key);
      if (l == nullptr) return;
      if (const auto* wants = std::get_if<wire::peer_event::WantsTorrent>(&events[i])) {
        if (wants->info_hash != *node.sample.info->info_hash || !node.torrent.wants_link(l->remote))
          return cut(node, key, true);
        wire::PeerEvents more;
        if (!l->connection.adopt(now, wants->info_hash, extensions_of(node), more)) return cut(node, key, true);
        for (auto& e : more) events.push_back(std::move(e));
        continue;
      }
      if (std::holds_alternative<wire::peer_event::Ready>(events[i])) {
        l->joined = true;
        node.torrent.on_link(now, key, l->remote, !l->connection.is_outgoing(), node.actions);
        if (node.info) {
          wire::PeerEvents more;
          const auto ok = l->connection.set_geometry(node.info->manifest->layout.geometry(), more);
          if (!ok) return cut(node, key, true);
          events.insert(events.begin() + static_cast<std::ptrdiff_t>(i) + 1, std::make_move_iterator(more.begin()),
                        std::make_move_iterator(more.end()));
        }
      }
      if (std::holds_alternative<wire::peer_event::Have>(events[i])) ++node.haves;
      if (std::holds_alternative<wire::peer_event::Pex>(events[i])) ++node.pexes;
      if (std::holds_alternative<wire::peer_event::Reject>(events[i])) ++node.rejects;
      node.torrent.on_peer(now, key, std::move(events[i]), node.actions);
    }
  }

  [[nodiscard]] wire::ExtensionHandshake extensions_of(Node& node) {
    wire::ExtensionHandshake e = node.torrent.extensions();
    if (node.spec.tamper_extensions) node.spec.tamper_extensions(e);
    return e;
  }
  [[nodiscard]] wire::PeerConnectionConfig connection_config(Node& node) {
    wire::PeerConnectionConfig config;
    config.our_id = node.spec.config.our_id;
    config.our_extensions = extensions_of(node);
    return config;
  }

  /// Ends a link on this side; the other side hears of it a latency later.
  void cut(Node& node, magnet::LinkKey key, bool tell_torrent,
           magnet::CloseReason reason = magnet::CloseReason::remote_closed) {
    Link* l = node.links.find(key);
    if (l == nullptr) return;
    const Link copy{.self = &node,
                    .connection = std::move(l->connection),
                    .remote = l->remote,
                    .other = l->other,
                    .other_key = l->other_key,
                    .spec = l->spec,
                    .joined = l->joined};
    node.links.erase(key);
    if (tell_torrent) {
      if (copy.joined)
        node.torrent.on_closed(now, key, reason, node.actions);
      else if (copy.connection.is_outgoing())
        node.torrent.on_dial_failed(now, copy.remote, magnet::DialError::refused, node.actions);
    }
    if (copy.other != nullptr)
      at(now + copy.spec.latency, [this, o = copy.other, k = copy.other_key] {
        if (!o->dead) cut(*o, k, true);
      });
  }

  // --- actions ---
  void carry_out(Node& node, magnet::action::Dial& a) {
    node.dials.push_back(a.to);
    const LinkSpec spec = link;
    at(now + spec.latency * 2, [this, &node, to = a.to, spec] {
      if (node.dead) return;
      Node* other = listening(to);
      if (other == nullptr || other == &node)
        return node.torrent.on_dial_failed(now, to, magnet::DialError::refused, node.actions);
      const auto ephemeral = static_cast<std::uint16_t>(20'000 + ++ports_);
      const magnet::LinkKey mine = node.links.emplace(
          Link{.self = &node,
               .connection = wire::PeerConnection::outgoing(now, connection_config(node), *node.sample.info->info_hash),
               .remote = to,
               .other = other,
               .spec = spec});
      const magnet::LinkKey theirs =
          other->links.emplace(Link{.self = other,
                                    .connection = wire::PeerConnection::incoming(now, connection_config(*other)),
                                    .remote = {node.endpoint.address, ephemeral},
                                    .other = &node,
                                    .other_key = mine,
                                    .spec = spec});
      node.links.find(mine)->other_key = theirs;
    });
  }
  void carry_out(Node& node, magnet::action::Close& a) {
    node.closes.push_back(a.reason);
    cut(node, a.link, true, a.reason);
  }
  void carry_out(Node& node, magnet::action::Send& a) {
    Link* l = node.links.find(a.link);
    if (l == nullptr) return;
    node.requests += std::holds_alternative<wire::peer_message::Request>(a.message);
    node.cancels += std::holds_alternative<wire::peer_message::Cancel>(a.message);
    l->connection.send(a.message);
  }
  void carry_out(Node& node, magnet::action::SendPiece& a) {
    if (Link* l = node.links.find(a.link)) l->connection.send_piece(a.range, std::move(a.block));
  }
  void carry_out(Node& node, magnet::action::UnsendPiece& a) {
    if (Link* l = node.links.find(a.link)) (void)l->connection.unsend_piece(a.range);
  }
  void carry_out(Node& node, magnet::action::CheckMetadata& a) {
    node.torrent.on_metadata_checked(now, magnet::check_metadata(std::move(a.check)), node.actions);
  }
  void carry_out(Node& node, magnet::action::MetadataReady& a) {
    node.info = a.info;
    std::vector<magnet::LinkKey> keys;
    node.links.for_each([&](magnet::LinkKey key, Link& l) {
      if (l.joined) keys.push_back(key);
    });
    for (const magnet::LinkKey key : keys) {
      wire::PeerEvents events;
      Link* l = node.links.find(key);
      if (l == nullptr) continue;
      const auto ok = l->connection.set_geometry(a.info->manifest->layout.geometry(), events);
      hear(node, key, events);
      if (!ok) cut(node, key, true);
    }
  }
  void carry_out(Node& node, magnet::action::Disk& a) {
    if (!node.store) {
      auto files = storage::make_memory_files(node.disk);
      if (node.spec.faults) files = storage::make_faulty_files(std::move(files), node.spec.faults);
      node.store = std::make_unique<storage::Store>(std::move(files));
    }
    node.syncs += std::holds_alternative<storage::job::Sync>(a.job);
    // Executed when its time has come, so that a killed node has not written it.
    auto job = std::make_shared<storage::Job>(std::move(a.job));
    at(now + node.spec.disk_latency, [this, &node, job] {
      if (node.dead) return;
      storage::Result result = node.store->execute(std::move(*job));
      if (const auto* stored = std::get_if<storage::result::PieceStored>(&result))
        node.stored.push_back(stored->piece.value());
      node.torrent.on_storage(now, std::move(result), node.actions);
    });
  }
  void carry_out(Node& node, magnet::action::WantPeers&) { ++node.wants; }
  void carry_out(Node& node, magnet::action::GoPrivate&) { node.went_private = true; }
  void carry_out(Node&, magnet::action::PhaseChanged&) {}
  void carry_out(Node& node, magnet::action::Finished&) {
    node.finished = true;
    node.finished_at = now;
  }
  void carry_out(Node& node, magnet::action::Failed& a) { node.failed = std::move(a); }
  void carry_out(Node&, magnet::action::DhtNode&) {}

  wire::Rng rng_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::multimap<wire::Instant, std::function<void()>> events_;
  unsigned ports_ = 0;
};

}  // namespace lodestone::test
