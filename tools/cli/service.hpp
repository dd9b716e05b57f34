// SPDX-License-Identifier: Apache-2.0
// What makes `node` a service: its supervisor is told how it is, SIGHUP has the configuration read again and the log
// file opened again. What cannot change while it runs is named in the log; after a configuration that is no good
// everything stays as it is. One per runtime, on its network thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/net/hangup_watch.hpp"
#include "node/runtime.hpp"
#include "tools/cli/context.hpp"

namespace lodestone::tools {

class Service {
 public:
  /// From here on SIGHUP reloads instead of killing. `adopt` is given the new global options when what it can change
  /// has changed: the names to start from. The log's level is changed here.
  Service(node::Runtime& runtime, Context& context, std::function<void(const GlobalOptions&)> adopt);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// It serves now.
  void ready();
  /// A line of how it is doing, each second; the supervisor is told at once and then once a minute.
  void report(std::string_view status);
  void stopping();

 private:
  void reload();
  void apply(Reread&& fresh);

  node::Runtime& runtime_;
  Context& context_;
  std::function<void(const GlobalOptions&)> adopt_;
  node::HangupWatch hangups_;
  std::optional<wire::Instant> next_report_;
};

/// Settings that differ between two runs of one command line, by name. Pure.
[[nodiscard]] std::vector<std::string> changed_settings(const Settings& before, const Settings& after);

}  // namespace lodestone::tools
