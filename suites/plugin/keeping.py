"""What is kept of every failure: MetalLB's objects, the services and their endpoints, events, pods, and logs.

Secrets are never read. Each file is bounded, so that one failure never fills a disk.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from clusters.checks import Need
from clusters.errors import ConformanceError
from suites.plugin.evidence import Moment, collector

if TYPE_CHECKING:
    from clusters.api import Api
    from clusters.api.resources import Resource

Objects = list[dict[str, Any]]

_MOST_LOG_BYTES = 200_000
_MOST_OBJECTS = 500
#: Events and logs are kept from a little before the check began: what it set off may have begun earlier.
_BEFORE = 10.0


@collector
def objects(moment: Moment) -> None:
    """MetalLB's configuration and status, services with endpoints, nodes, and MetalLB's pods."""
    if Need.CLUSTER not in moment.spec.needs:
        return
    namespace = moment.run.settings.profile.namespace
    for resource, where in _resources(namespace):
        moment.record.attach(f"{resource.plural}.json", _listed(moment.run.api, resource, where))


@collector
def events(moment: Moment) -> None:
    """The events of all namespaces since the check began, oldest first."""
    if Need.CLUSTER not in moment.spec.needs:
        return
    from clusters.api.resources import EVENTS  # noqa: PLC0415 - see running.py

    found = moment.run.api.list(EVENTS)
    earliest = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment.since - _BEFORE))
    recent = sorted((one for one in found if _when(one) >= earliest), key=_when)
    lines = [_event_line(one) for one in recent[-_MOST_OBJECTS:]]
    moment.record.attach("events.txt", "\n".join(lines) + "\n")


@collector
def logs(moment: Moment) -> None:
    """What every container of MetalLB has logged since the check began."""
    if Need.CLUSTER not in moment.spec.needs:
        return
    from clusters.api.resources import PODS  # noqa: PLC0415 - see running.py

    api, namespace = moment.run.api, moment.run.settings.profile.namespace
    since = time.time() - moment.since + _BEFORE
    for pod in api.list(PODS, namespace):
        name = pod["metadata"]["name"]
        for container in pod["spec"]["containers"]:
            try:
                text = api.logs(namespace, name, container["name"], since=since)
            except ConformanceError as error:
                text = f"could not be read: {error}\n"
            moment.record.attach(f"{name}.{container['name']}.log", text[-_MOST_LOG_BYTES:])


def _resources(namespace: str) -> Iterator[tuple[Resource, str | None]]:
    from clusters.api import resources as known  # noqa: PLC0415 - see running.py

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
