"""What a vantage is: a place outside the cluster from which its addresses are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from clusters.vantage.targets import Asked, Exchange, Exchanged, Target
from clusters.vantage.vantage_data import AddressLike, Answers, Attempt, Control, Interface, Mac, Neighbour
from clusters.vantage.watch import Measurement


class Vantage(Protocol):
    """One place to measure from. A place where something cannot be done says so with a VantageError.

    `kind` is "host", "netns" or "ssh"; `capabilities` holds what works there, of "tcp", "udp", "http",
    "neighbours" (the kernel's table), "arp" (asking the segment, both families) and "capture".
    """

    @property
    def name(self) -> str:
        """As in the profile: "host", "netns:NAME"."""
        ...

    @property
    def kind(self) -> str:
        """The part of the name before the colon."""
        ...

    @property
    def capabilities(self) -> frozenset[str]:
        """What works here."""
        ...

    def interface_for(self, address: AddressLike) -> Interface:
        """How packets to `address` leave; VantageError where there is no route or the address is its own."""
        ...

    def networks(self) -> tuple[str, ...]:
        """The networks of its own addresses, in CIDR notation."""
        ...

    def neighbours(self) -> tuple[Neighbour, ...]:
        """The kernel's neighbour table."""
        ...

    def learned(self, addresses: Iterable[AddressLike], *, within: float = 10.0) -> dict[str, Mac]:
        """Whom the kernel takes for the holder of each address on the segment; "" for nobody. No privilege needed.

        It asks where it does not know, and confirms what it knew long ago, for up to `within` s. One machine an
        address: a second one that answers too is not seen. Addresses behind a router are left out.
        """
        ...

    def try_once(self, target: Target, *, timeout: float = 3.0) -> Attempt:
        """One attempt, with the whole answer in `server`; its `t` is in seconds of the epoch."""
        ...

    def try_often(
        self, target: Target, *, count: int, every: float = 0.02, timeout: float = 3.0
    ) -> tuple[Attempt, ...]:
        """`count` attempts, one every `every` s; their `t` are in seconds of the epoch."""
        ...

    def try_all(
        self, plan: Sequence[tuple[Target, int]], *, every: float, timeout: float
    ) -> tuple[tuple[Attempt, ...], ...]:
        """So many tries at each target as the plan says, from different source ports, one every `every` s in all.

        They take turns: each target is tried once before the first is tried again. The answer is by target; it has
        fewer attempts, or none, where this place could not make them.
        """
        ...

    def exchange_all(self, requests: Sequence[Exchange], *, timeout: float) -> tuple[Exchanged, ...]:
        """What came of each request, all of them sent side by side, each with `timeout` s."""
        ...

    def who_answers(
        self, address: AddressLike, *, rounds: int = 5, every: float = 0.2, probe: bool = False
    ) -> Answers:
        """Everybody who answers for `address`, asked `rounds` times by broadcast.

        `probe` asks as somebody who has no address yet (RFC 5227), for addresses that should be free.
        """
        ...

    def who_answers_all(
        self,
        addresses: Iterable[AddressLike],
        *,
        rounds: int = 3,
        rate: float = 100.0,
        probe: bool = True,
        patient: bool = False,
    ) -> dict[str, Answers]:
        """Everybody who answers for any of many addresses; keys are addresses in their usual notation.

        A `patient` asker waits a second for those who answer for others.
        Sends at most `rate` frames a second: n addresses take n x rounds / rate seconds.
        """
        ...

    def control(self, neighbours: AddressLike | Sequence[AddressLike]) -> Control:
        """Whether answers on the segment are seen here at all, by neighbours that are known to live."""
        ...

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
    ) -> AbstractContextManager[Measurement]:
        """Measure one address through a block: traffic, questions, capture."""
        ...

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
    ) -> AbstractContextManager[Measurement]:
        """Measure several at once, on one clock and in one capture; ask consumers for their answer besides."""
        ...


Opener = Callable[[str], AbstractContextManager[Vantage]]
