"""A lab node's programs, frozen where they are: their sockets stay open and nobody answers on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from clusters.changes import Changes, HostUndo
from clusters.errors import Refused
from clusters.lab.lab import Lab


@contextmanager
def frozen(changes: Changes, lab: Lab, name: str, *hosts: str) -> Iterator[None]:
    """Freeze the program `name` on `hosts` (every node where none is named) for the block."""
    with ExitStack() as stack:
        for host in hosts or [node.name for node in lab.nodes]:
            undo = HostUndo(
                text=f"{name} on {host} is frozen",
                action="clusters.faults.components:thaw",
                args={"lab": lab.name, "host": host, "name": name},
            )
            stack.enter_context(changes.host_change(undo))
            lab.component(host, name).stop()
        yield


def thaw(lab: str, host: str, name: str) -> None:
    """Let a frozen program go on; nothing happens where it runs, or the lab is gone."""
    try:
        found = Lab.load(lab)
    except Refused:
        return
    found.component(host, name).resume()
