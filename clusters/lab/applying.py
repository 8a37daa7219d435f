"""Applies manifests to the young cluster, in an order that needs no second try."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from clusters import budgets
from clusters.lab import serving
from clusters.lab.hosts import LabFailed
from clusters.lab.plan import Plan
from clusters.lab.rest import Answer, RestClient, object_path
from clusters.lab.serving import Controls
from clusters.objects import Object

# What other objects stand on, first; what would refuse objects while its server is not there yet, last.
_WAVES: tuple[frozenset[str], ...] = (
    frozenset(
        {"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "PriorityClass"}
    ),
    frozenset({"ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Secret"}),
)
# Answers that do not change by asking again.
_FINAL = frozenset({400, 401, 405, 422})
_AT_ONCE = 8
_LAST = frozenset({"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"})


def apply_all(client: RestClient, things: Iterable[Object], *, controls: Controls) -> None:
    """Apply everything; every object is accepted when this returns."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        for wave in waves(things):
            for done in [pool.submit(apply_one, client, thing, controls) for thing in wave]:
                done.result()


def waves(things: Iterable[Object]) -> list[list[Object]]:
    """Objects in groups; those of one group do not depend on each other."""
    rest = list(things)
    ordered: list[list[Object]] = []
    for kinds in _WAVES:
        ordered.append([thing for thing in rest if thing["kind"] in kinds])
        rest = [thing for thing in rest if thing["kind"] not in kinds]
    ordered.append([thing for thing in rest if thing["kind"] not in _LAST])
    ordered.append([thing for thing in rest if thing["kind"] in _LAST])
    return ordered


def apply_one(client: RestClient, thing: Object, controls: Controls) -> None:
    """Apply one object, again while what it depends on is still coming up.

    Raises `LabFailed` with the API server's words when it is refused for good.
    """

    def applied() -> Answer:
        answer = client.try_apply(thing)
        if answer.status in _FINAL:
            raise LabFailed(f"The lab's API server refused {object_path(thing)}: {answer.message}")
        return answer

    serving.claim(
        f"{object_path(thing)} is accepted",
        read=applied,
        accept=lambda answer: answer.status in (200, 201),
        controls=controls,
        budget=budgets.get(budgets.LAB_OBJECT_ACCEPTED),
    )


def describe_nodes(client: RestClient, plan: Plan) -> None:
    """Write on every node which pod addresses are its own, and on the first that it is the control plane.

    On other clusters the controller manager chooses the ranges, and the installer labels. There is no taint and
    no label that keeps load balancers away: the first node is a worker as well.
    """
    for host in plan.nodes:
        ranges = [str(network) for network in host.pod_ranges]
        labels = {"node-role.kubernetes.io/control-plane": ""} if host == plan.control_plane else {}
        patch = {"metadata": {"labels": labels}, "spec": {"podCIDR": ranges[0], "podCIDRs": ranges}}
        client.merge(f"/api/v1/nodes/{host.name}", patch)
