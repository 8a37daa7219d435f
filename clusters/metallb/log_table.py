"""The log lines that tell of a failure, also of speakers that do not see each other; the first row that fits counts.

Their columns are those of `signature_table`.
"""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.metallb.api_table import API_REQUESTS
from clusters.metallb.log_lines import PROSE
from clusters.metallb.signature_table import ALLOCATION_ERRORS, BOTH, REJOIN_S, RETRY_S, SPEAKER, Signature

_MAIN = "speaker/main.go"
_L2 = "speaker/layer2_controller.go"
_LIST = "internal/speakerlist/speakerlist.go"
_CONFIG = "internal/config/config.go"
_RECONCILERS = r"^(Pool|Config)Reconciler$"
_ML = "hashicorp/memberlist 0.5.1 (0.15) and 0.6.0 (0.16.2)"
_KEY, _CUT = CauseId.MEMBERLIST_KEY_MISMATCH, CauseId.MEMBERLIST_PARTITION

_TOLD_BY_MEMBERLIST = tuple(
    Signature(
        id=f"memberlist-{name}",
        cause=cause,
        where={"component": r"^Memberlist$", "msg": text},
        certain=certain,
        lasts=REJOIN_S,
        source=_ML,
        components=SPEAKER,
    )
    for name, cause, text, certain in (
        (
            "undecryptable",
            _KEY,
            r"(?i)^memberlist: (?:[\w ]+: )*no installed keys could decrypt the message",
            True,
        ),
        (
            "one-sided",
            _KEY,
            r"(?i)^memberlist: (?:[\w ]+: )*(?:remote state is (?:not )?encrypted|encryption is configured but)",
            True,
        ),
        (
            "udp-blocked",
            _CUT,
            r"^memberlist: Was able to connect to (?P<node>\S+) over TCP but UDP probes failed",
            True,
        ),
        # What follows also happens whenever a speaker ends or starts, and counts only while it goes on.
        ("suspect", _CUT, r"^memberlist: Suspect (?P<node>\S+) has failed, no acks received", False),
        ("failed", _CUT, r"^memberlist: Marking (?P<node>\S+) as failed, suspect timeout reached", False),
        (
            "refuting",
            _CUT,
            r"^memberlist: Refuting a (?:suspect|dead) message \(from: (?P<node>[^)]+)\)",
            False,
        ),
        ("push-pull", _CUT, r"^memberlist: Push/Pull with (?P<node>\S+) failed: ", False),
        ("send", _CUT, r"^memberlist: Failed (?:to send|fallback TCP ping)", False),
        ("conflict", _CUT, r"^memberlist: Conflicting address for (?P<node>\S+)\. Mine: ", False),
    )
)

_JOIN = (
    Signature(
        id="memberlist-join-undecryptable",
        cause=_KEY,
        where={"msg": r"^partial join$", "error": r"(?i)^\d+ errors? occurred:[\s\S]*(?:decrypt|encrypt)"},
        lasts=REJOIN_S,
        source=_LIST,
        components=SPEAKER,
    ),
    Signature(
        id="memberlist-partial-join",
        cause=_CUT,
        where={"msg": r"^partial join$"},
        certain=False,
        lasts=REJOIN_S,
        source=_LIST,
        components=SPEAKER,
    ),
)

MEMBERLIST = (*_TOLD_BY_MEMBERLIST, *_JOIN)
"""The log lines that tell of speakers which do not see each other, in the order in which they are tried."""

_REFUSALS = (
    r"(?m)^(?:parsing |duplicate definition|invalid |missing |failed to parse|peer |pool |bfd |native BGP"
    r"|asPathPrepend |serviceSelectors and )"
)

_ALLOCATION = tuple(
    Signature(
        id=f"allocation-{each.id}",
        cause=each.cause,
        where={"op": r"^allocateIPs$", "error": each.text},
        certain=each.certain,
        since=each.since,
        source=each.source,
    )
    for each in ALLOCATION_ERRORS
)

_REQUEST = tuple(
    Signature(
        id=f"request-{each.id}",
        cause=each.cause,
        where={"event": r"^loadbalancerIP$", "error": each.text},
        source=each.source,
    )
    for each in ALLOCATION_ERRORS
    if each.id in ("asked-twice", "no-address-asked", "odd-families")
)

