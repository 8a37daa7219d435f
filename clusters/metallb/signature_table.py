"""The log lines and events of MetalLB that tell of a failure, as data; `signatures` matches them.

Texts are those of 0.15.2 and 0.16.2 unless a row says otherwise, read in the files that it names. Three traps:

- MetalLB logs JSON with a map, so of a key that is given twice the last value wins. "failed to parse the
  configuration" is such a first value: it is in the sources and never in a log.
- A text may quote what anybody writes into a service's annotations. Every pattern begins where its text begins and
  matches what `log_lines.without_quotations` leaves, so that no quoted words are taken for a text of MetalLB's own.
- The lines of a failed allocation do not name their service; the line after them, and the event, do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from clusters.cause_ids import CauseId, NoCause


class Component(StrEnum):
    """Which of MetalLB's two parts speaks."""

    CONTROLLER = "controller"
    SPEAKER = "speaker"


BOTH = frozenset(Component)
CONTROLLER = frozenset({Component.CONTROLLER})
SPEAKER = frozenset({Component.SPEAKER})

REJOIN_S = 150.0
"""A cut-off or deaf speaker tells of it again: it tries to join every 60 s (speakerlist.go)."""

API_RETRY_S = 120.0
"""Client-go lists again with a back-off of at most 30 s, so a lasting outage is told of again within this."""


RETRY_S = 1100.0
"""What fails is tried again with a pause that doubles, up to 1000 s (controller-runtime's rate limiter)."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """One kind of line or event that tells of a failure.

    `where` maps a field of the JSON line ("msg" for a line that is no JSON) to a regular expression that must
    be found in it; its named groups (pool, service, address, node) are the line's subjects. `certain` is
    False where the text fits several causes, of which `cause` is the likeliest. `lasts` is for how many
    seconds a line stands for a present fault: a fault of that kind that goes on repeats itself sooner; None
    means until fixed. `reconciled` marks lines of a reconciler, fixed by its next round that goes well.
    """

    id: str
    cause: CauseId
    where: Mapping[str, str]
    source: str
    components: frozenset[Component] = CONTROLLER
    certain: bool = True
    lasts: float | None = None
    reconciled: bool = False
    since: str = ""
    until: str = ""


@dataclass(frozen=True, kw_only=True)
class EventSignature:
    """One kind of Kubernetes event that tells of a failure: its reason, and what its message must contain.

    `errors` says that the message ends in an allocation error, whose own signature then gives the cause; what the
    message must contain then stands before the error.
    """

    id: str
    reason: str
    cause: CauseId | NoCause
    source: str
    message: str = ""
    errors: bool = False
    certain: bool = True
    since: str = ""
    until: str = ""


@dataclass(frozen=True, kw_only=True)
class AllocationError:
    """One reason for which MetalLB gives no address, as it stands in the controller's log and in events."""

    id: str
    cause: CauseId
    text: str
    certain: bool = True
    since: str = ""
    source: str = field(default="internal/allocator/allocator.go")


_SERVICE_GO = "controller/service.go"
_QUOTED = r'(?:"[^"]*"|\[[^]]*\])'

ALLOCATION_ERRORS = (
    AllocationError(id="no-address", cause=CauseId.POOL_EXHAUSTED, text=r"^no available IPs$", certain=False),
    AllocationError(
        id="pool-empty",
        cause=CauseId.POOL_EXHAUSTED,
        text=r"^no available IPs in pool (?P<pool>\S+)$",
        since="0.16.0",
        certain=False,
    ),
    AllocationError(
        id="pool-lacks-family",
        cause=CauseId.FAMILY_UNAVAILABLE,
        text=r"^no available IPs in pool (?P<pool>\S+) for \S+ IPFamily$",
        certain=False,
        source="internal/allocator/allocation.go",
    ),
    # A pool asked for by name without a free address of the one family: the missing address goes on as <nil>.
    AllocationError(
        id="nil-address",
        cause=CauseId.POOL_EXHAUSTED,
        text=r'^\["<nil>"\] is not allowed in config$',
        certain=False,
    ),
    AllocationError(
        id="outside-pools",
        cause=CauseId.REQUESTED_OUTSIDE_POOLS,
        text=r'^\["(?P<address>[0-9a-fA-F.:]+)"[^]]*\] is not allowed in config$',
    ),
    AllocationError(
        id="restricted",
        cause=CauseId.POOL_RESTRICTED,
        text=r"^pool (?P<pool>\S+) not compatible for ip assignment$",
    ),
    AllocationError(
        id="address-taken",
        cause=CauseId.REQUESTED_TAKEN,
        text=r'^can\'t change sharing key for "(?P<service>[^"]*)", address also in use by \S+$',
        certain=False,
    ),
    AllocationError(
        id="port-taken",
        cause=CauseId.SHARING_REFUSED,
        text=r'^port \S+ is already in use on "(?P<address>[^"]+)"$',
    ),
    AllocationError(
        id="wrong-family",
        cause=CauseId.FAMILY_UNAVAILABLE,
        text=rf"^requested loadBalancer IP(?:\(s\))? {_QUOTED} does not match the ipFamily of the service$",
        source=_SERVICE_GO,
    ),
    AllocationError(
        id="odd-families",
        cause=CauseId.FAMILY_UNAVAILABLE,
        text=r'^(?:IPFamilyForAddresses: |more than two addresses |"[^"]*" "[^"]*" has the same family$'
        "|IP for wrong family)",
        source="internal/ipfamily/ipfamily.go",
    ),
    AllocationError(
        id="wrong-pool",
        cause=CauseId.REQUESTED_WRONG_POOL,
        # The pool is not quoted, so that anything may follow.
        text=rf"^requested loadBalancer IP(?:\(s\))? {_QUOTED} is not compatible with requested address pool "
        r"(?P<pool>[\s\S]*)",
        source=_SERVICE_GO,
    ),
    AllocationError(id="unknown-pool", cause=CauseId.POOL_MISSING, text=r'^unknown pool "(?P<pool>[^"]*)"$'),
    AllocationError(
        id="asked-twice",
        cause=CauseId.REQUESTED_TWICE,
        text=r"^service can not have both \S+ and svc\.Spec\.LoadBalancerIP$",
        source=_SERVICE_GO,
    ),
    AllocationError(
        id="no-address-asked",
        cause=CauseId.REQUESTED_OUTSIDE_POOLS,
        text=r'^invalid (?:metallb\.(?:io|universe\.tf)/loadBalancerIPs:|spec\.loadBalancerIP) "',
        source=_SERVICE_GO,
    ),
)

