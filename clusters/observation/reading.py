"""One read of the API server, turned into a part of the observation whatever becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from clusters import outbound
from clusters.api import ApiError, Forbidden, NotFound
from clusters.observation import trimming
from clusters.observation.decoding import Gate
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


def objects(
    part: str,
    read: Callable[[], Iterable[Any]],
    trim: Trim,
    *,
    verb: str,
    resource: str,
    keep: Callable[[Json], bool] | None = None,
) -> Objects:
    """Read the objects of one list that are wanted, each trimmed and without secrets.

    An ApiError becomes the list's status, never an exception.

    One that is not what it should be is listed as unreadable, and costs no other.
    """
    gate = Gate(part)
    kept = trim if trim in trimming.FORMED else lambda found: outbound.value(trim(found))
    try:
        for found in read():
            gate.take(found, trim=kept, keep=keep)
    except ApiError as error:
        return Objects(**failure(error, verb=verb, resource=resource))
    return gate.objects()
