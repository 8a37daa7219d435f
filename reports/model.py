"""results.json: read, checked against its schema, refused with one sentence, and written in one step.

The report of several clusters, fleet.json, is read and written by the same means.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource

from clusters import bounds, files, outbound
from clusters.bounds import Unusable, content
from clusters.checks import RunResult
from clusters.checks.serialise import run_from_dict, run_to_dict
from clusters.errors import ConformanceError, ExitCode, UsageError
from clusters.json_text import NotJson, parsed

RESULTS, FLEET, SNAPSHOT = "results.json", "fleet.json", "snapshot.json"
_SCHEMAS = Path(__file__).parent / "schema"
_VERSION = 1


class NotWritten(ConformanceError):  # noqa: N818 - named as the other errors of this project are
    """A file of the report could not be written."""

    exit_code = ExitCode.INTERNAL_ERROR


def load(path: Path) -> RunResult:
    """The run that a results.json holds. Raises UsageError for a file that is none, or not one we know."""
    found = run_from_dict(read(path / RESULTS if os.path.isdir(path) else path, RESULTS))  # noqa: PTH112 - Path.is_dir raises for a NUL
    return outbound.record(found)  # another release, or somebody else, may have written it


def save(result: RunResult, path: Path) -> None:
    """Write a run's results in one step. A result that breaks the schema raises ValidationError."""
    keep(run_to_dict(result), path, RESULTS)


def run_of(run_id: str) -> str:
    """The run that a shard belongs to: its id without what follows the dot."""
    return run_id.partition(".")[0]


def read(path: Path, kind: str) -> dict[str, Any]:
    """What a file holds that must be a valid one of its `kind`: RESULTS or FLEET. Raises UsageError."""
    try:
        data = parsed(content(path, most=bounds.RESULTS_BYTES))
    except FileNotFoundError:
        raise UsageError(
            f"There is no file {path}.", remedy=f"Name a {kind} that this suite wrote."
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from None
    except NotJson as error:
        raise UsageError(f"{path} is not JSON, or is cut off: {error}.") from None
    except Unusable as error:
        raise UsageError(f"{path} cannot be read: {error}.") from None
    found = _ours(path, data, kind)
    fault = next(iter(validator(kind).iter_errors(found)), None)
    if fault is not None:
        raise UsageError(f"{path} is not a valid {kind}: {fault.json_path}: {fault.message[:200]}.")
    if beyond := next(_beyond(found), None):
        raise UsageError(f"{path} is not a valid {kind}: {beyond}.")
    return found


def _beyond(found: dict[str, Any]) -> Iterator[str]:
    """Times outside this century, figures beyond all measure, checks that appear twice: no schema says that."""
    runs: dict[str, Any] = {"$.run": found.get("run")}
    runs |= {f"$.clusters[{place}].run": one["run"] for place, one in enumerate(found.get("clusters", ()))}
    for where, run in runs.items():
        for name in ("started", "finished") if run else ():
            yield from _odd_time(f"{where}.{name}", run[name])
    seen: set[str] = set()
    for number, check in enumerate(found["checks"]):
        where = f"$.checks[{number}]"
        if check["id"] in seen:
            yield f"{where}.id: {check['id']} appears twice"
        seen.add(check["id"])
        if check.get("started"):
            yield from _odd_time(f"{where}.started", check["started"])
        if check.get("duration_s", 0) > bounds.LONGEST_CHECK:
            yield f"{where}.duration_s: {check['duration_s']:g} seconds is not a plausible duration of a check"
        for name, one in check.get("measurements", {}).items():
            figures = (one["value"], one["budget"] or 0, *one.get("samples", ()))
            if any(abs(each) > bounds.LARGEST_FIGURE for each in figures):
                yield f"{where}.measurements.{name[:80]}: a figure is beyond {bounds.LARGEST_FIGURE:g}"


def _odd_time(where: str, text: str) -> Iterator[str]:
    try:
        fits = bounds.EARLIEST <= datetime.fromisoformat(text) <= bounds.LATEST
    except ValueError:
        fits = False
    if not fits:
        yield f"{where}: {text[:40]!r} is not a time of this century"


def keep(data: dict[str, Any], path: Path, kind: str) -> None:
    """Write a file of a `kind` in one step. What breaks its schema raises ValidationError and is not written."""
    validator(kind).validate(data)
    write_text(path, outbound.shown_in_json(json.dumps(data, indent=1, allow_nan=False)) + "\n")


def write_text(path: Path, text: str, *, mode: int = files.PRIVATE) -> None:
    """Write a file so that nobody ever reads half of it, and nobody else any of it. Raises NotWritten."""
    try:
        files.write_atomically(path, text, mode=mode)
    except OSError as error:
        raise NotWritten(f"{path} could not be written: {error.strerror}.") from None


@cache
def validator(kind: str = RESULTS) -> jsonschema.Draft202012Validator:
    """The validator of the present schema version."""
    results = _schema(RESULTS)
    # A fleet's file says what is known of each run in the words of its results.
    known: Registry[Any] = Resource.from_contents(results) @ Registry()
    return jsonschema.Draft202012Validator(results if kind == RESULTS else _schema(kind), registry=known)


def _schema(kind: str) -> dict[str, Any]:
    path = _SCHEMAS / f"{Path(kind).stem}-{_VERSION}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _ours(path: Path, data: object, kind: str) -> dict[str, Any]:
    """The same data, where this suite wrote it in the present version. Raises UsageError."""
    if not isinstance(data, dict) or "schema_version" not in data:
        raise UsageError(f"{path} is not a {kind} of this suite: it has no schema_version.")
    version = data["schema_version"]
    if type(version) is not int or version != _VERSION:
        newer = type(version) is int and version > _VERSION
        remedy = "It comes from a newer suite: use that one." if newer else ""
        raise UsageError(
            f"{path} has schema version {str(version)[:40]!r}, and this suite reads version {_VERSION}.",
            remedy=remedy,
        )
    return data
