"""The links from the announcing node to a backend and back, where nothing is known to break them."""

from __future__ import annotations

from clusters.checks import LinkReading
from clusters.checks.path_links import Link
from clusters.diagnosis.paths.path_case import Case, Read, ok, unknown
from clusters.observation.field_types import ProbeOutcome


def node(case: Case) -> LinkReading:
    """Whether frames from the vantage reach that node at all."""
    if _replied(case):
        return ok(Link.NODE, f"something came back from {case.address}")
    return unknown(Link.NODE, "nothing came back, and the node's own address was not tried")


def forward(case: Case) -> LinkReading:
    """Whether the node takes the packet and hands it on."""
    if _replied(case):
        return ok(Link.FORWARD, f"something came back from {case.address}")
    return unknown(Link.FORWARD, "nothing came back")


def backend_path(case: Case) -> LinkReading:
    """Whether every endpoint gets its share."""
    if not case.tries:
        return unknown(Link.BACKEND_PATH, "no port was tried")
    return unknown(Link.BACKEND_PATH, "one try reaches one endpoint")


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


def _replied(case: Case) -> bool:
    return any(one.outcome.replied for one in case.tries)


LINKS: dict[Link, Read] = {
    Link.NODE: node,
    Link.FORWARD: forward,
    Link.BACKEND_PATH: backend_path,
    Link.BACKEND: backend,
    Link.RETURN: returning,
}
