"""A lab as the rest of the project uses it: its hosts, its programs, its cables."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pyroute2 import IPRoute

from clusters.commands import command
from clusters.errors import Refused
from clusters.lab import netns, network, serving
from clusters.lab import plan as plans
from clusters.lab.control_plane import API_SOCKET
from clusters.lab.hosts import HostControl, LabFailed
from clusters.lab.lab_state import LabPaths, LabState
from clusters.lab.plan import Host, Plan


class ComponentHandle:
    """One program of a node, to be stopped, ended and started again."""

    def __init__(self, control: HostControl, name: str) -> None:
        self._control, self.name = control, name

    @property
    def running(self) -> bool:
        """Whether it runs (a stopped one still does)."""
        return any(one.name == self.name and one.running for one in self._control.listing())

    @property
    def log(self) -> Path:
        """Its log file, on the machine."""
        return self._control.paths.log / f"{self.name}.log"

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._control.signal(self.name, signal.SIGKILL)

    def stop(self) -> None:
        """Freeze it where it is (SIGSTOP): its sockets stay open and nobody answers on them."""
        self._control.signal(self.name, signal.SIGSTOP)

    def resume(self) -> None:
        """The reverse of `stop`."""
        self._control.signal(self.name, signal.SIGCONT)

    def start(self) -> None:
        """Start it again after `kill`, as it was started first."""
        self._control.restart(self.name)


class Link:
    """The cable of a host, pulled and plugged at the LAN's end."""

    def __init__(self, plan: Plan, host: Host, *, nic: int) -> None:
        self._plan, self.port = plan, network.port_name(host, host.interfaces[nic])

    def down(self) -> None:
        """Pull the cable: the host's card loses its carrier."""
        self._set("down")

    def up(self) -> None:
        """Plug it in again."""
        self._set("up")

    def _set(self, what: str) -> None:
        def change() -> None:
            with IPRoute() as ip:
                ip.link("set", index=ip.link_lookup(ifname=self.port)[0], state=what)

        netns.inside(self._plan.lan_netns, change)


@dataclass(frozen=True)
class Lab:
    """A running lab. `Lab.load(name)` finds one; `clusters.lab.life.up` boots one."""

    state: LabState

    @classmethod
    def load(cls, name: str) -> Self:
        """The running lab of that name. Raises `Refused` when there is none."""
        found = LabState.load(name)
        if found is None or not found.ready:
            remedy = "Boot it: " + command("python -m clusters.lab up --name {name}", name=name)
            raise Refused(f"No lab {name} is running.", remedy=remedy)
        return cls(found)

    @property
    def name(self) -> str:
        """The lab's name."""
        return self.state.options.name

    @cached_property
    def plan(self) -> Plan:
        """Every address, hardware address and interface."""
        return plans.make(self.state.options)

    @property
    def nodes(self) -> tuple[Host, ...]:
        """The nodes, the control plane first."""
        return self.plan.nodes

    @property
    def client(self) -> Host:
        """The host on the LAN that is not part of the cluster."""
        return self.plan.client

    @property
    def remote(self) -> Host:
        """The host that reaches the LAN through its gateway."""
        return self.plan.remote

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; it works from the machine itself."""
        return LabPaths(self.name).kubeconfig

    @property
    def kubectl(self) -> Path:
        """The kubectl of the cluster's own version."""
        return Path(self.state.kubectl)

    @property
    def metallb_version(self) -> str:
        """The version that was installed at boot, without `v`."""
        return self.state.metallb_version

    @property
    def audit_log(self) -> Path:
        """The API server's audit log, a JSON event a line: every request but probes and leases."""
        return LabPaths(self.name).host(self.plan.control_plane.name).log / "audit.log"

    def host(self, name: str) -> Host:
        """A host by name. Raises `Refused` that lists the hosts there are."""
        for host in self.plan.hosts:
            if host.name == name:
                return host
        known = ", ".join(host.name for host in self.plan.hosts)
        raise Refused(f"Lab {self.name} has no host {name!r}.", remedy=f"It has {known}.")

    def netns(self, host: str) -> str:
        """The network namespace of a host; `lan` is where the bridge is."""
        return self.plan.lan_netns if host == plans.LAN else self.host(host).netns

    def run(self, host: str, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the network namespace of a host, or of `lan`.

        `options` are those of `subprocess.run`; output is captured as text unless they say otherwise.
        """
        wanted: dict[str, Any] = {"capture_output": True, "text": True, "check": False, **options}
        return netns.inside(
            self.netns(host),
            lambda: subprocess.run(list(command), **wanted),  # noqa: PLW1510 - `wanted` has it
        )

    def component(self, host: str, name: str) -> ComponentHandle:
        """A program of a node: `kubelet`, `containerd` or `kube-proxy`.

        The first node also has `etcd`, `kube-apiserver`, `kube-controller-manager`, `kube-scheduler` and
        `relay`.
        """
        return ComponentHandle(self.control(host), name)

    def control(self, host: str) -> HostControl:
        """What starts and ends a node's programs."""
        return HostControl(self.name, self.host(host).name)

    def link(self, host: str, *, nic: int = 0) -> Link:
        """The cable of a host."""
        return Link(self.plan, self.host(host), nic=nic)

    def power_off(self, host: str) -> None:
        """End every process of a node at once, as a power cut does; its cable stays plugged in."""
        self.control(host).kill()

    def power_on(self, host: str) -> None:
        """Start a node again after `power_off`, with the files that it had."""
        if self.host(host) != self.plan.control_plane:
            self.control(host).reboot({})
            return
        with socket.create_server(("127.0.0.1", self.state.port)) as listener:
            self.control(host).reboot({API_SOCKET: listener.fileno()})

    def problems(self) -> list[str]:
        """A sentence for every component that should run and does not; empty when all is well."""
        return serving.dead_components([self.control(node.name) for node in self.nodes])

    def check_alive(self) -> None:
        """Raises `LabFailed` that names every component that has died, with the end of its log."""
        problems = self.problems()
        if problems:
            raise LabFailed(f"Lab {self.name} is damaged: {'; '.join(problems)}")
