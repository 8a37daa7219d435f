"""`python -m tests.faults.report`: make every fault of the catalogue, and write what came of it to docs/faults.md.

The faults are spread over labs of several kinds, so that every pair of a lab's properties occurs together; healthy
set-ups are made on two of them, or with --everywhere on each. Those of Traefik are made on a lab with a real one (kind
T). It boots the labs itself, --labs of them side by side, and removes them. Exit code 1 where anything is not as the
catalogue says.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from clusters.errors import ConformanceError
from clusters.lab import life, parts
from clusters.lab.lab import Lab
from clusters.lab.plan import LabOptions
from tests.faults.bench import ROOT
from tests.faults.catalogue import AT_TRAEFIK, IN_THE_CLUSTER, IN_THE_REPOSITORY, edited, heard, tried
from tests.faults.catalogue_clone import cloned
from tests.faults.catalogue_fault import Fault, Healthy
from tests.faults.catalogue_healthy import HEALTHY, LABS
from tests.faults.catalogue_judging import observe_checks
from tests.faults.catalogue_stage import Edit, Stage, opened
from tests.faults.catalogue_traefik import HEALTHY as TRAEFIK_WELL
from tests.faults.catalogue_trial import Told, Trial, unexpected
from tests.faults.combinations import (
    COMBINATIONS,
    EVERY_KIND,
    WITH_TRAEFIK,
    Combination,
    Login,
    kinds_for,
    spread,
)
from tests.faults.report_page import Conditions, Quiet, page
from tests.faults.report_store import Store

PAGE = ROOT / "docs" / "faults.md"
#: The set-up that comes before all others: a lab of its kind, and nothing made in it.
BOOTED = "a lab as it was booted"
#: Makes one fault or variant on a stage; returns what is wrong with what was said, empty where nothing is.
Task = Callable[[Stage], str]


@dataclass
class Work:
    """What is to be made in one lab: its kind, its options, and the tasks by name; slow ones come first."""

    combination: Combination
    options: LabOptions
    tasks: deque[tuple[str, Task]] = field(default_factory=deque)
    edits: tuple[Edit, ...] = ()
    keep: bool = False


@dataclass
class Run:
    """What is still to be made, and what came of the rest."""

    works: list[Work] = field(default_factory=list)
    store: Store = field(default_factory=Store)
    conditions: Conditions | None = None

    def plan(self, given: argparse.Namespace) -> None:
        """Line up everything, or what was asked for: on each kind of lab its share."""
        wanted = [one for one in EVERY_KIND if given.combination in ("", one.key)]
        if given.lab:
            wanted = [_kind_of(Lab.load(given.lab), given.login)]
        works = [
            Work(one, one.options(given.lab or f"f{os.getpid()}-{one.key.lower()}"), keep=bool(given.lab))
            for one in wanted
        ]
        for work in works:
            self._line_up(work, given)
        if not (given.lab or given.combination):
            works += self._other_labs(given.only)
        self.works = [work for work in works if work.tasks]

    def _line_up(self, work: Work, given: argparse.Namespace) -> None:
        own = work.combination
        everything = bool(given.lab or given.combination)
        for fault in sorted(
            _share(own, turn=given.turn, everything=everything), key=lambda one: not one.full
        ):
            if not self.store.has(fault.name, own.key):
                self._add(work, f"{fault.cause}: {fault.name}", self._trial(fault, own), given.only)
        for variant in _variants(own, everything=everything, everywhere=given.everywhere):
            if not self.store.has(variant.name, own.key):
                task = self._variant(variant.name, own, _hears(variant))
                self._add(work, f"healthy: {variant.name}", task, given.only)

    def _other_labs(self, wanted: Sequence[str]) -> Iterator[Work]:
        """Labs of other names, healthy: every check has to be silent there too."""
        for one in LABS:
            work = Work(COMBINATIONS[0], one.options, edits=(one.edit,) if one.edit else ())
            task = self._variant(one.name, None, _settles)
            if not self.store.has(one.name, ""):
                self._add(work, f"healthy: {one.name}", task, wanted)
            yield work

    @staticmethod
    def _add(work: Work, name: str, task: Task, wanted: Sequence[str]) -> None:
        if not wanted or any(word in name for word in wanted):
            work.tasks.append((name, task))

    def _trial(self, fault: Fault, combination: Combination) -> Task:
        def make(stage: Stage) -> str:
            begun = time.monotonic()
            try:
                found = tried(stage, fault) if fault.make else _edited(stage, fault)
            except Exception as error:  # noqa: BLE001 - whatever breaks, the others are still made
                found = Trial.broken(fault, f"it broke: {error}", seconds=time.monotonic() - begun)
            self.store.add_trial(replace(found, combination=combination.key))
            return found.wrong

        return make

    def _variant(
        self, name: str, combination: Combination | None, look: Callable[[Stage], Sequence[str]]
    ) -> Task:
        def make(stage: Stage) -> str:
            begun = time.monotonic()
            try:
                said = look(stage)
            except Exception as error:  # noqa: BLE001 - as above
                said = [f"it broke: {error}"]
            key = combination.key if combination else ""
            self.store.add_quiet(Quiet(name, tuple(said), time.monotonic() - begun, key))
            return "\n".join(said)

        return make

    def work_off(self, work: Work) -> None:
        """Do all that is to be done in one lab; where it does not recover from a fault a new one goes on.

        A lab that does not come up, or never falls silent, is told as a set-up that is not silent.
        """
        try:
            self._go_through(work)
        except (ConformanceError, OSError) as error:
            said = (f"it broke: {error}", f"{len(work.tasks)} were not made")
            self.store.add_quiet(Quiet(BOOTED, said, 0.0, work.combination.key))
            sys.stdout.write(f"no lab {work.combination.key}: {error}\n")

    def _go_through(self, work: Work) -> None:
        while work.tasks:
            with (
                _lab(work.options, keep=work.keep) as lab,
                opened(lab, work.combination, *work.edits) as stage,
            ):
                self.conditions = self.conditions or Conditions.of(lab)
                if not self.made(*self._booted(work), stage, work.combination.key):
                    return
                while work.tasks and self.made(*work.tasks.popleft(), stage, work.combination.key):
                    pass

    def _booted(self, work: Work) -> tuple[str, Task]:
        """A lab that was just booted, of which something is said only where it does not fall silent."""

        def settle(stage: Stage) -> Sequence[str]:
            stage.until_silent()
            return ()

        return BOOTED, self._variant(BOOTED, work.combination if work.edits == () else None, settle)

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """Leave the rest where the block is interrupted; what is being made is mended first."""
        try:
            yield
        finally:
            for work in self.works:
                work.tasks.clear()

    def made(self, name: str, task: Task, stage: Stage, key: str) -> bool:
        """Make one, say what came of it, and return whether the stage can be used further."""
        begun = time.monotonic()
        wrong = task(stage)
        lines = [f"{time.monotonic() - begun:6.1f} s  {'WRONG' if wrong else 'ok':5}  {key}  {name}"]
        sys.stdout.write("\n".join([*lines, *(f"{'':20}{line}" for line in wrong.splitlines())]) + "\n")
        sys.stdout.flush()
        return "it broke" not in wrong or _recovered(stage)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what was asked for. The page is written only where that was everything."""
    given = arguments_of(arguments)
    parts.ensure()
    observe_checks()  # imported before threads are
    run, begun = Run(store=Store.of(given.resume)), time.monotonic()
    earlier = len(run.store.trials) + len(run.store.quiet)
    run.plan(given)
    with ThreadPoolExecutor(given.labs) as pool, run.stopping():
        list(pool.map(run.work_off, sorted(run.works, key=lambda one: -len(one.tasks))))
    seconds = time.monotonic() - begun
    trials, quiet = run.store.trials, run.store.quiet
    if run.conditions and not (given.only or given.combination or given.lab):
        conditions = run.conditions.ended(seconds, labs=given.labs, earlier=earlier)
        PAGE.write_text(page(trials, quiet, conditions), encoding="utf-8")
    sys.stdout.write(
        f"{len(trials)} faults, {_summed([one.told for one in trials])}; without raw sockets "
        f"{_summed([one.ordinary for one in trials if one.ordinary])}; {len(quiet)} healthy set-ups, "
        f"{sum(not one.said for one in quiet)} silent; {seconds:.0f} s\n"
    )
    return int(any(one.wrong for one in trials) or any(one.said for one in quiet))


