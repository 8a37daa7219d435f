"""Drills beside what applies the repository again and again: suspended meanwhile, resumed after, also after a kill."""

from __future__ import annotations

import datetime as dt
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from clusters import wait
from clusters.api.resources import IP_ADDRESS_POOLS, L2_ADVERTISEMENTS
from clusters.gitops import example
from clusters.lab.lab import Lab
from tests.faults import somebody
from tests.faults.bench import ROOT, Bench
from tests.faults.reconcilers_at_work import ArgoCd, Flux, Reconciler, at_work, object_of
from tests.faults.test_drills import ALL, DRILLS, SYSTEM, configured, gone
from tests.lab.test_gitops import DEFINITIONS, definition
from tests.lab.tools import SOON, Kubectl

pytestmark = pytest.mark.full
KINDS = (Flux, ArgoCd)
REAPPLY = "recovery.reapply"


@pytest.fixture(scope="module")
def engines(faulty_lab: Lab) -> Iterator[Kubectl]:
    """The definitions and namespaces of Flux and Argo CD; gone afterwards."""
    kubectl, names = Kubectl(faulty_lab), [f"{plural}.{group}" for group, _, plural, _ in DEFINITIONS]
    kubectl.ok("apply", "-f", "-", given=yaml.safe_dump_all(definition(*each) for each in DEFINITIONS))
    for name in names:
        kubectl.ok("wait", "--for=condition=Established", f"crd/{name}", "--timeout=60s")
    for kind in KINDS:
        kubectl.ok("create", "namespace", kind.namespace)
    try:
        yield kubectl
    finally:
        kubectl.ok("delete", "namespace", *(kind.namespace for kind in KINDS))
        kubectl.ok("delete", "crd", *names)


@dataclass(frozen=True)
class Beside:
    """A bench whose cluster is applied by Flux or Argo CD, at work."""

    bench: Bench
    engine: Reconciler

    def with_leave(self, *, suspend: bool) -> Bench:
        """The bench of a profile that lets drills suspend it, or not."""
        settings = {**self.bench.settings()["gitops"], "repository": str(self.engine.repository)}
        return self.bench.profile_with(gitops={**settings, "suspend": suspend})

    @property
    def held_off(self) -> bool:
        """Whether its object keeps it from applying anything."""
        return not self.engine.acts(self.engine.found()["spec"])

    def applies_again(self) -> None:
        """Wait until it has begun and ended to apply the repository, from now on."""
        asked = time.monotonic()
        wait.until(
            "the repository is applied again",
            read=lambda: [begun for begun, _ in self.engine.rounds if begun > asked],
            accept=bool,
            budget=SOON,
        )

    def marks(self) -> dict[str, bool]:
        """Whether pools and advertisements carry its marks."""
        own = {"labels": "toolkit.fluxcd.io"} if isinstance(self.engine, Flux) else {"annotations": "argocd"}
        ((part, word),) = own.items()
        kinds = (IP_ADDRESS_POOLS, L2_ADVERTISEMENTS)
        return self.bench.of_metallb(*kinds, told=lambda raw: word in json.dumps(raw["metadata"].get(part)))


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def beside(
    request: pytest.FixtureRequest, bench: Bench, engines: Kubectl, tmp_path: Path
) -> Iterator[Beside]:
    """The lab, applied by one of them, which has done so once; afterwards nothing carries its marks."""
    root = example.materialise(
        ROOT / "examples/platform", tmp_path / "platform", today=dt.datetime.now(dt.UTC).date()
    )
    made = json.dumps(object_of(request.param))
    wait.until(
        "the object can be made",
        read=lambda: engines("apply", "-f", "-", given=made).returncode,
        accept=lambda code: code == 0,
        budget=SOON,
    )
    held = bench.held()
    engine = request.param(bench.lab, root)
    try:
        with at_work(engine):
            found = Beside(bench, engine)
            found.applies_again()
            yield found
    finally:
        engines.ok("delete", "-f", "-", given=made)
        engine.unmark()
    bench.until_held(held)
    assert engine.trouble == []


@contextmanager
def meanwhile(act: Callable[[], bool]) -> Iterator[None]:
    """`act` is done again and again in the block, until it says that its work is done."""

    def go(stop: threading.Event) -> None:
        while not stop.wait(0.05) and not act():
            pass

    with somebody.beside(go):
        yield


