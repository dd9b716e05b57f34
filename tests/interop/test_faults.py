#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input and faults, as a person at a terminal meets them: exit codes, one clear line, nothing lost."""
import json
import os
import random
import signal
import socket
import subprocess

from lab import Content, check, main, multi_file, wait_until


def last_exit(err):
    lines = [line for line in err.splitlines() if line.startswith('{"type":"exit"')]
    check(lines, f"no exit record on stderr: {err[-500:]}")
    return json.loads(lines[-1])


def malformed_input_is_11(lab):
    bad = lab.folder("bad") / "bad.torrent"
    bad.write_bytes(b"d4:infod6:lengthi-5e4:name1:x12:piece lengthi16384e6:pieces0:ee")
    for args in (["get", "magnet:?xt=urn:btih:xyz"], ["get", bad], ["show", bad], ["show", "magnet:?dn=nothing"],
                 ["magnet", "parse", "magnet:?xt=urn:btih:12"]):
        code, _, err = lab.run(*args, "--json")
        check(code == 11, f"{args} ended with {code}: {err}")
        record = last_exit(err)
        check(record["code"] == 11 and record["error"] == "bad-input" and record["message"], f"{record}")


def no_dht_node_answers_is_5(lab):
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind((lab.host(), 0))
    host, port = silent.getsockname()
    code, records, err = lab.run("get", "ab" * 20, "--listen", lab.host(), "--bootstrap", f"{host}:{port}", "--state-dir",
                                 lab.folder("silent"), "--json", "--timeout", "18s", "-o", lab.folder("silent-out"))
    check(code == 5, f"ended with {code}: {err}")
    check(any(r["type"] == "stall" and r["reason"] == "dht-unreachable" for r in records), f"no reason given: {records}")
    check(last_exit(err)["error"] == "network", err)
    silent.close()


def nobody_stores_it_is_4(lab):
    network = lab.lt_network(4)
    code, records, err = lab.run("get", "cd" * 20, "--listen", lab.host(), "--bootstrap", network[0], "--state-dir",
                                 lab.folder("nobody"), "--json", "--timeout", "25s", "-o", lab.folder("nobody-out"))
    check(code == 4, f"ended with {code}: {err}")
    check(any(r["type"] == "stall" and r["reason"] == "no-peers" for r in records),
          f"no reason given: {[r for r in records if r['type'] == 'stall']}")


def taken_port_is_5(lab):
    address = lab.host()
    holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    holder.bind((address, 7777))
    code, _, err = lab.run("node", "--listen", f"{address}:7777", "--state-dir", lab.folder("taken"), "--no-bootstrap",
                           "--json", timeout=20)
    check(code == 5, f"ended with {code}: {err}")
    check(f"{address}:7777" in last_exit(err)["message"], f"does not name the address: {err}")
    holder.close()


def full_disk_is_7_and_what_was_verified_stays(lab):
    network = lab.lt_network(4)
    content = Content(lab.folder("full"), "voll.bin", 12 << 20, 1 << 18)
    lab.lt_seeder(content, network)
    out = lab.folder("full-out")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(out)], check=True)
    try:
        state, address = lab.folder("full-state"), lab.host()
        args = ["get", content.magnet, "-o", out, "--listen", address, "--bootstrap", network[0], "--state-dir", state,
                "--json"]
        code, records, err = lab.run(*args, "--timeout", "110s", timeout=130)
        check(code == 7, f"ended with {code}: {err}")
        check(any(r["type"] == "stall" and r["reason"] == "disk-full" for r in records), f"no stall `disk-full`: {[r for r in records if r['type'] in ('stall', 'phase')]}")
        subprocess.run(["mount", "-o", "remount,size=64m", str(out)], check=True)
        code, records, err = lab.run(*args, "--timeout", "60s")
        check(code == 0, f"after making room it ended with {code}: {err}")
        done = [r for r in records if r["type"] == "done"][0]
        check(done["downloaded"] < 10 << 20, f"fetched {done['downloaded']} bytes again")
        content.verify(out)
    finally:
        subprocess.run(["umount", "-l", str(out)], check=False)


