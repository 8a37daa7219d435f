"""`python -m tests.faults.report`: make every fault of the catalogue, and write what came of it to docs/faults.md.

Without --lab it boots labs of its own and removes them: --labs of them share the faults, and one comes after them
for each further version and naming of MetalLB that has to be silent. Exit code 1 where anything is not as the
catalogue says.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from clusters.errors import ConformanceError
from clusters.lab import life, parts
from clusters.lab.lab import Lab
from clusters.lab.plan import LabOptions
from tests.faults.bench import ROOT
from tests.faults.catalogue import IN_THE_CLUSTER, IN_THE_REPOSITORY, edited, heard, tried
from tests.faults.catalogue_clone import cloned
from tests.faults.catalogue_fault import Fault, Healthy
from tests.faults.catalogue_healthy import HEALTHY, LABS, HealthyLab
from tests.faults.catalogue_judging import observe_checks
from tests.faults.catalogue_stage import Stage, opened
from tests.faults.catalogue_trial import Told, Trial, unexpected
from tests.faults.report_page import Conditions, Quiet, page

PAGE = ROOT / "docs" / "faults.md"
#: Makes one fault or variant on a stage; returns what is wrong with what was said, empty where nothing is.
Task = Callable[[Stage], str]


@dataclass
class Run:
    """What is still to be made, and what came of the rest."""

    tasks: SimpleQueue[tuple[str, Task]] = field(default_factory=SimpleQueue)
    trials: list[Trial] = field(default_factory=list)
    quiet: list[Quiet] = field(default_factory=list)
    conditions: Conditions | None = None

    def plan(self, wanted: Sequence[str]) -> None:
        """Line up everything, or what has one of these words in its name or cause: the slow ones first."""
        for fault in sorted((*IN_THE_CLUSTER, *IN_THE_REPOSITORY), key=lambda one: not one.full):
            self._add(f"{fault.cause}: {fault.name}", self._trial(fault), wanted)
        for variant in HEALTHY:
            self._add(f"healthy: {variant.name}", self._variant(variant.name, _hears(variant)), wanted)

    def _add(self, name: str, task: Task, wanted: Sequence[str]) -> None:
        if not wanted or any(word in name for word in wanted):
            self.tasks.put((name, task))

    def _trial(self, fault: Fault) -> Task:
        def make(stage: Stage) -> str:
            begun = time.monotonic()
            try:
                found = tried(stage, fault) if fault.make else _edited(stage, fault)
            except Exception as error:  # noqa: BLE001 - whatever breaks, the others are still made
                found = Trial.broken(fault, f"it broke: {error}", seconds=time.monotonic() - begun)
            self.trials.append(found)
            return found.wrong

        return make

    def _variant(self, name: str, look: Callable[[Stage], Sequence[str]]) -> Task:
        def make(stage: Stage) -> str:
            begun = time.monotonic()
            try:
                said = look(stage)
            except Exception as error:  # noqa: BLE001 - as above
                said = [f"it broke: {error}"]
            self.quiet.append(Quiet(name, tuple(said), time.monotonic() - begun))
            return "\n".join(said)

        return make

    def work_off(self, options: LabOptions, *, keep: bool) -> None:
        """Take from the line until it is empty; a lab that does not recover from a fault makes way for a new one."""
        while not self.tasks.empty():
            with _lab(options, keep=keep) as lab, opened(lab) as stage:
                stage.until_silent()
                self.conditions = self.conditions or Conditions.of(lab)
                while (task := self._next()) and self.made(*task, stage):
                    pass

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """Leave the rest of the line where the block is interrupted; what is being made is mended first."""
        try:
            yield
        finally:
            while self._next():
                pass

    def _next(self) -> tuple[str, Task] | None:
        try:
            return self.tasks.get_nowait()
        except Empty:
            return None

    def made(self, name: str, task: Task, stage: Stage) -> bool:
        """Make one, say what came of it, and return whether the stage can be used further."""
        begun = time.monotonic()
        wrong = task(stage)
        lines = [f"{time.monotonic() - begun:6.1f} s  {'WRONG' if wrong else 'ok':5}  {name}"]
        sys.stdout.write("\n".join([*lines, *(f"{'':17}{line}" for line in wrong.splitlines())]) + "\n")
        sys.stdout.flush()
        return "it broke" not in wrong or _recovered(stage)

    def look_elsewhere(self, wanted: Sequence[str]) -> None:
        """Labs of other versions and names, healthy: every check has to be silent there too."""
        for one in LABS:
            if not wanted or any(word in f"healthy: {one.name}" for word in wanted):
                with _lab(one.options, keep=False) as lab, opened(lab) as stage:
                    self.made(f"healthy: {one.name}", self._variant(one.name, _settles(one)), stage)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what was asked for. The page is written only where that was everything."""
    given = _arguments(arguments)
    parts.ensure()
    observe_checks()  # imported before threads are
    run, begun = Run(), time.monotonic()
    run.plan(given.only)
    names = [given.lab] if given.lab else [f"f{os.getpid()}-{number}" for number in range(given.labs)]
    with ThreadPoolExecutor(len(names)) as pool, run.stopping():
        options = [LabOptions(name=name, metallb=given.metallb) for name in names]
        list(pool.map(lambda one: run.work_off(one, keep=bool(given.lab)), options))
    if not (given.lab or given.metallb):
        run.look_elsewhere(given.only)
    seconds = time.monotonic() - begun
    if run.conditions and not (given.only or given.metallb or given.lab):
        PAGE.write_text(
            page(run.trials, run.quiet, run.conditions.ended(seconds, labs=len(names))), encoding="utf-8"
        )
    sys.stdout.write(
        f"{len(run.trials)} faults, {_summed([one.told for one in run.trials])}; without raw sockets "
        f"{_summed([one.ordinary for one in run.trials if one.ordinary])}; {len(run.quiet)} healthy set-ups, "
        f"{sum(not one.said for one in run.quiet)} silent; {seconds:.0f} s\n"
    )
    return int(any(one.wrong for one in run.trials) or any(one.said for one in run.quiet))


