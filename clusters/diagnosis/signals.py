"""What Kubernetes and MetalLB said: events, log lines and metrics, by the object that they are about."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from clusters.observation.snapshot import Json, LogTail, PodMetrics, Sample, Snapshot


def seconds(stamp: str | None) -> float | None:
    """An RFC 3339 timestamp ("2026-04-17T10:00:00Z") in seconds of the epoch, None for none.

    Ages are then plain differences.
    """
    if not stamp:
        return None
    try:
        return dt.datetime.fromisoformat(stamp).timestamp()
    except (OverflowError, ValueError):
        return None


def lasting(age: float) -> str:
    """An age in seconds as a person says it: "45 s", "12 min", "3 h", "5 days"."""
    for unit, size, most in (("s", 1, 120), ("min", 60, 120 * 60), ("h", 3600, 48 * 3600)):
        if age < most:
            return f"{age / size:.0f} {unit}"
    return f"{age / 86400:.0f} days"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event, or several alike: `count` times, first `begun` and last `age` seconds before the observation."""

    kind: str
    name: str
    uid: str
    reason: str
    message: str
    warning: bool
    count: int
    age: float
    begun: float

    def __str__(self) -> str:
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"event {self.reason}{times}: {self.message}"


class Signals:
    """Events, logs and metrics of one Snapshot, indexed."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self.snapshot, self.now = snapshot, now

    @cached_property
    def of_services(self) -> Mapping[str, tuple[Event, ...]]:
        """The events of each service by namespace/name, newest first; none of a service of that name before it."""
        uids = {_key(raw["metadata"]): raw["metadata"].get("uid", "") for raw in self.snapshot.services.items}
        found: dict[str, list[Event]] = {}
        for raw in self.snapshot.service_events.items:
            about = raw["involvedObject"]
            key = _key(about)
            if about.get("kind") == "Service" and about.get("uid", "") in {"", uids.get(key)}:
                found.setdefault(key, []).append(self._event(raw))
        return _newest_first(found)

    @cached_property
    def of_metallb(self) -> Mapping[str, tuple[Event, ...]]:
        """The events of MetalLB's namespace by kind/name ("Pod/speaker-x1"), newest first."""
        found: dict[str, list[Event]] = {}
        for raw in self.snapshot.events.items:
            about = raw["involvedObject"]
            found.setdefault(f"{about.get('kind')}/{about.get('name')}", []).append(self._event(raw))
        return _newest_first(found)

    def of_pod(self, name: str) -> tuple[Event, ...]:
        """The events of one pod of MetalLB's namespace, newest first."""
        return self.of_metallb.get(f"Pod/{name}", ())

    def _of_kind(self, kind: str) -> Iterator[Event]:
        """The events of all objects of one kind in MetalLB's namespace, newest first for each of them."""
        for key, events in self.of_metallb.items():
            if key.startswith(f"{kind}/"):
                yield from events

    def warnings_on(self, kind: str) -> tuple[str, ...]:
        """The latest warnings on the objects of one kind in MetalLB's namespace."""
        return tuple(str(event) for event in self._of_kind(kind) if event.warning)[:2]

    def pods_refused_for(self, kind: str) -> str:
        """Why the API server last refused to create a pod for an owner of this kind; "" where it refused none."""
        refusals = (event for event in self._of_kind(kind) if event.reason == "FailedCreate")
        latest = min(refusals, key=lambda event: event.age, default=None)
        return latest.message.rpartition("Error creating: ")[2] if latest else ""

    def _event(self, raw: Json) -> Event:
        series = raw.get("series") or {}
        stamps = (
            series.get("lastObservedTime"), raw.get("lastTimestamp"), raw.get("eventTime"),
            raw["metadata"].get("creationTimestamp"),
        )  # fmt: skip
        last = next((found for stamp in stamps if (found := seconds(stamp)) is not None), self.now)
        starts = (raw.get("firstTimestamp"), raw.get("eventTime"), raw["metadata"].get("creationTimestamp"))
        first = next((found for stamp in starts if (found := seconds(stamp)) is not None), last)
        return Event(
            kind=raw["involvedObject"].get("kind", ""),
            name=raw["involvedObject"].get("name", ""),
            uid=raw["involvedObject"].get("uid", ""),
            reason=raw.get("reason") or "",
            message=raw.get("message") or "",
            warning=raw.get("type") == "Warning",
            count=series.get("count") or raw.get("count") or 1,
            age=self.now - last,
            begun=self.now - min(first, last),
        )

    @cached_property
    def logs(self) -> Mapping[str, LogTail]:
        """The log of each pod's running container."""
        return {tail.pod: tail for tail in self.snapshot.logs if not tail.previous}

    @cached_property
    def earlier_logs(self) -> Mapping[str, LogTail]:
        """The log of the container before the last restart, of pods that restarted."""
        return {tail.pod: tail for tail in self.snapshot.logs if tail.previous}

    @cached_property
    def metrics(self) -> Mapping[str, PodMetrics]:
        """The metrics of each pod."""
        return {found.pod: found for found in self.snapshot.metrics}

    @cached_property
    def announced(self) -> Mapping[str, frozenset[str]]:
        """The nodes whose speaker says that it announces an address in layer 2, by address."""
        found: dict[str, set[str]] = {}
        for sample in self._all("metallb_speaker_announced"):
            if sample.value == 1 and sample.labels.get("protocol") == "layer2":
                found.setdefault(sample.labels.get("ip", ""), set()).add(sample.labels.get("node", ""))
        return {address: frozenset(nodes) for address, nodes in found.items()}

    def value(self, pod: str, name: str) -> float | None:
        """The first sample of that name of one pod, None where there is none."""
        page = self.metrics.get(pod)
        return next((one.value for one in page.samples if one.name == name), None) if page else None

    def _all(self, name: str) -> Iterable[Sample]:
        return (one for page in self.snapshot.metrics for one in page.samples if one.name == name)


def _key(about: Json) -> str:
    return f"{about.get('namespace')}/{about.get('name')}"


def _newest_first(found: dict[str, list[Event]]) -> Mapping[str, tuple[Event, ...]]:
    return {key: tuple(sorted(events, key=lambda each: each.age)) for key, events in found.items()}
