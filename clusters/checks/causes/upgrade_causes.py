"""Causes that keep an upgrade of MetalLB from starting. Each finding says its own remedy besides."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks.causes.cause import Cause, Layer
from clusters.checks.outcome import Scope

_WORKLOADS = "kubectl -n {metallb_namespace} get deploy,ds -o wide"
_RESOURCES = "kubectl -n {metallb_namespace} get ipaddresspools,l2advertisements,bgppeers -o yaml"


def _cause(
    id: CauseId,  # noqa: A002 - its name
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
        reported_by=CheckId.UPGRADE_READINESS,
        rests_on=(),
        last_resort=False,
    )


CAUSES = (
    _cause(
        CauseId.TARGET_UNSAFE,
        "The target version should not be installed",
        meaning="The target release has a known bug that affects this cluster.",
        remedy="Upgrade to a later release instead.",
        commands=("kubectl version", _WORKLOADS),
        proven_by="The table of releases names the target, and this cluster has what the fault meets.",
        excluded_by="The target is no such release.",
    ),
    _cause(
        CauseId.KUBERNETES_UNSUPPORTED,
        "The target does not work with this Kubernetes",
        meaning="MetalLB's target version does not work with the version of the API server.",
        remedy="Choose another target, or upgrade Kubernetes first.",
        commands=("kubectl version", _WORKLOADS),
        proven_by="The table of releases says that the target does not go with the API server's version.",
        excluded_by="The two go together.",
    ),
    _cause(
        CauseId.LEGACY_CONFIGURATION,
        "The target does not read some of the configuration",
        meaning="The target version does not read a resource or a file that the cluster relies on.",
        remedy="Migrate it to the form that the target reads.",
        commands=("kubectl -n {metallb_namespace} get configmaps", _RESOURCES),
        proven_by="The resource or ConfigMap that the target no longer reads is in the cluster.",
        excluded_by="It is not there.",
    ),
    _cause(
        CauseId.ADDRESS_OUTSIDE_POOLS,
        "A service has an address that is in no pool",
        meaning="When the controller starts, it takes away every address that is in no pool.",
        remedy="Add the address to a pool first.",
        commands=(
            "kubectl get svc -A | grep LoadBalancer",
            "kubectl -n {metallb_namespace} get ipaddresspools -o yaml",
        ),
        proven_by="A service holds an address that no pool holds.",
        excluded_by="Every address that is held lies in a pool.",
    ),
    _cause(
        CauseId.WEBHOOK_LEFT_OVER,
        "An old webhook configuration is still installed",
        meaning="It calls a service that no longer exists, so every change to MetalLB's resources is rejected.",
        remedy="Delete the webhook configuration that does not belong to the running version.",
        commands=("kubectl get validatingwebhookconfigurations",),
        proven_by="A webhook configuration for MetalLB's resources names a service that is gone.",
        excluded_by="Its service is there.",
    ),
    _cause(
        CauseId.ROLE_OUTDATED,
        "MetalLB's roles do not allow what the target needs",
        meaning="The target's controller and speakers use resources that their roles do not name.",
        remedy="Apply the target's roles before its images.",
        commands=("kubectl get clusterroles | grep metallb",),
        proven_by="The live role lacks a rule that the target's manifest has.",
        excluded_by="It has them all.",
    ),
    _cause(
        CauseId.OBJECT_NOT_ACCEPTED,
        "An object is not valid by the target's definitions",
        meaning="An object of the cluster breaks the schema of the definitions that the target installs.",
        remedy="Correct the object first.",
        commands=(_RESOURCES,),
        proven_by="An object breaks the schema that the target brings.",
        excluded_by="All objects fit it.",
    ),
    _cause(
        CauseId.PORT_TAKEN,
        "A port that the target needs is taken",
        meaning="Another pod has a port of a node that the target's speaker listens on.",
        remedy="Move the other pod to another port, or start MetalLB with other ports.",
        commands=("kubectl get pods -A -o wide",),
        proven_by="Another pod with hostNetwork or a hostPort declares a port that the target's speaker listens on.",
        excluded_by="No pod on the speakers' nodes declares it.",
    ),
    _cause(
        CauseId.VALUES_OUTDATED,
        "A Helm value no longer has the same effect",
        meaning="The target's chart reads the value differently, or not at all.",
        remedy="Correct the values first.",
        commands=("helm get values metallb -n {metallb_namespace}",),
        proven_by="The given values hold a key that the target's chart reads in another way.",
        excluded_by="No such key is in the values.",
    ),
    _cause(
        CauseId.NO_SPARE_ANNOUNCER,
        "No second node can announce an address",
        meaning="Of the nodes that should be able to announce an address only one can at present.",
        remedy="Bring another node's speaker back first.",
        commands=("kubectl -n {metallb_namespace} get pods -o wide",),
        proven_by="By the election of the running version a single node may announce an address.",
        excluded_by="Two nodes may.",
    ),
    _cause(
        CauseId.NO_WAY_BACK,
        "The running version could not be restored",
        meaning="What runs now cannot be applied again if the upgrade fails.",
        remedy="Keep the manifests that run now and a copy of all of MetalLB's resources.",
        commands=(_RESOURCES,),
        proven_by="What runs now does not render, or its manifest is not at hand.",
        excluded_by="It renders, and its manifest is at hand.",
    ),
)
