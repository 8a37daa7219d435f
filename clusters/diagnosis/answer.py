"""What one check finds in a Diagnosis, and how it ends by that: findings, notes, figures, what it could not look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from clusters.checks import CheckFailed, Finding, NotSupported
from clusters.commands import fields_of
from clusters.diagnosis import unread_lists
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.diagnosis.root_cause import Explanation, RootCause
from clusters.errors import Inconclusive
from clusters.metallb import versions
from clusters.metallb.versions import Feature
from clusters.observation.snapshot import Objects, Part, Snapshot, Status
from clusters.subject import Subject

#: As many services with one root are told one by one; more become one finding.
MOST_ALIKE = 20
_NAMED = 8


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure that a check reports beside its verdict."""

    value: float
    unit: str
    budget: float | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one look says to one check, whichever check asks.

    `explanations` are what it suffers from; those of them that another check reports are left out with
    `reported_only`. `root_causes` are the causes that it may have to report, by default all of the diagnosis. `missing`
    are sentences on what could not be read, `unsupported` why there is no answer. It passes without anything to
    report where nothing is missing either. `needs` are lists of the observation in which its faults stand, besides
    those that it names in `missing` by itself: it has not passed where objects of them cannot be read.
    """

    explanations: tuple[Explanation, ...] = ()
    root_causes: tuple[RootCause, ...] | None = None
    reported_only: bool = False
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unsupported: str = ""
    needs: tuple[str, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)


def findings(check: str, answer: Answer, diagnosis: Diagnosis) -> tuple[Finding, ...]:
    """The findings of `check`: the causes that it reports, and what suffers from those that others report."""
    if answer.unsupported:
        return ()
    if answer.root_causes is None:
        own = {root.key: root for root in diagnosis.reported.get(check, ())}
    else:
        roots = (root for root in answer.root_causes if not diagnosis.holds_back(root))
        own = {root.key: root for root in roots if root.reported_by == check}
    found: list[Finding] = []
    groups: dict[tuple[str, str], list[Explanation]] = {}
    for explained in answer.explanations:
        if diagnosis.holds_back(explained.root):
            continue
        if explained.root.reported_by == check and explained.root.subject == explained.subject:
            own.pop(explained.root.key, None)
            found.append(explained.finding(check))
        elif explained.root.reported_by == check:
            own.setdefault(explained.root.key, explained.root)
        elif not answer.reported_only:
            groups.setdefault(explained.root.key, []).append(explained)
    found += [_with_affected(root, diagnosis) for root in own.values()]
    for group in groups.values():
        if len(group) > MOST_ALIKE:
            found.append(_summed_up(check, group))
        else:
            found += [
                explained.finding(check, **_of_affected(explained.root, diagnosis)) for explained in group
            ]
    return tuple(found)


def _with_affected(root: RootCause, diagnosis: Diagnosis) -> Finding:
    affected = diagnosis.affected.get(root.key, ())
    if not affected or root.subject == Subject.service(affected[0]):
        return root.finding()
    line = f"{_count(len(affected))}: {_listed(affected)}"
    commands = root.commands(**_of_affected(root, diagnosis))
    return replace(root.finding(), evidence=(*root.evidence, line), commands=commands)


def _of_affected(root: RootCause, diagnosis: Diagnosis) -> dict[str, str]:
    """What the root's commands lack of a service, by the first that suffers from it: there it is to be seen."""
    affected = diagnosis.affected.get(root.key, ())
    if not affected:
        return {}
    service = diagnosis.facts.services.get(affected[0])
    address = str(service.ingress[0]) if service and service.ingress else ""
    found = fields_of(Subject.service(affected[0])) | ({"address": address} if address else {})
    return {name: value for name, value in found.items() if not root.fields.get(name)}


def _count(number: int) -> str:
    return "affects 1 service" if number == 1 else f"affects {number} services"


def _listed(names: tuple[str, ...]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _summed_up(check: str, group: list[Explanation]) -> Finding:
    names = tuple(each.subject.key for each in group)
    one = group[0]
    text = f"{len(group)} services have the same problem: {one.root.summary}"
    line = f"for instance {_listed(names)}"
    return replace(one.finding(check), subject=one.root.subject, summary=text, evidence=(line, *one.evidence))


class Unread(str):
    """A sentence on a part of an observation that is not known; it knows which part that is."""

    __slots__ = ("part",)

    part: Part

    @classmethod
    def of(cls, part: Part, text: str) -> Self:
        """The sentence on a part."""
        made = cls(text)
        made.part = part
        return made


def missing(*parts: tuple[str, Part]) -> tuple[str, ...]:
    """Sentences on the parts that are not known; each comes with what it is for ("the services")."""
    return tuple(Unread.of(part, sentence(what, part)) for what, part in parts if not part.known)


def sentence(what: str, part: Part) -> str:
    """Why a part is not known."""
    match part.status:
        case Status.NOT_PERMITTED:
            return (
                f"It may not read {what}: the permission to {part.verb} {part.resource} is missing "
                f"(verb {part.verb}, resource {part.resource})."
            )
        case Status.NOT_ASKED:
            return f"It did not look at {what}: {part.detail or 'it was not asked to'}."
        case _:
            return f"It could not read {what}: {part.detail}"


def unpermitted(seen: Snapshot) -> tuple[str, ...]:
    """A sentence where parts of the observation may not be read by this login, with each of them.

    Names of secrets are not counted, no role should let anybody list those, and neither are metrics that a pod
    refuses.
    """
    listed = [part for name, part in vars(seen).items() if isinstance(part, Objects) and name != "secrets"]
    parts: list[Part] = [
        *listed,
        *seen.logs,
        *(page for page in seen.metrics if not page.resource.startswith("/")),
    ]
    refused = dict.fromkeys(part.detail for part in parts if part.status is Status.NOT_PERMITTED)
    return (f"Not all of the cluster may be read: {' '.join(refused)}",) if refused else ()


Question = Callable[[Diagnosis], Answer]
"""What an observe check asks of a diagnosis; the functions of `clusters.diagnosis.answers` are questions."""


def ask(question: Question, diagnosis: Diagnosis) -> Answer:
    """The answer. A MetalLB that is configured in another way altogether is not supported."""
    version = diagnosis.facts.components.version
    gate = versions.supports(version, Feature.CUSTOM_RESOURCES)
    if version is not None and not gate:
        return Answer(unsupported=gate.reason)
    found = question(diagnosis)
    said = [each.part for each in found.missing if isinstance(each, Unread)]
    lacking = tuple(unread_lists.lacking(found.needs, diagnosis.snapshot, said))
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
