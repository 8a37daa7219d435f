"""Services of the run ask as this cluster's MetalLB is asked: by its class, and by annotations that it reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import pytest

from clusters.api import Api, Resource
from clusters.changes import Changes
from clusters.checks import NotSupported
from clusters.providers.cluster import Cluster
from clusters.vantage.watch import Measurement
from clusters.workloads import builders
from clusters.workloads.metallb_control import MetalLB
from suites.scenes.disruption import Disruption
from suites.scenes.own_services import Services


class FakeApi:
    """A cluster with one controller, and speakers on the given nodes."""

    def __init__(
        self, *, tag: str = "v0.16.2", args: tuple[str, ...] = (), speakers: tuple[str, ...] = ()
    ) -> None:
        container = {"name": "controller", "image": f"quay.io/metallb/controller:{tag}", "args": list(args)}
        labels = {"app": "metallb", "component": "controller"}
        controller = {
            "metadata": {"name": "controller", "namespace": "metallb-system", "labels": labels},
            "spec": {"template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}},
        }
        pods = [
            {
                "metadata": {"name": f"s-{node}", "labels": labels | {"component": "speaker"}},
                "spec": {"nodeName": node, "containers": []},
                "status": {"phase": "Running"},
            }
            for node in speakers
        ]
        self.objects = {"deployments": [controller], "pods": pods}

    def list(self, res: Resource, *_: Any, **__: Any) -> list[dict[str, Any]]:
        return self.objects[res.plural]


class FakeChanges:
    """Remembers what was made."""

    def __init__(self) -> None:
        self.made: list[dict[str, Any]] = []

    def namespace(self) -> str:
        return "run"

    def name(self, name: str) -> str:
        return f"{name}-1"

    @contextmanager
    def created(self, made: dict[str, Any]) -> Iterator[None]:
        self.made.append(made)
        yield


def created(api: FakeApi, **asked: Any) -> dict[str, Any]:
    changes = FakeChanges()
    with ExitStack() as stack:
        made = Services(
            cast("Api", api),
            cast("Changes", changes),
            app="echo",
            stack=stack,
            metallb_namespace="metallb-system",
        )
        made.create("s", **asked)
    return changes.made[0]


def test_a_service_carries_the_controllers_class() -> None:
    with_class = FakeApi(args=("--port=7472", "--lb-class=metallb"))

    assert created(with_class)["spec"]["loadBalancerClass"] == "metallb"
    assert created(with_class, loadBalancerClass="other")["spec"]["loadBalancerClass"] == "other"
    assert "loadBalancerClass" not in created(FakeApi())["spec"]


@pytest.mark.parametrize(("tag", "prefix"), [("v0.16.2", "metallb.io/"), ("v0.14.8", "metallb.universe.tf/")])
def test_annotations_have_the_prefix_that_this_version_reads(tag: str, prefix: str) -> None:
    assert builders.POOL.startswith("metallb.io/")

    made = created(FakeApi(tag=tag), address="192.0.2.1", pool="p", annotations={"example.org/x": "y"})

    assert made["metadata"]["annotations"] == {
        f"{prefix}loadBalancerIPs": "192.0.2.1",
        f"{prefix}address-pool": "p",
        "example.org/x": "y",
    }


def test_where_nobody_can_take_over_a_failover_is_not_applicable() -> None:
    api = FakeApi(speakers=("only",))
    metallb = MetalLB(cast("Api", api), cast("Changes", FakeChanges()), "metallb-system")
    disruption = Disruption(cast("Cluster", None), metallb)

    with (
        pytest.raises(NotSupported, match="no node but only has a speaker"),
        disruption.speaker_deleted("only", cast("Measurement", None)),
    ):
        pytest.fail("the speaker was deleted")
