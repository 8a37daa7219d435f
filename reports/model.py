"""results.json: read, checked against its schema, refused with one sentence, and written in one step."""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from clusters.checks import RunResult
from clusters.checks.serialise import run_from_dict, run_to_dict
from clusters.errors import ConformanceError, ExitCode, UsageError

RESULTS = "results.json"
_SCHEMAS = Path(__file__).parent / "schema"
_VERSION = 1


class NotWritten(ConformanceError):  # noqa: N818 - named as the other errors of this project are
    """A file of the report could not be written."""

    exit_code = ExitCode.INTERNAL_ERROR


def load(path: Path) -> RunResult:
    """The run that a results.json holds. Raises UsageError for a file that is none, or not one we know."""
    if path.is_dir():
        path /= RESULTS
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}.", remedy="Name a results.json of a run.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"{path} is not JSON, or cut off: {error}.") from None
    _refuse_foreign(path, data)
    fault = next(iter(validator().iter_errors(data)), None)
    if fault is not None:
        raise UsageError(f"{path} is no valid results.json: {fault.json_path}: {fault.message[:200]}.")
    return run_from_dict(data)


def save(result: RunResult, path: Path) -> None:
    """Write a run's results in one step. A result that breaks the schema raises ValidationError."""
    data = run_to_dict(result)
    validator().validate(data)
    write_text(path, json.dumps(data, indent=1, allow_nan=False) + "\n")


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
def validator() -> jsonschema.Draft202012Validator:
    """The validator of the present schema version."""
    schema = json.loads((_SCHEMAS / f"results-{_VERSION}.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def _refuse_foreign(path: Path, data: object) -> None:
    if not isinstance(data, dict) or "schema_version" not in data:
        raise UsageError(f"{path} is not a results.json of this suite: it has no schema_version.")
    version = data["schema_version"]
    if version != _VERSION:
        newer = isinstance(version, int) and version > _VERSION
        remedy = "It comes from a newer suite: use that one." if newer else ""
        raise UsageError(
            f"{path} has schema version {version!r}, and this suite reads version {_VERSION}.", remedy=remedy
        )
