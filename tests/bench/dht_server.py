#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
How much a bootstrap node answers, beside a bare echo of this machine in the same run.

  tests/bench/dht_server.py [--rounds N] [--seconds S] [ROW...]

  mixed     10 % ping, 40 % find_node, 50 % get_peers from 65,535 addresses, server and load on a core each: replies a
            second and CPU time a reply, ours / echo
  full      the same with 10,000,000 nodes in the ring and 1,000,000 peers stored
  threads   --threads 2 beside one thread, nobody pinned: CPU time a reply
  latency   at half of the rate that `mixed` reached: p99, and that of the echo at the same rate, in turn: what the
            machine itself takes away for a while. The load sleeps between two looks, which is part of what is told: of a
            virtual machine whose cores both spin, the host takes one away for milliseconds
  flood     50 addresses that ask 2,000 times a second each, beside 500 that ask 4 times a second, rates enforced:
            the share of the latter that is answered
  restart   with the 10,000,000 contacts of the last run in its state directory: from the start of the process to the
            first reply with nodes, and until all are in the ring

Binaries: `cmake -S . -B build/bench -G Ninja -DLODESTONE_PRESET=bench && ninja -C build/bench lodestone udp_echo dht_load`
(another directory: LODESTONE_BENCH_DIR). Runs in a network namespace that it makes (root). Exits 1 when a target is missed.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(os.environ.get("LODESTONE_BENCH_DIR") or os.path.join(ROOT, "build/bench"), "bin")
INSIDE = "LODESTONE_BENCH_INSIDE"
SERVER = "198.18.0.1"
PUBLIC_SERVER = "81.1.0.1"  # without --private-net only public addresses are talked to
ROWS = ["mixed", "full", "threads", "latency", "flood", "restart"]
HONEST, HONEST_RATE = 500, 4
MANY = 10_000_000
FLOODERS, FLOOD_RATE = 50, 2_000
LOAD_NAP = 0.02  # milliseconds


def enter_namespace():
    if os.environ.get(INSIDE):
        return
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])


def set_up_network():
    # What the ring's nodes are asked leads nowhere, as it would where all of them are gone: into the loopback, and to nobody.
    for command in ("link set lo up", "route add local 198.18.0.0/15 dev lo", "route add local 81.0.0.0/8 dev lo",
                    "route add default dev lo"):
        subprocess.run(["ip", *command.split()], check=True)


def first_in_line():
    """So that as little as can be of what else runs here is measured."""
    return ["nice", "-n", "-20"] if os.geteuid() == 0 else []


