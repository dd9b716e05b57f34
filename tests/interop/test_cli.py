#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The network commands as people and scripts use them, against each other: testnet, get, seed, node, dht ..."""
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shlex
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from lab import BIN, Content, bencode, check, die_with_parent, main, multi_file, wait_until
from test_node import bdecode


def last_exit(err):
    lines = [line for line in err.splitlines() if line.startswith('{"type":"exit"')]
    check(lines, f"no exit record on stderr: {err[-500:]}")
    return json.loads(lines[-1])


def plain(*args, timeout=60, env=None):
    """A run as a person sees it without a terminal: (exit code, stdout, stderr)."""
    done = subprocess.run([BIN, *map(str, args)], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, **(env or {})))
    return done.returncode, done.stdout, done.stderr


def ended_cleanly(process, how=signal.SIGTERM):
    process.send_signal(how)
    check(process.wait(20) == 0, f"ended with {process.returncode} on {how.name}")


def testnet(lab, *args):
    process = lab.lodestone("testnet", "--json", *args)
    record = lab.first_record(process, "testnet", 60)
    return process, record


def sample(lab, name="muster", piece=16384):
    return multi_file(lab.folder(f"{name}-source"), piece, name=name)


def network(lab, count=3):
    _, first = lab.node(address=lab.host())
    return [first, *[lab.node(first, lab.host())[1] for _ in range(count - 1)]]


def a_testnet_and_the_line_it_prints(lab):
    content = sample(lab)
    process = lab.lodestone("testnet", "--nodes", 8, "--seed", content.root / content.name)
    magnet, command = process.stdout.readline().strip(), process.stdout.readline().strip()
    check(magnet.startswith("magnet:?xt=urn:btih:"), f"first line: {magnet}")
    words = shlex.split(command)
    check(words[1:3] == ["get", magnet] and "--private-net" in words and "--bootstrap" in words, command)
    out, state = lab.folder("pasted"), lab.folder("pasted-state")
    done = subprocess.run(command + f" -o {shlex.quote(str(out))} --state-dir {shlex.quote(str(state))} --timeout 60s", shell=True,
                          capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL)
    check(done.returncode == 0, f"the pasted line ended with {done.returncode}: {done.stderr}")
    check(done.stdout == f"{out}/{content.name}\n", f"stdout is not the path: {done.stdout!r}")
    for relative, data in content.files:
        check((out / relative).read_bytes() == data, f"{relative} differs")
    check("\x1b" not in done.stderr, "ANSI without a terminal")
    ended_cleanly(process, signal.SIGINT)


def json_records_of_a_download(lab):
    content = sample(lab)
    net, record = testnet(lab, "--nodes", 6, "--seed", content.root / content.name)
    check(len(record["bootstrap"]) == 6 and record["magnet"], f"{record}")
    words = shlex.split(record["command"])
    code, out, err = plain(*words[1:], "-o", lab.folder("json-out"), "--state-dir", lab.folder("json-state"), "--json",
                           "--timeout", "60s", timeout=90)
    check(code == 0, err)
    records = [json.loads(line) for line in out.splitlines()]  # every line of stdout is a record
    check(all(r["info_hash"] in record["magnet"] for r in records), "a record without its info_hash")
    kinds = [r["type"] for r in records]
    check(kinds[-1] == "done" and kinds.count("done") == 1 and kinds.count("metadata") == 1, f"{kinds}")
    phases = [r["phase"] for r in records if r["type"] == "phase"]
    check(phases[0] == "dht" and phases[-1] == "done", f"{phases}")
    order = ["dht", "lookup", "metadata", "open", "download", "seed", "done"]
    check(phases == sorted(phases, key=order.index) and len(set(phases)) == len(phases), f"{phases}")
    elapsed = [r["elapsed"] for r in records if r["type"] == "phase"]
    check(elapsed == sorted(elapsed), f"{elapsed}")
    done = records[-1]
    parts = sum(done[k] for k in ("bootstrap_seconds", "lookup_seconds", "metadata_seconds", "transfer_seconds"))
    check(0 < parts <= done["seconds"] + 0.01, f"{done}")
    check(done["bytes"] == content.size and done["downloaded"] >= content.size and done["verified_pieces"] > 0, f"{done}")
    check(any(r["type"] == "progress" and r["peers"]["by_source"]["dht"] >= 1 for r in records), "no peer from the DHT")
    check("error" not in err, err)
    # Without phases and progress:
    code, out, err = plain(*words[1:], "-o", lab.folder("json-out"), "--state-dir", lab.folder("json-state"), "--json",
                           "--progress", "none", "--timeout", "60s", timeout=90)
    check(code == 0 and {json.loads(line)["type"] for line in out.splitlines()} == {"metadata", "done"}, f"{code} {out} {err}")
    check(json.loads(out.splitlines()[-1])["downloaded"] == 0, "fetched again what was there")
    ended_cleanly(net)


