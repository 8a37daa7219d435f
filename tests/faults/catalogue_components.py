"""Faults of MetalLB's own parts: pods, their set-up, their rights, their versions."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from clusters import budgets, wait
from clusters.api.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CUSTOM_RESOURCE_DEFINITIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    PODS,
)
from clusters.metallb import versions
from tests.faults.catalogue_fault import ALL_BY_CONFIGURATION, ALL_BY_METALLB, UNMEASURED, Also, Fault, drift
from tests.faults.catalogue_stage import EDGE_ADDRESS, NAMESPACE, WHY, Json, Stage
from tests.faults.catalogue_workloads import anew, arguments, log_of, logs_of, until_crashing, usage_of

_CONTROLLER = "deployment controller"


@contextmanager
def no_controller(stage: Stage) -> Iterator[None]:
    with stage.changes.scaled(DEPLOYMENTS, "controller", 0, namespace=NAMESPACE, foreign=WHY):
        yield


@contextmanager
def two_controllers(stage: Stage) -> Iterator[None]:
    with stage.changes.scaled(DEPLOYMENTS, "controller", 2, namespace=NAMESPACE, foreign=WHY):
        stage.metallb.rolled_out()
        yield
    stage.metallb.rolled_out()


@contextmanager
def controller_crashes(stage: Stage) -> Iterator[None]:
    with arguments(stage, DEPLOYMENTS, "controller", "--no-such-flag"):
        until_crashing(stage, "controller")
        yield


@contextmanager
def throttled(stage: Stage) -> Iterator[None]:
    """A CPU limit that the controller uses up; the metrics API has to have measured it."""
    path = "/spec/template/spec/containers/0/resources"
    limits = {"limits": {"cpu": "2m"}, "requests": {"cpu": "1m"}}
    patch: list[Any] = [
        {"op": "add", "path": path, "value": limits},
        {"op": "replace", "path": "/spec/strategy", "value": {"type": "Recreate"}},
    ]
    with stage.changes.patched(DEPLOYMENTS, "controller", patch, NAMESPACE, kind="json", foreign=WHY):
        stage.metallb.rolled_out()
        wait.until(
            "the controller's use of its limit is measured",
            read=lambda: usage_of(stage, "controller"),
            accept=lambda cores: cores is not None and cores > 0.002,
            budget=budgets.get(budgets.ROLLOUT),
        )
        stage.until_webhook_decides()
        yield
    stage.metallb.rolled_out()


@contextmanager
def may_not_list(stage: Stage) -> Iterator[None]:
    """The controller may not watch pools any more, and starts anew."""
    found = stage.api.get(CLUSTER_ROLES, "metallb-system:controller")
    rules = [rule for rule in found["rules"] if "services" not in rule.get("resources", ())]
    patch = [{"op": "replace", "path": "/rules", "value": rules}]
    with stage.changes.patched(CLUSTER_ROLES, "metallb-system:controller", patch, kind="json", foreign=WHY):
        anew(stage, "controller")
        wait.until(
            "the controller says what it may not do",
            read=lambda: log_of(stage, "controller"),
            accept=lambda text: "forbidden" in text,
            budget=budgets.get(budgets.PODS_READY),
        )
        stage.until_webhook_decides()
        yield
    anew(stage, "controller")


@contextmanager
def speakers_unbound(stage: Stage) -> Iterator[None]:
    """The speakers' role is bound to nobody any more, and they start anew: they may not read what to announce."""
    patch = [{"op": "replace", "path": "/subjects", "value": []}]
    name = "metallb-system:speaker"
    with stage.changes.patched(CLUSTER_ROLE_BINDINGS, name, patch, kind="json", foreign=WHY):
        anew(stage, "speaker")
        wait.until(
            "every speaker says what it may not do",
            read=lambda: ["cannot list resource" in log for log in logs_of(stage, "speaker")],
            accept=lambda told: sum(told) >= len(stage.lab.nodes),
            budget=budgets.get(budgets.PODS_READY),
        )
        yield
    anew(stage, "speaker")
    stage.until_reached(EDGE_ADDRESS)


@contextmanager
def old_definition(stage: Stage) -> Iterator[None]:
    """A definition without a field that came with the installed version."""
    name = "l2advertisements.metallb.io"
    field = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/interfaces"
    with stage.changes.patched(
        CUSTOM_RESOURCE_DEFINITIONS, name, [{"op": "remove", "path": field}], kind="json", foreign=WHY
    ):
        yield


@contextmanager
def other_version(stage: Stage) -> Iterator[None]:
    path = "/spec/template/spec/containers/0/image"
    other = next(each for each in versions.IN_THE_LAB if each != (stage.version or versions.IN_THE_LAB[-1]))
    patch = [{"op": "replace", "path": path, "value": f"quay.io/metallb/controller:v{other}"}]
    with stage.changes.patched(DEPLOYMENTS, "controller", patch, NAMESPACE, kind="json", foreign=WHY):
        wait.until(
            "a controller of the other version runs",
            read=lambda: [
                pod["spec"]["containers"][0]["image"]
                for pod in stage.api.list(PODS, NAMESPACE, labels="component=controller")
                if pod["status"].get("phase") == "Running"
            ],
            accept=lambda images: any(image.endswith(f":v{other}") for image in images),
            budget=budgets.get(budgets.ROLLOUT),
        )
        yield


