// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/get_progress.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/cli/transfer_records.hpp"

namespace lodestone::tools {

void refresh_facts(TransferFacts& facts, const node::Session& session, const wire::InfoHash& hash) {
  facts.now = node::seconds_since_process_start();
  auto status = session.status(hash);
  if (!status) return;
  facts.status = *std::move(status);
  facts.times = session.times(hash);
  facts.asked = session.dht_asked(hash);
  facts.dht_nodes = session.dht_status().table();
}

void GetProgress::phases(const Shown& shown, const std::vector<PhaseChange>& changes) {
  if (changes.empty()) return;
  if (json())
    for (const PhaseChange& change : changes) out_.record(phase_record(shown.info_hash, change));
  // Phases that were over when they were noticed would all be described by what is now.
  if (out_.progress() == ProgressMode::line && changes.back().phase != TransferPhase::done)
    out_.note(progress_line(shown.view));
}

void GetProgress::stall(const Shown& shown, std::string_view code, std::string_view detail, std::string_view hint) {
  if (json()) out_.record(stall_record(shown.info_hash, code, detail, hint));
  if (!out_.json())
    out_.note(fmt::format("{}: nothing moves: {}{}{}", shown.view.name, detail, hint.empty() ? "" : "; ", hint));
}

void GetProgress::tick(std::span<const Shown> all, double now) {
  if (json() && now >= next_json_) {
    next_json_ = std::max(next_json_ + kJsonEvery, now + kJsonEvery - 0.1);  // a tick comes a little late
    for (const Shown& shown : all)
      if (shown.view.phase) last(shown);
  }
  if (out_.progress() == ProgressMode::line && now >= next_line_) {
    next_line_ = now + kLineEvery;
    for (const Shown& shown : all)
      if (shown.view.phase != TransferPhase::done) out_.note(progress_line(shown.view));
  }
  if (out_.progress() != ProgressMode::bar) return;
  std::vector<TransferView> views;
  views.reserve(all.size());
  for (const Shown& shown : all) views.push_back(shown.view);
  out_.status(progress_bar(views, out_.columns()));
}

void GetProgress::last(const Shown& shown) {
  if (json()) out_.record(progress_record(shown.info_hash, shown.view.facts.status));
}

}  // namespace lodestone::tools
