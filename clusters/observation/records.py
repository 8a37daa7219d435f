"""What the diagnosis may rely on in each kind of object: the fields that anybody reads, and their types.

An object that fits its record cannot raise where it is judged. Fields that nobody reads are not looked at, and
those that may be missing, or null, are those that their readers take so. Objects stay plain dicts.
"""

from __future__ import annotations

from typing import Annotated, NotRequired, Required

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads Python's own only from 3.12 on

from clusters import bounds

Name = Annotated[str, Field(min_length=1)]
Number = Annotated[int, Field(ge=-bounds.NUMBER, le=bounds.NUMBER)]
Port = Annotated[int, Field(ge=0, le=65535)]
#: RFC 3339, as the API server writes times; a fraction for those of leases and events.
Time = Annotated[
    str, Field(pattern=r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$", max_length=40)
]
#: A resource quantity; the API server writes each as text.
Quantity = Annotated[
    str, Field(pattern=r"^[+-]?(\d+\.?\d*|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,3})?$", max_length=64)
]
Image = Annotated[str, Field(max_length=1024)]
Texts = list[str] | None
Map = dict[str, str] | None
"""Labels, annotations, selectors, data."""


class Writer(TypedDict, total=False):
    """An entry of managedFields, as far as it is kept."""

    manager: Required[str]
    time: str


class Owner(TypedDict, total=False):
    """What an object belongs to."""

    kind: Required[str]
    uid: Required[str]
    controller: bool | None


class About(TypedDict, total=False):
    """What every object has."""

    name: Required[Name]
    uid: str
    labels: Map
    annotations: Map
    creationTimestamp: Time | None
    deletionTimestamp: Time
    finalizers: Texts
    managedFields: list[Writer]
    ownerReferences: list[Owner] | None


class Metadata(About):
    """The metadata of an object that may be in a namespace."""

    namespace: NotRequired[str]


class Placed(About):
    """The metadata of an object that is in one, and known by both names."""

    namespace: Name


class Named(TypedDict):
    """An object of which only the metadata matters."""

    metadata: Metadata


class NamedInNamespace(TypedDict):
    """The same, of an object in a namespace."""

    metadata: Placed


class Condition(TypedDict, total=False):
    """A condition of a node or pod."""

    type: Required[str]
    status: Required[str]
    reason: str
    message: str
    lastTransitionTime: Time | None


class Term(TypedDict, total=False):
    """One term of a label selector."""

    key: Required[str]
    operator: Required[str]
    values: Texts


class Selector(TypedDict, total=False):
    """A label selector."""

    matchLabels: Map
    matchExpressions: list[Term] | None


class FieldTerm(TypedDict, total=False):
    """A term of a node affinity on a field of the node."""

    key: str
    values: Texts


class NodeTerm(TypedDict, total=False):
    """One alternative of a node affinity."""

    matchExpressions: list[Term]
    matchFields: list[FieldTerm]


class NodeSelector(TypedDict, total=False):
    """The alternatives of a node affinity."""

    nodeSelectorTerms: list[NodeTerm] | None


class NodeAffinity(TypedDict, total=False):
    """What a pod asks of nodes."""

    requiredDuringSchedulingIgnoredDuringExecution: NodeSelector | None


class Affinity(TypedDict, total=False):
    """What a pod asks of nodes and other pods."""

    nodeAffinity: NodeAffinity | None


class Variable(TypedDict, total=False):
    """An environment variable."""

    name: str | None
    value: str | None


class Limits(TypedDict, total=False):
    """What a container may use."""

    cpu: Quantity


class Resources(TypedDict, total=False):
    """What a container asks for; requests are not looked at."""

    limits: Limits


class Mount(TypedDict, total=False):
    """Where a volume is mounted."""

    name: str
    mountPath: str


class ContainerPort(TypedDict, total=False):
    """A port of a container."""

    containerPort: Port
    hostPort: Port


class HttpGet(TypedDict, total=False):
    """What a kubelet asks a container over HTTP."""

    path: str | None
    port: int | str
    scheme: str | None


class Probe(TypedDict, total=False):
    """How a kubelet looks after a container."""

    httpGet: HttpGet | None


class Container(TypedDict, total=False):
    """A container as it is asked for."""

    name: Required[str]
    image: Image
    args: list[str]
    env: list[Variable] | None
    resources: Resources | None
    volumeMounts: list[Mount]
    ports: list[ContainerPort] | None
    livenessProbe: Probe | None
    readinessProbe: Probe | None


class SecretSource(TypedDict, total=False):
    """A secret as a volume."""

    secretName: str


class Volume(TypedDict, total=False):
    """A volume of a pod."""

    name: str
    secret: SecretSource | None


class Toleration(TypedDict, total=False):
    """A taint that a pod tolerates."""

    key: str
    operator: str
    value: str | None
    effect: str


class PodSpec(TypedDict, total=False):
    """What a pod is to be."""

    nodeName: str | None
    nodeSelector: Map
    hostNetwork: bool
    affinity: Affinity | None
    tolerations: list[Toleration] | None
    containers: list[Container]
    volumes: list[Volume] | None


class Waiting(TypedDict, total=False):
    """What a container waits for."""

    reason: str
    message: str


class Running(TypedDict, total=False):
    """Since when a container runs."""

    startedAt: Time | None


class Terminated(TypedDict, total=False):
    """How a container ended."""

    reason: str
    exitCode: Number


class State(TypedDict, total=False):
    """What a container does."""

    waiting: Waiting
    running: Running
    terminated: Terminated | None


class ContainerStatus(TypedDict, total=False):
    """How a container fares."""

    name: Required[str]
    image: Image
    containerID: str
    restartCount: Number
    state: State
    lastState: State


class PodStatus(TypedDict, total=False):
    """How a pod fares."""

    phase: str
    conditions: list[Condition]
    containerStatuses: list[ContainerStatus]


class Pod(TypedDict, total=False):
    """A pod of MetalLB's namespace."""

    metadata: Required[Metadata]
    spec: Required[PodSpec]
    status: PodStatus


class HostPod(TypedDict):
    """A pod with ports of its node."""

    metadata: Placed
    spec: NotRequired[PodSpec | None]


class Template(TypedDict, total=False):
    """The pods that a workload makes; its metadata has no name."""

    metadata: TemplateMetadata | None
    spec: PodSpec


class TemplateMetadata(TypedDict, total=False):
    """Labels and annotations of a workload's pods."""

    labels: Map
    annotations: Map


class WorkloadSpec(TypedDict, total=False):
    """What a workload is to be."""

    replicas: Number
    selector: Selector | None
    template: Template


class Workload(TypedDict):
    """A Deployment or DaemonSet."""

    metadata: Metadata
    spec: WorkloadSpec
