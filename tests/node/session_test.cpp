// SPDX-License-Identifier: Apache-2.0
// Whole sessions on 127.0.0.x: sockets, disk, DHT, everything. Driven by events; each test has a deadline.
#include "node/session.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include <catch2/catch.hpp>
#include <stdlib.h>

#include "magnet/create.hpp"
#include "magnet/metainfo.hpp"
#include "node/net/sockets.hpp"
#include "node/ops/locks.hpp"
#include "node/ops/state_dir.hpp"
#include "wire/base/rng.hpp"

namespace lodestone::node {
namespace {

using wire::Address;
using wire::Endpoint;

constexpr std::uint64_t kPieceLength = 32'768;

void write_file(const std::string& path, wire::Bytes content) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  REQUIRE(file.good());
}

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Three files - nested, empty, with a short last piece - below `folder`/sample, and the torrent of them.
struct Sample {
  wire::ByteVector stream;
  magnet::Metainfo torrent;
  wire::ByteVector raw_info;
  std::vector<std::string> names{"a.bin", "deep/er/b.bin", "empty"};

  explicit Sample(const std::string& folder, std::uint64_t seed = 7, std::size_t size = 700'000) {
    auto rng = wire::Rng::from_number(seed);
    stream.resize(size);
    rng.fill(stream);
    const std::vector<std::size_t> sizes{size / 3, size - size / 3, 0};
    magnet::CreateSpec spec;
    spec.name = "sample";
    spec.piece_length = kPieceLength;
    spec.files = {{{"a.bin"}, sizes[0]}, {{"deep", "er", "b.bin"}, sizes[1]}, {{"empty"}, 0}};
    for (std::size_t at = 0; at < size; at += kPieceLength)
      spec.pieces.push_back(
          wire::sha1(wire::Bytes(stream).subspan(at, std::min<std::size_t>(kPieceLength, size - at))));
    const auto file = magnet::encode_torrent(spec);
    REQUIRE(file);
    auto parsed = magnet::parse_torrent(*file);
    REQUIRE(parsed);
    torrent = *std::move(parsed);
    raw_info = torrent.info.manifest->info_dict;
    std::size_t at = 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
      write_file(folder + "/sample/" + names[i], wire::Bytes(stream).subspan(at, sizes[i]));
      at += sizes[i];
    }
  }
  [[nodiscard]] wire::InfoHash hash() const { return *torrent.info.info_hash; }
  [[nodiscard]] std::shared_ptr<const magnet::Info> info() const {
    return std::make_shared<const magnet::Info>(torrent.info);
  }
  [[nodiscard]] bool is_complete_in(const std::string& folder) const {
    std::string all;
    for (const std::string& name : names) {
      if (!std::filesystem::exists(folder + "/sample/" + name)) return false;
      all += read_all(folder + "/sample/" + name);
    }
    return all == std::string(stream.begin(), stream.end());
  }
};

SessionConfig on(const char* address, const std::string& state_dir = {}) {
  SessionConfig c;
  c.listen = {{*Address::parse(address), std::nullopt}};
  c.private_net = true;
  c.use_builtin_routers = false;
  c.state_dir = state_dir;
  return c;
}

magnet::HostPort host_port(const Endpoint& e) { return {e.address.text(), e.port}; }

/// Runs the loop until `done` is called, and fails after 30 s.
class Loop {
 public:
  Runtime runtime{RuntimeConfig{.block_memory = 4u << 20, .disk_threads = 1}};
  bool in_time = true;

  void done() { runtime.stop(); }
  void run() {
    runtime.every(std::chrono::seconds(30), [this] {
      in_time = false;
      runtime.stop();
      return false;
    });
    runtime.run();
    REQUIRE(in_time);
  }
};

/// Stops all sessions, then the loop.
void stop_all(Loop& loop, std::vector<Session*> sessions) {
  auto left = std::make_shared<std::size_t>(sessions.size());
  for (Session* session : sessions) {
    session->stop([&loop, left] {
      if (--*left == 0) loop.done();
    });
  }
}

TorrentSpec seed_of(const Sample& sample, const std::string& folder) {
  TorrentSpec spec;
  spec.info_hash = sample.hash();
  spec.info = sample.info();
  spec.raw_info = sample.raw_info;
  spec.download_dir = folder;
  spec.seed_after = true;
  return spec;
}

TorrentSpec get_of(const Sample& sample, const std::string& folder) {
  TorrentSpec spec;
  spec.info_hash = sample.hash();
  spec.download_dir = folder;
  return spec;
}

template <class Event>
bool is(const SessionEvent& event) {
  return std::holds_alternative<Event>(event);
}

}  // namespace