def listing_and_metadata(lab):
    content = sample(lab)
    nodes = network(lab)
    lab.seed(content, nodes[0])
    common = ["--listen", lab.host(), "--bootstrap", nodes[1], "--state-dir", lab.folder("list-state"), "--timeout", "60s"]
    code, out, err = plain("get", content.magnet, "--list", *common)
    check(code == 0, err)
    for relative, data in content.files:
        check(any(line.endswith(str(relative)) for line in out.splitlines()), f"{relative} is not listed:\n{out}")
    check(len(out.splitlines()) == len(content.files), f"a line per file, no pads:\n{out}")
    out_dir = lab.folder("list-out")
    code, out, err = plain("get", content.magnet, "--metadata-only", "-o", out_dir, *common)
    check(code == 0 and out.strip() == str(out_dir / f"{content.name}.torrent"), f"{code} {out} {err}")
    check(content.info in (out_dir / f"{content.name}.torrent").read_bytes(), "the info dict is not there byte for byte")
    check(len(list(out_dir.iterdir())) == 1, "more than the .torrent was written")
    code, _, err = plain("get", content.magnet, "-s", "*.nothing", "-o", lab.folder("nothing-out"), *common)
    check(code == 2 and "matches none" in err, f"{code} {err}")


def dht_commands(lab):
    content = sample(lab)
    nodes = network(lab, 5)
    address = lab.host()
    common = ["--listen", address, "--bootstrap", nodes[0], "--state-dir", lab.folder("dht-state")]
    code, records, err = lab.run("dht", "ping", nodes[2], "--listen", address, "--json", timeout=20)
    check(code == 0, err)
    pong = records[0]
    check(len(records) == 1 and pong["type"] == "pong" and pong["addr"] == nodes[2] and pong["rtt"] > 0, f"{records}")
    check(len(pong["id"]) == 40 and (pong["external"] or "").startswith(address), f"{pong}")
    code, records, err = lab.run("dht", "find-node", pong["id"], nodes[0], "--listen", address, "--json", timeout=20)
    check(code == 0 and records[0]["type"] == "lookup" and records[0]["asked"] == 1, f"{code} {records} {err}")
    code, records, err = lab.run("dht", "find-node", pong["id"], *common, "--wait", "500ms", "--json", timeout=30)
    check(code == 0 and len(records) == 1, f"{code} {records} {err}")
    check(records[0]["closest"][0]["id"] == pong["id"], f"the node itself is not the closest: {records}")
    check(records[0]["bootstrap_seconds"] >= 0.4, f"did not wait: {records}")
    code, records, err = lab.run("dht", "get-peers", content.magnet, *common, "--json", timeout=30)
    check(code == 3 and last_exit(err)["error"] == "not-found", f"{code} {err}")
    check([r["type"] for r in records] == ["lookup"] and records[0]["answered"] >= 1, f"{records}")
    code, records, err = lab.run("dht", "announce", content.torrent, "--port", 4711, *common, "--json", timeout=30)
    check(code == 0 and records[0]["type"] == "announce", f"{code} {records} {err}")
    check(len(records[0]["stored"]) == 5 and set(records[0]["stored"]) == set(nodes), f"{records}")
    code, records, err = lab.run("dht", "get-peers", content.info_hash, *common, "--json", timeout=30)
    check(code == 0, err)
    peers = [r for r in records if r["type"] == "peer"]
    check([p["addr"] for p in peers] == [f"{address}:4711"] and peers[0]["from"] in nodes, f"{records}")
    check(records[-1]["type"] == "lookup" and records[-1]["peers"] == 1 and records[-1]["first_value"] > 0, f"{records}")
    check(records[-1]["target"] == content.info_hash, f"{records}")
    code, out, err = plain("dht", "get-peers", content.info_hash, *common)
    check(code == 0 and out == f"{address}:4711\n", f"{code} {out!r} {err}")
    dht_items(lab, common)
    code, records, err = lab.run("dht", "sample", nodes[1], "--listen", address, "--json", timeout=20)
    check(code == 0 and len(records) == 1, f"{code} {records} {err}")
    check(records[0]["type"] == "samples" and records[0]["addr"] == nodes[1] and records[0]["num"] == 1, f"{records}")
    check(records[0]["samples"] == [content.info_hash] and records[0]["interval"] > 0, f"{records}")
    code, records, err = lab.run("dht", "sample", *common, "--json", timeout=30)
    check(code == 0 and {r["addr"] for r in records} == set(nodes), f"{code} {records} {err}")


