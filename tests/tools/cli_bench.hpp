// SPDX-License-Identifier: Apache-2.0
// The command line in-process: string streams for the terminal, a directory of its own, no environment.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <stdlib.h>

#include "tools/cli/app.hpp"
#include "tools/cli/environment.hpp"

namespace lodestone::tools {

struct Ran {
  int code = 0;
  std::string out, err;
};

inline Ran run_cli(const std::vector<std::string>& args, const std::string& input = "",
                   const Environment& environment = {}) {
  std::vector<const char*> words;
  for (const std::string& arg : args) words.push_back(arg.c_str());
  std::ostringstream out, err;
  std::istringstream in(input);
  Ran ran;
  ran.code = run(words, out, err, in, environment);
  ran.out = out.str();
  ran.err = err.str();
  return ran;
}

inline std::string last_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "lodestone-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, const std::string& content) const {
    const auto path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }
  [[nodiscard]] static std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }

 private:
  std::filesystem::path path_;
};

}  // namespace lodestone::tools
