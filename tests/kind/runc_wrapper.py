"""runc for a machine without CAP_SYS_RESOURCE: what Docker asks for beyond that right is left out.

Docker asks for resource limits, a lower OOM score and every capability for privileged containers, and the kernel
refuses all three there. Runs as Docker's runtime: argv as runc's, RUNC in the environment of the file that starts it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MISSING = "CAP_SYS_RESOURCE"


def main(arguments: Sequence[str], runc: str) -> None:
    """Adapt the files that runc is about to read, and become runc."""
    bundle = value(arguments, "--bundle", "-b") or "."
    if {"create", "run"} & set(arguments):
        rewrite(Path(bundle, "config.json"), inside="process")
    elif "exec" in arguments and (process := value(arguments, "--process", "-p")):
        rewrite(Path(process))
    os.execv(runc, [runc, *arguments])


def value(arguments: Sequence[str], *names: str) -> str:
    """The value of an option in either spelling, "" where it is not given."""
    for at, argument in enumerate(arguments):
        if argument in names:
            return arguments[at + 1]
        name, _, rest = argument.partition("=")
        if name in names:
            return rest
    return ""


def rewrite(file: Path, *, inside: str = "") -> None:
    """Reduce the process that an OCI file describes."""
    content = json.loads(file.read_text(encoding="utf-8"))
    reduce(content.get(inside, {}) if inside else content)
    file.write_text(json.dumps(content), encoding="utf-8")


def reduce(process: dict[str, Any]) -> None:
    """Take out of a process description what needs the missing right."""
    for field in ("rlimits", "oomScoreAdj"):
        process.pop(field, None)
    capabilities = process.get("capabilities") or {}
    for name, granted in capabilities.items():
        capabilities[name] = [each for each in granted or () if each != MISSING]


if __name__ == "__main__":
    main(sys.argv[2:], sys.argv[1])
