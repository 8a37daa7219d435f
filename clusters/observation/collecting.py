"""Collecting one observation: everything at once, each part on its own: one refusal costs one part."""

from __future__ import annotations

import datetime as dt
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from clusters.api import Api, Resource
from clusters.api import resources as known
from clusters.metallb import install
from clusters.observation import expectations, node_macs, pods, reading, store, trimming, wire
from clusters.observation.cluster_part import Listing, listings, listings_before_an_upgrade
from clusters.observation.limits import DEFAULT, Limits
from clusters.observation.reading import Trim, objects
from clusters.observation.scrape import Owners, Scrape, counts_compared
from clusters.observation.snapshot import AnswerCounts, Json, Objects, PodMetrics, Snapshot, Status
from clusters.profile.metrics import Metrics

if TYPE_CHECKING:
    from clusters.profile import Profile
    from clusters.vantage import Vantage

_CILIUM_POOLS = Resource(
    "cilium.io", "v2alpha1", "ciliumloadbalancerippools", "CiliumLoadBalancerIPPool", namespaced=False
)
_SERVICE_NAME = "kubernetes.io/service-name"
_OWN_GROUP = ".metallb.io"
#: By these the wire is asked; and by these the logs and metrics of MetalLB's pods.
_ASKED_FOR = ("services", "nodes", "ip_address_pools")
_OF_PODS = ("pods", "deployments", "daemon_sets", "replica_sets")


@dataclass(frozen=True)
class _Wanted:
    """One list of the observation: what is read for it, where, and which of what is there."""

    part: str
    of: Resource
    namespace: str | None = None
    keep: Callable[[Json], bool] | None = None

    def __str__(self) -> str:
        everywhere = " in all namespaces" if self.of.namespaced else ""
        scope = f" in namespace {self.namespace}" if self.namespace else everywhere
        group = f".{self.of.group}" if self.of.group else ""
        return f"{self.of.plural}{group}{scope}"


@dataclass(frozen=True, kw_only=True)
class Course:
    """How one observation goes.

    `permitted` waits until more may be done than to list objects, and raises where it may not: then nothing more is,
    and that is raised. `about` is a service (namespace/name) or an address of one: then the wire is asked for no more
    than it needs. `read` is told when all but the wire was read.
    """

    permitted: Callable[[], None] | None = None
    about: str = ""
    read: Callable[[Snapshot], None] | None = None


def collect(
    api: Api,
    *,
    namespace: str = "metallb-system",
    vantage: Vantage | None = None,
    routed: Vantage | None = None,
    profile: Profile | None = None,
    upgrade: bool = False,
    limits: Limits = DEFAULT,
    course: Course | None = None,
) -> Snapshot:
    """Observe the cluster once. Never raises for a part that cannot be read: the part says so itself.

    With `upgrade` also what has to be known before one.

    Only reads, but for one server-side dry run of a pool (see `dry_run`), and for a token that reads metrics where
    the profile has one asked for (see `scrape`). Raises Unreachable where the API
    server does not answer at all, as then there is nothing to judge.
    """
    taken_at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    version = api.version()
    scraping = profile.scraping if profile else Metrics()
    collection = _Collection(api, namespace, limits, scraping=scraping, upgrade=upgrade)

    def whole(found: dict[str, Any]) -> Snapshot:
        return Snapshot(
            taken_at=taken_at,
            metallb_namespace=namespace,
            kubernetes_version=version,
            context=api.context,
            expectations=expectations.of(profile),
            **(expectations.place(profile) | found),
        )

    course = course or Course()
    with wire.Looking(vantage, limits, about=course.about) as looking:
        with (
            _no_search_for_garbage(),
            ThreadPoolExecutor(limits.workers, thread_name_prefix="observe") as pool,
        ):
            collection.begin(pool, course.permitted)
            # The wire keeps whoever asks waiting: it is asked as soon as it is known for what.
            looking.begin(lambda: whole(collection.asked_for))
            found = collection.gather(pool)
        known = whole(found)
        if course.read is not None:
            course.read(known)
        seen = looking.end(known, unseen=expectations.unseen(profile), routed=routed)
    if seen.wire.ok and node_macs.unclear(seen):
        seen = replace(seen, answer_counts=collection.answer_counts(seen))
    return store.measured(seen)


@contextmanager
def _no_search_for_garbage() -> Iterator[None]:
    """Keep Python from looking for cycles in what is read, which has none: that takes longer than to read it.

    What has been read is left out of later searches too, which would go through all of it again and again.
    """
    wanted = gc.isenabled()
    gc.disable()
    try:
        yield
        if wanted:
            gc.freeze()
    finally:
        if wanted:
            gc.enable()