def dht_items(lab, common):
    code, records, err = lab.run("dht", "put", "Hello World!", *common, "--json", timeout=30)
    target = "e5f96f6f38320f0f33959cb4d3d656452117aadb"  # BEP 44's third vector
    check(code == 0 and records == [{"type": "put", "target": target, "seq": None, "stored": 5}], f"{code} {records} {err}")
    code, records, err = lab.run("dht", "get", target, *common, "--json", timeout=30)
    check(code == 0 and records[0]["value"] == "Hello World!" and records[0]["from"] == 5, f"{code} {records} {err}")
    code, out, err = plain("dht", "get", target, *common)
    check(code == 0 and out == "Hello World!\n", f"{code} {out!r} {err}")
    code, _, err = lab.run("dht", "get", "ab" * 20, *common, "--json", timeout=30)
    check(code == 3 and last_exit(err)["error"] == "not-found", f"{code} {err}")
    secret = lab.folder("keys") / "key"
    code, key, err = plain("dht", "keygen", secret)
    key = key.strip()
    check(code == 0 and len(key) == 64, f"{code} {key} {err}")
    signed = ["--mutable", "--key", secret, "--salt", "s"]
    for seq, value in ((1, "one"), (2, "two")):
        code, records, err = lab.run("dht", "put", value, *signed, *common, "--json", timeout=30)
        check(code == 0 and records[0]["seq"] == seq and records[0]["stored"] == 5, f"{code} {records} {err}")
    code, records, err = lab.run("dht", "get", key, "--salt", "s", *common, "--json", timeout=30)
    check(code == 0 and records[0]["value"] == "two" and records[0]["seq"] == 2, f"{code} {records} {err}")
    check(records[0]["key"] == key and records[0]["salt"] == "73" and records[0]["from"] == 5, f"{records}")
    code, _, err = lab.run("dht", "put", "three", *signed, "--seq", 3, "--cas", 1, *common, "--json", timeout=30)
    check(code == 9 and last_exit(err)["error"] == "conflict", f"{code} {err}")
    code, _, err = lab.run("dht", "put", "three", *signed, "--seq", 3, "--cas", 2, *common, "--json", timeout=30)
    check(code == 0, f"{code} {err}")


