"""The fields of a profile: what one cluster is, what a run may do to it, and what is expected of it."""

from __future__ import annotations

import datetime as dt
import difflib
import ipaddress
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    model_validator,
)

from clusters import bounds
from clusters.budgets import BUDGETS
from clusters.checks import Level
from clusters.metallb import ranges, selectors
from clusters.metallb.selectors import SelectorError
from clusters.profile import hours
from clusters.profile import metrics as metrics_field
from clusters.profile.metrics import Metrics

_NAME = r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$"
_SERVICE = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
#: An id of a check, or a pattern for several of one section: the section is given in full.
_CHECK = re.compile(r"[a-z]+\.[a-z0-9*?\[\]!-]{1,60}")
_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}")
_VANTAGE = re.compile(r"host|container|(netns|ssh):[A-Za-z0-9][A-Za-z0-9_.@:-]*")
#: The vantage that is a pod: it asks for checks from inside, and stands in for no place outside.
POD = "pod"
_ANSWERED_INSIDE = "inside the cluster kube-proxy answers for every service's address"


class Provider(StrEnum):
    """How one gets at the cluster."""

    EXISTING = "existing"
    KIND = "kind"
    LAB = "lab"


#: Kubernetes' own test server: what the workloads of a run serve with, unless the profile names another image.
ECHO_IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.59"

#: Providers whose clusters come and go: what was changed in one that is gone is gone as well.
DISPOSED = frozenset({Provider.KIND, Provider.LAB})


def _range(text: str) -> str:
    try:
        ranges.parse(text)
    except ranges.RangeError as error:
        raise ValueError(str(error)) from None
    return text


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address") from None


def _address_or_none(text: str) -> str:
    return _address(text) if text else ""


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no network ({error}); give it as in 192.168.1.0/24") from None


def _addresses(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(_address, _some(texts)))


def _mac(text: str) -> str:
    if _MAC.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no hardware address; give six octets, as in 02:00:5e:10:00:01")
    return text.replace("-", ":").lower()


