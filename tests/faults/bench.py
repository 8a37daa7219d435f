"""What a fault test works with: a lab, a way to break it, and a suite run whose results it reads."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from clusters import budgets, wait
from clusters.api import Api, ApiError
from clusters.api.resources import SERVICES, Resource
from clusters.changes import Changes
from clusters.journal import Journal
from clusters.lab.lab import Lab
from clusters.metallb import services
from clusters.observation import announcers
from clusters.workloads.metallb_control import MetalLB
from tests.lab.tools import SCRAPING

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """One suite run: its exit code, what it printed, and its results.json."""

    code: int
    text: str
    results: dict[str, Any]

    def __getitem__(self, check: str) -> dict[str, Any]:
        return next(one for one in self.results["checks"] if one["id"] == check)

    @property
    def failed(self) -> dict[str, set[str]]:
        """The causes of each failed check."""
        return {
            one["id"]: {finding["cause"] for finding in one["findings"]}
            for one in self.results["checks"]
            if one["outcome"] == "failed"
        }

    @property
    def outcomes(self) -> dict[str, str]:
        return {one["id"]: one["outcome"] for one in self.results["checks"]}


def until_webhook_decides(api: Api) -> None:
    """Wait until MetalLB's webhook takes a pool: a controller that was just started serves it a moment later."""
    pool = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "asked", "namespace": "metallb-system"},
        "spec": {"addresses": ["192.0.2.1/32"], "autoAssign": False},
    }
    wait.until(
        "MetalLB's webhook decides",
        read=lambda: api.create(pool, dry_run=True),
        accept=bool,
        budget=budgets.get(budgets.WEBHOOK_READY),
        tolerate=(ApiError,),
    )


@dataclass(frozen=True)
class Underway:
    """A suite run that goes on."""

    run: subprocess.Popen[str]
    target: Path

    def ended(self) -> Outcome:
        """What came of it, waited for."""
        text, _ = self.run.communicate(timeout=120)
        assert (self.target / "results.json").is_file(), text
        return Outcome(self.run.returncode, text, json.loads((self.target / "results.json").read_text()))


@contextmanager
def opened_bench(lab: Lab, profile: Path, folder: Path) -> Iterator[Bench]:
    """A bench; what a test breaks is mended at its end, and the lab is healthy then."""
    api = Api.connect(lab.kubeconfig, lab.name)
    # A journal of the bench's own: a run must not take the fault for what an earlier run left behind.
    # It is a label's value too, and so may not end in a sign.
    run = re.sub(r"[^a-z0-9]+", "-", f"bench-{os.getpid()}-{folder.name}".lower())[:40].strip("-")
    journal = Journal.for_run(run, cluster=f"{lab.name}-bench")
    journal.identify(uid=api.uid(), kubeconfig=str(lab.kubeconfig), context=lab.name)
    changes = Changes(api, journal, run)
    metallb = MetalLB(api, changes, "metallb-system")
    try:
        yield Bench(lab, api, changes, metallb, profile, folder)
    finally:
        changes.undo_all()
        metallb.speakers_ready()
        metallb.controller_ready()
        until_webhook_decides(api)
        wait.until(
            "no component of the lab is dead",
            read=lab.problems,
            accept=lambda problems: not problems,
            budget=budgets.get(budgets.API_BACK),
        )