def a_look_at_the_network_beside_a_running_node(lab):
    """trace, table and size in the home directory of a node (D6)."""
    nodes = network(lab, 5)
    state = lab.folder("look-state")
    running = lab.lodestone("node", "--role", "client", "--listen", lab.host(), "--bootstrap", nodes[0], "--state-dir", state,
                            "--json")
    ready = lab.first_record(running, "ready")
    check(ready["role"] == "client", f"{ready}")
    common = ["--listen", lab.host(), "--bootstrap", nodes[0], "--state-dir", state]

    def everybody():
        code, records, err = lab.run("dht", "size", "--lookups", 4, *common, "--json", timeout=30)
        check(code == 0 and [r["type"] for r in records] == ["size"] and records[0]["lookups"] == 4, f"{code} {records} {err}")
        return [records[0][k] for k in ("estimate", "low", "high")] == [6, 6, 6]

    wait_until("a size of 6", 60, everybody)
    code, records, err = lab.run("dht", "trace", "ab" * 20, *common, "--json", timeout=30)
    hops, lookup = records[:-1], records[-1]
    check(code == 0 and lookup["type"] == "lookup" and {h["type"] for h in hops} == {"hop"}, f"{code} {records} {err}")
    check(len(hops) == lookup["asked"] == 6 and lookup["answered"] == 6, f"{records}")
    answered = set()
    for hop in hops:
        check(hop["asked_by"] in answered | {"table", "store", "introducer"}, f"asked before it was named: {records}")
        check(hop["rtt"] > 0 and hop["named"] > 0 and hop["values"] == 0 and not hop["refused"], f"{hop}")
        check(0 <= hop["distance"] < 160 and len(hop["id"]) == 40, f"{hop}")
        answered.add(hop["addr"])
    check(hops[0]["asked_by"] in ("table", "introducer") and hops[0]["sent"] == 0, f"{records}")
    check(lab.run("dht", "announce", "cd" * 20, "--port", 4711, *common, timeout=30)[0] == 0, "announce")
    code, records, err = lab.run("dht", "trace", "cd" * 20, *common, "--json", timeout=30)
    check(code == 0 and records[-1]["peers"] == 1, f"{code} {records} {err}")
    check(sum(hop["values"] for hop in records[:-1]) == 6, f"each of them has stored it: {records}")
    code, out, err = plain("dht", "trace", "ab" * 20, *common)
    check(code == 0 and len(out.splitlines()) == 6 and "named by" in out, f"{code} {out} {err}")
    code, _, err = lab.run("dht", "table", "--state-dir", lab.folder("no-state"), "--json", timeout=20)
    check(code == 3 and last_exit(err)["error"] == "not-found", f"{code} {err}")
    # What it saved at its start or a little later, and nobody saves in its place.
    code, records, err = lab.run("dht", "table", "--state-dir", state, "--json", timeout=20)
    check(code == 0 and records[0]["id"] == ready["ids"][0]["id"] and records[0]["contacts"] <= 5, f"{code} {records} {err}")
    ended_cleanly(running)
    code, records, err = lab.run("dht", "table", "--state-dir", state, "--json", timeout=20)
    check(code == 0 and len(records) == 1, f"{code} {records} {err}")
    table = records[0]
    check(table["type"] == "table" and table["id"] == ready["ids"][0]["id"] and 0 <= table["saved"] < 60, f"{table}")
    contacts = [c for bucket in table["buckets"] for c in bucket["contacts"]]
    check(table["contacts"] == 5 and {c["addr"] for c in contacts} == set(nodes), f"{table}")
    check(all(c["rtt"] > 0 and 0 <= c["age"] < 120 and c["version"] == "LD" and c["good"] for c in contacts), f"{table}")
    code, out, err = plain("dht", "table", "--state-dir", state)
    check(code == 0 and out.startswith(f"IPv4, node {table['id']}, 5 contacts, saved "), f"{code} {out} {err}")
    lines = out.splitlines()
    check(lines[2 + len(table["buckets"])] == "versions: LD 100 %" and len(lines) <= 4 + len(table["buckets"]), out)
    check(table["counters"]["queries_out"] > 0 and table["counters"]["evicted"] == 0 and table["since"], f"{table}")
    code, out, err = plain("dht", "table", "--state-dir", state, "-v")
    check(code == 0 and "counted since " in out and "queries_out" in out, f"{code} {out} {err}")


