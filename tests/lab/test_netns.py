"""Names of network namespaces beside those of `ip netns`, in a mount namespace where nobody else's are touched."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.lab.tools import ROOT

#: /run is a folder of its own here, and what is mounted in it is seen by nobody else.
_APART = "mount -t tmpfs apart /run && {python} -c '{script}'"
_LOOK = """
import subprocess
from pathlib import Path
from clusters.lab import netns

def ip(*arguments):
    subprocess.run(["ip", "netns", *arguments], check=True)

def look():
    lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted(line[4] for line in lines if line[4].startswith("/run/")), sorted(map(str, Path("/run").rglob("*")))
"""


def apart(script: str) -> None:
    command = _APART.format(python=sys.executable, script=_LOOK + script)
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", command],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_nothing_is_left_where_nobody_else_has_names() -> None:
    apart("""
before = look()
netns.create("a")
netns.create("b")
netns.remove("a")
netns.tidy()
assert Path("/run/netns/b").exists()
netns.remove("b")
netns.tidy()
assert look() == before, look()
""")


def test_a_name_that_ip_made_meanwhile_does_not_keep_ours_from_being_removed() -> None:
    apart("""
netns.create("ours")
ip("add", "theirs")
netns.create("later")
for name in ("ours", "later"):
    netns.remove(name)
netns.tidy()
assert [path.name for path in Path("/run/netns").iterdir()] == ["theirs"]
ip("exec", "theirs", "true")
ip("del", "theirs")
""")


def test_where_ip_was_first_its_mount_stays() -> None:
    apart("""
ip("add", "theirs")
ip("del", "theirs")
before = look()
netns.create("ours")
netns.remove("ours")
netns.tidy()
assert look()[0] == before[0], look()
assert "/run/netns" in before[0]
""")


def test_what_was_mounted_over_our_names_is_told_and_nothing_else_is_kept() -> None:
    apart("""
import os
os.environ["METALLB_CONFORMANCE_STATE"] = "/run/state"
from clusters.errors import CleanupFailed
from clusters.lab import life, plan
from clusters.lab.lab_state import LabPaths
LabPaths("x").root.mkdir(parents=True)
first, *others = plan.every_netns("x")
netns.create(first)
subprocess.run(["mount", "--bind", "/run/netns", "/run/netns"], check=True)
netns.create(others[0])
try:
    life.remove("x")
except CleanupFailed as error:
    told = str(error)
assert f"Network namespace {first} of lab x could not be removed" in told, told
assert "umount /run/netns" in told, told
assert not Path("/run/netns", others[0]).exists()
assert not LabPaths("x").root.exists()
subprocess.run(["umount", "/run/netns"], check=True)
life.remove("x")
assert life.leftovers("x") == []
""")


@pytest.mark.parametrize("earlier", ["tmpfs", "none"])
def test_the_folder_may_have_been_there_before(earlier: str) -> None:
    mount = (
        'subprocess.run(["mount", "-t", "tmpfs", "x", "/run/netns"], check=True)'
        if earlier == "tmpfs"
        else ""
    )
    apart(f"""
Path("/run/netns").mkdir()
{mount}
before = look()[0]
netns.create("ours")
ip("add", "theirs")
netns.remove("ours")
ip("del", "theirs")
netns.tidy()
assert look()[0] == before, look()
""")
