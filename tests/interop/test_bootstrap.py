#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A bootstrap node that nobody knew a moment ago, and real clients that know nothing else."""
import signal
import time

from lab import check, main, multi_file, wait_until
from test_node import Asker


def bootstrap_node(lab, address, *extra):
    process = lab.lodestone("node", "--role", "bootstrap", "--ring-size", 20000, "--listen", f"{address}:6881",
                            "--state-dir", lab.folder("bootstrap"), "--json", "--no-bootstrap", *extra)
    ready = lab.first_record(process, "ready")
    check(ready["role"] == "bootstrap", f"{ready}")
    return process, ready["ids"][0]["addr"]


def clients_that_know_only_a_fresh_bootstrap_node_find_each_other(lab):
    content = multi_file(lab.folder("content"), 32768)
    _, entry = bootstrap_node(lab, lab.host())
    started = time.monotonic()
    seeder = lab.lt_session(lab.host(), bootstrap=entry)
    seeding = lab.lt_add(seeder, content, seed=True)
    others = []
    for i in range(19):
        session = lab.lt_session(lab.host(), bootstrap=entry)
        others.append((session, lab.lt_add(session, content, lab.folder(f"lt-{i}"))))
    ours = []
    for i in range(3):
        ours.append(lab.lodestone("get", content.magnet, "-o", lab.folder(f"ours-{i}"), "--listen", lab.host(),
                                  "--bootstrap", entry, "--state-dir", lab.folder(f"state-{i}"), "--json"))

    def all_done():
        # Whoever comes before the announce looks again only after minutes: a client's own affair.
        for _, handle in [(seeder, seeding), *others]:
            handle.force_dht_announce()
        return all(handle.status().is_finished for _, handle in others) and all(p.poll() is not None for p in ours)

    wait_until("everybody to have it", 60, all_done, tick=2)
    for process in ours:
        check(process.returncode == 0, f"get ended with {process.returncode}: {process.stderr.read()[-2000:]}")
    print(f"     everybody had it after {time.monotonic() - started:.1f} s", flush=True)


def the_ring_survives_a_restart(lab):
    address = lab.host()
    process, entry = bootstrap_node(lab, address)
    nodes = [lab.node(entry)[1] for _ in range(20)]
    asker = Asker(lab, entry)
    wait_until("a ring", 30, lambda: len(asker.table()) >= len(nodes), tick=1)
    process.send_signal(signal.SIGTERM)
    check(process.wait(20) == 0, "it did not end cleanly")
    ring = lab.folder("bootstrap") / "ring4"
    check(ring.stat().st_size >= 20 * 26, f"{ring.stat().st_size} bytes saved")
    started = time.monotonic()
    process, entry = bootstrap_node(lab, address)

    def answer():
        reply = asker.find_node(asker.id)
        return reply if reply and len(reply[1]) == 16 else None

    wait_until("an answer with sixteen nodes", 20, answer, tick=0)
    print(f"     answered {(time.monotonic() - started) * 1000:.0f} ms after the start", flush=True)


if __name__ == "__main__":
    main(__file__, clients_that_know_only_a_fresh_bootstrap_node_find_each_other, the_ring_survives_a_restart)
