// SPDX-License-Identifier: Apache-2.0
// `testnet`: a private network in one process, for trying things out: one runtime, a session per node, each on an
// address of its own, all joining through the first; and one session that seeds.
#include <algorithm>
#include <memory>
#include <ostream>
#include <utility>
#include <variant>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "node/session.hpp"
#include "tools/cli/address_range.hpp"
#include "tools/cli/commands.hpp"
#include "tools/cli/context.hpp"
#include "tools/cli/run_guard.hpp"
#include "tools/cli/seed_source.hpp"
#include "tools/cli/session_options.hpp"
#include "tools/cli/shell.hpp"
#include "tools/cli/signal_watch.hpp"
#include "tools/cli/transfer_text.hpp"

namespace lodestone::tools {
namespace {

constexpr wire::Duration kTick = std::chrono::milliseconds(50);
constexpr double kJoinPatience = 10;  // seconds, then the network is taken as it is
constexpr double kAnnouncePatience = 60;
constexpr std::size_t kEnoughContacts = 4;

struct TestnetOptions {
  std::size_t nodes = 16;
  std::string seed;
  std::optional<wire::Address> base;
};

std::expected<wire::Address, std::string> parse_address(std::string_view text) {
  if (auto address = wire::Address::parse(text)) return *address;
  return std::unexpected("'" + std::string(text) + "' is no address");
}

class TestnetRun {
 public:
  TestnetRun(Context& context, const TestnetOptions& options) : context_(context), options_(options) {}
  ExitCode run();

 private:
  enum class Step : std::uint8_t { joining, announcing, ready, ending };

  [[nodiscard]] wire::Address base() const;
  [[nodiscard]] std::optional<Failure> start_nodes();
  [[nodiscard]] std::optional<Failure> start_session(const wire::Address& address, bool seeds);
  [[nodiscard]] std::optional<Failure> start_seed();
  [[nodiscard]] bool joined() const;
  bool tick();
  void on_seed_event(const node::SessionEvent& event);
  void print_ready();
  void fail(Failure failure);
  void end();

