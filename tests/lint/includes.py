#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads every source against design.md section 2: who may include whom, and what the pure rooms may not touch.

    includes.py ROOT

Prints one line per violation, `file:line: what`, and leaves with 1 if there was any. Rooms are folders; the longest
matching entry of ROOMS decides. Headers of the system are judged by an allow-list in the pure rooms (a header that
nobody thought of is a question to be asked, not a thing to slip through) and by a short deny-list elsewhere.
"""

import fnmatch
import os
import re
import subprocess
import sys

SPDX = "SPDX-License-Identifier: Apache-2.0"

# Room -> the rooms it may include from (itself is understood). None: everything of ours except tests.
ROOMS = {
    "wire/base": (),
    "wire/peer": ("wire/base",),
    "wire/utp": ("wire/base",),
    "dht": ("wire/base",),
    "storage/plan": ("wire/base",),
    "storage/disk": ("storage/plan", "wire/base"),
    "magnet": ("wire/base", "wire/peer", "storage/plan"),
    "node": ("wire/base", "wire/peer", "wire/utp", "dht", "storage/plan", "storage/disk", "magnet"),
    "tools/sim": ("wire/base", "wire/peer", "wire/utp", "dht", "storage/plan", "storage/disk", "magnet"),
    "tools": None,
    "tests": None,
}

# State machines: no socket, clock, entropy, thread, log.
PURE = ("wire/base", "wire/peer", "wire/utp", "dht", "storage/plan", "magnet")
# Not pure by design.md, but the same seed must give the same bytes there: no clock, entropy or thread either.
DETERMINISTIC = PURE + ("tools/sim",)

PURE_STANDARD = set(
    """algorithm any array bit bitset cassert cctype cerrno charconv chrono cinttypes climits cmath compare concepts
    cstdarg cstddef cstdint cstdlib cstring deque exception expected forward_list functional initializer_list iterator limits
    list map memory memory_resource new numbers numeric optional queue ranges ratio set source_location span stack
    stdexcept string string_view system_error tuple type_traits typeindex typeinfo unordered_map unordered_set utility
    variant vector version assert.h stddef.h stdint.h string.h""".split()
)
PURE_LIBRARIES = {
    "openssl/evp.h": PURE,
    "openssl/bn.h": PURE,
    "sodium.h": PURE,
    "sodium/*.h": PURE,
    "tsl/*.h": PURE,
    "utf8proc.h": ("magnet",),
}
# File of a pure room -> what it alone may include beside these. What several threads read must be atomic, and whoever
# reads it is none the less pure.
PURE_EXCEPTIONS = {"dht/hash_filter.hpp": ("atomic",)}

# Pattern -> rooms that may include it (tests may include anything).
ONLY_IN = {
    "asio.hpp": ("node",),
    "asio/*": ("node",),
    "boost/*": (),
    "spdlog/*": ("node", "tools"),
    "fmt/*": ("node", "tools", "tools/sim"),
    "CLI/*": ("tools",),
    "nlohmann/*": ("node", "tools"),
    "curl/*": ("node",),
    "httplib.h": ("node",),
    "prometheus/*": ("node",),
    "sqlite3.h": ("node", "tools"),
    "toml++/*": ("node",),
    "toml.hpp": ("node",),
    "systemd/*": ("node",),
    "catch2/*": (),
    "benchmark/*": (),
    "sys/socket.h": ("node",),
    "sys/un.h": ("node",),
    "sys/epoll.h": ("node",),
    "sys/timerfd.h": ("node",),
    "sys/eventfd.h": ("node",),
    "sys/random.h": ("node",),
    "netinet/*": ("node",),
    "arpa/inet.h": ("node",),
    "net/if.h": ("node",),
    "ifaddrs.h": ("node",),
    "linux/*": ("node", "storage/disk"),
    "netdb.h": ("node",),
    "poll.h": ("node",),
    "sys/poll.h": ("node",),
}
NOT_DETERMINISTIC = (
    "thread mutex shared_mutex condition_variable future semaphore barrier latch stop_token random ctime iostream fstream "
    "filesystem time.h pthread.h unistd.h fcntl.h sys/*"
).split()

# Costly to compile: only in sources, so that a header does not pass the cost on.
SOURCES_ONLY = ("nlohmann/json.hpp", "toml++/*", "CLI/*", "asio.hpp", "spdlog/*", "openssl/*", "sqlite3.h", "curl/*",
                "httplib.h", "prometheus/*", "catch2/*")

# What no header reveals. Looked for in code, with comments and literals blanked.
TICKLESS = DETERMINISTIC + ("storage/disk",)  # files and threads it has, a clock and entropy it has not
IMPURE_CALLS = (
    (re.compile(r"\b\w*[cC]lock\w*\s*::\s*now\s*\("), "reads a clock"),
    (re.compile(r"\b(?:steady_clock|system_clock|high_resolution_clock|file_clock|utc_clock)\b"), "names a clock that ticks"),
    (re.compile(r"\brandom_device\b|\bgetrandom\s*\(|\bgetentropy\s*\(|\brandombytes_\w+\s*\(|\bRAND_\w*bytes\s*\("),
     "draws entropy"),
    (re.compile(r"(?<![\w.>])(?:std\s*::\s*|::\s*)?(?:rand|srand|getenv)\s*\(\s*(?:\)|[\"\w])"), "reaches for global state"),
    (re.compile(r"(?<![\w.>])(?:std\s*::\s*|::\s*)?(?:clock_gettime|gettimeofday|time)\s*\(\s*(?:nullptr|NULL|0|CLOCK_\w+|&)"),
     "reads a clock"),
)
THREAD_LOCAL = ((re.compile(r"\bthread_local\b"), "has a thread-local variable"),)

TOP_LEVEL = set("CMakeLists.txt node dht wire magnet storage tools tests README.md LICENSE".split())
SOURCE_FOLDERS = ("node", "dht", "wire", "magnet", "storage", "tools", "tests")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def room_of(path):
    best = ""
    for room in ROOMS:
        if path.startswith(room + "/") and len(room) > len(best):
            best = room
    return best


def in_rooms(room, rooms):
    """`tools` in a list does not grant `tools/sim`: a narrower room asks for itself."""
    return room in rooms


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def blank(text):
    """The text with comments and the insides of literals replaced by spaces; line breaks stay."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"([^()\\ ]{0,16})\(.*?\)\1"|"(?:[^"\\\n]|\\.)*"|(?<![0-9a-fA-F])\'(?:[^\'\\\n]|\\.)+\'', re.S
    )
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def strip_comments(text):
    """The text without comments; literals, and with them #include names, stay."""
    pattern = re.compile(r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?\*/', re.S)
    return pattern.sub(lambda m: m.group(1) or re.sub(r"[^\n]", " ", m.group(0)), text)


class Lint:
    def __init__(self, root):
        self.root = root
        self.problems = []
        self.files = 0
        self.includes = 0

    def say(self, path, line, what):
        self.problems.append(f"{path}:{line}: {what}")

    def run(self):
        self.check_top_level()
        for folder in SOURCE_FOLDERS:
            for directory, folders, names in os.walk(os.path.join(self.root, folder)):
                folders[:] = sorted(d for d in folders if d not in ("__pycache__", "data", "corpus"))
                for name in sorted(names):
                    self.check_file(os.path.relpath(os.path.join(directory, name), self.root))
        self.check_file("CMakeLists.txt")
        return self.problems

    def check_top_level(self):
        """What git tracks at the top is a promise; what else lies about in a work tree is not."""
        try:
            listing = subprocess.run(
                ["git", "-C", self.root, "ls-tree", "--name-only", "HEAD"], capture_output=True, text=True, check=True
            ).stdout
        except (OSError, subprocess.CalledProcessError):
            return
        if os.path.exists(os.path.join(self.root, ".git")):
            for name in listing.splitlines():
                if name not in TOP_LEVEL and not name.startswith("."):
                    self.say(name, 1, "does not belong at the top of the repository")

    def check_file(self, path):
        full = os.path.join(self.root, path)
        if not os.path.isfile(full) or os.path.islink(full):
            return
        with open(full, "rb") as stream:
            raw = stream.read()
        name = os.path.basename(path)
        if name.endswith((".cpp", ".hpp", ".h", ".c", ".cc")):
            text = raw.decode("utf-8", "replace")
            self.files += 1
            if text.split("\n", 1)[0] != "// " + SPDX:
                self.say(path, 1, f"the first line must be `// {SPDX}`")
            self.check_source(path, text)
        elif name == "CMakeLists.txt" or name.endswith((".cmake", ".py", ".sh")) or raw.startswith(b"#!"):
            self.files += 1
            lines = raw.decode("utf-8", "replace").split("\n")
            at = 1 if lines[0].startswith("#!") else 0
            if len(lines) <= at or lines[at] != "# " + SPDX:
                self.say(path, at + 1, f"line {at + 1} must be `# {SPDX}`")

    def check_source(self, path, text):
        room = room_of(path)
        header = path.endswith((".hpp", ".h"))
        if not room:
            self.say(path, 1, "lies in no room of design.md")
            return
        if header and "#pragma once" not in text:
            self.say(path, 1, "has no `#pragma once`")
        for number, line in enumerate(strip_comments(text).split("\n"), 1):
            found = INCLUDE.match(line)
            if found:
                self.includes += 1
                self.check_include(path, number, room, header, found.group(1), found.group(2))
        if room in TICKLESS:
            code = blank(text)
            for pattern, what in IMPURE_CALLS + (THREAD_LOCAL if room in DETERMINISTIC else ()):
                for found in pattern.finditer(code):
                    self.say(path, code.count("\n", 0, found.start()) + 1, f"{what}: `{found.group(0).strip()}`")

    def check_include(self, path, number, room, header, quote, name):
        ours = name.split("/", 1)[0] in SOURCE_FOLDERS and "/" in name
        if quote == '"' and not ours:
            self.say(path, number, f'"{name}" is not named from the root of the repository')
            return
        if ours:
            if quote == "<":
                self.say(path, number, f"<{name}> is ours: use quotes")
            if not os.path.isfile(os.path.join(self.root, name)):
                self.say(path, number, f'"{name}" does not exist')
            self.check_room(path, number, room, name)
            return
        if room == "tests":
            return
        for pattern, rooms in ONLY_IN.items():
            if fnmatch.fnmatchcase(name, pattern) and not in_rooms(room, rooms):
                self.say(path, number, f"{room} must not include <{name}>")
                return
        if header and matches(name, SOURCES_ONLY):
            self.say(path, number, f"<{name}> is heavy and belongs into .cpp files only")
        if room in PURE:
            allowed = name in PURE_STANDARD or name in PURE_EXCEPTIONS.get(path, ()) or any(
                fnmatch.fnmatchcase(name, pattern) and room in rooms for pattern, rooms in PURE_LIBRARIES.items()
            )
            if not allowed:
                self.say(path, number, f"<{name}> is not on the allow-list of the pure room {room}")
        elif room in DETERMINISTIC and matches(name, NOT_DETERMINISTIC):
            self.say(path, number, f"{room} must not include <{name}>: the same seed must give the same run")

    def check_room(self, path, number, room, name):
        other = room_of(name)
        if other == room:
            return
        allowed = ROOMS[room]
        if other == "tests" or (allowed is not None and other not in allowed):
            self.say(path, number, f'{room} must not include "{name}" ({other or "no room"})')


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    lint = Lint(os.path.abspath(sys.argv[1]))
    problems = lint.run()
    for problem in problems:
        print(problem)
    print(f"{lint.files} files, {lint.includes} includes, {len(problems)} problems")
    return 1 if problems or lint.files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
