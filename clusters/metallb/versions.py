"""Which MetalLB versions there are, which one runs, and what that one can do: the one table of versions.

Sources: MetalLB's release notes (website/content/release-notes/_index.md of 0.16.2), and the sources and
manifests of 0.14.9, 0.15.2, 0.15.3, 0.16.1 and 0.16.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from packaging.version import Version

from clusters.errors import UsageError

_VERSION = re.compile(
    r"(?<![\w.])v?(?P<release>\d{1,9}\.\d{1,9}\.\d{1,9})(?:-?(?P<pre>(?:alpha|beta|rc)\.?\d{0,9}))?(?![\d.])"
)


_STARTING = re.compile(r"MetalLB (?:controller|speaker) starting version (\S+)")

RELEASES: tuple[Version, ...] = tuple(
    Version(f"0.{minor}.{patch}")
    for minor, patches in (
        (13, (2, 3, 4, 5, 6, 7, 9, 10, 11, 12)),
        (14, range(2, 10)),
        (15, range(4)),
        (16, range(3)),
    )
    for patch in patches
)
"""Every release that configures itself by custom resources, oldest first: the headings of the release notes.
0.13.8, 0.14.0 and 0.14.1 were never released."""
NEWEST = RELEASES[-1]
OLDEST = Version("0.14.2")
"""The oldest that the checks judge: before it, pool changes did not reach services that had an address."""
FIRST_UNKNOWN = Version(f"{NEWEST.major}.{NEWEST.minor + 1}.0")
"""The first whose decisions nobody has compared with the rules of this package: a minor version of MetalLB
changes how it elects, shares and reports (0.15.0 and 0.16.0 did)."""
ASSUMED = NEWEST
"""What is assumed of a MetalLB whose version is not known, where a decision has to be taken all the same."""
READY_PATH, METRICS_MOVED = "/readyz", Version("0.16.0")
"""What a kubelet asks for from the version on that serves metrics over HTTPS, and that version."""
IN_THE_LAB = ("0.15.2", "0.16.2")
"""The versions that the embedded lab builds, and that the rules of this package were compared with."""


@dataclass(frozen=True)
class Image:
    """A container image reference taken apart; parts that the reference lacks are empty."""

    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def version(self) -> Version | None:
        """The MetalLB version that the tag names, or None ("main", "latest", a digest alone)."""
        return parse(self.tag)


@dataclass(frozen=True)
class Gate:
    """Whether something is there, and if not, why: a sentence fit for a `not_supported` outcome."""

    ok: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.ok


class Feature(StrEnum):
    """What differs between MetalLB versions and matters to a check."""

    CUSTOM_RESOURCES = "custom resources"
    LB_CLASS = "load balancer class"
    EXCLUDE_LABEL = "exclude label honoured"
    IGNORE_EXCLUDE_FLAG = "--ignore-exclude-lb"
    LIVE_CONFIG_CHANGES = "pool changes apply at once"
    SERVICE_L2_STATUS = "ServiceL2Status"
    STATUS_STAYS = "ServiceL2Status stays with its first node"
    DISTROLESS = "distroless images"
    PREFER_DUAL_STACK = "PreferDualStack"
    CORDON_MOVES = "cordon moves addresses"
    NEW_ANNOTATIONS = "metallb.io annotations"
    POOL_STATUS = "IPAddressPool status"
    BGP_STATUS = "ServiceBGPStatus"
    MEMBERLIST_OPTIONAL = "memberlist may be off"
    CONFIGURATION_STATE = "ConfigurationState"
    METRICS_HTTP = "metrics over HTTP"
    METRICS_HTTPS = "metrics over HTTPS"
    HEALTH_PORT = "health probe port"
    SERVICE_SELECTORS = "advertisement serviceSelectors"
    MEMBERLIST_FILE = "memberlist config file"
    PREFERRED_NODES = "advertisement preferredNodeSelectors"
    SHARED_WITH_SELECTORS_REFUSED = "shared address refused with serviceSelectors"
    HASHED_MEMBERLIST_KEY = "memberlist key is a hash of the secret"
    PERIODIC_GRATUITOUS_ARP = "--gratuitous-arp-interval"
    METRICS_OPTIONAL = "metrics may be off"


@dataclass(frozen=True)
class Span:
    """The versions that have a feature: from `since` on, and before `until` where it went away again."""

    since: str
    what: str
    until: str = ""


FEATURES: dict[Feature, Span] = {
    Feature.CUSTOM_RESOURCES: Span("0.13.2", "Configuration by custom resources"),
    Feature.LB_CLASS: Span("0.13.2", "The --lb-class argument"),
    Feature.EXCLUDE_LABEL: Span(
        "0.14.2", "Honouring the label node.kubernetes.io/exclude-from-external-load-balancers"
    ),
    Feature.IGNORE_EXCLUDE_FLAG: Span("0.14.4", "The speaker's --ignore-exclude-lb argument"),
    Feature.LIVE_CONFIG_CHANGES: Span("0.14.2", "Applying pool changes to services that hold an address"),
    Feature.SERVICE_L2_STATUS: Span("0.14.6", "The ServiceL2Status resource in MetalLB's own namespace"),
    Feature.STATUS_STAYS: Span(
        "0.14.6", "Leaving a ServiceL2Status with the node that wrote it first", until="0.16.0"
    ),
    Feature.DISTROLESS: Span("0.14.6", "Images without a shell"),
    Feature.PREFER_DUAL_STACK: Span("0.14.9", "ipFamilyPolicy PreferDualStack"),
    Feature.CORDON_MOVES: Span("0.14.9", "Moving addresses off a cordoned node", until="0.15.0"),
    Feature.NEW_ANNOTATIONS: Span("0.14.9", "Annotations with the prefix metallb.io"),
    Feature.POOL_STATUS: Span("0.15.0", "Counters in the IPAddressPool's status"),
    Feature.BGP_STATUS: Span("0.15.0", "The ServiceBGPStatus resource"),
    Feature.MEMBERLIST_OPTIONAL: Span("0.15.0", "Announcing in layer 2 with memberlist switched off"),
    Feature.CONFIGURATION_STATE: Span("0.15.3", "The ConfigurationState resource"),
    Feature.METRICS_HTTP: Span("0.3.0", "Metrics over HTTP on port 7472", until="0.16.0"),
    Feature.METRICS_HTTPS: Span("0.16.0", "Metrics over HTTPS on port 9120, with a token"),
    Feature.HEALTH_PORT: Span("0.16.0", "Health probes on port 17472"),
    Feature.SERVICE_SELECTORS: Span("0.16.0", "serviceSelectors in an L2Advertisement"),
    Feature.MEMBERLIST_FILE: Span("0.16.0", "Tuning memberlist by /etc/metallb/memberlist/config.json"),
    Feature.PREFERRED_NODES: Span("0.16.2", "preferredNodeSelectors in an L2Advertisement"),
    Feature.SHARED_WITH_SELECTORS_REFUSED: Span(
        "0.16.2", "Refusing to announce a shared address through an L2Advertisement with serviceSelectors"
    ),
    Feature.HASHED_MEMBERLIST_KEY: Span("0.16.2", "Deriving memberlist's key by hashing the whole secret"),
    Feature.PERIODIC_GRATUITOUS_ARP: Span("0.16.2", "The speaker's --gratuitous-arp-interval argument"),
    Feature.METRICS_OPTIONAL: Span("0.16.2", "Switching metrics off with --port=0"),
}
"""The feature gates, as data. 0.14.6 is where ServiceL2Status moved into MetalLB's namespace (0.14.4 had it
beside the service). Two speakers whose memberlist keys are derived differently cannot hear each other, so a
rollout across HASHED_MEMBERLIST_KEY splits the speakers until the last one is replaced (notes of 0.16.2)."""


DEFINITIONS: dict[str, Feature] = {
    "servicel2statuses.metallb.io": Feature.SERVICE_L2_STATUS,
    "servicebgpstatuses.metallb.io": Feature.BGP_STATUS,
    "configurationstates.metallb.io": Feature.CONFIGURATION_STATE,
}
"""The resource definitions (CRDs) that came after 0.13, with what they came for: a version needs its own installed."""


def parse(text: str) -> Version | None:
    """The version in a tag or a version text ("v0.15.2", "0.16.2-debian-12-r1"), or None where there is none.

    A pre-release ("v0.16.0-rc.1") sorts before its release; other suffixes (rebuilds) are dropped.
    """
    match = _VERSION.search(text)
    if match is None:
        return None
    pre = (match["pre"] or "").replace(".", "")
    return Version(match["release"] + pre)


def target_of(text: str) -> Version:
    """The version that an upgrade is to go to. One that is newer than the table is taken, and known as such.

    Raises UsageError, with the versions that are known, for anything else that is not one of them.
    """
    found = parse(text)
    if found is None or (found not in RELEASES and found <= NEWEST):
        known = ", ".join(str(each) for each in reversed(RELEASES))
        raise UsageError(f"--target-version {text} is no release of MetalLB.", remedy=f"Known are {known}.")
    return found


def parse_image(reference: str) -> Image:
    """A reference such as "quay.io/metallb/speaker:v0.15.2@sha256:…" taken apart."""
    name, _, digest = reference.partition("@")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:  # a colon before a slash separates a registry's port
        return Image(repository=name, digest=digest)
    return Image(repository=head, tag=tag, digest=digest)


def of_image(reference: str) -> Version | None:
    """The MetalLB version that an image reference names, or None where its tag names none."""
    return parse_image(reference).version


def of_labels(labels: Mapping[str, str]) -> Version | None:
    """The version that MetalLB's chart writes on its objects, or None; an image by digest alone names none."""
    return parse(labels.get("app.kubernetes.io/version", "")) or parse(labels.get("helm.sh/chart", ""))


