// SPDX-License-Identifier: Apache-2.0
#include "node/ops/config_file.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>

#include <fmt/format.h>
#include <toml++/toml.h>

namespace lodestone::node {
namespace {

constexpr std::size_t kMostBytes = 1u << 20;
constexpr std::size_t kDeepest = 8;  // sections within sections; commands have two

unsigned line_of(const toml::node& node) { return static_cast<unsigned>(node.source().begin.line); }

/// A text, or a number as the command line would have it.
std::optional<std::string> scalar(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  return std::nullopt;
}

class Walk {
 public:
  void table(const toml::table& table, std::size_t depth);
  [[nodiscard]] ConfigValues result();

 private:
  void value(std::string_view key, const toml::node& node);
  void list(ConfigValue& value, const toml::array& elements);
  void refuse(const toml::node& node, std::string what) {
    if (!error_) error_ = ConfigError{line_of(node), std::move(what)};
  }

  std::vector<std::string> section_;
  std::vector<ConfigValue> values_;
  std::optional<ConfigError> error_;
};

void Walk::table(const toml::table& table, std::size_t depth) {
  if (depth > kDeepest) return refuse(table, "sections lie too deep within each other");
  for (const auto& [key, node] : table) {
    if (const auto* inner = node.as_table()) {
      section_.emplace_back(key.str());
      // A section without a setting is still a name that somebody may have got wrong.
      values_.push_back({section_, "", ConfigValue::Kind::text, {}, line_of(*inner)});
      this->table(*inner, depth + 1);
      section_.pop_back();
    } else {
      value(key.str(), node);
    }
  }
}

void Walk::value(std::string_view key, const toml::node& node) {
  ConfigValue value{section_, std::string(key), ConfigValue::Kind::text, {}, line_of(node)};
  if (const auto* flag = node.as_boolean()) {
    value.kind = ConfigValue::Kind::boolean;
    value.texts.emplace_back(flag->get() ? "true" : "false");
  } else if (const auto* elements = node.as_array()) {
    value.kind = ConfigValue::Kind::list;
    list(value, *elements);
  } else if (auto text = scalar(node)) {
    value.kind = node.is_number() ? ConfigValue::Kind::number : ConfigValue::Kind::text;
    value.texts.push_back(*std::move(text));
  } else {
    return refuse(node, fmt::format("{} is a date or a time, which nothing asks for", key));
  }
  values_.push_back(std::move(value));
}

void Walk::list(ConfigValue& value, const toml::array& elements) {
  for (const toml::node& element : elements) {
    auto text = scalar(element);
    if (!text) return refuse(element, fmt::format("{} has an element that is neither text nor number", value.key));
    value.texts.push_back(*std::move(text));
  }
}

ConfigValues Walk::result() {
  if (error_) return std::unexpected(*std::move(error_));
  // The library sorts by name; a person reads from the top, and so shall the first complaint.
  std::stable_sort(values_.begin(), values_.end(),
                   [](const ConfigValue& a, const ConfigValue& b) { return a.line < b.line; });
  return std::move(values_);
}

ConfigError config_failure(int code) { return {0, std::generic_category().message(code)}; }

}  // namespace

ConfigValues parse_config(std::string_view text) {
  try {
    const toml::table root = toml::parse(text);
    Walk walk;
    walk.table(root, 0);
    return walk.result();
  } catch (const toml::parse_error& error) {
    return std::unexpected(
        ConfigError{static_cast<unsigned>(error.source().begin.line), "no TOML: " + std::string(error.description())});
  }
}

ConfigValues read_config(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return std::unexpected(config_failure(errno));
  if (S_ISDIR(status.st_mode)) return std::unexpected(config_failure(EISDIR));
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::unexpected(config_failure(errno));
  std::string text(kMostBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return std::unexpected(config_failure(EIO));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMostBytes) return std::unexpected(ConfigError{0, "larger than 1 MiB"});
  return parse_config(text);
}

}  // namespace lodestone::node
