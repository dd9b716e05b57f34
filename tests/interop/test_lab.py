#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The lab itself: a libtorrent seeder is found by libtorrent and by aria2 through a DHT of libtorrent nodes. If this
fails, the other interop tests say nothing about us."""
from lab import check, main, multi_file, wait_until


def libtorrent_to_libtorrent(lab):
    network = lab.lt_network(4)
    content = multi_file(lab.folder("a"), 32768)
    lab.lt_seeder(content, network)
    lab.lt_download(content, network)


def libtorrent_to_aria2(lab):
    network = lab.lt_network(4)
    content = multi_file(lab.folder("b"), 32768, name="b")
    lab.lt_seeder(content, network)
    out = lab.folder("aria2-out")
    process = lab.aria2(lab.host(), network[0], out, "--seed-time=0", content.magnet)
    wait_until("aria2's end", 100, lambda: process.poll() is not None)
    check(process.returncode == 0, process.stdout.read()[-2000:])


if __name__ == "__main__":
    main(__file__, libtorrent_to_libtorrent, libtorrent_to_aria2)
