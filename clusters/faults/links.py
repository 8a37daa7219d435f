"""A host's cable: pulled, and plugged in again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clusters.changes import Changes, HostUndo
from clusters.errors import Refused
from clusters.lab.lab import Lab


@contextmanager
def unplugged(changes: Changes, lab: Lab, host: str, *, nic: int = 0) -> Iterator[None]:
    """Pull a host's cable for the block: the host loses its carrier, its programs run on."""
    undo = HostUndo(
        text=f"the cable of {host} is pulled",
        action="clusters.faults.links:plug_in",
        args={"lab": lab.name, "host": host, "nic": nic},
    )
    with changes.host_change(undo):
        lab.link(host, nic=nic).down()
        yield


def plug_in(lab: str, host: str, nic: int) -> None:
    """Plug a host's cable in; nothing happens where it is, or where the lab is gone."""
    try:
        found = Lab.load(lab)
    except Refused:
        return
    found.link(host, nic=nic).up()
