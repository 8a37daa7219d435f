"""The answer of every check that one observation decides, by the check's id."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from clusters.checks import CheckFailed, NotSupported
from clusters.diagnosis.answer import Answer
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.diagnosis.sections import health, later, logs, pending, traffic, trigger
from clusters.errors import Inconclusive
from clusters.metallb import versions
from clusters.metallb.versions import Feature

ANSWERS: Mapping[str, Callable[[Diagnosis], Answer]] = {
    **trigger.ANSWERS,
    **health.ANSWERS,
    **logs.ANSWERS,
    **pending.ANSWERS,
    **traffic.ANSWERS,
    **later.ANSWERS,
}


def answer(check: str, diagnosis: Diagnosis) -> Answer:
    """What `check` finds. A MetalLB that is configured in another way altogether is not supported."""
    version = diagnosis.facts.components.version
    gate = versions.supports(version, Feature.CUSTOM_RESOURCES)
    if version is not None and not gate:
        return Answer(unsupported=gate.reason)
    return ANSWERS[check](diagnosis)


def conclude(found: Answer) -> None:
    """Return for an answer that passes; else raise how it ended.

    Raises CheckFailed with the findings, NotSupported with the reason, Inconclusive with what was missing.
    """
    if found.findings:
        raise CheckFailed(found.findings)
    if found.unsupported:
        raise NotSupported(found.unsupported)
    if found.missing:
        raise Inconclusive(" ".join(found.missing))
