"""Building one part: an ordinary `go build` of pinned packages, its output kept in a log."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from clusters import children
from clusters.lab.parts import substitute
from clusters.lab.parts.cache import NETWORK, SHOWN_LINES, PartError, content_key, files_digest
from clusters.lab.parts.part_table import Part
from clusters.lab.parts.toolchain import architecture, environment

#: Changes with this module where the rest of the key would not show that its result is another.
RECIPE = 1
RECORD = "built.json"
BINARIES = "bin"


def flags(part: Part) -> tuple[str, ...]:
    """The flags of the part's `go build`: neither this machine's paths nor debugging symbols get in."""
    return ("-trimpath", "-mod=readonly", "-ldflags", " ".join(("-s -w", *part.ldflags)))


def key(part: Part, go_version: str) -> str:
    """The content key of what `Builder.build` makes of `part` with that Go."""
    return content_key(
        RECIPE,
        substitute.RECIPE if part.needs else 0,
        files_digest(part.source),
        dict(part.outputs),
        [[files.module, files.files, files.folder] for files in part.carried],
        flags(part),
        go_version,
        architecture(),
        *([[vars(each) for each in part.stand_ins]] if part.stand_ins else []),
    )


@dataclass(frozen=True)
class Builder:
    """One part's build: the Go program, where its output goes, and who hears that it still runs."""

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
        substituted = substituted or substitute.complete(self.part, work, self._json)
        for output, package in self.part.outputs.items():
            self._run(["build", *flags(self.part), "-o", str(folder / BINARIES / output), package], work)
        versions = {module: self._carry(module, work, folder) for module in self._carried_modules()}
        shutil.rmtree(work)
        said = subprocess.run([self.go, "version"], capture_output=True, text=True, check=False, cwd=folder)
        record = {
            "part": self.part.name,
            "packages": dict(self.part.outputs),
            "versions": versions,
            "go": said.stdout.strip(),
            "flags": flags(self.part),
            "substituted": substituted,
            "seconds": round(time.monotonic() - began, 1),
        }
        (folder / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")

    def _carried_modules(self) -> list[str]:
        return list(dict.fromkeys(carried.module for carried in self.part.carried))

    def _carry(self, module: str, work: Path, folder: Path) -> str:
        """Copy the module's files that the part names; the module's version."""
        found = self._json(["list", "-m", "-json", module], work)
        for carried in (each for each in self.part.carried if each.module == module):
            sources = sorted(Path(found["Dir"]).glob(carried.files))
            if not sources:
                raise PartError(
                    self.part.name,
                    f"The part {self.part.name} cannot be built: {module} {found['Version']} has no {carried.files}.",
                    remedy="Correct the part's entry in clusters/lab/parts/part_table.py.",
                )
            (folder / carried.folder).mkdir(parents=True, exist_ok=True)
            for source in sources:
                shutil.copyfile(source, folder / carried.folder / source.name)
        return str(found["Version"])

    def _json(self, arguments: Sequence[str], work: Path) -> dict[str, Any]:
        """What a Go command answers as JSON; a failed one may answer too, with an Error in it."""
        answer = work / "answer.json"
        with answer.open("wb") as output:
            code = self._wait(arguments, work, output)
        text = answer.read_text(encoding="utf-8")
        answer.unlink()
        if not text.strip():
            raise self._failure(arguments, code)
        parsed: dict[str, Any] = json.loads(text)
        return parsed

    def _run(self, arguments: Sequence[str], work: Path) -> None:
        code = self._wait(arguments, work, None)
        if code != 0:
            raise self._failure(arguments, code)

    def _wait(self, arguments: Sequence[str], work: Path, output: IO[bytes] | None) -> int:
        with self.log.open("ab") as log:
            return children.run(
                [self.go, *arguments],
                cwd=work,
                environment=environment(),
                output=output or log,
                errors=log,
                beat=lambda: self.beat("building"),
            )

    def _failure(self, arguments: Sequence[str], code: int) -> PartError:
        output = self.log.read_text(encoding="utf-8", errors="replace")
        last = "\n".join(output.splitlines()[-SHOWN_LINES:])
        remedy = f"The whole output is in {self.log}."
        if NETWORK.search(last):
            remedy = f"The Go module proxy cannot be reached: see to the network or GOPROXY. {remedy}"
        elif "no space left on device" in last:
            remedy = f"Make room on the disk, and run it again. {remedy}"
        return PartError(
            self.part.name,
            f"The part {self.part.name} cannot be built: go {arguments[0]} ended with code {code}.",
            remedy=remedy,
            output=output,
        )
