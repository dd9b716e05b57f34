#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Magnet to 1 GiB verified, from one libtorrent seeder found through a private DHT: ours beside libtorrent, in one run.

    tests/bench/download.py [--size MIB] [--rounds N]        (LODESTONE_BIN names the binary)

Seeder and DHT are pinned to core 0, the downloader to core 1; the payload is in /dev/shm. The clock of libtorrent runs
from adding the magnet to a warm session, ours from the lookup's first packet (lookup + metadata + transfer of `done`).
CPU seconds are user + system of the whole downloader process divided by GiB, so ours includes start-up and bootstrap.
"""
import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))
import lab as interop  # noqa: E402

GIB = 1 << 30
# Between themselves libtorrents prefer uTP, which is five times slower here; the comparison is over TCP.
TCP_ONLY = {"enable_outgoing_utp": False, "enable_incoming_utp": False}


def peak_rss(pid):
    """KiB; ru_maxrss would count what the parent held before exec."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def libtorrent_child(magnet, network, out, address):
    """Runs as a process of its own: prints wall seconds, CPU seconds and peak RSS (KiB)."""
    import libtorrent as lt

    class Quiet(interop.Lab):
        def __init__(self):  # the parent owns the namespace
            self.sessions = []

    session = Quiet().lt_session(address, **TCP_ONLY)
    for node in network:
        host, port = node.rsplit(":", 1)
        session.add_dht_node((host, int(port)))
    time.sleep(3)  # the session is given time to be warm; this is libtorrent's advantage, not a test
    cpu = cpu_seconds()
    params = lt.parse_magnet_uri(magnet)
    params.save_path = out
    params.flags &= ~lt.torrent_flags.auto_managed
    params.flags &= ~lt.torrent_flags.paused
    started = time.monotonic()
    handle = session.add_torrent(params)
    handle.force_dht_announce()
    while not handle.status().is_seeding:
        time.sleep(0.005)
    wall = time.monotonic() - started
    print(json.dumps({"wall": wall, "cpu": cpu_seconds() - cpu,
                      "rss_kib": peak_rss("self")}), flush=True)
    os._exit(0)


def run_libtorrent(magnet, network, out, address):
    process = subprocess.run(["taskset", "-c", "1", "/usr/bin/python3", __file__, "--child", magnet, ",".join(network), out,
                              address], capture_output=True, text=True, timeout=300)
    return json.loads(process.stdout.splitlines()[-1])


def run_ours(magnet, network, out, address, state):
    pid = os.posix_spawnp("taskset", ["taskset", "-c", "1", interop.BIN, "get", magnet, "-o", out, "--listen", address,
                                      "--bootstrap", network[0], "--state-dir", state, "--json", "--timeout", "120s"],
                          os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, out + ".json", os.O_WRONLY | os.O_CREAT, 0o600)])
    rss, done = 0, 0
    while not done:
        rss = max(rss, peak_rss(pid))
        done, status, usage = os.wait4(pid, os.WNOHANG)
        time.sleep(0.01)
    if status != 0:
        sys.exit(f"get ended with {os.waitstatus_to_exitcode(status)}")
    with open(out + ".json") as file:
        done = [r for r in map(json.loads, file) if r["type"] == "done"][0]
    return {"wall": done["lookup_seconds"] + done["metadata_seconds"] + done["transfer_seconds"],
            "cpu": usage.ru_utime + usage.ru_stime, "rss_kib": rss, "done": done}


def main():
    if sys.argv[1:2] == ["--child"]:
        libtorrent_child(sys.argv[2], sys.argv[3].split(","), sys.argv[4], sys.argv[5])
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=1024, help="MiB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--piece", type=int, default=1024, help="KiB")
    args = parser.parse_args()
    tempfile.tempdir = "/dev/shm"
    os.environ.setdefault("TMPDIR", "/dev/shm")
    lab = interop.Lab(__file__)
    os.sched_setaffinity(0, {0})
    try:
        network = lab.lt_network(5)
        content = interop.Content(lab.folder("seed"), "payload.bin", args.size << 20, args.piece << 10)
        lab.lt_seeder(content, network, **TCP_ONLY)
        gib = content.size / GIB
        rows = {"libtorrent": [], "lodestone": []}
        for i in range(args.rounds):
            for who in rows:
                out = str(lab.folder(f"{who}-{i}"))
                if who == "libtorrent":
                    row = run_libtorrent(content.magnet, network, out, lab.host())
                else:
                    row = run_ours(content.magnet, network, out, lab.host(), str(lab.folder(f"state-{i}")))
                content.verify(out)
                shutil.rmtree(out)
                rows[who].append(row)
                print(f"{who:10} {row['wall']:6.2f} s  {content.size / row['wall'] / (1 << 20):6.0f} MiB/s  "
                      f"{row['cpu'] / gib:5.2f} CPU-s/GiB  {row['rss_kib'] / 1024:6.0f} MiB RSS"
                      + (f"  (bootstrap {row['done']['bootstrap_seconds']:.2f} lookup {row['done']['lookup_seconds']:.2f} "
                         f"metadata {row['done']['metadata_seconds']:.2f} transfer {row['done']['transfer_seconds']:.2f})"
                         if "done" in row else ""), flush=True)
        median = {who: {k: statistics.median(r[k] for r in rows[who]) for k in ("wall", "cpu", "rss_kib")} for who in rows}
        ours, theirs = median["lodestone"], median["libtorrent"]
        print(f"\nmedian of {args.rounds}: wall {ours['wall'] / theirs['wall']:.2f}x libtorrent, "
              f"CPU {ours['cpu'] / theirs['cpu']:.2f}x ({ours['cpu'] / gib:.2f} CPU-s/GiB), "
              f"RSS {ours['rss_kib'] / 1024:.0f} MiB (target: <= 1.00x, <= 1.00x, <= 128 MiB)")
    finally:
        lab.close()


if __name__ == "__main__":
    main()