TEST_CASE("A torrent is found by its info-hash alone, through a DHT of three, and downloaded") {
  const TemporaryDir folder;
  const Sample sample(folder.path() + "/seed");
  const std::string target = folder.path() + "/get";

  Loop loop;
  Session router(loop.runtime, on("127.0.0.31"));
  REQUIRE(router.start());
  SessionConfig with_router = on("127.0.0.32");
  with_router.bootstrap = {host_port(router.listening().at(0))};
  Session seeder(loop.runtime, with_router);
  REQUIRE(seeder.start());
  with_router.listen = {{Address::v4(127, 0, 0, 33), std::nullopt}};
  Session getter(loop.runtime, with_router);
  REQUIRE(getter.start());

  std::uint32_t stored = 0;
  REQUIRE(seeder.add_torrent(seed_of(sample, folder.path() + "/seed"), [&](const SessionEvent& event) {
    if (const auto* announced = std::get_if<session_event::Announced>(&event)) stored = announced->stored;
  }));

  std::vector<magnet::Phase> phases;
  bool metadata = false, finished = false;
  magnet::TorrentStatus status;
  TorrentTimes times;
  std::size_t asked = 0;
  DhtStatus dht;
  REQUIRE(getter.add_torrent(get_of(sample, target), [&](const SessionEvent& event) {
    if (const auto* changed = std::get_if<session_event::PhaseChanged>(&event)) phases.push_back(changed->phase);
    if (const auto* found = std::get_if<session_event::Metadata>(&event)) {
      metadata = true;
      CHECK(found->info->name == "sample");
      CHECK(found->raw == sample.raw_info);
    }
    if (is<session_event::Finished>(event)) {
      finished = true;
      status = *getter.status(sample.hash());
      times = getter.times(sample.hash());
      asked = getter.dht_asked(sample.hash());
      dht = getter.dht_status();
      stop_all(loop, {&router, &seeder, &getter});
    }
  }));
  loop.run();

  CHECK(metadata);
  REQUIRE(finished);
  CHECK(sample.is_complete_in(target));
  CHECK(status.bytes_done == sample.stream.size());
  CHECK(status.downloaded >= sample.stream.size());
  CHECK(status.seen_by_source[static_cast<std::size_t>(magnet::PeerSource::dht)] >= 1);
  CHECK(stored >= 1);
  CHECK(asked >= 1);
  CHECK(dht.ever_answered());
  CHECK(dht.table() >= 1);
  REQUIRE((times.first_dht_answer && times.first_peer && times.metadata && times.opened && times.finished));
  CHECK(*times.first_dht_answer <= *times.first_peer);
  CHECK(*times.first_peer <= *times.metadata);
  CHECK(*times.metadata <= *times.opened);
  CHECK(*times.opened <= *times.finished);
}

TEST_CASE("T9 a network of two: a seed, and one download after another that knows only the seed's DHT node") {
  const TemporaryDir folder;
  const Sample sample(folder.path() + "/seed");
  Loop loop;
  Session seeder(loop.runtime, on("127.0.0.51"));
  REQUIRE(seeder.start());
  REQUIRE(seeder.add_torrent(seed_of(sample, folder.path() + "/seed"), [](const SessionEvent&) {}));
  SessionConfig config = on("127.0.0.52");
  config.bootstrap = {host_port(seeder.listening().at(0))};
  std::vector<std::unique_ptr<Session>> getters;
  std::size_t finished = 0;
  std::function<void()> next = [&] {
    getters.push_back(std::make_unique<Session>(loop.runtime, config));
    Session& getter = *getters.back();
    REQUIRE(getter.start());
    const std::string target = folder.path() + "/get" + std::to_string(getters.size());
    REQUIRE(getter.add_torrent(get_of(sample, target), [&, target](const SessionEvent& event) {
      if (!is<session_event::Finished>(event)) return;
      ++finished;
      CHECK(sample.is_complete_in(target));
      // It leaves without a word: the next one finds its address in the DHT, and nobody there.
      if (finished < 3) {
        getter.stop(next);
      } else {
        stop_all(loop, {&getter, &seeder});
      }
    }));
  };
  next();
  loop.run();
  CHECK(finished == 3);
}

