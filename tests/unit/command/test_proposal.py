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
