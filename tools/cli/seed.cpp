// SPDX-License-Identifier: Apache-2.0
// `seed PATH|FILE.torrent...`: announces and serves until stopped.
#include <algorithm>
#include <memory>
#include <ostream>
#include <utility>
#include <variant>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "node/session.hpp"
#include "tools/cli/commands.hpp"
#include "tools/cli/get_progress.hpp"
#include "tools/cli/get_run.hpp"
#include "tools/cli/run_guard.hpp"
#include "tools/cli/seed_source.hpp"
#include "tools/cli/session_options.hpp"
#include "tools/cli/signal_watch.hpp"
#include "tools/cli/transfer_records.hpp"
#include "tools/cli/units.hpp"

namespace lodestone::tools {
namespace {

/// So long the first `seeding` record waits for the announce, seconds: its reader also learns the magnet from it.
constexpr double kFirstRecordAfter = 3;
/// Then a person is told that nobody can find this.
constexpr double kNoDhtAfter = 15;

struct SeedOptions {
  std::vector<std::string> paths;
  std::string folder;
  std::size_t max_peers = 80;
};

struct Seeded {
  SeedSource source;
  std::string magnet;
  GetProgress::Shown shown;
  std::optional<double> serving_at;  // seconds since process start
  std::uint32_t announced = 0;
  std::optional<std::uint32_t> told;  // `announced` of the last `seeding` record
  std::optional<Failure> failure;
  bool over = false;
  ExitCode code = ExitCode::ok;
};

class SeedRun {
 public:
  SeedRun(Context& context, const SeedOptions& options)
      : context_(context), options_(options), progress_(context.out) {}
  ExitCode run();

 private:
  /// false: stopped by a signal.
  bool read_sources(std::vector<ExitCode>& failed);
  std::optional<ExitCode> start();
  void on_event(Seeded& s, const node::SessionEvent& event);
  void on_phase(Seeded& s, magnet::Phase phase);
  void stop_with(Seeded& s, Failure failure);
  void on_stopped(Seeded& s);
  void tell(Seeded& s);
  bool tick();
  void warn_without_dht(double now);
  void end();

