"""MetalLB is found however it was installed, and its settings are read as its own flags are."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.version import Version

from clusters.metallb import install
from clusters.metallb.install import Flavour
from clusters.metallb.signature_table import Component

MANIFEST_LABELS = {"app": "metallb", "component": "speaker"}
HELM_LABELS = {
    "app.kubernetes.io/name": "metallb",
    "app.kubernetes.io/instance": "lb",
    "app.kubernetes.io/component": "speaker",
}
ENV = [
    {"name": "METALLB_NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    {"name": "METALLB_ML_BIND_ADDR", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    {"name": "METALLB_ML_LABELS", "value": "app=metallb,component=speaker"},
    {"name": "METALLB_ML_SECRET_KEY_PATH", "value": "/etc/ml_secret_key"},
]


def workload(labels: dict[str, str], *, name: str = "speaker", **container: Any) -> dict[str, Any]:
    component = labels.get("component") or labels["app.kubernetes.io/component"]
    one = {"name": component, "image": f"quay.io/metallb/{component}:v0.15.2", "env": ENV, **container}
    pod = {
        "containers": [{"name": "frr", "image": "quay.io/frrouting/frr:10.4.1"}, one],
        "volumes": [{"name": "ml", "secret": {"secretName": "memberlist"}}],
    }
    return {
        "metadata": {"name": name, "namespace": "metallb-system", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def controller(labels: dict[str, str], **container: Any) -> dict[str, Any]:
    changed = {key: "controller" if "component" in key else value for key, value in labels.items()}
    return workload(changed, name="controller", **container)


OTHER = {
    "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web", "component": "controller"}},
    "spec": {"template": {"spec": {"containers": [{"name": "controller", "image": "web:1"}]}}},
}


@pytest.mark.parametrize(
    ("labels", "flavour"), [(MANIFEST_LABELS, Flavour.MANIFEST), (HELM_LABELS, Flavour.HELM)]
)
def test_both_flavours_are_found(labels: dict[str, str], flavour: Flavour) -> None:
    found = install.detect([OTHER, controller(labels)], [workload(labels)])

    assert found.controller is not None
    assert found.speaker is not None
    assert (found.controller.flavour, found.speaker.flavour) == (flavour, flavour)
    assert found.speaker.reference == "daemonset/speaker"
    assert found.namespace == "metallb-system"
    assert found.version == Version("0.15.2")
    assert not found.skewed
    assert "component=speaker" in found.speaker.selector


def test_another_programs_controller_is_not_metallb() -> None:
    assert install.detect([OTHER], []).controller is None
    assert install.component_of(OTHER) is None


def test_namespace_limits_the_search() -> None:
    assert install.detect([controller(MANIFEST_LABELS)], [], namespace="elsewhere").controller is None


def test_different_versions_are_skew() -> None:
    newer = workload(MANIFEST_LABELS, image="quay.io/metallb/speaker:v0.16.2")

    assert install.detect([controller(MANIFEST_LABELS)], [newer]).skewed


def test_pods_are_recognised_and_their_container_picked() -> None:
    template = workload(HELM_LABELS)["spec"]["template"]
    pod = {"metadata": template["metadata"], "spec": template["spec"]}

    assert install.component_of(pod) is Component.SPEAKER
    assert install.container_of(pod, Component.SPEAKER)["name"] == "speaker"


def test_memberlist_settings_come_from_the_environment() -> None:
    raw = workload(MANIFEST_LABELS, volumeMounts=[{"name": "ml", "mountPath": "/etc/ml_secret_key"}])

    found = install.settings(raw, Component.SPEAKER)

    assert found.memberlist
    assert found.memberlist_port == 7946
    assert found.secret == "memberlist"


def test_memberlist_is_off_without_its_environment() -> None:
    assert not install.settings(workload(MANIFEST_LABELS, env=[]), Component.SPEAKER).memberlist


def test_controller_names_the_secret_it_makes() -> None:
    raw = controller(MANIFEST_LABELS, env=[{"name": "METALLB_ML_SECRET_NAME", "value": "lb-memberlist"}])

    assert install.settings(raw, Component.CONTROLLER).secret == "lb-memberlist"


def test_arguments_are_read() -> None:
    arguments = [
        "--port=7500",
        "--lb-class",
        "a/b",
        "-ignore-exclude-lb",
        "--ml-bindport=7947",
        "--log-level=debug",
    ]

    found = install.settings(workload(MANIFEST_LABELS, args=arguments), Component.SPEAKER)

    assert found.metrics_port == 7500
    assert found.lb_class == "a/b"
    assert found.ignore_exclude_label
    assert found.memberlist_port == 7947
    assert found.log_level == "debug"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--ignore-exclude-lb=false"], {"ignore-exclude-lb": "false"}),
        (["--ignore-exclude-lb", "--port", "1"], {"ignore-exclude-lb": "", "port": "1"}),
        (["-port=1", "--port=2"], {"port": "2"}),
        (["--lb-class=", "--port=0"], {"lb-class": "", "port": "0"}),
    ],
)
def test_flags(arguments: list[str], expected: dict[str, str]) -> None:
    assert install.parse_flags(arguments) == expected


def test_a_false_switch_is_off() -> None:
    raw = workload(MANIFEST_LABELS, args=["--ignore-exclude-lb=false"])

    assert not install.settings(raw, Component.SPEAKER).ignore_exclude_label