TEST_CASE("D3 M6 a finished download starts again without metadata phase and fetches nothing") {
  const TemporaryDir folder;
  const Sample sample(folder.path() + "/seed");
  const std::string target = folder.path() + "/get";
  const std::string state = folder.path() + "/state";
  for (int run = 0; run < 2; ++run) {
    Loop loop;
    Session seeder(loop.runtime, on("127.0.0.34"));
    REQUIRE(seeder.start());
    REQUIRE(seeder.add_torrent(seed_of(sample, folder.path() + "/seed"), [](const SessionEvent&) {}));
    Session getter(loop.runtime, on("127.0.0.35", state));
    REQUIRE(getter.start());
    TorrentSpec spec = get_of(sample, target);
    spec.explicit_peers = {host_port(seeder.listening().at(0))};
    bool finished = false, stopped = false;
    std::vector<magnet::Phase> phases;
    magnet::TorrentStatus status;
    REQUIRE(getter.add_torrent(spec, [&](const SessionEvent& event) {
      if (const auto* changed = std::get_if<session_event::PhaseChanged>(&event)) phases.push_back(changed->phase);
      if (is<session_event::Stopped>(event)) stopped = true;
      if (!is<session_event::Finished>(event)) return;
      finished = true;
      status = *getter.status(sample.hash());
      stop_all(loop, {&seeder, &getter});
    }));
    loop.run();
    REQUIRE(finished);
    REQUIRE_FALSE(phases.empty());
    CHECK(phases.front() == (run == 0 ? magnet::Phase::metadata : magnet::Phase::opening));
    CHECK(stopped);
    CHECK(sample.is_complete_in(target));
    if (run == 1) CHECK(status.downloaded == 0);
    CHECK(status.bytes_done == sample.stream.size());
  }
}

TEST_CASE("M6 metadata alone is fetched, kept and not fetched again") {
  const TemporaryDir folder;
  const Sample sample(folder.path() + "/seed");
  const std::string state = folder.path() + "/state";
  for (int run = 0; run < 2; ++run) {
    Loop loop;
    Session seeder(loop.runtime, on("127.0.0.36"));
    Session getter(loop.runtime, on("127.0.0.37", state));
    REQUIRE(seeder.start());
    REQUIRE(getter.start());
    TorrentSpec spec = get_of(sample, folder.path() + "/get");
    spec.metadata_only = true;
    if (run == 0) {  // the second run has nobody to ask
      REQUIRE(seeder.add_torrent(seed_of(sample, folder.path() + "/seed"), [](const SessionEvent&) {}));
      spec.peers = {host_port(seeder.listening().at(0))};
    }
    wire::ByteVector raw;
    REQUIRE(getter.add_torrent(spec, [&](const SessionEvent& event) {
      if (const auto* metadata = std::get_if<session_event::Metadata>(&event)) {
        raw = metadata->raw;
        stop_all(loop, {&seeder, &getter});
      }
    }));
    loop.run();
    CHECK(raw == sample.raw_info);
    CHECK_FALSE(std::filesystem::exists(folder.path() + "/get/sample"));
  }
}

TEST_CASE("Without a folder for state and without one for the time being a torrent is refused") {
  const TemporaryDir folder;
  const Sample sample(folder.path() + "/seed");
  const char* old = std::getenv("TMPDIR");
  const std::string before = old != nullptr ? old : "";
  REQUIRE(::setenv("TMPDIR", (folder.path() + "/missing").c_str(), 1) == 0);
  Loop loop;
  Session session(loop.runtime, on("127.0.0.54"));
  REQUIRE(session.start());
  // Twice: the failure is none of the torrent's, and nothing half made is left for the next try.
  for (int i = 0; i < 2; ++i) {
    const auto added = session.add_torrent(seed_of(sample, folder.path() + "/seed"), [](const SessionEvent&) {});
    CHECK_FALSE(added);
    if (!added) CHECK(added.error().kind == StartError::Kind::state_dir);
  }
  CHECK((old != nullptr ? ::setenv("TMPDIR", before.c_str(), 1) : ::unsetenv("TMPDIR")) == 0);
  CHECK(session.add_torrent(seed_of(sample, folder.path() + "/seed"), [](const SessionEvent&) {}));
  stop_all(loop, {&session});
  loop.run();
}

TEST_CASE("M1 the torrents of a session share one budget for unfinished metadata") {
  TemporaryDir dir;
  // What an earlier run has left of two dicts of 30 MiB and a small one: a piece each.
  const std::array<std::uint64_t, 3> claims{30u << 20, 30u << 20, 1u << 20};
  const auto save_unfinished = [&](const wire::InfoHash& hash, std::uint64_t claim) {
    const magnet::LinkKey peer{1, 1};
    magnet::MetadataFetch fetch(hash);
    magnet::MetadataFetch::Output out;
    fetch.on_peer({}, peer, claim, out);
    REQUIRE_FALSE(out.send.empty());
    const std::uint32_t piece = out.send.front().message.piece;
    fetch.on_message({}, peer, {wire::UtMetadata::Type::data, piece, claim, wire::ByteVector(wire::kMetadataPiece, 1)},
                     out);
    const auto state = StateDir::open(dir.path());
    REQUIRE(state);
    write_file(state->torrent_file(hash, "metadata"), fetch.save());
  };
  std::array<wire::InfoHash, 3> hashes;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    hashes[i].bytes().fill(static_cast<std::uint8_t>(i + 1));
    save_unfinished(hashes[i], claims[i]);
  }

  Loop loop;
  SessionConfig config = on("127.0.0.1", dir.path());
  config.dht = false;
  Session session(loop.runtime, config);
  REQUIRE(session.start());
  for (const wire::InfoHash& hash : hashes) {
    TorrentSpec spec;
    spec.info_hash = hash;
    spec.download_dir = dir.path();
    spec.use_dht = false;
    REQUIRE(session.add_torrent(std::move(spec), nullptr));
  }
  // They are read in this order, away from the network thread (D5): nothing of it is here yet.
  CHECK(session.metadata_memory() == 0);
  CHECK(session.status(hashes[0])->metadata_done == 0);
  loop.runtime.every(std::chrono::milliseconds(1), [&] {
    if (session.status(hashes[2])->metadata_done == 0) return true;
    CHECK(session.metadata_memory() == 31u << 20);
    CHECK(session.status(hashes[0])->metadata_done == wire::kMetadataPiece);
    CHECK(session.status(hashes[1])->metadata_done == 0);
    stop_all(loop, {&session});
    return false;
  });
  loop.run();
  CHECK(session.metadata_memory() == 0);
}

