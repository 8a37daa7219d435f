"""A service that is announced: who answers for its address, does it serve, what happened through a fault."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from clusters import budgets
from clusters.budgets import Budget
from clusters.diagnosis.symptoms import Symptom
from clusters.observation import announcers
from clusters.observation.announcers import Sources
from clusters.profile import Metrics
from clusters.vantage import failover
from clusters.vantage.base import Vantage
from clusters.vantage.failover import Failover
from clusters.vantage.mac_table import MacTable
from clusters.vantage.targets import Asked, Target
from clusters.vantage.timeline import Timeline, require_control
from clusters.vantage.vantage_data import Attempt, Mac
from clusters.vantage.watch import Measurement
from clusters.workloads.builders import HTTP_PORT, UDP_PORT
from suites.plugin.record import Record
from suites.scenes.asked_consumers import Consumers, record_gaps
from suites.scenes.own_services import BrokenPromise, Service

ASKED_FOR_SILENCE = 5
"""Questions that must all stay unanswered before nobody is said to answer."""
BASELINE = 25
"""Requests in a row that must be served before a fault: half a second of an undisturbed service."""
SETTLED = 3.0
"""Seconds of one announcer alone after which an address counts as settled: 60 questions."""
STEADY = 5.0
"""Seconds without a failed request after which a service counts as steady again: 250 requests."""


@dataclass(frozen=True)
class Wire:
    """The segment as the vantage sees it: the vantage, whose MAC is whose, and neighbours that prove its sight."""

    vantage: Vantage
    macs: MacTable
    neighbours: tuple[str, ...]
    metallb_namespace: str
    metrics: Metrics = announcers.NO_LOGIN
    consumers: Consumers | None = None

    @contextmanager
    def listening(
        self, address: str, record: Record, *, asked: Sequence[Asked] = ()
    ) -> Iterator[Measurement]:
        """Traffic, questions and capture for an address, through a block; what was seen is kept as evidence.

        Consumers in `asked` are asked meanwhile.
        """
        own = Target(address=address, port=HTTP_PORT)
        with ExitStack() as stack:
            watching = self.vantage.watch_all([own], neighbours=self.neighbours, asked=asked)
            seen = stack.enter_context(watching)
            try:
                yield seen
            finally:
                # A block that failed is the one whose timeline is wanted most.
                stack.close()
                keep(seen, record)

    def to_ask(self, record: Record) -> tuple[Asked, ...]:
        """What the profile's consumers are asked while something is disturbed."""
        return self.consumers.to_ask(record) if self.consumers else ()

    @contextmanager
    def consumers_asked(self, record: Record) -> Iterator[None]:
        """The profile's consumers are asked through a block, where there are any; what they missed is kept."""
        asked = self.to_ask(record)
        if not asked:
            yield
            return
        with ExitStack() as stack:
            watching = self.vantage.watch_all([], neighbours=self.neighbours, asked=asked)
            seen = stack.enter_context(watching)
            try:
                yield
            finally:
                stack.close()
                keep(seen, record)
        record_gaps(seen, record)

    def answering(self, address: str, *, rounds: int = 3) -> frozenset[str]:
        """The names of all who answer for `address` now: nodes, or MACs of hosts outside the cluster.

        Without raw sockets the one that this machine's kernel believes in.
        """
        if not self.asks:
            return self._believed([address])[address]
        heard = self.vantage.who_answers(address, rounds=rounds, every=0.05)
        return frozenset(map(self._named, heard.macs))

    def owners(self, addresses: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Who answers for each of these addresses now: names of nodes, or MACs of hosts outside the cluster."""
        if self.asks:
            heard = self.vantage.who_answers_all(addresses, rounds=3, probe=False)
            found = {one: frozenset(map(self._named, answers.macs)) for one, answers in heard.items()}
        else:
            found = self._believed(addresses)
        return {one: tuple(sorted(names)) for one, names in found.items()}

    def undecided(self, addresses: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Of these addresses, those that not exactly one node answers for now, each with who does."""
        return {one: names for one, names in self.owners(addresses).items() if len(names) != 1}

    @property
    def asks(self) -> bool:
        """Whether the segment can be asked from here; else only this machine's kernel tells whom it believes in."""
        return "arp" in self.vantage.capabilities

    def _believed(self, addresses: Iterable[str]) -> dict[str, frozenset[str]]:
        found = self.vantage.learned(addresses, within=budgets.seconds(budgets.NEIGHBOUR_LEARNT))
        return {one: frozenset({self._named(mac)} if mac else ()) for one, mac in found.items()}

    def _named(self, mac: Mac) -> str:
        return failover.node_name(mac, self.macs.nodes)

    def proved(self) -> None:
        """Nothing where answers would be seen here; Inconclusive where silence proves nothing."""
        require_control(self.vantage.control(self.neighbours), vantage=self.vantage.name)


@dataclass(frozen=True)
class Announced:
    """One service with its address, seen from the wire."""

    service: Service
    address: str
    wire: Wire

    def announcer(self) -> str:
        """The one node that answers for the address, waited for. BrokenPromise where nobody or several answer."""
        found = self._until(
            "exactly one machine answers for the address",
            lambda seen: len(seen) == 1,
            budget=budgets.ANNOUNCED,
            nobody=Symptom.SILENT,
            another=Symptom.WRONG_ANNOUNCER,
        )
        owner = next(iter(found))
        if owner not in self.wire.macs.nodes.values():
            text = f"a host outside the cluster ({owner}) answers for {self.address}"
            raise self.broken_promise(Symptom.WRONG_ANNOUNCER, text)
        return owner

    def answered_by(self, node: str) -> None:
        """Wait until `node` alone answers."""
        self._until(f"{node} alone answers", lambda seen: seen == {node}, budget=budgets.FAILED_BACK)

    def settles(self, seen: Measurement) -> None:
        """Wait until the elected node alone has answered for SETTLED seconds of a measurement under way.

        Speakers that were apart go on announcing side by side until memberlist has met again; the next
        disturbance must not begin before that is over.
        """
        self.service.until(
            f"the elected node alone answers for {self.address} for {SETTLED:g} s",
            lambda: failover.settled_for(seen.so_far(), self.predicted(), self.wire.macs.nodes),
            lambda alone: alone >= SETTLED,
            budget=budgets.SETTLED,
            symptom=Symptom.NOT_BACK,
            address=self.address,
        )

    def answered_by_another(self, node: str) -> None:
        """Wait until one other machine than `node` answers."""
        self._until(
            f"another node than {node} answers alone",
            lambda seen: len(seen) == 1 and node not in seen,
            budget=budgets.FAILED_OVER_SLOW_MESH,
        )

    def makes_itself_known(self, node: str, seen: Measurement) -> None:
        """Wait until a gratuitous ARP of `node` for the address is captured by a measurement under way."""
        self.wire.proved()
        self.service.until(
            f"{node} announces {self.address} by gratuitous ARP",
            lambda: tuple(
                failover.node_name(one.mac, self.wire.macs.nodes) for one in seen.so_far().gratuitous
            ),
            lambda senders: node in senders,
            budget=budgets.GRATUITOUS_SEEN,
            symptom=Symptom.NO_GRATUITOUS,
            address=self.address,
        )

    def predicted(self) -> str:
        """The node that should announce the service as things are now, by MetalLB's election rule.

        BrokenPromise where no node may announce it.
        """
        found = announcers.predict(
            self.service.api,
            self.service.namespace,
            self.service.name,
            metallb_namespace=self.wire.metallb_namespace,
            running=announcers.speakers(self.service.api, self.wire.metallb_namespace),
        )
        if found.owner is None:
            raise self.broken_promise(
                Symptom.NOT_MOVED, found.reason.text if found.reason else "no node may announce it"
            )
        return found.owner

    def agreed(self, owner: str) -> None:
        """Wait until the election rule, ServiceL2Status and the metric name the node that answers on the wire."""
        self.service.until(
            f"all sources name {owner}, which answers for {self.address}",
            lambda: self._sources().disagreement(owner),
            lambda text: not text,
            budget=budgets.L2_STATUS,
            symptom=Symptom.DISAGREEMENT,
            address=self.address,
        )

    def _sources(self) -> Sources:
        return announcers.read(
            self.service.api,
            self.service.namespace,
            self.service.name,
            metallb_namespace=self.wire.metallb_namespace,
            metrics=self.wire.metrics,
        )

    def serves_steadily(self, seen: Measurement) -> None:
        """Wait until no request has failed for STEADY seconds of a measurement that is under way."""
        self.service.until(
            f"no request to {self.address} fails for {STEADY:g} s",
            lambda: failover.steady_for(seen.so_far()),
            lambda steady: steady >= STEADY,
            budget=budgets.SERVICE_RECOVERED_AFTER_NODE_LOST,
            symptom=Symptom.UNREACHABLE,
            address=self.address,
        )

    def silent(self) -> None:
        """Wait until nobody answers for the address any more, and see that the vantage would have seen it."""
        self.wire.proved()
        self.service.until(
            f"nobody answers for {self.address}",
            lambda: self.wire.answering(self.address, rounds=ASKED_FOR_SILENCE),
            lambda seen: not seen,
            budget=budgets.WITHDRAWN,
            symptom=Symptom.STILL_ANSWERING,
            address=self.address,
        )

    def served(self) -> Attempt:
        """The first answer of the service over HTTP, waited for."""
        return self.service.until(
            f"{self.address} serves HTTP on port {HTTP_PORT}",
            self._try,
            lambda attempt: attempt.ok,
            budget=budgets.SERVED,
            symptom=Symptom.UNREACHABLE,
            address=self.address,
        )

    def client_address(self) -> str:
        """The client's address as the backend sees it, asked for over UDP."""
        target = Target(address=self.address, port=UDP_PORT, protocol="udp", payload="clientip")
        answer = self.service.until(
            f"{self.address} answers on UDP port {UDP_PORT}",
            lambda: self.wire.vantage.try_once(target, timeout=budgets.seconds(budgets.PROBE_REFUSED)),
            lambda attempt: attempt.ok,
            budget=budgets.SERVED,
            symptom=Symptom.UNREACHABLE,
            address=self.address,
        )
        return answer.server.strip().rpartition(":")[0].strip("[]")

    @contextmanager
    def watched(self, record: Record) -> Iterator[Measurement]:
        """Traffic, questions and capture through a block, begun when the address was seen answered and served.

        The profile's consumers are asked as well, as their probes say.
        """
        with self.wire.listening(self.address, record, asked=self.wire.to_ask(record)) as seen:
            self.service.until(
                f"the measurement sees {self.address} answered and served before anything is disturbed",
                lambda: failover.baseline(seen.so_far()),
                lambda requests: requests >= BASELINE,
                budget=budgets.SERVED,
                symptom=Symptom.UNREACHABLE,
                address=self.address,
            )
            yield seen

    def failover(self, timeline: Timeline) -> Failover:
        """What a fault in a timeline cost."""
        return failover.read(timeline, self.wire.macs.nodes)

    def broken_promise(self, symptom: Symptom, readings: str) -> BrokenPromise:
        """What is wrong with this service's announcement, to be raised."""
        return self.service.broken_promise(symptom, readings, address=self.address)

    def _try(self) -> Attempt:
        target = Target(address=self.address, port=HTTP_PORT)
        return self.wire.vantage.try_once(target, timeout=budgets.get(budgets.ANNOUNCED).every * 5)

    def _until(
        self,
        claim: str,
        accept: Callable[[frozenset[str]], bool],
        *,
        budget: Budget,
        nobody: Symptom = Symptom.NOT_MOVED,
        another: Symptom = Symptom.NOT_BACK,
    ) -> frozenset[str]:
        """Wait for a claim about who answers; what is told otherwise depends on who did in the end."""
        seen: frozenset[str] = frozenset()

        def read() -> frozenset[str]:
            nonlocal seen
            seen = self.wire.answering(self.address)
            return seen

        try:
            return self.service.until(claim, read, accept, budget=budget, symptom=nobody)
        except BrokenPromise as broken:
            symptom = Symptom.TWO_ANNOUNCERS if len(seen) > 1 else another if seen else nobody
            raise self.broken_promise(symptom, broken.readings) from None


def keep(seen: Measurement, record: Record) -> None:
    """Keep what a measurement saw as evidence: its timeline, and a capture for Wireshark."""
    with tempfile.TemporaryDirectory() as folder:
        for path in seen.save(Path(folder)):
            record.attach(path.name, path)
