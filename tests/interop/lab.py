# SPDX-License-Identifier: Apache-2.0
"""A private swarm of real clients in a network namespace of its own.

Every test script starts with `lab = Lab(__file__)`: that re-executes the script inside a fresh network namespace whose
loopback owns 198.18.0.0/15 (the benchmark range: no client takes it for a martian) and fd00:1::/64. Nothing leaves the
namespace, and it disappears with the script. Where namespaces are not permitted the script is *skipped* (exit 77); in
CI a skip is a failure.
"""
import ctypes
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

SKIP = 77
BIN = os.environ.get("LODESTONE_BIN", str(Path(__file__).resolve().parents[2] / "build/release/bin/lodestone"))
PR_SET_PDEATHSIG = 1


def skip(reason):
    print(f"SKIPPED: {reason}", flush=True)
    sys.exit(1 if os.environ.get("CI") == "true" else SKIP)


class Failure(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failure(message)


def wait_until(what, seconds, probe, tick=0.05):
    """Polls `probe` until it gives something true; that is returned. A deadline, not a pause."""
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited {seconds} s in vain for {what}")
        time.sleep(tick)


def die_with_parent():
    ctypes.CDLL("libc.so.6").prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


# ---------------------------------------------------------------------------------------------------------- bencode


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    items = sorted((k.encode() if isinstance(k, str) else k, v) for k, v in value.items())
    return b"d" + b"".join(bencode(k) + bencode(v) for k, v in items) + b"e"


# ---------------------------------------------------------------------------------------------------------- content


class Content:
    """A torrent with its files on disk, made here byte by byte so that the test decides every detail."""

    def __init__(self, root, name, files, piece_length, seed=1):
        """files: None for a single file of that size, else [(path tuple, size, is_pad)]."""
        self.root, self.name, self.piece_length = Path(root), name, piece_length
        rng = random.Random(seed)
        self.files = []  # (relative path, bytes) of what must be on disk afterwards
        self.pads = []
        stream = hashlib.sha1
        pieces, pending = [], b""
        info = {"name": name, "piece length": piece_length}
        entries = files if isinstance(files, list) else [((name,), files, False)]
        listing = []
        for path, size, pad in entries:
            data = bytes(size) if pad else b"".join(rng.randbytes(min(1 << 20, size - at)) for at in range(0, size, 1 << 20))
            listing.append({"length": size, "path": list(path), **({"attr": "p"} if pad else {})})
            if not pad:
                relative = Path(name, *path) if isinstance(files, list) else Path(name)
                self.files.append((relative, data))
                target = self.root / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            else:
                self.pads.append((Path(name, *path), data))
            stretch = pending + data if pending else data
            whole = len(stretch) // piece_length * piece_length
            view = memoryview(stretch)
            pieces += [stream(view[at:at + piece_length]).digest() for at in range(0, whole, piece_length)]
            pending = stretch[whole:]
        if pending:
            pieces.append(stream(pending).digest())
        info["pieces"] = b"".join(pieces)
        if isinstance(files, list):
            info["files"] = listing
        else:
            info["length"] = files
        self.info = bencode(info)
        self.info_hash = hashlib.sha1(self.info).hexdigest()
        self.size = sum(len(d) for _, d in self.files)
        self.torrent = self.root / f"{name}.torrent"
        self.torrent.write_bytes(b"d4:info" + self.info + b"e")
        self.magnet = f"magnet:?xt=urn:btih:{self.info_hash}"

    def with_pads(self):
        """Puts the pad files on disk too, for clients that do not know BEP 47 (aria2)."""
        for relative, data in self.pads:
            target = self.root / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return self

    def verify(self, folder):
        for relative, data in self.files:
            path = Path(folder) / relative
            check(path.is_file(), f"{path} is missing")
            check(path.read_bytes() == data, f"{path} differs from what was seeded")
        found = {p.relative_to(folder) for p in Path(folder).rglob("*") if p.is_file() and self.name in p.parts}
        extra = found - {r for r, _ in self.files}
        check(not extra, f"files that nobody asked for: {extra}")


def multi_file(root, piece_length, name="päckchen ☂"):
    """Pad file, empty file, nested non-ASCII path, short last piece."""
    first = piece_length + 777
    pad = -first % piece_length
    return Content(root, name, [
        (("eins.bin",), first, False),
        ((".pad", str(pad)), pad, True),
        (("leer.txt",), 0, False),
        (("Ordner", "日本語", "ファイル.dat"), 2 * piece_length + 5, False),
        (("kurz",), 3, False),
    ], piece_length, seed=7)


# -------------------------------------------------------------------------------------------------------- the lab


class Lab:
    def __init__(self, script):
        if os.environ.get("LODESTONE_LAB") != "inside":
            probe = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True)
            if probe.returncode != 0:
                skip("no right to make namespaces: " + probe.stderr.decode().strip())
            env = dict(os.environ, LODESTONE_LAB="inside")
            os.execvpe("unshare", ["unshare", "--net", "--mount", sys.executable, os.path.abspath(script), *sys.argv[1:]], env)
        for command in (["link", "set", "lo", "up"],
                        ["addr", "add", "198.18.255.254/15", "dev", "lo"],
                        ["route", "add", "local", "198.18.0.0/15", "dev", "lo"]):
            subprocess.run(["ip", *command], check=False, capture_output=True)
        self.home = Path(tempfile.mkdtemp(prefix="lodestone-lab-"))
        self.children, self.sessions, self.hosts = [], [], 0
        self.threads = []

    def folder(self, name):
        path = self.home / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def host(self, family=4):
        """A fresh address that clients can also enumerate."""
        self.hosts += 1
        # One /24 (v6: /64) a host: clients keep at most one node per /24 in a bucket unless told otherwise.
        address = f"198.18.{self.hosts}.1" if family == 4 else f"fd00:1:{self.hosts:x}::1"
        subprocess.run(["ip", "addr", "add", address + ("/32" if family == 4 else "/128"), "dev", "lo"], check=True)
        if family == 6:
            wait_until("the v6 address", 5, lambda: b"tentative" not in subprocess.run(
                ["ip", "-6", "addr", "show", "dev", "lo"], capture_output=True).stdout)
        return address

    # --- our binary ---
    def lodestone(self, *args, **kwargs):
        """Starts our binary; JSON records are read with records()."""
        process = subprocess.Popen([BIN, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=die_with_parent, **kwargs)
        self.children.append(process)
        return process

    def run(self, *args, timeout=120, **kwargs):
        """Runs our binary to its end: (exit code, JSON records on stdout, stderr)."""
        process = self.lodestone(*args, **kwargs)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise Failure(f"{' '.join(map(str, args))} did not end in {timeout} s\n{out[-3000:]}\n{err[-3000:]}")
        records = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        return process.returncode, records, err

    def get(self, content, bootstrap, *extra, address=None, out=None, expect=0, timeout=120):
        """`lodestone get` of that content found through the DHT only; files are compared."""
        address = address or self.host()
        out = out or self.folder(f"got-{self.hosts}")
        listen = f"[{address}]" if ":" in address else address
        code, records, err = self.run("get", content.magnet, "-o", out, "--listen", listen, "--bootstrap", bootstrap,
                                      "--state-dir", self.folder(f"state-{self.hosts}"), "--json",
                                      "--timeout", f"{timeout - 10}s", *extra, timeout=timeout)
        check(code == expect, f"get ended with {code}, not {expect}\n{json.dumps(records[-5:], indent=1)}\n{err[-3000:]}")
        if expect == 0:
            done = [r for r in records if r["type"] == "done"]
            check(len(done) == 1, "no record `done`")
            check(done[0]["info_hash"] == content.info_hash, "wrong info_hash in `done`")
            content.verify(out)
        return records

    def first_record(self, process, kind, seconds=30):
        """Reads a child's stdout until a record of that type comes."""
        import select
        end = time.monotonic() + seconds
        buffer = getattr(process, "_lab_buffer", "")
        while time.monotonic() < end:
            while "\n" in buffer:
                line, buffer = buffer.split("\n", 1)
                process._lab_buffer = buffer
                if line.startswith("{"):
                    record = json.loads(line)
                    if record["type"] == kind:
                        return record
            ready, _, _ = select.select([process.stdout], [], [], 0.2)
            if ready:
                chunk = os.read(process.stdout.fileno(), 65536).decode()
                if not chunk:
                    raise Failure(f"ended with {process.wait()} before `{kind}`: {process.stderr.read()[-3000:]}")
                buffer += chunk
        raise Failure(f"no record `{kind}` in {seconds} s")

    def node(self, bootstrap=None, address=None, port=6881, *extra):
        """A `lodestone node`; returns (process, "address:port")."""
        address = address or self.host()
        listen = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        args = ["node", "--listen", listen, "--state-dir", self.folder(f"node-{address}-{port}"), "--json", *extra]
        args += ["--bootstrap", bootstrap] if bootstrap else ["--no-bootstrap"]
        process = self.lodestone(*args)
        ready = self.first_record(process, "ready")
        return process, ready["ids"][0]["addr"]

    def seed(self, content, bootstrap, *extra, address=None):
        address = address or self.host()
        listen = f"[{address}]" if ":" in address else address
        process = self.lodestone("seed", content.torrent, "-o", content.root, "--listen", listen, "--bootstrap", bootstrap, "--state-dir",
                                 self.folder(f"seed-{address}"), "--json", *extra)
        wait_until("the announce", 60, lambda: self.first_record(process, "seeding", 60)["announced"] > 0)
        return process

    # --- libtorrent ---
    def lt_session(self, address, port=6881, bootstrap="", **settings):
        import libtorrent as lt
        listen = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        session = lt.session({
            "listen_interfaces": listen, "enable_dht": True, "enable_lsd": False, "enable_upnp": False,
            "enable_natpmp": False, "dht_bootstrap_nodes": bootstrap, "allow_multiple_connections_per_ip": True,
            "dht_block_ratelimit": 100000, "dht_restrict_routing_ips": False, "dht_restrict_search_ips": False,
            "dht_enforce_node_id": False, "dht_prefer_verified_node_ids": False, "dht_ignore_dark_internet": False,
            "alert_mask": lt.alert.category_t.error_notification | lt.alert.category_t.status_notification, **settings})
        self.sessions.append(session)
        return session

    def lt_network(self, count, family=4, port=6881):
        """A meshed DHT of libtorrent nodes; returns ["address:port"]."""
        addresses = [self.host(family) for _ in range(count)]
        sessions = [self.lt_session(a, port) for a in addresses]
        for session in sessions:
            for other in addresses:
                session.add_dht_node((other, port))
        return [f"[{a}]:{port}" if ":" in a else f"{a}:{port}" for a in addresses]

    def lt_add(self, session, content=None, save_path=None, seed=False):
        import libtorrent as lt
        if seed:
            params = lt.add_torrent_params()
            params.ti = lt.torrent_info(str(content.torrent))
            params.flags |= lt.torrent_flags.seed_mode
        else:
            params = lt.parse_magnet_uri(content.magnet)
        params.save_path = str(save_path or content.root)
        params.flags &= ~lt.torrent_flags.auto_managed
        params.flags &= ~lt.torrent_flags.paused
        return session.add_torrent(params)

    def lt_seeder(self, content, network, family=4, port=6881, **settings):
        """Seeds and announces in the DHT of `network`; returns the session once a node holds the announce."""
        address = self.host(family)
        session = self.lt_session(address, port, **settings)
        for node in network:
            host, node_port = node.rsplit(":", 1)
            session.add_dht_node((host.strip("[]"), int(node_port)))
        handle = self.lt_add(session, content, seed=True)
        handle._lab_session = session
        self.announce(session, handle, content, network, (address, port))
        return session

    def announce(self, session, handle, content, network, where):
        """Repeats the announce until a stranger finds it in the DHT."""
        import libtorrent as lt
        stranger = self.lt_session(self.host(6 if ":" in where[0] else 4))
        for node in network:
            host, node_port = node.rsplit(":", 1)
            stranger.add_dht_node((host.strip("[]"), int(node_port)))
        state = {"last": 0.0}

        def found():
            if time.monotonic() - state["last"] > 2:
                state["last"] = time.monotonic()
                handle.force_dht_announce()
                stranger.dht_get_peers(lt.sha1_hash(bytes.fromhex(content.info_hash)))
            for alert in stranger.pop_alerts():
                if isinstance(alert, lt.dht_get_peers_reply_alert) and any(tuple(p) == tuple(where) for p in alert.peers()):
                    return True
            return False

        stranger.apply_settings({"alert_mask": lt.alert.category_t.dht_operation_notification})
        wait_until("libtorrent's announce in the DHT", 60, found)
        self.sessions.remove(stranger)
        del stranger

    def lt_download(self, content, network, family=4, timeout=120):
        """libtorrent fetches the magnet, knowing only the DHT nodes of `network`; files are compared."""
        address = self.host(family)
        session = self.lt_session(address)
        for node in network:
            host, node_port = node.rsplit(":", 1)
            session.add_dht_node((host.strip("[]"), int(node_port)))
        out = self.folder(f"lt-{address}")
        wait_until("libtorrent's DHT", 30, lambda: session.is_dht_running())
        handle = self.lt_add(session, content, save_path=out)
        state = {"last": 0.0}

        def finished():
            if time.monotonic() - state["last"] > 2:  # a magnet added before its DHT is up waits 15 minutes otherwise
                state["last"] = time.monotonic()
                for node in network:
                    host, node_port = node.rsplit(":", 1)
                    session.add_dht_node((host.strip("[]"), int(node_port)))
                handle.force_dht_announce()
            status = handle.status()
            check(not status.errc.value(), f"libtorrent: {status.errc.message()}")
            return status.is_seeding

        wait_until(f"libtorrent's download of {content.name}", timeout, finished)
        handle.flush_cache()
        session.remove_torrent(handle)
        wait_until("libtorrent's files", 30, lambda: self.same(content, out), tick=0.2)
        content.verify(out)
        self.sessions.remove(session)
        return out

    @staticmethod
    def same(content, folder):
        try:
            content.verify(folder)
            return True
        except (Failure, OSError):
            return False

    # --- aria2 ---
    def aria2(self, address, entry, folder, *args, port=6881):
        listen = ["--dht-listen-addr6=" + address, "--enable-dht6=true", "--dht-entry-point6=" + entry] \
            if ":" in address else ["--enable-dht=true", "--dht-entry-point=" + entry]
        if ":" in address:
            listen += ["--enable-dht=false", f"--dht-file-path6={folder}/dht6-{self.hosts}.dat"]
        process = subprocess.Popen(
            ["aria2c", "--no-conf=true", *listen, f"--interface={address}", f"--dht-listen-port={port}",
             f"--listen-port={port}", f"--dht-file-path={folder}/dht-{self.hosts}.dat", "--bt-enable-lpd=false",
             "--enable-peer-exchange=false", "--follow-torrent=mem", f"--dir={folder}", "--summary-interval=0",
             "--file-allocation=none", f"--log={folder}/aria2-{self.hosts}.log", "--log-level=debug", *map(str, args)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=die_with_parent)
        self.children.append(process)
        return process

    # --- the end ---
    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
        for child in self.children:
            child.wait()
        self.sessions.clear()
        shutil.rmtree(self.home, ignore_errors=True)


def main(script, *cases):
    """Runs the cases in order, prints a line each, exits 0 when all passed. An argument runs only cases of that name."""
    wanted = sys.argv[1:]
    unknown = set(wanted) - {case.__name__ for case in cases}
    if unknown:
        print(f"there is no case {', '.join(sorted(unknown))}", file=sys.stderr)
        sys.exit(2)
    lab = Lab(script)
    failed = 0
    for case in cases:
        if wanted and case.__name__ not in wanted:
            continue
        started = time.monotonic()
        try:
            case(lab)
            print(f"ok   {case.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
        except Failure as failure:
            failed += 1
            print(f"FAIL {case.__name__}: {failure}", flush=True)
        except Exception:  # a record without a key, a child that hangs: this case failed, the others shall still run
            failed += 1
            print(f"FAIL {case.__name__}:\n{traceback.format_exc()}", flush=True)
        finally:
            for child in lab.children:
                if child.poll() is None:
                    child.kill()
                child.wait()
            lab.children.clear()
            lab.sessions.clear()
    lab.close()
    sys.exit(1 if failed else 0)
