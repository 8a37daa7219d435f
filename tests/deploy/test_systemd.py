"""The units in deploy/systemd, by systemd's own tools. No systemd needs to run for that."""

from __future__ import annotations

import configparser
import functools
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy" / "systemd"
INSTALLED = "/opt/metallb-conformance"
STATE = "/var/lib/metallb-conformance"
#: Of ten. What is left is the network, which a run is about.
EXPOSED_AT_MOST = 2.0
#: What the unit asks the kernel for, asked for here, before the command that follows takes over.
CONFINED = """
import ctypes, json, os, sys
allowed, uid, command = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
libc, seccomp = ctypes.CDLL(None, use_errno=True), ctypes.CDLL("libseccomp.so.2", use_errno=True)
seccomp.seccomp_init.restype = ctypes.c_void_p
os.umask(0o077)
if uid:
    os.setgroups([]), os.setgid(uid), os.setuid(uid)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(65, 1, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())  # PR_SET_MDWE, of Linux 6.3
filter = ctypes.c_void_p(seccomp.seccomp_init(0x00050000 | 1))  # what is not allowed ends in EPERM
for name in allowed:
    number = seccomp.seccomp_syscall_resolve_name(name.encode())
    if number >= 0:
        assert seccomp.seccomp_rule_add(filter, 0x7FFF0000, number, 0) == 0
assert seccomp.seccomp_load(filter) == 0
os.execv(command[0], command)
"""


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """The units of one cluster, as if the checkout were installed where they say."""
    names = []
    for unit in sorted(UNITS.glob("*@.*")):
        place = tmp_path / unit.name.replace("@", "@homelab")
        here = unit.read_text().replace(f"{INSTALLED}/.venv/bin", str(Path(sys.executable).parent))
        place.write_text(here.replace(INSTALLED, str(ROOT)))
        names.append(str(place))
    assert len(names) == 2
    return names


def tool(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def service() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    text = (UNITS / "metallb-conformance@.service").read_text()
    parser.read_string(text.replace("\\\n", " "))
    return parser


def test_systemd_takes_the_units_without_a_word(units: list[str]) -> None:
    done = tool("systemd-analyze", "verify", "--man=no", *units)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("TimeoutStartSec=3h", "TimeoutStartSec=threehours"), ("OnCalendar=*-*-* 03:00", "OnCalendar=nightly")],
)
def test_a_mistake_in_them_would_be_told(units: list[str], right: str, wrong: str) -> None:
    texts = {Path(name): Path(name).read_text() for name in units}
    assert sum(text.count(right) for text in texts.values()) == 1
    for path, text in texts.items():
        path.write_text(text.replace(right, wrong))

    done = tool("systemd-analyze", "verify", "--man=no", *units)

    assert wrong.partition("=")[2] in done.stderr


def test_the_service_may_do_little(units: list[str]) -> None:
    done = tool(
        *("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSED_AT_MOST * 10:.0f}"),
        units[0],
    )

    assert done.returncode == 0, done.stdout[-2000:]


def lines(name: str) -> list[str]:
    """All values of a setting of the unit, in their order."""
    text = (UNITS / "metallb-conformance@.service").read_text()
    return re.findall(rf"^{name}=(.*)$", text, flags=re.MULTILINE)


def test_it_writes_nowhere_but_in_its_own_folder() -> None:
    assert lines("ReadWritePaths") == [STATE]
    assert lines("StateDirectory") == [Path(STATE).name]
    assert (lines("StateDirectoryMode"), lines("UMask"), lines("ProtectSystem")) == (
        ["0700"],
        ["0077"],
        ["strict"],
    )
    variables = dict(each.split("=", 1) for line in lines("Environment") for each in shlex.split(line))
    places = {name: variables[name] for name in ("METALLB_CONFORMANCE_STATE", "METALLB_CONFORMANCE_REPORTS")}
    assert all(Path(each).is_relative_to(STATE) for each in places.values())


def test_its_code_is_in_no_folder_that_it_may_write() -> None:
    (command,) = lines("ExecStart")
    for path in (command.split()[0], *lines("WorkingDirectory")):
        assert path.startswith(INSTALLED)
    assert not Path(INSTALLED).is_relative_to(STATE)
    page = (ROOT / "docs/nightly-on-a-host.md").read_text()
    opened = re.findall(r"^\$ sudo (?:chown|chmod|install -d).*$", page, flags=re.MULTILINE)
    assert [line for line in opened if "/etc/metallb-conformance" not in line] == []


def test_the_page_installs_what_a_run_needs_and_no_more() -> None:
    page = (ROOT / "docs/nightly-on-a-host.md").read_text()

    assert "--requirement requirements/notify.txt" in page
    assert "dev.txt" not in page


