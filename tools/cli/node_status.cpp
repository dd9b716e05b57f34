// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/node_status.hpp"

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dht/counters.hpp"
#include "node/ops/counts_text.hpp"
#include "node/ops/locks.hpp"
#include "node/ops/state_dir.hpp"
#include "node/ops/status_socket.hpp"
#include "tools/cli/session_options.hpp"
#include "tools/cli/transfer_text.hpp"
#include "tools/cli/units.hpp"

namespace lodestone::tools {
namespace {

using nlohmann::ordered_json;

constexpr const char* kSubject = "node status";

/// The counters that a record names; what a newer node counts beside them is unknown here.
dht::Counters counters_of(const ordered_json& object) {
  dht::Counters counters;
  for (const dht::CounterInfo& info : dht::kCounters)
    counters.*info.value = object.value(std::string(info.name), std::uint64_t{0});
  return counters;
}

std::string text_of(const ordered_json& value) { return value.get<std::string>(); }

void print_node(Output& out, const ordered_json& one, bool verbose) {
  const auto number = [&one](const char* name) { return one.at(name).get<std::size_t>(); };
  const auto& stored = one.at("stored");
  const auto& items = one.at("items");
  const dht::Counters counters = counters_of(one.at("counters"));
  out.line(fmt::format("{} as {}{}", text_of(one.at("addr")), text_of(one.at("id")),
                       one.at("offline").get<bool>() ? ", offline" : ""));
  out.line(one.at("external").is_null() ? "  where others see it nobody has said yet"
                                        : "  others see it at " + text_of(one.at("external")));
  std::string known = count_of(number("table"), "node") + " in the table, " + fmt::format("{} beside", number("store"));
  if (number("ring") != 0 || number("ping_queue") != 0)
    known += fmt::format(", {} in the ring, {} wait to be verified", number("ring"), number("ping_queue"));
  out.line("  " + known);
  out.line(fmt::format("  asked {:.1f} times a second, answers {:.1f}; {} queries and {} replies in all",
                       one.at("queries_per_second").get<double>(), one.at("replies_per_second").get<double>(),
                       counters.queries_in, counters.replies_out));
  out.line(fmt::format(
      "  stores {} of {} ({}), {} ({})", count_of(stored.at("peers").get<std::size_t>(), "peer"),
      count_of(stored.at("hashes").get<std::size_t>(), "torrent"), format_size(stored.at("bytes").get<std::uint64_t>()),
      count_of(items.at("items").get<std::size_t>(), "item"), format_size(items.at("bytes").get<std::uint64_t>())));
  const std::string wrong = node::troubles(counters);
  out.line("  " + (wrong.empty() ? "nothing dropped" : wrong));
  if (!verbose) return;
  for (const std::string& line : node::counter_lines(counters)) out.line("  " + line);
}

void print_status(Output& out, const ordered_json& status, bool verbose) {
  const auto& process = status.at("process");
  out.line(fmt::format("{} {}, process {}, up {}, {}", text_of(status.at("role")), text_of(status.at("version")),
                       status.at("pid").get<long>(), format_duration(status.at("uptime").get<double>()),
                       status.at("ready").get<bool>() ? "ready" : "not ready: " + text_of(status.at("reason"))));
  out.line(fmt::format("{} of memory, {}, {:.1f} s of CPU", format_size(process.at("memory").get<std::uint64_t>()),
                       count_of(process.at("fds").get<std::size_t>(), "descriptor"),
                       process.at("cpu_seconds").get<double>()));
  if (!status.at("metrics").is_null()) out.line("metrics at http://" + text_of(status.at("metrics")) + "/metrics");
  for (const ordered_json& one : status.at("nodes")) print_node(out, one, verbose);
}

ExitCode nobody_there(Context& context, const std::string& state_dir) {
  // A lock that may not be looked at looks like none.
  if (const std::error_code refused = node::why_closed(state_dir))
    return context.fail(ExitCode::daemon, state_dir, refused.message(), "Ask as the user that the node runs as");
  return context.fail(ExitCode::daemon, kSubject, "no node runs with the state directory " + state_dir,
                      "Start one with `lodestone node`, or name its folder with --state-dir");
}

}  // namespace

ExitCode node_status(Context& context) {
  set_up_log(context);
  const std::string& state_dir = context.global.state_dir;
  if (state_dir.empty())
    return context.fail(ExitCode::daemon, kSubject, "there is no home directory to look in",
                        "Name a folder with --state-dir");
  if (!node::is_locked(node::StateDir::at(state_dir).node_lock())) return nobody_there(context, state_dir);
  const auto said = node::ask_node(state_dir, "/status");
  if (!said)
    return context.fail(ExitCode::daemon, kSubject, "the node does not answer: " + said.error(),
                        "It may be starting or stopping; its log says more");
  const ordered_json status = ordered_json::parse(*said, nullptr, false);
  if (status.value("type", "") != "status")
    return context.fail(ExitCode::daemon, kSubject, "the node says something that is no status",
                        "Is it of another version?");
  if (context.out.json()) {
    context.out.record(status);
  } else {
    print_status(context.out, status, context.global.verbose > 0);
  }
  return ExitCode::ok;
}

}  // namespace lodestone::tools
