#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that each check of tests/lint fails on a planted violation, and passes on the same tree without it.

    selftest.py --cxx g++ --ar ar
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
TOOLS = argparse.Namespace(cxx="c++", ar="ar")

CLEAN = {
    "CMakeLists.txt": "# SPDX-License-Identifier: Apache-2.0\n",
    "wire/base/a.hpp": SPDX + "#pragma once\n#include <cstdint>\n#include <chrono>\n",
    "wire/base/a.cpp": SPDX + '#include "wire/base/a.hpp"\n#include <openssl/evp.h>\n// steady_clock::now() in prose\n',
    "wire/peer/b.hpp": SPDX + '#pragma once\n#include "wire/base/a.hpp"\n',
    "dht/c.cpp": SPDX + '#include "wire/base/a.hpp"\nchar const* s = "std::random_device";\n',
    "storage/plan/d.hpp": SPDX + '#pragma once\n#include "wire/base/a.hpp"\n',
    "storage/disk/e.cpp": SPDX + '#include "storage/plan/d.hpp"\n#include <thread>\n#include <fcntl.h>\n',
    "magnet/swarm/f.cpp": SPDX + '#include "wire/peer/b.hpp"\n#include "storage/plan/d.hpp"\n#include <utf8proc.h>\n',
    "node/net/g.cpp": SPDX + '#include "wire/base/a.hpp"\n#include <asio.hpp>\n#include <sys/socket.h>\n#include <thread>\n',
    "node/h.hpp": SPDX + "#pragma once\n",
    "tools/sim/i.hpp": SPDX + '#pragma once\n#include "wire/base/a.hpp"\n',
    "tools/cli/j.cpp": SPDX + '#include "node/h.hpp"\n#include "tools/sim/i.hpp"\n#include <CLI/CLI.hpp>\n',
    "tools/do": "#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\n",
    "tests/dht/c_test.cpp": SPDX + '#include "node/h.hpp"\n#include <catch2/catch.hpp>\nTEST_CASE("fine, (really) [x]") {}\n',
}

