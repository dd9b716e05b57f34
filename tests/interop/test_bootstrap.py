#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A bootstrap node that nobody knew a moment ago, and real clients that know nothing else."""
import shutil
import signal
import subprocess
import time

from lab import check, main, multi_file, wait_until
from test_node import Asker


def bootstrap_node(lab, address, *extra):
    listen = f"[{address}]" if ":" in address else address
    process = lab.lodestone("node", "--role", "bootstrap", "--ring-size", 20000, "--listen", f"{listen}:6881",
                            "--state-dir", lab.folder(f"bootstrap-{address}"), "--json", "--no-bootstrap", *extra)
    ready = lab.first_record(process, "ready")
    check(ready["role"] == "bootstrap", f"{ready}")
    return process, ready["ids"][0]["addr"]


def set_mtu(size):
    """Of this script's own loopback."""
    subprocess.run(["ip", "link", "set", "lo", "mtu", str(size)], check=True)


def clients_that_know_only_it_find_each_other(lab, family):
    """20 libtorrent nodes, one of which seeds, 3 aria2 and 3 of ours; within a minute everybody has the content."""
    content = multi_file(lab.folder(f"content{family}"), 32768)
    # Over IPv6 by two threads, of which the second can only be reached by some of the prefixes.
    _, entry = bootstrap_node(lab, lab.host(family), *(["--threads", 2] if family == 6 else []))
    started = time.monotonic()
    seeder = lab.lt_session(lab.host(family), bootstrap=entry)
    seeding = lab.lt_add(seeder, content, seed=True)
    others = []
    for i in range(19):
        session = lab.lt_session(lab.host(family), bootstrap=entry)
        others.append((session, lab.lt_add(session, content, lab.folder(f"lt{family}-{i}"))))
    processes = []
    for i in range(3):
        host = lab.host(family)
        processes.append(lab.lodestone("get", content.magnet, "-o", lab.folder(f"ours{family}-{i}"), "--listen",
                                       f"[{host}]" if family == 6 else host, "--bootstrap", entry, "--state-dir",
                                       lab.folder(f"state{family}-{i}"), "--json"))
    aria2s = []
    for i in range(3):
        folder = lab.folder(f"aria2v{family}-{i}")
        # It asks for peers again only after minutes, unless it is told to hurry; and it ends when it has everything.
        aria2s.append((lab.aria2(lab.host(family), entry, folder, "--seed-time=0", "--bt-tracker-interval=1",
                                 "--bt-stop-timeout=60", content.magnet), folder))

    def all_done():
        # Whoever comes before the announce looks again only after minutes: a client's own affair.
        for _, handle in [(seeder, seeding), *others]:
            handle.force_dht_announce()
        return all(handle.status().is_finished for _, handle in others) and \
            all(p.poll() is not None for p in [*processes, *(p for p, _ in aria2s)])

    wait_until("everybody to have it", 60, all_done, tick=2)
    for process in processes:
        check(process.returncode == 0, f"get ended with {process.returncode}: {process.stderr.read()[-2000:]}")
    for process, folder in aria2s:
        check(process.returncode == 0, f"aria2 ended with {process.returncode}: {process.stdout.read()[-2000:]}")
        shutil.rmtree(folder / content.name / ".pad", ignore_errors=True)  # aria2 writes what others leave out
        content.verify(folder)
    print(f"     everybody had it after {time.monotonic() - started:.1f} s", flush=True)


def clients_that_know_only_a_fresh_bootstrap_node_find_each_other(lab):
    clients_that_know_only_it_find_each_other(lab, 4)


def over_v6_too(lab):
    clients_that_know_only_it_find_each_other(lab, 6)


def the_ring_survives_a_restart(lab):
    address = lab.host()
    process, entry = bootstrap_node(lab, address)
    nodes = [lab.node(entry)[1] for _ in range(20)]
    asker = Asker(lab, entry)
    wait_until("a ring", 30, lambda: len(asker.table()) >= len(nodes), tick=1)
    process.send_signal(signal.SIGTERM)
    check(process.wait(20) == 0, "it did not end cleanly")
    ring = lab.folder(f"bootstrap-{address}") / "ring4"
    check(ring.stat().st_size >= 20 * 26, f"{ring.stat().st_size} bytes saved")
    started = time.monotonic()
    process, entry = bootstrap_node(lab, address)

    def answer():
        reply = asker.find_node(asker.id)
        return reply if reply and len(reply[1]) == 16 else None

    wait_until("an answer with sixteen nodes", 20, answer, tick=0)
    print(f"     answered {(time.monotonic() - started) * 1000:.0f} ms after the start", flush=True)
    # It forbids fragments, until an answer is longer than the path allows.
    set_mtu(400)
    try:
        wait_until("sixteen nodes, in fragments", 20, answer, tick=0)
    finally:
        set_mtu(65536)


if __name__ == "__main__":
    main(__file__, clients_that_know_only_a_fresh_bootstrap_node_find_each_other, over_v6_too, the_ring_survives_a_restart)
