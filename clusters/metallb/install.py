"""Which objects of a cluster are MetalLB, and how they are set up.

Sources: config/manifests/metallb-native.yaml and charts/metallb/templates of 0.15.2 and 0.16.2 (labels,
names), and the flags in controller/main.go and speaker/main.go. A manifest's objects carry `component:
speaker`, a Helm release's `app.kubernetes.io/component: speaker` and names that begin with the release's.

From 0.16.0 its pods give their metrics to whom a TokenReview knows and a SubjectAccessReview lets `get` the path
/metrics (controller-runtime's filter WithAuthenticationAndAuthorization, in internal/k8s/k8s.go): `metrics_account`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from packaging.version import Version

from clusters.metallb import versions
from clusters.metallb.signature_table import Component
from clusters.objects import Object, metadata_of, spec_of

Raw = Mapping[str, Any]

#: The service account whose token reads MetalLB's metrics, and may do nothing else.
METRICS_ACCOUNT = "metallb-conformance-metrics"
METRICS_PATH = "/metrics"
_RBAC = "rbac.authorization.k8s.io"

_TRUE = ("", "1", "t", "T", "true", "TRUE", "True")
_SWITCHES = ("ignore-exclude-lb", "ml-wan-config")


_ENVIRONMENT = {
    "METALLB_ML_BIND_ADDR": "ml-bindaddr",
    "METALLB_ML_BIND_PORT": "ml-bindport",
    "METALLB_ML_LABELS": "ml-labels",
    "METALLB_ML_SECRET_KEY_PATH": "ml-secret-key-path",
    "METALLB_ML_SECRET_NAME": "ml-secret-name",
}
"""Variables that give a flag its default."""


class Flavour(StrEnum):
    """How MetalLB came onto the cluster."""

    MANIFEST = "manifest"
    HELM = "helm"


@dataclass(frozen=True)
class Settings:
    """How a component was started: its arguments, and the environment where an argument is missing.

    `only_webhook` says that it answers MetalLB's webhook and gives no addresses (--webhook-mode).
    `metrics_port` and `health_port` are None where they are left to the version's default. `memberlist` says
    whether speakers watch each other, `secret` names the Secret that the speaker mounts for that.
    """

    lb_class: str = ""
    ignore_exclude_label: bool = False
    metrics_port: int | None = None
    health_port: int | None = None
    only_webhook: bool = False
    memberlist: bool = False
    memberlist_port: int = 7946
    memberlist_labels: str = ""
    wan: bool = False
    secret: str = ""
    log_level: str = "info"
    gratuitous_interval_s: int = 0


@dataclass(frozen=True)
class Workload:
    """The controller's Deployment or the speakers' DaemonSet. `labelled` is the version that its labels name."""

    component: Component
    flavour: Flavour
    namespace: str
    name: str
    kind: str
    image: str
    settings: Settings
    labels: Mapping[str, str] = field(default_factory=dict)
    uid: str = ""
    labelled: Version | None = None

    @property
    def version(self) -> Version | None:
        """The version that the image's tag names; where it names none, as with a digest, the one on its labels."""
        return versions.of_image(self.image) or self.labelled

    @property
    def reference(self) -> str:
        """The workload as kubectl takes it: "daemonset/speaker"."""
        return f"{self.kind.lower()}/{self.name}"

    @property
    def selector(self) -> str:
        """A label selector for its pods, as kubectl takes it."""
        return ",".join(f"{key}={value}" for key, value in sorted(self.labels.items()))


@dataclass(frozen=True)
class Install:
    """MetalLB as it is installed. Either part may be missing, which is itself a finding."""

    controller: Workload | None = None
    speaker: Workload | None = None

    @property
    def namespace(self) -> str:
        """The namespace that MetalLB runs in, or "" where it does not run."""
        found = self.controller or self.speaker
        return found.namespace if found else ""

    @property
    def version(self) -> Version | None:
        """The controller's version, or the speakers' where the controller's is not known."""
        known = [each.version for each in (self.controller, self.speaker) if each and each.version]
        return known[0] if known else None

    @property
    def skewed(self) -> bool:
        """Whether controller and speakers are of different known versions."""
        known = {each.version for each in (self.controller, self.speaker) if each and each.version}
        return len(known) > 1


