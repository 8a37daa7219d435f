"""Whether NetworkPolicies keep a client outside the cluster from a service's pods.

Policies only admit, and what none of those that select a pod admits is denied. Of the pods the service's selector is
known, a part of their labels: a policy counts as selecting them only where that part decides, and as admitting
somebody also where it merely may select them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from clusters.metallb import selectors
from clusters.metallb.ranges import AddressError, parse_address, within
from clusters.metallb.selectors import LabelSelector, Requirement, SelectorError
from clusters.observation.snapshot import Json


def denying(
    policies: Iterable[Json], *, labels: Mapping[str, str], sources: Collection[str], ports: Collection[int]
) -> tuple[str, ...]:
    """The names of the policies that select the pods, where no policy admits any of the sources at a port."""
    selecting = []
    for raw in policies:
        spec = raw.get("spec") or {}
        if "Ingress" not in (spec.get("policyTypes") or ("Ingress",)):
            continue
        selector = _parsed(spec.get("podSelector") or {})
        if selector is None or not all(_may_hold(one, labels) for one in selector.requirements):
            continue
        if any(_admits(rule, sources, ports) for rule in spec.get("ingress") or ()):
            return ()
        if all(_holds(one, labels) for one in selector.requirements):
            selecting.append(raw["metadata"]["name"])
    return tuple(selecting)


def _parsed(raw: Json) -> LabelSelector | None:
    try:
        return selectors.parse(raw)
    except SelectorError:
        return None


def _holds(term: Requirement, labels: Mapping[str, str]) -> bool:
    """Whether a term is met whatever other labels there are."""
    return term.key in labels and term.matches(labels)


def _may_hold(term: Requirement, labels: Mapping[str, str]) -> bool:
    """Whether a term is met, or other labels could meet it."""
    return term.key not in labels or term.matches(labels)


def _admits(rule: Json, sources: Collection[str], ports: Collection[int]) -> bool:
    return _admits_port(rule.get("ports") or (), ports) and _admits_source(rule.get("from") or (), sources)


def _admits_port(entries: Collection[Json], ports: Collection[int]) -> bool:
    """By name a port of the pods may be any of theirs, which nobody has read."""
    if not entries or not ports:
        return True
    for each in entries:
        first = each.get("port")
        if not isinstance(first, int):
            return True
        if any(first <= port <= (each.get("endPort") or first) for port in ports):
            return True
    return False


def _admits_source(peers: Collection[Json], sources: Collection[str]) -> bool:
    """A peer that is a pod is inside the cluster, and none of the sources."""
    if not peers:
        return True
    blocks = [each["ipBlock"] for each in peers if each.get("ipBlock")]
    return any(
        within(source, [block["cidr"]]) and not within(source, block.get("except") or ())
        for block in blocks
        for source in sources
        if _is_address(source)
    )


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except AddressError:
        return False
    return True
