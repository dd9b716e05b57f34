// SPDX-License-Identifier: Apache-2.0
// `dht get TARGET|KEY [--salt S]`: an item (BEP 44), by the hash of its value or by the key that signs it.
#include <algorithm>
#include <memory>
#include <variant>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/cli/dht_lookup.hpp"
#include "tools/cli/dht_options.hpp"
#include "tools/cli/dht_records.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/transfer_text.hpp"

namespace lodestone::tools {
namespace {

struct ItemOptions {
  std::string target;
  std::string salt;
  std::optional<wire::Duration> wait;
};

/// 64 hex digits are a public key, 40 are the target itself.
std::optional<wire::Key> target_of(const ItemOptions& options) {
  const auto raw = wire::from_hex(options.target);
  if (!raw) return std::nullopt;
  if (raw->size() == wire::Key::kSize) return wire::Key::from_bytes(*raw);
  dht::PublicKey key;
  if (raw->size() != key.size()) return std::nullopt;
  std::copy(raw->begin(), raw->end(), key.begin());
  return dht::mutable_target(key, wire::as_bytes(options.salt));
}

ExitCode get(const ItemOptions& options, Context& context) {
  const auto target = target_of(options);
  if (!target)
    return context.fail(ExitCode::usage, "dht get " + options.target,
                        "neither a target (40 hex digits) nor a key (64)");
  DhtRun run(context, "dht get " + options.target);
  std::optional<dht::Item> best;
  std::uint32_t copies = 0;
  DhtLookup::Handlers handlers;
  handlers.begin = [&](node::Session& session) { return session.dht_get_item(*target, wire::as_bytes(options.salt)); };
  // Each family's network has its own.
  handlers.on_event = [&](const dht::Event& event) {
    const auto* done = std::get_if<dht::event::ItemDone>(&event);
    if (done == nullptr || !done->item) return;
    const bool newer = !best || done->item->seq > best->seq;
    copies = newer ? done->copies : copies + (done->item->seq == best->seq ? done->copies : 0);
    if (newer) best = done->item;
  };
  handlers.on_done = [&](const DhtLookup::Result&) {
    if (!best) return run.fail(ExitCode::not_found, "no node has it");
    Output& out = context.out;
    if (out.json()) {
      out.record(item_record(*best, copies));
    } else {
      const auto value = value_json(best->value);
      out.line(value.is_string() ? value.get<std::string>() : value.dump());
      std::string note = "from " + count_of(copies, "node");
      if (best->key) note += fmt::format(", number {}", best->seq);
      out.note(note);
    }
    run.finish(ExitCode::ok);
  };
  return DhtLookup(run, options.wait, false, std::move(handlers)).run();
}

}  // namespace

void add_dht_get(CLI::App& dht, Context& context) {
  auto options = std::make_shared<ItemOptions>();
  CLI::App* command = dht.add_subcommand("get", "Reads an item that is stored in the DHT");
  command->add_option("TARGET", options->target, "The item's target, or the public key that signs it")->required();
  add_salt(*command, options->salt);
  add_wait(*command, options->wait);
  on_run(*command, context, [options, &context] { return get(*options, context); });
}

}  // namespace lodestone::tools
