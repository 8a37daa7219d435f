"""MetalLB's own container in each of its pods, and the end of its log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from clusters import outbound
from clusters.api import Api, ApiError
from clusters.metallb.install import component_of
from clusters.observation.reading import failure
from clusters.observation.snapshot import Json, LogTail, Status


@dataclass(frozen=True)
class Container:
    """The container of a pod that is MetalLB itself: not its FRR, reloader or proxy neighbours."""

    pod: str
    name: str
    image: str
    args: tuple[str, ...]
    restarts: int
    started: bool
    probes: tuple[Json, ...] = ()
    ports: tuple[Json, ...] = ()

    @classmethod
    def of(cls, pod: Json) -> Container | None:
        """The one that is named after the pod's component, else the first; None for a pod of nobody's."""
        part, containers = component_of(pod), pod["spec"].get("containers", ())
        if not part or not containers:
            return None
        found = next((one for one in containers if one["name"] == part), containers[0])
        states = pod.get("status", {}).get("containerStatuses", ())
        state: Json = next((one for one in states if one["name"] == found["name"]), {})
        return cls(
            pod=pod["metadata"]["name"],
            name=found["name"],
            image=found.get("image", ""),
            args=tuple(found.get("args", ())),
            restarts=state.get("restartCount", 0),
            started=bool(state.get("containerID")),
            probes=tuple(found[name] for name in ("livenessProbe", "readinessProbe") if found.get(name)),
            ports=tuple(found.get("ports") or ()),
        )


def containers(pods: Iterable[Json]) -> Iterator[Container]:
    """MetalLB's own container of each pod."""
    return (found for pod in pods if (found := Container.of(pod)))


@dataclass(frozen=True)
class Source:
    """Whom to ask: the API server, with a pool of threads, about the pods of one namespace."""

    api: Api
    pool: ThreadPoolExecutor
    namespace: str

    def logs(self, found: Iterable[Container], *, lines: int) -> tuple[LogTail, ...]:
        """The last `lines` lines of every container, and of the one before it where it was restarted."""
        wanted = [(one, False) for one in found]
        wanted += [(one, True) for one, _ in wanted if one.restarts]
        return tuple(self.pool.map(lambda pair: self._log(pair[0], previous=pair[1], lines=lines), wanted))

    def _log(self, one: Container, *, previous: bool, lines: int) -> LogTail:
        tail = LogTail(pod=one.pod, container=one.name, previous=previous)
        if not one.started:
            return replace(tail, status=Status.ABSENT, detail="its container was never started")
        try:
            text = self.api.logs(self.namespace, one.pod, one.name, tail=lines, previous=previous)
        except ApiError as error:
            return replace(tail, **failure(error, verb="get", resource="pods/log"))
        return replace(tail, status=Status.OK, lines=tuple(outbound.secretless(text).splitlines()))
