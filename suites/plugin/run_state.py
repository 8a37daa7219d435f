"""The state of a run: which checks are to run, what each of their items said, and the result so far.

And the files by which the processes of one run share it: the plan, the observation, the repository beside that.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clusters import __version__, files, outbound
from clusters.checks import (
    Access,
    CheckResult,
    CheckSpec,
    Level,
    Need,
    Outcome,
    Place,
    RunInfo,
    RunResult,
    ServicePath,
)
from clusters.checks.run_verdict import merge, scope, verdict
from clusters.checks.serialise import check_from_dict, check_to_dict
from clusters.profile.hours import windows_of
from suites.plugin.settings import Settings

PLAN_FILE = "plan.json"
#: Where every run keeps its observation, beside results.json.
SNAPSHOT = "snapshot.json"
REPOSITORY = "snapshot.repository.json"
#: Held while one process of a run observes for all of them.
SNAPSHOT_LOCK = f".{SNAPSHOT}.lock"
NOT_REACHED = "not reached: the run ended before it"


@dataclass(frozen=True, kw_only=True)
class ItemResult:
    """What one item of a check said. `label` tells repetitions and variants apart ("2/3"), or is empty."""

    result: CheckResult
    label: str = ""
    cleanup_failed: bool = False

    def to_text(self) -> str:
        """As JSON text, to travel on a pytest report, without secrets: whatever is told of an item is this."""
        return json.dumps(
            {**asdict(self), "result": check_to_dict(outbound.record(self.result))}, default=str
        )

    @classmethod
    def from_text(cls, text: str) -> ItemResult:
        """The part that `to_text` wrote."""
        data = json.loads(text)
        return cls(
            result=check_from_dict(data["result"]), label=data["label"], cleanup_failed=data["cleanup_failed"]
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which checks this run is to decide, with how many items each, and which it is not, with the reason.

    `alone` holds the node ids of the items that change something.
    """

    checks: Mapping[str, CheckSpec]
    items: Mapping[str, int]
    alone: frozenset[str] = frozenset()
    not_tested: tuple[tuple[str, str], ...] = ()

    def write(self, directory: Path) -> None:
        """Leave the plan for the controller; every worker process writes the same one."""
        data = {
            "checks": [_spec_to_dict(spec) for spec in self.checks.values()],
            "items": dict(self.items),
            "alone": sorted(self.alone),
            "not_tested": self.not_tested,
        }
        files.write_atomically(directory / PLAN_FILE, json.dumps(data))

    @classmethod
    def read(cls, directory: Path) -> Plan:
        """The plan that a worker process left; an empty one where none got that far."""
        try:
            data = json.loads((directory / PLAN_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(checks={}, items={})
        specs = [_spec_from_dict(one) for one in data["checks"]]
        return cls(
            checks={spec.id: spec for spec in specs},
            items=data["items"],
            alone=frozenset(data["alone"]),
            not_tested=tuple((name, reason) for name, reason in data["not_tested"]),
        )


@dataclass
class RunState:
    """What is known about a run while it runs. `cleanup_failures` are those of the run, not of single checks.

    `paths` are those of the services in trouble, by the run's observation.
    """

    settings: Settings
    plan: Plan = field(default_factory=lambda: Plan(checks={}, items={}))
    parts: dict[str, list[ItemResult]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    context: str = ""
    vantage: str = ""
    refused: str = ""
    cleanup_failures: list[str] = field(default_factory=list)
    paths: tuple[ServicePath, ...] = ()
    _merged: dict[str, CheckResult] = field(default_factory=dict)

    def add(self, part: ItemResult) -> None:
        """Enter what an item said."""
        parts = self.parts.setdefault(part.result.id, [])
        parts.append(part)
        self._merged[part.result.id] = merge([one.result for one in parts])

    @property
    def unclean(self) -> bool:
        """Whether the run, or one of its checks, could not clean up."""
        return bool(self.cleanup_failures) or any(
            part.cleanup_failed for parts in self.parts.values() for part in parts
        )

    def result(self) -> RunResult:
        """The run's result as far as it is known now."""
        checks = () if self.refused else tuple(self._checks())
        not_tested = dict(self.plan.not_tested)
        if self.refused:
            reason = self.refused.partition("\n")[0].rstrip(":")
            not_tested |= dict.fromkeys(self.plan.checks, f"the run was refused: {reason}")
        reasons = tuple((name, outbound.text(reason)) for name, reason in sorted(not_tested.items()))
        return RunResult(
            run=outbound.record(self._info(checks)),
            checks=checks,
            not_tested=reasons,
            paths=() if self.refused else outbound.record(self.paths),
        )

    def _checks(self) -> Iterable[CheckResult]:
        for name, spec in self.plan.checks.items():
            ended = self._merged.get(name)
            whole = len(self.parts.get(name, ())) >= self.plan.items.get(name, 1)
            if ended is not None:
                yield ended if whole else merge([ended, unreached(spec)])
            else:
                yield unreached(spec)

    def _info(self, checks: tuple[CheckResult, ...]) -> RunInfo:
        settings, now = self.settings, datetime.now(UTC)
        started = datetime.fromisoformat(settings.started)
        return RunInfo(
            id=settings.run_id,
            started=settings.started,
            finished=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            cluster=settings.profile.name,
            provider=str(settings.profile.provider),
            context=self.context,
            allow=str(settings.level),
            kubernetes_version=self.versions.get("kubernetes", ""),
            metallb_version=self.versions.get("metallb", ""),
            suite_version=__version__,
            vantage=self.vantage,
            verdict=verdict(checks, cleanup_failed=self.unclean, refused=bool(self.refused)),
            scope=scope(checks),
            maintenance=windows_of(settings.profile.maintenance, started, now),
        )


def unreached(spec: CheckSpec) -> CheckResult:
    """The result of a check, or of one of its items, that the run did not get to."""
    return CheckResult(
        id=spec.id,
        title=spec.title,
        runbook=spec.runbook,
        level=str(spec.level),
        outcome=Outcome.SKIPPED,
        reason=NOT_REACHED,
        started="",
    )


def _spec_to_dict(spec: CheckSpec) -> dict[str, Any]:
    return {**asdict(spec), "needs": sorted(spec.needs)}


def _spec_from_dict(data: Mapping[str, Any]) -> CheckSpec:
    tuples = {name: tuple(data[name]) for name in ("runbook", "causes", "commands", "phases")}
    needs = frozenset(Need(one) for one in data["needs"])
    uses = tuple(
        Access(**{**one, "place": Place(one["place"]), "names": tuple(one["names"])}) for one in data["uses"]
    )
    return CheckSpec(**{**data, **tuples, "level": Level(data["level"]), "needs": needs, "uses": uses})


def repository_file_for(snapshot: Path) -> Path:
    """Where the repository is kept for an observation: snapshot.json has snapshot.repository.json."""
    return snapshot.with_name(f"{snapshot.name.partition('.')[0]}.repository.json")


def remove_old(directory: Path, *, judged: Path | None) -> None:
    """Remove what an earlier run into the same directory observed, unless that is what is to be judged again.

    The processes of one run find its observation there; an older one would be judged in its place.
    """
    if judged is not None and judged.absolute().parent == directory.absolute():
        return
    for name in (SNAPSHOT, REPOSITORY):
        # A directory that cannot be is refused where it is made.
        with contextlib.suppress(NotADirectoryError):
            (directory / name).unlink(missing_ok=True)