def of_log(lines: Iterable[str]) -> Version | None:
    """The version by which a controller or speaker calls itself when it starts, or None where it is not in these."""
    found = (match for line in lines if (match := _STARTING.search(line)))
    return next((parse(match[1]) for match in found), None)


def supports(version: Version | str | None, feature: Feature) -> Gate:
    """Whether MetalLB of this version has `feature`; the reason says why not, in one sentence.

    An unknown version (None, or a text without one) supports nothing: a check must not guess.
    """
    span = FEATURES[feature]
    known = parse(version) if isinstance(version, str) else version
    if known is None:
        return Gate(ok=False, reason=f"{span.what} depends on MetalLB's version, which is not known.")
    if known < Version(span.since):
        return Gate(ok=False, reason=f"{span.what} needs MetalLB {span.since} or newer; this is {known}.")
    if span.until and known >= Version(span.until):
        return Gate(ok=False, reason=f"{span.what} ended with MetalLB {span.until}; this is {known}.")
    return Gate(ok=True)


@dataclass(frozen=True)
class Endpoint:
    """Where a MetalLB pod serves something over HTTP. `token` says whether a bearer token is asked for."""

    port: int
    scheme: str
    path: str
    token: bool = False


def metrics_endpoint(version: Version, *, port: int | None = None) -> Endpoint | None:
    """Where a pod of this version serves its metrics; `port` is its --port argument. None if switched off.

    From 0.16.0 a caller needs `get` on the non-resource URL /metrics and TLS 1.3.
    """
    if supports(version, Feature.METRICS_HTTPS):
        if port == 0 and supports(version, Feature.METRICS_OPTIONAL):
            return None
        return Endpoint(port or 9120, "https", "/metrics", token=True)
    return Endpoint(port or 7472, "http", "/metrics")