def write_ring(path, count):
    """Compact contacts (26 bytes): random ids, at 11.0.0.1 and onwards, port 6881."""
    ring = bytearray(26 * count)
    for at in range(20):
        ring[at::26] = os.urandom(count)
    low = bytes(range(256))
    middle = b"".join(bytes([x]) * 256 for x in range(256))
    ring[20::26] = bytes([11]) * count
    ring[21::26] = b"".join(bytes([x]) * 65_536 for x in range(count // 65_536 + 1))[:count]
    ring[22::26] = (middle * (count // 65_536 + 1))[:count]
    ring[23::26] = (low * (count // 256 + 1))[:count]
    ring[24::26] = bytes([6881 >> 8]) * count
    ring[25::26] = bytes([6881 & 255]) * count
    with open(path, "wb") as stream:
        stream.write(ring)


class Server:
    def __init__(self, command, cpu, to, ready=None, state=None):
        self.state, self.started = state, time.monotonic()
        pin = ["taskset", "-c", cpu] if cpu else []
        self.process = subprocess.Popen([*first_in_line(), *pin, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.pid, self.to = self.process.pid, to
        if ready and ready not in self.process.stdout.readline():
            sys.exit(f"{command[0]} did not start")
        if not ready:
            time.sleep(0.3)  # the echo says nothing; a load that finds nobody would show as loss

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)
        self.process.stdout.close()

    def seconds_until(self, there):
        """Since the process was started, looked at every few milliseconds."""
        while not there():
            if time.monotonic() > self.started + 60:
                sys.exit("the node has not got there in a minute")
            time.sleep(0.005)
        return time.monotonic() - self.started

    def hands_out_nodes(self):
        host, port = self.to.split(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(0.05)
            asker.sendto(b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe", (host, int(port)))
            try:
                return b"5:nodes416:" in asker.recv(2_000)  # 16 of 26 bytes
            except TimeoutError:
                return False

    def ring(self):
        command = [os.path.join(BIN, "lodestone"), "node", "status", "--state-dir", self.state, "--json"]
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)["nodes"][0]["ring"]

    def rss(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as stream:
            return next(int(line.split()[1]) for line in stream if line.startswith("VmRSS")) / 1024

    def load(self, cpu, *options):
        pin = ["taskset", "-c", cpu] if cpu else []
        command = [*first_in_line(), *pin, os.path.join(BIN, "dht_load"), "--to", self.to, "--pid", str(self.pid), *map(str, options)]
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


class Lab:
    def __init__(self, arguments, folder):
        self.rounds, self.seconds, self.folder = arguments.rounds, arguments.seconds, folder
        self.missed = False
        self.best = None

    def echo(self, cpu="0"):
        return Server([os.path.join(BIN, "udp_echo"), "--listen", f"{SERVER}:7000"], cpu, f"{SERVER}:7000")

    def node(self, ring, cpu="0", ring_size=1_000_000, private=True, threads=1, wait=True):
        state = os.path.join(self.folder, "state")
        shutil.rmtree(state, ignore_errors=True)
        os.makedirs(state)
        shutil.copyfile(self.ring(ring), os.path.join(state, "ring4.private" if private else "ring4"))
        to = f"{SERVER if private else PUBLIC_SERVER}:7001"
        command = [os.path.join(BIN, "lodestone"), "node", "--role", "bootstrap", "--no-bootstrap", "--listen", to,
                   "--state-dir", state, "--ring-size", str(ring_size), "--json", "--progress", "none"]
        command += ["--private-net"] if private else []
        command += ["--threads", str(threads)] if threads > 1 else []
        server = Server(command, cpu, to, '"ready"', state)
        if wait and private:  # of one prefix no more than a share is taken from a file elsewhere
            server.seconds_until(lambda: server.ring() == ring)
        return server

    def ring(self, count):
        path = os.path.join(self.folder, f"ring{count}")
        if not os.path.exists(path):
            write_ring(path, count)
        return path

    def verdict(self, name, text, held):
        self.missed = self.missed or not held
        print(f"{name:8} {text}  {'held' if held else 'MISSED'}", flush=True)

    def beside_echo(self, name, node, prepare, target):
        ratios, costs, rates, echoes, echo_costs = [], [], [], [], []
        with node() as server:
            note = prepare(server)
            for _ in range(self.rounds):
                with self.echo() as echo:
                    floor = echo.load("1", "--seconds", self.seconds)
                ours = server.load("1", "--seconds", self.seconds)
                if ours["errors"] or ours["invalid"] or ours["lost"] > 0.01 * ours["sent"]:
                    print(f"{name:8} not all answered: {ours}")
                    self.missed = True
                rates.append(ours["replies_per_second"])
                echoes.append(floor["replies_per_second"])
                ratios.append(rates[-1] / echoes[-1])
                costs.append(ours["cpu_us_per_reply"])
                echo_costs.append(floor["cpu_us_per_reply"])
            note += f", {server.rss():.0f} MiB resident"
        self.best = self.best or statistics.median(rates)
        self.verdict(name, f"{statistics.median(rates):,.0f} replies/s beside {statistics.median(echoes):,.0f} of the echo: "
                     f"{statistics.median(ratios):.2f}x (target {target}x); {statistics.median(costs):.2f} CPU-us a reply beside "
                     f"{statistics.median(echo_costs):.2f}{note}", statistics.median(ratios) >= target)

    def mixed(self):
        self.beside_echo("mixed", lambda: self.node(100_000), lambda _: "", 0.9)

    def full(self):
        def fill(server):
            stored = server.load("1", "--store", 100_000, "--announcers", 10, "--seconds", 120)
            return f"; 10,000,000 in the ring, {stored['stored']:,} announces taken"
        self.beside_echo("full", lambda: self.node(MANY, ring_size=MANY), fill, 0.8)

    def threads(self):
        one, two, rates = [], [], []
        for _ in range(self.rounds):
            with self.node(100_000, cpu=None) as server:
                single = server.load(None, "--seconds", self.seconds)
            with self.node(100_000, cpu=None, threads=2) as server:
                double = server.load(None, "--seconds", self.seconds)
            one.append(single["cpu_us_per_reply"])
            two.append(double["cpu_us_per_reply"])
            rates.append(double["replies_per_second"] / single["replies_per_second"])
        ratio = statistics.median(b / a for a, b in zip(one, two))
        self.verdict("threads", f"{statistics.median(two):.2f} CPU-us a reply beside {statistics.median(one):.2f} of one thread: "
                     f"{ratio:.2f}x (target 1x); {statistics.median(rates):.2f}x the replies/s", ratio <= 1.0)

    def latency(self):
        runs, echoes = [], []
        with self.node(100_000) as server:
            # Its tables grow with the first who ask: that is no part of this.
            grown = server.load("1", "--seconds", self.seconds)["replies_per_second"]
            best = self.best or grown
            for _ in range(self.rounds):
                options = ["--seconds", self.seconds, "--rate", best / 2, "--nap", LOAD_NAP]
                with self.echo() as echo:
                    echoes.append(echo.load("1", *options)["p99_us"])
                runs.append(server.load("1", *options))
        p99 = statistics.median(run["p99_us"] for run in runs)
        lost = max(run["lost"] for run in runs)
        self.verdict("latency", f"p99 {p99:,.0f} us, p50 {statistics.median(run['p50_us'] for run in runs):,.0f} us at {best / 2:,.0f}/s, "
                     f"{lost} lost; the echo's p99 {statistics.median(echoes):,.0f} us (target 1,000 us)", p99 < 1_000)

    def flood(self):
        shares = []
        with self.node(4_000, private=False) as server:
            for _ in range(self.rounds):
                flood = subprocess.Popen(
                    [os.path.join(BIN, "dht_load"), "--to", server.to, "--sources", "81.99.7.0/26", "--rate", str(FLOODERS * FLOOD_RATE),
                     "--seconds", str(self.seconds + 4)], stdout=subprocess.PIPE)
                time.sleep(2)  # until the flooders have spent their bursts
                honest = server.load(None, "--sources", "81.4.0.0/23", "--rate", HONEST * HONEST_RATE, "--seconds", self.seconds)
                flood.communicate()
                shares.append(honest["replies"] / honest["sent"])
        share = statistics.median(shares)
        self.verdict("flood", f"{100 * share:.2f} % of honest queries answered (target 99 %)", share >= 0.99)

    def restart(self):
        first, whole = [], []
        for _ in range(self.rounds):
            with self.node(MANY, ring_size=MANY, wait=False) as server:
                first.append(server.seconds_until(server.hands_out_nodes))
                whole.append(server.seconds_until(lambda: server.ring() == MANY))
        first, whole = statistics.median(first), statistics.median(whole)
        self.verdict("restart", f"first nodes handed out after {first:.2f} s (target 1 s), all {MANY:,} in the ring after {whole:.2f} s "
                     "(target 3 s)", first <= 1 and whole <= 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    enter_namespace()
    set_up_network()
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(arguments, folder)
        for row in arguments.rows or ROWS:
            getattr(lab, row)()
    return 1 if lab.missed else 0


if __name__ == "__main__":
    sys.exit(main())
