"""A vantage of somebody who may do nothing special: TCP, UDP, HTTP, and the kernel's own neighbour table."""

from __future__ import annotations

import sys

from clusters.vantage import AgentVantage
from clusters.vantage.launch import Launch

NOBODY = "65534"


def ordinary_user(netns: str, name: str = "host") -> AgentVantage:
    """Vantage `host` as a user without rights has it on a machine; `netns` is the machine's network namespace.

    Getting there takes root, so it is done before. Use it as a context manager.
    """
    enter = ("nsenter", f"--net=/run/netns/{netns}")
    drop = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs")
    return AgentVantage(name, "host", Launch(python=(*enter, *drop, sys.executable)))
