"""What came of faults and healthy set-ups so far, a JSON line each: a run that was ended goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.faults.catalogue import EVERY_FAULT
from tests.faults.catalogue_trial import Told, Trial
from tests.faults.report_page import Quiet

Json = dict[str, Any]


@dataclass
class Store:
    """A file of results. Without a `path` nothing is kept, and nothing was there before."""

    path: Path | None = None
    trials: list[Trial] = field(default_factory=list)
    quiet: list[Quiet] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path | None) -> Store:
        """What the file has of results that are right; the last one counts, and a fault that is no more does not."""
        found = cls(path)
        if path is None or not path.is_file():
            return found
        known = {fault.name: fault for fault in EVERY_FAULT}
        latest: dict[tuple[str, str], Json] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            latest[one["name"], one["combination"]] = one
        for one in latest.values():
            if "told" not in one:
                quiet = Quiet(one["name"], tuple(one["said"]), one["seconds"], one["combination"])
                found.quiet += [quiet] if not quiet.said else []
            elif fault := known.get(one["name"]):
                trial = Trial(
                    told=_told(one["told"], fault=fault),
                    ordinary=_told(one["ordinary"], fault=fault) if one["ordinary"] else None,
                    seconds=one["seconds"],
                    again=one["again"],
                    combination=one["combination"],
                )
                found.trials += [trial] if not trial.wrong else []
        return found

    def has(self, name: str, combination: str) -> bool:
        """Whether there is a result that is right."""
        trials = ((one.fault.name, one.combination) for one in self.trials)
        return (name, combination) in {*trials, *((one.name, one.combination) for one in self.quiet)}

    def add_trial(self, trial: Trial) -> None:
        """Keep what came of a fault."""
        self.trials.append(trial)
        self._write(
            {
                "name": trial.fault.name,
                "combination": trial.combination,
                "seconds": trial.seconds,
                "again": trial.again,
                "told": _plain(trial.told),
                "ordinary": _plain(trial.ordinary) if trial.ordinary else None,
            }
        )

    def add_quiet(self, quiet: Quiet) -> None:
        """Keep what came of a healthy set-up."""
        key = (quiet.name, quiet.combination)
        self.quiet[:] = [*(each for each in self.quiet if (each.name, each.combination) != key), quiet]
        self._write(asdict(quiet))

    def _write(self, one: Mapping[str, Any]) -> None:
        if self.path:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(one) + "\n")


def _plain(told: Told) -> Json:
    parts = ("missed", "misnamed", "missaid", "unrelated", "named", "declared")
    plain = {part: sorted(getattr(told, part)) for part in parts}
    return plain | {"cause": told.fault.cause, "shows": dict(told.fault.shows)}


def _told(one: Json, *, fault: Any) -> Told:
    def of(part: str) -> Sequence[str]:
        return tuple(one[part])

    return Told(
        fault=replace(fault, cause=one["cause"], shows=one["shows"]),
        missed=tuple(of("missed")),
        misnamed=tuple(of("misnamed")),
        missaid=tuple(of("missaid")),
        unrelated=tuple(of("unrelated")),
        named=frozenset(of("named")),
        declared=frozenset(of("declared")),
    )
