"""Set-ups that are unusual and right: no check may have anything to say about them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from clusters import budgets, wait
from clusters.api.resources import DAEMON_SETS, DEPLOYMENTS, ENDPOINT_SLICES, L2_ADVERTISEMENTS, NODES, PODS
from clusters.faults import lab_hosts
from clusters.lab.plan import LabOptions
from tests.faults import catalogue_bgp, catalogue_consumers, catalogue_unusual, catalogue_wire
from tests.faults.catalogue_clone import Clone
from tests.faults.catalogue_fault import Healthy
from tests.faults.catalogue_renderings import (
    ANNOUNCES,
    EDGE,
    SPARE,
    renders_both,
    renders_chart_names,
    renders_later,
    renders_no_speaker,
    renders_one,
    renders_selector,
    renders_spare,
)
from tests.faults.catalogue_repository import RUNBOOK, without_a_plan
from tests.faults.catalogue_services import KEY, POOL, admission, written_slice
from tests.faults.catalogue_stage import NAMESPACE, SHOP, WHY, Stage
from tests.faults.catalogue_workloads import until_measured

#: The lab's services, each with an address of each family.
LED = (("shop", "web"), ("shop", "web-local"), ("traefik", "traefik"))


@contextmanager
def local_with_one_replica(stage: Stage) -> Iterator[None]:
    labels = {"app": "single"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "single", "namespace": SHOP, "labels": labels},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {"name": "echo", "image": stage.profile.image, "args": ["netexec", "--http-port=8080"]}
            ],
        },
    }
    with (
        stage.changes.created(pod, foreign=WHY),
        stage.addressed("single", selector=labels, externalTrafficPolicy="Local"),
    ):
        yield


@contextmanager
def shared(stage: Stage) -> Iterator[None]:
    annotations = {KEY: "blue", "metallb.io/loadBalancerIPs": "172.30.0.219"}
    other = [{"name": "http", "port": 8080, "targetPort": 8080}]
    with (
        stage.addressed("first", annotations=annotations),
        stage.addressed("second", serves=False, annotations=annotations, ports=other),
    ):
        yield


@contextmanager
def on_request_only(stage: Stage) -> Iterator[None]:
    with stage.own_pool(EDGE, SPARE):
        yield


@contextmanager
def one_address(stage: Stage) -> Iterator[None]:
    with (
        stage.own_pool(EDGE, "172.30.0.231/32"),
        stage.addressed("only", annotations={POOL: EDGE}),
    ):
        yield


@contextmanager
def both_families(stage: Stage) -> Iterator[None]:
    with stage.own_pool(EDGE, SPARE, "fd00:172:30::230-fd00:172:30::232"):
        yield


@contextmanager
def two_pools(stage: Stage) -> Iterator[None]:
    with stage.own_pool(EDGE, SPARE), stage.addressed("open", annotations={POOL: EDGE}):
        yield


@contextmanager
def on_some_nodes(stage: Stage) -> Iterator[None]:
    """The DaemonSet as the overlay of the clone renders it."""
    patch = {"spec": {"template": {"spec": {"nodeSelector": {ANNOUNCES: "yes"}}}}}
    with (
        stage.changes.labelled_node("node1", {ANNOUNCES: "yes"}),
        stage.changes.labelled_node("node2", {ANNOUNCES: "yes"}),
    ):
        with stage.changes.patched(DAEMON_SETS, "speaker", patch, NAMESPACE, foreign=WHY):
            stage.metallb.speakers_ready()
            yield
        stage.metallb.speakers_ready()


@contextmanager
def one_excluded(stage: Stage) -> Iterator[None]:
    label = {"node.kubernetes.io/exclude-from-external-load-balancers": ""}
    with stage.changes.labelled_node("node3", label):
        yield


@contextmanager
def cordoned(stage: Stage) -> Iterator[None]:
    with stage.changes.patched(NODES, "node3", {"spec": {"unschedulable": True}}, foreign=WHY):
        yield


@contextmanager
def of_another_class(stage: Stage) -> Iterator[None]:
    with stage.waiting("foreign", loadBalancerClass="example.org/other"):
        yield


@contextmanager
def rolled_out(stage: Stage) -> Iterator[None]:
    """Controller and speakers are restarted as `kubectl rollout restart` does it, and all are ready again."""
    stamp = {"kubectl.kubernetes.io/restartedAt": f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"}
    patch = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
    with (
        stage.changes.patched(DEPLOYMENTS, "controller", patch, NAMESPACE, foreign=WHY),
        stage.changes.patched(DAEMON_SETS, "speaker", patch, NAMESPACE, foreign=WHY),
    ):
        stage.metallb.speakers_ready()
        stage.metallb.rolled_out()
        until_measured(stage)
        yield


@contextmanager
def nothing(_: Stage) -> Iterator[None]:
    yield


def planned_change(clone: Clone) -> None:
    """A pool change of another cluster, written down and planned, and not committed yet."""
    without_a_plan(clone)
    plan = (clone.root / "metallb/plans/homelab-second-range.yaml").read_text(encoding="utf-8")
    clone.write("metallb/plans/local.yaml", plan.replace("overlays/homelab", "overlays/local"))


def runbook_reworded(clone: Clone) -> None:
    """A table more in the runbook: nothing that a check would have to encode."""
    clone.replace(RUNBOOK, r"\n## 1\. ", "\n| Who | When |\n| --- | --- |\n| Platform | always |\n\n## 1. ")
    clone.commit("Say who is called")


@contextmanager
def dedicated_node(stage: Stage) -> Iterator[None]:
    """A node that repels speakers, as nodes for databases or graphics cards do; the others announce."""
    with stage.metallb.held_away("node3"):
        stage.metallb.delete_speaker("node3")
        wait.until(
            "node3 has no speaker",
            read=lambda: [
                pod
                for pod in stage.api.list(PODS, NAMESPACE, fields="spec.nodeName=node3")
                if pod["metadata"]["name"].startswith("speaker")
            ],
            accept=lambda found: not found,
            budget=budgets.get(budgets.ROLLOUT),
        )
        yield


@contextmanager
def for_nodes_to_come(stage: Stage) -> Iterator[None]:
    """An advertisement for nodes that are not there yet, beside the one that covers the pool."""
    later = [{"matchLabels": {"example.org/zone": "later"}}]
    with stage.advertised("later", ipAddressPools=["metallb-pool"], nodeSelectors=later):
        yield


@contextmanager
def announced_by_others(stage: Stage) -> Iterator[None]:
    """No speaker and no advertisement: a router leads to each address by a node, as a network's BGP daemon tells it."""
    slices = stage.api.list(ENDPOINT_SLICES, SHOP, labels="kubernetes.io/service-name=web-local")
    serving = {one["nodeName"] for raw in slices for one in raw.get("endpoints") or ()}
    # One of the services keeps its traffic local: all are led to a node that has an endpoint of it.
    node = next(host for host in stage.lab.nodes if host.name in serving)
    with ExitStack() as stack:
        for kind, name in ((L2_ADVERTISEMENTS, "metallb-l2"), (DAEMON_SETS, "speaker")):
            stack.enter_context(stage.changes.deleted(kind, name, NAMESPACE, foreign=WHY))
        held = [one for namespace, name in LED for one in stage.addresses(name, namespace)]
        gateways = [str(one.ip) for one in stage.lab.plan.gateways[0]]
        for address in held:
            for host, ways in (("lan", node.addresses), (stage.lab.client.name, gateways)):
                via = next(way for way in ways if (":" in way) == (":" in address))
                stack.enter_context(lab_hosts.routed_to(stage.changes, stage.lab, host, address, via=via))
        wait.until(
            "no speaker is left",
            read=lambda: [
                pod
                for pod in stage.api.list(PODS, NAMESPACE)
                if pod["metadata"]["name"].startswith("speaker")
            ],
            accept=lambda found: not found,
            budget=budgets.ROLLOUT,
        )
        for address in held:
            stage.until_reached(address)
        yield