class _Collection:
    """The requests of one collection and what waits for what."""

    def __init__(self, api: Api, namespace: str, limits: Limits, *, scraping: Metrics, upgrade: bool) -> None:
        self.api, self.namespace, self.limits, self.scraping = api, namespace, limits, scraping
        self.wanted = (*listings(), *(listings_before_an_upgrade() if upgrade else ()))
        self.lists: dict[str, Future[Objects]] = {}
        self.pages: list[Future[PodMetrics]] = []

    def begin(self, pool: ThreadPoolExecutor, permitted: Callable[[], None] | None) -> None:
        """Send for every list and for MetalLB's metrics. What others wait for starts first, and the long lists."""
        services = pool.submit(self._services)
        self.lists = {"services": services, "endpoint_slices": pool.submit(self._slices, services)}
        first = (*_ASKED_FOR, *_OF_PODS)
        self.lists |= {
            each.field: pool.submit(self._listed, each) for each in self.wanted if each.field in first
        }
        of_pods = {field: self.lists[field].result() for field in _OF_PODS}
        if permitted is None:
            self._scrape(pool, of_pods)
        self.lists |= {
            each.field: pool.submit(self._listed, each)
            for each in self.wanted
            if each.field not in self.lists
        }
        self.lists |= {
            "external_ip_services": pool.submit(self._external_ip_services),
            "network_policies": pool.submit(self._policies, services),
            "secrets": pool.submit(self._secrets),
            "custom_resource_definitions": pool.submit(self._definitions),
            "pod_usage": pool.submit(self._usage),
        }
        if permitted is not None:
            try:
                permitted()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            self._scrape(pool, of_pods)

    def _scrape(self, pool: ThreadPoolExecutor, of_pods: Mapping[str, Objects]) -> None:
        scrape = Scrape(self.api, pool, self.namespace, self.scraping)
        self.pages = scrape.begin(of_pods["pods"].items, self._owners(of_pods))

    @property
    def asked_for(self) -> dict[str, Any]:
        """The lists by which the wire is asked, as soon as they are read.

        And not before the metrics are: what speakers count of the questions is compared with them.
        """
        wait(self.pages)
        return {field: self.lists[field].result() for field in _ASKED_FOR}

    def gather(self, pool: ThreadPoolExecutor) -> dict[str, Any]:
        """Everything but the wire, by the Snapshot's fields."""
        pools = self.lists["ip_address_pools"].result()
        tried = pool.submit(reading.dry_run, self.api, self.namespace, pools)
        containers = pods.containers(self.lists["pods"].result().items)
        logs = pods.Source(self.api, pool, self.namespace).logs(containers, limits=self.limits)
        found: dict[str, Any] = {field: future.result() for field, future in self.lists.items()}
        return found | {
            "metrics": tuple(page.result() for page in self.pages),
            "logs": logs,
            "rival_pools": self._rivals(found["custom_resource_definitions"]),
            "dry_run": tried.result(),
        }

    def _listed(self, wanted: Listing) -> Objects:
        namespace = None
        if wanted.resource.namespaced and not wanted.of_all_namespaces:
            namespace = wanted.namespace or self.namespace

        def read() -> Iterator[Json]:
            for labels in wanted.labels:
                yield from self._each(wanted.resource, namespace, labels=labels, fields=wanted.fields)

        keep = self._elsewhere if wanted.elsewhere else wanted.keep
        return self._objects(_Wanted(wanted.field, wanted.resource, namespace, keep), read, wanted.trim)

    def _elsewhere(self, found: Json) -> bool:
        return bool(found["metadata"]["namespace"] != self.namespace)

    def _each(
        self, of: Resource, namespace: str | None = None, *, metadata_only: bool = False, **selected: str
    ) -> Iterator[Json]:
        """The objects of a list, page by page, so that no more than one page is held before it is trimmed."""
        pages = self.api.list_raw(
            of, namespace, page=self.limits.page, metadata_only=metadata_only, **selected
        )
        for page in pages:
            found: Any = page.pop("items", None)
            # Kubernetes writes nothing for an empty list in some versions. What is no list is no object, told as such.
            items = [] if found is None else found[::-1] if isinstance(found, list) else [found]
            del found
            while items:
                yield items.pop()  # and it is gone once it is trimmed: the next page is read beside none of this one

    def _objects(self, wanted: _Wanted, read: Callable[[], Iterable[Json]], trim: Trim) -> Objects:
        return objects(wanted.part, read, trim, keep=wanted.keep, verb="list", resource=str(wanted))

    def _services(self) -> Objects:
        """Services of type LoadBalancer, chosen by the API server where it can, else here."""

        def read() -> Iterable[Json]:
            return self._each(known.SERVICES, fields="spec.type=LoadBalancer")

        def keep(found: Json) -> bool:
            return bool(found.get("spec", {}).get("type") == "LoadBalancer")

        return self._objects(_Wanted("services", known.SERVICES, keep=keep), read, trimming.service)

    def _external_ip_services(self) -> Objects:
        """Services of other types that ask for external addresses; those of type LoadBalancer are listed anyway."""

        def read() -> Iterable[Json]:
            return self._each(known.SERVICES, fields="spec.type!=LoadBalancer")

        def keep(found: Json) -> bool:
            spec = found.get("spec", {})
            return bool(spec.get("externalIPs") and spec.get("type") != "LoadBalancer")

        what = _Wanted("external_ip_services", known.SERVICES, keep=keep)
        return self._objects(what, read, trimming.external_service)

    def _policies(self, services: Future[Objects]) -> Objects:
        """The policies of namespaces with a service of type LoadBalancer."""

        def read() -> Iterable[Json]:
            return self._each(known.NETWORK_POLICIES)

        @cache
        def namespaces() -> frozenset[str]:
            return frozenset(each["metadata"]["namespace"] for each in services.result().items)

        def keep(found: Json) -> bool:
            return found["metadata"]["namespace"] in namespaces()

        what = _Wanted("network_policies", known.NETWORK_POLICIES, keep=keep)
        return self._objects(what, read, trimming.network_policy)

    def _slices(self, services: Future[Objects]) -> Objects:
        """The slices of those services and of MetalLB's namespace; the many others are dropped at once."""

        def read() -> Iterable[Json]:
            return self._each(known.ENDPOINT_SLICES)

        @cache
        def wanted() -> frozenset[tuple[str, str]]:
            found = services.result()
            named = {(each["metadata"]["namespace"], each["metadata"]["name"]) for each in found.items}
            return frozenset(named)

        def keep(found: Json) -> bool:
            about = found["metadata"]
            name = (about.get("labels") or {}).get(_SERVICE_NAME, "")
            return (about["namespace"], name) in wanted() or about["namespace"] == self.namespace

        what = _Wanted("endpoint_slices", known.ENDPOINT_SLICES, keep=keep)
        return self._objects(what, read, trimming.endpoint_slice)

    def _secrets(self) -> Objects:
        def read() -> Iterable[Json]:
            return self._each(known.SECRETS, self.namespace, metadata_only=True)

        return self._objects(_Wanted("secrets", known.SECRETS, self.namespace), read, trimming.name_only)

    def _definitions(self) -> Objects:
        """MetalLB's definitions with their versions, and Cilium's names; the others carry whole schemas."""

        def read() -> Iterable[Json]:
            return self._each(known.CUSTOM_RESOURCE_DEFINITIONS, metadata_only=True)

        def keep(found: Json) -> bool:
            return bool(found["metadata"]["name"].endswith((_OWN_GROUP, ".cilium.io")))

        def trim(found: Json) -> Json:
            name: str = found["metadata"]["name"]
            whole = (
                self.api.get(known.CUSTOM_RESOURCE_DEFINITIONS, name) if name.endswith(_OWN_GROUP) else found
            )
            return trimming.definition(whole)

        what = _Wanted("custom_resource_definitions", known.CUSTOM_RESOURCE_DEFINITIONS, keep=keep)
        return self._objects(what, read, trim)

    def _usage(self) -> Objects:
        def read() -> Iterable[Json]:
            return self._each(known.POD_METRICS, self.namespace)

        return self._objects(_Wanted("pod_usage", known.POD_METRICS, self.namespace), read, trimming.small)

    def _rivals(self, definitions: Objects) -> Objects:
        names = {each["metadata"]["name"] for each in definitions.items}
        if f"{_CILIUM_POOLS.plural}.{_CILIUM_POOLS.group}" not in names:
            return Objects(status=Status.ABSENT)
        what = _Wanted("rival_pools", _CILIUM_POOLS)
        return self._objects(what, lambda: self._each(_CILIUM_POOLS), trimming.small)

    def answer_counts(self, seen: Snapshot) -> AnswerCounts:
        """The speakers' counts of answers, read again after the questions."""
        speakers = [pod for pod in seen.pods.items if install.component_of(pod) == "speaker"]
        with ThreadPoolExecutor(self.limits.workers, thread_name_prefix="observe") as pool:
            scrape = Scrape(self.api, pool, self.namespace, self.scraping)
            pages = scrape.pages(speakers, self._owners(vars(seen)))
        return counts_compared(seen.metrics, pages)

    def _owners(self, found: Mapping[str, Any]) -> Owners:
        return Owners(
            deployments=found["deployments"],
            daemon_sets=found["daemon_sets"],
            replica_sets=found["replica_sets"],
            namespace=self.namespace,
        )
