"""Causes that keep a service from getting its address: pools, requests, sharing."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks.causes.cause import Cause, Effect, Layer
from clusters.checks.outcome import Scope
from clusters.checks.path_links import Link
from clusters.checks.spec import NAMESPACES, POOLS

_POOL = "kubectl -n {metallb_namespace} get ipaddresspool {pool} -o yaml"
_EDIT_POOL = "kubectl -n {metallb_namespace} edit ipaddresspool {pool}"
_POOLS = "kubectl -n {metallb_namespace} get ipaddresspools"
_SERVICE = "kubectl -n {namespace} describe svc {service}"
_EDIT_SERVICE = "kubectl -n {namespace} edit svc {service}"
_HOLDERS = "kubectl get svc -A -o wide | grep LoadBalancer"

CAUSES = (
    Cause(
        id=CauseId.POOL_EXHAUSTED,
        title="The pool is full",
        meaning="Every address of the pools that may serve the service is taken, so it waits.",
        remedy="Delete a LoadBalancer service that is no longer needed, or add a range to the pool.",
        commands=(_POOL, _HOLDERS, _EDIT_POOL),
        scope=Scope.POOL,
        link=Link.FREE,
        layer=Layer.CONFIGURATION,
        proven_by=(
            "By MetalLB's own rules no address that the service may have is free in any pool that may serve "
            "it."
        ),
        excluded_by="A pool that may serve it has a free address of its family.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.PENDING_FREE_ADDRESS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.POOL_MISSING,
        title="The pool does not exist",
        meaning="No IPAddressPool exists in MetalLB's namespace, or not the one that the service names.",
        remedy="Reapply the overlay that owns the pool, or correct the pool's name on the service.",
        commands=(_POOLS, _SERVICE, "kubectl apply -k {overlay}"),
        scope=Scope.CLUSTER,
        link=Link.POOL,
        layer=Layer.CONFIGURATION,
        proven_by="The pools were read, and there is none, or none of the name that the service asks for.",
        excluded_by="The pool is there, or the pools could not be read.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=True,
        reported_by=CheckId.HEALTH_CONFIG_PRESENT,
        rests_on=(POOLS,),
        last_resort=False,
    ),
    Cause(
        id=CauseId.POOL_OVERLAP,
        title="Two ranges share addresses",
        meaning=(
            "An address lies in two ranges; MetalLB rejects the configuration and keeps using the previous one."
        ),
        remedy="Narrow one of the two ranges so that every address lies in one range only.",
        commands=(
            "kubectl -n {metallb_namespace} get ipaddresspools -o "
            "custom-columns=NAME:.metadata.name,RANGES:.spec.addresses",
            _EDIT_POOL,
        ),
        scope=Scope.CLUSTER,
        link=Link.CONFIGURATION,
        layer=Layer.CONFIGURATION,
        proven_by="Two ranges of the pools that were read have an address in common.",
        excluded_by="No two ranges meet.",
        effects=frozenset(
            {Effect.REFUSES_CONFIGURATION, Effect.SILENCES, Effect.CHANGES_ADDRESS, Effect.KEEPS_ADDRESS}
        ),
        rank=71,
        narrowed_by_subject=False,
        reported_by=CheckId.OVERLAY_RANGES_VALID,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.POOL_RANGE_INVALID,
        title="A range is malformed or contains addresses that no host may have",
        meaning=(
            "MetalLB cannot read the range, or it contains the network or broadcast address of a network."
        ),
        remedy=(
            "Correct the entry of spec.addresses: a prefix (10.0.0.0/28) or first-last, inside the usable "
            "hosts."
        ),
        commands=(_POOL, _EDIT_POOL),
        scope=Scope.CLUSTER,
        link=Link.CONFIGURATION,
        layer=Layer.CONFIGURATION,
        proven_by="MetalLB's own rules for ranges refuse what a pool says.",
        excluded_by="Every range of every pool can be read by those rules.",
        effects=frozenset({Effect.REFUSES_CONFIGURATION, Effect.SILENCES, Effect.KEEPS_ADDRESS}),
        rank=72,
        narrowed_by_subject=False,
        reported_by=CheckId.OVERLAY_RANGES_VALID,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.POOL_HOLDS_NODE_ADDRESS,
        title="The pool contains a node's own address",
        meaning="If a service gets this address, two hosts answer ARP for it, and the node is cut off.",
        remedy="Take the node's address out of the pool before a service gets it.",
        commands=("kubectl get nodes -o wide", _HOLDERS, _EDIT_POOL),
        scope=Scope.CLUSTER,
        link=Link.CONFIGURATION,
        layer=Layer.CONFIGURATION,
        proven_by="A node's own address lies in a range of a pool.",
        excluded_by="No address of a node lies in a pool.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.OVERLAY_RANGES_VALID,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.POOL_HOLDS_GATEWAY_ADDRESS,
        title="The pool contains the gateway's address",
        meaning="If a service gets this address, a node answers ARP for it, and the network loses its gateway.",
        remedy="Take the gateway's address out of the pool before a service gets it.",
        commands=("ip route show default", _HOLDERS, _EDIT_POOL),
        scope=Scope.CLUSTER,
        link=Link.CONFIGURATION,
        layer=Layer.CONFIGURATION,
        proven_by=(
            "A gateway that the vantage, the profile or the service page names lies in a range of a pool."
        ),
        excluded_by="No known gateway lies in a pool.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.OVERLAY_RANGES_VALID,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.POOL_AUTOASSIGN_OFF,
        title="The pool gives addresses only on request",
        meaning="The pools with free addresses have autoAssign off, and the service asks for none of them.",
        remedy="Name the pool on the service, or switch autoAssign on for the pool.",
        commands=(
            _POOL,
            "kubectl -n {namespace} annotate svc {service} metallb.io/address-pool={pool}",
            _EDIT_POOL,
        ),
        scope=Scope.SERVICE,
        link=Link.POOL,
        layer=Layer.CONFIGURATION,
        proven_by="Every pool with a free address has autoAssign off, and the service names none of them.",
        excluded_by="A pool that assigns by itself may serve the service.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.PENDING_FREE_ADDRESS,
        rests_on=(POOLS,),
        last_resort=False,
    ),
    Cause(
        id=CauseId.POOL_RESTRICTED,
        title="The pool is reserved for other services",
        meaning="The pool's serviceAllocation selects namespaces or labels that the service does not have.",
        remedy="Label the service or its namespace as the pool requires, or widen the pool's serviceAllocation.",
        commands=(
            _POOL,
            "kubectl get namespace {namespace} --show-labels",
            "kubectl -n {namespace} get svc {service} --show-labels",
            _EDIT_POOL,
        ),
        scope=Scope.SERVICE,
        link=Link.POOL,
        layer=Layer.CONFIGURATION,
        proven_by="In every pool with a free address, serviceAllocation leaves the service out.",
        excluded_by="A pool that may serve the service has a free address.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.PENDING_FREE_ADDRESS,
        rests_on=(POOLS, NAMESPACES),
        last_resort=False,
    ),
    Cause(
        id=CauseId.REQUESTED_OUTSIDE_POOLS,
        title="The requested address is in no pool",
        meaning="The service requests, or has, an address that is in no IPAddressPool.",
        remedy="Correct the service's requested address, or put the address back into its pool.",
        commands=(_SERVICE, _POOLS, _EDIT_SERVICE),
        scope=Scope.SERVICE,
        link=Link.REQUEST,
        layer=Layer.CONFIGURATION,
        proven_by="The requested address, or the one held, lies in no range of the pools that were read.",
        excluded_by="A pool holds the address.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.PENDING_REQUESTED_ADDRESS,
        rests_on=(POOLS,),
        last_resort=False,
    ),
    Cause(
        id=CauseId.REQUESTED_TAKEN,
        title="The requested address is already in use",
        meaning="Another service holds the requested address, and the two do not share it.",
        remedy=(
            "Request another address, free this one, or let the two services share it: one sharing key and "
            "different ports."
        ),
        commands=("kubectl get svc -A -o wide | grep -F {address}", _EDIT_SERVICE),
        scope=Scope.SERVICE,
        link=Link.FREE,
        layer=Layer.CONFIGURATION,
        proven_by="Another service's status holds the requested address, and the two do not share it.",
        excluded_by="Nobody else holds it, or both may share it.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.PENDING_REQUESTED_ADDRESS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.REQUESTED_TWICE,
        title="The address is requested in two places",
        meaning=(
            "Both spec.loadBalancerIP and the annotation metallb.io/loadBalancerIPs are set; MetalLB accepts only one."
        ),
        remedy="Keep the annotation and remove spec.loadBalancerIP, which Kubernetes has deprecated.",
        commands=(
            _SERVICE,
            "kubectl -n {namespace} patch svc {service} --type=json "
            """-p='[{{"op":"remove","path":"/spec/loadBalancerIP"}}]'""",
        ),
        scope=Scope.SERVICE,
        link=Link.REQUEST,
        layer=Layer.CONFIGURATION,
        proven_by="Field and annotation are both set on the service.",
        excluded_by="Only one of them is set.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.PENDING_ANNOTATIONS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.REQUESTED_WRONG_POOL,
        title="The requested address is not in the requested pool",
        meaning="The service names a pool by annotation and an address that belongs to another pool.",
        remedy="Remove the pool annotation, or ask for an address of that pool.",
        commands=(_SERVICE, _POOLS, "kubectl -n {namespace} annotate svc {service} metallb.io/address-pool-"),
        scope=Scope.SERVICE,
        link=Link.REQUEST,
        layer=Layer.CONFIGURATION,
        proven_by="The pool that the annotation names does not hold the address that the service asks for.",
        excluded_by="The named pool holds it.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.PENDING_ANNOTATIONS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.FAMILY_UNAVAILABLE,
        title="No pool has addresses of the service's family",
        meaning=(
            "The service's cluster IPs are of an address family that the pools or its request do not have."
        ),
        remedy=(
            "Add a range of that family to a pool, or set the service's ipFamilies and ipFamilyPolicy to "
            "match."
        ),
        commands=(
            "kubectl -n {namespace} get svc {service} -o jsonpath='{{.spec.ipFamilyPolicy}} "
            "{{.spec.clusterIPs}}'",
            _POOLS,
            _EDIT_SERVICE,
        ),
        scope=Scope.SERVICE,
        link=Link.REQUEST,
        layer=Layer.CONFIGURATION,
        proven_by="No pool that may serve the service has addresses of the families of its cluster IPs.",
        excluded_by="A pool that may serve it has them.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.PENDING_ANNOTATIONS,
        rests_on=(POOLS,),
        last_resort=False,
    ),
    Cause(
        id=CauseId.SHARING_REFUSED,
        title="The services may not share the address",
        meaning=(
            "Services that share an address need the same sharing key, different ports and, with the policy Local, "
            "the same selector. These two do not have that."
        ),
        remedy=(
            "Give both services the same metallb.io/allow-shared-ip value, different ports and the same "
            "policy."
        ),
        commands=("kubectl get svc -A -o wide | grep -F {address}", _SERVICE, _EDIT_SERVICE),
        scope=Scope.SERVICE,
        link=Link.FREE,
        layer=Layer.CONFIGURATION,
        proven_by=(
            "By MetalLB's rules for sharing, the keys, ports, policies or selectors of the two services do "
            "not go together."
        ),
        excluded_by="The rules let both hold the address.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.PENDING_ANNOTATIONS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.CLASS_MISMATCH,
        title="The service is of another load-balancer class",
        meaning=(
            "Controller and speakers serve only services whose loadBalancerClass equals their own --lb-class, and "
            "ignore others."
        ),
        remedy=(
            "Recreate the service with the right spec.loadBalancerClass; it cannot be changed afterwards."
        ),
        commands=(
            "kubectl -n {namespace} get svc {service} -o jsonpath='{{.spec.loadBalancerClass}}'",
            "kubectl -n {metallb_namespace} get {controller} {speaker} -o "
            "jsonpath='{{.items[*].spec.template.spec.containers[0].args}}'",
        ),
        scope=Scope.CLUSTER,
        link=Link.CLASS,
        layer=Layer.CONFIGURATION,
        proven_by=(
            "The class of the service and the controller's --lb-class were read and differ, and the service "
            "holds no address; or the --lb-class of the controller and that of the speakers were read and differ."
        ),
        excluded_by="The three are equal.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=True,
        reported_by=CheckId.PENDING_ANNOTATIONS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.POOL_NOT_INTENDED,
        title="A pool is not the one that is meant",
        meaning="A pool that the profile names is missing, or holds other addresses than the profile says.",
        remedy="Correct the pool where it is configured from, or the profile's pools where the intention has changed.",
        commands=("kubectl -n {metallb_namespace} get ipaddresspools {pool} -o yaml",),
        scope=Scope.POOL,
        link=Link.INTENDED,
        layer=Layer.CONFIGURATION,
        proven_by="The profile names the pool with its addresses, and the live IPAddressPool has others or is missing.",
        excluded_by="Both hold the same addresses, however their ranges are written.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_CONFIG_PRESENT,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.DEPRECATED_ANNOTATION,
        title="The service uses a deprecated annotation",
        meaning="Annotations with the prefix metallb.universe.tf are deprecated since MetalLB 0.14.9.",
        remedy="Write the same annotation with the prefix metallb.io and remove the old one.",
        commands=(
            "kubectl -n {namespace} get svc {service} -o yaml | grep metallb.universe.tf",
            _EDIT_SERVICE,
        ),
        scope=Scope.SERVICE,
        link=Link.REQUEST,
        layer=Layer.CONFIGURATION,
        proven_by="The service carries an annotation with the deprecated prefix.",
        excluded_by="It carries none.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.PENDING_ANNOTATIONS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.ANNOTATION_UNKNOWN,
        title="The service has an annotation that MetalLB does not read",
        meaning="MetalLB ignores annotations that it does not know, without an event or a line in its log.",
        remedy="Correct the annotation to one that this version of MetalLB reads, on the service itself.",
        commands=(_SERVICE, _EDIT_SERVICE),
        scope=Scope.SERVICE,
        link=Link.REQUEST,
        layer=Layer.CONFIGURATION,
        proven_by="The service carries a name under MetalLB's prefix that the running version does not read.",
        excluded_by="Every such name on it is one that this version reads.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.PENDING_ANNOTATIONS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.ADDRESS_NOT_INTENDED,
        title="The address is not the intended one",
        meaning="The service or pool has another address than the profile or the service page says.",
        remedy=(
            "Put the intended address back into its pool and ask for it, or record the new one as intended."
        ),
        commands=(_SERVICE, _POOL, _EDIT_SERVICE),
        scope=Scope.SERVICE,
        link=Link.INTENDED,
        layer=Layer.CONFIGURATION,
        proven_by=(
            "The address that the profile or the page names, and the one that the service holds, differ."
        ),
        excluded_by="The service holds the intended address.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRIGGER_EDGE_ADDRESS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.EXTERNAL_ADDRESS_IN_POOL,
        title="A service takes an address of a pool for itself",
        meaning=(
            "An address in spec.externalIPs lies in an IPAddressPool: MetalLB announces only what it gives out itself, "
            "and may give that address to another service, whose traffic kube-proxy then sends to this one."
        ),
        remedy=(
            "Ask for the address by the annotation metallb.io/loadBalancerIPs on a service of type LoadBalancer, or "
            "take it out of the pool's ranges."
        ),
        commands=(
            "kubectl -n {namespace} get svc {service} -o jsonpath='{{.spec.externalIPs}}'",
            "kubectl -n {metallb_namespace} get ipaddresspool {pool} -o yaml",
            "kubectl -n {namespace} edit svc {service}",
        ),
        scope=Scope.SERVICE,
        link=Link.REQUEST,
        layer=Layer.CONFIGURATION,
        proven_by="An address of spec.externalIPs lies in a pool that was read, and not in the service's status.",
        excluded_by="It lies in no pool, or MetalLB gave it to this very service.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.PENDING_ANNOTATIONS,
        rests_on=("services",),
        last_resort=False,
    ),
    Cause(
        id=CauseId.POOL_IN_OTHER_NAMESPACE,
        title="Pools or advertisements stand in a namespace that MetalLB does not read",
        meaning="A MetalLB reads only the objects of its own namespace; one elsewhere is accepted and does nothing.",
        remedy="Make the object again in MetalLB's namespace, and delete the one elsewhere.",
        commands=(
            "kubectl get ipaddresspools,l2advertisements -A",
            "kubectl get pods -A -l app.kubernetes.io/name=metallb",
        ),
        scope=Scope.POOL,
        link=Link.CONFIGURATION,
        layer=Layer.CONFIGURATION,
        proven_by="The object is in another namespace than the observed MetalLB, and no other MetalLB runs there.",
        excluded_by="Another MetalLB runs in that namespace, or the pods there could not be read.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_CONFIG_PRESENT,
        rests_on=("metallb_pods_elsewhere",),
        last_resort=False,
    ),
    Cause(
        id=CauseId.CONFIGURATION_LEAVING,
        title="A pool or an advertisement is being deleted, and a finalizer still keeps it",
        meaning=(
            "Somebody deleted it, and it is gone as soon as its last finalizer is: services then lose the addresses of "
            "the pool, or nobody announces them any more. MetalLB itself puts no finalizer on it, so that somebody "
            "else decides when."
        ),
        remedy=(
            "A deletion cannot be taken back. Keep the object's manifest at hand, have the finalizer's owner finish, "
            "and apply the manifest at once if the object is still needed; else give its services other addresses "
            "first."
        ),
        commands=(
            "kubectl -n {metallb_namespace} get ipaddresspools,l2advertisements -o "
            "custom-columns=KIND:.kind,NAME:.metadata.name,DELETED:.metadata.deletionTimestamp,"
            "KEPT:.metadata.finalizers",
            _HOLDERS,
        ),
        scope=Scope.POOL,
        link=Link.CONFIGURATION,
        layer=Layer.CONFIGURATION,
        proven_by="The object has a deletionTimestamp that is more than ten seconds old, and finalizers.",
        excluded_by="It has no deletionTimestamp, or it was deleted only just now, which takes a moment.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_CONFIG_PRESENT,
        rests_on=(),
        last_resort=False,
    ),
)
