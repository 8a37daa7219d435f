"""Faults of single services: what they ask for in vain, and what stands behind them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clusters import budgets, wait
from clusters.api.resources import ENDPOINT_SLICES, EVENTS, PODS, SERVICES
from clusters.faults import rival_controllers
from tests.faults.catalogue_fault import ALL_BY_CONFIGURATION, ONE_CONSUMER, ONE_SERVICE, OWN, Fault
from tests.faults.catalogue_stage import SHOP, WHY, Stage
from tests.faults.catalogue_workloads import log_of

REQUESTED = "metallb.io/loadBalancerIPs"
POOL = "metallb.io/address-pool"
KEY = "metallb.io/allow-shared-ip"
TAKEN = "172.30.0.210"
WAITING = "service shop/waiting"
OPEN = "service shop/open"
#: The checks that tell of any service that waits for its address.
_WAITS = {"trigger.pending-services": WAITING, "health.services-addressed": WAITING}


@contextmanager
def outside(stage: Stage) -> Iterator[None]:
    with stage.waiting("waiting", annotations={REQUESTED: "10.99.0.1"}):
        yield


@contextmanager
def taken(stage: Stage) -> Iterator[None]:
    with stage.waiting("waiting", annotations={REQUESTED: TAKEN}):
        yield


@contextmanager
def twice(stage: Stage) -> Iterator[None]:
    with stage.waiting("waiting", annotations={REQUESTED: "172.30.0.218"}, loadBalancerIP="172.30.0.219"):
        yield


@contextmanager
def wrong_pool(stage: Stage) -> Iterator[None]:
    asked = {REQUESTED: "172.30.0.219", POOL: "edge"}
    with stage.own_pool("edge", "172.30.0.230-172.30.0.232"), stage.waiting("waiting", annotations=asked):
        yield


@contextmanager
def no_such_pool(stage: Stage) -> Iterator[None]:
    with stage.waiting("waiting", annotations={POOL: "nowhere"}):
        yield


@contextmanager
def other_family(stage: Stage) -> Iterator[None]:
    with stage.waiting("waiting", annotations={REQUESTED: "fd00:dead::1"}):
        yield


@contextmanager
def two_of_a_family(stage: Stage) -> Iterator[None]:
    with stage.waiting("waiting", annotations={REQUESTED: "172.30.0.218,172.30.0.219"}):
        yield


@contextmanager
def unlike_keys(stage: Stage) -> Iterator[None]:
    asked = {REQUESTED: "172.30.0.219"}
    with (
        stage.addressed("first", annotations={**asked, KEY: "blue"}),
        stage.waiting("waiting", annotations={**asked, KEY: "green"}),
    ):
        yield


@contextmanager
def one_port_twice(stage: Stage) -> Iterator[None]:
    asked = {REQUESTED: "172.30.0.219", KEY: "blue"}
    with stage.addressed("first", annotations=asked), stage.waiting("waiting", annotations=asked):
        yield


@contextmanager
def one_of_them_local(stage: Stage) -> Iterator[None]:
    """Two services with one key and different ports, of which one keeps its traffic local."""
    asked = {REQUESTED: "172.30.0.219", KEY: "blue"}
    other = [{"name": "http", "port": 81, "targetPort": 8080}]
    with (
        stage.addressed("first", annotations=asked, externalTrafficPolicy="Local"),
        stage.waiting("waiting", annotations=asked, ports=other),
    ):
        yield


@contextmanager
def foreign_class(stage: Stage) -> Iterator[None]:
    with stage.waiting("waiting", loadBalancerClass="metallb"):
        yield


@contextmanager
def old_annotation(stage: Stage) -> Iterator[None]:
    with stage.addressed("open", annotations={"metallb.universe.tf/address-pool": "metallb-pool"}):
        yield


@contextmanager
def nothing_behind(stage: Stage) -> Iterator[None]:
    with stage.addressed("open", serves=False, selector={"app": "nobody"}):
        yield


@contextmanager
def never_ready(stage: Stage) -> Iterator[None]:
    labels = {"app": "never-ready"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "never-ready", "namespace": SHOP, "labels": labels},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "readinessGates": [{"conditionType": "example.org/never"}],
            "containers": [{"name": "echo", "image": stage.profile.image, "args": ["netexec"]}],
        },
    }
    with (
        stage.changes.created(pod, foreign=WHY),
        stage.addressed("open", serves=False, selector=labels),
    ):
        wait.until(
            "the pod runs",
            read=lambda: stage.api.get(PODS, "never-ready", SHOP)["status"].get("podIP"),
            accept=bool,
            budget=budgets.get(budgets.PODS_READY),
        )
        yield


@contextmanager
def closed_port(stage: Stage) -> Iterator[None]:
    closed = [{"name": "http", "port": 80, "targetPort": 9}]
    with stage.addressed("open", serves=False, ports=closed) as address:
        rival_controllers.until_refused(stage.vantage, address)
        yield


@contextmanager
def other_sources(stage: Stage) -> Iterator[None]:
    with stage.addressed("open", serves=False, loadBalancerSourceRanges=["10.0.0.0/8"]):
        yield


@contextmanager
def rival(stage: Stage) -> Iterator[None]:
    with (
        stage.addressed("open"),
        rival_controllers.overwritten(stage.changes, stage.lab, f"{SHOP}/open", address="172.30.0.217"),
    ):
        stage.until_reached("172.30.0.217")
        yield


@contextmanager
def calico(stage: Stage) -> Iterator[None]:
    """Calico's own LoadBalancer IPAM, by what it writes."""
    with (
        stage.addressed("open"),
        rival_controllers.overwritten(
            stage.changes, stage.lab, f"{SHOP}/open", address="172.30.0.217", manager="kube-controllers"
        ),
    ):
        stage.until_reached("172.30.0.217")
        yield


