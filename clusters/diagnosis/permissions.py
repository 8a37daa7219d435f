"""What MetalLB itself may not do: the API server refuses it, and its log says so."""

from __future__ import annotations

import re
from collections.abc import Iterator

from clusters.diagnosis.facts import Facts
from clusters.diagnosis.roots import Root
from clusters.diagnosis.telling import fields, workload
from clusters.metallb.signatures import Hit, fields_of

#: A refused request is made again, with a pause that grows to a few minutes; later than this it is over.
_LASTING = 300.0
_SERVICE = re.compile(
    r'services \\?"(?P<name>[^"\\]+)\\?" is forbidden.* in the namespace \\?"(?P<namespace>[^"\\]+)'
)
_HOMES = {"controller": "health.controller-log", "speaker": "health.speaker-log"}


def roots(facts: Facts) -> Iterator[Root]:
    """One root for each of controller and speakers that lacks a permission now."""
    for component, home in _HOMES.items():
        lines = [
            (hit.count, f"pod {pod.name}: {hit.line}")
            for pod in facts.components.pods
            if pod.component == component
            for hit in facts.hits.get(pod.name, ())
            if hit.cause == "permission-missing" and hit.signature.certain and _lasts(facts, hit)
        ]
        if lines:
            subject = workload(facts, component)
            yield Root(
                cause="permission-missing",
                subject=subject,
                summary=f"The API server refuses what the {subject} asks for: a permission is missing.",
                evidence=tuple(line for _, line in lines[:3]),
                home=home,
                fields=fields(facts),
            )


def _lasts(facts: Facts, hit: Hit) -> bool:
    """Whether a refusal still stands: it is recent, and the service that it names, if any, still waits.

    What the metrics endpoint may not ask is not counted: from 0.16.0 the plain manifests do not let it check
    tokens, so that each look at the metrics leaves such a line and nothing of MetalLB's work is touched.
    """
    if fields_of(hit.line).get("logger") == "controller-runtime.metrics":
        return False
    if hit.when is not None and facts.now - hit.when.timestamp() > _LASTING:
        return False
    found = _SERVICE.search(hit.line)
    if found is None or not facts.snapshot.services.ok:
        return True
    service = facts.services.get(f"{found['namespace']}/{found['name']}")
    return service is not None and not service.ingress
