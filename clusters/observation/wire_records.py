"""What a vantage outside the cluster saw: ways, who answers for which address, which ports are reached, and how.

A try is one connection (TCP) or one datagram and its answer (UDP), each from a source port of its own, so that
kube-proxy chooses an endpoint for each anew. Consumers of the profile are asked for an answer besides. What was not
probed is not in an observation: absence denies nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from clusters.observation.field_types import (
    Address,
    Count,
    Finite,
    Moment,
    Network,
    NoAddress,
    Part,
    PortNumber,
    ProbeOutcome,
    Purpose,
    Refusal,
)


@dataclass(frozen=True, kw_only=True)
class TryEnd:
    """How `count` tries at one port ended, all alike.

    `icmp` is the kind of ICMP message by which they were refused, as the vantage's kernel tells it ("" for none, or
    where the kernel does not tell): "admin-prohibited" is a filter's own word. `sent_by` is who sent that message: a
    node, a router, or the vantage itself, whose kernel sends "host-unreachable" where nobody answers ARP or NDP. A node
    that forwards to a service sends it in the service's name: then it is the address that was tried.
    `detail` is the error in a word or two.
    """

    outcome: ProbeOutcome
    count: Count
    detail: str = ""
    icmp: Refusal = ""
    sent_by: Address | NoAddress = ""


@dataclass(frozen=True, kw_only=True)
class Tries:
    """Tries at one port, one after the other, from different source ports.

    `outcome` is "answered" where any of them was, else how most of those ended that somebody refused, else silence: a
    host sends only some ICMP messages a second, so that refused tries end in silence, too. `detail` is their error.
    Of `tries` so many were `lost`: they ended in anything but an answer. `ends` has each way in which they ended.
    `tries` is 0 where they were not counted: an observation of an older release, or a protocol that cannot be tried.
    """

    outcome: ProbeOutcome
    detail: str = ""
    tries: Count = 0
    lost: Count = 0
    ends: tuple[TryEnd, ...] = ()

    @property
    def partly(self) -> bool:
        """Whether some tries were answered and others were lost."""
        return 0 < self.lost < self.tries

    @property
    def replied(self) -> bool:
        """Whether whoever has the address replied: an answer, a refusal or a reset is a reply, silence is none."""
        return self.outcome.replied or any(
            end.detail == "reset" or end.icmp == "port-unreachable" for end in self.ends
        )

    @property
    def prohibited(self) -> bool:
        """Whether a filter said by ICMP that it lets nobody in, which somebody on the way may have said."""
        return any(end.icmp == "admin-prohibited" for end in self.ends)


@dataclass(frozen=True, kw_only=True)
class Reached(Tries):
    """Tries to reach a service's port from outside the cluster.

    `outcome` is "answered", "refused", "timeout", "unreachable" (no route, or somebody said so by ICMP), "broken" (any
    other end, said in `detail`) or "silent" (UDP without an answer, which proves nothing).
    A port of which a try of the first pass was lost was tried again, more often: then only those tries are told.

    Where some of these were lost, `again` of them were made once more, from the same source ports, and `again_lost` of
    them were lost again; a node that forwards sends them to the same endpoint again. `slower` tries were made beside
    them from new source ports, ten a second or fewer, of which `slower_lost` were lost. Where none was lost so, a
    `burst` was made as fast as before, and `burst_lost` of it were lost; one that lost none shows that it was a
    glitch, and is told instead. `refusals` are tries of all passes that somebody refused by ICMP: as a kernel sends few
    such messages, `ends` may have none of them.
    """

    service: str
    address: Address
    port: PortNumber
    protocol: str
    again: Count = 0
    again_lost: Count = 0
    slower: Count = 0
    slower_lost: Count = 0
    burst: Count = 0
    burst_lost: Count = 0
    refusals: tuple[TryEnd, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NodeReach(Tries):
    """Tries at a node's own address, at its kubelet's port, from the same vantage: whether frames reach the node.

    Made only where a port was in trouble, for the nodes that answer for its address and for some others. Whether the
    kubelet lets anybody in does not matter: `replied` says that the node is reached. `kind` is the type of the address
    in Node.status, such as InternalIP.
    """

    node: str
    address: Address
    kind: str
    port: PortNumber


@dataclass(frozen=True, kw_only=True)
class NodePortReach(Tries):
    """Tries at the NodePort of a service's port, on one node's address: what that node forwards, without MetalLB.

    Made only for ports in trouble, where they have a NodePort: on the nodes that answer for the address, and on some
    others. With external traffic policy Local a node without a ready endpoint drops them: that is no fault.
    """

    service: str
    port: PortNumber
    protocol: str
    node: str
    address: Address
    node_port: PortNumber


@dataclass(frozen=True, kw_only=True)
class ProxyHealth(Tries):
    """What kube-proxy on one node says of itself, asked at /healthz from the vantage, where a port was in trouble.

    `status` is the HTTP status (0 for no answer in HTTP): 200 is healthy, 503 says that it has fallen behind (or that
    the node is being deleted). `behind` is how long (s) its last update of rules lies back by its own clock, next to
    nothing for a healthy one; None where it did not say. Many installations let nobody outside ask: then `status` is 0
    and nothing is known.
    """

    node: str
    address: Address
    port: PortNumber
    status: Count = 0
    behind: Finite | None = None


@dataclass(frozen=True, kw_only=True)
class ConsumerProbe:
    """One request to a consumer, and what its answer has to be. Fields are those of a profile's `probe`.

    `ca` is the path of a file. `by_default` is one that no profile names: it goes by the port's name and number, and
    only asks whether what answers speaks that protocol, and whether its certificate has expired.
    """

    protocol: str
    port: PortNumber
    host: str = ""
    method: str = "GET"
    path: str = "/"
    status: tuple[int, ...] = ()
    body: str = ""
    ca: str = ""
    send: str = ""
    expect: str = ""
    proxy_protocol: bool = False
    by_default: bool = False


@dataclass(frozen=True, kw_only=True)
class ServerCertificate:
    """The certificate that a server showed. `untrusted` says why the vantage does not trust it, "" where it does."""

    names: tuple[str, ...]
    issuer: str
    expires: Moment
    untrusted: str = ""


@dataclass(frozen=True, kw_only=True)
class ConsumerAnswer:
    """What came of one request to one address of a consumer ("namespace/name"), sent from the vantage.

    `error` is empty where something answered, else a word or two, and `stage` how far it came. `status` is HTTP's, or
    the code of DNS. `holds` says whether the answer held the text that was expected, None where none was. `size` is how
    many bytes of certificate and body came. Where a connection was made and no answer came, the request was made once
    more for small packets: `in_small` is how that ended, "answered" or an error, empty where it was not made. Where
    that was answered, it was made in small pieces for an answer of any size: `in_pieces` is how that ended.
    """

    service: str
    address: Address | NoAddress
    probe: ConsumerProbe
    error: str = ""
    stage: str = ""
    status: int = 0
    location: str = ""
    holds: bool | None = None
    certificate: ServerCertificate | None = None
    size: Count = 0
    in_small: str = ""
    in_pieces: str = ""


@dataclass(frozen=True, kw_only=True)
class Route:
    """How the vantage reaches an address: `on_link` on its own segment; `problem` says why not at all.

    `source` is the address that it comes from then.
    """

    address: Address
    on_link: bool = False
    gateway: Address | NoAddress = ""
    source: str = ""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """Which hardware addresses answered for one address that was asked for on the wire.

    `purpose` is "assigned" (a service holds it), "free" (a pool could give it away) or "node" (a node's own,
    which teaches whose hardware address is whose). `macs` is empty where nobody answered. `pool` is set for
    free addresses. `by_proxy` are those that answered only when the vantage asked under its own address, and later:
    they answer for others.
    """

    address: Address
    purpose: Purpose
    macs: tuple[str, ...] = ()
    pool: str = ""
    by_proxy: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Believed:
    """Whom the vantage's own kernel takes for the holder of an address, by its neighbour table.

    `state` is the kernel's word, such as "reachable" or "permanent": what somebody entered by hand is permanent. Where
    the table has no entry it is "absent", and `mac` is empty: the kernel has not asked who has the address.
    """

    address: Address
    mac: str
    state: str


@dataclass(frozen=True, kw_only=True)
class PoolShare:
    """How many of one pool's free addresses were asked for on the wire, and how many there are."""

    pool: str
    asked: Count
    free: Count


