// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/get_run.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "node/session.hpp"
#include "tools/cli/get_progress.hpp"
#include "tools/cli/run_guard.hpp"
#include "tools/cli/selection.hpp"
#include "tools/cli/session_options.hpp"
#include "tools/cli/transfer_records.hpp"
#include "tools/cli/units.hpp"

namespace lodestone::tools {
namespace {

/// For so long a disk that takes nothing is tried again (cli.md, "Precedence").
constexpr double kDiskPatience = 60;  // seconds

struct Download {
  enum class Stage : std::uint8_t { running, seeding, stopping, over };

  Target target;
  wire::InfoHash hash;
  Stage stage = Stage::running;
  PhaseTracker phases;
  GetProgress::Shown shown;  // the facts stay when the session has forgotten the torrent
  std::shared_ptr<const magnet::Info> info;
  std::optional<std::vector<bool>> wanted;
  node::session_event::Stalled stall{};
  std::optional<double> disk_stalled_at, complete_at;  // seconds since process start
  std::string result;                                  // path of what was asked for
  std::optional<Failure> failure;                      // said when everything is closed
  ExitCode code = ExitCode::ok;

  [[nodiscard]] const magnet::TorrentStatus& status() const { return shown.view.facts.status; }
  [[nodiscard]] const std::string& name() const { return shown.view.name; }
};

class GetRun {
 public:
  GetRun(Context& context, const GetOptions& options, std::vector<Target> targets);
  std::vector<ExitCode> run();

 private:
  using Stage = Download::Stage;

  [[nodiscard]] bool describes_only() const { return options_.list || options_.metadata_only; }
  [[nodiscard]] node::TorrentSpec spec_of(Download& d);
  void add(Download& d);
  std::vector<bool> choose(Download& d, const magnet::Info& info);

  void on_event(Download& d, const node::SessionEvent& event);
  void on_metadata(Download& d, const node::session_event::Metadata& metadata);
  void on_finished(Download& d);
  void on_stalled(Download& d, const node::session_event::Stalled& stalled);
  void on_stopped(Download& d);
  void stop_with(Download& d, Failure failure);
  void stop(Download& d);

  void refresh(Download& d, bool before_metadata = false);
  void enter(Download& d, TransferPhase phase);
  void print_done(Download& d);
  bool tick();
  void end_when_all_are_over();
  void end();

  void on_stop(StopCause cause);
  [[nodiscard]] Failure interruption(const Download& d, StopCause cause) const;
  [[nodiscard]] Failure timeout(const Download& d) const;

