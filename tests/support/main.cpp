// SPDX-License-Identifier: Apache-2.0
//
// The one main() of all test executables. Beside what Catch2 does it can write the CTest script of its test cases:
//
//   wire_base_tests --write-ctest FILE PREFIX LABEL
//
// (Catch2's own catch_discover_tests passes names through CMake lists, where `[0, 1)` or `;` in a name silently
// swallows the tests after it. Here every name is a bracket argument, and each is checked to select its own test and no
// other.)

#define CATCH_CONFIG_RUNNER
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

namespace {

constexpr int kTimeoutSeconds = 300;

/// The name as a Catch2 test spec that matches it literally.
std::string as_spec(const std::string& name) {
  std::string spec;
  for (const char c : name) {
    if (c == ',' || c == '[' || c == ']' || c == '\\' || c == '"') spec += '\\';
    spec += c;
  }
  return spec;
}

/// A CMake bracket argument: nothing inside is expanded or split.
std::string as_bracket(const std::string& text) { return "[==[" + text + "]==]"; }

/// Whether the spec runs exactly the test of this name.
bool selects_only(const std::string& spec, const std::string& name, const std::vector<Catch::TestCase>& tests,
                  const Catch::IConfig& config) {
  const Catch::TestSpec parsed = Catch::TestSpecParser(Catch::ITagAliasRegistry::get()).parse(spec).testSpec();
  for (const Catch::TestCase& test : tests) {
    if (Catch::matchTest(test, parsed, config) != (test.name == name)) return false;
  }
  return true;
}

int write_ctest(const std::string& executable, const std::string& file, const std::string& prefix,
                const std::string& label) {
  Catch::Session session;
  const Catch::IConfig& config = session.config();
  const std::vector<Catch::TestCase> tests = Catch::getAllTestCasesSorted(config);
  std::string script;
  for (const Catch::TestCase& test : tests) {
    if (test.isHidden()) continue;
    const std::string spec = as_spec(test.name);
    if (test.name.find("]==]") != std::string::npos || !selects_only(spec, test.name, tests, config)) {
      std::fprintf(stderr, "%s: this test name cannot be selected by Catch2, please change it: %s\n",
                   executable.c_str(), test.name.c_str());
      return 1;
    }
    const std::string name = as_bracket(prefix + test.name);
    script += "add_test(" + name + " " + as_bracket(executable) + " " + as_bracket(spec) + " --warn NoTests)\n";
    script += "set_tests_properties(" + name + " PROPERTIES TIMEOUT " + std::to_string(kTimeoutSeconds) + " LABELS " +
              as_bracket(label) + ")\n";
  }
  std::ofstream out(file, std::ios::trunc);
  out << script;
  return out.flush() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 5 && std::string_view(argv[1]) == "--write-ctest") return write_ctest(argv[0], argv[2], argv[3], argv[4]);
  return Catch::Session().run(argc, argv);
}
