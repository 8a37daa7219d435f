"""One read of the API server, or a dry run of a pool, turned into a part of the observation whatever becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from clusters import outbound
from clusters.api import Api, ApiError, Forbidden, Invalid, NotFound, ServerFault, WebhookFailed
from clusters.metallb.ranges import AddressRange, RangeError, parse
from clusters.observation import trimming
from clusters.observation.decoding import Gate
from clusters.observation.snapshot import DryRun, Json, Objects, Status

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


#: RFC 5737: addresses that no network uses. A cluster whose pools hold one of them is tried with the next.
_DOCUMENTATION = ("203.0.113.254/32", "198.51.100.254/32", "192.0.2.254/32")
_NAME = "metallb-conformance-dry-run"
_RESOURCE = "ipaddresspools.metallb.io"


def dry_run(api: Api, namespace: str, pools: Objects) -> DryRun:
    """Try a pool that overlaps none of `pools`, and keep what was said to it."""
    try:
        api.create(_pool(namespace, pools), dry_run=True)
    except WebhookFailed as error:
        return DryRun(status=Status.OK, webhook_failed=True, detail=error.args[0])
    except (Invalid, ServerFault) as error:
        return DryRun(status=Status.OK, detail=error.args[0])
    except ApiError as error:
        return DryRun(**failure(error, verb="create", resource=_RESOURCE))
    return DryRun(status=Status.OK, accepted=True)


def _pool(namespace: str, pools: Objects) -> Json:
    taken = [
        held
        for pool in pools.items
        for text in pool.get("spec", {}).get("addresses", ())
        if (held := _range(text))
    ]
    free = (text for text in _DOCUMENTATION if not any(held.overlap(parse(text)) for held in taken))
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": _NAME, "namespace": namespace},
        "spec": {"addresses": [next(free, _DOCUMENTATION[0])], "autoAssign": False},
    }


def _range(text: str) -> AddressRange | None:
    try:
        return parse(text)
    except RangeError:
        return None
