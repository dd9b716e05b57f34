#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Our lookups, announces and cold starts beside those of other policies, in the same simulated crowd.

    tests/bench/sim_policies.py [--nodes N] [--lookups N] [--newcomers N] [--seed S] [--jobs N]
                                [--policies lodestone,libtorrent,mldht,bep5] [--subjects lookup,announce,bootstrap]
                                [--warm-up DUR]        (LODESTONE_BIN names the binary)

Each run is a process (`lodestone sim ... --json`); the figures depend on the options alone, so they may run side by side
and on a busy machine. What is printed last are the ratios that issue 3 sets targets for. Exit code 1: one was missed.
"""
import argparse
import concurrent.futures
import json
import os
import subprocess
import sys

OURS, MEASURE = "lodestone", "libtorrent"


def run(binary, subject, policy, options):
    count = options.newcomers if subject == "bootstrap" else options.lookups
    command = [binary, "sim", subject, "--json", "--policy", policy, "--nodes", str(options.nodes), "--lookups", str(count),
               "--seed", str(options.seed), "--warm-up", options.warm_up]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    record = json.loads(done.stdout)
    record["perf"] = json.loads(done.stderr.strip().splitlines()[-1])
    return record


def seconds(value):
    return "-" if value is None else f"{value:.3f}"


def row(record):
    perf = record["perf"]
    text = (f"{record['subject']:<9} {record['policy']:<10} {record['lookups']:>6} {seconds(record['p50']):>8} "
            f"{seconds(record['p90']):>8} {seconds(record['p95']):>8} {seconds(record['p99']):>8} "
            f"{record['queries']:>7.1f} {record['failed']:>6} {100 * record['dead']:>5.1f}% "
            f"{perf['events_per_second']:>9.0f} {perf['bytes_per_node'] / 1024:>7.1f}")
    if record["subject"] == "announce":
        text += (f"   {record['told']:.2f} told, {100 * record['inside8']:.1f}% within 8, "
                 f"{100 * record['inside12']:.1f}% within 12")
    return text


class Targets:
    def __init__(self):
        self.missed = 0

    def at_most(self, what, value, limit):
        held = value is not None and value <= limit
        self.missed += not held
        shown = "-" if value is None else f"{value:.3f}"
        print(f"{what:<58} {shown:>8}   target <= {limit}   {'held' if held else 'MISSED'}")

    def at_least(self, what, value, limit):
        held = value >= limit
        self.missed += not held
        print(f"{what:<58} {value:>8.3f}   target >= {limit}   {'held' if held else 'MISSED'}")


def ratio(ours, theirs, key):
    if ours[key] is None or not theirs[key]:
        return None
    return ours[key] / theirs[key]


def judge(records):
    targets = Targets()
    ours, theirs = records.get(("lookup", OURS)), records.get(("lookup", MEASURE))
    if ours and theirs:
        targets.at_most("time to first value, p50, of libtorrent's", ratio(ours, theirs, "p50"), 0.5)
        targets.at_most("time to first value, p99, of libtorrent's", ratio(ours, theirs, "p99"), 0.4)
        targets.at_most("queries per lookup, of libtorrent's", ratio(ours, theirs, "queries"), 1)
        targets.at_most("lookups that failed and could have succeeded", ours["failed"], 0)
    ours, theirs = records.get(("announce", OURS)), records.get(("announce", MEASURE))
    if ours and theirs:
        targets.at_most("time until announced, p50, of libtorrent's", ratio(ours, theirs, "p50"), 0.4)
        targets.at_least("announces inside the true 12 closest", ours["inside12"], 0.95)
    ours = records.get(("bootstrap", OURS))
    if ours:
        targets.at_most("cold start until 8 of the closest are known, p95, s", ours["p95"], 3)
        targets.at_most("cold starts that failed", ours["failed"], 0)
    return targets.missed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--lookups", type=int, default=1_000)
    parser.add_argument("--newcomers", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--warm-up", default="15m")
    parser.add_argument("--policies", default="lodestone,libtorrent,mldht,bep5")
    parser.add_argument("--subjects", default="lookup,announce,bootstrap")
    options = parser.parse_args()
    binary = os.environ.get("LODESTONE_BIN", "lodestone")

    print(f"{options.nodes} nodes, seed {options.seed}")
    print(f"{'':<9} {'policy':<10} {'done':>6} {'p50 s':>8} {'p90':>8} {'p95':>8} {'p99':>8} {'queries':>7} {'failed':>6} "
          f"{'dead':>6} {'events/s':>9} {'KiB/node':>7}")
    pairs = [(s, p) for s in options.subjects.split(",") for p in options.policies.split(",")]
    records = {}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = {pair: pool.submit(run, binary, *pair, options) for pair in pairs}
        for pair in pairs:
            records[pair] = runs[pair].result()
            print(row(records[pair]), flush=True)
    return 1 if judge(records) else 0


if __name__ == "__main__":
    sys.exit(main())
