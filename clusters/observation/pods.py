"""MetalLB's own container in each of its pods, and the end of its log."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from clusters import bounds, outbound
from clusters.api import Api, ApiError
from clusters.metallb.install import component_of
from clusters.metallb.log_lines import fields_of, thinned
from clusters.observation.limits import Limits
from clusters.observation.reading import failure
from clusters.observation.snapshot import Json, LogTail, Status

#: How MetalLB's first line begins what it says: where it is the first that was read, nothing was before.
_STARTING = " starting version "


@dataclass(frozen=True)
class Container:
    """The container of a pod that is MetalLB itself: not its FRR, reloader or proxy neighbours."""

    pod: str
    name: str
    image: str
    args: tuple[str, ...]
    restarts: int
    started: bool
    probes: tuple[Json, ...] = ()
    ports: tuple[Json, ...] = ()

    @classmethod
    def of(cls, pod: Json) -> Container | None:
        """The one that is named after the pod's component, else the first; None for a pod of nobody's."""
        part, containers = component_of(pod), pod["spec"].get("containers", ())
        if not part or not containers:
            return None
        found = next((one for one in containers if one["name"] == part), containers[0])
        states = pod.get("status", {}).get("containerStatuses", ())
        state: Json = next((one for one in states if one["name"] == found["name"]), {})
        return cls(
            pod=pod["metadata"]["name"],
            name=found["name"],
            image=found.get("image", ""),
            args=tuple(found.get("args", ())),
            restarts=state.get("restartCount", 0),
            started=bool(state.get("containerID")),
            probes=tuple(found[name] for name in ("livenessProbe", "readinessProbe") if found.get(name)),
            ports=tuple(found.get("ports") or ()),
        )


def containers(pods: Iterable[Json]) -> Iterator[Container]:
    """MetalLB's own container of each pod."""
    return (found for pod in pods if (found := Container.of(pod)))


@dataclass(frozen=True)
class Source:
    """Whom to ask: the API server, with a pool of threads, about the pods of one namespace."""

    api: Api
    pool: ThreadPoolExecutor
    namespace: str

    def logs(self, found: Iterable[Container], *, limits: Limits) -> tuple[LogTail, ...]:
        """The end of every container's log, and of the one before it where it was restarted."""
        wanted = [(one, False) for one in found]
        wanted += [(one, True) for one, _ in wanted if one.restarts]
        return tuple(self.pool.map(lambda pair: self._log(pair[0], previous=pair[1], limits=limits), wanted))

    def _log(self, one: Container, *, previous: bool, limits: Limits) -> LogTail:
        tail = LogTail(pod=one.pod, container=one.name, previous=previous)
        if not one.started:
            return replace(tail, status=Status.ABSENT, detail="its container was never started")

        def lines(most: int) -> list[str]:
            return self.api.logs(self.namespace, one.pod, one.name, tail=most, previous=previous).splitlines()

        most = limits.log_lines_read
        try:
            read = lines(most)
            if flooded(read, limits):
                most = limits.log_lines_flooded
                read = lines(most)
        except ApiError as error:
            return replace(tail, **failure(error, verb="get", resource="pods/log"))
        return replace(tail, status=Status.OK, **told(read, replace(limits, log_lines_read=most)))


def flooded(read: Sequence[str], limits: Limits) -> bool:
    """Whether as many lines as are read are of so short a while that what is said once a minute may not be in them."""
    if len(read) < limits.log_lines_read:
        return False
    first = next((when for line in read if (when := _time(line))), None)
    last = next((when for line in reversed(read) if (when := _time(line))), None)
    return bool(first and last and (last - first).total_seconds() < limits.log_seconds_read)


def told(read: Sequence[str], limits: Limits) -> dict[str, Any]:
    """What is kept of the lines that were read: without noise, and by time as well as by number."""
    thin, noise = thinned(read)
    since = next((when for line in read if (when := _time(line))), None)
    lines = thin[-_kept(thin, limits) :]
    return {
        "lines": tuple(outbound.secretless("\n".join(lines)).splitlines()),
        "noise": noise,
        "since": since.isoformat() if since else "",
        "whole": bool(read) and len(read) < limits.log_lines_read and _STARTING in read[0],
    }


def _kept(lines: Sequence[str], limits: Limits) -> int:
    """How many of the last lines are kept: so many in any case, and those of the last while, up to a number."""
    newest = next((when for line in reversed(lines) if (when := _time(line))), None)
    number = min(limits.log_lines, len(lines))
    while newest and number < min(limits.log_lines_kept, len(lines)):
        when = _time(lines[-number - 1])
        if when and (newest - when).total_seconds() > limits.log_seconds:
            break
        number += 1
    return number


def _time(line: str) -> dt.datetime | None:
    """When a line was written, by itself; klog's have no date and count as written with those around them."""
    try:
        when = dt.datetime.fromisoformat(fields_of(line).get("ts", ""))
    except ValueError:
        return None
    return when if when.tzinfo and bounds.EARLIEST <= when <= bounds.LATEST else None