# (file, text to append or a whole new file, words of the complaint)
INCLUDE_VIOLATIONS = [
    ("wire/base/a.cpp", '#include "wire/peer/b.hpp"\n', 'wire/base must not include "wire/peer/b.hpp"'),
    ("dht/c.cpp", '#include "storage/plan/d.hpp"\n', "dht must not include"),
    ("dht/c.cpp", '#include "magnet/swarm/f.hpp"\n', "dht must not include"),
    ("magnet/swarm/f.cpp", '#include "dht/c.hpp"\n', "magnet must not include"),
    ("magnet/swarm/f.cpp", '#include "storage/disk/e.hpp"\n', "magnet must not include"),
    ("storage/plan/d.hpp", '#include "storage/disk/e.hpp"\n', "storage/plan must not include"),
    ("storage/disk/e.cpp", '#include "magnet/swarm/f.hpp"\n', "storage/disk must not include"),
    ("node/net/g.cpp", '#include "tools/sim/i.hpp"\n', "node must not include"),
    ("node/net/g.cpp", '#include "tests/x.hpp"\n', "node must not include"),
    ("tools/sim/i.hpp", '#include "node/h.hpp"\n', "tools/sim must not include"),
    ("tools/cli/j.cpp", '#include "tests/x.hpp"\n', "tools must not include"),
    ("wire/base/a.cpp", '  #  include   "node/h.hpp"\n', "wire/base must not include"),
    ("wire/base/a.cpp", "#include <sys/socket.h>\n", "must not include <sys/socket.h>"),
    ("storage/disk/e.cpp", "#include <netinet/in.h>\n", "must not include <netinet/in.h>"),
    ("tools/cli/j.cpp", "#include <asio.hpp>\n", "must not include <asio.hpp>"),
    ("magnet/swarm/f.cpp", "#include <spdlog/spdlog.h>\n", "must not include <spdlog"),
    ("dht/c.cpp", "#include <fmt/core.h>\n", "must not include <fmt"),
    ("node/net/g.cpp", "#include <CLI/CLI.hpp>\n", "must not include <CLI"),
    ("wire/peer/b.hpp", "#include <utf8proc.h>\n", "allow-list"),
    ("storage/plan/d.hpp", "#include <openssl/rand.h>\n", "allow-list"),
    *(
        ("dht/c.cpp", f"#include <{header}>\n", "allow-list")
        for header in ("thread", "mutex", "random", "iostream", "fstream", "filesystem", "atomic", "sys/types.h", "time.h")
    ),
    ("tools/sim/i.hpp", "#include <thread>\n", "the same seed"),
    ("tools/sim/i.hpp", "#include <random>\n", "the same seed"),
    ("wire/base/a.cpp", "auto t = std::chrono::steady_clock::now();\n", "reads a clock"),
    ("wire/base/a.cpp", "using C = std::chrono::system_clock;\n", "names a clock that ticks"),
    ("dht/c.cpp", "auto t = time(nullptr);\n", "reads a clock"),
    ("dht/c.cpp", "auto r = std::rand();\n", "global state"),
    ("tools/sim/i.hpp", "inline auto t = std::chrono::steady_clock::now();\n", "reads a clock"),
    ("storage/disk/e.cpp", "auto t = std::chrono::steady_clock::now();\n", "reads a clock"),
    ("magnet/swarm/f.cpp", "std::random_device d;\n", "draws entropy"),
    ("magnet/swarm/f.cpp", "void f() { randombytes_buf(nullptr, 0); }\n", "draws entropy"),
    ("magnet/swarm/f.cpp", "thread_local int x;\n", "thread-local"),
    ("wire/base/a.hpp", "#include <openssl/evp.h>\n", "heavy"),
    ("node/h.hpp", "#include <nlohmann/json.hpp>\n", "heavy"),
    ("node/h.hpp", "#include <asio.hpp>\n", "heavy"),
    ("tools/cli/k.hpp", SPDX + "#pragma once\n#include <CLI/CLI.hpp>\n", "heavy"),
    ("wire/base/a.cpp", '#include "a.hpp"\n', "not named from the root"),
    ("wire/base/a.cpp", '#include "wire/base/none.hpp"\n', "does not exist"),
    ("wire/base/a.cpp", "#include <wire/base/a.hpp>\n", "use quotes"),
    ("wire/base/k.hpp", SPDX + "int x;\n", "#pragma once"),
    ("wire/base/k.cpp", "int x;\n", "first line"),
    ("tools/k", "#!/bin/bash\necho\n", "line 2"),
    ("tools/k.py", "print()\n", "line 1"),
    ("dht/CMakeLists.txt", "message()\n", "line 1"),
    ("wire/k.cpp", SPDX, "no room"),
]

CLEAN_ROOM = """
#include <openssl/evp.h>
#include <sodium.h>
#include <cmath>
#include <memory>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>
namespace lodestone {
int base(std::string const& s);
int ROOM(std::string const& s, std::vector<int>& v, double d) {
  std::map<std::string, int> m;
  std::unordered_map<std::string, int> u;
  m[s] = u[s + "x"] = 1;
  v.push_back(static_cast<int>(std::log(d)));
  if (sodium_memcmp(s.data(), s.data(), s.size()) != 0 || v.at(3) == 1) throw std::runtime_error("x" + s);
  std::shared_ptr<EVP_MD_CTX> c(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  return EVP_DigestInit_ex(c.get(), nullptr, nullptr) + CALL;
}
}
"""

