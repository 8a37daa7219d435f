"""The Lease by which a run that changes a cluster says so: one a cluster, in MetalLB's namespace.

Pure: what stands in the object and what it means. `clusters.changes.cluster_lease` takes, renews and releases it,
`clusters.preflight` looks at it. https://kubernetes.io/docs/concepts/architecture/leases/
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from clusters.checks import Level
from clusters.objects import Object, spec_of

NAME = "metallb-conformance"
LEVEL_ANNOTATION = "metallb-conformance/level"
PLACE_ANNOTATION = "metallb-conformance/place"


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a cluster: a run on a machine, at a level; `until` is when that ends if it is not renewed.

    `place` tells two processes apart that share the names of run and machine, "" where the object does not say.
    """

    run: str
    machine: str
    level: Level
    until: dt.datetime
    place: str = ""

    @property
    def identity(self) -> str:
        """As it stands in the object."""
        return f"{self.run}@{self.machine}"

    def is_part_with(self, run: str) -> bool:
        """Whether it and `run` are parts of one run; one that is begun anew waits for its former self, too."""
        return bool(whole_of(run)) and whole_of(self.run) == whole_of(run)

    def is_over(self, now: dt.datetime) -> bool:
        """Whether nobody has renewed it for so long that its run must be dead."""
        return now >= self.until

    def is_over_in(self, ahead: float) -> bool:
        """The same, where the cluster's clock is `ahead` of this one by so many seconds."""
        return self.is_over(now() + dt.timedelta(seconds=ahead))

    def is_of(self, run: str, place: str) -> bool:
        """Whether it is the Lease of that run's process, as far as the two say."""
        return self.run == run and (not self.place or not place or self.place == place)

    @classmethod
    def of(cls, lease: Mapping[str, Any]) -> Self:
        """From the object; what it does not say is taken for nobody, long ago, at the highest level."""
        spec = spec_of(lease)
        run, _, machine = str(spec.get("holderIdentity") or "").rpartition("@")
        renewed = _time(str(spec.get("renewTime") or ""))
        notes = lease["metadata"].get("annotations") or {}
        level = notes.get(LEVEL_ANNOTATION)
        return cls(
            run=run or machine,
            machine=machine if run else "",
            level=Level(level) if level in set(Level) else Level.DISRUPT,
            until=renewed + dt.timedelta(seconds=int(spec.get("leaseDurationSeconds") or 0)),
            place=str(notes.get(PLACE_ANNOTATION) or ""),
        )


def whole_of(run: str) -> str:
    """The run that a part belongs to: "nightly-42" of "nightly-42.3"; "" for a run that is none's part."""
    whole, dot, _ = run.partition(".")
    return whole if dot else ""


def spec(identity: str, *, seconds: float, transitions: int, now: dt.datetime) -> Object:
    """The `spec` of a Lease that is taken now and good for `seconds`."""
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": max(1, round(seconds)),
        "acquireTime": written(now),
        "renewTime": written(now),
        "leaseTransitions": transitions,
    }


def written(when: dt.datetime) -> str:
    """A time as Kubernetes' MicroTime."""
    return when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now() -> dt.datetime:
    """Now; preflight has seen that this clock and the cluster's agree."""
    return dt.datetime.now(dt.UTC)


def _time(text: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return dt.datetime.fromtimestamp(0, dt.UTC)