def unwritable_folder_is_7(lab):
    network = lab.lt_network(4)
    content = multi_file(lab.folder("ro"), 32768, name="ro")
    lab.lt_seeder(content, network)
    out = lab.folder("ro-out")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,ro", "tmpfs", str(out)], check=True)
    try:
        code, _, err = lab.run("get", content.magnet, "-o", out, "--listen", lab.host(), "--bootstrap", network[0],
                               "--state-dir", lab.folder("ro-state"), "--json", "--timeout", "60s")
        check(code == 7, f"ended with {code}: {err}")
    finally:
        subprocess.run(["umount", "-l", str(out)], check=False)


def foreign_file_in_the_way_is_9(lab):
    network = lab.lt_network(4)
    content = Content(lab.folder("way"), "weg.bin", 100_000, 16384)
    lab.lt_seeder(content, network)
    out = lab.folder("way-out")
    (out / "weg.bin").write_bytes(b"mine" * 1000)
    args = ["get", content.magnet, "-o", out, "--bootstrap", network[0], "--state-dir", lab.folder("way-state"), "--json",
            "--timeout", "60s"]
    code, _, err = lab.run(*args, "--listen", lab.host())
    check(code == 9, f"ended with {code}: {err}")
    check((out / "weg.bin").read_bytes() == b"mine" * 1000, "somebody's file was touched")
    code, _, err = lab.run(*args, "--listen", lab.host(), "--force")
    check(code == 0, f"with --force it ended with {code}: {err}")
    content.verify(out)


def interrupted(lab, how, code_expected):
    """Stops a download in the middle and runs the same command again."""
    network = lab.lt_network(4)
    content = Content(lab.folder(f"int-{how}"), f"int-{how}.bin", 96 << 20, 1 << 20)
    seeder = lab.lt_seeder(content, network)
    seeder.apply_settings({"upload_rate_limit": 30 << 20, "ignore_limits_on_local_network": False})
    out = lab.folder(f"int-{how}-out")
    args = ["get", content.magnet, "-o", out, "--listen", lab.host(), "--bootstrap", network[0], "--state-dir",
            lab.folder(f"int-{how}-state"), "--json", "--timeout", "100s"]
    process = lab.lodestone(*args)
    while True:
        record = lab.first_record(process, "progress", 60)
        if record["bytes_done"] > 8 << 20:
            break
    before = record["bytes_done"]
    process.send_signal(how)
    process.wait(20)
    check(process.returncode == code_expected, f"ended with {process.returncode}, not {code_expected}")
    if how == signal.SIGINT:
        check("resume" in process.stderr.read().lower(), "no hint how to resume")
    code, records, err = lab.run(*args)
    check(code == 0, f"the second run ended with {code}: {err}")
    done = [r for r in records if r["type"] == "done"][0]
    check(done["downloaded"] <= content.size - before + (8 << 20), f"fetched {done['downloaded']} of {content.size} bytes "
          f"in the second run; {before} were verified before")
    content.verify(out)


def ctrl_c_is_130_and_resumes(lab):
    interrupted(lab, signal.SIGINT, 130)


def term_is_143_and_resumes(lab):
    interrupted(lab, signal.SIGTERM, 143)


def kill_9_resumes(lab):
    interrupted(lab, signal.SIGKILL, -9)


def one_source_that_lies_costs_only_itself(lab):
    """Two seeders, one with other bytes under the same info-hash: the file is right all the same."""
    network = lab.lt_network(4)
    content = Content(lab.folder("honest"), "beide.bin", 8 << 20, 1 << 17)
    liar = Content(lab.folder("liar"), "beide.bin", 8 << 20, 1 << 17, seed=99)
    liar.torrent.write_bytes(content.torrent.read_bytes())
    liar.info_hash, liar.magnet = content.info_hash, content.magnet
    lab.lt_seeder(liar, network)
    lab.lt_seeder(content, network)
    lab.get(content, network[0])


if __name__ == "__main__":
    main(__file__, malformed_input_is_11, no_dht_node_answers_is_5, nobody_stores_it_is_4, taken_port_is_5,
         full_disk_is_7_and_what_was_verified_stays, unwritable_folder_is_7, foreign_file_in_the_way_is_9,
         ctrl_c_is_130_and_resumes, term_is_143_and_resumes, kill_9_resumes, one_source_that_lies_costs_only_itself)
