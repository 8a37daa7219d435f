"""kind's nodes as machines that can be disturbed: their processes, and the cable to Docker's bridge."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from clusters.changes import Changes, HostUndo
from clusters.checks import NotSupported
from clusters.errors import Inconclusive
from clusters.providers.kind import docker_network
from clusters.providers.kind.programs import Program, ProgramFailed

#: Docker names the bridge of a network by the first digits of the network's id.
_BRIDGE = "br-"
_DIGITS = 12


@dataclass(frozen=True)
class Containers:
    """The containers of kind's nodes; a node's name is its container's."""

    docker: Program

    def kill(self, node: str, program: str) -> None:
        """End every process called `program` on `node` at once (SIGKILL): it has no time for a farewell.

        Raises Inconclusive where there is none to end.
        """
        try:
            self.docker.run("exec", node, "pkill", "-KILL", "-x", program, doing=f"end {program} on {node}")
        except ProgramFailed as error:
            if error.output.strip():
                raise
            raise Inconclusive(f"No process {program} runs on {node}, so none can be killed.") from None

    @contextmanager
    def unplugged(self, changes: Changes, node: str) -> Iterator[None]:
        """Pull the cable of `node` for the block: it loses its carrier, its programs run on.

        Raises NotSupported where Docker's bridge is not on this machine, or may not be touched.
        """
        index = self._port(node)
        undo = HostUndo(
            text=f"the cable of {node} is pulled",
            action="clusters.providers.kind.containers:plug_in",
            args={"index": index, "node": node},
        )
        with changes.host_change(undo):
            _set(index, "down")
            yield

    def _port(self, node: str) -> int:
        """The interface on this machine that is the other end of the node's; found on Docker's own bridge."""
        if sys.platform != "linux":
            raise NotSupported("Docker's bridge is not on this machine, so no cable of a node can be pulled")
        arguments = ("exec", node, "cat", "/sys/class/net/eth0/iflink")
        index = int(self.docker.run(*arguments, doing=f"show the network card of {node}"))
        bridge = _BRIDGE + str(docker_network.inspect(self.docker)["Id"])[:_DIGITS]
        with IPRoute() as ip:
            bridges = ip.link_lookup(ifname=bridge)
            if not bridges or index not in ip.link_lookup(master=bridges[0]):
                raise NotSupported(
                    f"Docker's bridge {bridge} is not in this network namespace, so no cable can be pulled"
                )
        return index


def plug_in(index: int, node: str) -> None:
    """Plug a node's cable in; nothing happens where it is, or where the node is gone."""
    del node  # it is for people who read the journal
    _set(index, "up")


def _set(index: int, state: str) -> None:
    try:
        with IPRoute() as ip:
            ip.link("set", index=index, state=state)
    except NetlinkError as error:
        if error.code == errno.ENODEV:
            return
        if error.code == errno.EPERM:
            raise NotSupported("only root may pull a node's cable") from None
        raise
