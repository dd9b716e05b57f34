// SPDX-License-Identifier: Apache-2.0
// Announcing in a network of which two nodes in five have just gone, so that tables are full of dead contacts: how long
// it takes, beside a searcher that waits for everybody, and who is told (L1, L3).
#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include <catch2/catch.hpp>

#include "dht/node_id_security.hpp"
#include "tests/scenarios/seeds.hpp"
#include "tools/sim/crowd.hpp"

namespace lodestone::tools::sim {
namespace {

using namespace std::chrono_literals;

/// The policy that libtorrent is known for: five queries in flight, one more for each that is silent for a second; a
/// search that ends when the eight closest have answered, those silent for fifteen seconds left out; then they are
/// told.
class PatientAnnouncer {
 public:
  PatientAnnouncer(World& world, HostId beside, const wire::InfoHash& hash, const std::vector<dht::NodeView>& start)
      : world_(world),
        host_(world.add_host({.place = world.place(beside)})),
        id_(dht::derive_id(world.address(host_), world.rng())),
        target_{hash.bytes()},
        began_(world.now()),
        timer_(world, [this] { on_time(); }) {
    world_.bind(host_, 6881, [this](const Endpoint& from, Bytes bytes) { on_datagram(from, bytes); });
    for (const dht::NodeView& n : start) add({n.id, n.endpoint});
    go_on();
  }
  ~PatientAnnouncer() { world_.bind(host_, 0, nullptr); }
  PatientAnnouncer(const PatientAnnouncer&) = delete;
  PatientAnnouncer& operator=(const PatientAnnouncer&) = delete;

  [[nodiscard]] bool done() const { return ended_.has_value(); }
  [[nodiscard]] double seconds() const { return wire::to_seconds(*ended_ - began_); }
  [[nodiscard]] std::vector<wire::NodeId> stored() const {
    std::vector<wire::NodeId> ids;
    for (const Entry& e : entries_)
      if (e.state == State::stored) ids.push_back(e.contact.id);
    return ids;
  }
  [[nodiscard]] std::size_t asked() const { return asked_; }

 private:
  static constexpr std::size_t kK = 8, kBranching = 5;
  static constexpr Duration kShort = 1s, kFull = 15s;
  enum class State : std::uint8_t { fresh, asked, answered, told, stored, failed };
  struct Entry {
    dht::Contact contact;
    State state = State::fresh;
    Instant sent{};
    std::uint32_t transaction = 0;
    wire::ByteVector token;
  };

  [[nodiscard]] std::size_t count(State s) const {
    return static_cast<std::size_t>(
        std::count_if(entries_.begin(), entries_.end(), [s](const Entry& e) { return e.state == s; }));
  }
  void add(const dht::Contact& c) {
    if (c.id == id_ || !c.endpoint.address.is_v4()) return;
    const auto prefix = c.endpoint.address.diversity_prefix();
    if (std::any_of(entries_.begin(), entries_.end(),
                    [&](const Entry& e) { return e.contact.endpoint.address.diversity_prefix() == prefix; })) {
      return;
    }
    const auto at = std::find_if(entries_.begin(), entries_.end(),
                                 [&](const Entry& e) { return wire::closer(target_, c.id, e.contact.id); });
    entries_.insert(at, Entry{c, State::fresh, {}, 0, {}});
  }
  void send(Entry& e, bool tell) {
    std::array<std::uint8_t, 512> room{};
    e.sent = world_.now();
    e.transaction = ++last_transaction_;
    e.state = tell ? State::told : State::asked;
    asked_ += !tell;
    const dht::krpc::QueryHead head{e.transaction, id_, "PA", true};
    const std::size_t n = tell ? dht::krpc::encode_announce_peer(room, head, target_, 4'001, false, e.token)
                               : dht::krpc::encode_get_peers(room, head, target_);
    world_.send(host_, e.contact.endpoint, Bytes{room}.first(n));
  }
  void go_on() {
    if (done()) return;
    if (!telling_) search();
    if (telling_ && count(State::told) == 0) ended_ = world_.now();
    timer_.arm(world_.now() + 50ms);
  }
  void search() {
    std::size_t found = 0, waiting = 0;
    const auto slots =
        kBranching + static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(), [&](const Entry& e) {
          return e.state == State::asked && world_.now() - e.sent >= kShort;
        }));
    std::size_t in_flight = count(State::asked);
    bool more = false;
    for (Entry& e : entries_) {
      if (found == kK) break;
      if (e.state == State::answered) ++found;
      if (e.state == State::asked) ++waiting;
      if (e.state != State::fresh) continue;
      if (in_flight == slots) {
        more = true;
        break;
      }
      send(e, false);
      ++in_flight;
      ++waiting;
    }
    if (waiting != 0 || more) return;
    telling_ = true;
    std::size_t told = 0;
    for (Entry& e : entries_) {
      if (told == kK) return;
      if (e.state != State::answered || e.token.empty()) continue;
      send(e, true);
      ++told;
    }
  }
  void on_time() {
    for (Entry& e : entries_)
      if ((e.state == State::asked || e.state == State::told) && world_.now() - e.sent >= kFull)
        e.state = State::failed;
    go_on();
  }
  void on_datagram(const Endpoint& from, Bytes bytes) {
    const auto message = decoder_.decode(bytes);
    if (!message || message->transaction.size() != 4) return;
    const std::uint32_t transaction = wire::load_be32(message->transaction.data());
    const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) {
      return e.transaction == transaction && e.contact.endpoint == from;
    });
    const auto* reply = std::get_if<dht::krpc::Reply>(&message->body);
    if (at == entries_.end() || reply == nullptr) return;
    if (at->state == State::told) at->state = State::stored;
    if (at->state == State::asked) {
      at->state = State::answered;
      at->token.assign(reply->token.begin(), reply->token.end());
      dht::for_each_contact(reply->nodes, wire::Family::v4, 32, [&](const dht::Contact& c) { add(c); });
    }
    go_on();
  }

  World& world_;
  HostId host_;
  wire::NodeId id_;
  wire::Key target_;
  Instant began_;
  std::optional<Instant> ended_;
  std::vector<Entry> entries_;  // closest first
  std::uint32_t last_transaction_ = 0;
  std::size_t asked_ = 0;
  bool telling_ = false;
  dht::krpc::Decoder decoder_;
  Timer timer_;
};