  Context& context_;
  const TestnetOptions& options_;
  std::optional<SeedSource> source_;
  node::Runtime runtime_{node::RuntimeConfig{}};
  std::vector<std::unique_ptr<node::Session>> sessions_;
  std::vector<std::string> nodes_;  // "address:port"
  Step step_ = Step::joining;
  double step_since_ = 0;
  bool seeding_ = false;
  std::uint32_t announced_ = 0;
  std::optional<Failure> failure_;
  std::size_t stopping_ = 0;
};

ExitCode TestnetRun::run() {
  set_up_log(context_);
  if (!options_.seed.empty()) {
    SignalWatch signals;
    auto source = read_seed_source(options_.seed, {}, context_, [&signals] { return !signals.caught(); });
    if (signals.caught()) return ExitCode::ok;
    if (!source) return context_.fail(source.error());
    source_ = *std::move(source);
  }
  if (const auto failure = start_nodes()) return context_.fail(*failure);
  step_since_ = node::seconds_since_process_start();
  const RunGuard guard(runtime_, context_, [this](StopCause) { end(); });
  runtime_.every(kTick, [this] { return tick(); });
  runtime_.run();
  sessions_.clear();
  if (failure_) return context_.fail(*failure_);
  return end_of_service(guard.cause(), context_, "testnet");
}

wire::Address TestnetRun::base() const {
  if (options_.base) return *options_.base;
  return context_.global.v6_only ? *wire::Address::parse("::1") : wire::Address::v4(127, 77, 0, 1);
}

std::optional<Failure> TestnetRun::start_nodes() {
  for (std::size_t i = 0; i < options_.nodes; ++i) {
    if (auto failure = start_session(nth_address(base(), i), false)) return failure;
    nodes_.push_back(sessions_.back()->listening().front().text());
  }
  return std::nullopt;
}

std::optional<Failure> TestnetRun::start_session(const wire::Address& address, bool seeds) {
  auto config = session_config(context_.global, SessionRole::testnet);
  if (!config) return config.error();
  config->listen = {{address, std::nullopt}};
  config->v4 = address.is_v4();
  config->v6 = !address.is_v4();
  config->tcp = seeds;
  if (!nodes_.empty()) config->bootstrap = {*magnet::HostPort::parse(nodes_.front())};
  sessions_.push_back(std::make_unique<node::Session>(runtime_, *std::move(config)));
  const auto started = sessions_.back()->start();
  if (started) return std::nullopt;
  Failure failure = failure_of(started.error());
  failure.next_step = "Choose another range with --base-addr";
  return failure;
}

std::optional<Failure> TestnetRun::start_seed() {
  if (auto failure = start_session(nth_address(base(), options_.nodes), true)) return failure;
  const auto added =
      sessions_.back()->add_torrent(source_->spec(), [this](const node::SessionEvent& event) { on_seed_event(event); });
  if (!added) return failure_of(added.error());
  return std::nullopt;
}

bool TestnetRun::joined() const {
  const std::size_t enough = std::min(options_.nodes - 1, kEnoughContacts);
  return std::all_of(sessions_.begin(), sessions_.end(),
                     [enough](const auto& session) { return session->dht_status().table() >= enough; });
}

bool TestnetRun::tick() {
  const double now = node::seconds_since_process_start();
  if (step_ == Step::joining) {
    context_.out.status(fmt::format("{} are getting to know each other", count_of(options_.nodes, "node")));
    if (!joined() && now - step_since_ < kJoinPatience) return true;
    step_since_ = now;
    step_ = Step::announcing;
    if (source_)
      if (auto failure = start_seed()) fail(*std::move(failure));
  }
  if (step_ == Step::announcing) {
    if (!source_ || (seeding_ && announced_ > 0)) {
      step_ = Step::ready;
      print_ready();
    } else if (now - step_since_ > kAnnouncePatience) {
      fail({ExitCode::timeout, options_.seed, "no node of the testnet has stored the announce",
            "Try it with more --nodes"});
    }
  }
  return step_ < Step::ready;
}

void TestnetRun::on_seed_event(const node::SessionEvent& event) {
  using namespace node::session_event;
  if (const auto* phase = std::get_if<PhaseChanged>(&event)) {
    if (phase->phase == magnet::Phase::seeding) seeding_ = true;
    if (phase->phase == magnet::Phase::downloading)
      fail({ExitCode::storage, options_.seed, "not what its torrent says", "Try again while nobody writes to it"});
  } else if (const auto* announced = std::get_if<Announced>(&event)) {
    announced_ = announced->stored;
  } else if (const auto* failed = std::get_if<Failed>(&event)) {
    fail(failure_of(*failed, options_.seed));
  }
}

void TestnetRun::print_ready() {
  const wire::Address next = nth_address(base(), options_.nodes + 1);
  const std::string magnet = source_ ? source_->magnet.to_uri() : "MAGNET";
  const std::string command = shell_line({program_name(), "get", magnet, "--bootstrap", nodes_.front(), "--private-net",
                                          "--listen", next.is_v4() ? next.text() : "[" + next.text() + "]"});
  context_.out.end_status();
  if (context_.out.json()) {
    context_.out.record({{"type", "testnet"},
                         {"bootstrap", nodes_},
                         {"magnet", source_ ? nlohmann::ordered_json(magnet) : nlohmann::ordered_json(nullptr)},
                         {"command", command}});
    return;
  }
  if (source_) context_.out.line(magnet);
  context_.out.line(command);
  context_.out.out().flush();
  context_.out.note(
      fmt::format("{} on {} and up; the network ends with Ctrl-C", count_of(options_.nodes, "node"), nodes_.front()));
}

void TestnetRun::fail(Failure failure) {
  if (step_ == Step::ending) return;
  failure_ = std::move(failure);
  end();
}

void TestnetRun::end() {
  if (std::exchange(step_, Step::ending) == Step::ending) return;
  context_.out.end_status();
  stopping_ = sessions_.size();
  for (const auto& session : sessions_) {
    session->stop([this] {
      if (--stopping_ == 0) runtime_.stop();
    });
  }
}

}  // namespace

void add_testnet(CLI::App& app, Context& context) {
  auto options = std::make_shared<TestnetOptions>();
  CLI::App* command = app.add_subcommand("testnet", "A private network on this machine, for trying things out");
  command->add_option("--nodes", options->nodes, "How many (default 16)")->check(CLI::Range(1, 1'000))->type_name("N");
  command->add_option("--seed", options->seed, "Something that it shall offer")->type_name("PATH");
  command
      ->add_option_function<std::string>(
          "--base-addr",
          [options](const std::string& text) {
            const auto address = parse_address(text);
            if (!address) throw CLI::ValidationError("--base-addr", address.error());
            options->base = *address;
          },
          "First of the addresses (default 127.77.0.1)")
      ->type_name("A");
  on_run(*command, context, [options, &context] { return TestnetRun(context, *options).run(); });
}

}  // namespace lodestone::tools