def test_without_leave_a_drill_refuses_in_one_sentence_and_takes_nothing_away(beside: Beside) -> None:
    before = configured(beside.bench)

    seen = beside.with_leave(suspend=False).run(ALL)

    assert seen.outcomes == dict.fromkeys(DRILLS, "inconclusive"), seen.text
    kind = beside.engine.resource.kind
    expected = (
        f"{kind} {beside.engine.namespace}/metallb would bring back what a drill takes away before it is measured. "
        "Let drills suspend it and resume it: suspend: true under gitops in the profile."
    )
    assert {seen[drill]["reason"] for drill in DRILLS} == {expected}
    assert seen.code == 8
    assert configured(beside.bench) == before
    assert not beside.held_off


def test_what_is_deleted_by_hand_it_brings_back_before_anything_could_be_measured(beside: Beside) -> None:
    """So it would do to a drill: the proof that it is at work."""
    ((name, uid),) = beside.bench.of_metallb(
        L2_ADVERTISEMENTS, told=lambda raw: raw["metadata"]["uid"]
    ).items()
    beside.bench.api.delete(L2_ADVERTISEMENTS, name.rpartition(" ")[2], SYSTEM)

    again = wait.until(
        "it is there again",
        read=lambda: beside.bench.of_metallb(L2_ADVERTISEMENTS, told=lambda raw: raw["metadata"]["uid"]),
        accept=bool,
        budget=SOON,
    )
    assert again[name] != uid


def test_with_leave_every_drill_is_measured_alone_and_it_goes_on_afterwards(beside: Beside) -> None:
    spec = beside.engine.found()["spec"]

    seen = beside.with_leave(suspend=True).run(ALL)

    assert seen.outcomes == dict.fromkeys(DRILLS, "passed"), seen.text
    assert seen.code == 0
    name = f"{beside.engine.resource.kind} {beside.engine.namespace}/metallb"
    for drill in DRILLS:
        assert f"{name} was suspended for the drill, and resumed after it." in seen[drill]["evidence"]
    assert beside.engine.found()["spec"] == spec
    beside.applies_again()
    assert set(beside.marks().values()) == {True}


def test_what_it_had_begun_is_not_taken_for_what_the_drill_brings_back(beside: Beside) -> None:
    """It takes its time, and is suspended in the middle: nothing is lost before it has ended."""
    beside.engine.slow, beside.engine.restless = 6.0, True
    beside.applies_again()
    moments: dict[str, float] = {}

    def look() -> bool:
        if beside.held_off:
            moments.setdefault("held off", time.monotonic())
        if gone(beside.bench, "controller"):
            moments.setdefault("the controller is gone", time.monotonic())
        return len(moments) == 2

    with meanwhile(look):
        seen = beside.with_leave(suspend=True).run(REAPPLY)

    assert seen.outcomes == {REAPPLY: "passed"}, seen.text
    held_off, lost = moments["held off"], moments["the controller is gone"]
    (ended,) = (ended for begun, ended in beside.engine.rounds if begun < held_off < ended)
    assert ended < lost
    assert not [begun for begun, _ in beside.engine.rounds if held_off < begun < lost]


def test_after_a_kill_it_is_held_off_until_a_sweep_has_resumed_it(beside: Beside) -> None:
    bench, before = beside.with_leave(suspend=True), beside.bench.held()
    spec = beside.engine.found()["spec"]

    assert bench.killed(REAPPLY, when=lambda: gone(bench, "controller")) == -signal.SIGKILL

    assert beside.held_off
    wait.holds(
        "nothing brings the controller back",
        read=lambda: gone(bench, "controller"),
        accept=bool,
        throughout=6.0,
        every=0.5,
    )
    assert bench.swept() == 0
    assert beside.engine.found()["spec"] == spec
    beside.applies_again()
    bench.metallb.controller_ready()
    bench.until_held(before)
    # What it applied before MetalLB's webhook served again was refused; it has tried again since.
    beside.engine.trouble = [each for each in beside.engine.trouble if "failed calling webhook" not in each]


def test_one_that_somebody_resumes_meanwhile_makes_the_drill_undecided(beside: Beside) -> None:
    """Whoever brought things back, it is not known to be the drill."""
    engine = beside.engine
    spec = {**engine.found()["spec"], **({"suspend": False} if isinstance(engine, Flux) else {})}

    def resume() -> bool:
        if gone(beside.bench, "controller"):
            engine.api.patch(engine.resource, "metallb", {"spec": spec}, engine.namespace)
            return True
        return False

    with meanwhile(resume):
        seen = beside.with_leave(suspend=True).run(REAPPLY)

    assert seen.outcomes == {REAPPLY: "inconclusive"}, seen.text
    assert "acts again, so that what came back may be its work" in seen[REAPPLY]["reason"]
    engine.trouble.clear()  # it applied pools while nobody was there to take them
