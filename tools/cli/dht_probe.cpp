// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/dht_probe.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "node/net/entropy.hpp"
#include "tools/cli/dht_records.hpp"
#include "tools/cli/dht_run.hpp"

namespace lodestone::tools {
namespace {

using Done = dht::event::QueryDone;

constexpr std::size_t kProbesAtOnce = 16;  // probes; each has at most kPingsOfOne queries out
constexpr std::size_t kPingsOfOne = 16;    // of what one node names
constexpr const char* kSilent = "no reply";

/// One node on one of its addresses.
struct Probe {
  Probe(magnet::HostPort node, const wire::Endpoint& at) : name(std::move(node)), endpoint(at) {}

  magnet::HostPort name;
  wire::Endpoint endpoint;
  std::optional<Done> pong;
  std::set<wire::Endpoint> named;    // by its find_node, those that are pinged
  std::set<wire::Endpoint> waiting;  // of these, who has neither answered nor been given up
  std::size_t named_in_all = 0;
  std::size_t alive = 0;
  bool gave_nodes = false;  // it has answered the find_node, if with none
};

class ProbeRun {
 public:
  explicit ProbeRun(Context& context) : context_(context), run_(context, "dht ping"), rng_(node::make_rng()) {}
  ExitCode run(const std::vector<magnet::HostPort>& nodes);

 private:
  void begin(const std::vector<DhtRun::Resolved>& nodes);
  void start_more();
  void on_done(const Done& done);
  void on_ping(const Done& done);
  void on_nodes(Probe& probe, const Done& done);
  /// Whether it answers is asked once, whoever wants to know.
  void ping(const wire::Endpoint& endpoint);
  void tell_of(Probe& probe, const wire::Endpoint& endpoint, bool answers);
  void finish(Probe& probe);
  void fail(const magnet::HostPort& name, const std::optional<wire::Endpoint>& at, const char* why);

