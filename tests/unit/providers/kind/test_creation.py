"""A kind cluster is made once, as asked for, and only what was made is deleted."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters.errors import CleanupFailed, Refused
from clusters.providers.kind.programs import ProgramFailed
from tests.unit.providers.kind.conftest import Bench


def running(
    bench: Bench, name: str = "mine", furnish: Any = None, **more: Any
) -> AbstractContextManager[Any]:
    """The cluster for a block, with kubeconfig and programs of the bench."""
    from clusters.providers.kind import (  # noqa: PLC0415 - needs the stand-in for pytest-kind
        creation,
        folder_of,
    )

    kubeconfig = more.pop("kubeconfig", folder_of(name) / "kubeconfig")
    wanted = creation.Wanted(name=name, kubeconfig=kubeconfig, **more)
    programs = {"kind": bench.program("kind"), "kubectl": bench.program("kubectl")}
    return creation.running(wanted, **programs, furnish=furnish or (lambda made: None))


def test_a_cluster_has_three_nodes_where_nothing_else_is_said(bench: Bench) -> None:
    with running(bench) as made:
        assert made.ours
        assert made.nodes == ["mine-control-plane", "mine-worker"]
        assert made.context == "kind-mine"

    roles = [node["role"] for node in yaml.safe_load((bench.here / "config").read_text())["nodes"]]
    assert roles == ["control-plane", "worker", "worker"]


def test_configuration_image_and_kubeconfig_go_to_kind(bench: Bench) -> None:
    config, kubeconfig = bench.here / "four.yaml", bench.here / "kubeconfig"
    config.write_text("nodes: []")

    with running(bench, config=config, image="kindest/node:v1", kubeconfig=kubeconfig):
        pass

    (create,) = bench.called("kind", "create", "cluster")
    told = ["--name", "mine", "--kubeconfig", str(kubeconfig), "--config", str(config)]
    assert create == ["--retain", *told, "--image", "kindest/node:v1"]


def test_what_was_found_is_left_alone(bench: Bench) -> None:
    bench.has("mine")

    with running(bench, furnish=lambda made: pytest.fail("it is there already")) as made:
        assert not made.ours

    assert bench.clusters == ["mine"]
    assert not bench.called("kind", "create")
    (export,) = bench.called("kind", "export", "kubeconfig")
    assert export == ["--name", "mine", "--kubeconfig", str(made.wanted.kubeconfig)]


def test_a_kept_cluster_stays(bench: Bench) -> None:
    with running(bench, keep=True):
        pass

    assert bench.clusters == ["mine"]


def test_a_cluster_that_does_not_come_up_leaves_its_logs_alone(bench: Bench) -> None:
    logs = bench.here / "evidence"
    bench.fails("kind", "create", "cluster", words="ERROR: failed to create cluster: no space left\n")

    with pytest.raises(ProgramFailed, match=r"^kind could not create mine: .*: no space left\."):
        running(bench, logs=logs).__enter__()

    assert bench.called("kind", "export", "logs") == [[str(logs), "--name", "mine"]]
    assert [call[1] for call in bench.calls][-2:] == ["export", "delete"]


def test_a_cluster_that_cannot_be_furnished_is_deleted(bench: Bench) -> None:
    def furnish(made: Any) -> None:
        raise Refused("MetalLB did not come up.")

    with pytest.raises(Refused, match="did not come up"):
        running(bench, furnish=furnish, keep=True).__enter__()

    assert bench.clusters == []


def test_an_interrupt_while_it_is_made_leaves_nothing(bench: Bench) -> None:
    def furnish(made: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        running(bench, furnish=furnish, logs=bench.here / "logs").__enter__()

    assert bench.clusters == []
    assert not bench.called("kind", "export")


def test_a_cluster_that_cannot_be_deleted_is_told(bench: Bench) -> None:
    bench.fails("kind", "delete", "cluster", words="ERROR: failed to delete nodes\n")

    with (
        pytest.raises(CleanupFailed, match=r"mine is still there.*kind delete cluster --name mine"),
        running(bench),
    ):
        pass


def test_a_cluster_that_fails_and_stays_is_told_with_both_reasons(bench: Bench) -> None:
    bench.fails("kind", "create", "cluster", words="ERROR: failed to create cluster: no space left\n")
    bench.fails("kind", "delete", "cluster", words="ERROR: failed to delete nodes\n")

    with pytest.raises(
        CleanupFailed, match=r"no space left\. .*mine is still there: .*failed to delete nodes"
    ):
        running(bench).__enter__()


@pytest.mark.parametrize("profile", ["local", "a-profile-with-a-name-that-is-longer-than-kind-takes"])
def test_a_name_is_the_runs_own_and_short_enough(profile: str) -> None:
    from clusters.providers.kind import unique_name  # noqa: PLC0415 - as above

    name = unique_name(profile, "20261126-171311-5a61")

    assert len(name) <= 50
    assert name.startswith("local-" if profile == "local" else "a-profile-with")
    assert name.endswith("-20261126-171311-5a61")
    assert unique_name(profile) != unique_name(profile)


def test_paths_in_a_profile_start_at_its_folder(bench: Bench) -> None:
    from clusters import profile  # noqa: PLC0415 - as above
    from clusters.providers.kind import kind_cluster  # noqa: PLC0415 - as above

    (bench.here / "mine.yaml").write_text(
        "name: mine\nprovider: kind\nkind: {config: three.yaml, images: [a.tar, 'registry/b:1']}\n"
    )

    wanted = kind_cluster.wanted(profile.load(bench.here / "mine.yaml"))

    assert wanted.config == Path(bench.here, "three.yaml")
    assert wanted.images == [str(bench.here / "a.tar"), "registry/b:1"]
    assert wanted.kubeconfig.name == "kubeconfig"
    assert wanted.name in str(wanted.kubeconfig)
