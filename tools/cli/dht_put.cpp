// SPDX-License-Identifier: Apache-2.0
// `dht put VALUE|-`: stores a string in the DHT (BEP 44); with --mutable signed, so that it can be replaced. Without
// --seq the number is one above the highest that is out there, for which it is read first.
#include <istream>
#include <iterator>
#include <memory>
#include <variant>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "node/ops/kept_items.hpp"
#include "node/ops/state_dir.hpp"
#include "tools/cli/dht_lookup.hpp"
#include "tools/cli/dht_options.hpp"
#include "tools/cli/dht_records.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/signing_key.hpp"
#include "tools/cli/target.hpp"
#include "tools/cli/transfer_text.hpp"

namespace lodestone::tools {
namespace {

struct PutOptions {
  std::string value;
  bool is_mutable = false;
  std::string key_file;
  std::string salt;
  std::optional<std::int64_t> seq;
  std::optional<std::int64_t> cas;
  std::optional<wire::Duration> wait;
  bool once = false;
};

/// The value as bencode: a byte string.
std::expected<wire::ByteVector, Failure> read_value(const PutOptions& options, Context& context) {
  wire::ByteVector text(options.value.begin(), options.value.end());
  if (options.value == "-") {
    auto input = read_input("-", context, true, dht::kMaxValue);
    if (!input) return std::unexpected(input.error());
    text = *std::move(input);
  }
  wire::ByteVector bencoded;
  wire::bencode::Writer(bencoded).string(wire::Bytes{text});
  if (bencoded.size() > dht::kMaxValue)
    return std::unexpected(
        Failure{ExitCode::usage, "dht put", "the value is too long: 1,000 bytes of bencode is all", ""});
  return bencoded;
}

class Put {
 public:
  Put(const PutOptions& options, Context& context, wire::ByteVector value, std::optional<dht::SigningKey> key)
      : options_(options), context_(context), value_(std::move(value)), key_(std::move(key)) {}

  ExitCode run() {
    if (!key_) {
      item_.value = value_;
      return put();
    }
    if (!options_.seq) {
      const ExitCode read = read_highest();
      if (read != ExitCode::ok) return read;
    }
    item_ = key_->sign(value_, salt(), options_.seq ? *options_.seq : highest_.value_or(0) + 1);
    return put();
  }

 private:
  [[nodiscard]] wire::Bytes salt() const { return wire::as_bytes(options_.salt); }

  ExitCode read_highest() {
    DhtRun run(context_, "dht put");
    DhtLookup::Handlers handlers;
    handlers.begin = [&](node::Session& session) {
      return session.dht_get_item(dht::mutable_target(key_->public_key(), salt()), salt());
    };
    handlers.on_event = [&](const dht::Event& event) {
      const auto* done = std::get_if<dht::event::ItemDone>(&event);
      if (done != nullptr && done->item) highest_ = std::max(highest_.value_or(0), done->item->seq);
    };
    handlers.on_done = [&](const DhtLookup::Result&) { run.finish(ExitCode::ok); };
    return DhtLookup(run, options_.wait, false, std::move(handlers)).run();
  }

  ExitCode put() {
    DhtRun run(context_, "dht put");
    DhtLookup::Handlers handlers;
    handlers.begin = [&](node::Session& session) { return session.dht_put_item(item_, options_.cas); };
    handlers.on_done = [&](const DhtLookup::Result& result) {
      Output& out = context_.out;
      if (out.json()) {
        out.record(put_record(item_, result.stored.size()));
      } else {
        out.line(item_.target().hex());
        out.note(fmt::format("stored by {}, refused by {}", count_of(result.stored.size(), "node"), result.refused));
      }
      if (!result.stored.empty()) {
        keep();
        return run.finish(ExitCode::ok);
      }
      if (result.conflicts > 0)
        return run.fail(ExitCode::conflict, "the nodes have another version", "Read it again, then decide");
      run.fail(ExitCode::error, "no node has stored it", "Try again, or let the DHT settle with --wait 5s");
    };
    return DhtLookup(run, options_.wait, true, std::move(handlers)).run();
  }

  /// So that a `node` puts it again: other nodes forget it after two hours.
  void keep() {
    const GlobalOptions& global = context_.global;
    if (options_.once || global.state_dir.empty()) return;
    const std::string folder = node::StateDir::at(global.state_dir).items(global.private_net);
    if (const auto error = node::save_item(folder, item_)) {
      context_.out.warn(fmt::format("cannot keep it in {}: {}; nobody puts it again", folder, error.message()));
    } else if (!context_.out.json()) {
      context_.out.note(fmt::format("a running `lodestone node` puts it again every hour, as long as {}/{} is there",
                                    folder, item_.target().hex()));
    }
  }

  const PutOptions& options_;
  Context& context_;
  wire::ByteVector value_;
  std::optional<dht::SigningKey> key_;
  std::optional<std::int64_t> highest_;
  dht::Item item_;
};

ExitCode put(const PutOptions& options, Context& context) {
  const bool needs_key = !options.salt.empty() || options.seq || options.cas || !options.key_file.empty();
  if (needs_key && !options.is_mutable)
    return context.fail(ExitCode::usage, "dht put", "--key, --salt, --seq and --cas belong to --mutable");
  if (options.is_mutable && options.key_file.empty())
    return context.fail(ExitCode::usage, "dht put", "--mutable needs --key FILE",
                        "`lodestone dht keygen FILE` makes one");
  auto value = read_value(options, context);
  if (!value) return context.fail(value.error());
  std::optional<dht::SigningKey> key;
  if (options.is_mutable) {
    const auto read = read_signing_key(options.key_file);
    if (!read) return context.fail(read.error());
    key = *read;
  }
  return Put(options, context, *std::move(value), std::move(key)).run();
}

}  // namespace

void add_dht_put(CLI::App& dht, Context& context) {
  auto options = std::make_shared<PutOptions>();
  CLI::App* command = dht.add_subcommand("put", "Stores a string in the DHT");
  command->add_option("VALUE", options->value, "The string; - reads it from stdin")->required();
  command->add_flag("--mutable", options->is_mutable, "Sign it, so that it can be replaced");
  command->add_option("--key", options->key_file, "The key to sign with")->type_name("FILE");
  add_salt(*command, options->salt);
  command->add_option("--seq", options->seq, "The item's number; default: one above the highest there is")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  command->add_option("--cas", options->cas, "Only where the number stored is this one")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  command->add_flag("--once", options->once, "Do not have a running `lodestone node` put it again every hour");
  add_wait(*command, options->wait);
  on_run(*command, context, [options, &context] { return put(*options, context); });
}

}  // namespace lodestone::tools
