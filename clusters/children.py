"""Programs that we start and that must not outlive us, not even when we are killed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from clusters import budgets

#: Seconds between two beats.
_BEAT = 1.0


def tied(command: Sequence[str | Path]) -> list[str]:
    """The command, such that the kernel sends it SIGTERM when the thread that starts it dies (Linux)."""
    tie = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    return [*tie, *map(str, command)]


def stop(process: subprocess.Popen[bytes]) -> bool:
    """End a program in its own way; False if it had to be killed."""
    process.terminate()
    try:
        process.wait(timeout=budgets.seconds(budgets.PROGRAM_ENDED))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    output: IO[bytes],
    errors: IO[bytes],
    beat: Callable[[], None],
) -> int:
    """Run a program to its end and give its exit code; `beat` is called at the begin and every second after.

    An exception in here, Ctrl-C among them, ends the program first.
    """
    process = subprocess.Popen(
        tied(command), cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=errors
    )
    try:
        while True:
            beat()
            try:
                return process.wait(timeout=_BEAT)
            except subprocess.TimeoutExpired:
                continue
    finally:
        if process.poll() is None:
            stop(process)