def _some(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("give at least one")
    return values


def _vantage(text: str) -> str:
    if text and text != POD and not _VANTAGE.fullmatch(text):
        raise ValueError(f"{text!r} is not one of host, container, netns:NAME, ssh:HOST, pod")
    return text


def _routed(text: str) -> str:
    if text == POD:
        raise ValueError(f"a pod is behind no router: {_ANSWERED_INSIDE}; give host, netns:NAME or ssh:HOST")
    return _vantage(text)


def _waived(text: str) -> str:
    if _CHECK.fullmatch(text) is None:
        raise ValueError(
            f"{text[:60]!r} is no check's id and no pattern for some of one section; give it as in "
            "maintenance.legacy-version or overlay.*"
        )
    return text


def _selector(text: str) -> str:
    try:
        if text:
            selectors.parse_text(text)
    except SelectorError as error:
        raise ValueError(str(error).rstrip(".")) from None
    return text


def _workloads(name: str) -> str:
    if name.startswith("kube-"):
        raise ValueError(f"{name} is Kubernetes' own: name one that was made for the workloads of runs")
    return name


def _known_budgets(values: dict[str, float]) -> dict[str, float]:
    for name in values:
        if name not in BUDGETS:
            close = difflib.get_close_matches(name, BUDGETS, n=1)
            hint = (
                f"; did you mean {close[0]!r}?" if close else f"; the names are {', '.join(sorted(BUDGETS))}"
            )
            raise ValueError(f"there is no budget {name!r}{hint}")
    return values


def _one_or_more(value: object) -> object:
    """A list of one, where one is given without a list."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


Name = Annotated[str, Field(pattern=_NAME)]
Status = Annotated[int, Field(ge=100, le=599)]
RangeText = Annotated[str, AfterValidator(_range)]
MacText = Annotated[str, AfterValidator(_mac)]
Seconds = Annotated[float, Field(ge=bounds.SHORTEST_BUDGET, le=bounds.LONGEST_BUDGET)]
Day = Annotated[dt.date, Field(ge=bounds.EARLIEST.date(), le=bounds.LATEST.date())]
Budgets = Annotated[dict[str, Seconds], AfterValidator(_known_budgets)]


class Model(BaseModel):
    """Frozen, and strict: no unknown field, no text where a number belongs."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class KindSettings(Model):
    """For provider kind. pytest-kind's options go before what a profile says.

    `config` is kind's own configuration file (default: one control plane and two workers), `image` the node image
    (default: kind's own), `images` what is loaded into the nodes: references that Docker has, or archives.
    `binary` and `kubectl` are the programs where they are not on PATH. `cluster` is the name of a cluster that is
    used where there is one, and made where there is none; without it, each run has a name of its own. `keep`
    leaves behind what the run made. `fixture` names a fixture of the user's that gives the cluster. `logs` is where
    kind's logs go when a cluster does not come up. `vantage_image` is an image with Python for vantage `container`.
    """

    config: Path | None = None
    image: str = ""
    images: tuple[str, ...] = ()
    binary: Path | None = None
    kubectl: Path | None = None
    cluster: Annotated[str, Field(pattern=r"^([a-z0-9.-]{1,50})?$")] = ""
    keep: bool = False
    fixture: Annotated[str, Field(pattern=r"^([a-z_][a-z0-9_]*)?$")] = ""
    logs: Path | None = None
    vantage_image: str = "docker.io/library/python:3.11-slim"


class LabSettings(Model):
    """For provider lab: what is booted where none of that name runs, as by `python -m clusters.lab up`."""

    nodes: Annotated[int, Field(ge=1, le=7)] = 3
    families: Literal["ipv4", "ipv6", "dual"] = "ipv4"
    nics: Annotated[int, Field(ge=1, le=2)] = 1
    proxy: Literal["iptables", "nftables"] = "iptables"
    metallb: Annotated[str, Field(pattern=r"^(\d+\.\d+\.\d+)?$")] = ""
    install: Literal["manifest", "prometheus", "helm"] = "manifest"
    overlay: Path | None = None
    consumer: Literal["agnhost", "traefik"] = "agnhost"


#: Who announces addresses: MetalLB, or by design something else, such as the BGP daemon of the cluster's network.
AnnouncedBy = Literal["metallb", "other"]


class ChartOfValues(Model):
    """The chart that the overlay's files of `values` are for, where nothing in the repository names it.

    That is how `helm upgrade RELEASE metallb --repo URL --version VERSION --values FILE` is called.
    """

    version: Annotated[str, Field(min_length=1)]
    values: tuple[str, ...] = ()
    name: str = "metallb"
    repository: str = "https://metallb.github.io/metallb"
    release: str = "metallb"


class GitOps(Model):
    """The repository that the cluster is configured from; all other paths are relative to `repository`.

    `overlay` is what this cluster is configured from, in whichever form (docs/gitops.md); `base` and `legacy_overlay`
    are folders of that kind. `overlays` is a pattern for the overlays of all clusters, with one * for their names;
    `cluster` is what pages and plans call this one, and `tree` the folder whose changes are MetalLB's. `application` is
    one of those that an ApplicationSet makes. `suspend` lets drills suspend what applies the repository, and resume it.
    """

    repository: Path
    overlay: Annotated[str, Field(min_length=1)]
    base: str = ""
    legacy_overlay: str = ""
    service_page: str = ""
    changelog: str = ""
    runbook: str = ""
    overlays: Annotated[str, Field(pattern=r"^([^*]*\*[^*]*)?$")] = ""
    cluster: str = ""
    tree: str = ""
    chart: ChartOfValues | None = None
    application: str = ""
    suspend: bool = False


class PoolExpectation(Model):
    """An IPAddressPool that is meant to be, with the addresses it is meant to hold.

    `announced_by` is as in the profile, for this pool alone.
    """

    name: Name
    addresses: Annotated[tuple[RangeText, ...], AfterValidator(_some)]
    single_address: bool = False
    announced_by: AnnouncedBy | None = None

    @model_validator(mode="after")
    def _one_address(self) -> PoolExpectation:
        size = sum(ranges.parse(text).size for text in self.addresses)
        if self.single_address and size != 1:
            raise ValueError(f"single_address is set, but the addresses are {size}")
        return self


class NetworkAround(Model):
    """A network that addresses of pools are in, and its gateway: neither that nor the network's edges may be in one."""

    cidr: Annotated[str, AfterValidator(_network)]
    gateway: Annotated[str, AfterValidator(_address_or_none)] = ""


class Announcers(Model):
    """The nodes that are expected to announce: by name, or by a selector as kubectl takes it. Neither means all."""

    nodes: tuple[Name, ...] = ()
    selector: Annotated[str, AfterValidator(_selector)] = ""

    @model_validator(mode="after")
    def _one_way(self) -> Announcers:
        if self.nodes and self.selector:
            raise ValueError("give nodes or selector, not both")
        return self


class Probe(Model):
    """How a consumer is asked for an answer, and what it has to be; `port` 0 means the protocol's usual one.

    `host` is the name that is asked for: in the Host header, in TLS (SNI and the certificate's name), in a DNS query.
    `status` are the codes that are expected of HTTP (none given: any below 400, 401 or 403), `body` is a text that the
    answer has to hold. `ca` is a file with the certificates that are trusted (none: those of the vantage). `send` and
    `expect` are what a datagram holds and what the answer to it has to hold, of DNS an address. With `proxy_protocol`
    a PROXY header (version 1) goes before everything.
    """

    protocol: Literal["tcp", "udp", "http", "https", "dns", "quic"] = "tcp"
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]?([A-Za-z0-9._-]{0,251}[A-Za-z0-9.])?$")] = ""
    method: Literal["GET", "HEAD", "OPTIONS"] = "GET"
    path: Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=2000)] = "/"
    status: Annotated[tuple[Status, ...], BeforeValidator(_one_or_more)] = ()
    body: Annotated[str, Field(max_length=1000)] = ""
    ca: Path | None = None
    send: Annotated[str, Field(max_length=1000)] = ""
    expect: Annotated[str, Field(max_length=1000)] = ""
    proxy_protocol: bool = False

    @model_validator(mode="after")
    def _of_its_protocol(self) -> Probe:
        of = {
            "host": ("http", "https", "dns"), "method": ("http", "https"), "status": ("http", "https"),
            "body": ("http", "https"), "ca": ("https",), "send": ("udp",), "expect": ("udp", "dns"),
            "proxy_protocol": ("tcp", "http", "https"),
        }  # fmt: skip
        wrong = [
            name
            for name, protocols in of.items()
            if name in self.model_fields_set and self.protocol not in protocols
        ]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} has no meaning for protocol {self.protocol}")
        if self.protocol == "dns" and not self.host:
            raise ValueError("protocol dns needs host: the name that is asked for")
        return self


