// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/dht_options.hpp"

#include <CLI/CLI.hpp>

#include "dht/item.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/units.hpp"

namespace lodestone::tools {

void add_wait(CLI::App& command, std::optional<wire::Duration>& wait) {
  add_parsed(command, "--wait", wait, parse_duration, "Let the DHT settle for that long first")->type_name("DUR");
}

void add_salt(CLI::App& command, std::string& salt) {
  command.add_option("--salt", salt, "Which of the key's items")
      ->check(CLI::Validator(
          [](const std::string& s) { return s.size() <= dht::kMaxSalt ? "" : "longer than 64 bytes"; }, ""))
      ->type_name("S");
}

std::expected<magnet::HostPort, std::string> parse_dht_node(const std::string& text) {
  if (auto node = magnet::HostPort::parse(text)) return *node;
  return std::unexpected("'" + text + "' is no HOST:PORT");
}

}  // namespace lodestone::tools
