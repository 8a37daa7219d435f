"""What MetalLB's pods say about themselves: the ends of their logs, and their metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from clusters import outbound
from clusters.api import Api, ApiError
from clusters.metallb import versions
from clusters.metallb.install import component_of, parse_flags
from clusters.metallb.versions import Endpoint
from clusters.observation import metrics_text
from clusters.observation.reading import failure
from clusters.observation.snapshot import Json, LogTail, PodMetrics, Status

#: Where an image names no version, metrics are tried as 0.16 and later serve them: that is installed today.
_UNKNOWN_VERSION = "0.16.0"


@dataclass(frozen=True)
class Container:
    """The container of a pod that is MetalLB itself: not its FRR, reloader or proxy neighbours."""

    pod: str
    name: str
    image: str
    args: tuple[str, ...]
    restarts: int
    started: bool

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
        )

    @property
    def metrics(self) -> Endpoint | None:
        """Where it serves its metrics, None where they are switched off."""
        version = versions.of_image(self.image) or versions.parse(_UNKNOWN_VERSION)
        assert version is not None
        port = parse_flags(self.args).get("port", "")
        return versions.metrics_endpoint(version, port=int(port) if port.isdigit() else None)


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

    def metrics(self, found: Iterable[Container]) -> tuple[PodMetrics, ...]:
        """The metallb_* samples of every pod, asked for through the API server."""
        return tuple(self.pool.map(self._metrics, found))

    def _metrics(self, one: Container) -> PodMetrics:
        place = one.metrics
        if place is None:
            return PodMetrics(pod=one.pod, status=Status.ABSENT, detail="its metrics are switched off")
        if not one.started:
            return PodMetrics(pod=one.pod, status=Status.ABSENT, detail="its container was never started")
        try:
            if place.token:
                text = self.api.pod_https(self.namespace, one.pod, place.port, place.path)
            else:
                https = place.scheme == "https"
                text = self.api.pod_http(self.namespace, one.pod, place.port, place.path, https=https)
        except ApiError as error:
            return PodMetrics(pod=one.pod, **failure(error, verb="get", resource="pods/proxy"))
        return PodMetrics(pod=one.pod, status=Status.OK, samples=metrics_text.samples(text))
