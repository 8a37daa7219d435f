"""Whether the vantage stands where users do: on the addresses' segment, and on none of the cluster's nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from clusters.api import Api, ApiError
from clusters.api import resources as res
from clusters.checks import Level
from clusters.errors import ConformanceError
from clusters.metallb import pools
from clusters.metallb.selectors import SelectorError
from clusters.preflight.problems import Problem
from clusters.profile import Profile
from clusters.providers import Cluster

if TYPE_CHECKING:  # the vantage brings the packet library, which is slow to load
    from clusters.vantage import Vantage

_EITHER = "either it stands on the wrong network, or the pools are for one; the checks say what is proved"
_OTHER = (
    "Name a host on their network as the profile's vantage (ssh:HOST), or none: then no ARP probe is made."
)


def wrong(
    api: Api, profile: Profile, cluster: Cluster, level: Level = Level.OBSERVE
) -> tuple[list[Problem], list[str]]:
    """Problems where the vantage is on a node, or would see no address of a run's; notes on what it sees.

    A run that only looks is never refused because no pool is on the vantage's segment: a pool on the wrong network is
    what it is to find. One that makes services would measure nothing of them there.

    Addresses that are routed by design need no vantage on their segment: a note says that nobody is asked there.
    """
    vantage = cluster.vantage
    if vantage is None:
        return [], [f"nothing is measured from outside: {profile.unseen}"] if profile.inside else []
    routes = {address: _route(vantage, address) for address in _addresses(api, profile)}
    own = {source for source, _ in routes.values() if source}
    problems = [
        Problem(
            sentence=f"Vantage {vantage.name} is node {node.name} itself, and a node sees only its own ARP replies.",
            remedy="Name a host outside the cluster as the vantage.",
        )
        for node in cluster.nodes
        if own & set(node.addresses)
    ]
    away = {address: why for address, (_, why) in routes.items() if why}
    if not away:
        return problems, []
    shown = "; ".join(f"{address}: {why}" for address, why in list(away.items())[:3])
    if len(away) == len(routes) and not _routed_by_design(api, profile):
        sentence = f"Vantage {vantage.name} is not on the segment of the pools' addresses ({shown})."
        if level.allows(Level.CREATE):
            return [*problems, Problem(sentence=sentence, remedy=_OTHER)], []
        return problems, [f"vantage {vantage.name} is on the segment of no pool ({shown}): {_EITHER}"]
    return problems, [f"vantage {vantage.name} is not on the segment of every pool ({shown})"]


def _routed_by_design(api: Api, profile: Profile) -> bool:
    """Whether nobody has to reply for addresses on a segment: BGP announces them, or something else than MetalLB."""
    if profile.announced_by == "other":
        return True
    try:
        layer2 = api.list(res.L2_ADVERTISEMENTS, profile.namespace)
        return not layer2 and bool(api.list(res.BGP_ADVERTISEMENTS, profile.namespace))
    except ApiError:
        return False  # what may not be read is said elsewhere


def _addresses(api: Api, profile: Profile) -> Iterator[str]:
    """An address of each range of each pool: the live ones, else those that the profile expects."""
    try:
        found = api.list(res.IP_ADDRESS_POOLS, profile.namespace)
    except ApiError:
        found = []  # said elsewhere
    expected = [
        {"metadata": {"name": pool.name}, "spec": {"addresses": pool.addresses}} for pool in profile.pools
    ]
    for raw in found or expected:
        try:
            for each in pools.parse(raw).ranges:
                # Not the first: a prefix's first address is its network's, which has no route of its own.
                yield str(each.middle)
        except SelectorError:
            continue


def _route(vantage: Vantage, address: str) -> tuple[str, str]:
    """The vantage's own address on the way to `address`, and why that is not on its segment ("" where it is)."""
    try:
        found = vantage.interface_for(address)
    except ConformanceError as error:  # a VantageError
        return "", str(error.args[0]).rstrip(".")
    return found.source, "" if found.on_link else f"it is reached by way of {found.gateway}"
