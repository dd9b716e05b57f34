#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a node tells its operator: /metrics, /healthz, /readyz, `node status`, and the dashboard and alerts made of it."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from lab import bencode, check, main, skip, wait_until

OPS = Path(__file__).resolve().parents[2] / "tools/ops"
LABELLED = re.compile(r"^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$")


def promtool(*args, stdin=None):
    """Its whole output; there must be no complaint in it."""
    if shutil.which("promtool") is None:
        skip("no promtool here (Debian package prometheus)")
    done = subprocess.run(["promtool", *map(str, args)], input=stdin, capture_output=True, text=True)
    check(done.returncode == 0, f"promtool {args} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def get(where, path, method="GET"):
    host, port = where.rsplit(":", 1)
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=20)
    connection.request(method, path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def samples(text):
    """{(name, labels): value}; no line twice."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#") or not line:
            continue
        match = LABELLED.match(line)
        check(match, f"not a sample: {line}")
        key = (match[1], match[2] or "")
        check(key not in found, f"twice: {line}")
        found[key] = float(match[3])
    return found


def names_in(expression):
    """The metrics that a PromQL expression names: what stands before a brace, a bracket or nothing, and is no function."""
    text = re.sub(r'"[^"]*"', '""', expression)
    return {name for name in re.findall(r"\b(?:lodestone|process)_[a-z0-9_]+\b", text)}


class Served:
    """A bootstrap node with metrics, in a private network."""

    def __init__(self, lab, *extra, state=None, bootstrap=None):
        self.lab, self.state = lab, state or lab.folder(f"state-{lab.hosts}")
        self.address = lab.host()
        self.extra = extra
        self.start(bootstrap)

    def start(self, bootstrap=None):
        entry = ["--bootstrap", bootstrap] if bootstrap else ["--no-bootstrap"]
        self.process = self.lab.lodestone("node", "--listen", f"{self.address}:6881", "--private-net", "--metrics",
                                          f"{self.address}:0", "--state-dir", self.state, "--json", *entry, *self.extra)
        ready = self.lab.first_record(self.process, "ready")
        self.node, self.metrics = ready["ids"][0]["addr"], ready["metrics"]
        check(not self.metrics.endswith(":0"), f"no port was chosen: {ready}")

    def status(self, expect=0, state=None):
        code, records, err = self.lab.run("node", "status", "--state-dir", state or self.state, "--json", timeout=20)
        check(code == expect, f"node status ended with {code}, not {expect}: {records} {err}")
        return records[0] if records else err

    def ask(self, count):
        """So many pings from a stranger, each answered."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind((self.address, 0))
            stranger.settimeout(5)
            for i in range(count):
                query = {"a": {"id": b"s" * 20}, "q": "ping", "ro": 1, "t": b"%04d" % i, "y": "q"}
                stranger.sendto(bencode(query), (self.address, 6881))
                stranger.recv(2048)


def metrics_are_what_prometheus_takes_and_the_dashboard_asks_for(lab):
    with_others = lab.lodestone("testnet", "--json", "--nodes", 6, "--base-addr", "198.18.100.1")
    entry = lab.first_record(with_others, "testnet", 60)["bootstrap"][0]
    node = Served(lab, "--role", "bootstrap", bootstrap=entry)
    node.ask(7)
    code, text = get(node.metrics, "/metrics")
    check(code == 200, f"/metrics is {code}: {text}")
    said = promtool("check", "metrics", stdin=text)
    check(not said.strip(), f"promtool complains: {said}")
    found = samples(text)
    labels = f'family="4",address="{node.node}"'
    value = lambda name: found[(name, labels)]
    check(value("lodestone_dht_queries_in_total") >= 7, "the queries are not counted")
    check(value("lodestone_udp_received_total") >= 7, "the datagrams are not counted")
    check(found[("process_open_fds", "")] >= 5 and found[("process_resident_memory_bytes", "")] > 1e6, "no process")
    counters = {name for name, _ in found if name.startswith("lodestone_dht_") and name.endswith("_total")}
    check(len(counters) >= 109, f"only {len(counters)} counters")
    check(get(node.metrics, "/status")[0] == 404, "the status is for its user, not for the net")
    check(get(node.metrics, "/metrics", "POST")[0] == 405, "POST is no way to look")

    names = {name for name, _ in found} | {"up"}
    rules = OPS / "lodestone-alerts.yml"
    check("SUCCESS" in promtool("check", "rules", rules), "promtool says nothing of the rules")
    check("SUCCESS" in promtool("test", "rules", Path(__file__).with_name("alerts_test.yml")), "the rules are not tested")
    expressions = re.findall(r"expr: (?:>-\n((?: {10}.*\n)+)|(.*)\n)", rules.read_text())
    check(len(expressions) == rules.read_text().count("- alert:") >= 10, f"{len(expressions)} expressions")
    asked = set().union(*(names_in(a or b) for a, b in expressions))
    check(len(asked) >= 12, f"only {asked} in the rules")
    check(asked <= names, f"alerts on what is not there: {asked - names}")
    board = json.loads((OPS / "lodestone-dashboard.json").read_text())
    asked = set().union(*(names_in(t["expr"]) for p in board["panels"] for t in p["targets"]))
    asked |= names_in(board["templating"]["list"][1]["query"])
    check(len(asked) >= 30, f"only {asked} in the dashboard")
    check(asked <= names, f"panels of what is not there: {asked - names}")


def health_and_readiness_say_what_is_the_matter(lab):
    node = Served(lab)
    check(get(node.metrics, "/healthz") == (200, "ok\n"), "not healthy")
    code, why = get(node.metrics, "/readyz")
    check(code == 503 and why == "no DHT node has answered yet\n", f"ready without anybody: {code} {why}")
    check(get(node.metrics, "/healthz", "HEAD") == (200, ""), "HEAD has a body")
    # A process that stands still cannot say so; the threads of one whose network thread does can (observer_test). Here
    # it gets company.
    other, _ = lab.node(node.node, None, 6881, "--private-net")
    wait_until("readiness", 60, lambda: get(node.metrics, "/readyz") == (200, "ready\n"), tick=0.2)
    record = wait_until("readiness in the status", 5, lambda: (r := node.status())["ready"] and r)
    check(record["reason"] is None, f"{record}")
    # Slow askers do not keep others from theirs.
    host, port = node.metrics.rsplit(":", 1)
    idle = [socket.create_connection((host, int(port))) for _ in range(12)]
    for connection in idle:
        connection.sendall(b"GET /metr")
    check(get(node.metrics, "/healthz") == (200, "ok\n"), "not healthy among slow askers")
    for connection in idle:
        connection.close()


def a_port_that_is_taken_is_exit_5(lab):
    node = Served(lab)
    code, _, err = lab.run("node", "--listen", f"{lab.host()}", "--no-bootstrap", "--metrics", node.metrics, "--state-dir",
                           lab.folder("second"), "--json", timeout=30)
    check(code == 5, f"ended with {code}: {err}")
    check(f"--metrics {node.metrics}" in err and "in use" in err, f"does not say why: {err}")
    code, _, err = lab.run("node", "--metrics", "everywhere", "--json", timeout=30)
    check(code == 2 and "--metrics" in err, f"ended with {code}: {err}")


def status_shows_the_node_of_that_state_directory(lab):
    nobody = lab.folder("nobody")
    code, records, err = lab.run("node", "status", "--state-dir", nobody, "--json", timeout=20)
    check(code == 8 and not records, f"ended with {code}: {records}")
    last = json.loads(err.splitlines()[-1])
    check(last["type"] == "exit" and last["error"] == "daemon" and "lodestone node" in last["message"], f"{last}")
    # Longer than the name of a Unix socket may be.
    long = lab.folder("/".join(["a-folder-whose-name-is-rather-long"] * 6))
    node = Served(lab, state=long)
    where = long / "node.sock"
    check(where.is_socket() and where.stat().st_mode & 0o777 == 0o600, "no socket for its user alone")
    node.ask(5)
    record = node.status()
    check(record["type"] == "status" and record["pid"] == node.process.pid and record["role"] == "node", f"{record}")
    check(record["metrics"] == node.metrics and record["uptime"] > 0, f"{record}")
    one, = record["nodes"]
    check(one["addr"] == node.node and len(one["id"]) == 40 and one["counters"]["queries_in"] >= 5, f"{one}")
    wait_until("queries a second", 10, lambda: node.ask(1) or node.status()["nodes"][0]["queries_per_second"] > 0, tick=0.2)
    text = lab.lodestone("node", "status", "--state-dir", long)
    out, err = text.communicate(timeout=20)
    check(text.returncode == 0 and one["id"] in out and "not ready: no DHT node has answered yet" in out, f"{out} {err}")
    node.process.send_signal(signal.SIGTERM)
    check(node.process.wait(20) == 0, "no clean end")
    check(not where.exists(), "its socket is left behind")
    node.status(expect=8)


def after_kill_9_its_socket_is_no_obstacle(lab):
    node = Served(lab)
    before = node.status()["nodes"][0]["id"]
    for _ in range(3):
        os.kill(node.process.pid, signal.SIGKILL)
        node.process.wait()
        check((node.state / "node.sock").is_socket(), "it had time to tidy up")
        node.status(expect=8)
        node.start()
        record = node.status()
        check(record["pid"] == node.process.pid and record["nodes"][0]["id"] == before, f"{record}")
    # A second node of the same folder is refused, and does not take the socket of the first.
    code, _, err = lab.run("node", "--listen", lab.host(), "--no-bootstrap", "--state-dir", node.state, "--json", timeout=30)
    check(code == 9, f"ended with {code}: {err}")
    check(node.status()["pid"] == node.process.pid, "the first cannot be asked any more")


def the_operators_word_on_its_address_gives_it_an_id(lab):
    node = Served(lab)
    seen = lambda: (lambda one: (one["id"], one["external"]))(node.status()["nodes"][0])
    first, nowhere = seen()
    check(nowhere is None, f"somebody has said {nowhere}")
    node.extra = ["--external-ip", "45.0.0.1", "--external-ip", "2a01:45::1"]
    ids = set()
    for _ in range(2):
        node.process.send_signal(signal.SIGTERM)
        check(node.process.wait(20) == 0, "no clean end")
        node.start()
        own, where = seen()
        check(where == "45.0.0.1:6881", f"it is seen as {where}")
        ids.add(own)
    check(len(ids) == 1 and first not in ids, f"{first} became {ids}")
    for words in (["45.0.0.1", "46.0.0.1"], ["192.168.1.1"], ["router.example.org"]):
        wrong = [word for address in words for word in ("--external-ip", address)]
        code, _, err = lab.run("node", "--no-bootstrap", "--state-dir", lab.folder("wrong"), *wrong, timeout=30)
        check(code == 2 and "--external-ip" in err, f"{words} ended with {code}: {err}")


if __name__ == "__main__":
    main(__file__, metrics_are_what_prometheus_takes_and_the_dashboard_asks_for, health_and_readiness_say_what_is_the_matter,
         a_port_that_is_taken_is_exit_5, status_shows_the_node_of_that_state_directory,
         after_kill_9_its_socket_is_no_obstacle, the_operators_word_on_its_address_gives_it_an_id)