@dataclass(frozen=True, kw_only=True)
class WireView(Part):
    """What a vantage outside the cluster saw.

    `control` is the sentence that says why the capture can be trusted, and `control_ok` whether it can:
        without it nobody's silence means anything. `by_kernel` says that the segment was not asked by this project
    but by the vantage's kernel, which tells one machine an address. `routes` are those to services' addresses,
    to pools' first addresses and to the nodes, and one by each gateway; only what is on a segment of the
    vantage was asked for. `place` is the vantage's name, also of one that sees nothing of the wire: a pod.
    `ports` is how many ports of services there are: beyond a limit some were tried in this observation and others will
    be in the next ones. `node_reach`, `node_ports` and `proxy_health` are empty where no port was in trouble.
    `consumers` are the answers of those that the profile names. `networks` are those of the vantage's own addresses,
    empty in an observation of an older release. `believed` is what the kernel's table held after the tries for the
    addresses around a port in trouble, and for gateways where somebody answers for others, where it knew somebody.
    """

    place: str = ""
    routes: tuple[Route, ...] = ()
    control_ok: bool = False
    control: str = ""
    heard: tuple[Heard, ...] = ()
    reached: tuple[Reached, ...] = ()
    shares: tuple[PoolShare, ...] = ()
    by_kernel: bool = False
    ports: Count = 0
    node_reach: tuple[NodeReach, ...] = ()
    node_ports: tuple[NodePortReach, ...] = ()
    proxy_health: tuple[ProxyHealth, ...] = ()
    consumers: tuple[ConsumerAnswer, ...] = ()
    networks: tuple[Network, ...] = ()
    believed: tuple[Believed, ...] = ()
