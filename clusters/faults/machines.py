"""The lab's nodes as machines that can be disturbed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from clusters.changes import Changes
from clusters.checks import NotSupported
from clusters.faults import links, processes
from clusters.lab.lab import Lab


@dataclass(frozen=True)
class LabMachines:
    """Every node is a network namespace with a cable to the lab's bridge."""

    lab: Lab

    def kill(self, node: str, program: str) -> None:
        """End every process called `program` on `node` at once. Raises Inconclusive where there is none."""
        netns = next((host.netns for host in self.lab.nodes if host.name == node), "")
        if not netns:
            raise NotSupported(f"the lab has no node {node}")
        processes.kill(netns, program)

    def unplugged(self, changes: Changes, node: str) -> AbstractContextManager[None]:
        """Pull the cable of `node` for the block: it loses its carrier, its programs run on."""
        return links.unplugged(changes, self.lab, node)
