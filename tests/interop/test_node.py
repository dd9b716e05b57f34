#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A node that runs for long: what a kill -9 costs it."""
import hashlib
import os
import random
import signal
import socket
import subprocess
import time

from lab import BIN, bencode, check, main, wait_until


def bdecode(data, at=0):
    """(value, where it ends); for what our own nodes send."""
    head = data[at:at + 1]
    if head == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if head in (b"l", b"d"):
        items, at = [], at + 1
        while data[at:at + 1] != b"e":
            item, at = bdecode(data, at)
            items.append(item)
        return (items if head == b"l" else dict(zip(items[::2], items[1::2]))), at + 1
    colon = data.index(b":", at)
    size = int(data[at:colon])
    return data[colon + 1:colon + 1 + size], colon + 1 + size


class Asker:
    """Asks one node for its contacts, like any stranger."""

    def __init__(self, lab, node):
        host, port = node.rsplit(":", 1)
        self.node = (host, int(port))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((lab.host(), 0))
        self.socket.settimeout(0.05)
        self.random = random.Random(5)
        self.id = self.random.randbytes(20)

    def ask(self, method, target):
        """What it replies, or None."""
        transaction = self.random.randbytes(4)
        query = {"a": {"id": self.id, "target": target}, "q": method, "ro": 1, "t": transaction, "y": "q"}
        self.socket.sendto(bencode(query), self.node)
        try:
            while True:
                message = bdecode(self.socket.recv(4096))[0]
                if message.get(b"t") == transaction and b"r" in message:
                    return message[b"r"]
        except (TimeoutError, ConnectionRefusedError):
            return None

    def find_node(self, target):
        """Its reply, or None: its id, and the compact contacts."""
        reply = self.ask("find_node", target)
        if reply is None:
            return None
        nodes = reply.get(b"nodes", b"")
        return reply[b"id"], {nodes[i:i + 26] for i in range(0, len(nodes), 26)}

    def table(self):
        """Whatever it names when it is asked for points all over the key space."""
        contacts = set()
        for _ in range(400):
            reply = self.find_node(self.random.randbytes(20))
            contacts |= reply[1] if reply else set()
        return contacts


def after_kill_9_it_is_the_same_and_answers_at_once(lab):
    testnet = lab.lodestone("testnet", "--json", "--nodes", 60, "--base-addr", "198.18.100.1")
    entry = lab.first_record(testnet, "testnet", 60)["bootstrap"][0]
    address = lab.host()
    process, where = lab.node(entry, address, 6881, "--private-net")
    asker = Asker(lab, where)
    wait_until("a table", 60, lambda: len(asker.table()) >= 40, tick=1)
    # The table is saved after 15 s, then after 30 more: this moment is some seconds behind either.
    time_of_save = lambda: (lab.folder(f"node-{address}-6881") / "dht4.private").stat().st_mtime
    saved = time_of_save()
    wait_until("the next save", 60, lambda: time_of_save() != saved, tick=0.2)
    identity, before = asker.find_node(asker.id)[0], asker.table()
    for round in range(3):
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        started = time.monotonic()
        process = lab.lodestone("node", "--listen", where, "--state-dir", lab.folder(f"node-{address}-6881"), "--json",
                                "--private-net", "--bootstrap", entry)

        def answer():
            reply = asker.find_node(asker.id)
            return reply if reply and len(reply[1]) == 8 else None

        reply = wait_until("an answer with eight nodes", 20, answer, tick=0)
        elapsed = time.monotonic() - started
        print(f"     answered {elapsed * 1000:.0f} ms after the start", flush=True)
        check(reply[0] == identity, "another id")
        check(reply[1] <= before, "nodes that nobody knew before")
        check(elapsed <= 1, f"the first correct answer took {elapsed:.2f} s")
        kept = wait_until("95 % of the table", 10, lambda: [len(asker.table() & before)] if len(asker.table() & before) >= 0.95 * len(before) else None)
        print(f"     {kept[0]} of {len(before)} contacts kept", flush=True)


def after_kill_9_it_has_what_others_put(lab):
    """One node, so that nobody else can have it."""
    address = lab.host()
    state = lab.folder(f"node-{address}-6881")
    process, where = lab.node(address=address)
    asker = Asker(lab, where)
    identity = asker.find_node(asker.id)[0]
    secret = lab.folder("keys") / "kill9"
    key = subprocess.run([BIN, "dht", "keygen", str(secret)], capture_output=True, text=True, check=True).stdout.strip()
    target = hashlib.sha1(bytes.fromhex(key)).digest()

    def client(*args, expect=0):
        code, records, err = lab.run("dht", *args, "--listen", lab.host(), "--bootstrap", where, "--state-dir",
                                     lab.folder(f"state-{lab.hosts}"), "--json", timeout=40)
        check(code == expect, f"dht {args} ended with {code}, not {expect}: {records} {err[-1500:]}")
        return records

    def put(text, *extra):
        record, = client("put", text, "--once", *extra)
        check(record["stored"] == 1, f"{record}")
        started = time.monotonic()
        wait_until(f"{text} on the disk", 30, lambda: text.encode() in stored_file())
        return bytes.fromhex(record["target"]), time.monotonic() - started

    def stored_file():
        path = state / "dht-stored-4"
        return path.read_bytes() if path.exists() else b""

    def kill_and_start():
        nonlocal process
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        started = time.monotonic()
        process = lab.lodestone("node", "--listen", where, "--state-dir", state, "--json", "--no-bootstrap")
        return started

    plain, took = put("what strangers left")
    check(took <= 8, f"it was on the disk only after {took:.1f} s")
    check((state / "dht-stored-4").stat().st_mode & 0o777 == 0o600, "others may read it")
    for seq, text in ((1, "eins"), (2, "zwei")):
        put(text, "--mutable", "--key", secret)
        started = kill_and_start()
        reply = wait_until("the signed item", 20, lambda: (asker.ask("get", target) or {}).get(b"v") and asker.ask("get", target), tick=0)
        elapsed = time.monotonic() - started
        print(f"     seq {seq} answered {elapsed * 1000:.0f} ms after the start", flush=True)
        check(reply[b"id"] == identity, "another id")
        check(reply[b"v"] == text.encode() and reply[b"seq"] == seq, f"{reply}")
        check(elapsed <= 1, f"the item was there only after {elapsed:.2f} s")
        check(asker.ask("get", plain)[b"v"] == b"what strangers left", "the other item is gone")
    got, = client("get", key)  # which checks the signature
    check(got["value"] == "zwei" and got["seq"] == 2, f"{got}")
    # A damaged file costs the items and nothing else, and does not stay.
    (state / "dht-stored-4").write_bytes(stored_file()[:-3])
    kill_and_start()
    wait_until("an answer", 20, lambda: (asker.find_node(asker.id) or [None])[0] == identity, tick=0)
    check(b"v" not in asker.ask("get", plain), "an item from a file that was cut")
    put("and the next")
    check(stored_file()[-1:] == b"e", "the file is not whole again")


if __name__ == "__main__":
    main(__file__, after_kill_9_it_is_the_same_and_answers_at_once, after_kill_9_it_has_what_others_put)