@contextmanager
def speakers_of_a_class(stage: Stage) -> Iterator[None]:
    with arguments(stage, DAEMON_SETS, "speaker", f"--lb-class={_CLASS}"):
        stage.metallb.speakers_ready()
        yield
    stage.metallb.speakers_ready()
    stage.until_reached(EDGE_ADDRESS)


@contextmanager
def controller_of_a_class(stage: Stage) -> Iterator[None]:
    """What has no class waits, and what has the controller's is not announced."""
    with arguments(stage, DEPLOYMENTS, "controller", f"--lb-class={_CLASS}"):
        stage.metallb.rolled_out()
        with stage.waiting("waiting"), stage.addressed("open", serves=False, loadBalancerClass=_CLASS):
            yield
    stage.metallb.rolled_out()


@contextmanager
def two_classes(stage: Stage) -> Iterator[None]:
    other = "--lb-class=example.org/other"
    with controller_of_a_class(stage), arguments(stage, DAEMON_SETS, "speaker", other):
        stage.metallb.speakers_ready()
        yield
    stage.metallb.speakers_ready()
    stage.until_reached(EDGE_ADDRESS)


@contextmanager
def second_metallb(stage: Stage, *arguments: str) -> Iterator[None]:
    """Another controller in a namespace of its own, as a second release brings it, with the rights of the first."""
    namespace = "metallb-second"
    own = stage.api.get(DEPLOYMENTS, "controller", NAMESPACE)
    account = own["spec"]["template"]["spec"]["serviceAccountName"]
    template = copy.deepcopy(own["spec"]["template"])
    spec, container = template["spec"], template["spec"]["containers"][0]
    # It keeps its hands off the first one's webhook.
    container["args"] = [*container["args"], "--webhook-mode=disabled", *arguments]
    for part in (spec, container):
        part.pop("volumes" if part is spec else "volumeMounts", None)
    container["env"] = [each for each in container.get("env", ()) if "METALLB_DEPLOYMENT" not in each["name"]]
    objects: tuple[Json, ...] = (
        _named("v1", "Namespace", namespace),
        _named("v1", "ServiceAccount", account, namespace=namespace),
        _binding(
            "ClusterRoleBinding", "metallb-second", "metallb-system:controller", f"{namespace}/{account}"
        ),
        _named("rbac.authorization.k8s.io/v1", "Role", "controller", namespace=namespace)
        | {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]},
        _binding("RoleBinding", "controller", "controller", f"{namespace}/{account}"),
        _named("apps/v1", "Deployment", "controller", namespace=namespace)
        | {"spec": {"replicas": 1, "selector": own["spec"]["selector"], "template": template}},
    )
    with ExitStack() as stack:
        for obj in objects:
            stack.enter_context(stage.changes.created(obj, foreign=WHY))
        wait.until(
            "the second controller runs",
            read=lambda: [pod["status"].get("phase") for pod in stage.api.list(PODS, namespace)],
            accept=lambda phases: "Running" in phases,
            budget=budgets.get(budgets.PODS_READY),
        )
        yield


@contextmanager
def second_of_the_same_class(stage: Stage) -> Iterator[None]:
    with second_metallb(stage):
        yield


def _named(version: str, kind: str, name: str, *, namespace: str = "") -> Json:
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **where}}


def _binding(kind: str, name: str, role: str, account: str) -> Json:
    namespace, _, user = account.partition("/")
    group = "rbac.authorization.k8s.io"
    made = _named(f"{group}/v1", kind, name, namespace=namespace if kind == "RoleBinding" else "")
    of = "ClusterRole" if kind == "ClusterRoleBinding" else "Role"
    return made | {
        "roleRef": {"apiGroup": group, "kind": of, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": user, "namespace": namespace}],
    }


@contextmanager
def second_deployment(stage: Stage) -> Iterator[None]:
    """A Deployment under another name that was left over, with a controller that works."""
    found = stage.api.get(DEPLOYMENTS, "controller", NAMESPACE)
    labels = {**found["spec"]["selector"]["matchLabels"], "example.org/copy": "yes"}
    template = {**found["spec"]["template"], "metadata": {"labels": labels}}
    obj = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "controller-old", "namespace": NAMESPACE, "labels": found["metadata"]["labels"]},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }
    with stage.changes.created(obj, foreign=WHY):
        stage.metallb.rolled_out()
        wait.until(
            "both controllers are ready",
            read=lambda: [
                pod
                for pod in stage.api.list(PODS, NAMESPACE, labels="component=controller")
                if all(each.get("ready") for each in pod["status"].get("containerStatuses") or [{}])
            ],
            accept=lambda ready: len(ready) == 2,
            budget=budgets.get(budgets.ROLLOUT),
        )
        yield
    stage.metallb.rolled_out()


