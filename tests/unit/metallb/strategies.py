"""Generated pools, services, advertisements and nodes, as raw objects that a real API server also accepts.

Used by the unit tests, where the model is asked, and by the lab tests, where the real MetalLB is asked the
same. Every pool lives in a block of addresses of its own, so that generated pools never overlap; ranges are
small, so that they run full; and names, labels and ports come from small sets, so that they meet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

Raw = dict[str, Any]

METALLB_NAMESPACE = "metallb-system"
NAMESPACES: dict[str, dict[str, str]] = {
    "red": {"kubernetes.io/metadata.name": "red", "colour": "red"},
    "green": {"kubernetes.io/metadata.name": "green", "colour": "green"},
    "blue": {"kubernetes.io/metadata.name": "blue", "colour": "blue"},
}
TEAMS = ("edge", "shop")
SHARING_KEYS = ("one", "two")
PORTS = (80, 443, 53)
SELECTORS: tuple[dict[str, str], ...] = ({"app": "echo"}, {"app": "other"})
MISSING_POOL = "nowhere"
FOREIGN_ADDRESS = "192.0.2.9"


@dataclass(frozen=True)
class Scenario:
    """Pools, and services to be created one after the other in this order."""

    pools: list[Raw]
    services: list[Raw]
    namespaces: dict[str, dict[str, str]] = field(default_factory=lambda: NAMESPACES)


def label_selectors(key: str, values: tuple[str, ...]) -> SearchStrategy[Raw]:
    """A label selector over one key, in each of the forms that Kubernetes knows."""
    some = st.lists(st.sampled_from(values), min_size=1, max_size=len(values), unique=True)
    return st.one_of(
        st.builds(lambda value: {"matchLabels": {key: value}}, st.sampled_from(values)),
        st.builds(
            lambda chosen: {"matchExpressions": [{"key": key, "operator": "In", "values": chosen}]}, some
        ),
        st.builds(
            lambda chosen: {"matchExpressions": [{"key": key, "operator": "NotIn", "values": chosen}]}, some
        ),
        st.just({"matchExpressions": [{"key": key, "operator": "Exists"}]}),
        st.just({"matchExpressions": [{"key": key, "operator": "DoesNotExist"}]}),
    )


@st.composite
def small_ranges(draw: DrawFn, block: int, *, version: int = 4) -> list[str]:
    """One to three disjoint entries of `spec.addresses` inside the block of this number."""
    entries = []
    for part in range(draw(st.integers(1, 3))):
        # Around a .255/.0 edge, so that avoidBuggyIPs has something to avoid.
        base = f"10.{block}.{part * 2}.252" if version == 4 else f"fd00:{block:x}:{part}::fc"
        start = int(ip_address(base)) + draw(st.integers(0, 3))
        first, last = ip_address(start), ip_address(start + draw(st.integers(0, 4)))
        prefix = 32 if version == 4 else 128
        entries.append(draw(st.sampled_from((f"{first}-{last}", f"{first} - {last}", f"{first}/{prefix}"))))
    return draw(st.permutations(entries))


@st.composite
def service_allocations(draw: DrawFn) -> Raw:
    """A `serviceAllocation`, down to an empty one."""
    raw: Raw = {}
    if draw(st.booleans()):
        raw["priority"] = draw(st.integers(1, 3))
    if draw(st.booleans()):
        names = st.lists(st.sampled_from([*NAMESPACES, "gone"]), min_size=1, max_size=2, unique=True)
        raw["namespaces"] = draw(names)
    if draw(st.integers(0, 3)) == 0:
        raw["namespaceSelectors"] = [draw(label_selectors("colour", ("red", "green", "grey")))]
    if draw(st.integers(0, 2)) == 0:
        raw["serviceSelectors"] = [draw(label_selectors("team", TEAMS))]
    return raw


@st.composite
def pools(draw: DrawFn, number: int, *, versions: tuple[int, ...] = (4,)) -> Raw:
    """An IPAddressPool in the block of this number."""
    chosen = draw(st.sampled_from(versions)) if len(versions) == 1 else draw(st.sampled_from((4, 6, 46)))
    addresses = [
        entry
        for version in (4, 6)
        if str(version) in str(chosen)
        for entry in draw(small_ranges(number, version=version))
    ]
    spec: Raw = {"addresses": draw(st.permutations(addresses))}
    if draw(st.integers(0, 3)) == 0:
        spec["autoAssign"] = draw(st.booleans())
    if draw(st.booleans()):
        spec["avoidBuggyIPs"] = True
    if draw(st.booleans()):
        spec["serviceAllocation"] = draw(service_allocations())
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {
            "name": f"pool{number}",
            "namespace": METALLB_NAMESPACE,
            "labels": {"tier": draw(st.sampled_from(("front", "back")))},
        },
        "spec": spec,
    }


def _ends(pool: Raw) -> list[str]:
    """Addresses worth asking for in a pool: the ends of its ranges."""
    found = []
    for entry in pool["spec"]["addresses"]:
        found += [each.strip() for each in entry.split("/")[0].split("-")]
    return found


@st.composite
def services(draw: DrawFn, number: int, *, among: list[Raw], families: tuple[str, ...] = ("IPv4",)) -> Raw:
    """A LoadBalancer service that may ask for a pool, an address or a share of one, rightly or wrongly."""
    meta: Raw = {"name": f"svc{number}", "namespace": draw(st.sampled_from(sorted(NAMESPACES)))}
    if draw(st.booleans()):
        meta["labels"] = {"team": draw(st.sampled_from(TEAMS))}
    chosen = draw(st.lists(st.sampled_from(PORTS), min_size=1, max_size=2, unique=True))
    spec: Raw = {
        "type": "LoadBalancer",
        "selector": draw(st.sampled_from(SELECTORS)),
        "externalTrafficPolicy": draw(st.sampled_from(("Cluster", "Cluster", "Local"))),
        "ports": [
            {"name": f"p{port}", "port": port, "protocol": draw(st.sampled_from(("TCP", "TCP", "UDP")))}
            for port in chosen
        ],
        **draw(_family(families)),
    }
    if draw(st.integers(0, 9)) == 0:
        spec["loadBalancerClass"] = "example.com/other"
    annotations, wanted = draw(_wishes(among))
    if wanted and draw(st.booleans()):
        spec["loadBalancerIP"] = wanted
    elif wanted:
        annotations[draw(_prefixes()) + "loadBalancerIPs"] = wanted
        if draw(st.integers(0, 5)) == 0:
            spec["loadBalancerIP"] = wanted
    if annotations:
        meta["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


@st.composite
def _wishes(draw: DrawFn, among: list[Raw]) -> tuple[dict[str, str], str]:
    annotations: dict[str, str] = {}
    if draw(st.integers(0, 2)) == 0:
        names = [*(each["metadata"]["name"] for each in among), MISSING_POOL]
        annotations[draw(_prefixes()) + "address-pool"] = draw(st.sampled_from(names))
    if draw(st.booleans()):
        annotations[draw(_prefixes()) + "allow-shared-ip"] = draw(st.sampled_from(SHARING_KEYS))
    wanted = ""
    if draw(st.integers(0, 2)) == 0:
        wanted = draw(st.sampled_from([*(end for each in among for end in _ends(each)), FOREIGN_ADDRESS]))
    return annotations, wanted


def _prefixes() -> SearchStrategy[str]:
    return st.sampled_from(("metallb.io/", "metallb.io/", "metallb.universe.tf/"))


@st.composite
def _family(draw: DrawFn, families: tuple[str, ...]) -> Raw:
    if len(families) == 1:
        return {"ipFamilies": [families[0]], "ipFamilyPolicy": "SingleStack"}
    policy = draw(st.sampled_from(("SingleStack", "PreferDualStack", "RequireDualStack")))
    order = draw(st.permutations(families))
    return {"ipFamilies": order if policy != "SingleStack" else order[:1], "ipFamilyPolicy": policy}


@st.composite
def scenarios(
    draw: DrawFn,
    *,
    max_pools: int = 4,
    max_services: int = 8,
    versions: tuple[int, ...] = (4,),
    first_service: int = 0,
) -> Scenario:
    """Pools, and services to come one after the other. With versions (4, 6) both are also dual-stack."""
    chosen = [
        draw(pools(number, versions=versions)) for number in range(1, 1 + draw(st.integers(1, max_pools)))
    ]
    families = ("IPv4", "IPv6") if 6 in versions else ("IPv4",)
    count = draw(st.integers(1, max_services))
    asked = [draw(services(first_service + each, among=chosen, families=families)) for each in range(count)]
    return Scenario(chosen, asked)


@st.composite
def advertisements(
    draw: DrawFn,
    number: int,
    *,
    nodes: tuple[str, ...],
    service_selectors: bool = False,
    preferences: bool = False,
) -> Raw:
    """An L2Advertisement over pools pool1 to pool4 and these nodes, told apart by their hostname label."""
    spec: Raw = {}
    if draw(st.integers(0, 2)) == 0:
        names = st.sampled_from(("pool1", "pool2", "pool3", "pool4", MISSING_POOL))
        spec["ipAddressPools"] = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    if draw(st.integers(0, 3)) == 0:
        spec["ipAddressPoolSelectors"] = [draw(label_selectors("tier", ("front", "back")))]
    if draw(st.booleans()):
        spec["nodeSelectors"] = [draw(label_selectors("kubernetes.io/hostname", nodes))]
    if service_selectors and draw(st.booleans()):
        spec["serviceSelectors"] = [draw(label_selectors("team", TEAMS))]
    if preferences and draw(st.booleans()):
        spec["preferredNodeSelectors"] = [
            {
                "weight": draw(st.integers(1, 100)),
                "preference": draw(label_selectors("kubernetes.io/hostname", nodes)),
            }
        ]
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "L2Advertisement",
        "metadata": {"name": f"ad{number}", "namespace": METALLB_NAMESPACE},
        "spec": spec,
    }


@st.composite
def nodes(draw: DrawFn, name: str) -> Raw:
    """A node, seldom labelled out of load balancing or without a network."""
    labels = {"kubernetes.io/hostname": name}
    if draw(st.integers(0, 4)) == 0:
        labels["node.kubernetes.io/exclude-from-external-load-balancers"] = draw(
            st.sampled_from(("", "true"))
        )
    unavailable = draw(st.sampled_from(("False", "False", "False", "False", "True", "Unknown")))
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"conditions": [{"type": "NetworkUnavailable", "status": unavailable}]},
    }


@st.composite
def endpoint_slices(draw: DrawFn, names: tuple[str, ...]) -> list[Raw]:
    """EndpointSlices whose endpoints lie on some of these nodes, or on none that is told."""
    conditions = st.sampled_from(
        (
            {"ready": True},
            {"ready": True},
            {},
            {"ready": False},
            {"ready": False, "serving": True, "terminating": True},
            {"ready": False, "serving": False},
        )
    )
    endpoint = st.builds(
        lambda node, condition: (
            {"addresses": ["10.244.0.9"], "conditions": condition} | ({"nodeName": node} if node else {})
        ),
        st.sampled_from((*names, None)),
        conditions,
    )
    return [{"endpoints": draw(st.lists(endpoint, max_size=4))} for _ in range(draw(st.integers(0, 3)))]


@dataclass(frozen=True)
class Stage:
    """What decides who announces: advertisements, nodes left out, and services with addresses and endpoints.

    `slices` has the EndpointSlices of each service by its name, without their metadata.
    """

    advertisements: list[Raw]
    excluded: frozenset[str]
    unavailable: frozenset[str]
    services: list[Raw]
    slices: dict[str, list[Raw]]


def stage_pools(addresses: dict[str, list[str]]) -> list[Raw]:
    """The pools that a stage's advertisements choose from, with these ranges; pool1 is of the front tier."""
    return [
        {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": {
                "name": name,
                "namespace": METALLB_NAMESPACE,
                "labels": {"tier": "front" if name == "pool1" else "back"},
            },
            "spec": {"addresses": ranges, "autoAssign": False},
        }
        for name, ranges in addresses.items()
    ]


