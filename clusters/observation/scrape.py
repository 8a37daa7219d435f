"""MetalLB's metrics: which pods are asked for them, how, with whose login, and what their pages say.

Up to 0.15 they are plain HTTP, read through the API server's proxy, which passes no login on. From 0.16.0 a pod
wants a token and proves nothing of itself, so it gets one of a service account that may read metrics and nothing
else, and only where the profile says so; nobody gets the run's own. Labels make nobody MetalLB: only what its own
workloads made is asked.

Prometheus' text format is read as far as MetalLB's metrics need it. `prometheus_client.parser` reads the same. It gives
up a whole page for one broken line, where here only that line is lost, and for the 200 samples of MetalLB's among 1,500
lines of a speaker it takes 30 ms instead of 1: of a cluster of hundreds of nodes, every observation would feel it. A
test holds the two equal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from clusters.api import Api, ApiError, NotFound
from clusters.metallb import install, versions
from clusters.metallb.ranges import AddressError, parse_address
from clusters.metallb.versions import Endpoint
from clusters.observation.pods import Container
from clusters.observation.reading import failure
from clusters.observation.snapshot import AnswerCount, AnswerCounts, Json, Objects, PodMetrics, Sample, Status
from clusters.profile.metrics import Metrics

_FILE = "deploy/rbac/metrics.yaml"
#: What would let the metrics of 0.16.0 and newer be read, as the end of a sentence.
_HOW = f"to have it read, apply {_FILE} and put `metrics: token-request` into the profile"
_ASKS_FOR_LOGIN = (
    f"from 0.16.0 on MetalLB's metrics ask for a login, and no pod is given this run's own; {_HOW}"
)
_SWITCHED_OFF = "the profile says `metrics: no`; without that line, or with another, metrics are read"
_NO_ACCOUNT = (
    "there is no service account {account}, whose token was to read metrics; apply {file}, or name yours"
)
_NOT_MADE = "no workload of MetalLB's made this pod, whatever its labels say, so it is asked for nothing"
_UNKNOWN = "its image {image} names no version, and no probe of its asks for /metrics: how it serves them is not known"
_CANNOT_CHECK = (
    "; it cannot check tokens unless its own service account may create tokenreviews and subjectaccessreviews, as "
    "MetalLB's manifests with -prometheus in their names and its chart have it, and the plain manifests have not"
)


@dataclass(frozen=True)
class Owners:
    """What tells MetalLB's own pods from others with its labels: its workloads, and the ReplicaSets between."""

    deployments: Objects
    daemon_sets: Objects
    replica_sets: Objects
    namespace: str

    def against(self, pod: Json) -> str:
        """Why a pod is not to be asked for anything; empty for MetalLB's own."""
        workloads = install.detect(self.deployments.items, self.daemon_sets.items, namespace=self.namespace)
        if install.made_pod(pod, workloads, self.replica_sets.items):
            return ""
        speaker = install.component_of(pod) == "speaker"
        needed = (self.daemon_sets,) if speaker else (self.deployments, self.replica_sets)
        unread = next((each for each in needed if not each.known), None)
        return f"whose pod it is is not known: {unread.detail}" if unread else _NOT_MADE


@dataclass(frozen=True)
class Scrape:
    """Whom to ask: the API server, with a pool of threads, about the pods of one namespace, as `rule` allows."""

    api: Api
    pool: ThreadPoolExecutor
    namespace: str
    rule: Metrics

    def pages(self, found: Iterable[Json], owners: Owners) -> tuple[PodMetrics, ...]:
        """The metallb_* samples of each of MetalLB's pods, or why there are none."""
        return tuple(page.result() for page in self.begin(found, owners))

    def begin(self, found: Iterable[Json], owners: Owners) -> list[Future[PodMetrics]]:
        """Send for them; each comes when it has been read."""
        asked = [
            (one, self._unasked(one, owners.against(pod))) for pod in found if (one := Container.of(pod))
        ]
        with_token = any(not why and (place := _endpoint(one)) and place.token for one, why in asked)
        token = self._token() if with_token else ""
        return [self.pool.submit(self._page, one, why, token) for one, why in asked]

    def _unasked(self, one: Container, stranger: str) -> PodMetrics | None:
        """The page of a pod that is not asked."""
        page = PodMetrics(pod=one.pod)
        if stranger:
            return replace(page, detail=stranger)
        if not self.rule.allowed:
            return replace(page, detail=_SWITCHED_OFF)
        if not one.started:
            return replace(page, status=Status.ABSENT, detail="its container was never started")
        if _switched_off(one):
            return replace(page, status=Status.ABSENT, detail="its metrics are switched off")
        place = _endpoint(one)
        if place is None:
            return replace(page, detail=_UNKNOWN.format(image=one.image))
        return replace(page, detail=_ASKS_FOR_LOGIN) if place.token and not self.rule.account else None

    def _token(self) -> str | PodMetrics:
        """The token that pods get, or the page of each that was to get it."""
        namespace, _, name = self.rule.account.partition("/")
        try:
            return self.api.account_token(namespace, name)
        except NotFound:
            detail = _NO_ACCOUNT.format(account=self.rule.account, file=_FILE)
            return PodMetrics(pod="", detail=detail)
        except ApiError as error:
            return PodMetrics(pod="", **failure(error, verb="create", resource="serviceaccounts/token"))

    def _page(self, one: Container, unasked: PodMetrics | None, token: str | PodMetrics) -> PodMetrics:
        place = _endpoint(one)
        if unasked or place is None:
            return unasked or PodMetrics(pod=one.pod)
        if place.token and isinstance(token, PodMetrics):
            return replace(token, pod=one.pod)
        try:
            text = self._text(one, place, str(token))
        except ApiError as error:
            said = failure(error, verb="get", resource="pods/proxy")
            if place.token and error.status == 500:
                said["detail"] = said["detail"].rstrip(".") + _CANNOT_CHECK
            return PodMetrics(pod=one.pod, **said)
        return PodMetrics(pod=one.pod, status=Status.OK, samples=samples(text))

    def _text(self, one: Container, place: Endpoint, token: str) -> str:
        if place.token:
            return self.api.pod_https(self.namespace, one.pod, place.port, place.path, token=token)
        return self.api.pod_http(self.namespace, one.pod, place.port, place.path)


