"""Who announces a service's address, asked of three sources that know it differently; the wire is the fourth.

None of them is proof alone. The prediction says who should; ServiceL2Status says who wanted to (0.15.2 was
measured to lose it for over a minute after a speaker's pod is deleted); the metric says what each speaker
intends ("desired state", by its own help text); only answers on the wire say who does.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from packaging.version import Version

from clusters.api import Api
from clusters.api.resources import (
    DAEMON_SETS,
    ENDPOINT_SLICES,
    IP_ADDRESS_POOLS,
    L2_ADVERTISEMENTS,
    NODES,
    PODS,
    SERVICE_L2_STATUSES,
    SERVICES,
)
from clusters.cause_ids import CauseId
from clusters.errors import Inconclusive
from clusters.metallb import advertisements, election, install, nodes, pools, services, versions
from clusters.metallb.election import Prediction, Scene, Speakers
from clusters.metallb.reasons import Reason
from clusters.metallb.signature_table import Component
from clusters.observation import pods as metallb_pods
from clusters.observation.scrape import Owners, Scrape
from clusters.observation.snapshot import Objects, PodMetrics, Status
from clusters.profile.metrics import Metrics

ANNOUNCED = "metallb_speaker_announced"
#: What is read of metrics without any login: those of MetalLB up to 0.15.
NO_LOGIN = Metrics()


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Who announces, by three sources. `metric` is None where no speaker's metrics could be read.

    `read` are the nodes whose speaker's were: only these can deny by saying nothing.
    """

    prediction: Prediction
    status: tuple[str, ...]
    metric: tuple[str, ...] | None
    read: frozenset[str] = frozenset()

    def disagreement(self, wire: str) -> str:
        """Which sources name another node than the one that answers on the wire; "" where none does.

        An absent status object says nothing: see above. Neither does a speaker whose metrics were not read.
        """
        denied = ("nobody",) if wire in self.read else (wire,)
        says = {
            "the election rule": (self.prediction.owner or "nobody",),
            "ServiceL2Status": self.status or (wire,),
            "metallb_speaker_announced": self.metric or denied,
        }
        others = [f"{source} names {', '.join(named)}" for source, named in says.items() if named != (wire,)]
        return f"{wire} answers on the wire, but {' and '.join(others)}" if others else ""


def read(
    api: Api, namespace: str, name: str, *, metallb_namespace: str, metrics: Metrics = NO_LOGIN
) -> Sources:
    """Ask all three about service `namespace`/`name`; `metrics` says how speakers may be asked for theirs."""
    running = speakers(api, metallb_namespace)
    labels = f"metallb.io/service-name={name},metallb.io/service-namespace={namespace}"
    # Until 0.14.5 the objects stood in the service's own namespace.
    found = api.list(SERVICE_L2_STATUSES, labels=labels)
    status = {one.get("status", {}).get("node", "") for one in found} - {""}
    pages = _pages(api, metallb_namespace, running, metrics)
    return Sources(
        prediction=predict(api, namespace, name, metallb_namespace=metallb_namespace, running=running),
        status=tuple(sorted(status)),
        metric=_claiming(pages, f"{namespace}/{name}"),
        read=frozenset(node for node, page in pages.items() if page.readable),
    )


def speakers(api: Api, metallb_namespace: str) -> list[dict[str, Any]]:
    """The speaker pods that run. Not the ready ones: the election asks memberlist, which knows no readiness."""
    found = api.list(PODS, metallb_namespace)
    return [
        pod
        for pod in found
        if install.component_of(pod) == "speaker"
        and pod.get("status", {}).get("phase") == "Running"
        and "deletionTimestamp" not in pod["metadata"]
    ]


def predict(
    api: Api, namespace: str, name: str, *, metallb_namespace: str, running: list[dict[str, Any]]
) -> Prediction:
    """Who should announce the service, by MetalLB's own rule, if every running speaker sees every other."""
    if not running:
        reason = Reason(CauseId.SPEAKER_MISSING_ON_NODE, "No speaker runs on any node.")
        return Prediction(None, reason=reason)
    slices = api.list(ENDPOINT_SLICES, namespace, labels=f"kubernetes.io/service-name={name}")
    scene = Scene(
        pools=tuple(pools.parse(raw) for raw in api.list(IP_ADDRESS_POOLS, metallb_namespace)),
        advertisements=tuple(
            advertisements.parse(raw) for raw in api.list(L2_ADVERTISEMENTS, metallb_namespace)
        ),
        nodes=tuple(nodes.parse(raw) for raw in api.list(NODES)),
        speakers=Speakers(
            members=frozenset(pod["spec"]["nodeName"] for pod in running),
            ignore_exclude_label=any(
                install.settings(pod, Component.SPEAKER).ignore_exclude_label for pod in running
            ),
        ),
        version=version(api, metallb_namespace, running),
    )
    service = services.parse(api.get(SERVICES, name, namespace))
    return election.predict_announcer(service, nodes.parse_endpoints(slices), scene)


def version(api: Api, metallb_namespace: str, running: list[dict[str, Any]]) -> Version:
    """The version of MetalLB that the speakers run: by their images, their workload's labels, or their own words.

    Inconclusive where none of them says.
    """
    containers = tuple(metallb_pods.containers(running))
    tagged = next((found for one in containers if (found := versions.of_image(one.image))), None)
    found = tagged or install.detect((), api.list(DAEMON_SETS, metallb_namespace)).version
    for one in () if found else containers:
        said = versions.of_log(api.logs(metallb_namespace, one.pod, one.name).splitlines())
        if said:
            return said
    if found is None:
        raise Inconclusive(
            "No running speaker's image, label or log names a MetalLB version, so its election cannot be predicted.",
            remedy="Use images with MetalLB's version in their tag.",
        )
    return found


def _pages(
    api: Api, metallb_namespace: str, running: list[dict[str, Any]], metrics: Metrics
) -> dict[str, PodMetrics]:
    """What each speaker's metrics say, by node."""
    node_of = {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in running}
    owners = Owners(
        deployments=Objects(),
        daemon_sets=Objects(status=Status.OK, items=tuple(api.list(DAEMON_SETS, metallb_namespace))),
        replica_sets=Objects(),
        namespace=metallb_namespace,
    )
    with ThreadPoolExecutor(max_workers=8) as pool:
        pages = Scrape(api, pool, metallb_namespace, metrics).pages(running, owners)
    return {node_of[page.pod]: page for page in pages}


def _claiming(pages: Mapping[str, PodMetrics], service: str) -> tuple[str, ...] | None:
    if not any(page.readable for page in pages.values()):
        return None
    return tuple(
        sorted(
            node
            for node, page in pages.items()
            for sample in page.samples
            if sample.name == ANNOUNCED and sample.labels.get("service") == service and sample.value == 1
        )
    )