# (what to append to the room, a word of the symbol that must be complained about)
SYMBOL_VIOLATIONS = [
    ("#include <chrono>\nlong f() { return std::chrono::steady_clock::now().time_since_epoch().count(); }", "steady_clock::now"),
    ("#include <ctime>\nlong f() { return time(nullptr); }", "time"),
    ("#include <time.h>\nint f(timespec* t) { return clock_gettime(CLOCK_MONOTONIC, t); }", "clock_gettime"),
    ("#include <random>\nunsigned f() { return std::random_device{}(); }", "random_device"),
    ("#include <thread>\nvoid f() { std::thread([] {}).join(); }", "std::thread"),
    ("#include <mutex>\nvoid f(std::mutex& m) { m.lock(); }", "pthread_mutex_lock"),
    ("#include <sys/socket.h>\nint f() { return socket(AF_INET, SOCK_DGRAM, 0); }", "socket"),
    ("#include <unistd.h>\nlong f(int fd, void* p) { return read(fd, p, 1); }", "read"),
    ("#include <cstdio>\nvoid f(int x) { std::printf(\"%d\", x); }", "printf"),
    ("#include <iostream>\nvoid f() { std::cerr << 1; }", "std::cerr"),
    ("#include <fstream>\nvoid f() { std::ifstream s(\"x\"); }", "ifstream"),
    ("#include <cstdlib>\nint f() { return std::rand(); }", "rand"),
    ("#include <cstdlib>\nchar* f() { return std::getenv(\"HOME\"); }", "getenv"),
    ("void f(void* p) { randombytes_buf(p, 8); }", "randombytes_buf"),
    ("void f(unsigned char* p) { crypto_sign_keypair(p, p); }", "crypto_sign_keypair"),
    ("#include <openssl/bn.h>\nvoid f(BIGNUM* b) { BN_rand(b, 8, 0, 0); }", "BN_rand"),
    ("#include <openssl/rand.h>\nvoid f(unsigned char* b) { RAND_bytes(b, 8); }", "RAND_bytes"),
    ("extern thread_local int x; int f() { return x; }", "x"),
]


def write_tree(root, files):
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as stream:
            stream.write(text)


def run_lint(script, *arguments, environment=None):
    result = subprocess.run([sys.executable, os.path.join(HERE, script), *arguments], capture_output=True, text=True, check=False,
                            env=environment)
    return result.returncode, result.stdout + result.stderr


class Includes(unittest.TestCase):
    def lint(self, files):
        with tempfile.TemporaryDirectory() as root:
            write_tree(root, files)
            return run_lint("includes.py", root)

    def test_the_clean_tree_passes(self):
        code, output = self.lint(CLEAN)
        self.assertEqual((code, output.count("\n")), (0, 1), output)

    def test_an_empty_tree_is_no_success(self):
        self.assertEqual(self.lint({"README.md": ""})[0], 1)

    def test_each_planted_violation_is_found(self):
        for path, text, complaint in INCLUDE_VIOLATIONS:
            with self.subTest(path=path, text=text):
                code, output = self.lint({**CLEAN, path: CLEAN.get(path, "") + text})
                self.assertEqual(code, 1, output)
                self.assertTrue(any(line.startswith(path + ":") and complaint in line for line in output.splitlines()), output)

    @unittest.skipUnless(shutil.which("git"), "the check is about what git tracks")
    def test_a_stranger_at_the_top_is_found(self):
        with tempfile.TemporaryDirectory() as root:
            write_tree(root, {**CLEAN, "notes.txt": "x"})
            git = ["git", "-C", root, "-c", "user.name=t", "-c", "user.email=t@example.org"]
            for command in (["init", "-q"], ["add", "."], ["commit", "-q", "--no-verify", "-m", "x"]):
                subprocess.run(git + command, check=True, capture_output=True)
            code, output = run_lint("includes.py", root)
            self.assertEqual(code, 1, output)
            self.assertIn("notes.txt:1: does not belong", output)


