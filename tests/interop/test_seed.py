#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""libtorrent, aria2 and our own `get` download from *our* seeder, found only through *our* DHT nodes."""
from lab import Content, check, main, multi_file, wait_until


def our_network(lab, count, family=4):
    """`count` nodes of ours that know only the first one."""
    _, first = lab.node(address=lab.host(family))
    rest = [lab.node(first, lab.host(family))[1] for _ in range(count - 1)]
    return [first, *rest]


def to_libtorrent(lab):
    network = our_network(lab, 5)
    for shift in (14, 18, 22):
        content = multi_file(lab.folder(f"seed-{shift}"), 1 << shift, name=f"päckchen {shift}")
        seeder = lab.seed(content, network[0])
        lab.lt_download(content, network)
        seeder.terminate()
        check(seeder.wait(20) == 0, "seed did not end cleanly on TERM")


def to_libtorrent_over_v6(lab):
    network = our_network(lab, 5, family=6)
    content = multi_file(lab.folder("seed6"), 65536)
    lab.seed(content, network[0], address=lab.host(6))
    lab.lt_download(content, network, family=6)


def fetch_with_aria2(lab, content, entry, address):
    out = lab.folder(f"aria-{lab.hosts}")
    process = lab.aria2(address, entry, out, "--seed-time=0", content.magnet)
    wait_until("aria2's end", 150, lambda: process.poll() is not None)
    check(process.returncode == 0, process.stdout.read()[-2000:])
    for relative, data in content.files:
        check((out / relative).read_bytes() == data, f"{relative} differs")


def to_aria2(lab):
    network = our_network(lab, 5)
    content = multi_file(lab.folder("seed-a"), 65536)
    lab.seed(content, network[0])
    fetch_with_aria2(lab, content, network[1], lab.host())


def to_aria2_over_v6(lab):
    network = our_network(lab, 5, family=6)
    content = multi_file(lab.folder("seed-a6"), 65536)
    lab.seed(content, network[0], address=lab.host(6))
    fetch_with_aria2(lab, content, network[1], lab.host(6))


def big_metadata_to_libtorrent(lab):
    network = our_network(lab, 3)
    content = Content(lab.folder("seed-m"), "viele", [((f"eine der vielen Dateien {i:04}.bin",), 1000 + i, False) for i in range(3000)], 16384)
    lab.seed(content, network[0])
    lab.lt_download(content, network)


def networks_of_two_to_five(lab):
    """A network of N nodes in all: N - 2 plain nodes, the seeder and the downloader. With two there is no third party:
    the seeder is the downloader's only bootstrap node."""
    for count in (2, 3, 4, 5):
        content = multi_file(lab.folder(f"tiny-{count}"), 32768, name=f"tiny {count}")
        if count == 2:
            address = lab.host()
            process = lab.lodestone("seed", content.torrent, "-o", content.root, "--listen", f"{address}:6881", "--no-bootstrap",
                                    "--state-dir", lab.folder("tiny-state"), "--json")
            lab.first_record(process, "seeding", 30)
            lab.get(content, f"{address}:6881")
        else:
            network = our_network(lab, count - 2)
            process = lab.seed(content, network[-1])
            lab.get(content, network[0])
        process.terminate()
        process.wait(20)


def one_home_directory(lab):
    """`node`, `seed` and `get` at once in one state directory; a second `node` and a second `get` of the hash conflict."""
    state, address = lab.folder("home"), lab.host()
    node = lab.lodestone("node", "--listen", f"{address}:6881", "--no-bootstrap", "--state-dir", state, "--json")
    entry = lab.first_record(node, "ready")["ids"][0]["addr"]
    code, _, err = lab.run("node", "--listen", f"{address}:6999", "--no-bootstrap", "--state-dir", state, "--json")
    check(code == 9, f"a second node ended with {code}: {err}")
    content = multi_file(lab.folder("home-a"), 32768, name="eins")
    other = multi_file(lab.folder("home-b"), 65536, name="zwei")
    seeder = lab.lodestone("seed", content.torrent, "-o", content.root, "--listen", address, "--bootstrap", entry, "--state-dir", state, "--json")
    wait_until("the announce", 60, lambda: lab.first_record(seeder, "seeding", 60)["announced"] > 0)
    code, _, err = lab.run("get", content.magnet, "-o", lab.folder("home-c"), "--listen", address, "--bootstrap", entry,
                           "--state-dir", state, "--json", "--timeout", "20s")
    check(code == 9, f"get of a hash that is being seeded from the same state directory ended with {code}: {err}")
    lab.seed(other, entry)
    out = lab.folder("home-out")
    code, records, err = lab.run("get", other.magnet, "-o", out, "--listen", address, "--bootstrap", entry, "--state-dir",
                                 state, "--json", "--timeout", "60s")
    check(code == 0, f"get ended with {code}: {err}")
    other.verify(out)
    node.terminate()
    check(node.wait(20) == 0, "node did not end cleanly on TERM")


if __name__ == "__main__":
    main(__file__, to_libtorrent, to_libtorrent_over_v6, to_aria2, to_aria2_over_v6, big_metadata_to_libtorrent,
         networks_of_two_to_five, one_home_directory)