def detect(deployments: Iterable[Raw], daemonsets: Iterable[Raw], *, namespace: str = "") -> Install:
    """Find MetalLB among workloads; `namespace` limits the search, "" searches all that is given."""
    controller = _first(deployments, Component.CONTROLLER, "Deployment", namespace)
    speaker = _first(daemonsets, Component.SPEAKER, "DaemonSet", namespace)
    return Install(controller, speaker)


def assigning(deployments: Iterable[Raw]) -> tuple[Workload, ...]:
    """Every Deployment whose pods give addresses; one that answers the webhook alone is none."""
    found = (
        _workload(raw, Component.CONTROLLER, "Deployment")
        for raw in deployments
        if spec_of(raw).get("replicas", 1) != 0 and _is(raw, Component.CONTROLLER)
    )
    return tuple(each for each in found if not each.settings.only_webhook)


def _is(raw: Raw, component: Component) -> bool:
    template = spec_of(raw).get("template") or {}
    return component_of(raw) is component or component_of(template) is component


def made_pod(pod: Raw, by: Install, replica_sets: Iterable[Raw]) -> bool:
    """Whether MetalLB's own workloads made a pod, by the UIDs of its owner and of that one's owner.

    Labels prove nothing of the kind: whoever may create a pod chooses them.
    """
    owner, part = _owner(pod), component_of(pod)
    if part is Component.SPEAKER:
        return by.speaker is not None and owner == (by.speaker.kind, by.speaker.uid)
    if part is None or by.controller is None or owner[0] != "ReplicaSet":
        return False
    between = (each for each in replica_sets if metadata_of(each).get("uid") == owner[1])
    return any(_owner(each) == (by.controller.kind, by.controller.uid) for each in between)


def _owner(raw: Raw) -> tuple[str, str]:
    """Kind and UID of what manages an object; nothing is managed by what has neither."""
    owners: Sequence[Raw] = metadata_of(raw).get("ownerReferences") or ()
    found = next((each for each in owners if each.get("controller")), {})
    return found.get("kind") or "nothing", found.get("uid") or "none"


def asked_about_metallb(configuration: Raw) -> bool:
    """Whether a webhook configuration is asked about MetalLB's own objects."""
    return any("metallb.io" in (rule.get("apiGroups") or ()) for rule in _rules(configuration))


def asked_about_services(configuration: Raw) -> bool:
    """Whether a webhook configuration is asked when somebody writes a service, or its status."""
    return any(
        not {"", "*"}.isdisjoint(rule.get("apiGroups") or ())
        and any(each.partition("/")[0] in ("services", "*") for each in rule.get("resources") or ())
        for rule in _rules(configuration)
    )


def _rules(configuration: Raw) -> Iterator[Raw]:
    return (rule for hook in configuration.get("webhooks") or () for rule in hook.get("rules") or ())


def component_of(raw: Raw) -> Component | None:
    """Which component a pod or workload is, by its labels and environment, or None if it is not MetalLB."""
    labels = metadata_of(raw).get("labels") or {}
    name = labels.get("app.kubernetes.io/component") or labels.get("component") or ""
    if name not in tuple(Component) or not _is_metallb(labels, raw):
        return None
    return Component(name)


def _flavour_of(labels: Mapping[str, str]) -> Flavour:
    """How an object with these labels was installed."""
    return Flavour.HELM if "app.kubernetes.io/component" in labels else Flavour.MANIFEST


def container_of(raw: Raw, component: Component) -> Raw:
    """The component's own container in a pod or workload (beside it may be FRR's), or {}."""
    containers: Sequence[Raw] = _pod_spec(raw).get("containers") or ()
    return next((each for each in containers if each.get("name") == component.value), {})


