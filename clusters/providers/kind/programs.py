"""kind, kubectl and docker as programs: found before they are used, and quoted in one sentence where they fail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clusters.errors import Refused, UsageError

_OUTPUT = "Command Output:"
_NOISE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|^\s*[✓✗•⢎⠁]+\s*|^time=\S+\s+level=\S+\s+msg=")
_MOST = 400
#: Where each program is to be had, for the sentence about one that is missing.
_HINTS = {
    "kind": "Install kind (https://kind.sigs.k8s.io), or name it with --kind-bin.",
    "kubectl": "Install kubectl, or name it with --kind-kubectl-bin.",
    "docker": "Install Docker: kind's nodes are containers of it.",
}


class ProgramFailed(Refused):
    """A program ended with an error; the text has its own words. `output` is all that it printed."""

    def __init__(self, text: str, *, remedy: str = "", output: str = "") -> None:
        super().__init__(text, remedy=remedy)
        self.output = output


@dataclass(frozen=True)
class Program:
    """One program. `environment` is added to this process's own."""

    name: str
    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str | Path, doing: str) -> str:
        """What it prints. Raises ProgramFailed; `doing` completes "kind could not ..."."""
        done = self._started([self.path, *arguments])
        if done.returncode != 0:
            output = done.stdout + done.stderr
            text = f"{self.name} could not {doing}: {said(output)}."
            raise ProgramFailed(text, remedy=_remedy(output), output=output)
        return done.stdout

    def _started(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [str(part) for part in command],
                env=os.environ | dict(self.environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
        except OSError as error:
            raise Refused(
                f"{self.path} cannot be run as {self.name}: {error.strerror}.", remedy=_HINTS[self.name]
            ) from None


def find(name: str, given: Path | None = None, *, environment: Mapping[str, str] | None = None) -> Program:
    """The program that is named, else the one on PATH; nothing is ever downloaded.

    Raises UsageError for a file that is not there, Refused where PATH has none.
    """
    if given is not None and not given.is_file():
        raise UsageError(f"There is no {name} at {given}.", remedy=_HINTS[name])
    found = given or shutil.which(name)
    if found is None:
        raise Refused(f"There is no {name} on PATH.", remedy=_HINTS[name])
    return Program(name, Path(found).absolute(), environment or {})


def said(output: str) -> str:
    """What a program gives as its reason, as a part of a sentence.

    kind's error line names the step, and the output of the command below it the cause; docker and kubectl say it
    in their last line.
    """
    lines = [clean for line in output.splitlines() if (clean := _NOISE.sub("", line).strip())]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    below = [line.removeprefix(_OUTPUT).strip() for line in lines if line.startswith(_OUTPUT)]
    parts = [*errors[-1:], *(text for text in below[-1:] if text)] or lines[-1:]
    return ": ".join(part.rstrip(".:") for part in parts)[:_MOST].rstrip(".") or "it gave no reason"


def _remedy(output: str) -> str:
    lowered = output.lower()
    if "docker daemon" in lowered or "docker.sock" in lowered:
        return "Start Docker, or let DOCKER_HOST say where it runs."
    if "no such image" in lowered or "pull" in lowered:
        return "Load the image into Docker, or name another one with --kind-image."
    return ""
