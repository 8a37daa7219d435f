"""The Lease by which a run that changes a cluster says so: one a cluster, in MetalLB's namespace.

What stands in it is a `Holder`, which whoever only looks reads as well; `ClusterLease` takes it, renews it by a thread
and lets go at the end. https://kubernetes.io/docs/concepts/architecture/leases/

It is a change like any other: in the journal before it is made, labelled, and undone, by a sweep if need be.
Every write names the version of the object that it is based on, so of two runs only one gets it.
"""

from __future__ import annotations

import datetime as dt
import math
import platform
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from clusters import budgets
from clusters.api import AlreadyExists, Api, ApiError, Conflict, NotFound
from clusters.api.resources import LEASES
from clusters.changes.changed_fields import Target
from clusters.changes.object_changes import Maker
from clusters.checks import Level
from clusters.errors import Refused
from clusters.journal import run_origin
from clusters.objects import Object, spec_of

NAME = "metallb-conformance"
LEVEL_ANNOTATION = "metallb-conformance/level"
PLACE_ANNOTATION = "metallb-conformance/place"
_WHY = "the run's Lease on the cluster"


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
        "acquireTime": micro_time(now),
        "renewTime": micro_time(now),
        "leaseTransitions": transitions,
    }


def micro_time(when: dt.datetime) -> str:
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


class LeaseTaken(Refused):
    """Another run holds the cluster: `holder`, None where it came at the same moment and is not known."""

    def __init__(self, text: str, *, holder: Holder | None = None) -> None:
        super().__init__(text, remedy="Wait until it has ended.")
        self.holder = holder


class JoinedLease:
    """A process of a run that another process of it holds the cluster for, as pytest-xdist's workers are.

    `lost` is as that of a ClusterLease, asked of the cluster where the last answer has become too old to count.
    """

    def __init__(self, api: Api, run_id: str, *, namespace: str) -> None:
        self._api, self._run = api, run_id
        self._target = Target(LEASES, NAME, namespace, _WHY)
        self._budget = budgets.get(budgets.CLUSTER_HELD)
        self._looked = -math.inf
        self._lost = ""

    @property
    def lost(self) -> str:
        """Nothing ("") while the run holds the cluster; then a sentence, and nothing may be changed any more."""
        if self._lost or time.monotonic() - self._looked < self._budget.every:
            return self._lost
        try:
            found = self._target.read(self._api)
        except ApiError as error:
            return f"Whether the run still holds the cluster cannot be seen: {error}"
        if found is not None and Holder.of(found).is_of(self._run, run_origin.place()):
            self._looked = time.monotonic()
        else:
            self._lost = _lost_to(found)
        return self._lost


class ClusterLease:
    """The Lease of one cluster. `note` says whose expired Lease it took over, "" where it took none."""

    def __init__(self, api: Api, maker: Maker, run_id: str, *, namespace: str, level: Level) -> None:
        self._api, self._maker = api, maker
        self._target = Target(LEASES, NAME, namespace, _WHY)
        self._identity, self._level = f"{run_id}@{platform.node()}", level
        self._budget = budgets.get(budgets.CLUSTER_HELD)
        self._now: Object = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._renewing = threading.Lock()
        self._lost = self.note = ""

    def take(self) -> None:
        """Take it; LeaseTaken where another run has it. Errors of `clusters.api` as they come."""
        found = self._target.read(self._api)
        try:
            self._now = self._create() if found is None else self._take_over(found)
        except (AlreadyExists, Conflict, NotFound):
            raise LeaseTaken("Another run has taken the cluster's Lease at the same moment.") from None
        self._thread.start()

    @property
    def lost(self) -> str:
        """Nothing ("") while it holds; then a sentence, and nothing may be changed any more.

        It is renewed here where it has run out unnoticed, as on a machine that was asleep.
        """
        if not self._lost and self._now and Holder.of(self._now).is_over(now()):
            self._try_to_renew()
        return self._lost

    def end(self) -> None:
        """Stop renewing; the object itself goes by the journal."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _create(self) -> Object:
        obj: Object = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": NAME,
                "namespace": self._target.namespace,
                "annotations": self._notes,
            },
            "spec": self._spec(transitions=0),
        }
        return self._maker.create(obj, home="", foreign=_WHY)[1]

    def _take_over(self, found: Object) -> Object:
        holder = Holder.of(found)
        if not holder.is_over(now()):
            raise taken_by(holder)
        before = int(spec_of(found).get("leaseTransitions") or 0)
        metadata = {"annotations": self._notes, "resourceVersion": found["metadata"]["resourceVersion"]}
        patch: Object = {"metadata": metadata, "spec": self._spec(transitions=before + 1)}
        taken = self._maker.take_over(self._target, patch)
        self.note = (
            f"run {holder.run} held the cluster until {holder.until:%Y-%m-%d %H:%M:%S} UTC and never let go; "
            f"what it may have left is in the journal on {holder.machine or 'its machine'}"
        )
        return taken

    @property
    def _notes(self) -> dict[str, str]:
        return {
            LEVEL_ANNOTATION: str(self._level),
            PLACE_ANNOTATION: run_origin.place(),
        }

    def _spec(self, *, transitions: int) -> Object:
        return spec(self._identity, seconds=self._budget.within, transitions=transitions, now=now())

    def _keep(self) -> None:
        while not self._ended.wait(self._budget.every) and not self._lost:
            self._try_to_renew()

    def _try_to_renew(self) -> None:
        with self._renewing:
            try:
                self._renew()
            except ApiError as error:
                # The cluster may be away for a moment; when the Lease is over, another run may take it.
                if Holder.of(self._now).is_over(now()):
                    self._lost = f"The cluster's Lease could not be renewed in time: {error}"

    def _renew(self) -> None:
        metadata = self._now["metadata"]
        version = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        patch: Object = {"metadata": version, "spec": {"renewTime": micro_time(now())}}
        try:
            self._now = self._api.patch(LEASES, NAME, patch, self._target.namespace)
        except (Conflict, NotFound):
            found = self._target.read(self._api)
            if found is not None and self._is_ours(found):
                self._now = found  # somebody wrote something else into it, or an answer of ours got lost
            elif not self._ended.is_set():
                self._lost = _lost_to(found)

    def _is_ours(self, found: Object) -> bool:
        holder = Holder.of(found)
        return holder.identity == self._identity and holder.is_of(holder.run, run_origin.place())


def _lost_to(found: Object | None) -> str:
    by = f"run {Holder.of(found).run} has it" if found else "somebody deleted it"
    return f"The cluster's Lease is lost: {by}."


def taken_by(holder: Holder) -> LeaseTaken:
    """The refusal where another run holds the cluster."""
    return LeaseTaken(
        f"Run {holder.run} on {holder.machine or 'an unknown machine'} holds the cluster at level "
        f"{holder.level} (until {holder.until:%H:%M:%S} UTC, if it is not renewed).",
        holder=holder,
    )
