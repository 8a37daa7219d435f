"""What init says of where MetalLB is configured from: by the objects of Flux and Argo CD, in a real API server.

Their definitions are as small as they can be, and the status is written as their controllers write it. There is no
MetalLB here: that is said, and a profile is printed all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from clusters import wait
from clusters.api import Api, ApiError
from clusters.api.kubeconfig import contexts
from clusters.api.resources import Resource
from clusters.budgets import Budget
from clusters.errors import ExitCode
from metallb_conformance.command import main
from tests.api.server import Server

KINDS = (
    Resource("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization"),
    Resource("source.toolkit.fluxcd.io", "v1", "gitrepositories", "GitRepository"),
    Resource("argoproj.io", "v1alpha1", "applications", "Application"),
)
DEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
SERVED = Budget(name="test.served", within=60, every=0.1, reason="A definition is served within seconds.")
Made = Callable[[Resource, Any, Any], None]
Init = Callable[[], tuple[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def engines(api: Api) -> Iterator[Api]:
    for kind in KINDS:
        api.create(_definition(kind))
    try:
        for kind in KINDS:
            wait.until(
                f"{kind.qualified} is served", read=lambda kind=kind: api.list(kind) is not None, accept=bool,
                budget=SERVED, tolerate=(ApiError,),
            )  # fmt: skip
        yield api
    finally:
        for kind in KINDS:
            api.delete(DEFINITIONS, kind.qualified)


@pytest.fixture
def init(server: Server, capsys: pytest.CaptureFixture[str]) -> Init:
    def run() -> tuple[str, dict[str, Any]]:
        (context,) = contexts(server.admin)
        assert main(["init", "--kubeconfig", str(server.admin), "--context", context]) == ExitCode.PASSED
        shown = capsys.readouterr()
        assert "not seen: a Deployment of MetalLB's controller" in shown.err
        return shown.out, yaml.safe_load(shown.out)

    return run


def _definition(kind: Resource) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": kind.version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }  # fmt: skip
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.qualified},
        "spec": {
            "group": kind.group,
            "names": {"plural": kind.plural, "kind": kind.kind, "singular": kind.kind.lower()},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


@pytest.fixture
def made(engines: Api, namespace: str) -> Iterator[Made]:
    """Makes an object as its controller would leave it; gone after the test."""
    there: list[Resource] = []

    def make(kind: Resource, spec: Any, status: Any) -> None:
        about = {"name": "metallb", "namespace": namespace}
        version = f"{kind.group}/{kind.version}"
        engines.create({"apiVersion": version, "kind": kind.kind, "metadata": about, "spec": spec})
        there.append(kind)
        engines.patch(kind, "metallb", {"status": status}, namespace, subresource="status")

    yield make
    for kind in there:
        engines.delete(kind, "metallb", namespace)


FLUX = (
    {"path": "./metallb/overlays/homelab", "sourceRef": {"kind": "GitRepository", "name": "metallb"}},
    {
        "inventory": {
            "entries": [{"id": "metallb-system_metallb-pool_metallb.io_IPAddressPool", "v": "v1beta1"}]
        }
    },
)


def test_flux_says_which_repository_and_which_overlay(made: Made, namespace: str, init: Init) -> None:
    kustomizations, repositories, _ = KINDS
    made(repositories, {"url": "https://git.example/platform.git"}, {})
    made(kustomizations, *FLUX)

    text, profile = init()

    assert f"# gitops:                   # Flux's Kustomization {namespace}/metallb says so" in text
    assert "#   repository: …           # a clone of https://git.example/platform.git" in text
    assert "#   overlay: metallb/overlays/homelab" in text
    assert "gitops" not in profile  # which clone is meant only its owner knows


def test_argo_cd_says_it_of_every_source(made: Made, namespace: str, init: Init) -> None:
    spec = {"sources": [{"repoURL": "https://git.example/a.git", "path": "metallb"},
                        {"repoURL": "https://charts.example", "chart": "metallb"}]}  # fmt: skip
    made(
        KINDS[2],
        spec,
        {"resources": [{"kind": "IPAddressPool", "namespace": "metallb-system"}]},
    )

    text, _ = init()

    assert text.count(f"# gitops:                   # Argo CD's Application {namespace}/metallb says so") == 2
    assert "#   overlay: metallb" in text
    assert "#   overlay: (chart metallb)" in text


def test_what_they_apply_elsewhere_is_not_metallbs(made: Made, namespace: str, init: Init) -> None:
    made(
        KINDS[0],
        FLUX[0],
        {"inventory": {"entries": [{"id": "shop_web__Service", "v": "v1"}]}},
    )

    text, _ = init()

    assert "says so" not in text
    assert "#   overlay: metallb/overlays/NAME" in text


def test_what_they_say_stays_a_comment_without_secrets(made: Made, namespace: str, init: Init) -> None:
    spec = {
        "source": {
            "repoURL": "https://bot:hunter2hunter2@git.example/a.git",
            "path": "a\nallow: disrupt\u202e",
        }
    }
    made(
        KINDS[2],
        spec,
        {"resources": [{"kind": "IPAddressPool", "namespace": "metallb-system"}]},
    )

    text, profile = init()

    assert profile["allow"] == "observe"
    assert "hunter2" not in text
    assert "\u202e" not in text