_CONFIGURATION = (
    Signature(
        id="config-overlap",
        reconciled=True,
        cause=CauseId.POOL_OVERLAP,
        components=BOTH,
        where={
            "controller": _RECONCILERS,
            "error": r'^CIDR "[^"]*" in pool "(?P<pool>[^"]*)" overlaps with already defined CIDR',
        },
        source=_CONFIG,
    ),
    Signature(
        id="config-range",
        reconciled=True,
        cause=CauseId.POOL_RANGE_INVALID,
        components=BOTH,
        where={
            "controller": _RECONCILERS,
            "error": r"^parsing address pool (?P<pool>\S+): (?:invalid (?:CIDR|IP range)|pool has no)",
        },
        source=_CONFIG,
    ),
    Signature(
        id="config-forbidden",
        reconciled=True,
        cause=CauseId.PERMISSION_MISSING,
        components=BOTH,
        where={
            "controller": r"Reconciler$",
            "error": rf'{PROSE}[a-z0-9.-]+(?: "[^"]*")? is forbidden: User "',
        },
        source="internal/k8s/controllers/config_controller.go",
    ),
    Signature(
        id="config-rejected",
        reconciled=True,
        cause=CauseId.CONFIG_REJECTED,
        components=BOTH,
        # Failing to list something has a "message" besides; this line has none.
        where={
            "controller": _RECONCILERS,
            "level": r"^error$",
            "error": _REFUSALS,
            "message": r"^$",
        },
        source="internal/k8s/controllers/pool_controller.go, config_controller.go",
    ),
    Signature(
        id="config-missing",
        cause=CauseId.POOL_MISSING,
        components=BOTH,
        where={"msg": r"^configuration is missing, MetalLB will not function$"},
        source="controller/main.go, speaker/main.go",
    ),
)

_CONTROLLER = (
    Signature(
        id="too-few-cluster-ips",
        cause=CauseId.FAMILY_UNAVAILABLE,
        where={"reason": r"^requires dual stack but clusterips are not dual stack$"},
        source="controller/service.go",
        since="0.15.0",
    ),
    Signature(
        id="deprecated-annotation",
        cause=CauseId.DEPRECATED_ANNOTATION,
        where={"event": r"^deprecatedAnnotation$"},
        source="controller/main.go",
        since="0.14.9",
    ),
    *(
        Signature(
            id=f"status-{name}",
            cause=CauseId.STATUS_WRITE_REFUSED,
            where={"op": r"^updateServiceStatus$", "error": text},
            lasts=RETRY_S,
            source="controller/main.go, and what the API server answers where its admission fails",
        )
        for name, text in (
            (
                "webhook-dead",
                r'^(?:Internal error occurred: )?failed calling webhook "(?P<webhook>[^"]+)": ',
            ),
            ("webhook-denied", r'^admission webhook "(?P<webhook>[^"]+)" denied the request'),
            (
                "policy-denied",
                r"^services(?: \"[^\"]*\")? is forbidden: ValidatingAdmissionPolicy '(?P<policy>[^' ]+)' with binding ",
            ),
        )
    ),
    Signature(
        id="status-forbidden",
        cause=CauseId.PERMISSION_MISSING,
        where={"op": r"^updateServiceStatus$", "error": r'^services(?: "[^"]*")? is forbidden: '},
        source="controller/main.go",
    ),
    Signature(
        id="status-contested",
        cause=CauseId.RIVAL_CONTROLLER,
        where={
            "op": r"^updateServiceStatus$",
            "error": rf'{PROSE}Operation cannot be fulfilled on services(?: "[^"]*")?: the object has been modified',
        },
        certain=False,
        lasts=60.0,
        source="controller/main.go",
    ),
    Signature(
        id="secret-not-created",
        cause=CauseId.MEMBERLIST_SECRET_MISSING,
        where={"op": r"^startup$", "msg": r"^failed to create memberlist secret$"},
        source="controller/main.go",
    ),
    Signature(
        id="controller-not-started",
        cause=CauseId.CONTROLLER_CRASHING,
        where={"op": r"^startup$", "level": r"^error$"},
        certain=False,
        source="controller/main.go, internal/k8s/k8s.go",
    ),
    Signature(
        id="webhook-gone",
        cause=CauseId.WEBHOOK_UNREACHABLE,
        where={"logger": r"^cert-rotation$", "msg": r"^Webhook not found\. Unable to update certificate\.$"},
        certain=False,
        source="open-policy-agent/cert-controller, pkg/rotator/rotator.go",
    ),
    Signature(
        id="webhook-certificate",
        cause=CauseId.WEBHOOK_UNREACHABLE,
        where={
            "msg": r"^(?:[\d/]+ [\d:.]+ )?http: TLS handshake error from \S+: remote error: tls: "
            r"(?:bad|unknown|expired) certificate"
        },
        certain=False,
        lasts=120.0,
        source="Go's net/http, behind internal/k8s/webhook.go",
    ),
)

