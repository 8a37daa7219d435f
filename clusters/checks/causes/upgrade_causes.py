"""Causes that keep an upgrade of MetalLB from starting. Each finding says its own remedy besides."""

from __future__ import annotations

from clusters.checks.causes.cause import Cause, Layer
from clusters.checks.outcome import Scope

_WORKLOADS = "kubectl -n {metallb_namespace} get deploy,ds -o wide"
_RESOURCES = "kubectl -n {metallb_namespace} get ipaddresspools,l2advertisements,bgppeers -o yaml"


def _cause(
    id: str,  # noqa: A002 - its name
    title: str,
    *,
    meaning: str,
    remedy: str,
    commands: tuple[str, ...],
    proven_by: str,
    excluded_by: str,
) -> Cause:
    return Cause(
        id=id,
        title=title,
        meaning=meaning,
        remedy=remedy,
        commands=commands,
        scope=Scope.CLUSTER,
        link=None,
        layer=Layer.UPGRADE,
        proven_by=proven_by,
        excluded_by=excluded_by,
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by="upgrade.readiness",
    )


CAUSES = (
    _cause(
        "target-unsafe",
        "The target version is one to pass over",
        meaning="The release that the upgrade goes to has a fault that meets this cluster.",
        remedy="Upgrade to a later release instead.",
        commands=("kubectl version", _WORKLOADS),
        proven_by="The table of releases names the target, and this cluster has what the fault meets.",
        excluded_by="The target is no such release.",
    ),
    _cause(
        "kubernetes-unsupported",
        "The target does not work with this Kubernetes",
        meaning="MetalLB's target version does not work with the version of the API server.",
        remedy="Choose another target, or upgrade Kubernetes first.",
        commands=("kubectl version", _WORKLOADS),
        proven_by="The table of releases says that the target does not go with the API server's version.",
        excluded_by="The two go together.",
    ),
    _cause(
        "legacy-configuration",
        "Something is configured in a way that the target does not read",
        meaning="The target version does not read a resource or a file that the cluster relies on.",
        remedy="Write the same in the way that the target reads.",
        commands=("kubectl -n {metallb_namespace} get configmaps", _RESOURCES),
        proven_by="The resource or ConfigMap that the target no longer reads is in the cluster.",
        excluded_by="It is not there.",
    ),
    _cause(
        "address-outside-pools",
        "A service holds an address that no pool has",
        meaning="The controller takes an address away when it starts and finds it in no pool.",
        remedy="Put the address into a pool first.",
        commands=(
            "kubectl get svc -A | grep LoadBalancer",
            "kubectl -n {metallb_namespace} get ipaddresspools -o yaml",
        ),
        proven_by="A service holds an address that no pool holds.",
        excluded_by="Every address that is held lies in a pool.",
    ),
    _cause(
        "webhook-left-over",
        "An old webhook configuration is still there",
        meaning="It asks a service that is gone, and so refuses every change to MetalLB's resources.",
        remedy="Delete the configuration that the running version did not bring.",
        commands=("kubectl get validatingwebhookconfigurations",),
        proven_by="A webhook configuration for MetalLB's resources names a service that is gone.",
        excluded_by="Its service is there.",
    ),
    _cause(
        "role-outdated",
        "MetalLB's roles do not allow what the target asks for",
        meaning="The target's controller and speakers use resources that their roles do not name.",
        remedy="Apply the target's roles before its images.",
        commands=("kubectl get clusterroles | grep metallb",),
        proven_by="The live role lacks a rule that the target's manifest has.",
        excluded_by="It has them all.",
    ),
    _cause(
        "object-not-accepted",
        "The target's definitions do not take an object",
        meaning="An object of the cluster is not valid by the definitions that the target brings.",
        remedy="Correct the object first.",
        commands=(_RESOURCES,),
        proven_by="An object breaks the schema that the target brings.",
        excluded_by="All objects fit it.",
    ),
    _cause(
        "port-taken",
        "A port that the target needs is taken",
        meaning="Another pod has a port of a node that the target's speaker listens on.",
        remedy="Move the other pod to another port, or start MetalLB with other ports.",
        commands=("kubectl get pods -A -o wide",),
        proven_by="Another pod with hostNetwork or a hostPort declares a port that the target's speaker listens on.",
        excluded_by="No pod on the speakers' nodes declares it.",
    ),
    _cause(
        "values-outdated",
        "A Helm value does not do what it did",
        meaning="The target's chart reads a value in another way, or not at all.",
        remedy="Correct the values first.",
        commands=("helm get values metallb -n {metallb_namespace}",),
        proven_by="The given values hold a key that the target's chart reads in another way.",
        excluded_by="No such key is in the values.",
    ),
    _cause(
        "no-spare-announcer",
        "No second node can announce an address",
        meaning="Of the nodes that should be able to announce an address only one can at present.",
        remedy="Bring another node's speaker back first.",
        commands=("kubectl -n {metallb_namespace} get pods -o wide",),
        proven_by="By the election of the running version a single node may announce an address.",
        excluded_by="Two nodes may.",
    ),
    _cause(
        "no-way-back",
        "There is no way back",
        meaning="What runs now cannot be applied again if the upgrade fails.",
        remedy="Keep the manifests that run now and a copy of all of MetalLB's resources.",
        commands=(_RESOURCES,),
        proven_by="What runs now does not render, or its manifest is not at hand.",
        excluded_by="It renders, and its manifest is at hand.",
    ),
)
