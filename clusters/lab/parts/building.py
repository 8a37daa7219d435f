"""Building one part: an ordinary `go build` of pinned packages, its output kept in a log."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusters.lab.parts import substitute
from clusters.lab.parts.cache import content_key, files_digest
from clusters.lab.parts.errors import SHOWN_LINES, PartError
from clusters.lab.parts.table import Part
from clusters.lab.parts.toolchain import architecture, environment

#: Changes when this module, or what it keeps beside the binaries, changes in a way that the rest of the key misses.
RECIPE = 1
RECORD = "built.json"
BINARIES = "bin"

#: What Go prints when it is the network that is missing, not the code that is wrong.
_NETWORK = re.compile(
    r"no such host|dial tcp|i/o timeout|connection (refused|reset)|network is unreachable|TLS handshake timeout"
)


def flags(part: Part) -> tuple[str, ...]:
    """The flags of the part's `go build`: no paths of this machine in the binary, no symbols for debuggers."""
    return ("-trimpath", "-mod=readonly", "-ldflags", " ".join(("-s -w", *part.ldflags)))


def key(part: Part, go_version: str) -> str:
    """The content key of what `build` makes of `part` with that Go."""
    carried = [[files.module, files.files, files.folder] for files in part.carried]
    return content_key(
        RECIPE,
        substitute.RECIPE if part.needs else 0,
        files_digest(part.source),
        dict(part.outputs),
        carried,
        flags(part),
        go_version,
        architecture(),
    )


@dataclass(frozen=True)
class Builder:
    """One part's build: the Go program, where its output goes, and who hears that it still runs.

    `beat` is called about every second with what is done at the time.
    """

    part: Part
    go: Path
    log: Path
    beat: Callable[[str], None]

    def build(self, folder: Path) -> None:
        """Fill `folder` with `bin/`, what the part carries, and a record of how it came about."""
        began = time.monotonic()
        work = folder / "work"
        shutil.copytree(self.part.source, work)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        substituted = substitute.apply(self.part, work, self._json) if self.part.needs else ""
        for output, package in self.part.outputs.items():
            target = folder / BINARIES / output
            self._run([*("go", "build"), *flags(self.part), "-o", str(target), package], cwd=work)
        versions = {
            carried.module: self._carry(carried.module, work, folder) for carried in self.part.carried
        }
        shutil.rmtree(work)
        record = {
            "part": self.part.name,
            "packages": dict(self.part.outputs),
            "versions": versions,
            "go": subprocess.run(
                [self.go, "version"], capture_output=True, text=True, check=False
            ).stdout.strip(),
            "flags": flags(self.part),
            "substituted": substituted,
            "seconds": round(time.monotonic() - began, 1),
        }
        (folder / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")

    def _carry(self, module: str, work: Path, folder: Path) -> str:
        """Copy the module's files that the part names; the module's version."""
        found = self._json(["list", "-m", "-json", module], work)
        for carried in (each for each in self.part.carried if each.module == module):
            sources = sorted(Path(found["Dir"]).glob(carried.files))
            if not sources:
                raise PartError(
                    self.part.name,
                    f"The module {module} {found['Version']} has no {carried.files}.",
                    remedy="Correct the part's entry in clusters/lab/parts/table.py.",
                )
            (folder / carried.folder).mkdir(exist_ok=True)
            for source in sources:
                shutil.copyfile(source, folder / carried.folder / source.name)
        return str(found["Version"])

    def _json(self, arguments: Sequence[str], cwd: Path) -> dict[str, Any]:
        """What a Go command answers as JSON. A failed one counts where it answers JSON with an Error in it."""
        answer = self.log.with_suffix(".json")
        try:
            with answer.open("wb") as output:
                self._wait(["go", *arguments], cwd, output)
            text = answer.read_text(encoding="utf-8")
        finally:
            answer.unlink(missing_ok=True)
        if not text.strip():
            raise self._failure(["go", *arguments], 1)
        parsed: dict[str, Any] = json.loads(text)
        return parsed

    def _run(self, command: Sequence[str], cwd: Path) -> None:
        code = self._wait(command, cwd, None)
        if code != 0:
            raise self._failure(command, code)

    def _wait(self, command: Sequence[str], cwd: Path, output: Any) -> int:
        """Run to the end; ended with us where we are interrupted."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [self.go, *command[1:]],
                cwd=cwd,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output or log,
                stderr=log,
            )
            try:
                while True:
                    self.beat("building")
                    try:
                        return process.wait(timeout=1)
                    except subprocess.TimeoutExpired:
                        continue
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()

    def _failure(self, command: Sequence[str], code: int) -> PartError:
        output = self.log.read_text(encoding="utf-8", errors="replace")
        last = "\n".join(output.splitlines()[-SHOWN_LINES:])
        remedy = f"The whole output is in {self.log}."
        if _NETWORK.search(last):
            remedy = f"The Go module proxy cannot be reached: see to the network or GOPROXY, and run it again. {remedy}"
        elif "no space left on device" in last:
            remedy = f"Make room on the disk, and run it again. {remedy}"
        return PartError(
            self.part.name,
            f"The part {self.part.name} cannot be built: {' '.join(command[:2])} ended with code {code}.",
            remedy=remedy,
            output=output,
        )
