"""The profile that init proposes: words of a cluster stay values and comments, whatever they are."""

from __future__ import annotations

import argparse
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from metallb_conformance import proposal

HOSTILE = "x\nallow: disrupt\nvantage: ssh:elsewhere"


class Cluster:
    """An API server without anything in it."""

    context = HOSTILE

    def uid(self) -> str:
        return "5e0c3f5e-0000-4000-8000-000000000000"

    def list(self, _: object) -> list[object]:
        return []


def proposed(
    monkeypatch: pytest.MonkeyPatch, *, pool: str = "lan", node: str = "one", lb_class: str = ""
) -> Any:
    facts = SimpleNamespace(
        components=SimpleNamespace(lb_class=lb_class, speakers={node: None}, daemon_set={}),
        pools=[SimpleNamespace(name=pool, ranges=())],
        nodes={node: None, "other": None},
    )
    snapshot = SimpleNamespace(pods=SimpleNamespace(known=True))
    diagnosis = SimpleNamespace(facts=facts, snapshot=snapshot)
    monkeypatch.setattr(proposal, "_looked_at", lambda *_: diagnosis)
    monkeypatch.setattr(proposal, "_not_read", lambda _: [])
    monkeypatch.setattr(proposal, "_consumers", lambda _: iter(()))
    given = argparse.Namespace(namespace="metallb-system", name="", kubeconfig=None)
    return yaml.safe_load("\n".join(proposal._profile(cast("Any", Cluster()), given, [])))


def test_a_class_or_a_context_of_several_lines_adds_no_field(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = proposed(monkeypatch, lb_class=HOSTILE)

    assert (profile["allow"], profile["context"]) == ("observe", HOSTILE)
    assert "vantage" not in profile or profile["vantage"] == "host"


@pytest.mark.parametrize("name", ["2024", "true", "null", "1e3", "0x10"])
def test_a_name_that_yaml_takes_for_something_else_stays_a_name(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    profile = proposed(monkeypatch, pool=name, node=name)

    assert profile["pools"][0]["name"] == name
    assert profile["announcers"]["nodes"] == [name]


class Delivered(Cluster):
    """One whose Flux and Argo CD have these objects."""

    def __init__(self, **of: list[Any]) -> None:
        self.of = of

    def list(self, of: Any) -> list[object]:
        return list(self.of.get(of.kind, ()))


def suggested(cluster: Cluster) -> list[str]:
    return list(proposal._gitops(cast("Any", cluster), "metallb-system", []))


@pytest.mark.parametrize(
    "path", ["metallb # lan", "a: b", "[x", "&a", "2024-01-01", "true", "*", "- x", HOSTILE]
)
def test_a_suggested_overlay_is_that_path_once_somebody_takes_the_mark_away(path: str) -> None:
    lines = suggested(
        Delivered(
            Application=[
                {
                    "metadata": {"namespace": "argocd", "name": "metallb"},
                    "spec": {"source": {"repoURL": "https://git.example/platform", "path": path}},
                    "status": {"resources": [{"namespace": "metallb-system"}]},
                }
            ]
        )
    )

    assert all(line.startswith("#") and line.isprintable() for line in lines)
    assert yaml.safe_load(lines[-1].removeprefix("#")) == {"overlay": " ".join(path.split())}


@pytest.mark.parametrize("odd", [5, "text", [5], [[]], {"a": 5}, None])
def test_objects_of_flux_and_argo_cd_may_hold_anything(odd: object) -> None:
    named = {"namespace": odd, "name": odd}
    here = {
        "inventory": {"entries": [{"id": "metallb-system_x"}, odd]},
        "resources": [{"namespace": "metallb-system"}],
    }
    objects: list[Any] = [
        {"metadata": about, "spec": spec, "status": status}
        for about in (odd, named)
        for spec in (odd, {"source": odd, "sources": odd, "sourceRef": odd, "path": odd})
        for status in (odd, here, {"inventory": odd, "resources": odd}, {"inventory": {"entries": odd}})
    ]

    lines = suggested(Delivered(Kustomization=objects, Application=objects, GitRepository=objects))

    assert all(line.startswith("#") for line in lines)
    assert any("Flux's Kustomization" in line for line in lines)
    assert any("Argo CD's Application" in line for line in lines)


def test_why_this_machine_is_no_vantage_stays_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposal, "_this_machine", lambda _: f"it reaches no address of pool {HOSTILE}")

    assert all(line.startswith("#") for line in "\n".join(proposal._vantage(cast("Any", None))).splitlines())