TEST_CASE("D5 a magnet that is stopped while its state is being read ends at once, and may come again at once") {
  const TemporaryDir folder;
  const Sample sample(folder.path() + "/seed");
  const std::string state = folder.path() + "/state";
  const auto dir = StateDir::open(state);
  REQUIRE(dir);
  write_file(dir->torrent_file(sample.hash(), "info"), sample.raw_info);
  Loop loop;
  SessionConfig config = on("127.0.0.58", state);
  config.dht = false;
  Session session(loop.runtime, config);
  REQUIRE(session.start());
  TorrentSpec spec = get_of(sample, folder.path() + "/get");
  spec.metadata_only = true;
  std::vector<std::string> told;
  const auto second = [&](const SessionEvent& event) {
    if (is<session_event::Metadata>(event)) {
      told.push_back("second: metadata");
      stop_all(loop, {&session});
    }
  };
  REQUIRE(session.add_torrent(spec, [&](const SessionEvent& event) {
    if (is<session_event::Metadata>(event)) told.push_back("first: metadata");
    if (!is<session_event::Stopped>(event)) return;
    told.push_back("first: stopped");
    // What was read for the first arrives while the second waits for its own.
    CHECK(session.add_torrent(spec, second));
  }));
  session.stop_torrent(sample.hash());
  loop.run();
  CHECK(told == std::vector<std::string>{"first: stopped", "second: metadata"});
}

TEST_CASE("D6 the same hash twice in one state directory is a conflict, another hash is not") {
  const TemporaryDir folder;
  const Sample sample(folder.path() + "/seed");
  const Sample other(folder.path() + "/other", 8);
  const std::string state = folder.path() + "/state";
  Loop loop;
  Session first(loop.runtime, on("127.0.0.38", state));
  Session second(loop.runtime, on("127.0.0.39", state));
  REQUIRE(first.start());
  REQUIRE(second.start());
  const auto ignore = [](const SessionEvent&) {};
  REQUIRE(first.add_torrent(seed_of(sample, folder.path() + "/seed"), ignore));
  const auto again = second.add_torrent(get_of(sample, folder.path() + "/get"), ignore);
  REQUIRE_FALSE(again);
  CHECK(again.error().kind == StartError::Kind::conflict);
  CHECK(again.error().cause == "locked by process " + std::to_string(::getpid()));
  CHECK(second.add_torrent(seed_of(other, folder.path() + "/other"), ignore));
  const auto same_session = first.add_torrent(get_of(sample, folder.path() + "/get"), ignore);
  REQUIRE_FALSE(same_session);
  CHECK(same_session.error().kind == StartError::Kind::conflict);
  stop_all(loop, {&first, &second});
  loop.run();
}

TEST_CASE("D6 a second node in one state directory is a conflict; the id survives a restart, others get fresh ones") {
  const TemporaryDir folder;
  std::vector<wire::NodeId> ids;
  for (int run = 0; run < 2; ++run) {
    Loop loop;
    SessionConfig config = on("127.0.0.40", folder.path());
    config.owns_identity = true;
    Session node(loop.runtime, config);
    REQUIRE(node.start());
    ids.push_back(node.dht_status().nodes.at(0).id);

    Session second(loop.runtime, config);
    const auto refused = second.start();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == StartError::Kind::conflict);

    config.owns_identity = false;
    Session guest(loop.runtime, config);
    REQUIRE(guest.start());
    CHECK(guest.dht_status().nodes.at(0).id != ids.back());
    stop_all(loop, {&guest, &node});
    loop.run();
  }
  CHECK(ids[0] == ids[1]);
}

