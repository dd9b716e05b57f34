#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What an operator installs: the tree of `cmake --install`, the .deb, the unit. Nothing here may build anything: the
binary that is tested is put where a build would have left it, and nothing but it."""
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab import BIN, check, main

ROOT = Path(__file__).resolve().parents[2]
MOST_EXPOSURE = 2.0

MUST_HAVE = {  # path in the package: mode
    "usr/bin/lodestone": "-rwxr-xr-x",
    "etc/lodestone/lodestone.toml": "-rw-r--r--",
    "usr/lib/systemd/system/lodestone.service": "-rw-r--r--",
    "usr/lib/sysusers.d/lodestone.conf": "-rw-r--r--",
    "usr/lib/tmpfiles.d/lodestone.conf": "-rw-r--r--",
    "usr/share/doc/lodestone/LICENSE": "-rw-r--r--",
    "usr/share/doc/lodestone/README.md": "-rw-r--r--",
    "usr/share/doc/lodestone/changelog.gz": "-rw-r--r--",
    "usr/share/doc/lodestone/copyright": "-rw-r--r--",
    "usr/share/doc/lodestone/examples/logrotate.conf": "-rw-r--r--",
    "usr/share/doc/lodestone/examples/lodestone.toml": "-rw-r--r--",
    "usr/share/doc/lodestone/operating.md": "-rw-r--r--",
    "usr/share/man/man1/lodestone.1.gz": "-rw-r--r--",
}


def run(*command, expect=0, timeout=240, **kwargs):
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout, **kwargs)
    check(done.returncode == expect, f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


class Build:
    """A build directory, configured once, with our binary in it and nothing else built."""
    made = None

    def __init__(self, lab):
        self.folder = lab.folder("build")
        run("cmake", "-S", ROOT, "-B", self.folder, "-G", "Ninja")
        binary = self.folder / "bin" / "lodestone"
        shutil.copy(BIN, binary)
        run("cpack", "--config", self.folder / "CPackConfig.cmake", "-B", lab.folder("cpack"))
        self.deb, = lab.folder("cpack").glob("*.deb")

    def built(self):
        return [*self.folder.rglob("*.o"), *self.folder.rglob("*.a")]

    @classmethod
    def of(cls, lab):
        cls.made = cls.made or cls(lab)
        return cls.made


def the_package_has_what_an_operator_needs(lab):
    build = Build.of(lab)
    check(not build.built(), f"packing has built something: {build.built()[:3]}")
    found = {}
    for line in run("dpkg-deb", "-c", build.deb).splitlines():
        mode, owner, _, _, _, path = line.split(None, 5)
        check(owner == "root/root", line)
        if not mode.startswith("d"):
            found[path.removeprefix("./")] = mode
    check(found == MUST_HAVE, f"missing or of another mode: {MUST_HAVE.items() - found.items()}, "
          f"too much: {found.items() - MUST_HAVE.items()}")
    check(build.deb.name == f"lodestone_0.1.0_{run('dpkg', '--print-architecture').strip()}.deb", build.deb.name)
    control = run("dpkg-deb", "-f", build.deb)
    for says in (r"Section: net", r"Maintainer: .+ <.+@.+>", r"Depends: .*libc6 \(", r"Depends: .*libsystemd0",
                 r"Depends: .*libtomlplusplus3"):
        check(re.search(f"(?m)^{says}", control), f"no {says} in\n{control}")
    inside = lab.folder("control")
    run("dpkg-deb", "-e", build.deb, inside)
    check((inside / "conffiles").read_text() == "/etc/lodestone/lodestone.toml\n", "no conffile")
    for script in ("postinst", "prerm", "postrm"):
        check((inside / script).stat().st_mode & 0o777 == 0o755, f"{script} does not run")
        run("sh", "-n", inside / script)
    tree = lab.folder("extracted")
    run("dpkg-deb", "-x", build.deb, tree)
    check(run(tree / "usr/bin/lodestone", "--version") == "lodestone 0.1.0\n", "it does not run")
    unit = (tree / "usr/lib/systemd/system/lodestone.service").read_text()
    check("ExecStart=/usr/bin/lodestone node --config /etc/lodestone/lodestone.toml\n" in unit, "the unit starts something else")


def lintian_finds_no_error(lab):
    run("lintian", "--fail-on", "error", "--allow-root", "--tag-display-limit", 0, Build.of(lab).deb)


def the_unit_is_hardened(lab):
    tree = lab.folder("extracted")
    run("dpkg-deb", "-x", Build.of(lab).deb, tree)
    unit = tree / "usr/lib/systemd/system/lodestone.service"
    said = run("systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSURE * 10:.0f}", "--no-pager", unit)
    exposure = float(re.search(r"Overall exposure level for .*: ([\d.]+)", said)[1])
    print(f"     exposure {exposure}", flush=True)
    check(exposure <= MOST_EXPOSURE, said)
    # The check itself can fail.
    open_unit = lab.folder("open") / "lodestone.service"
    open_unit.write_text("[Service]\nExecStart=/bin/true\n")
    run("systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSURE * 10:.0f}", "--no-pager", open_unit, expect=1)


def an_installed_tree_names_itself(lab):
    build = Build.of(lab)
    prefix = Path(tempfile.mkdtemp(dir=lab.home))
    run("cmake", "--install", build.folder, "--prefix", prefix)
    check(not build.built(), "installing has built something")
    unit = prefix / "lib/systemd/system/lodestone.service"
    check(f"ExecStart={prefix}/bin/lodestone node --config {prefix}/etc/lodestone/lodestone.toml\n" in unit.read_text(),
          "the unit does not name what was installed beside it")
    run("systemd-analyze", "verify", "--man=no", unit)
    # On an empty machine: the account, then its directory.
    empty = lab.folder("empty")
    (empty / "etc").mkdir()
    run("systemd-sysusers", f"--root={empty}", prefix / "lib/sysusers.d/lodestone.conf")
    run("systemd-tmpfiles", "--create", f"--root={empty}", prefix / "lib/tmpfiles.d/lodestone.conf")
    account = (empty / "etc/passwd").read_text().split(":")
    check(account[0] == "lodestone" and account[6].strip().endswith("nologin"), f"{account}")
    for folder in ("var/lib/lodestone", "var/log/lodestone"):
        status = (empty / folder).stat()
        check(status.st_mode & 0o777 == 0o750 and status.st_uid == int(account[2]), f"{folder}: {status}")
    # An administrator's file is not overwritten.
    config = prefix / "etc/lodestone/lodestone.toml"
    config.write_text("mine")
    run("cmake", "--install", build.folder, "--prefix", prefix)
    check(config.read_text() == "mine", "an edited configuration was overwritten")
    destdir = lab.folder("destdir")
    run("cmake", "--install", build.folder, "--prefix", "/usr", env=dict(os.environ, DESTDIR=str(destdir)))
    found = {str(path.relative_to(destdir)) for path in destdir.rglob("*") if path.is_file()}
    check(found == set(MUST_HAVE), f"{found ^ set(MUST_HAVE)}")


if __name__ == "__main__":
    main(__file__, the_package_has_what_an_operator_needs, lintian_finds_no_error, the_unit_is_hardened,
         an_installed_tree_names_itself)
