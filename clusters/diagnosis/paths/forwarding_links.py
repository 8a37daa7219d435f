"""The links from the announcing node to a backend and back, where nothing is known to break them."""

from __future__ import annotations

from clusters.checks import LinkReading
from clusters.checks.path_links import Link
from clusters.diagnosis.forwarding import Stretch
from clusters.diagnosis.forwarding.stretch import SEVERAL, ending
from clusters.diagnosis.paths.path_case import Case, Read, ok, unknown
from clusters.observation.field_types import ProbeOutcome


def node(case: Case) -> LinkReading:
    """Whether frames from the vantage reach that node at all."""
    if _replied(case):
        return ok(Link.NODE, _came_back(case))
    reach = _stretch(case).reach if case.tries else None
    if reach is None:
        return unknown(Link.NODE, "nothing came back, and the node's own address was not tried")
    where = f"port {reach.port} of node {reach.node}'s own address {reach.address}"
    if reach.replied:
        return ok(Link.NODE, f"{where} is reached")
    return unknown(Link.NODE, f"{where} is silent too: {ending(reach)}")


def forward(case: Case) -> LinkReading:
    """Whether the node takes the packet and hands it on."""
    if _replied(case):
        return ok(Link.FORWARD, _came_back(case))
    beside = _stretch(case).served_beside if case.tries else ""
    if beside:
        return ok(Link.FORWARD, f"{beside}, which node {case.announcer} announces too, is served")
    return unknown(Link.FORWARD, "nothing came back")


def backend_path(case: Case) -> LinkReading:
    """Whether every endpoint gets its share."""
    whole = [one for one in case.tries if one.tries >= SEVERAL and not one.lost]
    if case.tries and len(whole) == len(case.tries):
        told = ", ".join(f"{one.tries} at {one.protocol} port {one.port}" for one in whole)
        return ok(Link.BACKEND_PATH, f"no try was lost, of {told}")
    if not case.tries:
        return unknown(Link.BACKEND_PATH, "no port was tried")
    if any(one.tries < SEVERAL for one in case.tries):
        return unknown(Link.BACKEND_PATH, "one try reaches one endpoint")
    return unknown(
        Link.BACKEND_PATH, *(f"{one.protocol} port {one.port}: {ending(one)}" for one in case.tries)
    )


def backend(case: Case) -> LinkReading:
    """Whether what answers keeps its promise."""
    served = [f"{one.protocol} port {one.port}" for one in case.tries if one.outcome is ProbeOutcome.ANSWERED]
    if case.tries and len(served) == len(case.tries):
        return ok(Link.BACKEND, f"{', '.join(served)} answers")
    return unknown(Link.BACKEND, "not every port is known to answer")


def returning(case: Case) -> LinkReading:
    """Whether answers come back whole."""
    small = (
        "small answers come back, and no large one was asked for" if _replied(case) else "nothing came back"
    )
    return unknown(Link.RETURN, small)


def _stretch(case: Case) -> Stretch:
    """The stretch behind the announcing node, whether anything of it is in trouble or not."""
    return Stretch(case.facts, case.service, case.tries, case.announcer)


def _came_back(case: Case) -> str:
    return f"something came back from {case.address}"


def _replied(case: Case) -> bool:
    return any(one.replied for one in case.tries)


LINKS: dict[Link, Read] = {
    Link.NODE: node,
    Link.FORWARD: forward,
    Link.BACKEND_PATH: backend_path,
    Link.BACKEND: backend,
    Link.RETURN: returning,
}
