"""From a check's question to how the check ends: asked of one diagnosis, whichever check asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from clusters.checks import CheckFailed, NotSupported
from clusters.diagnosis import unread_lists
from clusters.diagnosis.answer import Answer, findings
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.errors import Inconclusive
from clusters.metallb import versions
from clusters.metallb.versions import Feature

Question = Callable[[Diagnosis], Answer]
"""What an observe check asks of a diagnosis; the functions of `clusters.diagnosis.answers` are questions."""


def ask(question: Question, diagnosis: Diagnosis) -> Answer:
    """The answer. A MetalLB that is configured in another way altogether is not supported."""
    version = diagnosis.facts.components.version
    gate = versions.supports(version, Feature.CUSTOM_RESOURCES)
    if version is not None and not gate:
        return Answer(unsupported=gate.reason)
    found = question(diagnosis)
    lacking = tuple(unread_lists.lacking(found.needs, diagnosis.snapshot, found.missing))
    return replace(found, missing=(*found.missing, *lacking))


def conclude(check: str, answer: Answer, diagnosis: Diagnosis) -> None:
    """Return for an answer by which `check` passes; else raise how it ends.

    Raises CheckFailed with the findings, NotSupported with the reason, Inconclusive with what was missing.
    """
    found = findings(check, answer, diagnosis)
    if found:
        raise CheckFailed(found)
    if answer.unsupported:
        raise NotSupported(answer.unsupported)
    if answer.missing:
        raise Inconclusive(" ".join(answer.missing))
