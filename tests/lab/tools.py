"""What the lab's tests share: kubectl, the command line in a process of its own, and a look at the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusters.budgets import Budget
from clusters.lab.lab import Lab
from clusters.metallb import install
from clusters.profile import Metrics

SOON = Budget(name="test.soon", within=60, every=0.25, reason="a test's machine may be busy with other tests")
#: How every lab's metrics may be read: it is made with the account for that.
SCRAPING = Metrics(account=f"metallb-system/{install.METRICS_ACCOUNT}")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Kubectl:
    """kubectl of a lab, from the machine itself."""

    lab: Lab

    def __call__(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [self.lab.kubectl, "--kubeconfig", self.lab.kubeconfig, *arguments]
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=60)

    def ok(self, *arguments: str, given: str | None = None) -> str:
        """The output of a call that must succeed."""
        done = self(*arguments, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        """The output of a call with `-o json`."""
        found: dict[str, Any] = json.loads(self.ok(*arguments, "-o", "json"))
        return found


def command_line(*arguments: str) -> list[str]:
    """`python -m clusters.lab` as an argument list."""
    return [sys.executable, "-m", "clusters.lab", *arguments]


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the lab's command line to its end."""
    wanted: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 240, "cwd": ROOT, **options}
    return subprocess.run(command_line(*arguments), check=False, **wanted)


def machine() -> dict[str, Any]:
    """What a lab must not touch of the machine that it runs on, as it is now."""
    return {
        "links": _links(),
        "routes": _output("ip", "-json", "route", "show", "table", "all")
        + _output("ip", "-json", "-6", "route", "show", "table", "all"),
        "rules": _output("ip", "rule"),
        "neighbour settings": _output("ip", "netconf"),
        "firewall": _output("nft", "list", "ruleset"),
        "hostname": _output("hostname"),
        "sysctls": dict(_sysctls()),
    }


def mounts() -> list[str]:
    """Mounts that this process sees."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return sorted(" ".join(line.split()[3:5]) for line in lines)


def cgroup_folders() -> set[str]:
    """Every cgroup of the machine."""
    return {folder for folder, _, _ in os.walk("/sys/fs/cgroup")}


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _links() -> list[dict[str, Any]]:
    links = json.loads(_output("ip", "-json", "address"))
    return [{key: link[key] for key in ("ifname", "flags", "addr_info", "mtu")} for link in links]


# These count or time something and change by themselves.
_RESTLESS = (
    "fs/quota",
    "random",
    "-nr",
    "nr_",
    "nr-",
    "ns_last_pid",
    "stat",
    "pty/",
    "count",
    "inode",
    "dentry",
    "nat_table",
)


def _sysctls() -> Iterator[tuple[str, str]]:
    for folder, _, files in os.walk("/proc/sys"):
        for name in files:
            path = Path(folder, name)
            if any(word in str(path) for word in _RESTLESS):
                continue
            try:
                yield str(path), path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