def settings(raw: Raw, component: Component) -> Settings:
    """How the component in a pod or workload is started."""
    container = container_of(raw, component)
    values = _values(container)
    return Settings(
        lb_class=values.get("lb-class", ""),
        ignore_exclude_label=values.get("ignore-exclude-lb", "false") in _TRUE,
        metrics_port=_number(values.get("port")),
        health_port=_number(values.get("health-probe-port")),
        only_webhook=values.get("webhook-mode") == "onlywebhook",
        memberlist=bool(values.get("ml-labels") and values.get("ml-bindaddr")),
        memberlist_port=_number(values.get("ml-bindport")) or 7946,
        memberlist_labels=values.get("ml-labels", ""),
        wan=values.get("ml-wan-config", "false") in _TRUE,
        secret=values.get("ml-secret-name") or _mounted_secret(raw, container, values),
        log_level=values.get("log-level", "info"),
        gratuitous_interval_s=_number(values.get("gratuitous-arp-interval")) or 0,
    )


def parse_flags(arguments: Iterable[str]) -> dict[str, str]:
    """Command line arguments as Go's flag package reads them: one dash or two, "=" or the next argument."""
    result: dict[str, str] = {}
    pending = ""
    for each in arguments:
        if pending and not each.startswith("-"):
            result[pending], pending = each, ""
            continue
        pending = ""
        name, equals, value = each.lstrip("-").partition("=")
        result[name] = value
        if not equals and name not in _SWITCHES:
            pending = name
    return result


def _first(raws: Iterable[Raw], component: Component, kind: str, namespace: str) -> Workload | None:
    """The first workload of a component, one that only answers the webhook after all others."""
    found = [
        _workload(raw, component, kind)
        for raw in raws
        if _is(raw, component) and namespace in {"", metadata_of(raw).get("namespace")}
    ]
    return min(found, key=lambda each: each.settings.only_webhook, default=None)


def _workload(raw: Raw, component: Component, kind: str) -> Workload:
    meta, spec = metadata_of(raw), spec_of(raw)
    selected = (spec.get("selector") or {}).get("matchLabels") or {}
    return Workload(
        component=component,
        flavour=_flavour_of(selected or meta.get("labels") or {}),
        namespace=meta.get("namespace") or "",
        name=meta.get("name") or "",
        kind=kind,
        image=container_of(raw, component).get("image") or "",
        settings=settings(raw, component),
        labels=selected,
        uid=meta.get("uid") or "",
        labelled=versions.of_labels(meta.get("labels") or {}),
    )


def _is_metallb(labels: Mapping[str, str], raw: Raw) -> bool:
    if "metallb" in (labels.get("app"), labels.get("app.kubernetes.io/name")):
        return True
    containers: Sequence[Raw] = _pod_spec(raw).get("containers") or ()
    variables = (each.get("name") or "" for one in containers for each in one.get("env") or ())
    return any(each.startswith("METALLB_") for each in variables)


def _pod_spec(raw: Raw) -> Raw:
    spec = spec_of(raw)
    template = spec.get("template") or {}
    result: Raw = template.get("spec") or spec
    return result


def _values(container: Raw) -> dict[str, str]:
    """Each setting by the name of its flag. What a pod's own field gives (its address) is not known here."""
    env = {
        each.get("name") or "": each.get("value") or "<from the pod>" for each in container.get("env") or ()
    }
    given = {flag: env[variable] for variable, flag in _ENVIRONMENT.items() if variable in env}
    return given | parse_flags(container.get("args") or ())


def _mounted_secret(raw: Raw, container: Raw, values: Mapping[str, str]) -> str:
    """The Secret that is mounted where the speaker looks for the memberlist key."""
    path = values.get("ml-secret-key-path")
    mounts = container.get("volumeMounts") or ()
    names = {each.get("name") for each in mounts if path and each.get("mountPath") == path}
    for volume in _pod_spec(raw).get("volumes") or ():
        if volume.get("name") in names:
            return (volume.get("secret") or {}).get("secretName") or ""
    return ""


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else None


def metrics_account(namespace: str) -> list[Object]:
    """The account that reads metrics, in MetalLB's namespace, and what it may do. No pod gets its token by itself."""
    about = {"name": METRICS_ACCOUNT}
    role = {"apiGroup": _RBAC, "kind": "ClusterRole", **about}
    account = {"kind": "ServiceAccount", **about, "namespace": namespace}
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {**about, "namespace": namespace},
            "automountServiceAccountToken": False,
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": dict(about),
            "rules": [{"nonResourceURLs": [METRICS_PATH], "verbs": ["get"]}],
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": dict(about),
            "roleRef": role,
            "subjects": [account],
        },
    ]
