"""What a run's failures are attributed to: its root causes, each once, and what two runs can be compared in."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from clusters.checks import CheckResult, Finding, Outcome, RunResult

#: What is named anew in each run, or by each ReplicaSet: a run's own namespace, a pod of the controller's.
_OWN_NAMESPACE = (re.compile(r"\bmlc-[a-z0-9-]+(?=/|$)"), "mlc-*")
_POD = (re.compile(r"^(pod \S+?)-[a-z0-9]{6,10}-[a-z0-9]{5}$"), r"\1-*")
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class RootCause:
    """One cause of one subject, as the check `reported_by` reports it; `checks` are all that fail because of it."""

    finding: Finding
    reported_by: str
    checks: tuple[str, ...]


def root_causes(result: RunResult) -> tuple[RootCause, ...]:
    """Every cause of the failed checks, by how many checks it fails; where equal, as the run found them."""
    failed = ended_as(result, Outcome.FAILED)
    names = {check.id for check in failed}
    found: dict[tuple[str, str], RootCause] = {}
    repeated: dict[tuple[str, str], list[str]] = {}
    for check in failed:
        for finding in check.findings:
            if reported_elsewhere(finding, names):
                repeated.setdefault((finding.cause, finding.root), []).append(check.id)
                continue
            key = (finding.cause, finding.summary)
            known = found.get(key, RootCause(finding=finding, reported_by=check.id, checks=()))
            found[key] = replace(known, checks=tuple(dict.fromkeys((*known.checks, check.id))))
    whole = (
        replace(one, checks=tuple(dict.fromkeys((*one.checks, *repeated.get(_key(one), ())))))
        for one in found.values()
    )
    return tuple(sorted(whole, key=lambda one: -len(one.checks)))


def _key(one: RootCause) -> tuple[str, str]:
    return one.finding.cause, one.reported_by


def reported_elsewhere(finding: Finding, failed: Collection[str]) -> bool:
    """Whether another check of the run reports this finding's cause. One that was not run reports nothing."""
    return finding.root in failed


def ended_as(result: RunResult, *outcomes: Outcome) -> list[CheckResult]:
    """The checks of a run that ended with one of these outcomes."""
    return [check for check in result.checks if check.outcome in outcomes]


def ordered(failed: Iterable[CheckResult]) -> list[CheckResult]:
    """Failed checks for a reader: first those that report a cause, then those that only repeat one."""
    checks = list(failed)
    names = {check.id for check in checks}
    return sorted(
        checks,
        key=lambda check: (
            bool(check.findings) and all(reported_elsewhere(one, names) for one in check.findings)
        ),
    )


@dataclass(frozen=True, order=True)
class Attribution:
    """A cause's id and its subject ("node w1"), without what is named anew in each run; "" where nobody kept it."""

    cause: str
    subject: str

    def __str__(self) -> str:
        return f"{self.cause} ({self.subject})" if self.subject else self.cause


def attributions(check: CheckResult) -> tuple[Attribution, ...]:
    """What a failed check is attributed to, each once; nothing for any other."""
    if check.outcome is not Outcome.FAILED:
        return ()
    return tuple(sorted({Attribution(one.cause, _lasting(one.subject)) for one in check.findings}))


def fails_differently(before: Sequence[Attribution], after: Sequence[Attribution]) -> bool:
    """Whether a check that fails again has a cause or a subject that it did not have before.

    That one of several is gone is no news of a failure. Where one of the two has kept no subjects, causes alone count.
    """
    if not before or not after:
        return False
    if all(one.subject for one in (*before, *after)):
        return bool({*after} - {*before})
    return bool({one.cause for one in after} - {one.cause for one in before})


def listed(found: Sequence[Attribution]) -> str:
    """Some attributions for a reader: "speaker-down (node w1), node-not-ready (node w1) and 2 more"."""
    rest = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(map(str, found[:_SHOWN])) + rest


def _lasting(subject: str) -> str:
    for pattern, put in (_OWN_NAMESPACE, _POD):
        subject = pattern.sub(put, subject)
    return subject