@contextmanager
def misspelt(stage: Stage) -> Iterator[None]:
    with stage.addressed("open", annotations={"metallb.io/loadBalancerIP": "172.30.0.219"}):
        yield


@contextmanager
def pool_by_another_name(stage: Stage) -> Iterator[None]:
    with stage.addressed("open", annotations={"metallb.universe.tf/pool-name": "metallb-pool"}):
        yield


@contextmanager
def never_settled(stage: Stage) -> Iterator[None]:
    """It prefers both families where the cluster has one, and its pool has both."""
    with (
        stage.own_pool("edge", "172.30.0.230-172.30.0.232", "fd00:172:30::230-fd00:172:30::232"),
        stage.service("open", annotations={POOL: "edge"}, ipFamilyPolicy="PreferDualStack"),
    ):
        yield


@contextmanager
def annotation_as_label(stage: Stage) -> Iterator[None]:
    with stage.addressed("open", labels={POOL: "metallb-pool"}):
        yield


@contextmanager
def unnamed_port(stage: Stage) -> Iterator[None]:
    """The service names a port that no container has: its slice has endpoints, and no port."""
    misspelt = [{"name": "http", "port": 80, "targetPort": "htpp"}]
    with stage.addressed("open", serves=False, ports=misspelt) as address:
        # Not until it is refused: a node that redirects as well keeps its word on ports to itself for minutes.
        stage.until_answered(address)
        yield


@contextmanager
def one_port_unnamed(stage: Stage) -> Iterator[None]:
    with stage.addressed("open", ports=_TWO_PORTS):
        yield


@contextmanager
def slice_of_another_port(stage: Stage) -> Iterator[None]:
    """A slice that somebody wrote for a service without a selector, with another name for one of its ports."""
    with (
        stage.addressed("open", serves=False, selector=None, ports=_TWO_PORTS) as address,
        written_slice(stage, "open", "http", "metric"),
    ):
        stage.until_reached(address)
        yield


#: Of the second one no container has a port.
_TWO_PORTS = [
    {"name": "http", "port": 80, "targetPort": 8080},
    {"name": "metrics", "port": 9100, "targetPort": "metrics"},
]


