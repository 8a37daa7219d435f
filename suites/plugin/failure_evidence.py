"""What is kept of the cluster when a check fails, before any fixture takes it away.

By default MetalLB's objects, the services and their endpoints, events, pods, and logs. Secrets are never read, and
each file is bounded, so that one failure never fills a disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from clusters.checks import CheckSpec, Need
from clusters.errors import ConformanceError
from suites.plugin.record import Record
from suites.plugin.run import Run

if TYPE_CHECKING:
    from clusters.api import Api
    from clusters.api.resources import Resource


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A check has just failed. `since` is when it began, in seconds of the Unix clock."""

    item: pytest.Item
    spec: CheckSpec
    run: Run
    record: Record
    since: float


Objects = list[dict[str, Any]]

_MOST_LOG_BYTES = 200_000
_MOST_OBJECTS = 500
#: Events and logs are kept from a little before the check began: what it set off may have begun earlier.
_BEFORE = 10.0

Collector = Callable[[Failure], None]
_COLLECTORS: list[Collector] = []


def collector(function: Collector) -> Collector:
    """Register a function that keeps files of a failure by `failure.record.attach`.

    A class of checks that knows more than the default does (a timeline, a capture) registers its own.
    """
    if function not in _COLLECTORS:
        _COLLECTORS.append(function)
    return function


def collect(failure: Failure) -> None:
    """Let every collector keep what it knows of. One that breaks is noted and masks nothing."""
    for function in _COLLECTORS:
        try:
            function(failure)
        except Exception as fault:  # noqa: BLE001 - the check's failure counts, not the collector's
            name = function.__name__.replace("_", " ")
            failure.record.note(f"{name} could not be kept: {type(fault).__name__}: {fault}")


@collector
def objects(failure: Failure) -> None:
    """MetalLB's configuration and status, services with endpoints, nodes, and MetalLB's pods."""
    if Need.CLUSTER not in failure.spec.needs:
        return
    namespace = failure.run.settings.profile.namespace
    for resource, where in _resources(namespace):
        failure.record.attach(f"{resource.plural}.json", _listed(failure.run.api, resource, where))


@collector
def events(failure: Failure) -> None:
    """The events of all namespaces since the check began, oldest first."""
    if Need.CLUSTER not in failure.spec.needs:
        return
    from clusters.api.resources import EVENTS  # noqa: PLC0415 - see run.py

    found = failure.run.api.list(EVENTS)
    earliest = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(failure.since - _BEFORE))
    recent = sorted((one for one in found if _when(one) >= earliest), key=_when)
    lines = [_event_line(one) for one in recent[-_MOST_OBJECTS:]]
    failure.record.attach("events.txt", "\n".join(lines) + "\n")


@collector
def logs(failure: Failure) -> None:
    """What every container of MetalLB has logged since the check began."""
    if Need.CLUSTER not in failure.spec.needs:
        return
    from clusters.api.resources import PODS  # noqa: PLC0415 - see run.py

    api, namespace = failure.run.api, failure.run.settings.profile.namespace
    since = time.time() - failure.since + _BEFORE
    for pod in api.list(PODS, namespace):
        name = pod["metadata"]["name"]
        for container in pod["spec"]["containers"]:
            try:
                text = api.logs(namespace, name, container["name"], since=since)
            except ConformanceError as error:
                text = f"could not be read: {error}\n"
            failure.record.attach(f"{name}.{container['name']}.log", text[-_MOST_LOG_BYTES:])


def _resources(namespace: str) -> Iterator[tuple[Resource, str | None]]:
    from clusters.api import resources as known  # noqa: PLC0415 - see run.py

    yield from ((known.IP_ADDRESS_POOLS, namespace), (known.L2_ADVERTISEMENTS, namespace))
    yield from ((known.SERVICE_L2_STATUSES, namespace), (known.PODS, namespace))
    yield from ((known.SERVICES, None), (known.ENDPOINT_SLICES, None), (known.NODES, None))


def _listed(api: Api, resource: Resource, namespace: str | None) -> Objects:
    """The objects without who wrote which field; a long list keeps its beginning. Or why there are none."""
    try:
        found = api.list(resource, namespace)
    except ConformanceError as error:
        return [{"error": str(error)}]
    return [
        {**one, "metadata": {key: value for key, value in one["metadata"].items() if key != "managedFields"}}
        for one in found[:_MOST_OBJECTS]
    ]


def _when(event: dict[str, Any]) -> str:
    series = event.get("series") or {}
    when = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return str(when or event["metadata"].get("creationTimestamp") or "")


def _event_line(event: dict[str, Any]) -> str:
    about = event.get("involvedObject") or {}
    name = "/".join(part for part in (about.get("namespace"), about.get("name")) if part)
    return (
        f"{_when(event)} {event.get('type', '')} {event.get('reason', '')} "
        f"{about.get('kind', '')} {name}: {event.get('message', '')}"
    )