def a_batch_of_pings_tells_who_is_worth_it(lab):
    nodes = network(lab, 4)
    for node in nodes:  # each has met another one by now
        code, records, err = lab.run("dht", "find-node", "ab" * 20, node, "--listen", lab.host(), "--json", timeout=20)
        check(code == 0 and records[0]["closest"], f"{code} {records} {err}")
    silent, fake = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    for one in (silent, fake):
        one.bind((lab.host(), 0))
    nobody, worthless = ("%s:%d" % one.getsockname() for one in (silent, fake))
    # It answers, but all that it hands out is one node and three times nobody.
    dead = [socket.inet_aton(lab.host()) + bytes([26, 225]) for _ in range(3)]
    host, port = nodes[0].rsplit(":", 1)
    contacts = b"".join(bytes([i] * 20) + at for i, at in enumerate([socket.inet_aton(host) + int(port).to_bytes(2, "big"), *dead]))

    def answer():
        while True:
            packet, where = fake.recvfrom(2048)
            query = bdecode(packet)[0]
            if query[b"y"] == b"q":
                reply = {"id": b"f" * 20} | ({"nodes": contacts} if query[b"q"] == b"find_node" else {})
                fake.sendto(bencode({"r": reply, "t": query[b"t"], "y": "r"}), where)

    threading.Thread(target=answer, daemon=True).start()
    names = [*nodes, nobody, worthless, "name.invalid:1", nodes[0]]
    code, records, err = lab.run("dht", "ping", *names, "--listen", lab.host(), "--json", timeout=40)
    check(code == 10 and last_exit(err)["error"] == "partial", f"{code} {err}")
    pongs = {r["node"]: r for r in records if r["type"] == "pong"}
    check(set(pongs) == {*nodes, worthless} and len(records) == 7, f"{records}")
    for node in nodes:
        one = pongs[node]
        check(one["addr"] == node and one["rtt"] > 0 and one["version"] and len(one["id"]) == 40, f"{one}")
        check(1 <= one["nodes"] == one["nodes_asked"] == one["nodes_answered"], f"{one}")
    one = pongs[worthless]
    check((one["nodes"], one["nodes_asked"], one["nodes_answered"], one["version"]) == (4, 4, 1, None), f"{one}")
    silents = {r["node"]: r for r in records if r["type"] == "silent"}
    check(silents[nobody]["addr"] == nobody and silents[nobody]["reason"] == "no reply", f"{silents}")
    check(silents["name.invalid:1"]["addr"] is None, f"{silents}")
    # From stdin, for people; all answer.
    done = subprocess.run([BIN, "dht", "ping", "-", "--listen", lab.host()], input=f"# routers\n{nodes[0]}\n\n {nodes[1]} # two\n",
                          capture_output=True, text=True, timeout=20)
    check(done.returncode == 0 and len(done.stdout.splitlines()) == 2, f"{done}")
    check(re.search(rf"(?m)^{nodes[1]} is [0-9a-f]{{40}}, [\d.]+ ms, version LD, names (\d+), \1 of \1 answer$", done.stdout), done.stdout)
    code, out, err = plain("dht", "ping", nobody, nobody, "--listen", lab.host())
    check(code == 4 and out == f"{nobody}: no reply\n", f"{code} {out} {err}")
    for given, says in (("", "no node is named"), ("nowhere\n", "'nowhere' is no HOST:PORT")):
        done = subprocess.run([BIN, "dht", "ping", "-"], input=given, capture_output=True, text=True, timeout=20)
        check(done.returncode == 2 and says in done.stderr, f"{done}")


def exit_codes_of_a_silent_network(lab):
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind((lab.host(), 0))
    nobody = "%s:%d" % silent.getsockname()
    address = lab.host()
    code, records, err = lab.run("dht", "ping", nobody, "--listen", address, "--json", timeout=20)
    check(code == 4 and not records and last_exit(err)["error"] == "timeout", f"{code} {err}")
    # --timeout before the query's own end: the same verdict, for whoever is asked alone.
    for command in (["ping", nobody], ["find-node", "ab" * 20, nobody]):
        code, records, err = lab.run("dht", *command, "--listen", address, "--timeout", "1s", "--json", timeout=20)
        check(code == 4 and not records and "no reply" in last_exit(err)["message"], f"{command}: {code} {err}")
    common = ["--listen", address, "--bootstrap", nobody, "--state-dir", lab.folder("silent-state")]
    code, _, err = lab.run("dht", "find-node", "ab" * 20, *common, "--timeout", "2s", "--json", timeout=20)
    check(code == 5 and last_exit(err)["error"] == "network", f"{code} {err}")
    started = time.monotonic()
    code, _, err = lab.run("dht", "get-peers", "ab" * 20, *common, "--json", timeout=30)
    check(code == 5, f"{code} {err}")
    check(14 < time.monotonic() - started < 20, "5 comes after 15 s without any answer")
    # Named peers only: no DHT was needed.
    code, _, err = lab.run("get", "ab" * 20, "--no-dht", "--peer", nobody, "--listen", address, "--state-dir",
                           lab.folder("silent-state"), "-o", lab.folder("silent-out"), "--timeout", "2s", "--json", timeout=20)
    check(code == 4, f"{code} {err}")
    # Nor for a private torrent, which the DHT must not hear of.
    secret = lab.folder("private") / "secret.bin"
    secret.write_bytes(b"x" * 20000)
    torrent = lab.folder("private") / "secret.torrent"
    check(plain("create", secret, "--private", "-o", torrent)[0] == 0, "create --private")
    code, _, err = lab.run("get", torrent, *common, "-o", lab.folder("silent-out"), "--timeout", "1s", "--json", timeout=20)
    check(code == 4, f"{code} {err}")
    silent.close()


