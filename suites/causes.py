"""Groups of causes for checks that see the effects of many: derived from the causes' own records.

A check declares by itself the causes that it reports (see `clusters.checks.causes.Cause.reported_by`).
"""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.checks import Scope
from clusters.checks.causes import CAUSES, Effect, Layer, having, of_links
from clusters.checks.path_links import Link


def _together(*groups: tuple[CauseId, ...]) -> tuple[CauseId, ...]:
    return tuple(dict.fromkeys(cause for group in groups for cause in group))


#: What keeps the controller from working.
CONTROLLER = having(Effect.STOPS_CONTROLLER)
#: What keeps a speaker from announcing.
SPEAKER = having(Effect.STOPS_SPEAKER)
#: What makes MetalLB refuse its configuration.
REFUSED = having(Effect.REFUSES_CONFIGURATION)
#: What keeps a pod of MetalLB's from being reached, by whatever runs on another node.
CUT_OFF = having(Effect.CUTS_OFF)
#: What makes two sides announce one address.
SPLIT = having(Effect.SPLITS)
#: What makes addresses change, or be given out against the rules.
REWRITTEN = having(Effect.CHANGES_ADDRESS)
#: Whatever keeps a service without an address.
PENDING = _together(
    of_links(Link.CLASS, Link.CONTROLLER, Link.REQUEST, Link.POOL, Link.FREE, Link.WRITTEN),
    CONTROLLER,
    REFUSED,
)
#: What keeps every node from announcing an address.
UNANNOUNCED = _together(
    of_links(Link.ADVERTISED, Link.ANNOUNCER),
    SPEAKER,
    (CauseId.REQUESTED_OUTSIDE_POOLS, CauseId.SHARING_REFUSED, CauseId.CLASS_MISMATCH),
)
#: What is wrong behind an address.
BACKENDS = of_links(Link.BACKEND)
#: Whatever keeps an address from being answered for by the one node that announces it.
NOT_ANSWERED = _together(
    UNANNOUNCED,
    of_links(Link.BACKEND, Link.ANSWER),
    SPLIT,
    REFUSED,
    having(Effect.SILENCES),
    (CauseId.PERMISSION_MISSING,),
)
#: Whatever keeps a service from being reached.
UNREACHED = _together(
    NOT_ANSWERED, of_links(Link.ROUTE, Link.NODE, Link.FORWARD, Link.BACKEND_PATH, Link.RETURN)
)
#: Whatever keeps a service from being served, from its object to its backends.
UNSERVED = _together(PENDING, UNREACHED)
#: Whatever keeps an address from moving to another node and back.
STUCK = _together(UNSERVED, having(Effect.PREVENTS_TAKEOVER))
#: What may be wrong around a loss, a change or an upgrade of MetalLB: with its services, or with what is applied.
NOT_RESTORED = _together(
    UNSERVED,
    of_links(Link.CONFIGURATION, Link.INTENDED),
    (CauseId.OVERLAY_DRIFT, CauseId.OVERLAY_INVALID, CauseId.RECONCILIATION_STOPPED, CauseId.VERSION_SKEW),
)
#: Whatever touches the whole cluster.
EVERYWHERE = tuple(cause.id for cause in CAUSES.values() if cause.link and cause.scope is Scope.CLUSTER)
#: Whatever lies in nodes and network.
NODES_AND_NETWORK = tuple(cause.id for cause in CAUSES.values() if cause.layer is Layer.NODES_AND_NETWORK)
