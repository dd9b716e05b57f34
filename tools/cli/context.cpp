// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/context.hpp"

#include <utility>

#include <CLI/CLI.hpp>

#include "magnet/text.hpp"

namespace lodestone::tools {

std::string Failure::text() const {
  std::string text = subject.empty() ? cause : subject + ": " + cause;
  text += '.';
  if (!next_step.empty()) text += " " + next_step + ".";
  return magnet::printable(text);
}

ExitCode Context::fail(const Failure& failure) {
  out.error(failure.text());
  failures_.push_back(failure);
  return failure.code;
}

ExitCode Context::fail(ExitCode code, std::string subject, std::string cause, std::string next_step) {
  return fail(Failure{code, std::move(subject), std::move(cause), std::move(next_step)});
}

void on_run(CLI::App& command, Context& context, std::function<ExitCode()> action) {
  command.callback([&context, action = std::move(action)] { context.action = action; });
}

}  // namespace lodestone::tools
