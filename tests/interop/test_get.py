#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Our `get` from real seeders that are found only through a DHT of libtorrent nodes."""
from lab import Content, check, main, multi_file, wait_until


def piece_sizes_from_libtorrent(lab):
    """16 KiB to 4 MiB, multi-file with pad, empty file, non-ASCII path, short last piece."""
    network = lab.lt_network(5)
    for shift in (14, 16, 18, 20, 22):
        content = multi_file(lab.folder(f"seed-{shift}"), 1 << shift, name=f"päckchen {shift}")
        session = lab.lt_seeder(content, network)
        lab.get(content, network[0])
        lab.sessions.remove(session)


def big_metadata_from_libtorrent(lab):
    """An info dict of several 16 KiB metadata pieces."""
    network = lab.lt_network(5)
    content = Content(lab.folder("seed"), "viele", [((f"eine der vielen Dateien {i:04}.bin",), 1000 + i, False) for i in range(3000)], 16384)
    check(len(content.info) > 4 * 16384, "the info dict is too small for this test")
    lab.lt_seeder(content, network)
    lab.get(content, network[0])


def single_file_from_three_seeders(lab):
    network = lab.lt_network(5)
    content = Content(lab.folder("seed"), "datei.bin", 24 * 1024 * 1024 + 11, 256 * 1024)
    for _ in range(3):
        lab.lt_seeder(content, network)
    records = lab.get(content, network[0])
    sources = [r["peers"]["by_source"]["dht"] for r in records if r["type"] == "progress"]
    check(sources and max(sources) >= 1, "no peer came from the DHT")


def over_v6_from_libtorrent(lab):
    network = lab.lt_network(5, family=6)
    content = multi_file(lab.folder("seed6"), 65536)
    lab.lt_seeder(content, network, family=6)
    lab.get(content, network[0], address=lab.host(6))


def from_aria2(lab):
    network = lab.lt_network(5)
    content = multi_file(lab.folder("aria"), 65536).with_pads()
    lab.aria2(lab.host(), network[0], content.root, "--seed-ratio=0", "--check-integrity=true", content.torrent)
    lab.get(content, network[0])


def over_v6_from_aria2(lab):
    network = lab.lt_network(5, family=6)
    content = multi_file(lab.folder("aria6"), 65536).with_pads()
    lab.aria2(lab.host(6), network[0], content.root, "--seed-ratio=0", "--check-integrity=true", content.torrent)
    lab.get(content, network[0], address=lab.host(6))


def running_it_again_fetches_nothing(lab):
    network = lab.lt_network(5)
    content = multi_file(lab.folder("again"), 65536)
    lab.lt_seeder(content, network)
    address, out = lab.host(), lab.folder("again-out")
    lab.get(content, network[0], address=address, out=out)
    state = lab.folder(f"state-{lab.hosts}")
    code, records, err = lab.run("get", content.magnet, "-o", out, "--listen", address, "--bootstrap", network[0],
                                 "--state-dir", state, "--json", "--timeout", "60s")
    check(code == 0, err)
    done = [r for r in records if r["type"] == "done"][0]
    check(done["downloaded"] == 0, f"fetched {done['downloaded']} bytes again")
    content.verify(out)


def metadata_only(lab):
    network = lab.lt_network(5)
    content = multi_file(lab.folder("meta"), 65536)
    lab.lt_seeder(content, network)
    target = lab.folder("meta-out") / "wanted.torrent"
    address = lab.host()
    code, records, err = lab.run("get", content.magnet, f"--metadata-only={target}", "--listen", address, "--bootstrap",
                                 network[0], "--state-dir", lab.folder("meta-state"), "--json", "--timeout", "60s")
    check(code == 0, err)
    check(content.info in target.read_bytes(), "the saved torrent does not hold the info dict byte for byte")
    files = [r for r in records if r["type"] == "metadata"][0]["files"]
    check({f["size"] for f in files if not f.get("pad")} == {len(d) for _, d in content.files}, "wrong file list")


def selection(lab):
    network = lab.lt_network(5)
    content = multi_file(lab.folder("select"), 65536)
    lab.lt_seeder(content, network)
    out, address = lab.folder("select-out"), lab.host()
    code, records, err = lab.run("get", content.magnet, "-s", "*.dat", "-o", out, "--listen", address, "--bootstrap",
                                 network[0], "--state-dir", lab.folder("select-state"), "--json", "--timeout", "60s")
    check(code == 0, err)
    wanted = [(r, d) for r, d in content.files if r.suffix == ".dat"]
    for relative, data in wanted:
        check((out / relative).read_bytes() == data, f"{relative} differs")
    present = [p for p in out.rglob("*") if p.is_file()]
    check(len(present) == len(wanted), f"more than the selection is there: {present}")


if __name__ == "__main__":
    main(__file__, piece_sizes_from_libtorrent, big_metadata_from_libtorrent, single_file_from_three_seeders,
         over_v6_from_libtorrent, from_aria2, over_v6_from_aria2, running_it_again_fetches_nothing, metadata_only,
         selection)
