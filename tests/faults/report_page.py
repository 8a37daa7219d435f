"""docs/faults.md: what came of every fault, under which conditions, and what is not made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import psutil

from clusters.lab import cgroups, status
from clusters.lab.lab import Lab
from tests.faults.catalogue import Trial
from tests.faults.catalogue_elsewhere import ELSEWHERE

_HEAD = """\
# The fault catalogue

Every cause that a finding may name is made for real, and every check of level observe is asked about it. Written by
`make faults`; `tests/faults/catalogue*.py` hold the faults, and what must be said about each.

A fault of the cluster is made in an embedded lab (real Kubernetes, real MetalLB), a fault of the repository in a
clone of `examples/platform` with its history, in front of the same lab. Then the lab is observed once and the whole
observe suite judges that one observation. *Detected* means that a check that must fail did. *Right cause* means that
every check that must fail named the expected cause and subject. *Unrelated* counts every other finding, and every
check that could not be decided although it should have been; a finding that names the same cause and refers to its
root is neither. Afterwards the fault is mended, and the next one is made only once every check is silent again.

A service counts as waiting after 1 s here, not after the suite's own 10 s: these faults stand still.
"""


@dataclass(frozen=True)
class Quiet:
    """One healthy variant, and what was said about it although nothing should have been."""

    name: str
    said: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """On what it was measured; `seconds` for everything, labs and their removal included."""

    processors: int
    memory: float
    kernel: str
    cgroups: str
    nodes: int
    kubernetes: str
    metallb: str
    load: float
    seconds: float = 0.0
    labs: int = 1

    @classmethod
    def of(cls, lab: Lab) -> Self:
        """The machine as it is now, and a lab."""
        return cls(
            processors=psutil.cpu_count() or 1,
            memory=psutil.virtual_memory().total / 2**30,
            kernel=".".join(os.uname().release.split(".")[:2]),
            cgroups="v2" if cgroups.is_v2() else "v1",
            nodes=len(lab.nodes),
            kubernetes=status.of(lab.name)["kubernetes_version"],
            metallb=lab.metallb_version,
            load=os.getloadavg()[1],
        )

    def ended(self, seconds: float, *, labs: int) -> Self:
        """The same with the time that everything took, and in how many labs side by side."""
        return replace(self, seconds=seconds, labs=labs)

    def __str__(self) -> str:
        side = "one lab" if self.labs == 1 else f"{self.labs} labs side by side, each"
        return (
            f"{self.processors} processors, {self.memory:.0f} GiB, kernel {self.kernel}, cgroup {self.cgroups}; {side} "
            f"of {self.nodes} nodes with Kubernetes {self.kubernetes} and MetalLB {self.metallb}; load of the machine "
            f"{self.load:.1f} (5 minutes) when the first lab was ready; {self.seconds:.0f} s for everything."
        )


def page(trials: Sequence[Trial], quiet: Sequence[Quiet], conditions: Conditions) -> str:
    """The whole page."""
    lines = [
        _HEAD,
        *_totals(trials, quiet),
        "",
        f"Measured on {conditions}",
        "",
        "## Faults",
        "",
        "| cause | fault | named by | result | seconds |",
        "| --- | --- | --- | --- | --- |",
        *(_row(one) for one in sorted(trials, key=lambda one: (one.fault.cause, one.fault.name))),
        "",
        "The seconds are those from the first step of the fault until every check was silent again.",
        "",
        "## Healthy, and silent",
        "",
        "| set-up | result | seconds |",
        "| --- | --- | --- |",
        *(f"| {one.name} | {'; '.join(one.said) or 'silent'} | {one.seconds:.1f} |" for one in quiet),
        "",
        "## Causes that are not made here",
        "",
        "| cause | why, and where it is proved |",
        "| --- | --- |",
        *(f"| {cause} | {why} |" for cause, why in ELSEWHERE.items()),
    ]
    return "\n".join(lines) + "\n"


def _totals(trials: Sequence[Trial], quiet: Sequence[Quiet]) -> Iterator[str]:
    seconds = sorted(one.seconds for one in trials)
    causes = {one.fault.cause for one in trials}
    said = [one for one in trials if one.fault.says]
    rows = {
        "causes made": f"{len(causes)}",
        "faults made": f"{len(trials)}",
        "detected": _share([one.detected for one in trials]),
        "right cause": _share([one.right for one in trials]),
        "unrelated findings": str(sum(len(one.unrelated) for one in trials)),
        "scope and verdict right, where stated": _share([not one.missaid for one in said]),
        "healthy set-ups silent": _share([not one.said for one in quiet]),
        "seconds for a fault": f"{seconds[len(seconds) // 2]:.1f} (median), {seconds[-1]:.1f} (most)",
    }
    yield "| | |"
    yield "| --- | --- |"
    yield from (f"| {what} | {figure} |" for what, figure in rows.items())


def _share(found: Iterable[bool]) -> str:
    each = list(found)
    return f"{sum(each)} of {len(each)}"


def _row(one: Trial) -> str:
    named = ", ".join(f"`{check}`" for check in one.fault.shows)
    result = one.wrong.replace("\n", "; ").replace("|", "\\|") or "right"
    return f"| {one.fault.cause} | {one.fault.name} | {named} | {result} | {one.seconds:.1f} |"