def _port(one: Container) -> int | None:
    port = install.parse_flags(one.args).get("port", "")
    return int(port) if port.isascii() and port.isdecimal() and len(port) < 6 else None


def _switched_off(one: Container) -> bool:
    version = versions.of_image(one.image)
    return version is not None and versions.metrics_endpoint(version, port=_port(one)) is None


def _endpoint(one: Container) -> Endpoint | None:
    """Where a container serves its metrics, None where that is not known.

    An image may name no version. Where the kubelet itself asks the container for /metrics, without any login, that
    is where they are; where it asks for /readyz, they are where 0.16.0 put them.
    """
    version = versions.of_image(one.image)
    if version is not None:
        return versions.metrics_endpoint(version, port=_port(one))
    for probe in one.probes:
        asked = probe.get("httpGet") or {}
        if asked.get("path") == versions.READY_PATH:  # from 0.16.0 on, which is when metrics moved, too
            return versions.metrics_endpoint(versions.METRICS_MOVED, port=_port(one))
        if asked.get("path") == install.METRICS_PATH and asked.get("scheme", "HTTP") == "HTTP":
            named = {each.get("name"): each.get("containerPort") for each in one.ports}
            port = named.get(asked.get("port"), asked.get("port"))
            return Endpoint(port, "http", install.METRICS_PATH) if isinstance(port, int) else None
    return None


_LINE = re.compile(r"^(?P<name>[A-Za-z_:][\w:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)(?:\s+-?\d+)?$")
#: A name begins where no word goes on, or a page of letters alone would be read once for each of them.
_LABEL = re.compile(r'(?<!\w)(\w++)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


def samples(text: str, *, prefix: str = "metallb_") -> tuple[Sample, ...]:
    """The samples whose name begins with `prefix`, in order; lines that are none are skipped."""
    return tuple(_samples(text, prefix))


def _samples(text: str, prefix: str) -> Iterator[Sample]:
    for line in text.split("\n"):
        if not line.startswith(prefix) or not (match := _LINE.match(line)):
            continue
        try:
            value = float(match["value"])
        except ValueError:
            continue
        if not math.isfinite(value):
            continue  # no figure, and nothing that JSON could keep
        labels = {name: _ESCAPE.sub(_unescaped, raw) for name, raw in _LABEL.findall(match["labels"] or "")}
        yield Sample(name=match["name"], labels=labels, value=value)


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


_NAMES = frozenset({"metallb_layer2_responses_sent", "metallb_layer2_responses_sent_total"})


def counts_compared(before: Iterable[PodMetrics], after: Iterable[PodMetrics]) -> AnswerCounts:
    """The counts of those pods that were read both times; where none was, why not."""
    first = {page.pod: page for page in before if page.readable}
    second = tuple(after)
    both = {page.pod: page for page in second if page.readable and page.pod in first}
    if not both:
        unread = next((page for page in second if not page.readable), None)
        if unread is None:
            return AnswerCounts(detail="no speaker's metrics were read before the questions")
        failed = unread.status if not unread.ok else Status.FAILED
        return AnswerCounts(status=failed, detail=unread.detail, verb=unread.verb, resource=unread.resource)
    counts = tuple(
        AnswerCount(pod=pod, address=address, before=earlier.get(address, 0), after=count)
        for pod, page in sorted(both.items())
        for earlier in [_by_address(first[pod])]
        for address, count in sorted(_by_address(page).items())
    )
    return AnswerCounts(status=Status.OK, pods=tuple(sorted(both)), counts=counts)


def _by_address(page: PodMetrics) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for sample in page.samples:
        if sample.name in _NAMES and sample.value >= 0:
            try:
                address = str(parse_address(sample.labels.get("ip", "")))
            except AddressError:
                continue
            found[address] = found.get(address, 0) + int(sample.value)
    return found
