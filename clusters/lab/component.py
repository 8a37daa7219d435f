"""One program of a host: its name, its command line, and the sockets that it is handed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

Flag = str | Path | bool | int

# What Kubernetes' programs call (mount, iptables, conntrack, runc) is in one of these on every distribution.
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Starting is mostly allocating; collecting a third as often takes a tenth off a boot's processor time.
_TUNING = {"GOGC": "300"}


@dataclass(frozen=True)
class Component:
    """A program to run on a host.

    `socket` names a listening socket that the host was booted with. `ready` is what its log says when others
    may use it, where that matters to a host that is switched on again.
    """

    name: str
    argv: tuple[str, ...]
    socket: str = ""
    ready: str = ""

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
            "env": {"PATH": SEARCH_PATH, "HOME": "/root", "LANG": "C.UTF-8", **_TUNING},
            "log": self.log,
            "socket": self.socket,
            "ready": self.ready,
        }


def command(binary: Path, **flags: Flag) -> tuple[str, ...]:
    """A command line of Kubernetes' kind: `bind_address="::"` becomes `--bind-address=::`."""
    return (str(binary), *(f"--{name.replace('_', '-')}={_text(value)}" for name, value in flags.items()))


def _text(value: Flag) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