  Context& context_;
  const SeedOptions& options_;
  GetProgress progress_;
  node::Runtime runtime_{node::RuntimeConfig{}};
  std::optional<node::Session> session_;
  std::vector<std::unique_ptr<Seeded>> all_;
  bool warned_ = false;
  bool ending_ = false;
};

ExitCode SeedRun::run() {
  std::vector<ExitCode> codes;
  if (!read_sources(codes)) return ExitCode::ok;
  if (all_.empty()) return combined(codes);
  if (const auto failed = start()) return *failed;
  const RunGuard guard(runtime_, context_, [this](StopCause) { end(); });
  for (const auto& s : all_) {
    node::TorrentSpec spec = s->source.spec();
    spec.explicit_peers = context_.global.peers;
    spec.max_peers = options_.max_peers;
    const auto added =
        session_->add_torrent(std::move(spec), [this, s = s.get()](const node::SessionEvent& e) { on_event(*s, e); });
    if (!added) {
      s->failure = failure_of(added.error());
      on_stopped(*s);
    }
  }
  runtime_.every(GetProgress::kTick, [this] { return tick(); });
  runtime_.run();
  session_.reset();
  for (const auto& s : all_) codes.push_back(s->code);
  const ExitCode code = combined(codes);
  return code == ExitCode::ok ? end_of_service(guard.cause(), context_, "seed") : code;
}

bool SeedRun::read_sources(std::vector<ExitCode>& failed) {
  SignalWatch signals;
  for (const std::string& path : options_.paths) {
    auto source = read_seed_source(path, options_.folder, context_, [&signals] { return !signals.caught(); });
    if (signals.caught()) return false;
    if (!source) {
      failed.push_back(context_.fail(source.error()));
      continue;
    }
    const auto same = [&](const auto& s) { return s->source.hash == source->hash; };
    if (std::any_of(all_.begin(), all_.end(), same)) continue;
    auto s = std::make_unique<Seeded>();
    s->magnet = source->magnet.to_uri();
    s->shown.info_hash = source->hash;
    s->shown.view.name = source->info->name;
    s->shown.view.phase = TransferPhase::open;
    s->source = *std::move(source);
    if (!context_.out.json()) {
      context_.out.line(s->magnet);
      context_.out.out().flush();
    }
    all_.push_back(std::move(s));
  }
  return true;
}

std::optional<ExitCode> SeedRun::start() {
  set_up_log(context_);
  auto config = session_config(context_.global, SessionRole::seed);
  if (!config) return context_.fail(config.error());
  config->max_peers = options_.max_peers;
  session_.emplace(runtime_, *std::move(config));
  if (const auto started = session_->start(); !started) return context_.fail(failure_of(started.error()));
  return std::nullopt;
}

void SeedRun::on_event(Seeded& s, const node::SessionEvent& event) {
  if (s.over) return;
  using namespace node::session_event;
  if (const auto* phase = std::get_if<PhaseChanged>(&event)) {
    on_phase(s, phase->phase);
  } else if (const auto* announced = std::get_if<Announced>(&event)) {
    s.announced = announced->stored;
    tell(s);
  } else if (const auto* stalled = std::get_if<Stalled>(&event)) {
    if (stalled->reason != magnet::StallReason::none)
      progress_.stall(s.shown, stalled->code, stalled->detail, stalled->hint);
  } else if (const auto* failed = std::get_if<Failed>(&event)) {
    Failure failure = failure_of(*failed, s.shown.view.name);
    if (failure.code == ExitCode::conflict) failure.next_step = "Name the folder of the content with -o DIR";
    stop_with(s, std::move(failure));
  } else if (std::holds_alternative<Stopped>(event)) {
    on_stopped(s);
  }
}

void SeedRun::on_phase(Seeded& s, magnet::Phase phase) {
  refresh_facts(s.shown.view.facts, *session_, s.source.hash);
  const magnet::TorrentStatus& status = s.shown.view.facts.status;
  if (phase == magnet::Phase::downloading) {
    // Going on would overwrite what differs: that is `get`'s to do, when somebody asks for it.
    return stop_with(s, {ExitCode::storage, s.source.given,
                         fmt::format("only {} of {} on disk are what the torrent says", format_size(status.bytes_done),
                                     format_size(status.bytes_total)),
                         "Complete it with `lodestone get --seed`"});
  }
  if (phase != magnet::Phase::seeding || s.serving_at) return;
  s.serving_at = s.shown.view.facts.now;
  s.shown.view.phase = TransferPhase::seed;
  if (context_.out.progress() == ProgressMode::line) context_.out.note(progress_line(s.shown.view));
  tell(s);
}

void SeedRun::stop_with(Seeded& s, Failure failure) {
  if (s.failure) return;
  s.failure = std::move(failure);
  session_->stop_torrent(s.source.hash);
}

void SeedRun::on_stopped(Seeded& s) {
  if (std::exchange(s.over, true)) return;
  if (s.failure) s.code = context_.fail(*s.failure);
  if (std::all_of(all_.begin(), all_.end(), [](const auto& other) { return other->over; })) end();
}

void SeedRun::tell(Seeded& s) {
  if (!s.serving_at || s.told == s.announced || s.failure) return;
  const double waited = node::seconds_since_process_start() - *s.serving_at;
  if (s.announced == 0 && !s.told && waited < kFirstRecordAfter) return;
  const bool first = s.told.value_or(0) == 0;
  s.told = s.announced;
  if (context_.out.json()) {
    context_.out.record(seeding_record(s.source.hash, s.magnet, s.announced));
  } else if (first && s.announced > 0) {
    context_.out.note(fmt::format("{}: announced to {}; others can find it now", s.shown.view.name,
                                  count_of(s.announced, "DHT node")));
  }
}

bool SeedRun::tick() {
  if (ending_) return false;
  const double now = node::seconds_since_process_start();
  std::vector<GetProgress::Shown> shown;
  for (const auto& s : all_) {
    if (s->over) continue;
    refresh_facts(s->shown.view.facts, *session_, s->source.hash);
    tell(*s);
    // The first record of each torrent is the `seeding` one.
    if (s->told || !context_.out.json()) shown.push_back(s->shown);
  }
  warn_without_dht(now);
  progress_.tick(shown, now);
  return true;
}

void SeedRun::warn_without_dht(double now) {
  if (warned_ || now < kNoDhtAfter || all_.empty() || session_->dht_status().ever_answered()) return;
  const auto serving = std::find_if(all_.begin(), all_.end(), [](const auto& s) { return s->told.has_value(); });
  if (serving == all_.end()) return;
  warned_ = true;
  progress_.stall((*serving)->shown, magnet::code(magnet::StallReason::dht_unreachable), "no DHT node has answered yet",
                  "only peers that know this address can find it");
}

void SeedRun::end() {
  if (std::exchange(ending_, true)) return;
  context_.out.end_status();
  session_->stop([this] { runtime_.stop(); });
}

}  // namespace

void add_seed(CLI::App& app, Context& context) {
  auto options = std::make_shared<SeedOptions>();
  CLI::App* command = app.add_subcommand("seed", "Announces and serves what you have");
  command->add_option("PATH", options->paths, "A file, a folder or a .torrent file")->required();
  command
      ->add_option("-o,--output", options->folder,
                   "Where the content of a .torrent file lies (default: beside it, then here)")
      ->type_name("DIR");
  command->add_option("--max-peers", options->max_peers, "Connections for each torrent")
      ->check(CLI::Range(1, 10'000))
      ->type_name("N");
  on_run(*command, context, [options, &context] { return SeedRun(context, *options).run(); });
}

}  // namespace lodestone::tools