@contextmanager
def admitting_policy(stage: Stage) -> Iterator[None]:
    """A policy over the shop's pods that admits the clients' network and the nodes, as one is to be."""
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "clients", "namespace": SHOP},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"ipBlock": {"cidr": "172.30.0.0/24"}}]}],
        },
    }
    with stage.changes.created(policy, foreign=WHY):
        yield


@contextmanager
def external_beside_the_pools(stage: Stage) -> Iterator[None]:
    """A service with an external address of its own that no pool holds."""
    own = {"type": "ClusterIP", "allocateLoadBalancerNodePorts": None, "externalIPs": ["172.30.0.99"]}
    with stage.service("beside", **own):
        yield


@contextmanager
def slice_without_a_port(stage: Stage) -> Iterator[None]:
    """Beside a service's own slice one of pods that have not the port, as while a port is renamed in a rollout."""
    with stage.addressed("open"), written_slice(stage, "open", "other"):
        yield


@contextmanager
def webhook_beside(stage: Stage) -> Iterator[None]:
    """A dead webhook that is asked before services are updated, and not before their status is: MetalLB writes on."""
    with admission(stage, "services"), stage.addressed("open"):
        yield


HEALTHY = (
    Healthy(name="a slice beside a service's own that lacks its port", make=slice_without_a_port),
    Healthy(name="a dead webhook that nobody asks about a status", make=webhook_beside),
    Healthy(
        name="addresses that a router leads to, and no speaker",
        make=announced_by_others,
        edit=renders_no_speaker,
        full=True,
    ),
    Healthy(name="a policy that admits the clients' network", make=admitting_policy),
    Healthy(name="an external address of a service's own, in no pool", make=external_beside_the_pools),
    *catalogue_consumers.HEALTHY,
    *catalogue_wire.HEALTHY,
    *catalogue_bgp.HEALTHY,
    *catalogue_unusual.HEALTHY,
    Healthy(name="a node that repels speakers, two left", make=dedicated_node),
    Healthy(name="an advertisement for nodes to come", make=for_nodes_to_come, edit=renders_later),
    Healthy(name="local traffic policy with one replica", make=local_with_one_replica),
    Healthy(name="two services that share an address", make=shared),
    Healthy(
        name="a pool given on request that nobody uses", make=on_request_only, edit=renders_spare, full=True
    ),
    Healthy(name="a pool of one address, in use", make=one_address, edit=renders_one, full=True),
    Healthy(name="a pool of both address families", make=both_families, edit=renders_both, full=True),
    Healthy(name="two pools, each in use", make=two_pools, edit=renders_spare),
    Healthy(
        name="speakers on some nodes by design",
        make=on_some_nodes,
        edit=renders_selector,
        profile={"announcers": {"selector": f"{ANNOUNCES}=yes"}},
        full=True,
    ),
    Healthy(name="one node labelled out of load balancing, two left", make=one_excluded),
    Healthy(name="a cordoned node", make=cordoned, full=True),
    Healthy(name="a service of another load-balancer class", make=of_another_class),
    Healthy(name="a rollout that has just completed", make=rolled_out, full=True),
    Healthy(name="a rollout that completed two minutes ago", make=rolled_out, later=120.0, full=True),
    Healthy(
        name="a pool change that is planned and written down", make=nothing, edit=planned_change, full=True
    ),
    Healthy(name="a runbook with another table", make=nothing, edit=runbook_reworded),
)


@dataclass(frozen=True, kw_only=True)
class HealthyLab:
    """A lab of another naming: every check has to be silent. `edit` makes the repository say so."""

    name: str
    options: LabOptions
    edit: Callable[[Clone], None] | None = None
    reports: tuple[str, ...] = ()


LABS = (
    HealthyLab(name="MetalLB on one node alone", options=LabOptions(name="faults-one", nodes=1)),
    HealthyLab(
        name="MetalLB 0.16.2 with the names of its Helm chart",
        options=LabOptions(name="faults-helm", install="helm"),
        edit=renders_chart_names,
    ),
    HealthyLab(
        name="MetalLB 0.15.2 with the names of its Helm chart",
        options=LabOptions(name="faults-both", metallb="0.15.2", install="helm"),
        edit=renders_chart_names,
    ),
)