def several_targets(lab):
    one, two = sample(lab, "eins"), sample(lab, "zwei", 32768)
    nodes = network(lab)
    lab.seed(one, nodes[0])
    lab.seed(two, nodes[1])
    out = lab.folder("several-out")
    common = ["-o", out, "--listen", lab.host(), "--bootstrap", nodes[2], "--state-dir", lab.folder("several-state"), "--json",
              "--timeout", "60s"]
    code, records, err = lab.run("get", one.magnet, two.torrent, *common)
    check(code == 0, err)
    check({r["info_hash"] for r in records if r["type"] == "done"} == {one.info_hash, two.info_hash}, "not both are done")
    one.verify(out)
    two.verify(out)
    code, records, err = lab.run("get", one.magnet, "magnet:?xt=urn:btih:xyz", *common)
    check(code == 10 and last_exit(err)["error"] == "partial", f"{code} {err}")
    check([r["info_hash"] for r in records if r["type"] == "done"] == [one.info_hash], "the good one was not done")


def seeding_after_the_download(lab):
    content = sample(lab)
    nodes = network(lab)
    lab.seed(content, nodes[0])
    common = ["--listen", lab.host(), "--bootstrap", nodes[2], "--state-dir", lab.folder("after-state"), "--json", "--timeout", "60s"]
    started = time.monotonic()
    code, records, err = lab.run("get", "-o", lab.folder("after-out"), "--seed=time:3s", content.magnet, *common)
    check(code == 0, err)
    check(time.monotonic() - started >= 3, "did not go on seeding")
    kinds = [(r["type"], r.get("phase")) for r in records if r["type"] in ("phase", "done")]
    check(kinds[-3:] == [("done", None), ("phase", "seed"), ("phase", "done")], f"{kinds}")
    # Somebody else fetches from it: that is the ratio, and the end.
    seeding = lab.lodestone("get", "-o", lab.folder("after-out"), "--seed=ratio:0.9", content.magnet, *common)
    lab.first_record(seeding, "done", 60)
    out = lab.folder("after-second")
    port = [line for line in subprocess.run(["ss", "-Htlnp"], capture_output=True, text=True).stdout.splitlines()
            if f"pid={seeding.pid}," in line][0].split()[3]
    code, _, err = lab.run("get", content.magnet, "--no-dht", "--peer", port, "-o", out, "--listen", lab.host(), "--state-dir",
                           lab.folder("after-second-state"), "--timeout", "60s", "--json")
    check(code == 0, err)
    content.verify(out)
    check(seeding.wait(20) == 0, f"ended with {seeding.returncode}")
    # Without a goal: until stopped, which is no failure of a finished download.
    endless = lab.lodestone("get", "-o", lab.folder("after-out"), "--seed", content.magnet, *common)
    lab.first_record(endless, "done", 60)
    ended_cleanly(endless, signal.SIGINT)


def a_path_is_hashed_and_seeded(lab):
    content = Content(lab.folder("hash-source"), "ordner", [(("a", "ä.bin"), 300_000, False), (("b",), 5, False)], 16384)
    nodes = network(lab)
    process = lab.lodestone("seed", content.root / "ordner", "--listen", lab.host(), "--bootstrap", nodes[0], "--state-dir",
                            lab.folder("hash-state"))
    magnet = process.stdout.readline().strip()
    check(magnet.startswith("magnet:?xt=urn:btih:"), magnet)
    out = lab.folder("hash-out")
    code, _, err = lab.run("get", magnet, "-o", out, "--listen", lab.host(), "--bootstrap", nodes[1], "--state-dir",
                           lab.folder("hash-get-state"), "--json", "--timeout", "60s")
    check(code == 0, err)
    content.verify(out)
    ended_cleanly(process)


