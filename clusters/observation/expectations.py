"""What the profile expects of its cluster, in the shape that a Snapshot keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clusters import budgets
from clusters.observation.snapshot import Consumer, Expectations, WireView
from clusters.observation.wire_records import ConsumerProbe

if TYPE_CHECKING:
    from clusters.profile import Profile
    from clusters.profile.models import Probe

#: The budgets that a judgement uses; they are kept as they were, patience included.
_BUDGETS = (budgets.ASSIGNED, budgets.ANNOUNCED, budgets.PODS_READY)


def of(profile: Profile | None) -> Expectations:
    """The profile's expectations; without a profile only the budgets."""
    within = {each.name: budgets.get(each).within for each in _BUDGETS}
    if profile is None:
        return Expectations(budgets=within)
    return Expectations(
        consumers=tuple(
            Consumer(
                namespace=each.namespace,
                name=each.name,
                address=each.address[0],
                addresses=each.address,
                probes=tuple(map(_probe, each.probe)),
            )
            for each in profile.consumers
        ),
        announcers=profile.announcers.nodes,
        announced_by_others=profile.announced_by == "other",
        pools_announced={
            pool.name: pool.announced_by == "other" for pool in profile.pools if pool.announced_by is not None
        },
        announcer_selector=profile.announcers.selector,
        pools={pool.name: pool.addresses for pool in profile.pools},
        networks=tuple(each.cidr for each in profile.networks),
        gateways=tuple(each.gateway for each in profile.networks if each.gateway),
        single_address_pools=tuple(pool.name for pool in profile.pools if pool.single_address),
        budgets=within,
        macs=dict(profile.macs),
    )


def _probe(wanted: Probe) -> ConsumerProbe:
    return ConsumerProbe(
        protocol=wanted.protocol,
        port=wanted.port,
        host=wanted.host,
        method=wanted.method,
        path=wanted.path,
        status=wanted.status,
        body=wanted.body,
        ca=str(wanted.ca or ""),
        send=wanted.send,
        expect=wanted.expect,
        proxy_protocol=wanted.proxy_protocol,
    )


def place(profile: Profile | None) -> dict[str, str]:
    """Which cluster it is by the profile, as fields of a Snapshot."""
    if profile is None:
        return {}
    return {"cluster": profile.name, "provider": str(profile.provider)}


def unseen(profile: Profile | None) -> WireView:
    """The wire where nobody looks at it: why not, and the vantage that the profile has in place of one outside."""
    if profile is None:
        return WireView(detail="the profile names no vantage")
    return WireView(detail=profile.unseen, place=profile.vantage if profile.inside else "")