@dataclass(frozen=True)
class Bench:
    lab: Lab
    api: Api
    changes: Changes
    metallb: MetalLB
    profile: Path
    folder: Path

    def settings(self) -> dict[str, Any]:
        """The profile as it is written."""
        found: dict[str, Any] = yaml.safe_load(self.profile.read_text())
        return found

    def profile_with(self, **fields: object) -> Bench:
        """The same bench with another profile for its runs."""
        changed = self.settings() | fields
        path = self.folder / "profile.yaml"
        path.write_text(yaml.safe_dump(changed))
        return replace(self, profile=path)

    def claimed_by(self, namespace: str, name: str, count: int) -> None:
        """Wait until so many speakers claim a service's address."""
        wait.until(
            f"{count} speakers claim the address of {namespace}/{name}",
            read=lambda: (
                announcers.read(
                    self.api, namespace, name, metallb_namespace="metallb-system", metrics=SCRAPING
                ).metric
            ),
            accept=lambda nodes: len(nodes or ()) == count,
            budget=budgets.get(budgets.FAILED_OVER_SLOW_MESH),
        )

    def run(self, select: str, *options: str, allow: str = "disrupt") -> Outcome:
        """Run the selected checks against the lab, as a user would, in a process of their own."""
        target = self._target(select)
        done = subprocess.run(  # noqa: PLW1510 - its exit code is what the tests look at
            self._command(select, target, *options, allow=allow),
            cwd=ROOT, capture_output=True, text=True, timeout=600, env=dict(os.environ),
        )  # fmt: skip
        text = done.stdout + done.stderr
        assert (target / "results.json").is_file(), text
        return Outcome(done.returncode, text, json.loads((target / "results.json").read_text()))

    @contextmanager
    def running(self, select: str, *options: str, allow: str = "observe") -> Iterator[Underway]:
        """A run that goes on beside the block; what came of it is known once it has ended."""
        target = self._target(f"{select} beside")
        command = self._command(select, target, *options, allow=allow)
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as run:
            try:
                yield Underway(run, target)
            finally:
                run.kill()

    def killed(self, select: str, *, when: Callable[[], bool]) -> int:
        """Begin a run and kill it (SIGKILL) as soon as `when` is true; returns its exit status."""
        command = self._command(select, self._target(select), allow="disrupt")
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            try:
                wait.until(
                    f"the run of {select} has come far enough to be killed",
                    read=when,
                    accept=bool,
                    # A pool that a drill changes is as it was again within a second.
                    budget=replace(budgets.get(budgets.ROLLOUT), every=0.02),
                    give_up=lambda _: None if run.poll() is None else "the run has ended",
                )
            finally:
                run.kill()
        return run.returncode

    def swept(self) -> int:
        """What `python -m clusters.sweep` returns."""
        command = [sys.executable, "-m", "clusters.sweep", "--cluster", str(self.profile)]
        return subprocess.run(command, cwd=ROOT, check=False, timeout=300).returncode

    def held(self) -> dict[str, list[str]]:
        """What every LoadBalancer service that is not a run's own holds, and whether it is pinned."""
        return {
            one.key: [*map(str, one.ingress), *sorted(one.annotations)]
            for one in map(services.parse, self.api.list(SERVICES))
            if one.type == "LoadBalancer" and not one.namespace.startswith("mlc-")
        }

    def of_metallb(self, *kinds: Resource, told: Callable[[dict[str, Any]], T]) -> dict[str, T]:
        """What `told` says of each object of these kinds in MetalLB's namespace, by kind and name."""
        return {
            f"{raw['kind']} {raw['metadata']['name']}": told(raw)
            for kind in kinds
            for raw in self.api.list(kind, "metallb-system")
        }

    def until_held(self, before: dict[str, list[str]]) -> None:
        """Wait until every service holds what it held."""
        wait.until(
            "every service holds what it held",
            read=self.held,
            accept=lambda now: now == before,
            budget=budgets.get(budgets.SETTLED),
        )

    def _target(self, select: str) -> Path:
        return self.folder / re.sub(r"[^a-z0-9]+", "-", select.lower())[:60]

    def _command(self, select: str, target: Path, *options: str, allow: str) -> list[str]:
        return [
            *(sys.executable, "-m", "pytest", str(ROOT / "suites"), "-p", "no:cacheprovider"),
            *("--cluster", str(self.profile), "--allow", allow, "-k", select),
            *("--report-dir", str(target), *options),
        ]