EVENT_SIGNATURES = (
    EventSignature(
        id="allocation-failed",
        reason="AllocationFailed",
        cause="",
        message=r'^Failed to allocate IP for "[^"]*": ',
        errors=True,
        source=_SERVICE_GO,
    ),
    EventSignature(
        id="request-invalid",
        reason="LoadBalancerFailed",
        cause="",
        message=r"^invalid requested loadbalancer IPs: ",
        errors=True,
        source=_SERVICE_GO,
    ),
    EventSignature(
        id="assignment-cleared",
        reason="ClearAssignment",
        cause="",
        message=r'^current IP for "[^"]*" not allowed by config, will attempt for new IP assignment: ',
        errors=True,
        certain=False,
        source=_SERVICE_GO,
    ),
    EventSignature(
        id="second-family-failed",
        reason="AdditionalAssignFailed",
        cause=CauseId.FAMILY_UNAVAILABLE,
        certain=False,
        source=_SERVICE_GO,
        since="0.14.9",
    ),
    EventSignature(
        id="too-few-cluster-ips",
        reason="not enough clusterips",
        cause=CauseId.FAMILY_UNAVAILABLE,
        source=_SERVICE_GO,
    ),
    EventSignature(
        id="odd-address-families",
        reason="nolbIPsIPFamily",
        cause=CauseId.RIVAL_CONTROLLER,
        certain=False,
        source=_SERVICE_GO,
    ),
    EventSignature(
        id="deprecated-annotation",
        reason="deprecatedAnnotation",
        cause=CauseId.DEPRECATED_ANNOTATION,
        source="controller/main.go",
        since="0.14.9",
    ),
    EventSignature(
        id="pool-vanished",
        reason="InternalError",
        cause=CauseId.POOL_MISSING,
        message=r"^allocated an IP that has no pool",
        certain=False,
        source=_SERVICE_GO,
    ),
    EventSignature(
        id="interface-missing",
        reason="announceFailed",
        cause=CauseId.ADVERTISEMENT_INTERFACE_MISSING,
        message=r'^the interfaces specified by LB IP "[^"]*" doesn\'t exist in assigned node "(?P<node>[^"]*)"',
        source="speaker/layer2_controller.go",
    ),
)
"""Events on services. Kubernetes keeps an event for an hour, so an old one may be long fixed."""

_UNMOUNTED = r'secret "[^"]*memberlist[^"]*" not found'

POD_EVENTS = {
    component: tuple(
        EventSignature(
            id=f"{component}-{name}",
            reason=reason,
            cause=cause,
            message=message,
            certain=reason != "Unhealthy",  # a probe also fails while a pod starts or ends
            source="scheduler" if reason == "FailedScheduling" else "kubelet",
        )
        for name, reason, cause, message in rows
    )
    for component, rows in {
        Component.CONTROLLER: (
            ("back-off", "BackOff", CauseId.CONTROLLER_CRASHING, "restarting failed container"),
            ("image", "BackOff", CauseId.CONTROLLER_DOWN, "pulling image"),
            ("failed", "Failed", CauseId.CONTROLLER_DOWN, ""),
            ("unscheduled", "FailedScheduling", CauseId.CONTROLLER_DOWN, ""),
            ("unhealthy", "Unhealthy", CauseId.CONTROLLER_DOWN, ""),
        ),
        Component.SPEAKER: (
            ("secret-unmounted", "FailedMount", CauseId.MEMBERLIST_SECRET_MISSING, _UNMOUNTED),
            ("secret-missing", "Failed", CauseId.MEMBERLIST_SECRET_MISSING, _UNMOUNTED),
            ("back-off", "BackOff", CauseId.SPEAKER_CRASHING, "restarting failed container"),
            ("image", "BackOff", CauseId.SPEAKER_DOWN, "pulling image"),
            ("failed", "Failed", CauseId.SPEAKER_DOWN, ""),
            ("unscheduled", "FailedScheduling", CauseId.SPEAKER_UNSCHEDULABLE, ""),
            ("unhealthy", "Unhealthy", CauseId.SPEAKER_DOWN, ""),
        ),
    }.items()
}
"""Warning events on MetalLB's own pods, by the component of the pod."""
