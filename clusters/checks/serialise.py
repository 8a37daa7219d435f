"""Results to and from the plain JSON shape of results.json, whose rules stand in its JSON Schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from clusters import commands
from clusters.checks.outcome import (
    CheckResult,
    Finding,
    Measurement,
    Outcome,
    RunInfo,
    RunResult,
    Scope,
    Verdict,
    word_of,
)
from clusters.checks.path_links import Candidate, Link, LinkReading, Path, Reading, ServicePath
from clusters.subject import Subject

#: The attribute of a pytest report that carries one item's `part_to_dict` as JSON text. It is text because
#: it then crosses from a worker process to the controller unchanged.
REPORT_FIELD = "conformance"

JsonObject = dict[str, Any]


def run_to_dict(result: RunResult) -> JsonObject:
    """A whole run as results.json holds it."""
    data: JsonObject = {
        "schema_version": result.schema_version,
        "run": _run_info_to_dict(result.run),
        "checks": [check_to_dict(one) for one in result.checks],
        "not_tested": [{"id": name, "reason": reason} for name, reason in result.not_tested],
    }
    if result.paths:
        data["paths"] = [path_to_dict(one) for one in result.paths]
    return data


def _run_info_to_dict(run: RunInfo) -> JsonObject:
    data = asdict(run)
    if not run.maintenance:
        del data["maintenance"]
    return data


def check_to_dict(result: CheckResult) -> JsonObject:
    """One check's result; `reason` is left out where it passed."""
    data: JsonObject = {
        "id": result.id,
        "title": result.title,
        "runbook": list(result.runbook),
        "level": result.level,
        "outcome": str(result.outcome),
        "reason": result.reason,
        "started": result.started,
        "duration_s": round(result.duration_s, 3),
        "findings": [_finding_to_dict(finding) for finding in result.findings],
        "measurements": {name: _measurement_to_dict(one) for name, one in result.measurements.items()},
        "evidence": list(result.evidence),
    }
    if result.outcome is Outcome.PASSED:
        del data["reason"]
    return data


def run_from_dict(data: Mapping[str, Any]) -> RunResult:
    """The run that `run_to_dict` wrote; the data must be valid by the schema. Unknown fields are ignored."""
    return RunResult(
        run=_run_info(data["run"]),
        checks=tuple(check_from_dict(one) for one in data["checks"]),
        not_tested=tuple((one["id"], one["reason"]) for one in data["not_tested"]),
        schema_version=data["schema_version"],
        paths=tuple(path_from_dict(one) for one in data.get("paths", ())),
    )


def path_to_dict(found: ServicePath) -> JsonObject:
    """One path of one service; of a link only what is known of it."""
    return {
        "service": found.service,
        "address": found.address,
        "port": found.port,
        "path": str(found.path),
        "links": [_link_to_dict(one) for one in found.links],
    }


def path_from_dict(data: Mapping[str, Any]) -> ServicePath:
    """The path that `path_to_dict` wrote. A link or reading that a newer release has keeps its word."""
    return ServicePath(
        service=data["service"],
        address=data["address"],
        port=data["port"],
        path=word_of(Path, data["path"]),
        links=tuple(_link_from_dict(one) for one in data["links"]),
    )


def _link_to_dict(one: LinkReading) -> JsonObject:
    data: JsonObject = {"link": str(one.link), "reading": str(one.reading), "proof": list(one.proof)}
    if one.cause:
        data["cause"] = one.cause
    if one.candidates:
        data["candidates"] = [asdict(each) for each in one.candidates]
    return data


def _link_from_dict(data: Mapping[str, Any]) -> LinkReading:
    return LinkReading(
        link=word_of(Link, data["link"]),
        reading=word_of(Reading, data["reading"]),
        proof=tuple(data["proof"]),
        cause=data.get("cause", ""),
        candidates=tuple(
            Candidate(cause=each["cause"], command=commands.kept(each["command"]))
            for each in data.get("candidates", ())
        ),
    )


def check_from_dict(data: Mapping[str, Any]) -> CheckResult:
    """The check result that `check_to_dict` wrote."""
    return CheckResult(
        id=data["id"],
        title=data["title"],
        runbook=tuple(data["runbook"]),
        level=data["level"],
        outcome=Outcome(data["outcome"]),
        reason=data.get("reason", ""),
        started=data.get("started", ""),
        duration_s=data["duration_s"],
        findings=tuple(_finding_from_dict(one) for one in data["findings"]),
        measurements={name: _measurement_from_dict(one) for name, one in data["measurements"].items()},
        evidence=tuple(data.get("evidence", ())),
    )


def _run_info(data: Mapping[str, Any]) -> RunInfo:
    known = {name: data[name] for name in RunInfo.__dataclass_fields__ if name in data}
    return RunInfo(**{**known, "verdict": Verdict(data["verdict"]), "scope": Scope(data["scope"])})


def _finding_to_dict(finding: Finding) -> JsonObject:
    data = _plain(asdict(finding))
    for optional in ("ruled_out", "root"):
        if not data[optional]:
            del data[optional]
    return data


def _finding_from_dict(data: Mapping[str, Any]) -> Finding:
    return Finding(
        cause=data["cause"],
        subject=Subject.read(data["subject"]),
        summary=data["summary"],
        evidence=tuple(data["evidence"]),
        remedy=data["remedy"],
        commands=tuple(map(commands.kept, data["commands"])),
        ruled_out=tuple(data.get("ruled_out", ())),
        root=data.get("root", ""),
    )


def _measurement_to_dict(one: Measurement) -> JsonObject:
    data = _plain(asdict(one))
    if one.worst == "highest":
        del data["worst"]
    return data


def _measurement_from_dict(data: Mapping[str, Any]) -> Measurement:
    return Measurement(
        value=data["value"],
        unit=data["unit"],
        budget=data["budget"],
        samples=tuple(data.get("samples", ())),
        worst=data.get("worst", "highest"),
    )


def _plain(data: JsonObject) -> JsonObject:
    return {name: list(value) if _is_sequence(value) else value for name, value in data.items()}


def _is_sequence(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | Mapping)
