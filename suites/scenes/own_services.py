"""LoadBalancer services of the run: made for one check, watched by it, and gone after it; and a broken promise of one.

A broken promise says what was seen to go wrong, so that the diagnosis can look for the cause.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from clusters import budgets, wait
from clusters.api import Api
from clusters.api.resources import DEPLOYMENTS, EVENTS, SERVICES
from clusters.budgets import Budget
from clusters.changes import Changes
from clusters.diagnosis.symptoms import Symptom
from clusters.errors import ConformanceError, ExitCode
from clusters.metallb import install
from clusters.metallb import services as metallb_services
from clusters.metallb.install import Workload
from clusters.wait import DidNotHold, NotWithinBudget
from clusters.workloads import builders
from suites.plugin.record import Record


class BrokenPromise(ConformanceError, AssertionError):  # noqa: N818 - what a user sees, no error of the program
    """A promise about one service that does not hold: the symptom, the service, and what was read.

    `readings` is text for a person: the claim, its budget, the last readings. `address` is "" where the
    service has none. `writers` are the field managers that were seen to write its status.
    """

    exit_code = ExitCode.FAILED

    def __init__(
        self,
        symptom: Symptom,
        *,
        namespace: str,
        service: str,
        readings: str,
        address: str = "",
        writers: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(f"service {namespace}/{service}: {symptom.replace('-', ' ')}: {readings}")
        self.symptom = symptom
        self.namespace = namespace
        self.service = service
        self.address = address
        self.readings = readings
        self.writers = writers


def expect(fact: object, otherwise: BrokenPromise) -> None:
    """Raise `otherwise` where `fact` does not hold."""
    if not fact:
        raise otherwise


@contextmanager
def timed(record: Record, figure: str, *, budget: Budget) -> Iterator[None]:
    """Measure a block that succeeds, against its budget; a block that raises measures nothing."""
    began = time.monotonic()
    yield
    record.measure(figure, time.monotonic() - began, budget=budgets.get(budget).within)


def expect_refused(record: Record, asking: Mapping[str, Service]) -> None:
    """See that none of these services gets an address, all at once, and note what MetalLB's event says to each.

    They are named by what each asks for.
    """
    for what, service in asking.items():
        record.note(f"{what}: {service.refusal()}")
    with ThreadPoolExecutor(len(asking)) as pool:
        for _ in pool.map(Service.stays_without_address, asking.values()):
            pass


_T = TypeVar("_T")
METALLB_WRITES_AS = "controller"
"""The field manager of MetalLB's controller: the name of its binary, which is what Go's clients use."""
_REFUSED = frozenset({"AllocationFailed", "LoadBalancerFailed", "AdditionalAssignFailed"})


@dataclass(frozen=True)
class _Given:
    """An address that a service was seen to hold, and the field managers that wrote its status."""

    address: str
    writers: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.address} written by {' and '.join(self.writers) or 'nobody known'}"

    __repr__ = __str__


@dataclass(frozen=True)
class Service:
    """One LoadBalancer service of the run."""

    api: Api
    namespace: str
    name: str

    @property
    def key(self) -> str:
        """namespace/name."""
        return f"{self.namespace}/{self.name}"

    def read(self) -> dict[str, Any]:
        """The object as it is now."""
        return self.api.get(SERVICES, self.name, self.namespace)

    def addresses(self) -> tuple[str, ...]:
        """The addresses that the service holds now."""
        ingress = self.read().get("status", {}).get("loadBalancer", {}).get("ingress") or ()
        return tuple(entry["ip"] for entry in ingress if entry.get("ip"))

    def cluster_ip(self) -> str:
        """The service's address inside the cluster."""
        return str(self.read()["spec"]["clusterIP"])

    def assigned(self) -> str:
        """The service's first address, waited for."""
        found = self.until(
            "the service gets an address",
            self.addresses,
            bool,
            budget=budgets.ASSIGNED,
            symptom=Symptom.PENDING,
        )
        return found[0]

    def stays_without_address(self) -> None:
        """See that the service gets no address as long as an assignment might still come."""
        limit = budgets.get(budgets.NOT_ASSIGNED)
        with self._held() as held:
            try:
                wait.holds(
                    "the service gets no address",
                    read=lambda: tuple(held),
                    accept=lambda found: not found,
                    throughout=limit.within,
                    every=limit.every,
                )
            except DidNotHold as seen:
                writers = frozenset(writer for each in held for writer in each.writers)
                raise self.broken_promise(Symptom.NOT_REFUSED, str(seen), writers=writers) from None

    @contextmanager
    def _held(self) -> Iterator[list[_Given]]:
        """Every address that the service holds in the block, however briefly, and who wrote it; a poll misses some."""
        stop, held = threading.Event(), list[_Given]()

        def follow() -> None:
            for event in self.api.watch(
                SERVICES, self.namespace, fields=f"metadata.name={self.name}", stop=stop
            ):
                held.extend(_given(event.object))

        thread = threading.Thread(target=follow, name=f"watch-{self.name}", daemon=True)
        thread.start()
        try:
            yield held
        finally:
            stop.set()
            thread.join()

    def keeps(self, address: str) -> None:
        """See that the service holds exactly `address`, now."""
        found = self.addresses()
        if found != (address,):
            text = f"it held {address}, now it holds {', '.join(found) or 'nothing'}"
            raise self.broken_promise(Symptom.ADDRESS_CHANGED, text, address=address)

    def refusal(self) -> str:
        """The text of MetalLB's event that says why the service gets no address, waited for."""
        found = self.until(
            "an event says why the service gets no address",
            self.refusals,
            bool,
            budget=budgets.EVENT_SEEN,
            symptom=Symptom.NO_EVENT,
        )
        return found[-1]

    def refusals(self) -> tuple[str, ...]:
        """The texts of the events that refuse the service an address."""
        selector = f"involvedObject.kind=Service,involvedObject.name={self.name}"
        events = self.api.list(EVENTS, self.namespace, fields=selector)
        return tuple(event.get("message", "") for event in events if event.get("reason") in _REFUSED)

    def until(
        self,
        claim: str,
        read: Callable[[], _T],
        accept: Callable[[_T], bool],
        *,
        budget: Budget,
        symptom: Symptom,
        address: str = "",
    ) -> _T:
        """Wait for a claim within its budget; BrokenPromise with the readings when it does not come true."""
        try:
            return wait.until(claim, read=read, accept=accept, budget=budgets.get(budget))
        except NotWithinBudget as seen:
            raise self.broken_promise(symptom, str(seen), address=address) from None

    def broken_promise(
        self, symptom: Symptom, readings: str, *, address: str = "", writers: frozenset[str] = frozenset()
    ) -> BrokenPromise:
        """What is wrong with this service, to be raised."""
        return BrokenPromise(
            symptom,
            namespace=self.namespace,
            service=self.name,
            readings=readings,
            address=address,
            writers=writers,
        )