TEST_CASE("S8 a node that starts again has what others put there, and serves it; who does not own the state does not") {
  const TemporaryDir folder;
  SessionConfig config = on("127.0.0.59", folder.path());
  config.owns_identity = true;
  const dht::SigningKey key(dht::SigningKey::Seed{3});
  const dht::Item item = key.sign(wire::as_bytes("4:kept"), wire::as_bytes("salt"), 7);
  const auto ask = [&](Loop& loop, const Session& node, auto start, auto on_event) {
    SessionConfig client = on("127.0.0.60");
    client.bootstrap = {host_port(node.listening().at(0))};
    client.dht_read_only = true;
    auto session = std::make_unique<Session>(loop.runtime, client);
    REQUIRE(session->start());
    session->on_dht_event([on_event](wire::Family, const dht::Event& event) { on_event(event); });
    start(*session);
    return session;
  };
  {
    Loop loop;
    Session node(loop.runtime, config);
    REQUIRE(node.start());
    std::unique_ptr<Session> client;
    std::size_t stored = 0;
    client = ask(
        loop, node, [&](Session& s) { s.dht_put_item(item, std::nullopt); },
        [&](const dht::Event& event) {
          const auto* done = std::get_if<dht::event::PutDone>(&event);
          if (done == nullptr) return;
          stored = done->stored.size();
          stop_all(loop, {client.get(), &node});
        });
    loop.run();
    REQUIRE(stored == 1);
  }
  const std::string path = StateDir::at(folder.path()).stored_items(wire::Family::v4, true);
  const std::string saved = read_all(path);
  CHECK(saved.find("4:kept") != std::string::npos);
  for (const bool owner : {false, true}) {
    Loop loop;
    config.owns_identity = owner;
    Session node(loop.runtime, config);
    REQUIRE(node.start());
    std::unique_ptr<Session> client;
    std::optional<dht::Item> found;
    int asked = 0;
    client = ask(
        loop, node, [&](Session& s) { s.dht_get_item(item.target(), item.salt); },
        [&](const dht::Event& event) {
          const auto* done = std::get_if<dht::event::ItemDone>(&event);
          if (done == nullptr) return;
          found = done->item;
          // The owner may still have been reading.
          if (!found && owner && ++asked < 1'000) {
            client->dht_get_item(item.target(), item.salt);
          } else {
            stop_all(loop, {client.get(), &node});
          }
        });
    loop.run();
    REQUIRE(found.has_value() == owner);
    if (!found) continue;
    CHECK(found->value == item.value);
    CHECK(found->seq == 7);
    CHECK(found->signature == item.signature);
  }
  CHECK(read_all(path) == saved);  // nothing has changed: nothing was written
}

TEST_CASE("An explicit port that is taken is an error with its address") {
  const auto taken = listen_tcp({Address::v4(127, 0, 0, 41), 0});
  REQUIRE(taken);
  const Endpoint where = *local_endpoint(taken->fd());
  Loop loop;
  SessionConfig config = on("127.0.0.41");
  config.listen[0].port = where.port;
  Session session(loop.runtime, config);
  const auto started = session.start();
  REQUIRE_FALSE(started);
  CHECK(started.error().kind == StartError::Kind::port_taken);
  CHECK(started.error().subject == where.text());
}

TEST_CASE("An address that this machine does not have is an error with its address") {
  Loop loop;
  Session session(loop.runtime, on("198.51.100.7"));
  const auto started = session.start();
  REQUIRE_FALSE(started);
  CHECK(started.error().kind == StartError::Kind::no_interface);
  CHECK(started.error().subject.starts_with("198.51.100.7:"));
}

TEST_CASE("UDP and TCP share a number, and so do the addresses") {
  Loop loop;
  SessionConfig config = on("127.0.0.42");
  config.listen.push_back({Address::v4(127, 0, 0, 43), std::nullopt});
  config.port_rule = PortRule::first_free_6881_6999;
  Session session(loop.runtime, config);
  REQUIRE(session.start());
  const auto bound = session.listening();
  REQUIRE(bound.size() == 2);
  CHECK(bound[0].port == bound[1].port);
  CHECK((bound[0].port >= 6881 && bound[0].port <= 6999));
  REQUIRE(session.dht_status().nodes.size() == 2);
  CHECK(session.dht_status().nodes[0].local == bound[0]);
  for (const Endpoint& e : bound) {
    CHECK_FALSE(listen_tcp(e));
    CHECK_FALSE(bind_udp(e));
  }

  // The next session takes the next number.
  Session second(loop.runtime, config);
  REQUIRE(second.start());
  CHECK(second.listening()[0].port > bound[0].port);
}

TEST_CASE("The default is one wildcard a family, as far as the machine has them") {
  Loop loop;
  SessionConfig config;
  config.use_builtin_routers = false;
  Session session(loop.runtime, config);
  REQUIRE(session.start());
  const auto bound = session.listening();
  REQUIRE(!bound.empty());
  CHECK(bound[0].address == Address{});
  if (bound.size() == 2) {
    CHECK(bound[1].address == Address::v6({}));
    CHECK(bound[1].port == bound[0].port);
  }
  config.v6 = false;
  Session v4(loop.runtime, config);
  REQUIRE(v4.start());
  CHECK(v4.listening().size() == 1);
}

