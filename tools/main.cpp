// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <span>

#include "tools/cli/app.hpp"
#include "tools/cli/environment.hpp"

int main(int argc, char** argv) {
  const std::span<const char* const> args(argv + (argc > 0 ? 1 : 0), static_cast<std::size_t>(argc > 0 ? argc - 1 : 0));
  return lodestone::tools::run(args, std::cout, std::cerr, std::cin, lodestone::tools::Environment::of_process());
}
