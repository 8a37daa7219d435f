"""A server-side dry run of a pool: the only harmless way to learn whether MetalLB's webhook answers.

It is a write verb that the API server does not carry out (dryRun=All), and it shows in the audit log as such.
Who may not send it loses nothing but this part.
"""

from __future__ import annotations

from clusters.api import Api, ApiError, Invalid, ServerFault, WebhookFailed
from clusters.metallb.ranges import AddressRange, RangeError, parse
from clusters.observation.reading import failure
from clusters.observation.snapshot import DryRun, Json, Objects, Status

#: RFC 5737: addresses that no network uses. A cluster whose pools hold one of them is tried with the next.
_DOCUMENTATION = ("203.0.113.254/32", "198.51.100.254/32", "192.0.2.254/32")
_NAME = "metallb-conformance-dry-run"
_RESOURCE = "ipaddresspools.metallb.io"


def tried(api: Api, namespace: str, pools: Objects) -> DryRun:
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