TEST_CASE("S5 a link's x.pe on loopback is not dialled, a peer from the command line is") {
  const TemporaryDir folder;
  const Sample sample(folder.path() + "/seed");
  Loop loop;
  Session seeder(loop.runtime, on("127.0.0.44"));
  REQUIRE(seeder.start());
  REQUIRE(seeder.add_torrent(seed_of(sample, folder.path() + "/seed"), [](const SessionEvent&) {}));
  const magnet::HostPort peer = host_port(seeder.listening().at(0));

  SessionConfig config;  // the wildcard: global addresses only
  config.v6 = false;
  config.use_builtin_routers = false;
  Session from_link(loop.runtime, config);
  Session from_user(loop.runtime, config);
  REQUIRE(from_link.start());
  REQUIRE(from_user.start());
  TorrentSpec spec = get_of(sample, folder.path() + "/a");
  spec.peers = {peer};
  REQUIRE(from_link.add_torrent(spec, [](const SessionEvent&) {}));
  spec = get_of(sample, folder.path() + "/b");
  spec.explicit_peers = {peer};
  bool finished = false;
  std::size_t seen_from_link = 99;
  REQUIRE(from_user.add_torrent(spec, [&](const SessionEvent& event) {
    if (!is<session_event::Finished>(event)) return;
    finished = true;
    seen_from_link = from_link.status(sample.hash())->seen;
    stop_all(loop, {&seeder, &from_link, &from_user});
  }));
  loop.run();
  CHECK(finished);
  CHECK(seen_from_link == 0);
  CHECK(sample.is_complete_in(folder.path() + "/b"));
}

TEST_CASE("W9 a session that is told of itself notices, and tries no second time") {
  const TemporaryDir folder;
  const Sample sample(folder.path() + "/seed");
  Loop loop;
  SessionConfig config;  // a wildcard: nobody told it its own address
  config.v6 = false;
  config.private_net = true;
  config.use_builtin_routers = false;
  Session session(loop.runtime, config);
  REQUIRE(session.start());
  TorrentSpec spec = get_of(sample, folder.path() + "/get");
  spec.explicit_peers = {{"127.0.0.1", session.listening().at(0).port}};
  REQUIRE(session.add_torrent(spec, [](const SessionEvent&) {}));
  loop.runtime.every(std::chrono::milliseconds(5), [&] {
    const auto status = session.status(sample.hash());
    // Dialled and let go again: nothing half open, nothing connected, and no refusal that would be dialled again.
    if (status->seen == 0 || status->half_open > 0 || status->connected > 0) return true;
    CHECK(status->dial_refused == 0);
    CHECK(status->dial_timed_out == 0);
    stop_all(loop, {&session});
    return false;
  });
  loop.run();
}

TEST_CASE("An owner may stop a torrent from inside its `wanted` callback") {
  const TemporaryDir folder;
  const Sample sample(folder.path() + "/seed");
  for (const bool known : {true, false}) {
    Loop loop;
    Session seeder(loop.runtime, on("127.0.0.49"));
    Session getter(loop.runtime, on("127.0.0.50"));
    REQUIRE(seeder.start());
    REQUIRE(getter.start());
    REQUIRE(seeder.add_torrent(seed_of(sample, folder.path() + "/seed"), [](const SessionEvent&) {}));
    TorrentSpec spec = get_of(sample, folder.path() + "/get");
    if (known) spec.info = sample.info();
    spec.raw_info = sample.raw_info;
    spec.explicit_peers = {host_port(seeder.listening().at(0))};
    int asked = 0;
    spec.wanted = [&](const magnet::Info& info) {
      ++asked;
      getter.stop_torrent(sample.hash());
      return std::vector<bool>(info.files.size(), false);
    };
    bool stopped = false;
    REQUIRE(getter.add_torrent(spec, [&](const SessionEvent& event) {
      if (!is<session_event::Stopped>(event)) return;
      stopped = true;
      stop_all(loop, {&seeder, &getter});
    }));
    loop.run();
    CHECK(asked == 1);
    CHECK(stopped);
  }
}