def _share(own: Combination, *, turn: int, everything: bool) -> list[Fault]:
    """The faults that are made on this kind of lab, or all that can be made there."""
    if own.consumer == WITH_TRAEFIK.consumer:
        return list(AT_TRAEFIK)
    faults = (*IN_THE_CLUSTER, *IN_THE_REPOSITORY)
    if everything:
        return [one for one in faults if own.fits(one.where)]
    return [fault for where, fault in spread(faults, turn=turn) if where == own]


def _variants(own: Combination, *, everything: bool, everywhere: bool) -> list[Healthy]:
    """The healthy set-ups that are made on this kind of lab, or all that can be made there."""
    if own.consumer == WITH_TRAEFIK.consumer:
        return list(TRAEFIK_WELL)
    if everything:
        return [one for one in HEALTHY if own.fits(one.where)]
    return [one for one in HEALTHY if own in kinds_for(one, everywhere=everywhere)]


def _kind_of(lab: Lab, login: Login) -> Combination:
    """What a running lab is."""
    options = lab.state.options
    return Combination(
        key="-",
        metallb=lab.metallb_version,
        login=login,
        families=options.families,
        nics=options.nics,
        proxy=options.proxy,
        consumer=options.consumer,
    )


def _summed(told: Sequence[Told]) -> str:
    return (
        f"{sum(one.detected for one in told)} detected, {sum(one.right for one in told)} right, "
        f"{sum(len(one.unrelated) for one in told)} unrelated findings"
    )


def arguments_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.report", description=__doc__)
    parser.add_argument("--labs", type=int, default=2, help="how many labs run side by side (default: 2)")
    parser.add_argument("--lab", default="", help="a lab that runs already, and is left running; no page")
    parser.add_argument(
        "--login", choices=get_args(Login), default="certificate", help="how --lab is entered"
    )
    parser.add_argument(
        "--combination",
        choices=[one.key for one in EVERY_KIND],
        default="",
        help="make everything on this kind of lab alone; no page",
    )
    parser.add_argument(
        "--everywhere",
        action="store_true",
        help="make each healthy set-up on every kind of lab, not on two that have everything between them",
    )
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="FILE",
        help="keep results in this file, and make only what it has no right result of",
    )
    parser.add_argument(
        "--turn",
        type=int,
        default=0,
        help="give each fault the kind of lab that comes so many after its own (default: 0)",
    )
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
    with cloned(*stage.edits) as clone:
        return edited(clone, fault, lambda: stage.look(repository=clone.root), stage)


def _settles(stage: Stage) -> Sequence[str]:
    """What is said of a lab that was just booted, once it has settled."""
    stage.until_silent()
    looked = stage.look()
    return [*looked.trouble, *unexpected(stage.look_as_ordinary_user(looked))]


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
