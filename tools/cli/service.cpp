// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/service.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "node/ops/log.hpp"
#include "node/ops/supervisor.hpp"
#include "tools/cli/session_options.hpp"

namespace lodestone::tools {
namespace {

constexpr wire::Duration kReportEvery = std::chrono::minutes(1);
constexpr std::array<std::string_view, 3> kLoudness = {"log-level", "quiet", "verbose"};
constexpr std::array<std::string_view, 2> kStartingPoints = {"bootstrap", "no-bootstrap"};

bool is_among(std::string_view name, std::span<const std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Service::Service(node::Runtime& runtime, Context& context, std::function<void(const GlobalOptions&)> adopt)
    : runtime_(runtime), context_(context), adopt_(std::move(adopt)), hangups_(runtime, [this] { reload(); }) {}

void Service::ready() {
  node::supervisor::ready();
  const auto silence = node::supervisor::watchdog();
  if (!silence) return;
  // Half of what is allowed, as sd_watchdog_enabled(3) asks. Never before ready(): a start may take its time.
  node::supervisor::alive();
  runtime_.every(*silence / 2, [] {
    node::supervisor::alive();
    return true;
  });
}

void Service::report(std::string_view status) {
  const wire::Instant now = runtime_.now();
  if (next_report_ && now < *next_report_) return;
  next_report_ = now + kReportEvery;
  node::supervisor::status(status);
}

void Service::stopping() { node::supervisor::stopping(); }

void Service::reload() {
  node::supervisor::reloading();
  if (const auto error = node::log::reopen()) {
    node::log::error("{} could not be opened again, the log goes on where it was: {}", context_.global.log_file,
                     error.message());
  }
  if (auto fresh = context_.reread()) {
    apply(*std::move(fresh));
  } else {
    node::log::error("the configuration stays as it was: {}", fresh.error().text());
  }
  next_report_.reset();
  node::supervisor::ready();
}

void Service::apply(Reread&& fresh) {
  bool new_starting_points = false;
  std::string restart;
  for (const std::string& name : changed_settings(context_.settings, fresh.settings)) {
    if (is_among(name, kStartingPoints)) {
      new_starting_points = true;
    } else if (!is_among(name, kLoudness)) {
      restart += (restart.empty() ? "" : ", ") + name;
      // Compared again next time: until the restart it holds what it held.
      if (const auto old = context_.settings.find(name); old != context_.settings.end())
        fresh.settings[name] = old->second;
      else
        fresh.settings.erase(name);
    }
  }
  set_log_level(fresh.global.log_level);
  if (new_starting_points) adopt_(fresh.global);
  context_.settings = std::move(fresh.settings);
  context_.global.log_level = fresh.global.log_level;
  context_.global.bootstrap = std::move(fresh.global.bootstrap);
  context_.global.no_bootstrap = fresh.global.no_bootstrap;
  node::log::info("configuration read again");
  if (!restart.empty()) node::log::warn("needs a restart: {}", restart);
}

std::vector<std::string> changed_settings(const Settings& before, const Settings& after) {
  std::vector<std::string> names;
  for (const auto& [name, texts] : before)
    if (const auto now = after.find(name); now == after.end() || now->second != texts) names.push_back(name);
  for (const auto& [name, texts] : after)
    if (!before.contains(name)) names.push_back(name);
  return names;
}

}  // namespace lodestone::tools