@functools.cache
def syscalls(group: str) -> frozenset[str]:
    """What a group of systemd's holds, groups in it included."""
    listed = tool("systemd-analyze", "syscall-filter", group).stdout.splitlines()[1:]
    names = [line.strip() for line in listed if line.strip() and not line.strip().startswith("#")]
    assert names, group
    return frozenset(one for name in names for one in (syscalls(name) if name.startswith("@") else {name}))


def allowed() -> list[str]:
    first, taken = lines("SystemCallFilter")
    assert not first.startswith("~")
    assert taken.startswith("~")
    # What systemd lets pass whatever a unit says, for without it nothing could be started.
    always = {*syscalls("@default"), "execve"}
    left = {one for group in first.split() for one in syscalls(group)}
    return sorted((left - {one for group in taken[1:].split() for one in syscalls(group)}) | always)


def confined(*command: str | Path, user: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CONFINED, json.dumps(allowed()), str(user), *map(str, command)],
        capture_output=True, text=True, check=False, timeout=200, **options,
    )  # fmt: skip


def test_what_it_may_not_do_fails_here_as_it_would_there() -> None:
    tried = {
        "memory": "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)",
        "mount": "import ctypes; exit(ctypes.CDLL(None).mount(b'x', b'/x', b'tmpfs', 0, 0) != 0)",
        "chown": "import os; os.chown('/proc/self', 0, 0)",
    }

    assert {name: confined(sys.executable, "-c", code).returncode for name, code in tried.items()} == {
        "memory": 1,
        "mount": 1,
        "chown": 1,
    }


def test_all_that_a_run_loads_can_be_loaded_under_it() -> None:
    names = ("cryptography.hazmat.bindings._rust", "kubernetes.client", "lxml", "pydantic_core", "pyroute2",
             "scapy.all", "sqlite3", "yaml.cyaml")  # fmt: skip
    there = [name for name in names if name != "lxml"]

    done = confined(sys.executable, "-c", "; ".join(f"import {name}" for name in there))

    assert done.returncode == 0, done.stderr


def test_a_run_ends_as_ever_under_it(tmp_path: Path) -> None:
    """A kept observation judged again, with its pages and the history; what needs a cluster is the lab's matter."""
    kept = ROOT / "tests/unit/diagnosis/observations/strict-arp-off.json.gz"
    command = (sys.executable, "-m", "pytest", "suites", "-q", "-p", "no:cacheprovider", "--snapshot", kept)

    done = confined(
        *command, cwd=ROOT, env=os.environ | {"METALLB_CONFORMANCE_REPORTS": str(tmp_path / "reports")}
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert "strict-arp-off" in (tmp_path / "reports" / "out" / "latest" / "results.json").read_text()
    assert (tmp_path / "reports" / "history.db").exists()


def test_it_still_hears_the_wire_under_it() -> None:
    code = (
        "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)).close(); "
        "from pyroute2 import IPRoute; print(len(IPRoute().get_links()))"
    )

    done = confined(sys.executable, "-c", code)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1


def test_the_command_of_the_service_is_one_that_pytest_takes(tmp_path: Path) -> None:
    """Collected, not run; the instance's profile is the example."""
    profile = tmp_path / "homelab.yaml"
    profile.write_text((ROOT / "clusters/profiles/homelab.yaml").read_text())
    line = service()["Service"]["ExecStart"].replace("/etc/metallb-conformance/%i.yaml", str(profile))
    program, *arguments = shlex.split(line.replace("$ARGS", "--textfile-dir /tmp"))
    assert program == f"{INSTALLED}/.venv/bin/pytest"

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, "--collect-only", "-q"],
        cwd=ROOT,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "suites/health/test_health.py::" in done.stdout


def test_old_runs_go_and_young_ones_stay(tmp_path: Path) -> None:
    out = tmp_path / "state" / "reports" / "out"
    for name, days in (("old", 90), ("young", 3)):
        (out / name).mkdir(parents=True)
        file = out / name / "results.json"
        file.touch()
        for path in (file, file.parent):
            age(path, days=days)
    rules = (UNITS / "metallb-conformance.tmpfiles.conf").read_text()
    mine = rules.replace(STATE, str(tmp_path / "state")).replace(
        "metallb-conformance metallb-conformance", "- -"
    )
    # Times of change cannot be set, so only those of the contents count here.
    (tmp_path / "rules.conf").write_text(mine.replace(" 60d", " mM:60d"))

    done = tool("systemd-tmpfiles", "--clean", tmp_path / "rules.conf")

    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in out.iterdir()] == ["young"]


def age(path: Path, *, days: int) -> None:
    """Let a file have been written that many days ago."""
    then = path.stat().st_mtime - days * 86400
    os.utime(path, (then, then))
