#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Items (BEP 44) and samples (BEP 51) between us and libtorrent, which checks hashes and signatures for itself."""
import subprocess
import time

import libtorrent as lt

from lab import BIN, check, main, wait_until


def ours(lab, entry, *args, expect=0):
    """A `lodestone dht` command in the network of `entry`; its records."""
    code, records, err = lab.run("dht", *args, "--listen", lab.host(), "--bootstrap", entry, "--state-dir",
                                 lab.folder(f"state-{lab.hosts}"), "--json", timeout=40)
    check(code == expect, f"dht {args} ended with {code}, not {expect}: {records} {err[-1500:]}")
    return records


def our_network(lab, count):
    _, first = lab.node(address=lab.host())
    return [first, *[lab.node(first, lab.host())[1] for _ in range(count - 1)]]


def their_network(lab, count):
    """Nodes of libtorrent that know each other."""
    network = lab.lt_network(count)
    wait_until("a network that is meshed", 60, lambda: all(
        len(ours(lab, node, "find-node", "ab" * 20)[-1]["closest"]) >= count for node in network), tick=0.5)
    return network


def guest(lab, network):
    """A libtorrent session that knows the network."""
    session = lab.lt_session(lab.host())
    session.apply_settings({"alert_mask": lt.alert.category_t.dht_notification | lt.alert.category_t.dht_operation_notification})
    for node in network:
        host, port = node.rsplit(":", 1)
        session.add_dht_node((host, int(port)))
    wait_until("libtorrent's DHT", 30, session.is_dht_running)
    return session


def alert_of(session, kind, what, ask, seconds=40):
    """Asks, again every few seconds, until an alert of that kind pleases `what`; that is returned."""
    state = {"asked": 0.0}

    def probe():
        if time.monotonic() - state["asked"] > 4:
            state["asked"] = time.monotonic()
            ask()
        for alert in session.pop_alerts():
            if isinstance(alert, kind):
                value = what(alert)
                if value:
                    return value
        return None

    return wait_until(f"a {kind.__name__}", seconds, probe)


def key_of(lab, name):
    secret = lab.folder("keys") / name
    done = subprocess.run([BIN, "dht", "keygen", str(secret)], capture_output=True, text=True, check=True)
    return secret, done.stdout.strip()


def what_we_put_libtorrent_stores_and_finds(lab):
    network = their_network(lab, 3)
    value = "found in the lab"
    put, = ours(lab, network[0], "put", value)
    check(put["stored"] >= 3, f"{put}")
    target = lt.sha1_hash(bytes.fromhex(put["target"]))
    # Signed: that it is stored says that libtorrent has found the signature good.
    secret, key = key_of(lab, "signed")
    signed = ["--mutable", "--key", secret, "--salt", "lab"]
    for seq, text in ((1, "eins"), (2, "zwei")):
        put, = ours(lab, network[1], "put", text, *signed)
        check(put["seq"] == seq and put["stored"] >= 3, f"{put}")
    got, = ours(lab, network[2], "get", key, "--salt", "lab")
    check(got["value"] == "zwei" and got["seq"] == 2 and got["key"] == key, f"{got}")
    # Their compare-and-swap agrees with ours about what a conflict is.
    ours(lab, network[0], "put", "drei", *signed, "--seq", 3, "--cas", 1, expect=9)
    put, = ours(lab, network[0], "put", "drei", *signed, "--seq", 3, "--cas", 2)
    check(put["stored"] >= 3, f"{put}")
    # Last, because the guest is a node, too.
    session = guest(lab, network)
    # Its Python binding cannot show an item that is a string; its message can.
    alert_of(session, lt.dht_immutable_item_alert, lambda a: a.target == target and value in a.message(),
             lambda: session.dht_get_immutable_item(target))


def what_libtorrent_puts_we_store_and_find(lab):
    network = our_network(lab, 5)
    session = guest(lab, network)
    state = {}

    def ask():
        state["target"] = session.dht_put_immutable_item("from libtorrent")

    alert_of(session, lt.dht_put_alert, lambda a: a.num_success >= 4, ask)
    got, = ours(lab, network[-1], "get", str(state["target"]))
    check(got["value"] == "from libtorrent" and got["from"] >= 4, f"{got}")


def samples_both_ways(lab):
    mixed = our_network(lab, 3)
    session = guest(lab, mixed)
    wanted = "5a" * 20
    ours(lab, mixed[0], "announce", wanted, "--port", 4711)
    target = lt.sha1_hash(bytes.fromhex(wanted))
    address, port = mixed[1].rsplit(":", 1)
    shown = alert_of(session, lt.dht_sample_infohashes_alert, lambda a: [str(s) for s in a.samples],
                     lambda: session.dht_sample_infohashes((address, int(port)), target))
    check(wanted in shown, f"{shown}")
    # And theirs: a node of libtorrent that holds an announce of ours.
    theirs = their_network(lab, 3)
    announced, = ours(lab, theirs[0], "announce", wanted, "--port", 4711)
    check(announced["stored"], f"{announced}")
    records = ours(lab, theirs[0], "sample", announced["stored"][0])
    check(records[0]["type"] == "samples" and wanted in records[0]["samples"] and records[0]["num"] >= 1, f"{records}")


def what_was_put_is_put_again_by_a_node(lab):
    """One network takes an item and is gone; a node with the state directory of who put it brings it to the next."""
    state = lab.folder("kept")
    nodes = [lab.node(address=lab.host())]
    first = nodes[0][1]
    nodes += [lab.node(first, lab.host()) for _ in range(2)]
    secret, key = key_of(lab, "kept")
    puts = {}
    for name, extra in (("kept", []), ("signed", ["--mutable", "--key", secret]), ("once", ["--once"])):
        code, records, err = lab.run("dht", "put", f"the one that is {name}", *extra, "--listen", lab.host(), "--bootstrap", first,
                                     "--state-dir", state, "--json", timeout=40)
        check(code == 0, f"put {name}: {code} {err[-1500:]}")
        puts[name] = records[0]["target"]
    files = sorted(path.name for path in (state / "items").iterdir())
    check(files == sorted([puts["kept"], puts["signed"]]), f"{files}")
    for process, _ in nodes:
        process.kill()
        process.wait()
    second = our_network(lab, 3)
    address = lab.host()
    keeper = lab.lodestone("node", "--listen", f"{address}:6881", "--state-dir", state, "--bootstrap", second[0], "--json")
    lab.first_record(keeper, "ready")
    wait_until("both items", 40, lambda: lab.run("dht", "get", puts["kept"], "--listen", lab.host(), "--bootstrap", second[1],
                                                 "--state-dir", lab.folder("reader"), "--json")[0] == 0)
    got, = ours(lab, second[2], "get", key)
    check(got["value"] == "the one that is signed" and got["from"] >= 2, f"{got}")
    ours(lab, second[1], "get", puts["once"], expect=3)


if __name__ == "__main__":
    main(__file__, what_was_put_is_put_again_by_a_node, what_we_put_libtorrent_stores_and_finds, what_libtorrent_puts_we_store_and_find, samples_both_ways)