def _summed(told: Sequence[Told]) -> str:
    return (
        f"{sum(one.detected for one in told)} detected, {sum(one.right for one in told)} right, "
        f"{sum(len(one.unrelated) for one in told)} unrelated findings"
    )


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.report", description=__doc__)
    parser.add_argument("--labs", type=int, default=2, help="how many labs share the faults (default: 2)")
    parser.add_argument("--lab", default="", help="a lab that runs already, and is left running; no page")
    parser.add_argument("--metallb", default="", help="another version of MetalLB; no page")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="WORD",
        help="what has one of these in its name or cause; no page",
    )
    return parser.parse_args(arguments)


@contextmanager
def _lab(options: LabOptions, *, keep: bool) -> Iterator[Lab]:
    try:
        yield life.up(options)
    finally:
        if not keep:
            life.down(options.name)


def _edited(stage: Stage, fault: Fault) -> Trial:
    with cloned() as clone:
        return edited(clone, fault, lambda: stage.look(repository=clone.root), stage)


def _settles(one: HealthyLab) -> Callable[[Stage], Sequence[str]]:
    """What is said of a lab that was just booted, once it has settled, and of a repository that is made for it."""

    def said(stage: Stage) -> Sequence[str]:
        with cloned() as clone:
            if one.edit:
                one.edit(clone)
            stage.until_silent(repository=clone.root)
            looked = stage.look(repository=clone.root)
            return [*looked.trouble, *unexpected(stage.look_as_ordinary_user(looked))]

    return said


def _hears(variant: Healthy) -> Callable[[Stage], Sequence[str]]:
    return lambda stage: heard(stage, variant)


def _recovered(stage: Stage) -> bool:
    try:
        stage.healthy()
        stage.until_silent()
    except (AssertionError, ConformanceError, OSError):
        return False
    return True


if __name__ == "__main__":
    raise SystemExit(main())
