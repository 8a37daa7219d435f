"""What the checks that one observation decides answer, by id: their own questions, asked outside of a run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from clusters.checks import Finding
from clusters.diagnosis import Diagnosis
from clusters.diagnosis.answer import Answer, Figure, Question, ask, findings
from clusters.observation import Snapshot
from tests.faults.catalogue_judging import observe_checks


@dataclass(frozen=True)
class Told:
    """One check's answer with its findings."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    missing: tuple[str, ...]
    unsupported: str
    figures: Mapping[str, Figure]


class _Listener:
    """Takes the place of a check's observation, to hear what it asks."""

    question: Question

    def expect(self, question: Question) -> None:
        """Remember the question."""
        self.question = question


@cache
def questions() -> Mapping[str, Question]:
    """What each check asks of a diagnosis, by id."""
    found = {}
    for check, function in observe_checks().items():
        if list(inspect.signature(function).parameters) == ["observed"]:
            listener = _Listener()
            function(cast("Any", listener))
            found[check] = listener.question
    return found


def answered(check: str, snapshot: Snapshot) -> Told:
    """What one check answers."""
    diagnosis = Diagnosis(snapshot)
    return _told(check, ask(questions()[check], diagnosis), diagnosis)


def all_answered(snapshot: Snapshot) -> dict[str, Told]:
    """What every check answers, by id."""
    diagnosis = Diagnosis(snapshot)
    return {
        check: _told(check, ask(question, diagnosis), diagnosis) for check, question in questions().items()
    }


def _told(check: str, answer: Answer, diagnosis: Diagnosis) -> Told:
    return Told(
        findings(check, answer, diagnosis), answer.notes, answer.missing, answer.unsupported, answer.figures
    )
