"""Which node a MAC belongs to, learnt on the wire from the nodes' own addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from clusters.vantage.base import Vantage
from clusters.vantage.vantage_data import AddressLike, Mac, VantageError, mac


@dataclass(frozen=True, kw_only=True)
class MacTable:
    """MACs of nodes. `silent`: nodes of which no address answered; `shared`: MACs that answered for two."""

    nodes: Mapping[Mac, str] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    shared: Mapping[Mac, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def learn(
        cls,
        vantage: Vantage,
        addresses: Mapping[str, Sequence[AddressLike]],
        *,
        static: Mapping[str, str] | None = None,
    ) -> MacTable:
        """Ask for the own addresses of each node. `static` adds MAC -> node where all NICs are known.

        Where the vantage has no right to ask, its kernel does.

        Addresses that are not on a segment of the vantage raise its VantageError; where `static` is given they are left
        out, and their nodes are silent unless it knows them: services may have a network of their own.
        """
        own_of = {str(ip_address(str(one))): node for node, own in addresses.items() for one in own}
        wanted = own_of
        if static:
            wanted = {address: node for address, node in own_of.items() if _near(vantage, address)}
        found: dict[Mac, set[str]] = {}
        for address, macs in _heard(vantage, wanted).items():
            for one in macs:
                found.setdefault(one, set()).add(wanted[address])
        answered = {node for names in found.values() for node in names}
        known = {mac(text): node for text, node in (static or {}).items()}
        return cls(
            nodes={one: min(names) for one, names in found.items() if len(names) == 1} | known,
            silent=tuple(node for node in addresses if node not in answered | set(known.values())),
            shared={one: tuple(sorted(names)) for one, names in found.items() if len(names) > 1},
        )

    def node_of(self, owner: str | None) -> str | None:
        """The node that has a MAC; None for a MAC of no known node."""
        return self.nodes.get(mac(owner)) if owner else None

    def named(self, owner: str) -> str:
        """For people: "w1 (02:…)", or "unknown host (02:…)"."""
        return f"{self.node_of(owner) or 'unknown host'} ({owner})"


def _near(vantage: Vantage, address: str) -> bool:
    try:
        return vantage.interface_for(address).on_link
    except VantageError:
        return False


def _heard(vantage: Vantage, addresses: Mapping[str, str]) -> dict[str, frozenset[Mac]]:
    if not addresses:
        return {}
    if "arp" in vantage.capabilities:
        heard = vantage.who_answers_all(addresses, rounds=3, probe=False)
        return {address: answers.macs for address, answers in heard.items()}
    return {address: frozenset({one} - {""}) for address, one in vantage.learned(addresses).items()}
