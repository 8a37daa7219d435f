"""Explaining a failure that names no cause: whoever knows how registers an explainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from clusters.cause_ids import CauseId
from clusters.checks import CheckSpec, Finding
from clusters.checks.causes import CAUSES
from clusters.commands import commands, fields_of
from clusters.subject import CLUSTER

#: Takes the failed item and what was raised, and returns the findings that explain it, or none.
Explainer = Callable[[pytest.Item, BaseException], Sequence[Finding]]

UNEXPLAINED = CauseId.UNEXPLAINED
_EXPLAINERS: list[Explainer] = []


def explainer(function: Explainer) -> Explainer:
    """Register a function that turns a plain failure into findings; the first that finds any is taken."""
    if function not in _EXPLAINERS:
        _EXPLAINERS.append(function)
    return function


def explain(item: pytest.Item, error: BaseException) -> tuple[tuple[Finding, ...], str]:
    """The findings for a failure, and what went wrong in finding them: no explainer masks a failure."""
    faults = []
    for function in _EXPLAINERS:
        try:
            found = tuple(function(item, error))
        except Exception as fault:  # noqa: BLE001 - the failure itself counts, not the attempt to explain it
            faults.append(f"the diagnosis broke: {type(fault).__name__}: {fault}")
            continue
        if found:
            return found, "; ".join(faults)
    return (), "; ".join(faults)


def unexplained(summary: str) -> Finding:
    """The finding for a failure whose cause nobody could name."""
    return Finding(cause=UNEXPLAINED, subject=CLUSTER, summary=summary)


def over_budget(summary: str) -> Finding:
    """The finding for a figure that breaks its budget where nothing else was found wrong."""
    return Finding(cause=CauseId.OVER_BUDGET, subject=CLUSTER, summary=summary)


def completed(finding: Finding, spec: CheckSpec, *, namespace: str, overlay: str = "") -> Finding:
    """The finding with the remedy and the commands of its cause where it names none.

    `namespace` is MetalLB's, `overlay` the folder of the cluster's overlay; the rest of what the commands name is
    taken from the finding's subject.
    """
    known = CAUSES.get(finding.cause)
    fields = {"metallb_namespace": namespace, "overlay": overlay, **fields_of(finding.subject)}
    own = commands(spec.commands, **fields)
    of_cause = known.render(**fields) if known else ()
    typed = (own or of_cause) if finding.cause == UNEXPLAINED else (of_cause or own)
    return replace(
        finding,
        remedy=finding.remedy or (known.remedy if known else ""),
        commands=finding.commands or typed,
    )
