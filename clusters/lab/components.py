"""One program of a host: its name, its command line, and the sockets that it is handed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What Kubernetes' programs call (mount, iptables, conntrack, runc) is in one of these on every distribution.
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Component:
    """A program to run on a host. `fds` are open files that the host was started with."""

    name: str
    argv: tuple[str, ...]
    fds: tuple[int, ...] = ()

    @property
    def log(self) -> str:
        """Its log, as the host's processes see it."""
        return f"/var/log/{self.name}.log"

    def order(self) -> dict[str, Any]:
        """The request that starts it; see `host_init`."""
        return {
            "do": "start",
            "name": self.name,
            "argv": list(self.argv),
            "env": {"PATH": SEARCH_PATH, "HOME": "/root", "LANG": os.environ.get("LANG", "C.UTF-8")},
            "log": self.log,
            "fds": list(self.fds),
        }


def command(binary: Path, **flags: str | Path | bool | int) -> tuple[str, ...]:
    """A command line of Kubernetes' kind: `bind_address="::"` becomes `--bind-address=::`."""
    return (str(binary), *(f"--{name.replace('_', '-')}={_text(value)}" for name, value in flags.items()))


def _text(value: str | Path | bool | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