  Context& context_;
  DhtRun run_;
  wire::Rng rng_;
  std::deque<Probe> waiting_;
  std::map<wire::Endpoint, Probe> active_;
  std::map<wire::Endpoint, std::optional<Done>> pings_;  // none: under way
  std::size_t good_ = 0, bad_ = 0;
};

ExitCode ProbeRun::run(const std::vector<magnet::HostPort>& nodes) {
  return run_.run_among(
      nodes, [this](const auto& resolved) { begin(resolved); },
      [this](wire::Family, const dht::Event& event) {
        if (const auto* done = std::get_if<Done>(&event); done != nullptr && !run_.finished()) on_done(*done);
      });
}

void ProbeRun::begin(const std::vector<DhtRun::Resolved>& nodes) {
  std::set<wire::Endpoint> seen;
  for (const DhtRun::Resolved& node : nodes) {
    if (node.endpoints.empty()) fail(node.name, std::nullopt, "it has no address");
    for (const wire::Endpoint& endpoint : node.endpoints)
      if (seen.insert(endpoint).second) waiting_.emplace_back(node.name, endpoint);
  }
  start_more();
}

void ProbeRun::start_more() {
  while (active_.size() < kProbesAtOnce && !waiting_.empty()) {
    Probe probe = std::move(waiting_.front());
    waiting_.pop_front();
    const wire::Endpoint endpoint = probe.endpoint;
    active_.emplace(endpoint, std::move(probe));
    ping(endpoint);
    // Another one has named it before.
    if (const auto known = pings_.find(endpoint); known != pings_.end() && known->second) on_ping(*known->second);
  }
  if (active_.empty() && waiting_.empty())
    run_.finish(bad_ == 0 ? ExitCode::ok : good_ == 0 ? ExitCode::timeout : ExitCode::partial);
}

void ProbeRun::ping(const wire::Endpoint& endpoint) {
  if (!pings_.try_emplace(endpoint).second) return;
  if (run_.session().dht_ping(endpoint)) return;
  Done unreachable{};  // no socket of that family: as good as silent
  unreachable.to = endpoint;
  pings_[endpoint] = unreachable;
}

void ProbeRun::on_done(const Done& done) {
  const auto ping = pings_.find(done.to);
  if (ping == pings_.end()) return;
  if (!ping->second) {
    ping->second = done;
    on_ping(done);
  } else if (const auto probe = active_.find(done.to); probe != active_.end() && !probe->second.gave_nodes) {
    on_nodes(probe->second, done);
  }
  start_more();
}

void ProbeRun::on_ping(const Done& done) {
  const bool answers = done.answered && !done.error_reply;
  if (const auto found = active_.find(done.to); found != active_.end() && !found->second.pong) {
    Probe& probe = found->second;
    probe.pong = done;
    if (!answers || !run_.session().dht_find_node_at(done.to, rng_.id<wire::Key>())) finish(probe);
  }
  std::vector<wire::Endpoint> askers;  // finish() changes the map
  for (const auto& [endpoint, probe] : active_)
    if (probe.waiting.contains(done.to)) askers.push_back(endpoint);
  for (const wire::Endpoint& asker : askers) tell_of(active_.at(asker), done.to, answers);
}

void ProbeRun::on_nodes(Probe& probe, const Done& done) {
  probe.gave_nodes = done.answered && !done.error_reply;
  if (!probe.gave_nodes) return finish(probe);
  for (const dht::NodeView& node : done.nodes) probe.named.insert(node.endpoint);
  probe.named_in_all = probe.named.size();
  while (probe.named.size() > kPingsOfOne) probe.named.erase(std::prev(probe.named.end()));
  probe.waiting = probe.named;
  if (probe.waiting.empty()) return finish(probe);
  const wire::Endpoint self = probe.endpoint;
  for (const wire::Endpoint& endpoint : std::vector(probe.named.begin(), probe.named.end())) {
    ping(endpoint);
    const auto& known = pings_.at(endpoint);
    if (!known) continue;
    const auto still = active_.find(self);
    if (still != active_.end()) tell_of(still->second, endpoint, known->answered && !known->error_reply);
  }
}

void ProbeRun::tell_of(Probe& probe, const wire::Endpoint& endpoint, bool answers) {
  if (probe.waiting.erase(endpoint) == 0) return;
  if (answers) ++probe.alive;
  if (probe.waiting.empty()) finish(probe);
}

void ProbeRun::finish(Probe& probe) {
  const Done pong = *probe.pong;
  if (!pong.answered || pong.error_reply) {
    fail(probe.name, probe.endpoint, pong.answered ? "it answered with an error" : kSilent);
  } else if (context_.out.json()) {
    nlohmann::ordered_json record = pong_record(pong);
    record["node"] = probe.name.text();
    record["nodes"] = probe.gave_nodes ? nlohmann::ordered_json(probe.named_in_all) : nlohmann::ordered_json();
    record["nodes_asked"] = probe.named.size();
    record["nodes_answered"] = probe.alive;
    context_.out.record(record);
  } else {
    std::string text =
        fmt::format("{} is {}, {:.1f} ms", probe.endpoint.text(), pong.id.hex(), wire::to_seconds(pong.rtt) * 1000);
    if (probe.name.text() != probe.endpoint.text()) text = probe.name.text() + " at " + text;
    if (!pong.version.empty()) text += ", version " + version_text(pong.version);
    text += probe.gave_nodes
                ? fmt::format(", names {}, {} of {} answer", probe.named_in_all, probe.alive, probe.named.size())
                : ", does not answer find_node";
    context_.out.line(text);
  }
  if (pong.answered && !pong.error_reply) ++good_;
  active_.erase(pong.to);
}

void ProbeRun::fail(const magnet::HostPort& name, const std::optional<wire::Endpoint>& at, const char* why) {
  ++bad_;
  if (context_.out.json()) {
    context_.out.record({{"type", "silent"},
                         {"node", name.text()},
                         {"addr", at ? nlohmann::ordered_json(at->text()) : nlohmann::ordered_json(nullptr)},
                         {"reason", why}});
    return;
  }
  const bool numeric = !at || at->text() == name.text();
  context_.out.line(name.text() + (numeric ? "" : " at " + at->text()) + ": " + why);
}

}  // namespace

ExitCode probe_all(const std::vector<magnet::HostPort>& nodes, Context& context) {
  const auto probe = std::make_unique<ProbeRun>(context);
  const ExitCode code = probe->run(nodes);
  if (code != ExitCode::partial && code != ExitCode::timeout) return code;
  if (!context.failures().empty()) return code;  // --timeout has said so
  return context.fail(code, "dht ping",
                      code == ExitCode::partial ? "some nodes did not answer" : "no node has answered");
}

}  // namespace lodestone::tools