_SPEAKER = (
    Signature(
        id="memberlist-off",
        cause=CauseId.MEMBERLIST_DISABLED,
        where={"msg": r"^not starting fast dead node detection \(memberlist\)"},
        source=_LIST,
        components=SPEAKER,
    ),
    Signature(
        id="secret-unreadable",
        cause=CauseId.MEMBERLIST_SECRET_MISSING,
        where={"msg": r"^failed to read memberlist secret key file$"},
        source=_MAIN,
        components=SPEAKER,
    ),
    Signature(
        id="speaker-not-started",
        cause=CauseId.SPEAKER_CRASHING,
        where={"op": r"^startup$", "level": r"^error$"},
        source=_MAIN,
        certain=False,
        components=SPEAKER,
    ),
    Signature(
        id="interface-missing",
        cause=CauseId.ADVERTISEMENT_INTERFACE_MISSING,
        where={
            "msg": r"^the specified interfaces used to announce LB IP don't exist$",
            "service": r"(?P<service>\S+)",
        },
        source=_L2,
        components=SPEAKER,
    ),
    Signature(
        id="shared-with-selectors",
        cause=CauseId.SHARING_REFUSED,
        where={
            "reason": r"^allow-shared-ip is incompatible with serviceSelectors",
            "service": r"(?P<service>\S+)",
        },
        since="0.16.2",
        source=_L2,
        components=SPEAKER,
    ),
    Signature(
        id="address-outside-pools",
        cause=CauseId.REQUESTED_OUTSIDE_POOLS,
        where={"op": r"^setBalancer$", "error": r"^assigned IP not allowed by config$"},
        certain=False,
        lasts=60.0,
        source=_MAIN,
        components=SPEAKER,
    ),
    Signature(
        id="address-malformed",
        cause=CauseId.RIVAL_CONTROLLER,
        where={"op": r"^setBalancer$", "error": r'^invalid LoadBalancer IP "'},
        certain=False,
        source=_MAIN,
        components=SPEAKER,
    ),
    Signature(
        id="config-contested",
        cause=CauseId.CONFIG_REJECTED,
        where={"op": r"^setConfig$", "msg": r"^new configuration rejected$", "service": r"(?P<service>\S+)"},
        certain=False,
        lasts=60.0,
        source=_MAIN,
        components=SPEAKER,
    ),
    Signature(
        id="responder-forbidden",
        cause=CauseId.SPEAKER_UNPRIVILEGED,
        where={
            "msg": r"^failed to create (?:ARP|NDP) responder$",
            # Words of the kernel (EPERM, EACCES), the last ones of the error.
            "error": r'^(?:creating \w+ responder for "[^"]*": )?[^"]*: (?:operation not permitted|permission denied)$',
        },
        lasts=30.0,  # interfaces are looked at again every 10 s
        source="internal/layer2/announcer.go",
        components=SPEAKER,
    ),
    Signature(
        id="responder-missing",
        cause=CauseId.NOBODY_ANSWERS,
        where={"msg": r"^failed to create (?:ARP|NDP) responder$"},
        certain=False,
        lasts=30.0,  # interfaces are looked at again every 10 s
        source="internal/layer2/announcer.go",
        components=SPEAKER,
    ),
    Signature(
        id="answer-unsent",
        cause=CauseId.NOBODY_ANSWERS,
        where={"msg": r"^failed to (?:send ARP reply|make gratuitous (?:ARP|NDP) announcement)$"},
        certain=False,
        lasts=60.0,
        source="internal/layer2/arp.go, ndp.go, announcer.go",
        components=SPEAKER,
    ),
    Signature(
        id="status-immutable",
        cause=CauseId.OWNER_DISAGREEMENT,
        where={
            "error": rf'{PROSE}ServiceL2Status\.metallb\.io(?: "[^"]*")? is invalid: status\.node: .*Value is immutable'
        },
        until="0.16.0",
        lasts=120.0,
        source="internal/k8s/controllers/layer2_status_controller.go",
        components=SPEAKER,
    ),
)

LOG_SIGNATURES = (
    *_CONFIGURATION,
    *_ALLOCATION,
    *_REQUEST,
    *API_REQUESTS,
    *_CONTROLLER,
    *MEMBERLIST,
    *_SPEAKER,
)
"""All rows. What is specific stands before what is general: a refused permission before a failed start."""
