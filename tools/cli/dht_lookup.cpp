// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/dht_lookup.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "tools/cli/dht_records.hpp"

namespace lodestone::tools {
namespace {

constexpr double kAgainAfter = 0.5;

}  // namespace

DhtLookup::DhtLookup(DhtRun& run, std::optional<wire::Duration> wait, bool announces, Handlers handlers)
    : run_(run), wait_(wait), announces_(announces), handlers_(std::move(handlers)) {}

ExitCode DhtLookup::run() {
  return run_.run(
      [this] {
        started_at_ = node::seconds_since_process_start();
        if (!wait_) begin();
        run_.runtime().every(kTick, [this] { return tick(); });
      },
      [this](wire::Family family, const dht::Event& event) { on_event(family, event); });
}

void DhtLookup::begin() {
  begun_at_ = node::seconds_since_process_start();
  parts_.clear();
  result_ = {};
  for (const auto& ref : handlers_.begin(run_.session()))
    parts_.push_back({ref.family, ref.lookup, std::nullopt, false, 0});
  if (parts_.empty()) run_.fail(ExitCode::network, "there is no network of that family", "Leave -4 or -6 out");
}

void DhtLookup::on_event(wire::Family family, const dht::Event& event) {
  if (run_.finished()) return;
  const double now = node::seconds_since_process_start();
  if (std::holds_alternative<dht::event::FirstContact>(event)) {
    // A lookup that waited for a contact begins with it.
    const bool waited =
        begun_at_ && std::none_of(parts_.begin(), parts_.end(), [](const Part& p) { return p.stats.has_value(); });
    if (waited && result_.bootstrap_seconds == 0) result_.bootstrap_seconds = *(begun_at_ = now);
  } else if (const auto* peers = std::get_if<dht::event::PeersFound>(&event)) {
    if (find(family, peers->lookup) != nullptr && handlers_.on_peers)
      handlers_.on_peers(*peers, now - begun_at_.value_or(now));
  } else if (const auto* done = std::get_if<dht::event::LookupDone>(&event)) {
    Part* part = find(family, done->lookup);
    if (part == nullptr) return;
    part->stats = done->stats;
    part->ended_at = now;
  } else if (const auto* announced = std::get_if<dht::event::AnnounceDone>(&event)) {
    Part* part = find(family, announced->lookup);
    if (part == nullptr) return;
    part->announced = true;
    result_.refused += announced->refused;
    for (const dht::NodeView& node : announced->stored) result_.stored.push_back(node.endpoint);
  } else if (const auto* put = std::get_if<dht::event::PutDone>(&event)) {
    Part* part = find(family, put->lookup);
    if (part == nullptr) return;
    part->announced = true;
    result_.refused += put->refused;
    result_.conflicts += put->conflicts;
    for (const dht::NodeView& node : put->stored) result_.stored.push_back(node.endpoint);
  } else if (handlers_.on_event) {
    const auto lookup = std::visit(
        [](const auto& e) -> std::optional<dht::LookupId> {
          if constexpr (requires { e.lookup; }) return e.lookup;
          return std::nullopt;
        },
        event);
    if (lookup && find(family, *lookup) != nullptr) handlers_.on_event(event);
  }
}

bool DhtLookup::tick() {
  if (run_.finished()) return false;
  const double now = node::seconds_since_process_start();
  if (!run_.session().dht_status().ever_answered()) {
    if (now - started_at_ >= wire::to_seconds(kNoAnswerAfter)) {
      run_.fail_unanswered();
      return false;
    }
    return true;
  }
  if (!begun_at_) {
    if (now - started_at_ >= wire::to_seconds(*wait_)) begin();
    return true;
  }
  if (!all_complete(now)) return true;
  // Saved contacts may all be gone while others were found in the meantime: then it was no complete lookup.
  const bool nobody =
      std::none_of(parts_.begin(), parts_.end(), [](const Part& p) { return p.stats && p.stats->answered > 0; });
  if (nobody && now - started_at_ < wire::to_seconds(kNoAnswerAfter)) {
    if (now - *begun_at_ >= kAgainAfter) begin();
    return true;
  }
  done();
  return false;
}

bool DhtLookup::answered(wire::Family family) const {
  const node::DhtStatus status = run_.session().dht_status();
  return std::any_of(status.nodes.begin(), status.nodes.end(),
                     [family](const auto& one) { return one.family == family && one.ever_answered; });
}

bool DhtLookup::all_complete(double now) const {
  bool any = false, all = true;
  for (const Part& part : parts_) {
    const bool is = complete(part) && part.stats->answered > 0;
    any = any || is;
    if (!is) all = all && (complete(part) || !answered(part.family)) && now - started_at_ >= kFamilyPatience;
  }
  return any ? all : std::all_of(parts_.begin(), parts_.end(), [this](const Part& p) { return complete(p); });
}

DhtLookup::Part* DhtLookup::find(wire::Family family, dht::LookupId id) {
  const auto found =
      std::find_if(parts_.begin(), parts_.end(), [&](const Part& p) { return p.family == family && p.id == id; });
  return found == parts_.end() ? nullptr : &*found;
}

void DhtLookup::done() {
  std::vector<dht::LookupStats> stats;
  std::optional<double> first_packet;
  for (const Part& part : parts_) {
    if (!part.stats) continue;
    stats.push_back(*part.stats);
    const double began = part.ended_at - wire::to_seconds(part.stats->duration);
    if (part.stats->answered > 0) first_packet = std::min(first_packet.value_or(began), began);
  }
  result_.stats = merged(stats);
  result_.bootstrap_seconds = std::max(0.0, first_packet.value_or(*begun_at_));
  handlers_.on_done(result_);
}

}  // namespace lodestone::tools
