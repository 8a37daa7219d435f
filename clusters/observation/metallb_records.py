"""The records of MetalLB's own objects."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic reads Python's own only from 3.12 on

from clusters.observation.records import Metadata, Number, Selector, Texts


class Kept(TypedDict, total=False):
    """Whom a pool is kept for."""

    priority: Number | None
    namespaces: Texts
    namespaceSelectors: list[Selector] | None
    serviceSelectors: list[Selector] | None


class PoolSpec(TypedDict, total=False):
    """What a pool has to give."""

    addresses: Texts
    autoAssign: bool | None
    avoidBuggyIPs: bool | None
    serviceAllocation: Kept | None


class Pool(TypedDict):
    """An IPAddressPool."""

    metadata: Metadata
    spec: NotRequired[PoolSpec | None]


class Preferred(TypedDict, total=False):
    """Nodes that are preferred."""

    weight: Number | None
    preference: Selector | None


class AdvertisementSpec(TypedDict, total=False):
    """Which pools are announced, by which nodes, for whom and where."""

    ipAddressPools: Texts
    ipAddressPoolSelectors: list[Selector] | None
    nodeSelectors: list[Selector] | None
    serviceSelectors: list[Selector] | None
    preferredNodeSelectors: list[Preferred] | None
    interfaces: Texts


class Advertisement(TypedDict):
    """An L2Advertisement or BGPAdvertisement."""

    metadata: Metadata
    spec: NotRequired[AdvertisementSpec | None]


class PeerSpec(TypedDict, total=False):
    """Which router the speakers speak BGP with."""

    peerAddress: str | None


class Peer(TypedDict):
    """A BGPPeer."""

    metadata: Metadata
    spec: NotRequired[PeerSpec | None]


class ConfiguredSpec(TypedDict):
    """An object of MetalLB's whose spec is only compared, whole."""

    metadata: Metadata
    spec: NotRequired[dict[str, Any] | None]


class AnnouncingInterface(TypedDict, total=False):
    """An interface on which a service is announced."""

    name: str | None


class Announced(TypedDict, total=False):
    """Which node says that it announces which service, and on which interfaces; none named means all."""

    node: str | None
    serviceNamespace: str | None
    serviceName: str | None
    interfaces: list[AnnouncingInterface] | None


class AnnouncedToPeers(TypedDict, total=False):
    """Which node says that it announces which service to which BGP peers."""

    node: str | None
    serviceNamespace: str | None
    serviceName: str | None
    peers: Texts


class PeersStatus(TypedDict):
    """A ServiceBGPStatus."""

    metadata: Metadata
    status: NotRequired[AnnouncedToPeers | None]


class Session(TypedDict, total=False):
    """How a BGP session of a node fares."""

    node: str | None
    peer: str | None
    vrf: str | None
    bgpStatus: str | None
    bfdStatus: str | None


class SessionState(TypedDict):
    """A BGPSessionState."""

    metadata: Metadata
    status: NotRequired[Session | None]


class AnnouncedStatus(TypedDict):
    """A ServiceL2Status."""

    metadata: Metadata
    status: NotRequired[Announced | None]


class ConfigurationResult(TypedDict, total=False):
    """What a component makes of its configuration."""

    result: str | None
    errorSummary: str | None


class ConfigurationState(TypedDict):
    """A ConfigurationState."""

    metadata: Metadata
    status: NotRequired[ConfigurationResult | None]
