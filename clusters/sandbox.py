"""Programs that read files of somebody else's: bounded in time, output and memory, and told nothing of ours.

git and kubectl are run on repositories that others commit to. They get an environment made for them, not this
process's own, which may hold passwords; what they print is cut off; and `isolated` ones have no network at all
where the kernel can take it away.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

_LAUNCHER = Path(__file__).with_name("sandbox_launcher.py")
#: What the launcher says before the reason where the program could not be started, and its exit code then.
NOT_STARTED, NOT_STARTED_CODE = "sandbox: ", 126
#: How much of a program's errors is kept, and read at a time (bytes).
_ERRORS, _CHUNK = 64 << 10, 64 << 10


class TooSlow(Exception):  # noqa: N818 - it says what the program was
    """A program was ended because it took too long."""


class TooMuch(Exception):  # noqa: N818 - as above
    """A program was ended because it printed, or wrote, too much."""


@dataclass(frozen=True)
class Limits:
    """What one program may take: seconds of time, bytes printed, bytes of memory (of isolated ones)."""

    seconds: float
    output: int
    memory: int = 512 << 20


@dataclass(frozen=True)
class Finished:
    """A program that has ended: its exit code (or minus the signal), and what it printed."""

    code: int
    output: bytes
    errors: str


def search_path() -> str:
    """The folders that programs are looked for in, without any that depends on where one stands."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if Path(folder).is_absolute())


def program(name: str) -> str | None:
    """The absolute path of a program, or None: never one of the folder that it is run in."""
    return shutil.which(name, path=search_path())


def run(
    command: Sequence[str | bytes | Path],
    *,
    directory: Path,
    environment: Mapping[str, str],
    limits: Limits,
    given: bytes = b"",
) -> Finished:
    """Run a program to its end. Raises OSError where it does not start, TooSlow and TooMuch."""
    with tempfile.TemporaryFile() as standard_input:
        standard_input.write(given)
        standard_input.seek(0)
        process = subprocess.Popen(
            list(command),
            cwd=directory,
            env=dict(environment),
            stdin=standard_input,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that what it starts can be ended with it
        )
    try:
        output, errors = _Reading(process, limits).to_the_end()
        return Finished(process.wait(), output, errors.decode("utf-8", errors="replace"))
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def run_isolated(
    command: Sequence[str | Path], *, directory: Path, environment: Mapping[str, str], limits: Limits
) -> Finished:
    """As `run`, with the memory bounded too, and without any network where the kernel allows that."""
    bounds = (limits.memory, int(limits.seconds) + 1, limits.output)
    launched = (sys.executable, "-I", "-S", _LAUNCHER, *map(str, bounds), *command)
    finished = run(launched, directory=directory, environment=environment, limits=limits)
    if finished.code == NOT_STARTED_CODE and finished.errors.startswith(NOT_STARTED):
        raise OSError(0, finished.errors.removeprefix(NOT_STARTED).strip())
    if finished.code == -signal.SIGXCPU:
        raise TooSlow
    return finished


@dataclass
class _Reading:
    """Both of a program's outputs, read until it closes them or goes past a limit."""

    process: subprocess.Popen[bytes]
    limits: Limits
    _read: dict[str, bytearray] = field(
        default_factory=lambda: {"output": bytearray(), "errors": bytearray()}
    )

    def to_the_end(self) -> tuple[bytes, bytes]:
        ends = time.monotonic() + self.limits.seconds
        with selectors.DefaultSelector() as waiting:
            pipes: dict[str, IO[bytes] | None] = {
                "output": self.process.stdout,
                "errors": self.process.stderr,
            }
            for name, pipe in pipes.items():
                assert pipe is not None
                waiting.register(pipe, selectors.EVENT_READ, name)
            while waiting.get_map():
                left = ends - time.monotonic()
                if left <= 0:
                    raise TooSlow
                for key, _ in waiting.select(left):
                    if not self._take(key.data, key.fd):
                        waiting.unregister(key.fileobj)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.1, ends - time.monotonic()))
            return bytes(self._read["output"]), bytes(self._read["errors"])
        raise TooSlow

    def _take(self, name: str, descriptor: int) -> bool:
        """Read a piece; False at the end."""
        chunk = os.read(descriptor, _CHUNK)
        kept = self._read[name]
        if name == "output" and len(kept) + len(chunk) > self.limits.output:
            raise TooMuch
        if name == "output" or len(kept) < _ERRORS:
            kept.extend(chunk)
        return bool(chunk)
