"""Collecting one observation: everything at once, each part on its own: one refusal costs one part."""

from __future__ import annotations

import datetime as dt
import gc
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from clusters.api import Api, Resource
from clusters.api import resources as known
from clusters.observation import dry_run, expectations, pods, secretless, trimming, wire
from clusters.observation.cluster_part import Listing, listings, listings_before_an_upgrade
from clusters.observation.limits import DEFAULT, Limits
from clusters.observation.reading import Trim, objects
from clusters.observation.snapshot import Json, Objects, Snapshot, Status

if TYPE_CHECKING:
    from clusters.profile import Profile
    from clusters.vantage import Vantage

_CILIUM_POOLS = Resource(
    "cilium.io", "v2alpha1", "ciliumloadbalancerippools", "CiliumLoadBalancerIPPool", namespaced=False
)
_SERVICE_NAME = "kubernetes.io/service-name"


def collect(
    api: Api,
    *,
    namespace: str = "metallb-system",
    vantage: Vantage | None = None,
    routed: Vantage | None = None,
    profile: Profile | None = None,
    upgrade: bool = False,
    limits: Limits = DEFAULT,
) -> Snapshot:
    """Observe the cluster once. Never raises for a part that cannot be read: the part says so itself.

    With `upgrade` also what has to be known before one.

    Only reads, but for one server-side dry run of a pool (see `dry_run`). Raises Unreachable where the API
    server does not answer at all, as then there is nothing to judge.
    """
    taken_at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    version = api.version()
    collection = _Collection(api, namespace, limits, upgrade=upgrade)
    with _no_search_for_garbage(), ThreadPoolExecutor(limits.workers, thread_name_prefix="observe") as pool:
        found = collection.gather(pool)
    snapshot = Snapshot(
        taken_at=taken_at,
        metallb_namespace=namespace,
        kubernetes_version=version,
        context=api.context,
        expectations=expectations.of(profile),
        **(expectations.place(profile) | found),
    )
    unseen = expectations.unseen(profile)
    seen = wire.seen(snapshot, vantage, limits, unseen=unseen)
    return secretless.measured(replace(seen, routed=wire.reached_from(snapshot, routed, limits)))


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

    def __init__(self, api: Api, namespace: str, limits: Limits, *, upgrade: bool) -> None:
        self.api, self.namespace, self.limits = api, namespace, limits
        self.wanted = (*listings(), *(listings_before_an_upgrade() if upgrade else ()))

    def gather(self, pool: ThreadPoolExecutor) -> dict[str, Any]:
        """Everything but the wire, by the Snapshot's fields. The long lists start first."""
        services = pool.submit(self._services)
        slices = pool.submit(self._slices, services)
        listed = {each.field: pool.submit(self._listed, each) for each in self.wanted}
        listed["secrets"] = pool.submit(self._secrets)
        listed["custom_resource_definitions"] = pool.submit(self._definitions)
        usage = pool.submit(self._usage)
        found: dict[str, Any] = {field: future.result() for field, future in listed.items()}
        tried = pool.submit(dry_run.tried, self.api, self.namespace, found["ip_address_pools"])
        found |= self._of_pods(pool, found["pods"])
        found["rival_pools"] = self._rivals(found["custom_resource_definitions"])
        return found | {
            "services": services.result(),
            "endpoint_slices": slices.result(),
            "pod_usage": usage.result(),
            "dry_run": tried.result(),
        }

    def _listed(self, wanted: Listing) -> Objects:
        namespace = None
        if wanted.resource.namespaced and not wanted.everywhere:
            namespace = wanted.namespace or self.namespace

        def read() -> Iterable[Json]:
            found = self._each(wanted.resource, namespace, labels=wanted.labels, fields=wanted.fields)
            return filter(wanted.keep, found) if wanted.keep else found

        return self._objects(read, wanted.trim, wanted.resource, namespace)

    def _each(
        self, of: Resource, namespace: str | None = None, *, metadata_only: bool = False, **selected: str
    ) -> Iterator[Json]:
        """The objects of a list, page by page, so that no more than one page is held before it is trimmed."""
        pages = self.api.list_raw(
            of, namespace, page=self.limits.page, metadata_only=metadata_only, **selected
        )
        for page in pages:
            yield from page.get("items") or ()

    def _objects(
        self, read: Callable[[], Iterable[Json]], trim: Trim, of: Resource, namespace: str | None
    ) -> Objects:
        scope = f" in namespace {namespace}" if namespace else " in all namespaces" if of.namespaced else ""
        group = f".{of.group}" if of.group else ""
        return objects(read, trim, verb="list", resource=f"{of.plural}{group}{scope}")

    def _services(self) -> Objects:
        """Services of type LoadBalancer, chosen by the API server where it can, else here."""

        def read() -> Iterable[Json]:
            found = self._each(known.SERVICES, fields="spec.type=LoadBalancer")
            return (each for each in found if each.get("spec", {}).get("type") == "LoadBalancer")

        return self._objects(read, trimming.service, known.SERVICES, None)

    def _slices(self, services: Future[Objects]) -> Objects:
        """The slices of those services and of MetalLB's namespace; the many others are dropped at once."""

        def read() -> Iterable[Json]:
            found = self._each(known.ENDPOINT_SLICES)
            wanted = {
                (each["metadata"]["namespace"], each["metadata"]["name"]) for each in services.result().items
            }
            for each in found:
                about = each["metadata"]
                name = (about.get("labels") or {}).get(_SERVICE_NAME, "")
                if (about["namespace"], name) in wanted or about["namespace"] == self.namespace:
                    yield each

        return self._objects(read, trimming.endpoint_slice, known.ENDPOINT_SLICES, None)

    def _secrets(self) -> Objects:
        def read() -> Iterable[Json]:
            return self._each(known.SECRETS, self.namespace, metadata_only=True)

        return self._objects(read, trimming.name_only, known.SECRETS, self.namespace)

    def _definitions(self) -> Objects:
        """MetalLB's definitions with their versions, and Cilium's names; the others carry whole schemas."""

        def read() -> Iterable[Json]:
            for each in self._each(known.CUSTOM_RESOURCE_DEFINITIONS, metadata_only=True):
                name: str = each["metadata"]["name"]
                if name.endswith(".metallb.io"):
                    yield self.api.get(known.CUSTOM_RESOURCE_DEFINITIONS, name)
                elif name.endswith(".cilium.io"):
                    yield each

        return self._objects(read, trimming.definition, known.CUSTOM_RESOURCE_DEFINITIONS, None)

    def _usage(self) -> Objects:
        def read() -> Iterable[Json]:
            return self._each(known.POD_METRICS, self.namespace)

        return self._objects(read, trimming.small, known.POD_METRICS, self.namespace)

    def _rivals(self, definitions: Objects) -> Objects:
        names = {each["metadata"]["name"] for each in definitions.items}
        if f"{_CILIUM_POOLS.plural}.{_CILIUM_POOLS.group}" not in names:
            return Objects(status=Status.ABSENT)
        return self._objects(lambda: self._each(_CILIUM_POOLS), trimming.small, _CILIUM_POOLS, None)

    def _of_pods(self, pool: ThreadPoolExecutor, found: Objects) -> dict[str, Any]:
        containers = tuple(pods.containers(found.items))
        source = pods.Source(self.api, pool, self.namespace)
        return {
            "metrics": source.metrics(containers),
            "logs": source.logs(containers, lines=self.limits.log_lines),
        }