def content_that_differs_is_not_touched(lab):
    content = Content(lab.folder("edited"), "datei.bin", 200_000, 16384)
    edited = bytearray((content.root / "datei.bin").read_bytes())
    edited[100_000] ^= 1
    (content.root / "datei.bin").write_bytes(edited)
    code, _, err = lab.run("seed", content.torrent, "--listen", lab.host(), "--no-bootstrap", "--state-dir",
                           lab.folder("edited-state"), "--json", timeout=30)
    check(code == 7, f"{code} {err}")
    check((content.root / "datei.bin").read_bytes() == edited, "the file was changed")


def a_seed_alone_still_says_its_magnet(lab):
    content = sample(lab)
    process = lab.lodestone("seed", content.torrent, "--listen", lab.host(), "--no-bootstrap", "--state-dir",
                            lab.folder("alone-state"), "--json")
    record = lab.first_record(process, "seeding", 10)
    check(record["announced"] == 0 and content.info_hash in record["magnet"] and record["info_hash"] == content.info_hash,
          f"{record}")
    lab.first_record(process, "progress", 10)
    ended_cleanly(process)


def second_of_its_kind_is_9(lab):
    content = sample(lab)
    state = lab.folder("twice-state")
    node = lab.lodestone("node", "--listen", lab.host(), "--no-bootstrap", "--state-dir", state, "--json")
    lab.first_record(node, "ready")
    code, out, err = plain("node", "--listen", lab.host(), "--no-bootstrap", "--state-dir", state)
    check(code == 9 and str(node.pid) in err, f"{code} {err}")
    seed = lab.lodestone("seed", content.torrent, "--listen", lab.host(), "--no-bootstrap", "--state-dir", state, "--json")
    lab.first_record(seed, "seeding")
    code, _, err = lab.run("get", content.magnet, "-o", lab.folder("twice-out"), "--listen", lab.host(), "--no-bootstrap",
                           "--state-dir", state, "--json", timeout=20)
    check(code == 9 and str(seed.pid) in last_exit(err)["message"], f"{code} {err}")
    ended_cleanly(seed)
    ended_cleanly(node, signal.SIGINT)


def a_node_keeps_its_identity(lab):
    state, address = lab.folder("id-state"), lab.host()
    ids = []
    for _ in range(2):
        node = lab.lodestone("node", "--listen", address, "--no-bootstrap", "--state-dir", state, "--json")
        ready = lab.first_record(node, "ready")
        ids.append([(one["family"], one["id"]) for one in ready["ids"]])
        check(ready["ids"][0]["addr"] == f"{address}:6881", f"{ready}")
        ended_cleanly(node)
    check(ids[0] == ids[1], f"the identity changed: {ids}")


