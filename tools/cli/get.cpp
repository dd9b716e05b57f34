// SPDX-License-Identifier: Apache-2.0
// `get TARGET...`: the options, and what can be answered without a network.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "node/session.hpp"
#include "tools/cli/commands.hpp"
#include "tools/cli/context.hpp"
#include "tools/cli/get_run.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/transfer_records.hpp"

namespace lodestone::tools {
namespace {

/// CLI11 writes `true` where a flag was given without a value.
std::string value_of(const std::string& flag) { return flag == "true" ? "" : flag; }

struct Inputs {
  std::vector<Target> targets;
  std::vector<ExitCode> failed;
};

/// Reads all of them, so that one bad input costs only itself. The same torrent twice is one.
Inputs read_inputs(Context& context, const GetOptions& options) {
  Inputs inputs;
  for (const std::string& text : options.targets) {
    auto target = read_target(text, context);
    if (!target) {
      inputs.failed.push_back(context.fail(target.error()));
      continue;
    }
    if (!target->uri.info_hash) {
      const char* cause = target->uri.info_hash_v2 ? "unsupported: this torrent exists in version 2 only (BEP 52)"
                                                   : "unsupported: it names no torrent, only a public key (BEP 46)";
      inputs.failed.push_back(
          context.fail(ExitCode::error, target->subject, cause, "Ask for a hybrid or version 1 torrent"));
      continue;
    }
    const auto same = [&](const Target& t) { return t.uri.info_hash == target->uri.info_hash; };
    if (std::none_of(inputs.targets.begin(), inputs.targets.end(), same)) inputs.targets.push_back(*std::move(target));
  }
  return inputs;
}

/// --list and --metadata-only of a .torrent file need nobody else.
ExitCode describe_offline(Context& context, const GetOptions& options, const Target& target) {
  const wire::InfoHash& hash = *target.uri.info_hash;
  if (options.list) {
    print_listing(context, hash, *target.info);
    return ExitCode::ok;
  }
  if (context.out.json()) context.out.record(metadata_record(hash, *target.info));
  const wire::ByteVector& raw = target.torrent->raw_info;
  const auto written = write_metadata(options, *target.info, raw, target.uri);
  if (!written) return context.fail(written.error());
  if (context.out.json()) {
    const double now = node::seconds_since_process_start();
    context.out.record(done_record(hash, {.path = *written, .bytes = raw.size(), .seconds = now}));
  } else {
    context.out.line(*written);
  }
  return ExitCode::ok;
}

/// A file where the folder shall be is in the way of every torrent: told before anything is asked for.
bool is_no_folder(const std::string& path) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  return std::filesystem::exists(status) && !std::filesystem::is_directory(status);
}

ExitCode get(Context& context, const GetOptions& options) {
  if (options.targets.size() > 1 && !options.metadata_file.empty())
    return context.fail(ExitCode::usage, "--metadata-only=" + options.metadata_file,
                        "one file cannot hold several torrents", "Leave the name out, or ask for one");
  if (!options.folder.empty() && is_no_folder(options.folder))
    return context.fail(ExitCode::storage, options.folder, "not a folder", "Choose another one with -o");
  Inputs inputs = read_inputs(context, options);
  std::vector<ExitCode> codes = std::move(inputs.failed);
  std::vector<Target> downloads;
  for (Target& target : inputs.targets) {
    if (target.info && (options.list || options.metadata_only)) {
      codes.push_back(describe_offline(context, options, target));
    } else {
      downloads.push_back(std::move(target));
    }
  }
  if (!downloads.empty()) {
    const std::vector<ExitCode> outcomes = run_downloads(context, options, std::move(downloads));
    codes.insert(codes.end(), outcomes.begin(), outcomes.end());
  }
  return combined(codes);
}

}  // namespace

void add_get(CLI::App& app, Context& context) {
  auto options = std::make_shared<GetOptions>();
  GetOptions& o = *options;
  CLI::App* command = app.add_subcommand("get", "Downloads, verifies, exits when done");
  command->add_option("TARGET", o.targets, "Magnet link, info-hash or .torrent file")->required();
  command->add_option("-o,--output", o.folder, "Where to put it (default: here)")->type_name("DIR");
  command
      ->add_option("-s,--select", o.select, "Only these files (repeatable; !GLOB excludes; INDEX as --list shows it)")
      ->type_name("GLOB|INDEX")
      ->allow_extra_args(false);
  CLI::Option* list = command->add_flag("--list", o.list, "Print indices, sizes and names, then exit");
  command->add_flag("--sequential", o.sequential, "Fetch the pieces in order");
  command->add_flag("--force", o.force, "Overwrite files that hold something else");
  command->add_flag("--no-dht", o.no_dht, "Only peers that are named (--peer, x.pe)");
  command->add_flag("--no-pex", o.no_pex, "Do not gossip about peers");
  command->add_option("--max-peers", o.max_peers, "Connections for each torrent")
      ->check(CLI::Range(1, 10'000))
      ->type_name("N");
  // Flags take a value only after '=': they must not swallow the target that follows.
  auto metadata = std::make_shared<std::string>();
  command->add_flag("--metadata-only", *metadata, "Write the .torrent file only (=FILE: there)")->excludes(list);
  auto seed = std::make_shared<std::string>();
  command->add_flag("--seed", *seed, "Serve it afterwards (=ratio:R,time:DUR: until then)")
      ->check([](const std::string& text) {
        const auto goal = parse_seed_goal(value_of(text));
        return goal ? std::string() : goal.error();
      });
  on_run(*command, context, [options, metadata, seed, &context] {
    options->metadata_only = !metadata->empty();
    options->metadata_file = value_of(*metadata);
    if (!seed->empty()) options->seed = parse_seed_goal(value_of(*seed)).value();
    return get(context, *options);
  });
}

}  // namespace lodestone::tools
