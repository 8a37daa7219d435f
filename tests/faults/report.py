"""`python -m tests.faults.report`: make every fault of the catalogue, and write what came of it to docs/faults.md.

Without --lab it boots labs of its own and removes them: one for all faults, and one for each further version and
naming of MetalLB that has to be silent. Exit code 1 where anything is not as the catalogue says.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from clusters.errors import ConformanceError
from clusters.lab import life, parts
from clusters.lab.lab import Lab
from clusters.lab.options import LabOptions
from tests.faults.bench import ROOT
from tests.faults.catalogue import IN_THE_CLUSTER, IN_THE_REPOSITORY, Trial, edited, heard, tried
from tests.faults.catalogue_clone import cloned
from tests.faults.catalogue_fault import Fault, Healthy
from tests.faults.catalogue_healthy import HEALTHY, LABS
from tests.faults.catalogue_stage import Stage, opened
from tests.faults.report_page import Conditions, Quiet, page

PAGE = ROOT / "docs" / "faults.md"
_NAME = "faults"


@dataclass
class Run:
    """What was made so far. `wanted` are words of names or causes; empty means everything."""

    wanted: tuple[str, ...] = ()
    trials: list[Trial] = field(default_factory=list)
    quiet: list[Quiet] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def wants(self, one: Fault | Healthy) -> bool:
        """Whether a fault or variant was asked for."""
        told = f"{getattr(one, 'cause', 'healthy')} {one.name}"
        return not self.wanted or any(word in told for word in self.wanted)

    def fault(self, fault: Fault, make: Callable[[], Trial]) -> None:
        """Make one fault and keep what came of it; what breaks on the way counts as not detected."""
        begun = time.monotonic()
        try:
            found = make()
        except (AssertionError, ConformanceError, OSError) as error:
            found = Trial.broken(fault, f"it broke: {error}", seconds=time.monotonic() - begun)
        self.trials.append(found)
        self._say(found.seconds, f"{fault.cause}: {fault.name}", found.wrong)

    def variant(self, name: str, make: Callable[[], list[str]]) -> None:
        """Make one healthy variant and keep what was said about it."""
        begun = time.monotonic()
        try:
            said = make()
        except (AssertionError, ConformanceError, OSError) as error:
            said = [f"it broke: {error}"]
        seconds = time.monotonic() - begun
        self.quiet.append(Quiet(name, tuple(said), seconds))
        self._say(seconds, f"silent: {name}", "\n".join(said))

    def _say(self, seconds: float, what: str, wrong: str) -> None:
        mark = "WRONG" if wrong else "ok"
        lines = [f"{next(self.numbers):3} {seconds:6.1f} s  {mark:5} {what}"]
        lines += [f"        {line}" for line in wrong.splitlines()]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for. The page is written only where that was everything."""
    given = _arguments(arguments)
    parts.ensure()
    run = Run(tuple(given.only))
    begun = time.monotonic()
    with _lab(LabOptions(name=given.lab or _NAME, metallb=given.metallb), keep=bool(given.lab)) as lab:
        conditions = Conditions.of(lab)
        with opened(lab) as stage:
            _all_in_one_lab(run, stage)
    if not given.lab:
        _other_labs(run)
    conditions = conditions.ended(time.monotonic() - begun)
    if not given.only and not given.metallb:
        PAGE.write_text(page(run.trials, run.quiet, conditions), encoding="utf-8")
    wrong = [one for one in run.trials if one.wrong] + [one for one in run.quiet if one.said]
    right = sum(one.right for one in run.trials)
    sys.stdout.write(
        f"{len(run.trials)} faults, {sum(one.detected for one in run.trials)} detected, {right} with the right cause, "
        f"{sum(len(one.unrelated) for one in run.trials)} unrelated findings; {len(run.quiet)} healthy variants, "
        f"{sum(not one.said for one in run.quiet)} silent; {conditions.seconds:.0f} s\n"
    )
    return int(bool(wrong))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.report", description=__doc__)
    parser.add_argument("--lab", default="", help="a lab that runs already, and is left running")
    parser.add_argument("--metallb", default="", help="another version of MetalLB; writes no page")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="WORD",
        help="faults with one of these in name or cause; no page",
    )
    return parser.parse_args(arguments)


@contextmanager
def _lab(options: LabOptions, *, keep: bool) -> Iterator[Lab]:
    try:
        yield life.up(options)
    finally:
        if not keep:
            life.down(options.name)


def _all_in_one_lab(run: Run, stage: Stage) -> None:
    stage.until_silent()
    with cloned() as clone:
        for fault in _chosen(run, IN_THE_REPOSITORY):
            run.fault(
                fault, lambda fault=fault: edited(clone, fault, lambda: stage.look(repository=clone.root))
            )
    for fault in _chosen(run, IN_THE_CLUSTER):
        run.fault(fault, lambda fault=fault: tried(stage, fault))
    for variant in HEALTHY:
        if run.wants(variant):
            run.variant(variant.name, lambda variant=variant: heard(stage, variant))


def _chosen(run: Run, faults: Iterable[Fault]) -> Iterator[Fault]:
    return (fault for fault in faults if run.wants(fault))


def _other_labs(run: Run) -> None:
    """Labs of other versions and names, healthy: every check has to be silent there too."""
    for name, options in LABS.items():
        if not run.wanted or any(word in f"healthy {name}" for word in run.wanted):
            with _lab(options, keep=False) as lab, opened(lab) as stage:
                run.variant(name, lambda stage=stage: stage.until_silent() or stage.look().trouble)


if __name__ == "__main__":
    raise SystemExit(main())