@contextmanager
def written_slice(stage: Stage, service: str, *names: str) -> Iterator[None]:
    """An EndpointSlice by hand, with the endpoints of the shop's pods and ports of these names."""
    slices = stage.api.list(ENDPOINT_SLICES, SHOP, labels="kubernetes.io/service-name=web")
    endpoints = [
        {"addresses": each["addresses"], "nodeName": each["nodeName"], "conditions": {"ready": True}}
        for raw in slices
        if raw["addressType"] == "IPv4"  # a dual-stack service has one of the other family too
        for each in raw.get("endpoints") or ()
    ]
    obj = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-by-hand",
            "namespace": SHOP,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": name, "port": 8080, "protocol": "TCP"} for name in names],
    }
    with stage.changes.created(obj, foreign=WHY):
        yield


@contextmanager
def admission(stage: Stage, resource: str, *, kind: str = "ValidatingWebhookConfiguration") -> Iterator[None]:
    """A webhook of somebody else that is asked before a resource of the core group is updated, and is dead."""
    hook = {
        "name": "guard.example.org",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 2,
        "clientConfig": {"url": "https://127.0.0.1:1/guard"},
        "rules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": [resource]}
        ],
    }
    obj = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "guard"},
        "webhooks": [hook],
    }
    with stage.changes.created(obj, foreign=WHY):
        yield


@contextmanager
def unwritten(stage: Stage) -> Iterator[None]:
    """A service whose address MetalLB chooses in vain, and says so."""
    with stage.waiting("waiting"):
        wait.until(
            "the controller says that it could not write a status",
            read=lambda: log_of(stage, "controller"),
            accept=lambda text: "failed to update service" in text,
            budget=budgets.get(budgets.ASSIGNED),
        )
        yield


@contextmanager
def dead_webhook(stage: Stage) -> Iterator[None]:
    with admission(stage, "services/status"), unwritten(stage):
        yield


@contextmanager
def dead_mutating_webhook(stage: Stage) -> Iterator[None]:
    with admission(stage, "services/status", kind="MutatingWebhookConfiguration"), unwritten(stage):
        yield


@contextmanager
def denying_policy(stage: Stage) -> Iterator[None]:
    """A policy of the API server's own that denies every write of a service's status, and the binding that counts."""
    group, about = "admissionregistration.k8s.io/v1", {"name": "freeze"}
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["UPDATE"],
        "resources": ["services/status"],
    }
    policy = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": about,
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "false", "message": "change freeze until Monday"}],
        },
    }
    binding = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": about,
        "spec": {"policyName": "freeze", "validationActions": ["Deny"]},
    }
    with stage.changes.created(policy, foreign=WHY), stage.changes.created(binding, foreign=WHY):
        wait.pause(_POLICY_COUNTS)
        with unwritten(stage):
            yield


@contextmanager
def two_pools_named(stage: Stage) -> Iterator[None]:
    with (
        stage.own_pool("edge", "172.30.0.230-172.30.0.232"),
        stage.waiting("waiting", annotations={POOL: "edge,metallb-pool"}),
    ):
        yield


@contextmanager
def prefix_asked_for(stage: Stage) -> Iterator[None]:
    with stage.waiting("waiting", annotations={REQUESTED: "172.30.0.219/32"}):
        yield


@contextmanager
def key_with_a_blank(stage: Stage) -> Iterator[None]:
    asked = {REQUESTED: "172.30.0.219"}
    other = [{"name": "http", "port": 81, "targetPort": 8080}]
    with (
        stage.addressed("first", annotations={**asked, KEY: "blue"}),
        stage.waiting("waiting", annotations={**asked, KEY: "blue "}, ports=other),
    ):
        yield


@contextmanager
def holder_leaves(stage: Stage) -> Iterator[None]:
    """The holder of the address is deleted, and a finalizer of somebody keeps it."""
    asked = {REQUESTED: "172.30.0.219"}
    with stage.addressed("leaving", annotations=asked):
        keep = {"metadata": {"finalizers": ["example.org/guard"]}}
        with stage.changes.patched(SERVICES, "leaving", keep, SHOP, foreign=WHY):
            stage.api.delete(SERVICES, "leaving", SHOP)
            with stage.waiting("waiting", annotations=asked):
                yield