@unittest.skipUnless(shutil.which("git"), "the check is about what git tracks")
class Format(unittest.TestCase):
    """Against the repository's own .clang-format, in a repository of two files."""

    GOOD = SPDX + "int twice(int x) { return 2 * x; }\n"
    BAD = SPDX + "int twice( int x ){return 2*x;}\n"

    def lint(self, files, untracked=(), environment=None):
        with tempfile.TemporaryDirectory() as root:
            shutil.copy(os.path.join(HERE, "../../.clang-format"), root)
            write_tree(root, files)
            for command in (["init", "-q"], ["add", "."]):
                subprocess.run(["git", "-C", root, *command], check=True, capture_output=True)
            write_tree(root, dict(untracked))
            return run_lint("format.py", root, environment=environment)

    def test_the_clean_tree_passes(self):
        code, output = self.lint({"wire/a.cpp": self.GOOD, "wire/a.hpp": self.GOOD})
        self.assertEqual((code, output), (0, "2 files, all as .clang-format has it\n"))

    def test_each_kind_of_file_is_looked_at(self):
        for path in ("wire/a.cpp", "tests/x/a.hpp"):
            code, output = self.lint({"wire/b.cpp": self.GOOD, path: self.BAD})
            self.assertEqual(code, 1, output)
            self.assertIn(path + ":2:", output)
            self.assertNotIn("wire/b.cpp", output)

    def test_a_violation_past_the_first_batch_is_found(self):
        code, output = self.lint({**{f"wire/{n}.cpp": self.GOOD for n in range(99)}, "wire/zz.cpp": self.BAD})
        self.assertEqual(code, 1, output)
        self.assertIn("wire/zz.cpp:2:", output)

    def test_what_git_does_not_track_is_not_looked_at(self):
        code, output = self.lint({"wire/a.cpp": self.GOOD}, untracked={"wire/b.cpp": self.BAD})
        self.assertEqual(code, 0, output)

    def test_an_empty_tree_is_no_success(self):
        self.assertEqual(self.lint({"README.md": ""})[0], 1)

    def test_without_clang_format_it_is_no_success(self):
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(shutil.which("git"), os.path.join(folder, "git"))
            code, output = self.lint({"wire/a.cpp": self.GOOD}, environment={"PATH": folder})
            self.assertEqual(code, 1, output)
            self.assertIn("install-deps --test", output)


class Symbols(unittest.TestCase):
    def archive(self, root, room, text):
        source, object_file, archive = (os.path.join(root, room + end) for end in (".cpp", ".o", ".a"))
        with open(source, "w", encoding="utf-8") as stream:
            stream.write(text)
        subprocess.run(
            [TOOLS.cxx, "-std=c++20", "-O2", "-fPIE", "-D_FORTIFY_SOURCE=2", "-fstack-protector-strong", "-c", source, "-o", object_file],
            check=True,
        )
        subprocess.run([TOOLS.ar, "rcs", archive, object_file], check=True, capture_output=True)
        return f"{room}={archive}"

    def test_a_clean_room_passes(self):
        with tempfile.TemporaryDirectory() as root:
            base = self.archive(root, "wire_base", "#include <string>\nnamespace lodestone { int base(std::string const& s) { return s.size() > 3; } }")
            dht = self.archive(root, "dht", CLEAN_ROOM.replace("ROOM", "dht").replace("CALL", "base(s)"))
            code, output = run_lint("symbols.py", base, dht)
            self.assertEqual((code, output.count("\n")), (0, 1), output)

    def test_a_symbol_of_a_forbidden_room_is_found(self):
        with tempfile.TemporaryDirectory() as root:
            magnet = self.archive(root, "magnet", "#include <string>\nnamespace lodestone { int base(std::string const& s) { return s.size() > 3; } }")
            dht = self.archive(root, "dht", CLEAN_ROOM.replace("ROOM", "dht").replace("CALL", "base(s)"))
            code, output = run_lint("symbols.py", magnet, dht)
            self.assertEqual(code, 1, output)
            self.assertIn("dht(dht.o): lodestone::base(", output)

    def test_utf8proc_is_for_magnet_only(self):
        text = "#include <utf8proc.h>\nint f(int c) { return utf8proc_charwidth(c); }"
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(run_lint("symbols.py", self.archive(root, "magnet", text))[0], 0)
            self.assertEqual(run_lint("symbols.py", self.archive(root, "dht", text))[0], 1)

    def test_each_planted_violation_is_found(self):
        with tempfile.TemporaryDirectory() as root:
            for number, (text, symbol) in enumerate(SYMBOL_VIOLATIONS):
                with self.subTest(symbol=symbol):
                    text = "#include <sodium.h>\n" + text
                    code, output = run_lint("symbols.py", self.archive(root, "dht", text))
                    self.assertEqual(code, 1, output)
                    self.assertIn(symbol, output)
                    self.assertIn("dht(dht.o): ", output, number)

    def test_no_archive_is_no_success(self):
        self.assertEqual(run_lint("symbols.py")[0], 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cxx", default="c++")
    parser.add_argument("--ar", default="ar")
    TOOLS = parser.parse_args()
    unittest.main(argv=[sys.argv[0], "--verbose"])
