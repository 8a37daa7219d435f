"""One read of the API server, turned into a part of the observation whatever becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from clusters import outbound
from clusters.api import ApiError, Forbidden, NotFound
from clusters.observation import trimming
from clusters.observation.snapshot import Json, Objects, Status

Trim = Callable[[Json], Json]


def failure(error: ApiError, *, verb: str, resource: str) -> dict[str, Any]:
    """The fields of a Part that could not be read: what is missing, or what went wrong."""
    if isinstance(error, Forbidden):
        return {
            "status": Status.NOT_PERMITTED,
            "verb": error.verb or verb,
            "resource": error.resource or resource,
            "detail": error.args[0],
        }
    if isinstance(error, NotFound):
        return {"status": Status.ABSENT, "detail": error.args[0]}
    return {"status": Status.FAILED, "verb": verb, "resource": resource, "detail": error.args[0]}


def objects(read: Callable[[], Iterable[Json]], trim: Trim, *, verb: str, resource: str) -> Objects:
    """Read objects and keep each one trimmed and without secrets.

    An ApiError becomes the part's status, never an exception.
    """
    try:
        if trim in trimming.FORMED:
            kept = [trim(found) for found in read()]
        else:
            kept = [outbound.value(trim(found)) for found in read()]
    except ApiError as error:
        return Objects(**failure(error, verb=verb, resource=resource))
    kept.sort(key=_place)
    return Objects(status=Status.OK, items=tuple(kept))


def _place(found: Json) -> tuple[str, str]:
    metadata = found["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
