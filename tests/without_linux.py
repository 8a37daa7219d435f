"""The command as it is on a machine that is no Linux and has no extras: `python tests/without_linux.py COMMAND …`.

What of Python's own modules is there on Linux alone is taken away, and `sys.platform` is that of macOS. That proves
that nothing of it is needed, not that all else works there: other packages' code for macOS is never loaded.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import sys
import sysconfig
import types
import zoneinfo
from pathlib import Path
from typing import Any

import psutil

#: What these modules have on Linux and lack on macOS, as far as anybody here could use it.
_OF_LINUX: dict[Any, tuple[str, ...]] = {
    os: (
        "memfd_create", "MFD_CLOEXEC", "setns", "unshare", "pidfd_open", "splice", "eventfd", "sched_getaffinity",
        "sched_setaffinity", "posix_fadvise", "getrandom", "copy_file_range", "O_TMPFILE", "O_PATH", "getxattr",
        "setxattr", "listxattr",
    ),
    select: ("epoll",),
    signal: ("sigtimedwait", "sigwaitinfo", "pidfd_send_signal", "SIGRTMIN", "SIGRTMAX", "SIGPWR", "SIGSTKFLT"),
    socket: ("AF_PACKET", "AF_NETLINK", "AF_VSOCK", "SO_BINDTODEVICE", "SO_MARK", "SCM_CREDENTIALS", "SO_PEERCRED"),
    resource: ("prlimit",),
}  # fmt: skip
_NOT_INSTALLED = ("pyroute2", "rich", "apprise", "pytest_kind", "scapy", "hypothesis")


class Without:
    """A finder of modules that does not find some."""

    def __init__(self, finder: Any) -> None:
        self._finder = finder

    def find_spec(self, name: str, *more: Any) -> Any:
        """None for what is not installed."""
        return None if name.partition(".")[0] in _NOT_INSTALLED else self._finder.find_spec(name, *more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)


def leave_linux() -> None:
    """From here on this process has nothing of Linux."""
    # These look for files of the platform that they are told, and only those of this one are here.
    assert psutil, zoneinfo
    sysconfig.get_config_vars()
    for module, names in _OF_LINUX.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    sys.meta_path[:] = [Without(each) for each in sys.meta_path]
    sys.modules["_scproxy"] = types.SimpleNamespace(_get_proxy_settings=dict, _get_proxies=dict)  # type: ignore[assignment]
    sys.platform = "darwin"


if __name__ == "__main__":
    leave_linux()
    sys.path[0] = str(Path(__file__).parents[1])
    from metallb_conformance.command import main

    raise SystemExit(main())
