"""Gateways and networks around the pools, by whoever knows them: the profile, the vantage, the nodes.

Kubernetes tells a node's addresses and not their networks. The service page of a repository may know more
(`clusters.gitops.range_findings`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from clusters.metallb.pools import Pool
from clusters.metallb.ranges import Address, Network, parse_address
from clusters.observation.snapshot import Snapshot

#: Annotations in which a network plugin writes a node's address with the length of its network's prefix.
_WITH_PREFIX = ("projectcalico.org/IPv4Address", "projectcalico.org/IPv6Address")
#: A prefix that is as long is an address, and no network that has others.
_NO_NETWORK = {4: 31, 6: 127}


def gateways(seen: Snapshot) -> tuple[Address, ...]:
    """The gateways that the profile names, and those that the vantage uses."""
    found = {route.gateway for route in seen.wire.routes if route.gateway} | set(seen.expectations.gateways)
    return tuple(parse_address(each) for each in sorted(found))


def networks(seen: Snapshot) -> tuple[Network, ...]:
    """The networks that the profile names, and those that nodes are said to have an address in."""
    named = (ipaddress.ip_network(each, strict=False) for each in seen.expectations.networks)
    return tuple(dict.fromkeys((*named, *_of_nodes(seen))))


def _of_nodes(seen: Snapshot) -> Iterator[Network]:
    for raw in seen.nodes.items:
        noted = raw["metadata"].get("annotations") or {}
        for name in _WITH_PREFIX:
            try:
                found = ipaddress.ip_interface(str(noted[name])).network if noted.get(name) else None
            except ValueError:
                continue
            if found is not None and found.prefixlen < _NO_NETWORK[found.version]:
                yield found


def unknown(
    pools: Iterable[Pool],
    known_gateways: Iterable[Address],
    known_networks: Iterable[Network],
    asked: str = "the profile's networks, the vantage nor the nodes",
) -> Iterator[str]:
    """A sentence on each pool of which none that was `asked` knows the gateway, or the edges of its network."""
    gateway_of, network_of = tuple(known_gateways), tuple(known_networks)
    for pool in pools:
        for version in sorted({each.version for each in pool.ranges}):
            around = [
                each for each in network_of if any(one.first in each for one in pool.of_version(version))
            ]
            lacking = [] if around or version == 6 else ["the addresses of the network and for broadcasts"]
            if not any(each.version == version for each in gateway_of):
                lacking.insert(0, "the gateway")
            if lacking:
                yield (
                    f"in pool {pool.name} nobody looked for {' and '.join(lacking)} (IPv{version}): neither {asked} "
                    "tell them"
                )
