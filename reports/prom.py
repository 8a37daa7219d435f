"""metrics.prom: the run for Prometheus, in the text format of the node exporter's collector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from clusters.checks import Outcome, RunResult, Verdict

_PREFIX = "metallb_conformance"
Sample = tuple[Mapping[str, str], float]


def metrics(result: RunResult) -> str:
    """Every metric of a run; one outcome (and the verdict) is 1, the others 0, so that changes show."""
    run = result.run
    who = {"cluster": run.cluster}
    versions = {
        "kubernetes": run.kubernetes_version,
        "metallb": run.metallb_version,
        "suite": run.suite_version,
        "allow": run.allow,
    }
    finished = datetime.fromisoformat(run.finished).timestamp()
    started = datetime.fromisoformat(run.started).timestamp()
    families = (
        ("run_info", "The last run, always 1", [(who | versions, 1.0)]),
        ("run_started_seconds", "When the last run started, Unix time", [(who, started)]),
        ("run_finished_seconds", "When the last run ended, Unix time", [(who, finished)]),
        (
            "run_verdict",
            "1 for the verdict of the last run",
            [(who | {"verdict": str(one)}, float(run.verdict is one)) for one in Verdict],
        ),
        ("check_outcome", "1 for the outcome of a check in the last run", list(_outcomes(result, who))),
        (
            "check_duration_seconds",
            "How long a check took in the last run",
            [(who | {"check": check.id}, check.duration_s) for check in result.checks],
        ),
        ("measurement", "The worst sample of a measured figure", list(_measurements(result, who))),
        ("measurement_budget", "What that figure is judged by", list(_budgets(result, who))),
        ("not_tested", "Checks that the last run left out", [(who, float(len(result.not_tested)))]),
    )
    return "".join(_family(name, text, samples) for name, text, samples in families if samples)


def _outcomes(result: RunResult, who: Mapping[str, str]) -> Iterable[Sample]:
    for check in result.checks:
        for one in Outcome:
            labels = {**who, "check": check.id, "level": check.level, "outcome": str(one)}
            yield labels, float(check.outcome is one)


def _measurements(result: RunResult, who: Mapping[str, str]) -> Iterable[Sample]:
    for check in result.checks:
        for name, one in check.measurements.items():
            yield {**who, "check": check.id, "name": name, "unit": one.unit}, one.value


def _budgets(result: RunResult, who: Mapping[str, str]) -> Iterable[Sample]:
    for check in result.checks:
        for name, one in check.measurements.items():
            if one.budget is not None:
                yield {**who, "check": check.id, "name": name, "unit": one.unit}, one.budget


def _family(name: str, text: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {_PREFIX}_{name} {text}.", f"# TYPE {_PREFIX}_{name} gauge"]
    for labels, value in samples:
        inner = ",".join(f'{key}="{_escaped(one)}"' for key, one in labels.items())
        lines.append(f"{_PREFIX}_{name}{{{inner}}} {value!r}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
