"""The digest: a title and a short plain text that fits a chat, a mail and a phone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clusters.checks import CheckResult, RunResult
from reports.attribution import said
from reports.publish.chat import quiet
from reports.publish.news import News
from reports.untested import headline

_SHOWN, _LONGEST = 8, 300


def title(result: RunResult) -> str:
    """The subject: suite, verdict and cluster."""
    return quiet(f"MetalLB conformance: {str(result.run.verdict).upper()} on {result.run.cluster}")


def body(result: RunResult, told: News, *, directory: Path) -> str:
    """What changed, each new failure with its reason and the first thing to type, and where the report is."""
    lines = [headline(result), _since(told)]
    checks = {check.id: check for check in result.checks}
    lines += _listed("Newly failing", told.failing, [_failure(checks[name]) for name in told.failing])
    lines += _listed(
        "Failing otherwise",
        tuple(told.otherwise),
        [f"{_failure(checks[name])}\n  before: {said(was)}" for name, was in told.otherwise.items()],
    )
    lines += _listed("Fixed", told.fixed, told.fixed)
    lines += _listed("No longer decided", told.undecided, told.undecided)
    lines += _listed("Last pass too old", told.stale, told.stale)
    return quiet("\n".join([*lines, "", f"Report: {directory / 'report.html'}"]) + "\n")


def _since(told: News) -> str:
    if told.before is None:
        return "This is the first run that is known of this cluster."
    return f"Verdict of the run before: {told.before}."


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