@contextmanager
def status_emptied(stage: Stage) -> Iterator[None]:
    """Somebody empties a service's status as often as MetalLB writes it."""
    with (
        stage.addressed("emptied", serves=False),
        rival_controllers.emptied(stage.lab, stage.api, f"{SHOP}/emptied"),
    ):
        wait.until(
            "MetalLB gives the address again and again",
            read=lambda: [
                event.get("count") or 1
                for event in stage.api.list(
                    EVENTS, SHOP, fields="involvedObject.name=emptied,reason=IPAllocated"
                )
            ],
            accept=lambda counts: sum(counts) > 4,
            budget=budgets.get(budgets.ASSIGNED),
        )
        yield


#: No status says when a binding counts.
_POLICY_COUNTS = budgets.Budget(
    name="policy-counts", within=3.0, every=3.0, reason="The API server looks for new policies each second."
)

FAULTS = (
    Fault(
        name="a named target port that no pod has",
        cause="target-port-missing",
        make=unnamed_port,
        says=ONE_CONSUMER,
        shows={"traffic.backends-healthy": OPEN},
    ),
    Fault(
        name="one of two ports that no pod has",
        cause="target-port-missing",
        make=one_port_unnamed,
        says=ONE_CONSUMER,
        shows={"traffic.backends-healthy": OPEN},
        full=True,
    ),
    Fault(
        name="an EndpointSlice by hand with another port's name",
        cause="target-port-missing",
        make=slice_of_another_port,
        says=ONE_CONSUMER,
        shows={"traffic.backends-healthy": OPEN},
        full=True,
    ),
    Fault(
        name="a dead webhook of somebody else before services' statuses",
        cause="status-write-refused",
        make=dead_webhook,
        says=ALL_BY_CONFIGURATION,
        shows={"health.controller-log": "ValidatingWebhookConfiguration guard"},
    ),
    Fault(
        name="a dead mutating webhook of somebody else before services' statuses",
        cause="status-write-refused",
        make=dead_mutating_webhook,
        says=ALL_BY_CONFIGURATION,
        shows={"health.controller-log": "webhook guard.example.org"},
        full=True,
    ),
    Fault(
        name="an admission policy that denies services' statuses",
        cause="status-write-refused",
        make=denying_policy,
        says=ALL_BY_CONFIGURATION,
        shows={"health.controller-log": "ValidatingAdmissionPolicy freeze"},
        full=True,
    ),
    Fault(
        name="two pools in one annotation",
        cause="pool-missing",
        make=two_pools_named,
        says=ONE_SERVICE,
        shows={**_WAITS, "pending.annotations": WAITING},
        also=OWN,
        full=True,
    ),
    Fault(
        name="a prefix where an address is asked for",
        cause="requested-outside-pools",
        make=prefix_asked_for,
        says=ONE_SERVICE,
        shows={**_WAITS, "pending.requested-address": WAITING, "rollback.stale-consumers": WAITING},
        full=True,
    ),
    Fault(
        name="a sharing key with a blank behind it",
        cause="sharing-refused",
        make=key_with_a_blank,
        says=ONE_SERVICE,
        shows={**_WAITS, "pending.annotations": WAITING},
        full=True,
    ),
    Fault(
        name="an address whose holder is being deleted",
        cause="requested-taken",
        make=holder_leaves,
        says=ONE_SERVICE,
        shows={**_WAITS, "pending.requested-address": WAITING},
        full=True,
    ),
    Fault(
        name="somebody who empties a service's status again and again",
        cause="rival-controller",
        make=status_emptied,
        says=ONE_SERVICE,
        shows={"health.services-addressed": "service shop/emptied"},
        full=True,
    ),
    Fault(
        name="two addresses of one family",
        cause="family-unavailable",
        make=two_of_a_family,
        says=ONE_SERVICE,
        shows={**_WAITS, "pending.annotations": WAITING},
        full=True,
    ),
    Fault(
        name="an annotation that MetalLB does not know",
        cause="annotation-unknown",
        make=misspelt,
        says=ONE_SERVICE,
        shows={"pending.annotations": OPEN},
    ),
    Fault(
        name="an annotation under the old prefix that MetalLB never knew",
        cause="annotation-unknown",
        make=pool_by_another_name,
        says=ONE_SERVICE,
        shows={"pending.annotations": OPEN},
        full=True,
    ),
    Fault(
        name="an annotation among the labels",
        cause="annotation-unknown",
        make=annotation_as_label,
        says=ONE_SERVICE,
        shows={"pending.annotations": OPEN},
        full=True,
    ),
    Fault(
        name="a service that prefers both families where the cluster has one",
        cause="family-unavailable",
        make=never_settled,
        where={"families": "ipv4"},
        says=ONE_SERVICE,
        shows={"pending.annotations": OPEN},
        also=OWN,
        full=True,
    ),
    Fault(
        name="Calico gives addresses too",
        cause="rival-controller",
        make=calico,
        says=ONE_SERVICE,
        shows={"health.services-addressed": OPEN},
        full=True,
    ),
    Fault(
        name="an address that no pool holds",
        cause="requested-outside-pools",
        make=outside,
        says=ONE_SERVICE,
        shows={**_WAITS, "pending.requested-address": WAITING, "rollback.stale-consumers": WAITING},
    ),
    Fault(
        name="an address that another service holds",
        cause="requested-taken",
        make=taken,
        says=ONE_SERVICE,
        shows={**_WAITS, "pending.requested-address": WAITING},
    ),
    Fault(
        name="two addresses, by field and by annotation",
        cause="requested-twice",
        make=twice,
        says=ONE_SERVICE,
        shows={**_WAITS, "pending.annotations": WAITING},
    ),
    Fault(
        name="an address of another pool than the one named",
        cause="requested-wrong-pool",
        make=wrong_pool,
        says=ONE_SERVICE,
        also=OWN,
        shows={**_WAITS, "pending.annotations": WAITING},
    ),
    Fault(
        name="a pool that does not exist",
        cause="pool-missing",
        make=no_such_pool,
        says=ONE_SERVICE,
        shows={**_WAITS, "pending.annotations": WAITING},
    ),
    Fault(
        name="an IPv6 address for an IPv4 service",
        cause="family-unavailable",
        make=other_family,
        says=ONE_SERVICE,
        shows={**_WAITS, "pending.annotations": WAITING},
    ),
    Fault(
        name="one address under two sharing keys",
        cause="sharing-refused",
        make=unlike_keys,
        says=ONE_SERVICE,
        shows={**_WAITS, "pending.annotations": WAITING},
    ),
    Fault(
        name="two sharers of an address with one port",
        cause="sharing-refused",
        make=one_port_twice,
        says=ONE_SERVICE,
        shows={**_WAITS, "pending.annotations": WAITING},
        full=True,
    ),
    Fault(
        name="two sharers of an address of which one keeps its traffic local",
        cause="sharing-refused",
        make=one_of_them_local,
        says=ONE_SERVICE,
        shows={**_WAITS, "pending.annotations": WAITING},
        full=True,
    ),
    Fault(
        name="a load-balancer class that nobody serves",
        cause="class-mismatch",
        make=foreign_class,
        says=ONE_SERVICE,
        shows={**_WAITS, "pending.annotations": WAITING},
    ),
    Fault(
        name="an annotation under the old prefix",
        cause="deprecated-annotation",
        make=old_annotation,
        says=ONE_SERVICE,
        shows={"pending.annotations": OPEN},
    ),
    Fault(
        name="a service that selects nothing",
        cause="no-endpoints",
        make=nothing_behind,
        says=ONE_CONSUMER,
        shows={"traffic.backends-healthy": OPEN},
    ),
    Fault(
        name="a service whose only pod is never ready",
        cause="endpoints-unready",
        make=never_ready,
        says=ONE_CONSUMER,
        shows={"traffic.backends-healthy": OPEN},
    ),
    Fault(
        name="a target port that nobody listens on",
        cause="backend-refuses",
        make=closed_port,
        says=ONE_CONSUMER,
        shows={"traffic.backends-healthy": OPEN, "trigger.unreachable-address": OPEN},
    ),
    Fault(
        name="a service that lets in other clients only",
        cause="source-not-allowed",
        make=other_sources,
        says=ONE_SERVICE,
        shows={"trigger.unreachable-address": OPEN},
    ),
    Fault(
        name="another load balancer that writes a service's address",
        cause="rival-controller",
        make=rival,
        says=ONE_SERVICE,
        shows={"health.services-addressed": OPEN},
    ),
)