def on_a_terminal(command, env, seconds=60):
    """Runs it on a pseudo-terminal; returns (exit code, what the terminal saw)."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(BIN, [BIN, *map(str, command)], dict(os.environ, **env))
    seen, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the child has closed it
            break
        if not chunk:
            break
        seen += chunk
    else:
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), seen.decode(errors="replace")


def a_terminal_gets_a_bar_and_colour_unless_it_says_no(lab):
    command = ["get", "ab" * 20, "--listen", lab.host(), "--no-bootstrap", "--state-dir", lab.folder("tty-state"), "-o",
               lab.folder("tty-out"), "--timeout", "1500ms"]
    env = {"TERM": "xterm", "NO_COLOR": "", "COLUMNS": "80"}
    code, seen = on_a_terminal(command, env)
    check(code == 5, f"{code} {seen}")
    check(seen.count("\r\x1b[K") >= 5, f"no bar at 5 Hz: {seen!r}")
    check("\x1b[31merror:" in seen, f"no colour: {seen!r}")
    code, seen = on_a_terminal(command, {**env, "NO_COLOR": "1"})
    check(code == 5 and "\x1b[31m" not in seen, f"colour in spite of NO_COLOR: {seen!r}")
    code, seen = on_a_terminal(command, {**env, "TERM": "dumb"})
    check(code == 5 and "\x1b" not in seen, f"ANSI on a dumb terminal: {seen!r}")


def log_lines_do_not_run_into_the_bar(lab):
    code, seen = on_a_terminal(["get", "ab" * 20, "-v", "--listen", lab.host(), "--no-bootstrap", "--state-dir",
                                lab.folder("log-state"), "-o", lab.folder("log-out"), "--peer", "name.invalid:1", "--bootstrap",
                                "name.invalid:1", "--timeout", "7s"], {"TERM": "xterm", "NO_COLOR": ""})
    check(code == 5, f"{code} {seen}")
    info = [line for line in seen.split("\n") if " info " in line]
    # The name is asked for again after 5 s, with the bar on the screen.
    check(sum("has no address" in line for line in info) >= 2, f"no log line while the bar is shown: {seen!r}")
    for line in info:
        check(re.search(r"(^|\x1b\[K)\d{4}-\d\d-\d\dT[^\x1b]*$", line.rstrip("\r")), f"not on a line of its own: {line!r}")


def ctrl_c_while_nobody_is_found_is_130(lab):
    process = lab.lodestone("get", "ab" * 20, "--listen", lab.host(), "--no-bootstrap", "--state-dir", lab.folder("ctrl-state"),
                            "-o", lab.folder("ctrl-out"), "--json")
    lab.first_record(process, "phase")
    process.send_signal(signal.SIGINT)
    check(process.wait(10) == 130, f"ended with {process.returncode}")
    check(last_exit(process.stderr.read())["error"] == "signal", "no exit record")


def ctrl_c_while_nobody_reads_stdout_is_130(lab):
    reader, writer = os.pipe()
    os.write(writer, b" " * fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096))
    process = subprocess.Popen([BIN, "get", "ab" * 20, "--listen", lab.host(), "--no-bootstrap", "--state-dir",
                                lab.folder("full-state"), "-o", lab.folder("full-out"), "--json"], stdout=writer,
                               stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    lab.children.append(process)
    os.close(writer)
    wait_until("the write that hangs", 10, lambda: hangs_in(process, "pipe_write"))
    process.send_signal(signal.SIGINT)
    check(process.wait(10) == 130, f"ended with {process.returncode}")
    check(last_exit(process.stderr.read())["error"] == "signal", "no exit record")
    os.close(reader)


def the_second_ctrl_c_ends_a_slow_stop(lab):
    """The stop is held up for ever: a pipe without a reader stands where the state is saved."""
    for how, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        state = lab.folder(f"slow-{how.name}")
        process = lab.lodestone("node", "--listen", lab.host(), "--no-bootstrap", "--state-dir", state, "--json")
        lab.first_record(process, "ready")
        pipe = state / f"dht4.{process.pid}.tmp"
        wait_until("the save of the start", 10, lambda: (state / "dht4").exists() and not pipe.exists())
        os.mkfifo(pipe)
        process.send_signal(signal.SIGINT)
        wait_until("the save that hangs", 10, lambda: hangs_in(process, "fifo_open", "wait_for_partner"))
        check(process.poll() is None, f"nothing held it up: ended with {process.returncode}")
        process.send_signal(how)
        check(process.wait(5) == code, f"ended with {process.returncode}, not {code}")


def hangs_in(process, *functions):
    """Whether a thread of it waits in one of those functions of the kernel."""
    check(process.poll() is None, f"ended with {process.returncode}")
    where = []
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ends meanwhile
            where.append((task / "wchan").read_text())
    return any(function in name for name in where for function in functions)


if __name__ == "__main__":
    main(__file__, a_testnet_and_the_line_it_prints, json_records_of_a_download, listing_and_metadata, dht_commands,
         a_look_at_the_network_beside_a_running_node, a_batch_of_pings_tells_who_is_worth_it,
         exit_codes_of_a_silent_network, several_targets, seeding_after_the_download, a_path_is_hashed_and_seeded,
         content_that_differs_is_not_touched, a_seed_alone_still_says_its_magnet, second_of_its_kind_is_9,
         a_node_keeps_its_identity, a_terminal_gets_a_bar_and_colour_unless_it_says_no, log_lines_do_not_run_into_the_bar,
         ctrl_c_while_nobody_is_found_is_130,
         ctrl_c_while_nobody_reads_stdout_is_130, the_second_ctrl_c_ends_a_slow_stop)
