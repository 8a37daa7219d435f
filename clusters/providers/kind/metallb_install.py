"""MetalLB in a kind cluster: the overlay `local`, with the pool that kind's network has room for."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from pathlib import Path

from clusters import budgets, files, wait
from clusters.api import Api, ApiError
from clusters.api.resources import DAEMON_SETS, DEPLOYMENTS, NODES
from clusters.errors import Refused
from clusters.gitops import release_manifests
from clusters.gitops.kustomize import Kustomize
from clusters.metallb.install import component_of, metrics_account
from clusters.objects import Object, spec_of, status_of
from clusters.profile import Profile
from clusters.providers.kind import containers
from clusters.providers.kind.programs import find

EXAMPLES = files.shipped_folder("examples/platform")
OVERLAY = "metallb/overlays/local"
#: What other objects stand on; everything else comes after these.
_FIRST = (
    "Namespace",
    "CustomResourceDefinition",
    "ServiceAccount",
    "Role",
    "ClusterRole",
    "Secret",
    "ConfigMap",
)
_CONFIGURATION = "metallb.io/"


def install(kubeconfig: Path, context: str | None = None, *, profile: Profile) -> None:
    """Wait for the nodes of a kind cluster, and install MetalLB with addresses of kind's own network.

    Raises NotWithinBudget where nodes or MetalLB do not become ready, and what `rendered` and
    `containers.room` raise.
    """
    kubectl = find("kubectl", profile.kind.kubectl)
    pool = containers.room(containers.network_seen(find("docker"))).pool
    things = rendered(profile, kubectl=kubectl.path, pool=pool)
    api = Api.connect(kubeconfig, context)
    wait.until(
        "every node of the kind cluster is Ready",
        read=lambda: unready(api.list(NODES)),
        accept=lambda waiting: not waiting,
        budget=budgets.get(budgets.NODE_READY),
        tolerate=(ApiError,),
    )
    apply(api, [*things, *metrics_account(profile.namespace)])
    ready(api, profile.namespace)


def unready(nodes: Sequence[Object]) -> list[str]:
    """The nodes that are not Ready; "no node" where there is none at all."""
    conditions = {
        node["metadata"]["name"]: {
            one["type"]: one["status"] for one in status_of(node).get("conditions") or ()
        }
        for node in nodes
    }
    if not conditions:
        return ["no node"]
    return [name for name, found in conditions.items() if found.get("Ready") != "True"]


def rendered(profile: Profile, *, kubectl: Path, pool: str) -> list[Object]:
    """The objects of the profile's overlay, or of the shipped one, with the pool's addresses set to `pool`.

    Raises OverlayError where it does not render, Refused where MetalLB's manifest is not at hand or the overlay
    has more pools than there are ranges.
    """
    root, overlay = EXAMPLES, OVERLAY
    if profile.gitops is not None:
        root, overlay = profile.gitops.repository, profile.gitops.overlay
    render = Kustomize(kubectl, release_manifests.of_lab_parts()).render(root, overlay)
    if render.left_out:
        raise Refused(
            f"MetalLB's release manifest {', '.join(render.left_out)} of {overlay} is not on this machine.",
            remedy="Run make setup, or put the file there: metallb/base/README.md says where from.",
        )
    return with_pool(render.objects, pool)


def with_pool(objects: Sequence[Object], pool: str) -> list[Object]:
    """The same objects, the one pool among them with the addresses `pool`. Raises Refused for several pools."""
    things = copy.deepcopy(list(objects))
    pools = [thing for thing in things if thing["kind"] == "IPAddressPool"]
    if len(pools) > 1:
        names = ", ".join(thing["metadata"]["name"] for thing in pools)
        raise Refused(
            f"The overlay has {len(pools)} pools ({names}), and kind's network gives one range.",
            remedy="Use an overlay with one pool.",
        )
    for thing in pools:
        thing["spec"]["addresses"] = [pool]
    return things


def apply(api: Api, things: Iterable[Object]) -> None:
    """Apply everything, MetalLB's configuration last: its webhook must answer first.

    Raises NotWithinBudget where the webhook does not, or MetalLB's pods do not become ready.
    """
    listed = list(things)
    configuration = [thing for thing in listed if thing["apiVersion"].startswith(_CONFIGURATION)]
    programs = [thing for thing in listed if thing not in configuration]
    for thing in sorted(programs, key=_rank):
        api.apply(thing)
    for thing in configuration:
        wait.until(
            f"MetalLB's webhook accepts {thing['kind']} {thing['metadata']['name']}",
            read=lambda thing=thing: api.apply(thing),  # type: ignore[misc]  # bound now, called now
            accept=bool,
            budget=budgets.get(budgets.PODS_READY),
            tolerate=(ApiError,),
        )


def ready(api: Api, namespace: str) -> None:
    """Wait until the controller and the speaker of every node are ready. Raises NotWithinBudget."""
    wait.until(
        "MetalLB's controller and every speaker are ready",
        read=lambda: waiting_for(
            [*api.list(DEPLOYMENTS, namespace), *api.list(DAEMON_SETS, namespace)],
        ),
        accept=lambda waiting: not waiting,
        budget=budgets.get(budgets.ROLLOUT),
        tolerate=(ApiError,),
    )


def waiting_for(workloads: Iterable[Object]) -> list[str]:
    """What is not ready yet of MetalLB's workloads: "controller 0/1"; both must be there."""
    parts: dict[str, tuple[int, int]] = {"controller": (0, 1), "speaker": (0, 1)}
    for workload in workloads:
        part, status = component_of(workload), status_of(workload)
        if part is None:
            continue
        have = int(status.get("readyReplicas") or status.get("numberReady") or 0)
        want = int(spec_of(workload).get("replicas", status.get("desiredNumberScheduled")) or 0)
        parts[str(part)] = (have, max(want, 1))
    return [f"{part} {have}/{want}" for part, (have, want) in parts.items() if have < want]


def _rank(thing: Object) -> int:
    return _FIRST.index(thing["kind"]) if thing["kind"] in _FIRST else len(_FIRST)
