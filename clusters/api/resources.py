"""Which kinds of objects there are and where the API server keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from clusters.errors import UsageError
from clusters.objects import Object


@dataclass(frozen=True)
class Resource:
    """One kind of object: `plural` is its name in URLs, `kind` in manifests; `group` is "" for the core."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """What stands in an object's `apiVersion`: "v1", "metallb.io/v1beta1"."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name that kubectl and permissions use: "services", "ipaddresspools.metallb.io"."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """The URL's path of the collection, of one object, or of one object's subresource."""
        parts = [f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        parts += [quote(part, safe="") for part in (name, subresource) if part]
        return "/".join(parts)

    def describe(self, name: str, namespace: str | None = None) -> str:
        """How a sentence calls one object of this kind: "service traefik/traefik", "node w1"."""
        where = f"{namespace}/" if self.namespaced and namespace else ""
        return (
            f"{self.kind[:1].lower()}{self.kind[1:]} {where}{name}"
            if self.group in _PLAIN
            else (f"{self.kind} {where}{name}")
        )


#: Groups whose kinds are written like common nouns in sentences.
_PLAIN = {"", "apps", "batch"}
_METALLB, _V1BETA1 = "metallb.io", "v1beta1"
_RBAC, _ADMISSION = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"

NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
PODS = Resource("", "v1", "pods", "Pod")
SERVICES = Resource("", "v1", "services", "Service")
EVENTS = Resource("", "v1", "events", "Event")
SECRETS = Resource("", "v1", "secrets", "Secret")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
DAEMON_SETS = Resource("apps", "v1", "daemonsets", "DaemonSet")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
ROLES = Resource(_RBAC, "v1", "roles", "Role")
ROLE_BINDINGS = Resource(_RBAC, "v1", "rolebindings", "RoleBinding")
CLUSTER_ROLES = Resource(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = Resource(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
CUSTOM_RESOURCE_DEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
VALIDATING_WEBHOOKS = Resource(
    _ADMISSION, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", namespaced=False
)
POD_METRICS = Resource("metrics.k8s.io", _V1BETA1, "pods", "PodMetrics")

IP_ADDRESS_POOLS = Resource(_METALLB, _V1BETA1, "ipaddresspools", "IPAddressPool")
L2_ADVERTISEMENTS = Resource(_METALLB, _V1BETA1, "l2advertisements", "L2Advertisement")
BGP_ADVERTISEMENTS = Resource(_METALLB, _V1BETA1, "bgpadvertisements", "BGPAdvertisement")
BGP_PEERS = Resource(_METALLB, "v1beta2", "bgppeers", "BGPPeer")
BFD_PROFILES = Resource(_METALLB, _V1BETA1, "bfdprofiles", "BFDProfile")
COMMUNITIES = Resource(_METALLB, _V1BETA1, "communities", "Community")
SERVICE_L2_STATUSES = Resource(_METALLB, _V1BETA1, "servicel2statuses", "ServiceL2Status")
SERVICE_BGP_STATUSES = Resource(_METALLB, _V1BETA1, "servicebgpstatuses", "ServiceBGPStatus")
#: Of frr-k8s, which MetalLB's BGP runs in from 0.16 on where it is switched on.
BGP_SESSION_STATES = Resource("frrk8s.metallb.io", _V1BETA1, "bgpsessionstates", "BGPSessionState")
#: Of MetalLB before 0.14.2.
ADDRESS_POOLS = Resource(_METALLB, _V1BETA1, "addresspools", "AddressPool")
CONFIGURATION_STATES = Resource(_METALLB, _V1BETA1, "configurationstates", "ConfigurationState")

KNOWN: tuple[Resource, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Resource)
)
_BY_KIND = {(resource.api_version, resource.kind): resource for resource in KNOWN}


def for_kind(api_version: str, kind: str) -> Resource | None:
    """The resource for objects of this `apiVersion` and `kind`, or None where it is not listed here."""
    return _BY_KIND.get((api_version, kind))


def for_object(obj: Object) -> Resource:
    """The resource that `obj` belongs to.

    Raises UsageError for a kind that is not listed here; `Api.resource_for` asks the cluster about those.
    """
    api_version, kind = str(obj.get("apiVersion", "")), str(obj.get("kind", ""))
    found = for_kind(api_version, kind)
    if found is None:
        raise UsageError(
            f"There is no known resource for an object of kind {kind!r} in apiVersion {api_version!r}."
        )
    return found
