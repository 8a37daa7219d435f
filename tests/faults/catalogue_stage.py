"""Where faults are made: one cluster, its profile, and a look at it through every check of level observe."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from clusters import budgets, profile, wait
from clusters.api import Api
from clusters.api.resources import SERVICES
from clusters.changes import MANAGER_LABEL, Changes
from clusters.gitops import release_manifests, repository_collection, repository_snapshot
from clusters.gitops.repository_collection import Tools
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.lab.lab import Lab
from clusters.observation import expectations
from clusters.observation.collecting import collect
from clusters.observation.snapshot import Snapshot
from clusters.profile import Profile
from clusters.vantage import Target, Vantage, open_vantage
from clusters.workloads.metallb_control import MetalLB
from tests.faults import bench
from tests.faults.catalogue_clone import Clone, cloned
from tests.faults.catalogue_judging import Looked, judged
from tests.faults.catalogue_site import Site, changing, settings_for
from tests.faults.combinations import COMBINATIONS, Combination, kubeconfig_for
from tests.wire.ordinary import ordinary_user

Json = dict[str, Any]
Edit = Callable[[Clone], None]
#: Of a fault's profile: pools that are meant besides the lab's own.
FURTHER_POOLS = "further pools"
NAMESPACE = "metallb-system"
#: The namespace of the lab's own workload, whose pods stand behind the services that faults are made with.
SHOP = "shop"
#: The address of the lab's edge, which was there before any fault.
EDGE_ADDRESS = "172.30.0.210"
WHY = "a fault is made here"
#: A service counts as waiting after this many seconds, instead of the suite's own ten: faults stand still.
ASSIGNED = 1.0
#: How long MetalLB, its pods and the wire may take until a fault that is mended shows nowhere.
SILENT = budgets.Budget(name="silent", within=90.0, every=0.5, reason="Log lines fade within 75 s.")


@dataclass(frozen=True)
class Stage:
    """One cluster and what it is disturbed and looked at with.

    `version` is MetalLB's where it is another than the overlay pins. `edits` make the example platform say what this
    cluster is.
    """

    site: Site
    api: Api
    changes: Changes
    metallb: MetalLB
    settings: Mapping[str, Any]
    vantage: Vantage
    version: str = ""
    edits: tuple[Edit, ...] = ()

    @property
    def lab(self) -> Lab:
        """The lab: most faults of the network are made in its namespaces, and nowhere else."""
        assert isinstance(self.site, Lab), f"{self.site.name} is no lab"
        return self.site

    @cached_property
    def profile(self) -> Profile:
        """The cluster's profile."""
        return _profile(self.settings)

    @cached_property
    def repository(self) -> RepositorySnapshot:
        """The example platform, collected once; what is live of it is read anew at every look."""
        return collected(self, self.profile.gitops.repository if self.profile.gitops else Path())

    def look(
        self, changed: Mapping[str, Any] | None = None, *, repository: Path | None = None, later: float = 0.0
    ) -> Looked:
        """Observe the cluster once and ask every check. `changed` replaces fields of the profile.

        `repository` is another one than the profile's, collected anew. `later` makes the observation's clock
        that many seconds late: so old is what it holds then.
        """
        wanted = self._wanted(changed)
        with ExitStack() as stack:
            vantage = self.vantage
            if wanted.vantage:
                vantage = stack.enter_context(open_vantage(wanted.vantage))
            routed = (
                stack.enter_context(open_vantage(wanted.routed_vantage)) if wanted.routed_vantage else None
            )
            found = collect(self.api, namespace=NAMESPACE, vantage=vantage, routed=routed, profile=wanted)
        behind = collected(self, repository) if repository else self._repository_now()
        return _judged(found, behind, wanted, later)

    def look_as_ordinary_user(
        self, before: Looked, changed: Mapping[str, Any] | None = None, *, later: float = 0.0
    ) -> Looked:
        """Observe the cluster once more, from a vantage without raw sockets, and ask every check.

        The repository is the one of the look `before`. The client has not spoken with anybody on its segment
        lately, as one that comes once a night.
        """
        wanted = self._wanted(changed)
        netns, routed = (each.removeprefix("netns:") for each in (wanted.vantage, wanted.routed_vantage))
        self.lab.run(self.lab.client.name, ["ip", "neighbour", "flush", "all"])
        with ExitStack() as stack:
            found = collect(
                self.api,
                namespace=NAMESPACE,
                vantage=stack.enter_context(ordinary_user(netns or self.lab.client.netns)),
                routed=stack.enter_context(ordinary_user(routed)) if routed else None,
                profile=wanted,
            )
        return _judged(found, before.repository, wanted, later)

    def _wanted(self, changed: Mapping[str, Any] | None) -> Profile:
        changed = dict(changed or {})
        if more := changed.pop(FURTHER_POOLS, ()):
            changed["pools"] = [*self.settings["pools"], *more]
        for field in ("vantage", "routed_vantage"):
            if host := changed.get(field):
                changed[field] = f"netns:{self.lab.netns(host)}"
        return _profile({**self.settings, **changed}) if changed else self.profile

    def _repository_now(self) -> RepositorySnapshot:
        known = self.repository
        return known.model_copy(
            update={"live": repository_collection.counterparts(self.api, known.intended.objects)}
        )

    def until_silent(self, *, repository: Path | None = None) -> None:
        """Look until no check has anything to say; an error has all that was said last."""
        last: list[str] = []

        def read() -> list[str]:
            last[:] = self.look(repository=repository).trouble
            return [*last]

        try:
            wait.until("every check is silent", read=read, accept=lambda said: not said, budget=SILENT)
        except wait.NotWithinBudget:
            raise AssertionError("\n".join(("not every check fell silent:", *last))) from None

    def healthy(self) -> None:
        """Wait until MetalLB's pods run, and all that the cluster itself consists of."""
        self.metallb.speakers_ready()
        self.metallb.controller_ready()
        wait.until(
            "no component of the cluster is dead",
            read=self.site.problems,
            accept=lambda problems: not problems,
            budget=budgets.get(budgets.API_BACK),
        )

    def until_webhook_decides(self) -> None:
        """Wait until MetalLB's webhook takes a pool: a controller that was just started serves it a moment later."""
        bench.until_webhook_decides(self.api)

    # What many faults are made of.

    @contextmanager
    def service(self, name: str, **changed: Any) -> Iterator[Json]:
        """A LoadBalancer service in front of the shop's pods; `changed` has annotations, labels, fields of its spec."""
        annotations, labels = changed.pop("annotations", {}), changed.pop("labels", {})
        obj = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": SHOP, "annotations": annotations, "labels": labels},
            "spec": {
                "type": "LoadBalancer",
                "allocateLoadBalancerNodePorts": False,
                "selector": {"app.kubernetes.io/name": SHOP},
                "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
                **changed,
            },
        }
        with self.changes.created(obj, foreign=WHY) as made:
            yield made

    @contextmanager
    def waiting(self, name: str, **changed: Any) -> Iterator[Json]:
        """A service that gets no address for so long that it counts as waiting."""
        with self.service(name, **changed) as made:
            wait.holds(
                f"service {name} gets no address",
                read=lambda: self.addresses(name),
                accept=lambda found: not found,
                throughout=ASSIGNED + 1.2,
                every=0.2,
            )
            yield made

    @contextmanager
    def addressed(self, name: str, *, serves: bool = True, **changed: Any) -> Iterator[str]:
        """A service that has got an address, and is reached there unless it is not to serve."""
        with self.service(name, **changed):
            (address, *_) = wait.until(
                f"service {name} gets an address",
                read=lambda: self.addresses(name),
                accept=bool,
                budget=budgets.get(budgets.ASSIGNED),
            )
            if serves:
                self.until_reached(address)
            yield address

    def until_answered(self, address: str) -> None:
        """Wait until somebody on the LAN answers for an address, whatever its ports do."""
        wait.until(
            f"{address} is answered for",
            read=lambda: self.vantage.who_answers(address, rounds=1).macs,
            accept=bool,
            budget=budgets.get(budgets.SERVED),
        )

    def until_reached(self, address: str) -> None:
        """Wait until an address answers on TCP port 80 from the LAN."""
        wait.until(
            f"{address} is reached",
            read=lambda: (
                self.vantage.try_once(Target(address=address, port=80, protocol="tcp"), timeout=1.0).ok
            ),
            accept=bool,
            budget=budgets.get(budgets.SERVED),
        )

    def addresses(self, name: str, namespace: str = SHOP) -> tuple[str, ...]:
        """The addresses that a service holds."""
        found = self.api.get(SERVICES, name, namespace)
        given = found.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
        return tuple(one["ip"] for one in given if one.get("ip"))

    @contextmanager
    def pool(self, name: str, *addresses: str, **spec: Any) -> Iterator[None]:
        """An IPAddressPool that gives its addresses on request only, unless `spec` says otherwise."""
        obj = _object("IPAddressPool", name, {"addresses": [*addresses], "autoAssign": False, **spec})
        with self.by_hand(obj):
            yield

    @contextmanager
    def advertised(self, name: str, **spec: Any) -> Iterator[None]:
        """An L2Advertisement, of the pool of the same name unless `spec` says otherwise."""
        with self.by_hand(_object("L2Advertisement", name, {"ipAddressPools": [name], **spec})):
            yield

    @contextmanager
    def by_hand(self, obj: Json) -> Iterator[None]:
        """An object of MetalLB's that looks as if a person had made it: the suite overlooks what is its own."""
        with self.changes.created(obj):
            unmarked = {"metadata": {"labels": {MANAGER_LABEL: None}}}
            self.changes.patch(self.api.resource_for(obj), obj["metadata"]["name"], unmarked, NAMESPACE)
            yield

    @contextmanager
    def own_pool(self, name: str, *addresses: str, **advertised: Any) -> Iterator[None]:
        """A pool and its advertisement, with fields of the advertisement."""
        with self.pool(name, *addresses), self.advertised(name, **advertised):
            yield


