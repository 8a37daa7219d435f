"""results.json: read, checked against its schema, refused with one sentence, and written in one step.

The report of several clusters, fleet.json, is read and written by the same means.
"""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource

from clusters import outbound
from clusters.checks import RunResult
from clusters.checks.serialise import run_from_dict, run_to_dict
from clusters.errors import ConformanceError, ExitCode, UsageError

RESULTS, FLEET = "results.json", "fleet.json"
_SCHEMAS = Path(__file__).parent / "schema"
_VERSION = 1


class NotWritten(ConformanceError):  # noqa: N818 - named as the other errors of this project are
    """A file of the report could not be written."""

    exit_code = ExitCode.INTERNAL_ERROR


def load(path: Path) -> RunResult:
    """The run that a results.json holds. Raises UsageError for a file that is none, or not one we know."""
    found = run_from_dict(read(path / RESULTS if path.is_dir() else path, RESULTS))
    return outbound.record(found)  # another release, or somebody else, may have written it


def save(result: RunResult, path: Path) -> None:
    """Write a run's results in one step. A result that breaks the schema raises ValidationError."""
    keep(run_to_dict(result), path, RESULTS)


def read(path: Path, kind: str) -> dict[str, Any]:
    """What a file holds that must be a valid one of its `kind`: RESULTS or FLEET. Raises UsageError."""
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UsageError(
            f"There is no file {path}.", remedy=f"Name a {kind} that this suite wrote."
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"{path} is not JSON, or cut off: {error}.") from None
    found = _ours(path, data, kind)
    fault = next(iter(validator(kind).iter_errors(found)), None)
    if fault is not None:
        raise UsageError(f"{path} is no valid {kind}: {fault.json_path}: {fault.message[:200]}.")
    return found


def keep(data: dict[str, Any], path: Path, kind: str) -> None:
    """Write a file of a `kind` in one step. What breaks its schema raises ValidationError and is not written."""
    validator(kind).validate(data)
    write_text(path, outbound.shown_in_json(json.dumps(data, indent=1, allow_nan=False)) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file so that nobody ever reads half of it. Raises NotWritten."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", encoding="utf-8", delete=False
        ) as unfinished:
            _fill(unfinished, text)
        Path(unfinished.name).chmod(0o644)
        Path(unfinished.name).replace(path)
    except OSError as error:
        raise NotWritten(f"{path} could not be written: {error.strerror}.") from None


def _fill(unfinished: Any, text: str) -> None:
    try:
        unfinished.write(text)
        unfinished.flush()
        os.fsync(unfinished.fileno())
    except BaseException:
        Path(unfinished.name).unlink(missing_ok=True)
        raise


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
    if version != _VERSION:
        newer = isinstance(version, int) and version > _VERSION
        remedy = "It comes from a newer suite: use that one." if newer else ""
        raise UsageError(
            f"{path} has schema version {version!r}, and this suite reads version {_VERSION}.", remedy=remedy
        )
    return data
