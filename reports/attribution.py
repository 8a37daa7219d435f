"""What a failure is laid to, cause by cause and subject by subject, so that two runs can be compared in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from clusters.checks import CheckResult, Outcome

#: What is named anew in each run, or by each ReplicaSet: a run's own namespace, a pod of the controller's.
_OWN_NAMESPACE = (re.compile(r"\bmlc-[a-z0-9-]+(?=/|$)"), "mlc-*")
_POD = (re.compile(r"^(pod \S+?)-[a-z0-9]{6,10}-[a-z0-9]{5}$"), r"\1-*")
_SHOWN = 3


@dataclass(frozen=True, order=True)
class Blame:
    """A cause's id and its subject ("node w1"), without what is named anew in each run; "" where nobody kept it."""

    cause: str
    subject: str

    def __str__(self) -> str:
        return f"{self.cause} ({self.subject})" if self.subject else self.cause


def blames(check: CheckResult) -> tuple[Blame, ...]:
    """What a failed check was laid to, each once; nothing for any other."""
    if check.outcome is not Outcome.FAILED:
        return ()
    return tuple(sorted({Blame(one.cause, _lasting(one.subject)) for one in check.findings}))


def otherwise(was: Sequence[Blame], now: Sequence[Blame]) -> bool:
    """Whether a check that fails again has a cause or a subject that it did not have before.

    That one of several is gone is no news of a failure. Where one of the two has kept no subjects, causes alone count.
    """
    if not was or not now:
        return False
    if all(one.subject for one in (*was, *now)):
        return bool({*now} - {*was})
    return bool({one.cause for one in now} - {one.cause for one in was})


def said(blamed: Sequence[Blame]) -> str:
    """Some blames for a reader: "speaker-down (node w1), node-not-ready (node w1) and 2 more"."""
    rest = f" and {len(blamed) - _SHOWN} more" if len(blamed) > _SHOWN else ""
    return ", ".join(map(str, blamed[:_SHOWN])) + rest


def _lasting(subject: str) -> str:
    for pattern, put in (_OWN_NAMESPACE, _POD):
        subject = pattern.sub(put, subject)
    return subject
