"""Bounds itself, gives up the network, and becomes the program that it was asked to run.

Run as a file by `sandbox.run_isolated`, with nothing of this project at hand:
python -I -S sandbox_launcher.py MEMORY SECONDS OUTPUT PROGRAM ARGUMENT...
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_NO_NEW_PRIVILEGES = 38
#: Beside the memory that is used, what a program in Go reserves and never touches (bytes).
_RESERVED = 2 << 30
_OPEN_FILES = 256


def bound(memory: int, seconds: int, output: int) -> None:
    """Take no more than this from here on. A bound that the platform does not know, or that is lower, stays."""
    bounds = (
        ("RLIMIT_DATA", memory),
        ("RLIMIT_AS", memory + _RESERVED),
        ("RLIMIT_CPU", seconds),
        ("RLIMIT_FSIZE", output),
        ("RLIMIT_NOFILE", _OPEN_FILES),
        ("RLIMIT_CORE", 0),
    )
    for name, value in bounds:
        known = getattr(resource, name, None)
        if known is None:
            continue
        hard = resource.getrlimit(known)[1]
        wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(known, (wanted, wanted))
        except (ValueError, OSError):
            continue


def leave_the_network() -> None:
    """Go where there is no network, not even loopback. Where the kernel does not allow that, stay."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "unshare"):
        return
    if library.unshare(_NEW_NETWORK) != 0:
        library.unshare(_NEW_USER | _NEW_NETWORK)
    library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def main() -> None:
    """Do it."""
    memory, seconds, output, *command = sys.argv[1:]
    leave_the_network()
    bound(int(memory), int(seconds), int(output))
    try:
        os.execv(command[0], command)  # noqa: S606 - that is what this is for
    except OSError as error:
        sys.stderr.write(f"sandbox: {error.strerror}\n")
        os._exit(126)


if __name__ == "__main__":
    main()
