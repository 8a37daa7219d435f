"""The digest: what changed since the previous run, as a title and a short plain text for a chat, a mail and a phone.

Whether there is anything to send is a pure decision over this run and what was known before it. Where nothing changed
and the cluster is still not well, a reminder may be due: what fails, and for how long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clusters.checks import CheckResult, Outcome, RunResult, Verdict
from reports.attribution import Attribution, attributions, fails_differently, listed
from reports.history.history_view import PreviousRun
from reports.history.standings import Standing
from reports.markup import for_chat
from reports.wording import headline, in_maintenance, long, moment

_UNDECIDED = frozenset({Outcome.INCONCLUSIVE, Outcome.SKIPPED})
_SHOWN, _LONGEST = 8, 300
#: How long a line of a message, a message and its subject are at most: a phone is to show it, and a gateway to take it.
_LINE, _MESSAGE, _TITLE = 500, 12_000, 200


@dataclass(frozen=True, kw_only=True)
class ChangesSince:
    """What a digest would say; checks by id. `before` is None where no previous run is known.

    `failing`, `fixed` and `undecided` are changes since the previous run; `differently` are checks that failed then,
    too, but not by all that they fail by now, with what that was. `stale` are checks whose last pass became too old
    since then, and which this run did not pass either.
    """

    verdict: Verdict
    before: Verdict | None
    failing: tuple[str, ...] = ()
    differently: Mapping[str, tuple[Attribution, ...]] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()

    @property
    def worth_sending(self) -> bool:
        """Whether anybody is to hear of it: something changed or went stale, or the first run did not pass."""
        if self.before is None:
            return self.verdict is not Verdict.PASSED
        changed = self.verdict is not self.before
        return changed or any((self.failing, self.differently, self.fixed, self.undecided, self.stale))


def changes_since(result: RunResult, previous: PreviousRun | None, *, stale_after: timedelta) -> ChangesSince:
    """What this run says that the previous one did not. A run that was refused says nothing of any check."""
    now = {check.id: check.outcome for check in result.checks}
    failing = {name for name, outcome in now.items() if outcome is Outcome.FAILED}
    if previous is None:
        return ChangesSince(verdict=result.run.verdict, before=None, failing=tuple(sorted(failing)))
    was = previous.outcomes
    failed = {name for name, outcome in was.items() if outcome is Outcome.FAILED}
    refused = result.run.verdict is Verdict.REFUSED
    return ChangesSince(
        verdict=result.run.verdict,
        before=previous.verdict,
        failing=_sorted(failing - failed),
        differently={
            check.id: previous.attributed[check.id]
            for check in sorted(result.checks, key=lambda one: one.id)
            if fails_differently(previous.attributed.get(check.id, ()), attributions(check))
        },
        fixed=_sorted(name for name in failed if now.get(name) is Outcome.PASSED),
        undecided=() if refused else _sorted(_no_longer_decided(was, now)),
        stale=_sorted(_newly_stale(result, previous, now, stale_after)),
    )


def _no_longer_decided(was: Mapping[str, Outcome], now: Mapping[str, Outcome]) -> Iterable[str]:
    """Checks that passed or failed the last time, and this time were not decided, or not in the run at all."""
    for name, outcome in was.items():
        if outcome in {Outcome.PASSED, Outcome.FAILED} and now.get(name, Outcome.SKIPPED) in _UNDECIDED:
            yield name


def _newly_stale(
    result: RunResult, previous: PreviousRun, now: Mapping[str, Outcome], stale_after: timedelta
) -> Iterable[str]:
    """Staleness is sent once, by the run that first sees it; a run that passes the check ends it."""
    ended = datetime.fromisoformat(result.run.finished)
    for name, passed in previous.passed.items():
        stale, was_stale = ended - passed > stale_after, previous.finished - passed > stale_after
        if stale and not was_stale and now.get(name) is not Outcome.PASSED:
            yield name


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


def title(result: RunResult) -> str:
    """The subject: suite, verdict and cluster."""
    work = " (in declared maintenance)" if result.run.maintenance else ""
    subject = f"MetalLB conformance: {str(result.run.verdict).upper()} on {result.run.cluster}"
    return for_chat(f"{subject[:_TITLE]}{work}")


def body(result: RunResult, found: ChangesSince, *, report: str) -> str:
    """What changed, each new failure with its reason and the first thing to type, and where the report is opened."""
    lines = [*_head(result), _since(found)]
    checks = {check.id: check for check in result.checks}
    lines += _listed("Newly failing", found.failing, [_failure(checks[name]) for name in found.failing])
    lines += _listed(
        "Failing differently",
        tuple(found.differently),
        [f"{_failure(checks[name])}\n  before: {listed(was)}" for name, was in found.differently.items()],
    )
    lines += _listed("Fixed", found.fixed, found.fixed)
    lines += _listed("No longer decided", found.undecided, found.undecided)
    lines += _listed("Last pass too old", found.stale, found.stale)
    return _text(lines, report)


def reminder_title(result: RunResult) -> str:
    """The subject of a reminder."""
    return title(result).replace(": ", ": still ", 1)


def reminder(result: RunResult, standings: Sequence[Standing], *, last: datetime | None, report: str) -> str:
    """What is still not well, and for how long; `last` is when the last message was."""
    lines = [*_head(result), "Nothing changed since the previous run. This is a reminder"]
    lines[-1] += (
        f", the last message was {moment(last.isoformat())}." if last else "; there was no message before."
    )
    failed = [check for check in result.checks if check.outcome is Outcome.FAILED]
    open_ = [check for check in result.checks if check.outcome in _UNDECIDED]
    ages = {one.check: _failing(one, result) for one in standings if one.failures and one.since}
    texts = [f"{_failure(check)}{ages.get(check.id, '')}" for check in failed]
    lines += _listed("Still failing", [check.id for check in failed], texts)
    lines += _listed("Not decided", [check.id for check in open_], [_failure(check) for check in open_])
    return _text(lines, report)


def _failing(one: Standing, result: RunResult) -> str:
    since = datetime.fromisoformat(one.since)
    lasted = datetime.fromisoformat(result.run.finished) - since
    runs = f"{one.failures} runs in a row" if one.failures > 1 else "one run"
    return f"\n  for {long(max(lasted, timedelta()))}, since {moment(one.since)}: {runs}"


def _head(result: RunResult) -> list[str]:
    work = in_maintenance(result)
    return [headline(result), *([work] if work else [])]


def _text(lines: Iterable[str], report: str) -> str:
    # The place of the report is this suite's own, and a link is to stay one.
    shown: list[str] = []
    room = _MESSAGE
    for line in (part for text in lines for part in text.split("\n")):
        room -= len(short := _cut(line)) + 1
        if room < 0:
            shown.append("… and more, which the report has")
            break
        shown.append(short)
    return for_chat("\n".join(shown)) + f"\n\nReport: {report}\n"


def _cut(line: str) -> str:
    """The line, or its beginning; a command whole or not at all, for half of one may be another one."""
    if len(line) <= _LINE:
        return line
    return (
        "  (a command too long for a message: see the report)" if line[:4] == "  $ " else f"{line[:_LINE]}…"
    )


def _since(found: ChangesSince) -> str:
    if found.before is None:
        return "This is the first known run of this cluster."
    return f"Verdict of the previous run: {found.before}."


def _listed(name: str, ids: Sequence[str], texts: Sequence[str]) -> list[str]:
    if not ids:
        return []
    rest = [f"- and {len(ids) - _SHOWN} more"] if len(ids) > _SHOWN else []
    return ["", f"{name} ({len(ids)}):", *(f"- {text}" for text in texts[:_SHOWN]), *rest]


def _failure(check: CheckResult) -> str:
    reason = " ".join(check.reason.split())
    shown = reason if len(reason) <= _LONGEST else f"{reason[: _LONGEST - 1]}…"
    commands = [command for finding in check.findings for command in finding.commands][:1]
    return "\n".join([f"{check.id}: {shown}", *(f"  $ {command}" for command in commands)])
