#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds every C++ source that git tracks against .clang-format.

    format.py ROOT

Prints what clang-format-19 objects to and leaves with 1 if there was anything. The version is part of the rule: another
one would format otherwise. A tree that is no checkout (an unpacked archive) is looked at as a whole.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

CLANG_FORMAT = "clang-format-19"
ENDS = (".cpp", ".hpp")
BATCH = 40  # files a process: few enough to keep every core busy to the end


def tracked(root):
    # -c safe.directory: a checkout that belongs to somebody else (a container's mount) is still only read.
    command = ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "--", *("*" + end for end in ENDS)]
    output = subprocess.run(command, capture_output=True, check=True).stdout
    return [os.fsdecode(name) for name in output.split(b"\0") if name]


def lying_about(root):
    for directory, folders, names in os.walk(root):
        folders[:] = [folder for folder in folders if not folder.startswith((".", "build"))]
        for name in names:
            if name.endswith(ENDS):
                yield os.path.relpath(os.path.join(directory, name), root)


def sources(root):
    found = tracked(root) if os.path.exists(os.path.join(root, ".git")) else lying_about(root)
    # What git tracks may be gone from the work tree: that is a change under way, not a badly formatted file.
    return sorted(name for name in found if os.path.isfile(os.path.join(root, name)))


def objections(root, names):
    command = [CLANG_FORMAT, "--dry-run", "--Werror", "--style=file", *names]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    root = os.path.abspath(sys.argv[1])
    names = sources(root)
    batches = [names[at:at + BATCH] for at in range(0, len(names), BATCH)]
    try:
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            results = list(pool.map(lambda batch: objections(root, batch), batches))
    except FileNotFoundError:
        print(f"format.py: there is no {CLANG_FORMAT}; tools/install-deps --test installs it", file=sys.stderr)
        return 1
    bad = any(code != 0 for code, _ in results)
    for _, text in results:
        sys.stdout.write(text)
    if bad:
        print(f"format these with: {CLANG_FORMAT} -i FILE")
    print(f"{len(names)} files, {'not all' if bad else 'all'} as .clang-format has it")
    return 1 if bad or not names else 0


if __name__ == "__main__":
    sys.exit(main())