@st.composite
def stages(
    draw: DrawFn, names: tuple[str, ...], *, addresses: tuple[str, ...], newest: bool = False
) -> Stage:
    """A stage on these nodes, with one service for each of these addresses.

    `newest` draws what only MetalLB 0.16.2 has: serviceSelectors and preferredNodeSelectors.
    """
    ads = [
        draw(advertisements(each, nodes=names, service_selectors=newest, preferences=newest))
        for each in range(draw(st.integers(1, 3)))
    ]
    asked, slices = [], {}
    for number, address in enumerate(addresses):
        name = f"svc{number}"
        asked.append(draw(_announced(name, address)))
        slices[name] = draw(endpoint_slices(names))
    return Stage(
        advertisements=ads,
        excluded=draw(_few(names)),
        unavailable=draw(_few(names)),
        services=asked,
        slices=slices,
    )


def _few(names: tuple[str, ...]) -> SearchStrategy[frozenset[str]]:
    """Seldom a node, more seldom two."""
    return st.one_of(
        st.just(frozenset()), st.just(frozenset()), st.frozensets(st.sampled_from(names), max_size=2)
    )


@st.composite
def _announced(draw: DrawFn, name: str, address: str) -> Raw:
    annotations = {"metallb.io/loadBalancerIPs": address}
    if draw(st.integers(0, 3)) == 0:
        annotations[draw(_prefixes()) + "allow-shared-ip"] = name
    labels = {"team": draw(st.sampled_from(TEAMS))} if draw(st.booleans()) else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "red", "labels": labels, "annotations": annotations},
        "spec": {
            "type": "LoadBalancer",
            "ipFamilyPolicy": "SingleStack",
            "ipFamilies": ["IPv6" if ":" in address else "IPv4"],
            "externalTrafficPolicy": draw(st.sampled_from(("Cluster", "Cluster", "Local"))),
            "ports": [{"name": "web", "port": 80}],
        },
    }
