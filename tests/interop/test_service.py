#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A node as a service: configuration, SIGHUP, the log and its rotation, and what the supervisor is told."""
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from lab import BIN, check, main, wait_until

ROOT = Path(__file__).resolve().parents[2]


class Supervisor:
    """The datagram socket that systemd would listen on."""

    def __init__(self, lab, name):
        self.path = str(lab.folder(name) / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.env = dict(os.environ, NOTIFY_SOCKET=self.path)

    def next(self, seconds=20):
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(4096).decode()
        except TimeoutError:
            return None

    def until(self, start, seconds=20):
        """The first message that begins so; those before it are dropped."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            message = self.next(left)
            if message and message.startswith(start):
                return message
        check(False, f"no {start} in {seconds} s")


def start(lab, name, *args, config=None, env=None, listen=None):
    """A node with a configuration file of its own; returns (process, ready record, path of the file)."""
    state = lab.folder(name)
    path = state / "lodestone.toml"
    path.write_text(f'listen = "{listen or lab.host() + ":6881"}"\nstate-dir = "{state}"\nno-bootstrap = true\n' + (config or ""))
    process = lab.lodestone("node", "--json", "--config", path, *args, env=env)
    return process, lab.first_record(process, "ready"), path


def stderr_of(process):
    """Ends the process cleanly; what it has said."""
    process.send_signal(signal.SIGTERM)
    check(process.wait(20) == 0, f"ended with {process.returncode}")
    return process.stderr.read()


def lines_of(path):
    return path.read_text().splitlines() if path.exists() else []


def flag_before_environment_before_file(lab):
    role = lambda ready: ready["role"]
    config = '[node]\nrole = "client"\n'
    process, ready, _ = start(lab, "precedence", config=config)
    check(role(ready) == "client", f"the file does not count: {ready}")
    stderr_of(process)
    env = dict(os.environ, LODESTONE_NODE_ROLE="bootstrap")
    process, ready, _ = start(lab, "precedence", "--ring-size", 1000, config=config, env=env)
    check(role(ready) == "bootstrap", f"the environment does not come before the file: {ready}")
    stderr_of(process)
    process, ready, path = start(lab, "precedence", "--role", "node", config=config, env=env)
    check(role(ready) == "node", f"the flag does not come first: {ready}")
    stderr_of(process)
    # The file can be named by the environment, too.
    process = lab.lodestone("node", "--json", env=dict(os.environ, LODESTONE_CONFIG=str(path)))
    check(role(lab.first_record(process, "ready")) == "client", "LODESTONE_CONFIG does not count")
    stderr_of(process)


def the_example_is_a_good_configuration(lab):
    """As it is, and with every setting that it only mentions."""
    example = (ROOT / "tools/ops/lodestone.toml").read_text()
    listen = f'listen = ["{lab.host()}:6881"]'
    here, count = re.subn(r"(?m)^listen = .*", listen, example)
    check(count == 1, "the example does not say where it listens")
    mentioned = re.sub(r"(?m)^# ([a-z-]+ = )", r"\1", here)
    check(mentioned.count("\n#") < here.count("\n#"), "nothing is commented out")
    folder = lab.folder("example")
    mentioned = mentioned.replace("/var/log/lodestone", str(folder)).replace("/var/lib/lodestone", str(folder / "state"))
    (folder / "all.toml").write_text(mentioned)
    (folder / "plain.toml").write_text(here)
    process = lab.lodestone("node", "--json", "--config", folder / "plain.toml", "--state-dir", folder / "plain", "--no-bootstrap")
    check(lab.first_record(process, "ready")["role"] == "node", "no node")
    stderr_of(process)
    # ring-size is for an introducer.
    process = lab.lodestone("node", "--json", "--config", folder / "all.toml", "--role", "bootstrap", "--no-bootstrap",
                            "--log-level", "info")
    lab.first_record(process, "ready")
    stderr_of(process)
    check("DHT node" in (folder / "lodestone.log").read_text(), "no log where the example puts it")


def the_supervisor_is_told(lab):
    supervisor = Supervisor(lab, "told")
    process, _, _ = start(lab, "told", env=dict(supervisor.env, WATCHDOG_USEC="400000"))
    check(supervisor.next() == "READY=1", "the first thing was not that it is ready")
    check(supervisor.next() == "WATCHDOG=1", "no sign of life at the start")
    check("0 nodes in the table" in supervisor.until("STATUS="), "no status")
    began = time.monotonic()
    for _ in range(5):
        supervisor.until("WATCHDOG=1", 5)
    took = time.monotonic() - began
    check(0.5 < took < 4, f"5 signs of life in {took:.2f} s, where one each 0.2 s was due")
    # A process that is stopped shows no sign of life: they come from the thread that serves.
    process.send_signal(signal.SIGSTOP)
    while supervisor.next(0.5):
        pass
    process.send_signal(signal.SIGCONT)
    supervisor.until("WATCHDOG=1", 5)

    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    process.send_signal(signal.SIGHUP)
    reloading = supervisor.until("RELOADING=1")
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    stamp = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", reloading)
    check(stamp and before <= int(stamp[1]) <= after, f"{reloading!r} between {before} and {after}")
    supervisor.until("READY=1")
    process.send_signal(signal.SIGTERM)
    supervisor.until("STOPPING=1")
    check(process.wait(20) == 0, f"ended with {process.returncode}")


def nothing_is_sent_that_nobody_asked_for(lab):
    supervisor = Supervisor(lab, "modest")
    process, _, _ = start(lab, "modest", env=supervisor.env)
    check(supervisor.next() == "READY=1", "not ready")
    supervisor.until("STATUS=")
    process.send_signal(signal.SIGTERM)
    check(supervisor.next() == "STOPPING=1", "signs of life without a watchdog")
    check(process.wait(20) == 0, f"ended with {process.returncode}")
    # A supervisor that is gone is no reason to stop.
    process, _, _ = start(lab, "modest", env=dict(os.environ, NOTIFY_SOCKET="/no/such/socket"))
    stderr_of(process)


def a_reload_changes_what_can_change(lab):
    supervisor = Supervisor(lab, "reload")
    log = lab.folder("reload") / "node.log"
    extra = f'log-file = "{log}"\nlog-format = "json"\n'
    process, _, path = start(lab, "reload", config=extra + 'log-level = "warn"\n', env=supervisor.env)
    supervisor.until("READY=1")
    first = path.read_text()

    def reload(text):
        seen = len(lines_of(log))
        path.write_text(text)
        process.send_signal(signal.SIGHUP)
        supervisor.until("RELOADING=1")
        supervisor.until("READY=1")
        return [json.loads(line) for line in lines_of(log)[seen:]]

    check(lines_of(log) == [], f"more than warnings: {lines_of(log)}")
    louder = first.replace('"warn"', '"info"')
    lines = reload(louder)
    check([line["message"] for line in lines] == ["configuration read again"], f"{lines}")
    check(lines[0]["level"] == "info" and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", lines[0]["time"]), f"{lines}")

    # Another name to start from is asked at once.
    named = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    named.bind((lab.host(), 0))
    named.settimeout(20)
    lines = reload(louder.replace("no-bootstrap = true", 'bootstrap = ["%s:%d"]' % named.getsockname()))
    check(not any("restart" in line["message"] for line in lines), f"{lines}")
    check(b"9:find_node" in named.recv(2048), "the node that was named is not asked for nodes")

    lines = reload(louder + '[node]\nrole = "client"\n')
    restart, = [line for line in lines if "restart" in line["message"]]
    check(restart["level"] == "warn" and restart["message"] == "needs a restart: node.role", f"{restart}")
    # Still true: it is said again.
    lines = reload(louder.replace("state-dir", "peer = ['127.0.0.1:1']\nstate-dir") + '[node]\nrole = "client"\n')
    check(any(line["message"] == "needs a restart: node.role, peer" for line in lines), f"{lines}")

    for text, says in ((louder + "[node]\nrole = 3 4\n", f"{path}:8: no TOML"), (louder + "lgo = 1\n", f"{path}:7: there is no setting 'lgo'"),
                       (louder.replace('"info"', '"loud"'), "'loud'")):
        line, = reload(text)
        check(line["level"] == "error" and line["message"].startswith("the configuration stays as it was: ") and
              says in line["message"], f"{line}")
    path.unlink()
    seen = len(lines_of(log))
    process.send_signal(signal.SIGHUP)
    supervisor.until("RELOADING=1")
    supervisor.until("READY=1")
    check("No such file" in lines_of(log)[seen], "a file that is gone is not told")
    check(any("configuration read again" in json.loads(line)["message"] for line in [lines_of(log)[0]]), "the log was cut")
    lines = reload(first)
    check(lines == [], f"the level did not go back: {lines}")
    check("configuration" not in stderr_of(process), "log lines on stderr, too")


def files_held(process):
    """What its descriptors stand for. One that it closes while we look (the last snapshot's) is none of them."""
    held = []
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            held.append(os.readlink(descriptor))
        except FileNotFoundError:
            continue
    return held


def a_log_that_is_rotated(lab):
    supervisor = Supervisor(lab, "rotate")
    log = lab.folder("rotate") / "node.log"
    process, _, _ = start(lab, "rotate", config=f'log-file = "{log}"\nlog-level = "info"\n', env=supervisor.env)
    supervisor.until("READY=1")
    check(any(" info DHT node " in line for line in lines_of(log)), f"{lines_of(log)}")
    check(log.stat().st_mode & 0o007 == 0, "everybody may read it")
    old = log.with_suffix(".1")
    log.rename(old)
    kept = old.read_text()
    process.send_signal(signal.SIGHUP)
    supervisor.until("RELOADING=1")
    supervisor.until("READY=1")
    check(old.read_text() == kept, "the old file grew after the reload")
    check(len(lines_of(log)) == 1 and lines_of(log)[0].endswith("configuration read again"), f"{lines_of(log)}")
    # Where it cannot be opened again, the log goes on in the file that is open.
    log.unlink()
    log.mkdir()
    held = files_held(process)
    check(f"{log} (deleted)" in held, f"{held}")
    process.send_signal(signal.SIGHUP)
    supervisor.until("RELOADING=1")
    supervisor.until("READY=1")
    held = files_held(process)
    check(f"{log} (deleted)" in held, f"the old file was given up: {held}")
    stderr_of(process)
    # A line is appended to what is there, and a start without the right to do so is refused.
    log.rmdir()
    log.write_text("before\n")
    process, _, _ = start(lab, "rotate", config=f'log-file = "{log}"\nlog-level = "info"\n')
    stderr_of(process)
    check(lines_of(log)[0] == "before" and len(lines_of(log)) > 1, "not appended")
    done = subprocess.run([BIN, "node", "--log-file", "/no/such/folder/x.log"], capture_output=True, text=True, timeout=20)
    check(done.returncode == 7 and "/no/such/folder/x.log" in done.stderr, f"{done}")


def signals_end_what_is_no_service(lab):
    """SIGHUP is a wish only where something can be read again."""
    process = lab.lodestone("testnet", "--json", "--nodes", 2, "--base-addr", "198.18.100.1")
    lab.first_record(process, "testnet")
    process.send_signal(signal.SIGHUP)
    check(process.wait(20) == -signal.SIGHUP, f"ended with {process.returncode}")


if __name__ == "__main__":
    main(__file__, flag_before_environment_before_file, the_example_is_a_good_configuration, the_supervisor_is_told,
         nothing_is_sent_that_nobody_asked_for, a_reload_changes_what_can_change, a_log_that_is_rotated,
         signals_end_what_is_no_service)