/// Who has been told, of all announcements, and where these are among the closest there are.
struct Reached {
  std::size_t told = 0, among_12 = 0, among_8 = 0;
  void count(const std::vector<wire::NodeId>& truth, const wire::NodeId& id) {
    const auto place = std::find(truth.begin(), truth.end(), id) - truth.begin();
    ++told;
    among_12 += place < 12;
    among_8 += place < 8;
  }
  [[nodiscard]] double share_in_12() const { return static_cast<double>(among_12) / static_cast<double>(told); }
};

double median(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

}  // namespace

TEST_CASE("L3 an announcement ends in less than half the time of one that waits, and reaches the closest") {
  constexpr std::size_t kNodes = 1'000, kGone = 400, kHashes = 60;
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = kNodes, .nat = {}, .adjust = nullptr});
    // Nodes remember how dense the network was when they came; by then they have looked around again.
    crowd.join_all(20min);
    for (std::size_t i = 0; i < kGone; ++i) {
      const Crowd::Index index = crowd.random();
      if (crowd[index].local() != crowd.introducer()) crowd.remove(index);
    }

    std::vector<double> ours, theirs;
    Reached our_reach, their_reach;
    std::size_t asked = 0, their_asked = 0;
    for (std::size_t i = 0; i < kHashes; ++i) {
      const auto hash = world.rng().id<wire::InfoHash>();
      const Crowd::Index by = crowd.random();
      DhtHost& host = crowd[by];
      PatientAnnouncer patient(world, host.host(), hash, host.node().closest(wire::Key{hash.bytes()}, 16));
      const Instant began = world.now();
      const auto announce = crowd.get_peers(by, hash, dht::AnnounceSpec{.port = 4'000, .implied_port = false});
      REQUIRE(world.run_until(began + 60s, [&] { return announce->announced; }));
      ours.push_back(wire::to_seconds(world.now() - began));
      REQUIRE(world.run_until(began + 120s, [&] { return patient.done(); }));
      theirs.push_back(patient.seconds());
      CHECK(announce->stored.size() <= 12);
      const auto truth = crowd.closest(wire::Key{hash.bytes()}, 12, by);
      for (const dht::NodeView& node : announce->stored) our_reach.count(truth, node.id);
      for (const wire::NodeId& id : patient.stored()) their_reach.count(truth, id);
      asked += announce->stats.asked;
      their_asked += patient.asked();
    }
    INFO("announced after " << median(ours) << " s against " << median(theirs) << " s; told " << our_reach.told
                            << " against " << their_reach.told << ", among the 12 closest " << our_reach.share_in_12()
                            << " against " << their_reach.share_in_12() << ", of the 8 closest " << our_reach.among_8
                            << " against " << their_reach.among_8 << "; asked " << asked << " against " << their_asked);
    CHECK(median(ours) <= 0.4 * median(theirs));
    CHECK(our_reach.share_in_12() >= 0.95);
    CHECK(our_reach.among_8 >= their_reach.among_8 * 95 / 100);
  }
}

}  // namespace lodestone::tools::sim
