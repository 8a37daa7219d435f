"""The wire as a vantage sees it: who answers for which address, and which service ports can be reached.

Only addresses on a segment of the vantage are asked for. What looks wrong is asked a second time after a
pause, because a speaker that just started or stopped makes two nodes answer for up to 1.6 s (measured).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clusters import budgets, wait
from clusters.metallb import pools as metallb_pools
from clusters.metallb import ranges
from clusters.metallb.ranges import Address
from clusters.metallb.selectors import SelectorError
from clusters.observation import consumer_probes, node_macs, reaching
from clusters.observation.field_types import Purpose
from clusters.observation.limits import Limits
from clusters.observation.node_macs import NodeMacs
from clusters.observation.nodes_around import Nodes
from clusters.observation.snapshot import Heard, PoolShare, Route, Snapshot, Status, WireView
from clusters.vantage import VantageError

if TYPE_CHECKING:
    from clusters.vantage import Vantage

_ROUNDS, _RATE = 3, 200.0
_NOBODY_NEAR = "no node has an address on a segment of the vantage"


#: Addresses of documentation, RFC 5737 and 3849: nobody is asked there, the way to them only names the gateway.
_BEYOND = ("192.0.2.1", "2001:db8::1")


def seen(snapshot: Snapshot, vantage: Vantage | None, limits: Limits, *, unseen: WireView) -> Snapshot:
    """`snapshot` with what the vantage sees of its services, pools and nodes; `unseen` where there is none."""
    if vantage is None:
        return replace(snapshot, wire=unseen)
    try:
        view = _Look(snapshot, vantage, limits).view()
    except VantageError as error:
        view = WireView(status=Status.FAILED, detail=error.args[0], place=vantage.name)
    return replace(snapshot, wire=view)


def reached_from(snapshot: Snapshot, vantage: Vantage | None, limits: Limits) -> WireView:
    """What a second vantage reaches of the services; it stands behind a router, so it asks no segment."""
    if vantage is None:
        return WireView(detail="the profile names no routed_vantage")
    try:
        return _Look(snapshot, vantage, limits).reach()
    except VantageError as error:
        return WireView(status=Status.FAILED, detail=error.args[0], place=vantage.name)


class _Look:
    """One look from one vantage."""

    def __init__(self, snapshot: Snapshot, vantage: Vantage, limits: Limits) -> None:
        self.snapshot, self.vantage, self.limits = snapshot, vantage, limits

    def reach(self) -> WireView:
        """Only which ports are reached, and by which way."""
        doors, ports = reaching.chosen(self.snapshot, self.limits)
        routes = tuple(self._route(address) for address in sorted({door.address for door in doors}))
        found = reaching.Reaching(self.vantage, self.limits).ports(doors, nodes=None)
        return WireView(
            status=Status.OK, place=self.vantage.name, routes=routes, reached=found.reached, ports=ports
        )

    def view(self) -> WireView:
        """Everything that the vantage can see. Raises VantageError where it cannot see at all."""
        doors, ports = reaching.chosen(self.snapshot, self.limits)
        assigned = sorted({door.address for door in doors})
        nodes = sorted({each for raw in self.snapshot.nodes.items for each in node_macs.own_addresses(raw)})
        free, shares = self._free(set(assigned) | set(nodes))
        firsts = [each[0] for addresses in free.values() for each in _by_family(addresses)]
        routes = {address: self._route(address) for address in (*assigned, *nodes, *firsts)}
        beyond = [route for address in _BEYOND if (route := self._route(address)).gateway]
        asks = "arp" in self.vantage.capabilities
        if not asks:
            control_ok, control, heard = self._by_kernel(nodes, assigned, free, routes)
        else:
            gateways = {route.gateway for route in (*routes.values(), *beyond) if route.gateway}
            ways = routes | {gateway: self._route(gateway) for gateway in gateways}
            control_ok, control = self._control(_neighbours(nodes, assigned, sorted(gateways), ways))
            heard = (
                *self._heard(nodes, Purpose.NODE, routes, probe=False),
                *self._confirmed(assigned, routes),
                *self._heard_free(free, routes),
            )
        view = WireView(
            status=Status.OK,
            place=self.vantage.name,
            routes=(*routes.values(), *beyond),
            control_ok=control_ok,
            control=control,
            heard=heard,
            shares=shares,
            by_kernel=not asks,
            ports=ports,
        )
        macs = node_macs.learn(replace(self.snapshot, wire=view))
        if control_ok and (why := self._indistinct(macs)):
            view = replace(view, control_ok=False, control=why)
        announcers = {
            one.address: tuple(macs.nodes[mac] for mac in one.macs if mac in macs.nodes)
            for one in heard
            if one.purpose is Purpose.ASSIGNED
        }
        reached = reaching.Reaching(self.vantage, self.limits)
        found = reached.ports(doors, Nodes(self.snapshot, announcers))
        return replace(
            view,
            reached=found.reached,
            node_reach=found.node_reach,
            node_ports=found.node_ports,
            proxy_health=found.proxy_health,
            consumers=consumer_probes.answers(self.snapshot, self.vantage),
        )

    def _indistinct(self, macs: NodeMacs) -> str:
        """Why nobody can be told from another here: all nodes answer by one hardware address; "" where they do not."""
        if macs.nodes or not macs.shared:
            return ""
        mac, nodes = next(iter(macs.shared.items()))
        return (
            f"nodes {', '.join(nodes)} all answer by one hardware address, {mac}: something between them and vantage "
            f"{self.vantage.name} answers for them, so that it cannot be told which node an answer comes from"
        )

    def _by_kernel(
        self, nodes: list[str], assigned: list[str], free: dict[str, list[str]], routes: dict[str, Route]
    ) -> tuple[bool, str, tuple[Heard, ...]]:
        """Whom the vantage's kernel takes for the holder of each address; the nodes' own prove that it learns."""
        pools = {address: pool for pool, addresses in free.items() for address in addresses}
        purposes = {
            **dict.fromkeys(pools, Purpose.FREE),
            **dict.fromkeys(nodes, Purpose.NODE),
            **dict.fromkeys(assigned, Purpose.ASSIGNED),
        }
        found = self.vantage.learned(purposes)
        heard = tuple(
            Heard(
                address=address,
                purpose=purposes[address],
                macs=(mac,) if mac else (),
                pool=pools.get(address, "") if purposes[address] is Purpose.FREE else "",
            )
            for address, mac in found.items()
        )
        near = any(routes[address].on_link for address in nodes)
        if not near and not any(routes[address].on_link for address in assigned):
            return False, _NOBODY_NEAR, heard
        purpose = Purpose.NODE if near else Purpose.ASSIGNED
        known = [one.address for one in heard if one.purpose is purpose and one.macs]
        if not known:
            whose = "no node's address" if near else "no address of a service"
            return False, f"the kernel of vantage {self.vantage.name} has learnt {whose}", heard
        return True, f"the kernel of vantage {self.vantage.name} has learnt {', '.join(known[:3])}", heard

    def _route(self, address: str) -> Route:
        try:
            found = self.vantage.interface_for(address)
        except VantageError as error:
            return Route(address=address, problem=error.args[0])
        if found.on_link and not found.up:
            # One network that is cut off must not keep what is seen on another from being told.
            return Route(address=address, problem=f"interface {found.name} of the vantage is down")
        return Route(address=address, on_link=found.on_link, gateway=found.gateway, source=found.source)

    def _control(self, neighbours: Sequence[str]) -> tuple[bool, str]:
        if not neighbours:
            return False, _NOBODY_NEAR
        found = self.vantage.control(list(neighbours[:3]))
        return found.ok, found.reason

    def _heard(
        self,
        addresses: Iterable[str],
        purpose: Purpose,
        routes: dict[str, Route],
        *,
        probe: bool = True,
        pool: str = "",
    ) -> tuple[Heard, ...]:
        wanted = [address for address in addresses if routes[address].on_link]
        if not wanted:
            return ()
        found = self.vantage.who_answers_all(wanted, rounds=_ROUNDS, rate=_RATE, probe=probe)
        return tuple(
            Heard(address=address, purpose=purpose, macs=tuple(sorted(found[address].macs)), pool=pool)
            for address in wanted
            if address in found
        )

    def _confirmed(self, assigned: Sequence[str], routes: dict[str, Route]) -> tuple[Heard, ...]:
        """Who answers for assigned addresses; those without exactly one answerer are asked once more."""
        first = {heard.address: heard for heard in self._heard(assigned, Purpose.ASSIGNED, routes)}
        odd = [address for address, heard in first.items() if len(heard.macs) != 1]
        if odd:
            wait.pause(budgets.get(budgets.ANNOUNCERS_SETTLED))
            first |= {heard.address: heard for heard in self._heard(odd, Purpose.ASSIGNED, routes)}
        return tuple(first.values())

    def _heard_free(self, free: dict[str, list[str]], routes: dict[str, Route]) -> Iterator[Heard]:
        """Who answers for free addresses; a pool's first one of a family says whether its others are on the segment."""
        for pool, addresses in free.items():
            for alike in _by_family(addresses):
                same = dict.fromkeys(alike, routes[alike[0]])
                yield from self._heard(alike, Purpose.FREE, same, pool=pool)

    def _free(self, taken: set[str]) -> tuple[dict[str, list[str]], tuple[PoolShare, ...]]:
        """Some free addresses of each pool, and what share of all of them that is."""
        held = {ranges.parse_address(address) for address in taken}
        free: dict[str, list[str]] = {}
        shares = []
        for raw in self.snapshot.ip_address_pools.items:
            try:
                pool = metallb_pools.parse(raw)
            except SelectorError:
                continue
            merged = ranges.merged(pool.ranges)
            found = ranges.first_free(
                merged, taken=held, count=self.limits.free_addresses, avoid_buggy=pool.avoid_buggy
            )
            total = sum(pool.usable(version) for version in (4, 6)) - _inside(held, merged)
            free[pool.name] = [str(address) for address in found]
            shares.append(PoolShare(pool=pool.name, asked=len(found), free=total))
        return free, tuple(shares)


def _neighbours(
    nodes: Iterable[str], assigned: Iterable[str], gateways: Iterable[str], ways: Mapping[str, Route]
) -> list[str]:
    """Whose answers prove that the vantage sees any: nodes on its segments.

    Where only services' addresses are there, that is the gateway of their network, and else those addresses.
    """
    near = [each for each in nodes if ways[each].on_link]
    served = [each for each in assigned if ways[each].on_link]
    if near or not served:
        return near
    networks = {ways[each].source for each in served}
    return [each for each in gateways if ways[each].on_link and ways[each].source in networks] or served


def _inside(held: Iterable[Address], merged: Iterable[ranges.AddressRange]) -> int:
    return sum(1 for address in held if any(address in each for each in merged))


def _by_family(addresses: Iterable[str]) -> list[list[str]]:
    """The addresses of IPv4 and those of IPv6, a list for each family that is there."""
    families: dict[bool, list[str]] = {}
    for address in addresses:
        families.setdefault(":" in address, []).append(address)
    return list(families.values())
