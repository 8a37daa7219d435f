"""docs/faults.md: what came of every fault, under which conditions, and what is not made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import psutil

from clusters.lab import cgroups, life
from clusters.lab.lab import Lab
from tests.faults import confusion
from tests.faults.catalogue import EVERY_FAULT
from tests.faults.catalogue_elsewhere import ELSEWHERE
from tests.faults.catalogue_healthy import HEALTHY, LABS
from tests.faults.catalogue_trial import Trial
from tests.faults.combinations import EVERY_KIND

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

While it stands, the lab is observed and judged a second time as an ordinary user of the client's machine does it:
vantage `host` without root and CAP_NET_RAW, so from traffic and the kernel's neighbour table alone, which holds nobody
at first. *The same* means that all of the above holds there too. What such a user sees less of is declared beside each
fault; a check that passes where it can tell nothing, or names another cause than is declared, counts as wrong.

A service counts as waiting after 1 s here, not after the suite's own 10 s: these faults stand still.
"""
_COMBINATIONS = """\
## On which clusters

What can be read of a cluster differs with MetalLB's version and the login, what is on the wire with the rest. So the
faults are spread over labs of six kinds, on which every pair of these properties occurs together; each fault is made on
one of them. Each healthy set-up is made on D and on E, which have every property between them, and a lab of each kind
has to be silent as it was booted; `python -m tests.faults.report --everywhere` makes every set-up on every kind.

T is a lab as A, with a real Traefik at its edge instead of Kubernetes' test server. What goes wrong at Traefik is made
there, with a set-up that is unusual and right, and nothing else.
"""
_CONFUSION = """\
## The confusion table

For each link of a service's paths: which causes were made, in rows, how often, and which causes any check named then,
in columns, with the numbers of the rows. What is off the diagonal is a wrong cause; a column with a name is a cause of
another link. It is counted with raw sockets.
"""
_NEUTRAL = """\
### Causes that leave open what it is

They name a stretch of the path and list what may break it, each with the command that decides. That counts as right
only where no observation from outside could prove more:
"""
_REPORTED = """\
## What others reported

Public reports of people who run MetalLB, and what stands for each of them here.
"""

_LESS = """\
A kernel tells one machine an address, so `traffic.single-announcer` never passes for an ordinary user: it fails, or it
is inconclusive and says why.
"""


@dataclass(frozen=True)
class Quiet:
    """One healthy variant on a kind of lab ("" for none of them), and what was said of it: nothing should have been."""

    name: str
    said: tuple[str, ...]
    seconds: float
    combination: str = ""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """On what it was measured; `seconds` for everything, labs and their removal included."""

    processors: int
    memory: float
    kernel: str
    cgroups: str
    nodes: int
    kubernetes: str
    load: float
    seconds: float = 0.0
    labs: int = 1
    earlier: int = 0

    @classmethod
    def of(cls, lab: Lab) -> Self:
        """The machine as it is now, and a lab."""
        return cls(
            processors=psutil.cpu_count() or 1,
            memory=psutil.virtual_memory().total / 2**30,
            kernel=".".join(os.uname().release.split(".")[:2]),
            cgroups="v2" if cgroups.is_v2() else "v1",
            nodes=len(lab.nodes),
            kubernetes=life.status(lab.name)["kubernetes_version"],
            load=os.getloadavg()[1],
        )

    def ended(self, seconds: float, *, labs: int, earlier: int = 0) -> Self:
        """The same with the time that it took, in how many labs side by side, and how much was made in earlier runs."""
        return replace(self, seconds=seconds, labs=labs, earlier=earlier)

    def __str__(self) -> str:
        side = "one lab at a time" if self.labs == 1 else f"{self.labs} labs side by side, each"
        return (
            f"{self.processors} processors, {self.memory:.0f} GiB, kernel {self.kernel}, cgroup {self.cgroups}; {side} "
            f"of {self.nodes} nodes with Kubernetes {self.kubernetes}; load of the machine "
            f"{self.load:.1f} (5 minutes) when the first lab was ready; {self.seconds:.0f} s for "
            + (
                f"what was left after {self.earlier} results of earlier runs."
                if self.earlier
                else "everything."
            )
        )


def page(trials: Sequence[Trial], quiet: Sequence[Quiet], conditions: Conditions) -> str:
    """The whole page."""
    made = sorted(trials, key=lambda one: (one.fault.cause, one.fault.name))
    lines = [
        _HEAD,
        *_totals(trials, quiet),
        "",
        f"Measured on {conditions}",
        "",
        _COMBINATIONS,
        "| kind | MetalLB | login | addresses | networks of a node | kube-proxy | faults |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *_kinds(trials),
        "",
        _CONFUSION.rstrip(),
        *confusion.section(one.case for one in trials),
        "",
        _NEUTRAL,
        "| cause | fault | why |",
        "| --- | --- | --- |",
        *(
            f"| {one.fault.cause} | {one.fault.name} | {one.fault.neutral} |"
            for one in made
            if one.fault.neutral
        ),
        "",
        "## Faults",
        "",
        "| cause | fault | on | named by | result | without raw sockets | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_row(one) for one in made),
        "",
        "The seconds are those from the first step of the fault until every check was silent again.",
        "",
        "## What is not always seen without raw sockets",
        "",
        _LESS,
        "| cause | fault | at best named | else inconclusive | why |",
        "| --- | --- | --- | --- | --- |",
        *_less(made),
        "",
        "## Healthy, and silent",
        "",
        "| set-up | on | result | seconds (most) |",
        "| --- | --- | --- | --- |",
        *_silence(quiet),
        "",
        _REPORTED,
        "| reports | fault, or healthy set-up |",
        "| --- | --- |",
        *_reports(),
        "",
        "## Causes that are not made here",
        "",
        "| cause | why, and where it is proved |",
        "| --- | --- |",
        *(f"| {cause} | {why} |" for cause, why in ELSEWHERE.items()),
    ]
    return "\n".join(lines) + "\n"


