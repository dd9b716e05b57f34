// SPDX-License-Identifier: Apache-2.0
// DHT nodes of a session: one per bound UDP port; how they get in, what they remember, whom their news are for.
#include <algorithm>
#include <filesystem>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "node/net/clock.hpp"
#include "node/ops/counts_text.hpp"
#include "node/ops/dht_state.hpp"
#include "node/ops/kept_items.hpp"
#include "node/ops/log.hpp"
#include "node/ops/stored_items.hpp"
#include "node/session_impl.hpp"

namespace lodestone::node {
namespace {

constexpr wire::Duration kFirstBackOff = std::chrono::seconds(5);
constexpr wire::Duration kLastBackOff = std::chrono::minutes(5);
constexpr std::size_t kShared = 32;  // contacts that one node tells another of at a time

/// Verified at a time: some milliseconds of a thread, and much less of the network's.
constexpr std::size_t kRestoredAtOnce = 256;

/// Run by the makers of other clients for everybody; asked only while the table is nearly empty (T4).
std::vector<magnet::HostPort> builtin_routers() {
  return {{"dht.libtorrent.org", 25401},
          {"router.bittorrent.com", 6881},
          {"router.utorrent.com", 6881},
          {"dht.transmissionbt.com", 6881},
          {"router.bt.ouinet.work", 6881}};
}

/// Where others see who listens there, if our operator has said so. Who listens on a global address is seen under that.
std::optional<wire::Endpoint> operators_word(const std::vector<wire::Address>& said, const wire::Endpoint& local) {
  if (local.address.kind() == wire::AddressKind::global) return std::nullopt;
  for (const wire::Address& address : said)
    if (address.family() == local.family()) return wire::Endpoint{address, local.port};
  return std::nullopt;
}

/// Whether a session talks to the public network at all.
bool is_public(const wire::AddressPolicy& policy) { return policy.allows(wire::Address::v4(9, 9, 9, 9)); }

void keep_only(wire::Instant now, const std::vector<dht::Item>& items, dht::Node& node, dht::Output& out) {
  std::unordered_set<wire::Key> there;
  for (const dht::Item& item : items) {
    there.insert(item.target());
    node.keep_item(now, item, out);
  }
  for (const wire::Key& kept : node.kept_items())
    if (!there.contains(kept)) node.drop_item(kept);
}

}  // namespace

wire::AddressPolicy Session::Impl::make_policy() const {
  if (config.private_net) return wire::AddressPolicy::everything();
  wire::AddressPolicy p;
  for (const wire::Endpoint& mine : listening) p.allow_from(mine.address);
  for (const auto* names : {&config.bootstrap, &config.explicit_peers}) {
    for (const magnet::HostPort& name : *names)
      if (const auto endpoints = numeric_endpoints(name))
        for (const wire::Endpoint& endpoint : *endpoints) p.allow_from(endpoint.address);
  }
  return p;
}

void Session::Impl::start_dht(std::vector<BoundPort>& ports) {
  std::vector<wire::Family> served;
  std::vector<dht::NodeConfig> configs;
  std::vector<wire::Endpoint> ours;
  std::copy_if(listening.begin(), listening.end(), std::back_inserter(ours),
               [](const wire::Endpoint& e) { return !e.address.is_unspecified(); });
  for (const BoundPort& port : ports)
    if (const auto seen_as = operators_word(config.external_ips, port.local)) ours.push_back(*seen_as);
  for (BoundPort& port : ports) {
    if (!port.udp) continue;
    const wire::Family family = port.local.family();
    dht::NodeConfig c;
    c.family = family;
    c.id = rng.id<wire::NodeId>();
    c.policy = policy;
    c.ours = ours;
    c.external = operators_word(config.external_ips, port.local);
    c.private_net = config.private_net;
    c.read_only = config.dht_read_only;
    c.limits = config.dht_limits;
    // What is saved belongs to one node per family: the first.
    dht::Snapshot saved;
    ring_memory.emplace_back();
    if (const std::size_t bytes = dht::introducer_bytes(family, c.limits); bytes != 0) {
      ring_memory.back() = std::make_shared<Mapping>(bytes);
      c.introducer_memory = ring_memory.back()->bytes();
    }
    if (state && std::find(served.begin(), served.end(), family) == served.end()) {
      saved = load_dht(state->dht_snapshot(family, config.private_net), family);
      if (config.owns_identity && !saved.id.is_zero()) c.id = saved.id;
      restored_contacts = restored_contacts || !saved.contacts.empty();
    }
    served.push_back(family);
    announced.emplace_back(port.fronts.empty() ? nullptr : std::make_unique<dht::HashFilter>());
    c.announced = announced.back().get();
    configs.push_back(c);
    auto driver = std::make_unique<DhtDriver>(host.io, std::move(port.udp), now, std::move(c), rng.fork(),
                                              [this] { wake([] {}); });
    if (!saved.contacts.empty() || !saved.store.empty() || !saved.lookups.empty())
      driver->use(now, [&](dht::Node& n, dht::Output& out) { n.restore(now, saved, out, wall_now()); });
    log::info("DHT node {} on {}, {} saved contacts, {} in store", driver->node().id().hex(), driver->local().text(),
              saved.contacts.size(), saved.store.size());
    dht_nodes.push_back(std::move(driver));
  }
  for (const auto& driver : dht_nodes)
    if (DhtDriver* sister = dht_for(driver->family() == wire::Family::v4 ? wire::Family::v6 : wire::Family::v4))
      driver->set_sister(*sister);
  start_fronts(ports, configs);
  introduce_configured();
  start_pollination();
}

void Session::Impl::introduce_configured() {
  introducer_back_off = kFirstBackOff;
  introduce(config.bootstrap, true);
  if (config.bootstrap.empty() && config.use_builtin_routers && !config.private_net && is_public(policy))
    introduce(builtin_routers(), false);
}

void Session::Impl::start_fronts(std::vector<BoundPort>& ports, const std::vector<dht::NodeConfig>& configs) {
  std::vector<std::vector<FrontThread::Post>> posts(config.dht_threads - std::min<std::size_t>(config.dht_threads, 1));
  std::size_t node = 0;
  for (BoundPort& port : ports) {
    if (node == dht_nodes.size()) break;
    if (port.fronts.empty()) continue;
    DhtDriver& driver = *dht_nodes[node];
    for (std::size_t i = 0; i < port.fronts.size(); ++i) {
      auto line = std::make_shared<FrontLine>();
      auto memory = std::make_unique<Mapping>(dht::Front::bytes_for(configs[node].limits));
      auto front =
          std::make_unique<dht::Front>(now, configs[node], dht::Front::News{driver.node().id(), driver.node().tokens()},
                                       *announced[node], driver.has_sister(), rng.fork(), memory->bytes());
      driver.add_front(host.io, line);
      posts[i].push_back({std::move(port.fronts[i]), std::move(memory), std::move(front), std::move(line)});
    }
    ++node;
  }
  for (auto& post : posts) front_threads.push_back(std::make_unique<FrontThread>(std::move(post)));
}

void Session::Impl::introduce(const std::vector<magnet::HostPort>& names, bool explicit_names) {
  if (dht_nodes.empty() || names.empty()) return;
  for (const magnet::HostPort& name : names) introducers.push_back({name, explicit_names});
  ask_introducers();
}

/// Asks for the addresses of all names that have none yet, and again with back-off: the network may come later.
void Session::Impl::ask_introducers() {
  bool waiting = false;
  for (Introducer& introducer : introducers) {
    if (introducer.resolved) continue;
    waiting = true;
    if (introducer.asking) continue;
    introducer.asking = true;
    host.resolver.resolve(introducer.name,
                          while_alive([this, name = introducer.name](const std::vector<wire::Endpoint>& found) {
                            wake([&] { on_introducer(name, found); });
                          }));
  }
  if (!waiting) return;
  introducer_timer.arm(now + introducer_back_off);
  introducer_back_off = std::min(introducer_back_off * 2, kLastBackOff);
}

void Session::Impl::on_introducer(const magnet::HostPort& name, const std::vector<wire::Endpoint>& found) {
  bool explicit_name = false;
  for (Introducer& introducer : introducers) {
    if (introducer.name != name) continue;
    introducer.asking = false;
    introducer.resolved = !found.empty();
    explicit_name = explicit_name || introducer.explicit_;
  }
  if (found.empty()) log::info("{} has no address now", name.text());
  for (const auto& driver : dht_nodes) {
    std::vector<wire::Endpoint> usable;
    for (const wire::Endpoint& endpoint : found)
      if (endpoint.family() == driver->family()) usable.push_back(endpoint);
    if (usable.empty()) continue;
    driver->use(now, [&](dht::Node& node, dht::Output& out) { node.add_introducers(now, usable, out); });
  }
  for (const wire::Endpoint& endpoint : found) {
    if (explicit_name && !policy.allows(endpoint))
      log::warn("{} is {}, an address of a kind that is not talked to; name it by its number, or use --private-net",
                name.text(), endpoint.text());
  }
}

bool Session::Impl::dispatch_dht_events() {
  bool any = false;
  bool new_identity = false;
  for (const auto& driver : dht_nodes) {
    dht_events.clear();
    driver->take_events(dht_events);
    for (const dht::Event& event : dht_events) {
      any = true;
      if (std::holds_alternative<dht::event::FirstContact>(event) && !first_dht_answer)
        first_dht_answer = wire::to_seconds(now - process_start());
      if (const auto* changed = std::get_if<dht::event::IdChanged>(&event)) {
        log::info("DHT node {} is {} now, as its address from outside asks for", changed->before.hex(),
                  changed->now.hex());
        new_identity = true;
      }
      if (const auto* answer = std::get_if<dht::event::QueryDone>(&event)) take_pollen(*driver, *answer);
      const auto lookup = std::visit(
          [](const auto& e) -> std::optional<dht::LookupId> {
            if constexpr (requires { e.lookup; }) return e.lookup;
            return std::nullopt;
          },
          event);
      const auto owner = std::find_if(torrents.begin(), torrents.end(), [&](const auto& entry) {
        return lookup && entry.second->owns_lookup(*driver, *lookup);
      });
      if (owner != torrents.end()) {
        owner->second->on_dht_event(now, *driver, event);
      } else if (on_dht_event) {
        const DhtEventHandler handler = on_dht_event;  // it may set another one
        handler(driver->family(), event);
      }
    }
  }
  dht_events.clear();
  // T1: whatever happens next, it is this node that comes back.
  if (new_identity && config.owns_identity) save_dht();
  return any;
}

void Session::Impl::share_contacts() {
  std::vector<dht::Contact> contacts;
  for (const auto& poor : dht_nodes) {
    for (const auto& rich : dht_nodes) {
      if (rich == poor || rich->family() != poor->family() || !poor->node().wants_contacts(now)) continue;
      contacts.clear();
      for (const dht::NodeView& view : rich->node().closest(wire::Key{poor->node().id().bytes()}, kShared))
        contacts.push_back({view.id, view.endpoint});
      if (!contacts.empty()) poor->offer(now, contacts);
    }
  }
}

void Session::Impl::save_dht() {
  dht_saved_at = now;
  if (!state) return;
  for (const wire::Family family : {wire::Family::v4, wire::Family::v6}) {
    std::optional<dht::Snapshot> learnt;
    for (const auto& driver : dht_nodes) {
      if (driver->family() != family) continue;
      dht::Snapshot one = driver->node().snapshot(wall_now(), now);
      learnt = learnt ? merge_dht(*learnt, one) : std::move(one);
    }
    if (!learnt) continue;
    const std::string path = state->dht_snapshot(family, config.private_net);
    if (config.owns_identity) {
      host.saver.run([path, snapshot = *std::move(learnt)] { save_dht_as_owner(path, snapshot); });
    } else {
      host.saver.run([path, lock = state->node_lock(), family, snapshot = *std::move(learnt)] {
        save_dht_as_guest(path, lock, family, snapshot);
      });
    }
  }
}

void Session::Impl::restore_stored_items() {
  if (!state) return;
  std::error_code ignored;
  for (const wire::Family family : {wire::Family::v4, wire::Family::v6}) {
    if (dht_for(family) == nullptr) continue;
    const std::string path = state->stored_items(family, config.private_net);
    const bool there = std::filesystem::exists(path, ignored);
    stored_items.push_back({.family = family, .restored = !there});
    if (!there) continue;
    using Reader = std::shared_ptr<dht::ItemsReader>;
    // Not on the saver's thread: whoever stops us now waits for what is to be saved, and for none of this.
    host.hasher.ask(
        [path] {
          auto reader = open_stored_items(path, wall_now());
          return reader ? std::make_shared<dht::ItemsReader>(*std::move(reader)) : Reader{};
        },
        while_alive([this, family](const Reader& reader) { wake([&] { restore_next(family, reader); }); }));
  }
}

void Session::Impl::restore_next(wire::Family family, const std::shared_ptr<dht::ItemsReader>& reader) {
  DhtDriver* driver = dht_for(family);
  if (driver == nullptr) return;  // stopped meanwhile
  if (!reader || reader->done()) {
    for (StoredItems& stored : stored_items)
      if (stored.family == family) stored.restored = true;
    if (reader) log::info("{} items of others are here again", driver->node().stored_items());
    return;
  }
  // One thread has the reader at a time: here only before and after.
  host.hasher.ask([reader] { return reader->next(kRestoredAtOnce); },
                  while_alive([this, family, reader](const std::vector<dht::AgedItem>& items) {
                    wake([&] {
                      if (DhtDriver* mine = dht_for(family))
                        mine->use(now, [&](dht::Node& node, dht::Output&) { node.restore_items(now, items); });
                      restore_next(family, reader);
                    });
                  }));
}

void Session::Impl::save_stored_items(bool at_the_end) {
  for (StoredItems& stored : stored_items) {
    const DhtDriver* driver = dht_for(stored.family);
    if (driver == nullptr || !stored.restored) continue;
    const std::uint64_t puts = driver->node().item_puts();
    if (at_the_end ? !stored.pace.changed(puts) : !stored.pace.due(now, puts)) continue;
    wire::ByteVector file = driver->node().saved_items(wall_now(), now);
    stored.pace.saved(now, puts, file.size());
    host.saver.run([path = state->stored_items(stored.family, config.private_net), file = std::move(file)] {
      write_stored_items(path, file);
    });
  }
}

void Session::Impl::log_counts() {
  counts_logged_at = now;
  for (const auto& driver : dht_nodes) {
    const dht::Counters c = driver->counters();
    const std::string wrong = troubles(c);
    log::info("DHT on {}: {} contacts, {} queries in, {} replies out; {}", driver->local().text(),
              driver->node().table_size(), c.queries_in, c.replies_out, wrong.empty() ? "nothing dropped" : wrong);
  }
}

void Session::Impl::look_for_items() {
  if (!state) return;
  host.saver.ask([folder = state->items(config.private_net)] { return load_items(folder); },
                 while_alive([this](const std::vector<dht::Item>& items) {
                   wake([&] {
                     // BEP 45: one of several addresses is enough to put from.
                     const std::vector<DhtDriver*> putting = one_of_each_family(dht_nodes);
                     for (const auto& driver : dht_nodes) {
                       const bool puts = std::find(putting.begin(), putting.end(), driver.get()) != putting.end();
                       driver->use(now, [&](dht::Node& node, dht::Output& out) {
                         keep_only(now, puts ? items : std::vector<dht::Item>{}, node, out);
                       });
                     }
                   });
                 }));
}

DhtDriver* Session::Impl::dht_for(wire::Family family) {
  for (const auto& driver : dht_nodes)
    if (driver->family() == family) return driver.get();
  return nullptr;
}

// --- the public face ---

std::size_t DhtStatus::table() const {
  std::size_t sum = 0;
  for (const One& one : nodes) sum += one.table;
  return sum;
}

std::size_t DhtStatus::ring() const {
  std::size_t sum = 0;
  for (const One& one : nodes) sum += one.ring;
  return sum;
}

bool DhtStatus::ever_answered() const {
  return std::any_of(nodes.begin(), nodes.end(), [](const One& one) { return one.ever_answered; });
}

DhtStatus Session::dht_status() const {
  DhtStatus status;
  for (const auto& driver : impl_->dht_nodes) {
    const dht::Node& node = driver->node();
    status.nodes.push_back({.family = node.family(),
                            .id = node.id(),
                            .local = driver->local(),
                            .external = node.external(),
                            .table = node.table_size(),
                            .ring = node.ring_size(),
                            .ping_queue = node.ping_queue(),
                            .store = node.store_size(),
                            .ever_answered = node.ever_answered(),
                            .offline = node.offline(),
                            .stored = node.stored_sizes(),
                            .counters = driver->counters(),
                            .port = driver->port_counters()});
  }
  return status;
}

void Session::on_dht_event(DhtEventHandler handler) { impl_->on_dht_event = std::move(handler); }

namespace {

/// Starts one lookup on a node of each family: f(node, output) returns its id.
template <class Impl, class F>
std::vector<Session::DhtNodeRef> start_on_each_family(Impl& impl, F&& f) {
  std::vector<Session::DhtNodeRef> refs;
  impl.wake([&] {
    for (DhtDriver* driver : one_of_each_family(impl.dht_nodes))
      refs.push_back({driver->family(), driver->use(impl.now, f)});
  });
  return refs;
}

/// One query from the node of that family; false when there is none.
template <class Impl, class F>
bool ask_from(Impl& impl, const wire::Endpoint& to, F&& f) {
  DhtDriver* driver = impl.dht_for(to.family());
  if (driver == nullptr) return false;
  impl.wake([&] { driver->use(impl.now, f); });
  return true;
}

}  // namespace

std::vector<Session::DhtNodeRef> Session::dht_get_peers(const wire::InfoHash& info_hash,
                                                        std::optional<dht::AnnounceSpec> announce) {
  return start_on_each_family(
      *impl_, [&](dht::Node& node, dht::Output& out) { return node.get_peers(impl_->now, info_hash, announce, out); });
}

std::vector<Session::DhtNodeRef> Session::dht_trace(const wire::InfoHash& info_hash) {
  return start_on_each_family(
      *impl_, [&](dht::Node& node, dht::Output& out) { return node.trace(impl_->now, info_hash, out); });
}

std::vector<Session::DhtNodeRef> Session::dht_find_node(const wire::Key& target) {
  return start_on_each_family(
      *impl_, [&](dht::Node& node, dht::Output& out) { return node.find_node(impl_->now, target, out); });
}

std::vector<Session::DhtNodeRef> Session::dht_get_item(const wire::Key& target, wire::Bytes salt) {
  return start_on_each_family(
      *impl_, [&](dht::Node& node, dht::Output& out) { return node.get_item(impl_->now, target, salt, out); });
}

std::vector<Session::DhtNodeRef> Session::dht_put_item(const dht::Item& item, std::optional<std::int64_t> cas) {
  return start_on_each_family(
      *impl_, [&](dht::Node& node, dht::Output& out) { return node.put_item(impl_->now, item, cas, out); });
}

std::vector<Session::DhtNodeRef> Session::dht_sample(const wire::Key& target) {
  return start_on_each_family(*impl_,
                              [&](dht::Node& node, dht::Output& out) { return node.sample(impl_->now, target, out); });
}

void Session::set_bootstrap(std::vector<magnet::HostPort> names, bool use_builtin_routers) {
  impl_->wake([&] {
    impl_->config.bootstrap = std::move(names);
    impl_->config.use_builtin_routers = use_builtin_routers;
    impl_->introducers.clear();
    impl_->introduce_configured();
  });
}

bool Session::dht_ping(const wire::Endpoint& to) {
  return ask_from(*impl_, to, [&](dht::Node& node, dht::Output& out) { return node.ping(impl_->now, to, out); });
}

bool Session::dht_find_node_at(const wire::Endpoint& to, const wire::Key& target) {
  return ask_from(*impl_, to,
                  [&](dht::Node& node, dht::Output& out) { return node.find_node_at(impl_->now, to, target, out); });
}

bool Session::dht_sample_at(const wire::Endpoint& to, const wire::Key& target) {
  return ask_from(*impl_, to,
                  [&](dht::Node& node, dht::Output& out) { return node.sample_at(impl_->now, to, target, out); });
}

}  // namespace lodestone::node
