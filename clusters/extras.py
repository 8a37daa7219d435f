"""Extras: packages that only a part of the suite needs, and the command that installs them where they are missing.

What they are is written in pyproject.toml; the names here are those under which their packages are imported, with what
these import themselves.
"""

from __future__ import annotations

import importlib.util
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from clusters.errors import UsageError

NAMES = {
    "kind": ("pytest_kind", "pykube", "requests", "pyroute2"),
    "lab": ("pyroute2", "rich"),
    "notify": ("apprise",),
}
_LOCKS = Path(__file__).resolve().parents[1] / "requirements"


@contextmanager
def needed(extra: str, by: str) -> Iterator[None]:
    """Import within this what `by`, the beginning of a sentence, needs of an extra.

    Raises UsageError where that is not there.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in NAMES[extra]:
            raise  # nothing of the extra's: no reason to blame it
        raise UsageError(
            f"{by} needs the extra [{extra}], which is not installed.",
            remedy=f"Install it: {installing(extra)}",
        ) from error


def installing(extra: str) -> str:
    """The command that installs an extra for the Python that runs: pinned from a checkout, else by what it consists of.

    Never by the suite's own name: it is in no package index, and whoever took the name there would be asked.
    """
    words = (
        [sys.executable, "-m", "pip", "install"]
        if _has_pip()
        else ["uv", "pip", "install", "--python", sys.executable]
    )
    lock = _LOCKS / f"{extra}.txt"
    words += ["--require-hashes", "-r", str(lock)] if lock.is_file() else _requirements(extra)
    return shlex.join(words)


def _has_pip() -> bool:
    return importlib.util.find_spec("pip") is not None


def _requirements(extra: str) -> list[str]:
    mark = f'extra == "{extra}"'
    listed = [each.partition(";") for each in metadata.requires("metallb-conformance") or ()]
    return [what.strip() for what, _, when in listed if when.strip().replace("'", '"') == mark]