def _given(raw: dict[str, Any]) -> Iterator[_Given]:
    """The addresses in a service's status, each with the field manager that wrote the status."""
    writers = [
        entry["manager"]
        for entry in raw["metadata"].get("managedFields") or ()
        if "f:loadBalancer" in (entry.get("fieldsV1") or {}).get("f:status", {})
    ]
    for address in metallb_services.ingress_addresses(raw):
        yield _Given(str(address), tuple(sorted(set(writers))))


def held_addresses(api: Api) -> dict[str, tuple[str, ...]]:
    """The addresses that every LoadBalancer service of the cluster holds now, by "namespace/name"."""
    found = (metallb_services.parse(raw) for raw in api.list(SERVICES))
    return {one.key: tuple(map(str, one.ingress)) for one in found if one.type == "LoadBalancer"}


class Services:
    """Makes services in front of the echo workload; each leaves with the block it was made in."""

    def __init__(
        self, api: Api, changes: Changes, *, app: str, stack: ExitStack, metallb_namespace: str
    ) -> None:
        self._api, self._changes, self._app, self._stack = api, changes, app, stack
        self._metallb_namespace = metallb_namespace
        self._leave: dict[str, ExitStack] = {}

    @property
    def namespace(self) -> str:
        """The run's own namespace."""
        return self._changes.namespace()

    def create(
        self,
        name: str,
        *,
        address: str = "",
        pool: str = "",
        annotations: Mapping[str, str] | None = None,
        app: str = "",
        **spec: Any,
    ) -> Service:
        """A new service, asking for `address` and `pool` where given; `spec` replaces fields of its spec."""
        notes = dict(annotations or {})
        notes |= {builders.REQUESTED: address} if address else {}
        notes |= {builders.POOL: pool} if pool else {}
        # A name is used once in a run: events of an earlier service of that name would be read as this one's.
        unique = self._changes.name(name)
        made = builders.load_balancer(
            unique,
            namespace=self.namespace,
            app=app or self._app,
            annotations=self._read_by_metallb(notes),
            **(self._class | spec),
        )
        leave = self._stack.enter_context(ExitStack())
        leave.enter_context(self._changes.created(made))
        self._leave[unique] = leave
        return Service(self._api, self.namespace, unique)

    @cached_property
    def _controller(self) -> Workload | None:
        """The controller of the MetalLB under test."""
        return install.detect(self._api.list(DEPLOYMENTS, self._metallb_namespace), ()).controller

    @property
    def _class(self) -> dict[str, str]:
        """The class without which a controller that was started with --lb-class serves nobody."""
        found = self._controller.settings.lb_class if self._controller else ""
        return {"loadBalancerClass": found} if found else {}

    def _read_by_metallb(self, notes: Mapping[str, str]) -> dict[str, str]:
        """The annotations by the prefix that this MetalLB reads: before 0.14.9 it knows only the old one."""
        prefix, current = (
            metallb_services.prefixes(self._controller.version if self._controller else None)[0],
            metallb_services.PREFIX,
        )
        return {
            prefix + name.removeprefix(current) if name.startswith(current) else name: value
            for name, value in notes.items()
        }

    @staticmethod
    def port(number: int) -> list[dict[str, Any]]:
        """The `ports` of a service that has only this one: sharers of an address may have none in common."""
        return [{"name": "http", "port": number, "targetPort": builders.CONTAINER_HTTP}]

    def delete(self, service: Service) -> None:
        """Delete a service now and wait until it is gone."""
        self._leave.pop(service.name).close()
