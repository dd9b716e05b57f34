#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/quickstart with the program that is already built: from any folder, without a terminal, twice, nothing left."""
import os
import subprocess
from pathlib import Path

from lab import BIN, check, main

SCRIPT = Path(__file__).resolve().parents[2] / "tools/quickstart"


def run(lab, name, *args, timeout=120):
    temp, cwd, home = lab.folder(f"{name}-tmp"), lab.folder(f"{name}-cwd"), lab.folder(f"{name}-home")
    env = dict(os.environ, LODESTONE_BIN=BIN, TMPDIR=str(temp), HOME=str(home))
    env.pop("XDG_STATE_HOME", None)
    done = subprocess.run([SCRIPT, *args], cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL)
    return done, temp, cwd, home


def processes_of(folder):
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if str(folder).encode() in (entry / "cmdline").read_bytes():
                    found.append(entry.name)
            except OSError:
                pass  # it has ended meanwhile
    return found


def without_argument_it_shows_the_whole_thing(lab):
    for name in ("first", "second"):
        done, temp, cwd, home = run(lab, name)
        check(done.returncode == 0, f"ended with {done.returncode}: {done.stdout}{done.stderr}")
        folder = Path(done.stdout.strip())
        check(folder.is_dir() and temp in folder.parents, f"does not say where the files are: {done.stdout!r}")
        check((folder / "Bücher/日本語/読んで.txt").is_file() and (folder / "empty").is_file(), "the sample is not complete")
        check("magnet:?xt=urn:btih:" in done.stderr and "\x1b" not in done.stderr, done.stderr)
        check(not processes_of(temp), "the testnet is still running")
        check(len(list(temp.iterdir())) == 1, f"left behind: {list(temp.iterdir())}")
        check(not list(cwd.iterdir()) and not list(home.iterdir()), "wrote where nobody asked it to")


def with_an_argument_it_is_get(lab):
    done, _, _, _ = run(lab, "bad", "magnet:?xt=urn:btih:xyz")
    check(done.returncode == 11, f"ended with {done.returncode}: {done.stderr}")


if __name__ == "__main__":
    main(__file__, without_argument_it_shows_the_whole_thing, with_an_argument_it_is_get)
