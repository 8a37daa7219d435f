"""The wire as a vantage sees it: who answers for which address, and which service ports can be reached.

Only addresses on a segment of the vantage are asked for. What looks wrong is asked a second time after a
pause, because a speaker that just started or stopped makes two nodes answer for up to 1.6 s (measured).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from clusters import budgets, wait
from clusters.metallb import pools as metallb_pools
from clusters.metallb import ranges
from clusters.metallb.ranges import Address
from clusters.metallb.selectors import SelectorError
from clusters.observation import consumer_probes, node_macs, reaching
from clusters.observation.field_types import Purpose
from clusters.observation.limits import Limits
from clusters.observation.node_macs import NodeMacs
from clusters.observation.nodes_around import NodeProbes, Nodes
from clusters.observation.snapshot import Believed, Heard, PoolShare, Route, Snapshot, Status, WireView
from clusters.vantage import VantageError

if TYPE_CHECKING:
    from clusters.vantage import Vantage
    from clusters.vantage.vantage_data import Mac

_ROUNDS, _RATE = 3, 200.0
#: Questions a second where nobody has answered faster ones: a switch may pass only some broadcasts a second.
_SLOW = 4.0
#: So many are asked for so: where more are silent, it is no limit.
_MOST_SLOWLY = 8
#: The kernel's word for an entry of its table that somebody made, by which nothing is learnt of the wire.
_BY_HAND = "permanent"
#: Where the table has none.
_ABSENT = "absent"
_NOBODY_NEAR = "no node has an address on a segment of the vantage"


#: Addresses of documentation, RFC 5737 and 3849: nobody is asked there, the way to them only names the gateway.
_BEYOND = ("192.0.2.1", "2001:db8::1")


def seen(snapshot: Snapshot, vantage: Vantage | None, limits: Limits, *, unseen: WireView) -> Snapshot:
    """`snapshot` with what the vantage sees of its services, pools and nodes; `unseen` where there is none."""
    with Looking(vantage, limits) as looking:
        looking.begin(lambda: snapshot)
        return looking.end(snapshot, unseen=unseen)


class Looking:
    """One look from a vantage, in two parts: its questions may be under way before all of the cluster has been read.

    Use it as a context manager; leaving waits for what was begun. `about` is a service, or an address of one: of others
    as many are looked at as tell what it has alone, and nobody is asked where it holds no address.
    """

    def __init__(self, vantage: Vantage | None, limits: Limits, *, about: str = "") -> None:
        self._vantage, self._limits, self._about = vantage, limits, about
        self._beside = ThreadPoolExecutor(6, thread_name_prefix="look")
        self._asked: Future[_Asked | None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._beside.shutdown(cancel_futures=True)

    def begin(self, known: Callable[[], Snapshot]) -> None:
        """Ask for the addresses of the services, nodes and pools that `known` gives, which may wait for them."""
        if self._vantage is not None:
            self._asked = self._beside.submit(self._questions, self._vantage, known)

    def _questions(self, vantage: Vantage, known: Callable[[], Snapshot]) -> _Asked | None:
        snapshot = known()
        if self._about and not reaching.addresses(snapshot, self._about):
            return None
        return _Look(snapshot, vantage, self._limits, self._beside, about=self._about).questions()

    def end(self, snapshot: Snapshot, *, unseen: WireView, routed: Vantage | None = None) -> Snapshot:
        """`snapshot` with all that is seen; `routed` looks too, where it disturbs nothing."""
        if self._about and not reaching.addresses(snapshot, self._about):
            nothing = WireView(detail="the service holds no address", place=unseen.place)
            return replace(snapshot, wire=nothing, routed=nothing)
        far = _Far(snapshot, routed, self._limits, self._beside, about=self._about)
        return replace(snapshot, wire=self._view(snapshot, unseen, far.begin), routed=far.view())

    def _view(self, snapshot: Snapshot, unseen: WireView, tried: Callable[[], None]) -> WireView:
        if self._vantage is None or self._asked is None:
            return unseen
        try:
            look = _Look(snapshot, self._vantage, self._limits, self._beside, about=self._about)
            asked = self._asked.result()
            return look.view(asked, tried=tried) if asked else unseen
        except VantageError as error:
            return WireView(status=Status.FAILED, detail=error.args[0], place=self._vantage.name)


class _Far:
    """What a second vantage reaches of the services; it stands behind a router, so it asks no segment.

    It begins when the first one has made its tries: the two together would be twice as fast as the budget says.
    """

    def __init__(
        self, snapshot: Snapshot, vantage: Vantage | None, limits: Limits, beside: Executor, *, about: str
    ) -> None:
        self._snapshot, self._vantage, self._limits, self._beside = snapshot, vantage, limits, beside
        self._about = about
        self._reached: Future[WireView] | None = None

    def begin(self) -> None:
        """Try what it reaches, beside whatever follows."""
        if self._vantage is not None and self._reached is None:
            look = _Look(self._snapshot, self._vantage, self._limits, self._beside, about=self._about)
            self._reached = self._beside.submit(look.reach)

    def view(self) -> WireView:
        """What it reached."""
        if self._vantage is None:
            return WireView(detail="the profile names no routed_vantage")
        self.begin()
        assert self._reached is not None  # begun above
        try:
            return self._reached.result()
        except VantageError as error:
            return WireView(status=Status.FAILED, detail=error.args[0], place=self._vantage.name)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What a look begins with: which addresses and ports, the ways to them, and the questions that are under way.

    `first` gives what is heard of nodes and assigned addresses, `all` of the others too, with whether the answers of a
    neighbour prove that any are heard, and why. Both wait.
    """

    doors: tuple[reaching.Door, ...]
    ports: int
    assigned: tuple[str, ...]
    firsts: tuple[str, ...]
    shares: tuple[PoolShare, ...]
    routes: dict[str, Route]
    beyond: tuple[Route, ...]
    first: Callable[[], tuple[Heard, ...]]
    all: Callable[[], tuple[bool, str, tuple[Heard, ...]]]


