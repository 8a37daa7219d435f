"""Boots a lab: everything that does not depend on something else starts at once."""

from __future__ import annotations

import functools
import http.client
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

from clusters.lab import control_plane, manifests, network, node, parts, pki, rendering, serving, traefik
from clusters.lab import plan as plans
from clusters.lab.control_plane import API_SOCKET, Authorities
from clusters.lab.hosts import Component, HostControl, LabFailed
from clusters.lab.lab_state import BootProgress, LabPaths, LabState
from clusters.lab.parts import Parts
from clusters.lab.plan import Host, Install, LabOptions, Plan
from clusters.lab.rest import RestClient

#: What an overlay gets where it lacks it, for each way to install MetalLB. Its chart has the rights of -prometheus.
_COMPONENTS: Mapping[Install, tuple[str, ...]] = {
    "manifest": (),
    "prometheus": ("token-reviews",),
    "helm": ("token-reviews", "helm-names"),
}

T = TypeVar("T")
_PORTS_TRIED = 20
Things = list[dict[str, Any]]


class Boot:
    """One boot of one lab, into an empty place. The caller holds the lock and has looked at the machine.

    Making one checks the overlay and the version, and makes the parts where they are missing.
    """

    def __init__(self, options: LabOptions, progress: BootProgress) -> None:
        self.options, self.progress = options, progress
        self.paths = LabPaths(options.name)
        self.plan: Plan = plans.make(options)
        self.overlay = rendering.chosen(options)
        self.metallb = (
            options.metallb or rendering.pinned_version(self.overlay) or parts.SUPPORTED_METALLB[-1]
        )
        self.controls = {host.name: HostControl(options.name, host.name) for host in self.plan.nodes}
        self._extra = "" if options.consumer == "agnhost" else options.consumer
        self._parts: Parts = parts.ensure(extra=self._extra)
        self._manifest = self._parts.manifest(self.metallb)
        self._authorities: Authorities = control_plane.make_authorities()

    def run(self) -> LabState:
        """Boot, and return when MetalLB is rolled out and every consumer answers from the client.

        Raises `LabFailed` that names the component that died, or the claim that did not become true.
        """
        with ExitStack() as stack, ThreadPoolExecutor(max_workers=12) as pool:
            stack.callback(pool.shutdown, wait=True, cancel_futures=True)
            try:
                return self._run(pool, stack.enter_context(_listener()))
            except (OSError, http.client.HTTPException) as error:
                dead = serving.dead_components(self.controls.values())
                raise LabFailed(f"The lab cannot come up: {'; '.join(dead) or repr(error)}") from error

    def _run(self, pool: ThreadPoolExecutor, listener: socket.socket) -> LabState:
        self.paths.hosts.mkdir(parents=True, mode=0o700)
        kubectl = self._parts.binary("kubectl")
        state = LabState(self.options, listener.getsockname()[1], str(kubectl), self.metallb)
        state.save()
        metallb = pool.submit(
            rendering.render,
            self.overlay,
            metallb_version=self.metallb,
            manifest=self._manifest,
            kubectl=kubectl,
            components=_COMPONENTS[self.options.install],
        )
        traffic = pool.submit(self._consumers, kubectl)
        self._power_on(pool, listener)
        listener.close()
        with RestClient(self.paths.kubeconfig) as client:
            self._bring_up(client, pool, metallb=metallb, traffic=traffic)
        finished = state.finished(self.progress.phases)
        finished.save()
        return finished

    def _consumers(self, kubectl: Path) -> Things:
        """The objects of the lab's consumers, with the authority that signs for them written down."""
        found = rendering.build(rendering.consumers(self.options), kubectl=kubectl)
        if self.options.consumer != traefik.NAME:
            return found
        authority = pki.Authority("consumers of the lab")
        trusted = traefik.trusted(self.options.name)
        trusted.parent.mkdir(parents=True, exist_ok=True)
        trusted.write_bytes(authority.pair.certificate)
        return traefik.in_place_of(found, authority=authority, parts=self._parts)

    def _power_on(self, pool: ThreadPoolExecutor, listener: socket.socket) -> None:
        """Network, files and image stores side by side; then every host with what needs no API server."""
        wires = self._marked(pool, "network", lambda: network.create(self.plan))
        stores = [pool.submit(self._clone_store, host) for host in self.plan.nodes]
        port = listener.getsockname()[1]
        control_plane.write_admin_kubeconfig(self.plan, self._authorities, port=port)
        for host in self.plan.nodes:
            self.paths.host(host.name).etc.mkdir(parents=True)
            node.write_files(self.plan, host, authorities=self._authorities, parts=self._parts)
        control_plane.write_files(self.plan, self._authorities)
        wires.result()
        _all(stores)
        self.progress.mark("files and images")
        _all([pool.submit(self._boot_host, host, listener.fileno()) for host in self.plan.nodes])
        self.progress.mark("hosts booted")

    def _bring_up(
        self,
        client: RestClient,
        pool: ThreadPoolExecutor,
        *,
        metallb: Future[Things],
        traffic: Future[Things],
    ) -> None:
        everyone = self.controls.values()
        serving.api_answers(client, everyone)
        self.progress.mark("API answers")
        kubelets = [pool.submit(self._start, node.kubelet, host) for host in self.plan.nodes]
        workloads, early = _split(traffic.result())
        rendered = metallb.result()
        things = [*manifests.first(self.plan), *manifests.with_secrets(rendered), *early]
        things += manifests.metrics_account(rendered)
        applied = self._marked(
            pool, "manifests applied", lambda: manifests.apply_all(client, things, controls=everyone)
        )
        serving.api_ready(client, everyone)
        self.progress.mark("API ready")
        proxies = [pool.submit(self._start, node.proxy, host) for host in self.plan.nodes]
        self.controls[self.plan.control_plane.name].start(control_plane.controllers(self.plan, self._parts))
        _all([*kubelets, *proxies])
        serving.nodes_ready(client, self.plan, controls=everyone)
        self.progress.mark("nodes Ready")
        manifests.describe_nodes(client, self.plan)
        applied.result()
        # Not before all nodes are there, or the first one that is Ready gets every pod.
        manifests.apply_all(client, workloads, controls=everyone)
        asked = {}
        if self.options.consumer == traefik.NAME:
            asked[f"{traefik.NAMESPACE}/{traefik.NAME}"] = functools.partial(traefik.questions, self.plan)
        serving.wait_for_all(client, self.plan, controls=self.controls, progress=self.progress, asked=asked)
        # Nothing waits for it, so it does not take processors from what is waited for.
        manifests.apply_all(
            client, manifests.metrics_server(self._authorities, self._parts), controls=everyone
        )

    def _marked(self, pool: ThreadPoolExecutor, name: str, call: Callable[[], T]) -> Future[T]:
        def marked() -> T:
            result = call()
            self.progress.mark(name)
            return result

        return pool.submit(marked)

    def _clone_store(self, host: Host) -> None:
        lib = self.paths.host(host.name).lib
        lib.mkdir(parents=True)
        self._parts.store(self._extra).clone(lib / "containerd")

    def _boot_host(self, host: Host, listener: int) -> None:
        control = self.controls[host.name]
        first = host == self.plan.control_plane
        control.boot(
            netns_name=host.netns,
            visible=[self._parts.folder],
            pretended=node.PRETENDED_SYSCTLS,
            sockets={API_SOCKET: listener} if first else {},
        )
        if first:
            control.start(control_plane.api_components(self.plan, self._parts))
        self._start(node.runtime, host)

    def _start(self, component: Callable[[Plan, Host, Parts], Component], host: Host) -> None:
        self.controls[host.name].start([component(self.plan, host, self._parts)])


def _split(traffic: Things) -> tuple[Things, Things]:
    """What makes pods, and the rest."""
    workloads = [thing for thing in traffic if thing["kind"] == "Deployment"]
    return workloads, [thing for thing in traffic if thing not in workloads]


def _all(futures: list[Future[None]]) -> None:
    for future in futures:
        future.result()


def _listener() -> socket.socket:
    """A socket on a free port that was asked for by number: Linux lets go of any other when nobody listens on it."""
    for _ in range(_PORTS_TRIED):
        with socket.create_server(("127.0.0.1", 0)) as found:
            port = found.getsockname()[1]
        with suppress(OSError):  # another program was faster
            return socket.create_server(("127.0.0.1", port))
    raise LabFailed("The lab found no free port on the machine's loopback.")