def _kinds(trials: Sequence[Trial]) -> Iterator[str]:
    """The kinds of labs, with how many faults were made on each."""
    for kind in EVERY_KIND:
        count = sum(one.combination == kind.key for one in trials)
        yield f"| {' | '.join((kind.key, *kind.words, str(count)))} |"


def _silence(quiet: Sequence[Quiet]) -> Iterator[str]:
    """Each healthy set-up once, with the labs that it was made on, and what was said where anything was."""
    for name in dict.fromkeys(one.name for one in quiet):
        every = sorted((one for one in quiet if one.name == name), key=lambda one: one.combination)
        said = [f"{one.combination}: {_cell(line)}" for one in every for line in one.said]
        where = ", ".join(one.combination or "a lab of its own" for one in every)
        yield f"| {name} | {where} | {'; '.join(said) or 'silent'} | {max(one.seconds for one in every):.1f} |"


def _reports() -> Iterator[str]:
    """What stands in the catalogue for public reports."""
    made = [(one.reports, one.name) for one in EVERY_FAULT] + [
        (one.reports, one.name) for one in (*HEALTHY, *LABS)
    ]
    for reports, name in made:
        if reports:
            yield f"| {', '.join(reports)} | {name} |"


def _totals(trials: Sequence[Trial], quiet: Sequence[Quiet]) -> Iterator[str]:
    told = [one.told for one in trials]
    plain = [one.ordinary for one in trials if one.ordinary]
    said = [one for one in told if one.fault.says]
    confused = confusion.stretches(one.case for one in trials)
    rows = {
        "causes made": f"{len({one.fault.cause for one in trials})}",
        "faults made": f"{len(trials)}",
        "detected": _share([one.detected for one in told]),
        "right cause": _share([one.right for one in told]),
        "unrelated findings": str(sum(len(one.unrelated) for one in told)),
        "off the diagonal of the confusion table": str(sum(each.confused for each in confused)),
        "scope and verdict right, where stated": _share([not one.missaid for one in said]),
        "healthy set-ups silent": _share([not one.said for one in quiet]),
        "without raw sockets: detected": _share([one.detected for one in plain]),
        "without raw sockets: right cause": _share([one.named for one in trials if one.ordinary]),
        "without raw sockets: as declared": _share([not one.wrong for one in plain]),
        "without raw sockets: unrelated findings": str(sum(len(one.unrelated) for one in plain)),
        "seconds for a fault": _seconds(one.seconds for one in trials),
        "seconds of them without raw sockets": _seconds(one.again for one in trials if one.ordinary),
    }
    yield "| | |"
    yield "| --- | --- |"
    yield from (f"| {what} | {figure} |" for what, figure in rows.items())


def _seconds(each: Iterable[float]) -> str:
    found = sorted(each)
    return f"{found[len(found) // 2]:.1f} (median), {found[-1]:.1f} (most)" if found else "none"


def _share(found: Iterable[bool]) -> str:
    each = list(found)
    return f"{sum(each)} of {len(each)}"


def _row(one: Trial) -> str:
    cells = (
        one.fault.cause,
        one.fault.name,
        one.combination,
        _checks(one.fault.shows),
        _cell(one.told.wrong) or "right",
        _ordinary(one),
        f"{one.seconds:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def _ordinary(one: Trial) -> str:
    """What came of it without raw sockets, in a cell."""
    if one.ordinary is None:
        return "not looked at"
    if one.ordinary.wrong:
        return _cell(one.ordinary.wrong)
    if not one.ordinary.detected:
        return "not seen, and inconclusive"
    return "the same" if one.named else f"as `{one.ordinary.fault.cause}`"


def _less(trials: Iterable[Trial]) -> Iterator[str]:
    """The faults of which less is told, with what is said of them."""
    for fault, less in ((one.fault, one.fault.less) for one in trials if one.fault.less):
        seen = f"`{less.cause or fault.cause}`, by {_checks(less.shows)}" if less.shows else "nothing"
        yield f"| {fault.cause} | {fault.name} | {seen} | {_checks(fault.shows)} | {less.why} |"


def _checks(each: Iterable[str]) -> str:
    return ", ".join(f"`{check}`" for check in each)


def _cell(lines: str) -> str:
    return lines.replace("\n", "; ").replace("|", "\\|")
