"""Boots a lab: everything that does not depend on something else starts at once."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from clusters.lab import applying, control_plane, manifests, network, node, overlay, parts, serving
from clusters.lab import plan as plans
from clusters.lab.door import Door
from clusters.lab.hosts import HostControl
from clusters.lab.options import LabOptions
from clusters.lab.parts import Parts
from clusters.lab.paths import LabPaths
from clusters.lab.plan import Host, Plan
from clusters.lab.progress import Progress
from clusters.lab.state import LabState

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "platform"
T = TypeVar("T")


def default_overlay(options: LabOptions) -> Path:
    """The shipped overlay that fits the address families and the way of installing."""
    name = "lab" if options.families == "ipv4" else f"lab-{options.families}"
    return EXAMPLES / "metallb" / "overlays" / (f"{name}-helm" if options.install == "helm" else name)


def consumers(options: LabOptions) -> Path:
    """The shipped consumers that fit the address families."""
    return EXAMPLES / "consumers" / ("lab" if options.families == "ipv4" else f"lab-{options.families}")


class Boot:
    """One boot of one lab, into an empty place. The caller holds the lock and has looked at the machine."""

    def __init__(self, options: LabOptions, progress: Progress) -> None:
        self.options, self.progress = options, progress
        self.paths = LabPaths(options.name)
        self.plan: Plan = plans.make(options)
        self.overlay = Path(options.overlay) if options.overlay else default_overlay(options)
        self.metallb = options.metallb or overlay.pinned_version(self.overlay) or parts.SUPPORTED_METALLB[0]
        self.controls = {host.name: HostControl(options.name, host.name) for host in self.plan.nodes}
        self._parts: Parts = parts.ensure()
        self._stack = ExitStack()

    def run(self) -> LabState:
        """Boot, and return when MetalLB is rolled out and every consumer answers from the client."""
        with self._stack, ThreadPoolExecutor(max_workers=12) as pool:
            self._stack.callback(pool.shutdown, wait=True, cancel_futures=True)
            return self._run(pool)

    def _run(self, pool: ThreadPoolExecutor) -> LabState:
        self.paths.hosts.mkdir(parents=True, mode=0o700)
        listener = self._stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        kubectl = self._parts.binary("kubectl")
        state = LabState(self.options, listener.getsockname()[1], str(kubectl), self.metallb)
        state.save()
        manifest = self._parts.manifest(self.metallb)
        metallb = pool.submit(
            overlay.render, self.overlay, metallb_version=self.metallb, manifest=manifest, kubectl=kubectl
        )
        traffic = pool.submit(overlay.build, consumers(self.options), kubectl=kubectl)
        self._power_on(pool, listener)
        self._stack.callback(listener.close)
        door = Door(self.paths.kubeconfig)
        serving.api_ready(door, self.controls.values())
        self.progress.mark("API ready")
        agents = [pool.submit(self._start_agents, host) for host in self.plan.nodes]
        workloads = [thing for thing in traffic.result() if thing["kind"] == "Deployment"]
        early = [thing for thing in traffic.result() if thing not in workloads]
        applying.apply_all(door, [*manifests.first(self.plan), *metallb.result(), *early], pool=pool)
        self.progress.mark("manifests applied")
        _all(agents)
        serving.nodes_ready(door, self.plan, controls=self.controls.values())
        self.progress.mark("nodes Ready")
        # Not before all nodes are there, or the first one that is Ready gets every pod.
        applying.apply_all(door, workloads, pool=pool)
        serving.wait_for_all(door, self.plan, controls=self.controls, progress=self.progress)
        finished = state.finished(self.progress.phases)
        finished.save()
        return finished

    def _power_on(self, pool: ThreadPoolExecutor, listener: socket.socket) -> None:
        """Network, files and image stores side by side; then every host with what needs no API server."""
        wires = self._timed(pool, "network", lambda: network.create(self.plan))
        stores = [pool.submit(self._clone_store, host) for host in self.plan.nodes]
        authorities = control_plane.make_authorities()
        control_plane.write_admin_kubeconfig(self.plan, authorities, port=listener.getsockname()[1])
        for host in self.plan.nodes:
            self.paths.host(host.name).etc.mkdir(parents=True)
            node.write_files(self.plan, host, authorities=authorities, parts=self._parts)
        control_plane.write_files(self.plan, authorities)
        wires.result()
        _all(stores)
        self.progress.mark("files")
        _all([pool.submit(self._boot_host, host, listener.fileno()) for host in self.plan.nodes])
        self.progress.mark("hosts booted")

    def _timed(self, pool: ThreadPoolExecutor, name: str, call: Callable[[], T]) -> Future[T]:
        future = pool.submit(call)
        future.add_done_callback(lambda _: self.progress.mark(name))
        return future

    def _clone_store(self, host: Host) -> None:
        lib = self.paths.host(host.name).lib
        lib.mkdir(parents=True)
        self._parts.store.clone(lib / "containerd")

    def _boot_host(self, host: Host, listener: int) -> None:
        control = self.controls[host.name]
        first = host == self.plan.control_plane
        control.boot(
            netns_name=host.netns,
            visible=[self._parts.binary("kubelet").parent, self._parts.cni_dir],
            pretended=node.PRETENDED_SYSCTLS,
            fds=(listener,) if first else (),
        )
        if first:
            control.start(control_plane.api_components(self.plan, self._parts, socket=listener))
        control.start([node.runtime(self.plan, host, self._parts)])

    def _start_agents(self, host: Host) -> None:
        control = self.controls[host.name]
        if host == self.plan.control_plane:
            control.start(control_plane.controllers(self.plan, self._parts))
        control.start(node.agents(self.plan, host, self._parts))


def _all(futures: list[Future[None]]) -> None:
    for future in futures:
        future.result()
