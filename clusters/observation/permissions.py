"""The permissions that an observation reads with, taken from the table of what it lists.

Two things it also tries and does without: the names of secrets in MetalLB's namespace (a role that lists secrets
may read them, too), and the dry run of a pool (a role cannot allow only that).
"""

from __future__ import annotations

from clusters.changes import lease_holder
from clusters.checks.spec import Access, Place, may
from clusters.metallb import install
from clusters.observation.cluster_part import Listing, listings, listings_before_an_upgrade

_BY_NAME = "metadata.name="


def _listed(wanted: Listing) -> Access:
    if not wanted.resource.namespaced or wanted.of_all_namespaces:
        place = Place.EVERYWHERE
    else:
        place = Place(wanted.namespace) if wanted.namespace else Place.METALLB
    named = wanted.fields.removeprefix(_BY_NAME) if wanted.fields.startswith(_BY_NAME) else ""
    names = (named,) if named else ()
    return Access(resource=wanted.resource.qualified, verb="list", place=place, names=names)


#: What every run reads before its first check: which cluster it is, whether it has a
#: MetalLB, and whether another run holds it.
PREFLIGHT: tuple[Access, ...] = (
    *may("get", "namespaces", place=Place.KUBE_SYSTEM, names=("kube-system",)),
    *may("list", "deployments.apps", place=Place.METALLB),
    *may("get", "leases.coordination.k8s.io", place=Place.METALLB, names=(lease_holder.NAME,)),
    *may("list", "nodes"),
)

#: What an observation reads. Without one of these the part is recorded as not permitted.
OBSERVATION: tuple[Access, ...] = tuple(
    dict.fromkeys(
        (
            *PREFLIGHT,
            *(_listed(each) for each in listings()),
            *may(
                "list",
                "services",
                "endpointslices.discovery.k8s.io",
                "networkpolicies.networking.k8s.io",
            ),
            *may("get list", "customresourcedefinitions.apiextensions.k8s.io"),
            *may("list", "ciliumloadbalancerippools.cilium.io"),
            *may("list", "pods.metrics.k8s.io", place=Place.METALLB),
            *may("get", "pods/log", "pods/proxy", place=Place.METALLB),
        )
    )
)

#: What it uses besides where the profile says `metrics: token-request`. The token that this account is asked for is
#: no login of the run's. From Kubernetes 1.35 a port-forward wants `create` as well as `get`, in its role at least.
METRICS: tuple[Access, ...] = (
    *may("create", "serviceaccounts/token", place=Place.METALLB, names=(install.METRICS_ACCOUNT,)),
    *may("get create", "pods/portforward", place=Place.METALLB),
)

#: What it reads besides where an upgrade is asked about.
BEFORE_AN_UPGRADE: tuple[Access, ...] = tuple(map(_listed, listings_before_an_upgrade()))
