#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A node that runs for long: what a kill -9 costs it."""
import os
import random
import signal
import socket
import time

from lab import bencode, check, main, wait_until


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

    def find_node(self, target):
        """Its reply, or None: its id, and the compact contacts."""
        transaction = self.random.randbytes(4)
        query = {"a": {"id": self.id, "target": target}, "q": "find_node", "ro": 1, "t": transaction, "y": "q"}
        self.socket.sendto(bencode(query), self.node)
        try:
            while True:
                message = bdecode(self.socket.recv(4096))[0]
                if message.get(b"t") == transaction and b"r" in message:
                    nodes = message[b"r"].get(b"nodes", b"")
                    return message[b"r"][b"id"], {nodes[i:i + 26] for i in range(0, len(nodes), 26)}
        except (TimeoutError, ConnectionRefusedError):
            return None

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


if __name__ == "__main__":
    main(__file__, after_kill_9_it_is_the_same_and_answers_at_once)