@contextmanager
def only_a_webhook(stage: Stage) -> Iterator[None]:
    with arguments(stage, DEPLOYMENTS, "controller", "--webhook-mode=onlywebhook"):
        stage.metallb.rolled_out()
        with stage.waiting("waiting"):
            yield
    stage.metallb.rolled_out()


_CLASS = "example.org/metallb"
_SPEAKERS = drift("DaemonSet metallb-system/speaker")
_DEPLOYMENT = drift("Deployment metallb-system/controller")

FAULTS = (
    Fault(
        name="a second Deployment with a controller",
        cause="controller-doubled",
        make=second_deployment,
        says=ALL_BY_METALLB,
        shows={"health.pods-ready": _CONTROLLER},
        undecided=UNMEASURED,
        full=True,
    ),
    Fault(
        name="a controller that answers the webhook alone",
        cause="controller-down",
        make=only_a_webhook,
        says=ALL_BY_METALLB,
        shows={"health.pods-ready": _CONTROLLER},
        also=_DEPLOYMENT,
        undecided=UNMEASURED,
        full=True,
    ),
    Fault(
        name="speakers that serve a class, and a controller that serves none",
        cause="class-mismatch",
        make=speakers_of_a_class,
        says=ALL_BY_CONFIGURATION,
        shows={"traffic.speakers-placed": "daemonset speaker"},
        also=_SPEAKERS,
        full=True,
    ),
    Fault(
        name="a controller that serves a class, and speakers that serve none",
        cause="class-mismatch",
        make=controller_of_a_class,
        says=ALL_BY_CONFIGURATION,
        shows={"traffic.speakers-placed": _CONTROLLER},
        also=_DEPLOYMENT,
        undecided=UNMEASURED,
        full=True,
    ),
    Fault(
        name="a controller and speakers that serve different classes",
        cause="class-mismatch",
        make=two_classes,
        says=ALL_BY_CONFIGURATION,
        shows={"traffic.speakers-placed": "daemonset speaker"},
        also=(*_DEPLOYMENT, *_SPEAKERS),
        undecided=UNMEASURED,
        full=True,
    ),
    Fault(
        name="the controller is scaled to nothing",
        cause="controller-down",
        make=no_controller,
        says=ALL_BY_METALLB,
        shows={"health.pods-ready": _CONTROLLER},
        also=_DEPLOYMENT,
        undecided=UNMEASURED | {"health.controller-log"},
    ),
    Fault(
        name="two replicas of the controller",
        cause="controller-doubled",
        make=two_controllers,
        says=ALL_BY_METALLB,
        shows={"health.pods-ready": _CONTROLLER},
        also=_DEPLOYMENT,
        undecided=UNMEASURED,
    ),
    Fault(
        name="a second MetalLB in another namespace, and no class to tell them apart",
        cause="controller-doubled",
        make=second_of_the_same_class,
        says=ALL_BY_METALLB,
        shows={"health.pods-ready": "namespace metallb-second"},
        full=True,
    ),
    Fault(
        name="a controller with an argument that it does not know",
        cause="controller-crashing",
        make=controller_crashes,
        says=ALL_BY_METALLB,
        shows={"health.pods-ready": _CONTROLLER},
        also=_DEPLOYMENT,
        undecided=UNMEASURED,
        full=True,
    ),
    Fault(
        name="a CPU limit that the controller uses up",
        cause="controller-cpu-bound",
        make=throttled,
        says=ALL_BY_METALLB._replace(scaling="a scale change is needed"),
        shows={"scaling.controller-cpu": _CONTROLLER},
        also=_DEPLOYMENT,
        full=True,
    ),
    Fault(
        name="the controller may not read services",
        cause="permission-missing",
        make=may_not_list,
        says=ALL_BY_METALLB,
        shows={"health.controller-log": ".*"},
        undecided=UNMEASURED,
        also=drift("ClusterRole metallb-system:controller"),
        full=True,
    ),
    Fault(
        name="the speakers may not read endpoints",
        cause="permission-missing",
        make=speakers_unbound,
        says=ALL_BY_METALLB,
        shows={"health.speaker-log": "daemonset speaker"},
        also=drift("ClusterRoleBinding metallb-system:speaker"),
        full=True,
    ),
    Fault(
        name="a definition that lacks a field",
        cause="crd-outdated",
        make=old_definition,
        shows={"overlay.version-skew": "cluster"},
    ),
    Fault(
        name="a controller of another version than its speakers",
        cause="version-skew",
        make=other_version,
        shows={"overlay.version-skew": "cluster"},
        also=(
            Also(check="overlay.version-skew", cause="crd-outdated"),
            Also(check="postincident.service-page", cause="page-outdated"),
            # With the manifest of the older version it ends again and again; the old one serves on beside it.
            Also(check="health.probes", cause="controller-crashing", subject="pod controller-.*"),
        ),
        undecided=UNMEASURED,
        full=True,
    ),
)