class Consumer(Model):
    """A service that people use, with the address it is known by, or a list of them; `service` is namespace/name.

    `probe` is one probe or a list of them, each asked at every address: without any, its ports are asked by their names
    and numbers.
    """

    service: Annotated[str, Field(pattern=_SERVICE)]
    address: Annotated[tuple[str, ...], BeforeValidator(_one_or_more), AfterValidator(_addresses)]
    probe: Annotated[tuple[Probe, ...], BeforeValidator(_one_or_more)] = ()

    @property
    def namespace(self) -> str:
        """The service's namespace."""
        return self.service.partition("/")[0]

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.partition("/")[2]


class Waiver(Model):
    """A check that may fail, or stay undecided, until the end of the day `expires`.

    `check` is its id, or a pattern as in a shell for several checks of one section: "overlay.*".
    """

    check: Annotated[str, AfterValidator(_waived)]
    reason: Annotated[str, Field(min_length=1)]
    expires: Day


class Profile(Model):
    """One cluster. `allow` is the most that any run may do to it; `source` is the file that says so.

    `uid` is that of the namespace kube-system: where it is given, no other cluster is taken for this one.
    `reserve` is how many addresses a run leaves free in the pools, however many it would like.
    `spare_addresses` are ranges on the nodes' network that nobody uses and no pool holds: a run may make
    pools of its own from them. `workloads_namespace` is the namespace in which a run makes its workloads and services;
    empty means one that the run makes, or where the login may make none the one that deploy/rbac makes. `image` is
    what the run's own workloads run (agnhost, or a mirror of it).
    `vantage` is where addresses are probed from; empty means none, for a lab its own client host. A pod is inside
    the cluster: it is no place to look at the wire from, and only asks for the checks that need one.
    `routed_vantage` is a second place, behind a router, from which they have to be reached as well.
    `metrics` is how MetalLB's metrics may be read; what a run does by it is `scraping`. `announced_by` is `other` where
    something else than MetalLB announces the addresses by design.
    `macs` are hardware addresses of nodes by the node's name: of cards that no address of the node's in Kubernetes is
    on, where neither metrics nor ServiceL2Status tell whose they are.
    `maintenance` are hours in which work on the cluster is expected: a run in them says so, and counts all the same.
    """

    name: Name
    provider: Provider
    context: str = ""
    uid: str = ""
    kubeconfig: Path | None = None
    kind: KindSettings = KindSettings()
    lab: LabSettings = LabSettings()
    disposable: bool = False
    allow: Level = Level.OBSERVE
    namespace: Name = "metallb-system"
    workloads_namespace: Annotated[str, Field(pattern=f"^$|{_NAME}"), AfterValidator(_workloads)] = ""
    gitops: GitOps | None = None
    pools: tuple[PoolExpectation, ...] = ()
    networks: tuple[NetworkAround, ...] = ()
    spare_addresses: tuple[RangeText, ...] = ()
    reserve: Annotated[int, Field(ge=0, le=bounds.MOST_RESERVED)] = 1
    announcers: Announcers = Announcers()
    announced_by: AnnouncedBy = "metallb"
    consumers: tuple[Consumer, ...] = ()
    vantage: Annotated[str, AfterValidator(_vantage)] = ""
    routed_vantage: Annotated[str, AfterValidator(_routed)] = ""
    metrics: Annotated[Metrics, PlainValidator(metrics_field.parse)] = Metrics()
    macs: dict[Name, tuple[MacText, ...]] = {}
    image: str = ECHO_IMAGE
    budgets: Budgets = {}
    waivers: tuple[Waiver, ...] = ()
    maintenance: tuple[Annotated[str, AfterValidator(hours.text_of)], ...] = ()
    source: Path = Field(default=Path(), exclude=True)

    @model_validator(mode="after")
    def _whole(self) -> Profile:
        if self.provider is Provider.EXISTING and not self.context:
            raise ValueError("provider existing needs a context: a run never picks a cluster by accident")
        if self.provider is Provider.EXISTING and self.disposable and self.allow is not Level.DISRUPT:
            raise ValueError(
                "disposable is set, but allow is not disrupt: set allow to disrupt, or leave disposable out"
            )
        if self.workloads_namespace == self.namespace:
            raise ValueError(
                "workloads_namespace is MetalLB's own: name one that was made for the workloads of runs"
            )
        if self.vantage == "container" and self.provider is not Provider.KIND:
            raise ValueError("vantage container is for provider kind only")
        return self

    @property
    def scraping(self) -> Metrics:
        """How this run reads MetalLB's metrics. A lab or a kind cluster is made with the account for it."""
        return self.metrics.of(self.namespace, by_default=self.provider in DISPOSED)

    @property
    def inside(self) -> bool:
        """Whether the vantage is a pod, from which nothing is seen of the wire."""
        return self.vantage == POD

    @property
    def outside(self) -> str:
        """The vantage that the wire is looked at from; empty where the profile names none, or a pod."""
        return "" if self.inside else self.vantage

    @property
    def unseen(self) -> str:
        """Why nobody looks at the wire where `outside` is empty, without a full stop."""
        if self.inside:
            return f"the profile's vantage is a pod, and {_ANSWERED_INSIDE}"
        return "the profile names no vantage"