TEST_CASE("A dht query by hand: ping, find_node and an announcing lookup") {
  Loop loop;
  Session router(loop.runtime, on("127.0.0.45"));
  REQUIRE(router.start());
  SessionConfig config = on("127.0.0.46");
  config.bootstrap = {host_port(router.listening().at(0))};
  config.tcp = false;
  Session asker(loop.runtime, config);
  REQUIRE(asker.start());
  const auto hash = *wire::InfoHash::from_hex("0123456789abcdef0123456789abcdef01234567");
  std::vector<Session::DhtNodeRef> refs;
  bool pong = false;
  std::optional<std::size_t> stored;
  asker.on_dht_event([&](wire::Family family, const dht::Event& event) {
    CHECK(family == wire::Family::v4);
    if (const auto* done = std::get_if<dht::event::QueryDone>(&event)) {
      pong = done->answered && done->to == router.listening().at(0);
      refs = asker.dht_get_peers(hash, dht::AnnounceSpec{.port = 4'711});
    }
    if (const auto* announced = std::get_if<dht::event::AnnounceDone>(&event)) {
      stored = announced->stored.size();
      CHECK(announced->lookup == refs.at(0).lookup);
      stop_all(loop, {&asker, &router});
    }
  });
  REQUIRE(asker.dht_ping(router.listening().at(0)));
  CHECK_FALSE(asker.dht_ping(*Endpoint::parse("[::1]:1")));
  loop.run();
  CHECK(pong);
  CHECK(stored == 1u);
}

TEST_CASE("T4 two addresses of a session are two nodes with ids of their own, and no contacts of each other") {
  Loop loop;
  Session router(loop.runtime, on("127.0.0.81"));
  REQUIRE(router.start());
  SessionConfig config = on("127.0.0.82");
  config.listen.push_back({Address::v4(127, 0, 0, 83), std::nullopt});
  config.bootstrap = {host_port(router.listening().at(0))};
  Session both(loop.runtime, config);
  REQUIRE(both.start());
  DhtStatus last;
  std::vector<Session::DhtNodeRef> refs;
  std::size_t done = 0;
  both.on_dht_event(
      [&](wire::Family, const dht::Event& event) { done += std::holds_alternative<dht::event::LookupDone>(event); });
  // The router tells each of them of the other one again and again, also while they look for something.
  int ticks = 0;
  loop.runtime.every(std::chrono::milliseconds(100), [&] {
    last = both.dht_status();
    if (last.nodes.at(0).table == 0 || last.nodes.at(1).table == 0 || router.dht_status().table() < 2) return true;
    if (refs.empty()) refs = both.dht_find_node(wire::Key{last.nodes[1].id.bytes()});
    if (++ticks < 20) return true;
    stop_all(loop, {&both, &router});
    return false;
  });
  loop.run();
  REQUIRE(last.nodes.size() == 2);
  CHECK(last.nodes[0].id != last.nodes[1].id);
  CHECK(last.nodes[0].local != last.nodes[1].local);
  for (const DhtStatus::One& one : last.nodes) CHECK(one.table == 1);
  CHECK(refs.size() == 1);  // one of them is enough to look
  CHECK(done == 1);
}

TEST_CASE("T9 a node on a second address gets its contacts from the one on the first") {
  const TemporaryDir folder;
  const std::string state = folder.path() + "/state";
  Loop loop;
  Session router(loop.runtime, on("127.0.0.84"));
  REQUIRE(router.start());
  SessionConfig config = on("127.0.0.85", state);
  config.owns_identity = true;
  config.bootstrap = {host_port(router.listening().at(0))};
  auto session = std::make_unique<Session>(loop.runtime, config);
  REQUIRE(session->start());
  bool stopping = false, restarted = false;
  std::vector<std::size_t> tables;
  std::vector<wire::NodeId> ids;
  loop.runtime.every(std::chrono::milliseconds(50), [&] {
    const DhtStatus status = session->dht_status();
    if (!stopping && !restarted && status.table() == 1) {
      ids.push_back(status.nodes[0].id);
      stopping = true;
      session->stop([&] { stopping = false, restarted = true; });
    } else if (restarted && ids.size() == 1) {
      // What was saved is the first node's; nobody introduces the second one to anybody.
      config.listen.push_back({Address::v4(127, 0, 0, 86), std::nullopt});
      config.bootstrap.clear();
      session = std::make_unique<Session>(loop.runtime, config);
      REQUIRE(session->start());
      for (const DhtStatus::One& one : session->dht_status().nodes) ids.push_back(one.id);
    } else if (restarted && status.nodes.size() == 2 && status.nodes[1].table > 0) {
      for (const DhtStatus::One& one : status.nodes) tables.push_back(one.table);
      stop_all(loop, {session.get(), &router});
      return false;
    }
    return true;
  });
  loop.run();
  REQUIRE(ids.size() == 3);
  CHECK(ids[1] == ids[0]);
  CHECK(ids[2] != ids[0]);
  CHECK(tables == std::vector<std::size_t>{1, 1});
}

TEST_CASE("An introducer's ring comes back in slices while it serves, is saved likewise, and never by a part of it") {
  constexpr std::size_t kContacts = 40'000;  // several slices
  const TemporaryDir folder;
  SessionConfig config = on("127.0.0.89", folder.path());
  config.tcp = false;
  config.owns_identity = true;
  config.dht_limits = dht::Limits::bootstrap();
  config.dht_limits.ring_size = config.dht_limits.ping_queue = config.dht_limits.visitors = 50'000;
  config.ring_save_interval = std::chrono::milliseconds(1);  // looked at every second or so
  const std::string path = StateDir::at(folder.path()).ring(wire::Family::v4, true);
  wire::Rng rng = wire::Rng::from_number(1);
  wire::ByteVector file(kContacts * dht::Contact::compact_size(wire::Family::v4));
  for (std::size_t i = 0; i < kContacts; ++i) {
    // Nobody listens there: those that stay silent stay in the ring, since nobody else is heard (T5).
    const Endpoint endpoint{*Address::parse("127.0.9.9"), static_cast<std::uint16_t>(10'000 + i)};
    dht::Contact{rng.id<wire::NodeId>(), endpoint}.write_compact(file.data() + i * 26);
  }
  write_file(path, file);
  SECTION("stopped before it is back") {
    Loop loop;
    Session session(loop.runtime, config);
    REQUIRE(session.start());
    stop_all(loop, {&session});
    loop.run();
    CHECK(read_all(path).size() == file.size());
  }
  SECTION("it runs on") {
    std::size_t most = 0;
    bool saved = false;
    {
      Loop loop;
      Session session(loop.runtime, config);
      REQUIRE(session.start());
      loop.runtime.every(std::chrono::milliseconds(20), [&] {
        const std::size_t ring = session.dht_status().ring();
        if (most < kContacts && ring == kContacts) std::filesystem::remove(path);  // what comes now is new
        most = std::max(most, ring);
        saved = most == kContacts && std::filesystem::exists(path);
        if (!saved) return true;
        CHECK(read_all(path).size() == file.size());
        std::filesystem::remove(path);
        stop_all(loop, {&session});
        return false;
      });
      loop.run();
    }
    CHECK(most == kContacts);
    CHECK(saved);
    const std::string last = read_all(path);
    CHECK(std::string(file.begin(), file.end()) == last);
  }
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path(), none))
    CHECK(entry.path().extension() != ".tmp");
}

TEST_CASE("A new bootstrap node has the ring of another one, before anybody has asked it anything") {
  Loop loop;
  const auto introducer = [&](const char* address) {
    SessionConfig config = on(address);
    config.dht_limits = dht::Limits::bootstrap();
    config.dht_limits.ring_size = 1'000;
    config.dht_limits.ping_queue = 1'000;
    config.dht_limits.visitors = 1'000;
    config.dht_limits.store_fill_below = 0;
    return config;
  };
  Session old(loop.runtime, introducer("127.0.0.87"));
  REQUIRE(old.start());
  std::vector<std::unique_ptr<Session>> nodes;
  std::vector<Session*> all{&old};
  for (int i = 0; i < 8; ++i) {
    SessionConfig config = on(("127.0.1." + std::to_string(10 + i)).c_str());
    config.tcp = false;
    config.bootstrap = {host_port(old.listening().at(0))};
    nodes.push_back(std::make_unique<Session>(loop.runtime, config));
    REQUIRE(nodes.back()->start());
    all.push_back(nodes.back().get());
  }
  std::unique_ptr<Session> fresh;
  DhtStatus last;
  loop.runtime.every(std::chrono::milliseconds(50), [&] {
    if (!fresh && old.dht_status().ring() == nodes.size()) {
      SessionConfig config = introducer("127.0.0.88");
      config.pollinate = {host_port(old.listening().at(0))};
      fresh = std::make_unique<Session>(loop.runtime, config);
      REQUIRE(fresh->start());
      all.push_back(fresh.get());
    }
    if (!fresh) return true;
    last = fresh->dht_status();
    if (last.ring() < nodes.size()) return true;
    stop_all(loop, all);
    return false;
  });
  loop.run();
  CHECK(last.ring() >= nodes.size());
}

TEST_CASE("A session whose owner stops it from inside an event ends cleanly, and so does one that is just destroyed") {
  const TemporaryDir folder;
  const Sample sample(folder.path() + "/seed");
  Loop loop;
  Session seeder(loop.runtime, on("127.0.0.47"));
  REQUIRE(seeder.start());
  int told = 0;
  bool stopped = false;
  REQUIRE(seeder.add_torrent(seed_of(sample, folder.path() + "/seed"), [&](const SessionEvent& event) {
    if (is<session_event::Stopped>(event)) stopped = true;
    if (told++ == 0) seeder.stop([&] { loop.done(); });
  }));
  {
    Session doomed(loop.runtime, on("127.0.0.48"));
    REQUIRE(doomed.start());
    TorrentSpec spec = get_of(sample, folder.path() + "/get");
    spec.peers = {host_port(seeder.listening().at(0)), {"name.invalid", 1}};
    REQUIRE(doomed.add_torrent(spec, [](const SessionEvent&) {}));
  }
  loop.run();
  CHECK(stopped);
  CHECK_FALSE(seeder.status(sample.hash()));
}

}  // namespace lodestone::node