  Context& context_;
  const GetOptions& options_;
  GetProgress progress_;
  node::Runtime runtime_;
  std::optional<node::Session> session_;
  std::vector<std::unique_ptr<Download>> downloads_;
  bool ending_ = false;
};

GetRun::GetRun(Context& context, const GetOptions& options, std::vector<Target> targets)
    : context_(context), options_(options), progress_(context.out), runtime_(node::RuntimeConfig{}) {
  for (Target& target : targets) {
    auto d = std::make_unique<Download>();
    d->hash = *target.uri.info_hash;
    d->shown.info_hash = d->hash;
    d->shown.view.name = target.info ? target.info->name : target.uri.name.value_or(d->hash.hex());
    d->shown.view.facts.use_dht = !options.no_dht;
    d->target = std::move(target);
    downloads_.push_back(std::move(d));
  }
}

std::vector<ExitCode> GetRun::run() {
  set_up_log(context_);
  auto config = session_config(context_.global, SessionRole::get);
  if (!config) return std::vector<ExitCode>(downloads_.size(), context_.fail(config.error()));
  config->dht = !options_.no_dht;
  config->pex = !options_.no_pex;
  config->max_peers = options_.max_peers;
  session_.emplace(runtime_, *std::move(config));
  if (const auto started = session_->start(); !started)
    return std::vector<ExitCode>(downloads_.size(), context_.fail(failure_of(started.error())));
  const RunGuard guard(runtime_, context_, [this](StopCause cause) { on_stop(cause); });
  for (const auto& d : downloads_) add(*d);
  end_when_all_are_over();
  runtime_.every(GetProgress::kTick, [this] { return tick(); });
  runtime_.run();
  session_.reset();
  std::vector<ExitCode> codes;
  for (const auto& d : downloads_) codes.push_back(d->code);
  return codes;
}

node::TorrentSpec GetRun::spec_of(Download& d) {
  node::TorrentSpec spec;
  spec.info_hash = d.hash;
  if (d.target.torrent) {
    spec.info = d.target.info;
    spec.raw_info = d.target.torrent->raw_info;
  }
  spec.peers = d.target.uri.peers;
  spec.explicit_peers = context_.global.peers;
  spec.dht_nodes = d.target.uri.nodes;
  spec.download_dir = options_.folder.empty() ? "." : options_.folder;
  spec.wanted = [this, &d](const magnet::Info& info) { return choose(d, info); };
  spec.metadata_only = describes_only();
  spec.sequential = options_.sequential;
  spec.force = options_.force;
  spec.seed_after = options_.seed.has_value();
  spec.use_dht = !options_.no_dht;
  spec.use_pex = !options_.no_pex;
  spec.announce = !describes_only();
  spec.max_peers = options_.max_peers;
  return spec;
}

void GetRun::add(Download& d) {
  const auto added = session_->add_torrent(spec_of(d), [this, &d](const node::SessionEvent& e) { on_event(d, e); });
  if (added) return;
  d.code = context_.fail(failure_of(added.error()));
  d.stage = Stage::over;
}

std::vector<bool> GetRun::choose(Download& d, const magnet::Info& info) {
  if (d.wanted) return *d.wanted;
  const auto selected = select_files(info, options_.select, d.target.uri.select);
  if (!selected) {
    // Not from in here: the torrent is in the middle of starting.
    runtime_.post([this, &d, cause = selected.error(), name = info.name] {
      stop_with(d, {ExitCode::usage, name, cause, "See its files with `get --list`"});
    });
    d.wanted = std::vector<bool>(info.files.size(), false);
    return *d.wanted;
  }
  for (const std::string& pattern : selected->unmatched)
    context_.out.warn(fmt::format("{}: no file matches '{}'", info.name, pattern));
  d.wanted = selected->all(info) ? std::vector<bool>{} : selected->files;
  return *d.wanted;
}

void GetRun::on_event(Download& d, const node::SessionEvent& event) {
  if (d.stage == Stage::over) return;
  using namespace node::session_event;
  if (std::holds_alternative<PhaseChanged>(event)) {
    // What follows the metadata is told after it.
    if (d.stage == Stage::running && d.info) refresh(d);
  } else if (const auto* metadata = std::get_if<Metadata>(&event)) {
    on_metadata(d, *metadata);
  } else if (std::holds_alternative<Finished>(event)) {
    on_finished(d);
  } else if (const auto* stalled = std::get_if<Stalled>(&event)) {
    on_stalled(d, *stalled);
  } else if (const auto* failed = std::get_if<Failed>(&event)) {
    stop_with(d, failure_of(*failed, d.name()));
  } else if (std::holds_alternative<Stopped>(event)) {
    on_stopped(d);
  }
}

void GetRun::on_metadata(Download& d, const node::session_event::Metadata& metadata) {
  if (d.info) return;
  d.info = metadata.info;
  d.shown.view.name = metadata.info->name;
  if (d.stage != Stage::running) return;
  // Peers gave it to us: then those phases come before it. From a file or an earlier run it needed none of them.
  if (session_->times(d.hash).first_peer) refresh(d, true);
  if (options_.list) {
    print_listing(context_, d.hash, *d.info);
    return stop(d);
  }
  if (context_.out.json()) {
    context_.out.record(metadata_record(d.hash, *d.info));
  } else if (!d.target.info) {
    context_.out.note(fmt::format("{}: {} in {}", d.name(), format_size(d.info->total_size()),
                                  count_of(file_count(*d.info), "file")));
  }
  if (!options_.metadata_only) return;
  auto written = write_metadata(options_, *d.info, metadata.raw, d.target.uri);
  if (!written) return stop_with(d, std::move(written.error()));
  d.result = *std::move(written);
  refresh(d, true);
  d.shown.view.facts.status.bytes_total = metadata.raw.size();
  d.complete_at = node::seconds_since_process_start();
  stop(d);
}

void GetRun::on_finished(Download& d) {
  if (d.stage != Stage::running || describes_only() || !d.info) return;
  refresh(d);
  d.complete_at = d.shown.view.facts.times.finished.value_or(node::seconds_since_process_start());
  d.result = options_.in_folder(d.info->name);
  if (!options_.seed) return stop(d);
  d.stage = Stage::seeding;
  print_done(d);
  enter(d, TransferPhase::seed);
  if (options_.seed->endless()) context_.out.note(d.name() + ": complete; seeding until Ctrl-C");
}

void GetRun::on_stalled(Download& d, const node::session_event::Stalled& stalled) {
  d.stall = stalled;
  const bool disk = stalled.reason == magnet::StallReason::disk;
  if (!disk) d.disk_stalled_at.reset();
  if (disk && !d.disk_stalled_at) d.disk_stalled_at = node::seconds_since_process_start();
  if (d.stage != Stage::running || stalled.reason == magnet::StallReason::none) return;
  refresh(d);
  progress_.stall(d.shown, stalled.code, stalled.detail, stalled.hint);
}

void GetRun::stop_with(Download& d, Failure failure) {
  if (d.stage == Stage::over || d.failure) return;
  d.failure = std::move(failure);
  if (d.stage != Stage::stopping) stop(d);
}

void GetRun::stop(Download& d) {
  d.stage = Stage::stopping;
  session_->stop_torrent(d.hash);
}

void GetRun::on_stopped(Download& d) {
  if (d.stage == Stage::over) return;
  const bool told = d.phases.current() >= TransferPhase::seed;
  d.stage = Stage::over;
  if (d.failure) {
    d.code = context_.fail(*d.failure);
  } else if (options_.list) {
    // The listing is all there is to say.
  } else if (told) {
    enter(d, TransferPhase::done);
  } else {
    print_done(d);
  }
  end_when_all_are_over();
}

void GetRun::refresh(Download& d, bool before_metadata) {
  TransferFacts& facts = d.shown.view.facts;
  refresh_facts(facts, *session_, d.hash);
  TransferFacts seen = facts;
  if (before_metadata || describes_only()) {
    seen.times.metadata.reset();
    seen.status.phase = magnet::Phase::metadata;
  }
  std::vector<PhaseChange> changes;
  if (d.stage == Stage::running) d.phases.update(seen, changes);
  d.shown.view.phase = d.phases.current();
  progress_.phases(d.shown, changes);
}

void GetRun::enter(Download& d, TransferPhase phase) {
  std::vector<PhaseChange> changes;
  d.shown.view.facts.now = node::seconds_since_process_start();
  d.phases.enter(phase, d.shown.view.facts, changes);
  d.shown.view.phase = d.phases.current();
  progress_.phases(d.shown, changes);
}

void GetRun::print_done(Download& d) {
  const bool seeding = d.stage == Stage::seeding;
  TransferFacts& facts = d.shown.view.facts;
  if (!describes_only()) progress_.last(d.shown);
  if (!seeding) enter(d, TransferPhase::done);
  DoneFacts done{.path = d.result, .bytes = facts.status.bytes_total};
  done.seconds = node::seconds_since_process_start();
  done.stages = stage_seconds(facts.times, d.complete_at.value_or(done.seconds));
  done.downloaded = facts.status.downloaded;
  done.verified_pieces = facts.status.verified_pieces;
  if (context_.out.json()) return context_.out.record(done_record(d.hash, done));
  if (options_.metadata_only) {
    context_.out.line(d.result);
    return;
  }
  const std::string size = format_size(done.bytes);
  if (done.downloaded == 0) {
    context_.out.note(fmt::format("{}: all of {} is there, nothing had to be fetched", d.name(), size));
  } else {
    const double rate = static_cast<double>(done.downloaded) / std::max(done.stages.transfer, 0.001);
    context_.out.note(fmt::format("{}: {} in {}, {} from the swarm at {}", d.name(), size,
                                  format_duration(done.seconds), format_size(done.downloaded), format_rate(rate)));
  }
  context_.out.line(d.result);
  context_.out.out().flush();
}

bool GetRun::tick() {
  const double now = node::seconds_since_process_start();
  std::vector<GetProgress::Shown> shown;
  for (const auto& d : downloads_) {
    if (d->stage == Stage::running || d->stage == Stage::seeding) refresh(*d);
    if (d->stage == Stage::running && d->disk_stalled_at && now - *d->disk_stalled_at >= kDiskPatience) {
      stop_with(*d, {ExitCode::storage, d->name(), d->stall.detail,
                     "What was verified stays: mend that and run the same command again to resume"});
    }
    if (d->stage == Stage::seeding && options_.seed->reached(d->status().uploaded, d->status().bytes_total,
                                                             wire::from_seconds(now - *d->complete_at)))
      stop(*d);
    if (!d->failure && d->code == ExitCode::ok) shown.push_back(d->shown);
  }
  if (!ending_) progress_.tick(shown, now);
  return !ending_;
}

void GetRun::end_when_all_are_over() {
  const auto over = [](const auto& d) { return d->stage == Stage::over; };
  if (std::all_of(downloads_.begin(), downloads_.end(), over)) end();
}

void GetRun::end() {
  if (std::exchange(ending_, true)) return;
  context_.out.end_status();
  session_->stop([this] {
    for (const auto& d : downloads_) on_stopped(*d);
    runtime_.stop();
  });
}

void GetRun::on_stop(StopCause cause) {
  for (const auto& d : downloads_) {
    if (d->stage == Stage::over || d->stage == Stage::stopping) continue;
    refresh(*d);
    const bool served_enough = d->stage == Stage::seeding && options_.seed->endless();
    if (!served_enough) d->failure = cause == StopCause::timeout ? timeout(*d) : interruption(*d, cause);
    d->stage = Stage::stopping;
  }
  end();
}

Failure GetRun::interruption(const Download& d, StopCause cause) const {
  const char* how = cause == StopCause::interrupt ? "interrupted" : "terminated";
  std::string state;
  if (d.stage == Stage::seeding) {
    state = " while seeding; the download is complete";
  } else if (!d.info) {
    state = " before its metadata was there";
  } else if (d.status().bytes_total > 0) {
    state = fmt::format(" at {} of {}", format_size(d.status().bytes_done), format_size(d.status().bytes_total));
  }
  return {exit_code_of(cause), d.name(), how + state, "Run the same command again to resume"};
}

Failure GetRun::timeout(const Download& d) const {
  const std::string after = "timed out after " + format_duration(wire::to_seconds(*context_.global.timeout));
  if (d.stage == Stage::seeding)
    return {ExitCode::timeout, d.name(), after + " while seeding; the download is complete", ""};
  const bool may_use_dht = !options_.no_dht && !(d.info && d.info->is_private);
  const bool needed_dht = may_use_dht && d.status().seen == 0;
  const bool no_dht = needed_dht && !session_->dht_status().ever_answered();
  const bool reason = d.stall.reason != magnet::StallReason::none && !d.stall.detail.empty();
  std::string cause = after + ": " +
                      (reason   ? d.stall.detail
                       : no_dht ? "no DHT node has answered"
                                : describe(d.shown.view));
  std::string next = reason && !d.stall.hint.empty() ? d.stall.hint : "run the same command again to resume";
  if (!next.empty() && next[0] >= 'a' && next[0] <= 'z') next[0] = static_cast<char>(next[0] - 'a' + 'A');
  return {no_dht ? ExitCode::network : ExitCode::timeout, d.name(), std::move(cause), std::move(next)};
}

}  // namespace

std::vector<ExitCode> run_downloads(Context& context, const GetOptions& options, std::vector<Target> targets) {
  return GetRun(context, options, std::move(targets)).run();
}

}  // namespace lodestone::tools