def _judged(found: Snapshot, behind: RepositorySnapshot, wanted: Profile, later: float) -> Looked:
    """Every check's outcome for what was collected; a service counts as waiting sooner, and all of it is `later`."""
    wishes = expectations.of(wanted)
    wishes = replace(wishes, budgets={**wishes.budgets, "assigned": ASSIGNED})
    taken = dt.datetime.fromisoformat(found.taken_at) + dt.timedelta(seconds=later)
    return judged(replace(found, expectations=wishes, taken_at=taken.isoformat()), behind)


def _object(kind: str, name: str, spec: Json) -> Json:
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


def collected(stage: Stage, repository: Path) -> RepositorySnapshot:
    """Collect a repository as a run does, with what is live of it."""
    assert stage.profile.gitops is not None
    layout = repository_snapshot.layout_of(stage.profile.gitops, version=stage.version)
    tools = Tools(kubectl=stage.site.kubectl, manifests=release_manifests.of_lab_parts(), reader=stage.api)
    return repository_collection.collect(repository, layout, tools)


def _profile(settings: Mapping[str, Any]) -> Profile:
    with tempfile.TemporaryDirectory(prefix="profile-") as folder:
        path = Path(folder, f"{settings['name']}.yaml")
        path.write_text(yaml.safe_dump(dict(settings)))
        return profile.load(str(path))


@contextmanager
def opened(lab: Lab, combination: Combination = COMBINATIONS[0], *edits: Edit) -> Iterator[Stage]:
    """The stage in a lab; whatever is still changed at its end is undone then.

    The repository is the example platform after these `edits`, and those that a lab of the combination needs.
    """
    edits = (combination.edit, *edits)
    with (
        kubeconfig_for(lab, combination.login) as kubeconfig,
        cloned(*edits) as clone,
        open_vantage(f"netns:{lab.client.netns}") as vantage,
        standing(
            lab,
            lab.name,
            settings=settings_for(lab, clone.root),
            vantage=vantage,
            kubeconfig=kubeconfig,
        ) as stage,
    ):
        yield replace(stage, version=lab.state.options.metallb, edits=edits)


@contextmanager
def standing(
    site: Site,
    context: str,
    *,
    settings: Mapping[str, Any],
    vantage: Vantage,
    kubeconfig: Path | None = None,
) -> Iterator[Stage]:
    """The stage in the cluster of a context; whatever is still changed at its end is undone then.

    `kubeconfig` is another login than the site's own.
    """
    with changing(site, context, kubeconfig) as (api, changes):
        yield Stage(site, api, changes, MetalLB(api, changes, NAMESPACE), settings, vantage)