class _Look:
    """One look from one vantage."""

    def __init__(
        self, snapshot: Snapshot, vantage: Vantage, limits: Limits, beside: Executor, *, about: str = ""
    ) -> None:
        self.snapshot, self.vantage, self.limits, self.beside = snapshot, vantage, limits, beside
        self.about = about
        self.asks = "arp" in vantage.capabilities

    def reach(self) -> WireView:
        """Only which ports are reached, and by which way."""
        doors, ports = reaching.chosen(self.snapshot, self.limits, about=self.about)
        routes = tuple(self._route(address) for address in sorted({door.address for door in doors}))
        found = reaching.Reaching(self.vantage, self.limits).ports(doors, nodes=None)
        return WireView(
            status=Status.OK, place=self.vantage.name, routes=routes, reached=found.reached, ports=ports
        )

    def questions(self) -> _Asked:
        """Begin to ask who has which address. Raises VantageError where the vantage cannot see at all."""
        doors, ports = reaching.chosen(self.snapshot, self.limits, about=self.about)
        assigned = sorted({door.address for door in doors})
        nodes = sorted({each for raw in self.snapshot.nodes.items for each in node_macs.own_addresses(raw)})
        free, shares = self._free(set(assigned) | set(nodes))
        firsts = [each[0] for addresses in free.values() for each in _by_family(addresses)]
        routes = {address: self._route(address) for address in (*assigned, *nodes, *firsts)}
        beyond = [route for address in _BEYOND if (route := self._route(address)).gateway]
        if self.asks:
            gateways = {route.gateway for route in (*routes.values(), *beyond) if route.gateway}
            ways = routes | {gateway: self._route(gateway) for gateway in gateways}
            near = _neighbours(nodes, assigned, sorted(gateways), ways)
            first, everything = self._by_questions(nodes, assigned, free, routes, near=near)
        else:
            learnt = self.beside.submit(self._by_kernel, nodes, assigned, free, routes)
            first, everything = (lambda: learnt.result()[2]), learnt.result
        return _Asked(
            doors=doors,
            ports=ports,
            assigned=tuple(assigned),
            firsts=tuple(firsts),
            shares=shares,
            routes=routes,
            beyond=tuple(beyond),
            first=first,
            all=everything,
        )

    def view(self, asked: _Asked, *, tried: Callable[[], None]) -> WireView:
        """Everything that the vantage can see; `tried` is called when it has tried the ports.

        Raises VantageError where it cannot see at all.
        """
        view = WireView(
            status=Status.OK,
            place=self.vantage.name,
            routes=(*asked.routes.values(), *asked.beyond),
            heard=asked.first(),
            shares=asked.shares,
            by_kernel=not self.asks,
            ports=asked.ports,
            networks=self.vantage.networks(),
        )
        # Whether the vantage hears at all, and free addresses, are asked about beside the tries.
        view = self._tried(view, asked)
        control_ok, control, everything = asked.all()
        heard = view.heard if view.by_kernel else (*view.heard, *everything[len(view.heard) :])
        if self.asks:
            heard = self._heard_slowly(heard, asked.routes)
        macs = node_macs.learn(replace(self.snapshot, wire=replace(view, heard=everything)))
        if control_ok and (why := self._indistinct(macs)):
            control_ok, control = False, why
        view = replace(view, heard=heard, control_ok=control_ok, control=control)
        gateways = {route.gateway for route in view.routes if route.gateway}
        # After the tries: this question would mend a neighbour table that is wrong.
        others = self.beside.submit(
            self._proxied, view.heard, (*asked.assigned, *asked.firsts), gateways, asked.routes
        )
        tried()
        view = replace(view, consumers=consumer_probes.answers(self.snapshot, self.vantage))
        heard = others.result()
        known = {one.address for one in view.believed}
        if more := gateways - known if any(one.by_proxy for one in heard) else set():
            self.vantage.learned(more)
        return replace(view, heard=heard, believed=(*view.believed, *self._believed(more)))

    def _tried(self, view: WireView, asked: _Asked) -> WireView:
        """What is reached besides, and whom the vantage's kernel believed in where something was lost."""
        routes = {route.address: route for route in view.routes}
        around = _Around(self.snapshot, view, asked)
        found = reaching.Reaching(self.vantage, self.limits).ports(asked.doors, around)
        troubled = {one.address for one in found.reached if one.lost}
        troubled |= {one.address for one in found.node_reach if one.lost}
        believed = self._believed({one for one in troubled if one in routes and routes[one].on_link})
        return replace(
            view,
            heard=view.heard if view.by_kernel else self._heard_again(view.heard, believed, routes),
            believed=believed,
            reached=found.reached,
            node_reach=found.node_reach,
            node_ports=found.node_ports,
            proxy_health=found.proxy_health,
        )

    def _believed(self, addresses: set[str]) -> tuple[Believed, ...]:
        """Whom the vantage's own kernel takes for the holder of each of these addresses."""
        if not addresses:
            return ()
        table = {one.address: one for one in self.vantage.neighbours() if one.address in addresses}
        return tuple(
            Believed(address=address, mac=table[address].mac, state=table[address].state)
            if address in table
            else Believed(address=address, mac="", state=_ABSENT)
            for address in sorted(addresses)
        )

    def _heard_again(
        self, heard: tuple[Heard, ...], believed: Iterable[Believed], routes: dict[str, Route]
    ) -> tuple[Heard, ...]:
        """What was heard; addresses for which the kernel believes in another host are asked for once more.

        Between the first question and the tries the address may have moved: then the kernel is right.
        """
        known = {one.address: one for one in heard if one.purpose is not Purpose.FREE}
        doubtful = [
            known[one.address]
            for one in believed
            if one.mac and one.address in known and one.mac not in (known[one.address].macs or (one.mac,))
        ]
        again = {
            each.address: each
            for purpose in (Purpose.NODE, Purpose.ASSIGNED)
            for each in self._heard(
                [one.address for one in doubtful if one.purpose is purpose], purpose, routes
            )
            if each.macs
        }
        return tuple(again.get(one.address, one) if one.purpose is not Purpose.FREE else one for one in heard)

    def _proxied(
        self, heard: tuple[Heard, ...], addresses: Iterable[str], gateways: set[str], routes: dict[str, Route]
    ) -> tuple[Heard, ...]:
        """What was heard, with who answers for these addresses only now that the vantage asks under its own.

        A kernel answers for others only one that has an address (RFC 1027), and only a router has a reason to: where no
        gateway is known there is nobody to wait for.
        """
        wanted = {one for one in addresses if routes[one].on_link}
        if not (wanted and gateways and "arp" in self.vantage.capabilities):
            return heard
        found = self.vantage.who_answers_all(wanted, rounds=1, rate=_RATE, probe=False, patient=True)
        known = {one.address: set(one.macs) for one in heard if one.purpose is not Purpose.NODE}
        late = {
            address: others
            for address, one in found.items()
            if (others := set(one.macs) - known.get(address, set(one.macs)))
        }
        found_again: dict[str, set[Mac]] = {}
        if late:  # an address may have moved meanwhile: its new holder replies to the first question, too
            again = self.vantage.who_answers_all(late, rounds=_ROUNDS, rate=_RATE)
            found_again = {address: others & set(again[address].macs) for address, others in late.items()}
        for _ in range(_ROUNDS if late else 0):
            # A proxy replies each time; a second holder that is heard now and then only does not.
            more = self.vantage.who_answers_all(late, rounds=1, rate=_RATE, probe=False, patient=True)
            for address, others in late.items():
                found_again[address] |= others - set(more[address].macs)
        return tuple(
            replace(
                one,
                by_proxy=tuple(sorted(late[one.address] - found_again[one.address])),
                macs=tuple(sorted({*one.macs, *found_again[one.address]})),
            )
            if one.address in late and one.purpose is not Purpose.NODE
            else one
            for one in heard
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

    def _by_questions(
        self,
        nodes: list[str],
        assigned: list[str],
        free: dict[str, list[str]],
        routes: dict[str, Route],
        *,
        near: Sequence[str],
    ) -> tuple[Callable[[], tuple[Heard, ...]], Callable[[], tuple[bool, str, tuple[Heard, ...]]]]:
        """Who replies for each address. Every question waits for answers, and none needs what another hears."""
        control = self.beside.submit(self._control, near)
        first = (
            self.beside.submit(self._heard, nodes, Purpose.NODE, routes, probe=False),
            self.beside.submit(self._confirmed, assigned, routes),
        )
        rest = self.beside.submit(lambda: tuple(self._heard_free(free, routes)))

        def of(*parts: Future[tuple[Heard, ...]]) -> tuple[Heard, ...]:
            return tuple(one for part in parts for one in part.result())

        return (lambda: of(*first)), (lambda: (*control.result(), of(*first, rest)))

    def _by_kernel(
        self, nodes: list[str], assigned: list[str], free: dict[str, list[str]], routes: dict[str, Route]
    ) -> tuple[bool, str, tuple[Heard, ...]]:
        """Whom the vantage's kernel has learnt to hold each address; the nodes' own prove that it learns."""
        pools = {address: pool for pool, addresses in free.items() for address in addresses}
        purposes = {
            **dict.fromkeys(pools, Purpose.FREE),
            **dict.fromkeys(nodes, Purpose.NODE),
            **dict.fromkeys(assigned, Purpose.ASSIGNED),
        }
        found = self.vantage.learned(purposes)
        by_hand = {one.address for one in self.vantage.neighbours() if one.state == _BY_HAND}
        found = {address: mac for address, mac in found.items() if address not in by_hand}
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

    def _heard_slowly(self, heard: tuple[Heard, ...], routes: dict[str, Route]) -> tuple[Heard, ...]:
        """What was heard, with who answers for silent addresses of services now that they are asked for slowly, alone.

        A switch with storm control passes some broadcasts a second and drops the others, ours among them.
        """
        silent = [
            one.address
            for one in heard
            if one.purpose is Purpose.ASSIGNED and not one.macs and routes[one.address].on_link
        ][:_MOST_SLOWLY]
        if not silent:
            return heard
        wait.pause(budgets.get(budgets.ANNOUNCERS_SETTLED))
        found = self.vantage.who_answers_all(silent, rounds=2, rate=_SLOW)
        return tuple(
            replace(one, macs=tuple(sorted(found[one.address].macs)))
            if one.address in found and one.purpose is Purpose.ASSIGNED
            else one
            for one in heard
        )

    def _heard_free(self, free: dict[str, list[str]], routes: dict[str, Route]) -> Iterator[Heard]:
        """Who answers for free addresses; a pool's first one of a family says whether its others are on the segment."""
        for pool, addresses in free.items():
            for alike in _by_family(addresses):
                same = dict.fromkeys(alike, routes[alike[0]])
                yield from self._heard(alike, Purpose.FREE, same, pool=pool)

    def _free(self, taken: set[str]) -> tuple[dict[str, list[str]], tuple[PoolShare, ...]]:
        """Some free addresses of each pool, and what share of all of them that is."""
        held = {ranges.parse_address(address) for address in taken}
        wanted = [
            ranges.parse_address(each)
            for each in (reaching.addresses(self.snapshot, self.about) if self.about else ())
        ]
        free: dict[str, list[str]] = {}
        shares = []
        for raw in self.snapshot.ip_address_pools.items:
            try:
                pool = metallb_pools.parse(raw)
            except SelectorError:
                continue
            merged = ranges.merged(pool.ranges)
            if self.about and not _inside(wanted, merged):
                continue
            found = ranges.first_free(
                merged, taken=held, count=self.limits.free_addresses, avoid_buggy=pool.avoid_buggy
            )
            total = sum(pool.usable(version) for version in (4, 6)) - _inside(held, merged)
            free[pool.name] = [str(address) for address in found]
            shares.append(PoolShare(pool=pool.name, asked=len(found), free=total))
        return free, tuple(shares)


class _Around:
    """What is probed around ports in trouble, by all that was heard by then: only where one is in trouble."""

    def __init__(self, snapshot: Snapshot, view: WireView, asked: _Asked) -> None:
        self._snapshot, self._view, self._asked = snapshot, view, asked

    def around(self, trouble: Sequence[reaching.Door], limits: Limits) -> NodeProbes:
        """The probes of the nodes around, announcers first."""
        _, _, heard = self._asked.all()
        macs = node_macs.learn(replace(self._snapshot, wire=replace(self._view, heard=heard)))
        announcers = {
            one.address: tuple(macs.nodes[mac] for mac in one.macs if mac in macs.nodes)
            for one in heard
            if one.purpose is Purpose.ASSIGNED
        }
        return Nodes(self._snapshot, announcers).around(trouble, limits)


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
