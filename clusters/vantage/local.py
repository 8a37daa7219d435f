"""The vantage that an agent makes: this machine, a namespace of it, or wherever a Python can be had."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from clusters import budgets, wait
from clusters.vantage import asking, frames, targets
from clusters.vantage.client import Client
from clusters.vantage.frames import Asker
from clusters.vantage.launch import Launch
from clusters.vantage.targets import Asked, Exchange, Exchanged, Settings, Target
from clusters.vantage.vantage_data import (
    AddressLike,
    Answers,
    Attempt,
    Control,
    Interface,
    Mac,
    Neighbour,
    NotOnSegment,
    VantageError,
)
from clusters.vantage.watch import Measurement

ALWAYS = frozenset({"tcp", "udp", "http", "neighbours"})
RAW = frozenset({"arp", "capture"})
NETNS = Path("/run/netns")
#: States of an entry by which nobody is known, and by which somebody is known for certain (ip-neighbour(8)).
UNKNOWN = frozenset({"incomplete", "failed"})
FRESH = frozenset({"reachable", "permanent", "noarp"})
#: What the kernel says of a route or rule that keeps packets back (ip-route(8)); without any way it says ENETUNREACH.
_OWN_RULE = {
    errno.EINVAL: "a blackhole route or rule of its own drops it",
    errno.EHOSTUNREACH: "a route or rule of its own says that it is unreachable",
    errno.EACCES: "a route or rule of its own prohibits it",
}


class AgentVantage:
    """A vantage whose work an agent does. Use it as a context manager. Another kind is another `Launch`."""

    def __init__(self, name: str, kind: str, launch: Launch) -> None:
        self._name, self._kind = name, kind
        self._client = Client(name, launch)
        self._askers: dict[str, Asker] = {}

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def name(self) -> str:
        """As in the profile: "host", "netns:NAME"."""
        return self._name

    @property
    def kind(self) -> str:
        """The part of the name before the colon."""
        return self._kind

    @property
    def capabilities(self) -> frozenset[str]:
        """What works here; without the right to raw sockets, questions and capture are missing."""
        return ALWAYS if self._client.about["packets"] else ALWAYS | RAW

    def interface_for(self, address: AddressLike) -> Interface:
        """How packets to `address` leave; VantageError where there is no route or the address is its own."""
        to = str(ip_address(str(address)))
        try:
            found = self._client.ask("route", address=to)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise VantageError(
                    f"{to} is an address of vantage {self.name} itself, so it shows nothing."
                ) from None
            if said := _OWN_RULE.get(error.errno or 0):
                raise VantageError(
                    f"Vantage {self.name} itself keeps what it would send to {to}: {said}.",
                    remedy="Remove that route or rule there (`ip rule`, `ip route show table all`).",
                ) from None
            raise VantageError(
                f"{to} is not on a network of vantage {self.name}: {error.strerror}.",
                remedy="Choose a vantage that has a route to it.",
            ) from None
        return Interface(
            name=found["interface"],
            index=found["index"],
            mac=Mac(found["mac"]),
            source=found["source"],
            gateway=found["gateway"],
            up=found["up"],
        )

    def networks(self) -> tuple[str, ...]:
        """The networks of its own addresses, in CIDR notation."""
        return tuple(str(each) for each in self._client.ask("networks"))

    def neighbours(self) -> tuple[Neighbour, ...]:
        """The kernel's neighbour table."""
        rows = self._client.ask("neighbours")
        return tuple(
            Neighbour(
                address=row["address"], mac=Mac(row["mac"]), state=row["state"], interface=row["interface"]
            )
            for row in rows
        )

    def learned(self, addresses: Iterable[AddressLike], *, within: float = 10.0) -> dict[str, Mac]:
        """Whom the kernel takes for the holder of each address on the segment; "" for nobody.

        An entry that is not fresh is confirmed first, which takes the kernel up to 8 s: 5 s in which it hopes for
        other traffic, and three questions. An address that it does not know takes it three questions, 3 s.
        """
        wanted = [
            one for one in dict.fromkeys(str(ip_address(str(each))) for each in addresses) if self._near(one)
        ]
        self._client.ask("poke", addresses=wanted)
        end, found = time.monotonic() + within, {}
        while True:
            table = {row.address: row for row in self.neighbours()}
            found = {one: table.get(one) for one in wanted}
            if all(_decided(row) for row in found.values()) or time.monotonic() >= end:
                break
            wait.pause(budgets.get(budgets.NEIGHBOURS_LOOKED_AT))
        return {one: row.mac if row and row.state not in UNKNOWN else Mac("") for one, row in found.items()}

    def _near(self, address: str) -> bool:
        try:
            return self.interface_for(address).on_link
        except VantageError:
            return False

    def try_once(self, target: Target, *, timeout: float = 3.0) -> Attempt:
        """One attempt, with the whole answer in `server`; its `t` is in seconds of the epoch."""
        return self.try_often(target, count=1, timeout=timeout)[0]

    def try_often(
        self, target: Target, *, count: int, every: float = 0.02, timeout: float = 3.0
    ) -> tuple[Attempt, ...]:
        """`count` attempts, one every `every` s; their `t` are in seconds of the epoch."""
        limit = count * every + 10
        task = self._client.start(
            "probe",
            **target.arguments,
            every=every,
            timeout=timeout,
            body=65536,
            count=count,
            **{"for": limit},
        )
        task.until_started().until_done(limit + timeout)
        attempts = sorted(targets.attempts_of(task.messages, began_ns=0), key=lambda one: one.t)
        if not attempts:
            raise VantageError(
                f"Vantage {self.name} could not try {target.name}: {targets.trouble_of(task)}."
            )
        return tuple(attempts)

    def try_all(
        self, plan: Sequence[tuple[Target, int]], *, every: float, timeout: float
    ) -> tuple[tuple[Attempt, ...], ...]:
        """So many tries at each target as the plan says, in turns, one every `every` s in all; by target."""
        order = targets.in_turns([count for _, count in plan])
        limit = targets.longest(len(order), every=every, timeout=timeout)
        task = self._client.start(
            "sweep",
            targets=[target.arguments for target, _ in plan],
            order=order,
            every=every,
            timeout=timeout,
            body=targets.BODY,
            **{"for": limit},
        )
        task.until_started().until_done(limit + timeout)
        return targets.by_target(task.of("attempt"), order, len(plan))

    def exchange_all(self, requests: Sequence[Exchange], *, timeout: float) -> tuple[Exchanged, ...]:
        """What came of each request, all of them sent side by side, each with `timeout` s."""
        limit = 2 * timeout  # a certificate that is not trusted is met a second time
        tasks = [
            self._client.start("exchange", **request.arguments, timeout=timeout, **{"for": limit})
            for request in requests
        ]
        for task in tasks:
            task.until_started()
        return tuple(
            targets.exchanged_of(task.until_done(limit + budgets.seconds(budgets.VANTAGE_ANSWERED)).last)
            for task in tasks
        )

    def who_answers(
        self, address: AddressLike, *, rounds: int = 5, every: float = 0.2, probe: bool = False
    ) -> Answers:
        """Everybody who answers for `address`, asked `rounds` times. `probe`: as in who_answers_all."""
        to = str(ip_address(str(address)))
        route = self._on_wire(to)
        asker = _probing(route, to) if probe else frames.own(route)
        question = frames.question(to, asker)
        heard = asking.ask(self._client, route, [question], asker=asker, count=rounds, every=every)
        return asking.answers(heard, to, vantage=self.name)

    def who_answers_all(
        self,
        addresses: Iterable[AddressLike],
        *,
        rounds: int = 3,
        rate: float = 100.0,
        probe: bool = True,
        patient: bool = False,
    ) -> dict[str, Answers]:
        """Everybody who answers for any of many addresses, asked at most `rate` frames a second.

        A `patient` asker waits for those who answer for others, which take their time.
        `probe` asks with the sender address 0.0.0.0 (RFC 5227), which no host takes for a claim.
        """
        found: dict[str, Answers] = {}
        until = budgets.PROXY_REPLIED if patient else budgets.FRAMES_ARRIVED
        for route, group in self._by_interface(addresses).items():
            asker = _probing(route, group[0]) if probe else frames.own(route)
            questions = [frames.question(address, asker) for address in group]
            count, every = len(group) * rounds, 1 / rate
            heard = asking.ask(
                self._client, route, questions, asker=asker, count=count, every=every, until=until
            )
            found |= {address: asking.answers(heard, address, vantage=self.name) for address in group}
        return found

    def control(self, neighbours: AddressLike | Sequence[AddressLike]) -> Control:
        """Whether answers on the segment are seen here at all, by neighbours that are known to live.

        The first call on an interface also learns whether a phantom (see `frames.Asker`) gets answers there;
        some networks (a wireless one, a switch port bound to a MAC) carry no MAC but the client's own.
        """
        given = (
            [neighbours]
            if isinstance(neighbours, str) or not isinstance(neighbours, Sequence)
            else neighbours
        )
        addresses = [str(ip_address(str(address))) for address in given]
        if not addresses:
            return Control(
                ok=False, reason="no neighbour was named whose answers would prove that it sees any"
            )
        if self._unable():
            return Control(ok=False, reason=self._unable())
        try:
            groups = self._by_interface(addresses)
        except VantageError as error:
            return Control(ok=False, reason=str(error.args[0]).rstrip("."))
        verdicts = [self._control(route, group) for route, group in groups.items()]
        return next((verdict for verdict in verdicts if not verdict.ok), verdicts[0])

    @contextmanager
    def watch(
        self,
        address: AddressLike,
        port: int,
        *,
        protocol: str = "http",
        path: str = "/hostname",
        every: float = 0.02,
        arp_every: float = 0.05,
        neighbours: Sequence[AddressLike] = (),
        control: Target | None = None,
    ) -> Iterator[Measurement]:
        """Measure one address through a block: traffic, questions, capture."""
        target = Target(address=str(ip_address(str(address))), port=port, protocol=protocol, path=path)
        with self.watch_all(
            [target], every=every, arp_every=arp_every, neighbours=neighbours, control=control
        ) as measurement:
            yield measurement

    @contextmanager
    def watch_all(
        self,
        targets: Sequence[Target],
        *,
        every: float = 0.02,
        arp_every: float = 0.05,
        timeout: float = 0.9,
        at_most: float = 900.0,
        neighbours: Sequence[AddressLike] = (),
        control: Target | None = None,
        asked: Sequence[Asked] = (),
    ) -> Iterator[Measurement]:
        """Measure several at once, on one clock and in one capture. `at_most` (s) ends it in any case.

        Consumers in `asked` are asked for their answer besides.
        """
        live = tuple(str(ip_address(str(address))) for address in neighbours)
        settings = Settings(
            every=every,
            arp_every=arp_every,
            timeout=timeout,
            at_most=at_most,
            neighbours=live,
            control=control,
        )
        measurement = Measurement(self._client, targets, settings, vantage=self.name, asked=asked)
        reached = [target.address for target in targets]
        routes = {address: self.interface_for(address) for address in (*live, *reached)}
        askers = {} if self._unable() else self._askers_for(routes, reached, live)
        far = f"{reached[0]} is reached through a router" if reached else "nothing is watched but answers"
        unseen = self._unable() or ("" if askers else far)
        with measurement.begin(routes, askers, unseen=unseen):
            yield measurement

    def _unable(self) -> str:
        why = self._client.about["packets"]
        return f"raw sockets are not permitted ({why})" if why else ""

    def _on_wire(self, address: str) -> Interface:
        """The interface to an address on the segment; a VantageError where it cannot be asked there."""
        if self._unable():
            raise VantageError(
                f"Vantage {self.name} cannot ask its segment for {address}: {self._unable()}.",
                remedy="Run as root or with CAP_NET_RAW.",
            )
        route = self.interface_for(address)
        if not route.on_link:
            raise NotOnSegment(
                f"{address} is not on a network of vantage {self.name}: the way is through {route.gateway}.",
                remedy="Ask from a host on the address's own segment.",
            )
        if not route.up:
            raise VantageError(
                f"Interface {route.name} of vantage {self.name} is down, so {address} cannot be asked."
            )
        return route

    def _by_interface(self, addresses: Iterable[AddressLike]) -> dict[Interface, list[str]]:
        """Addresses by the way to them; families are apart, for their own addresses differ."""
        groups: dict[Interface, list[str]] = {}
        for address in dict.fromkeys(str(ip_address(str(one))) for one in addresses):
            groups.setdefault(self._on_wire(address), []).append(address)
        return groups

    def _askers_for(
        self, routes: dict[str, Interface], reached: Sequence[str], neighbours: Sequence[str]
    ) -> dict[str, Asker]:
        """Who asks on each interface to a target's segment; found out where not known yet."""
        for address in neighbours:
            route = routes[address]
            if route.name not in self._askers and route.on_link and route.up:
                self._control(route, [one for one in neighbours if routes[one] == route])
        wired = {routes[address].name for address in reached if routes[address].on_link}
        return {name: self._askers.get(name) or Asker.of_nobody() for name in wired}

    def _control(self, route: Interface, addresses: list[str]) -> Control:
        """Ask as a phantom first, as the client itself next; remember which one was answered.

        IPv6 questions are the client's own in any case, so they tell nothing of a phantom's luck.
        """
        known = self._askers.get(route.name)
        candidates = [known] if known else [Asker.of_nobody(), frames.own(route)]
        if ip_address(addresses[0]).version == 6:
            return asking.control(self._client, route, addresses, [frames.own(route)])[1]
        answered, verdict = asking.control(self._client, route, addresses, candidates)
        if answered:
            self._askers[route.name] = answered
        return verdict


class HostVantage(AgentVantage):
    """The machine itself; raw sockets where they are permitted."""

    def __init__(self) -> None:
        super().__init__("host", "host", Launch())


class NetnsVantage(AgentVantage):
    """A network namespace of this machine, by its name in /run/netns. Only the network is another one."""

    def __init__(self, name: str) -> None:
        path = NETNS / name
        if not path.exists():
            raise VantageError(
                f"There is no network namespace {name} in {NETNS}.", remedy="ip netns lists them."
            )
        super().__init__(f"netns:{name}", "netns", Launch(netns=str(path)))


def _decided(row: Neighbour | None) -> bool:
    return row is not None and (row.state in FRESH or row.state == "failed")


def _probing(route: Interface, address: str) -> Asker:
    """The client's MAC without an address of its own (IPv4); IPv6 questions need one."""
    return frames.suited(Asker(mac=route.mac), address, route)
