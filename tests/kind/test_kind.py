"""Provider kind against real kind on real Docker: the suites decide there as they do on the lab."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.errors import ExitCode
from tests.kind.conftest import Finished, run
from tests.kind.stage import LOADED, METALLB, Stage

pytestmark = pytest.mark.kind

#: Why a check may be undecided on kind although the lab decides it: what its profile or cluster does not have.
LACKING = (
    "needs the GitOps repository",  # the pool is computed, so no overlay says what is meant
    "provider kind upgrades nothing itself",
    "has no metrics API",  # kind brings no metrics-server
    "names no consumers",
    "names no routed_vantage",
)
#: A plugin of a user's: pytest-kind's own cluster, with MetalLB put into it.
THEIRS = """
import pytest
from clusters import profile
from clusters.providers.kind import metallb_install

@pytest.fixture(scope="session")
def with_metallb(kind_cluster):
    for image in {images!r}:
        kind_cluster.load_docker_image(image)
    metallb_install.install(kind_cluster.kubeconfig_path, profile=profile.load("local"))
    return kind_cluster
"""


def test_the_suites_pass_on_kind(on_kind: Finished) -> None:
    assert on_kind.code in (ExitCode.PASSED, ExitCode.INCOMPLETE), on_kind.said

    info = on_kind.results["run"]
    assert (info["provider"], info["metallb_version"], info["allow"]) == ("kind", METALLB, "disrupt")
    assert info["kubernetes_version"] == "v1.35.4"
    assert "failed" not in on_kind.outcomes.values()


def test_kind_and_the_lab_decide_alike(on_kind: Finished, on_the_lab: Finished) -> None:
    unlike = {
        name: (outcome, on_kind.outcomes.get(name), on_kind.reasons.get(name))
        for name, outcome in on_the_lab.outcomes.items()
        if on_kind.outcomes.get(name) != outcome
        and not any(lacking in on_kind.reasons.get(name, "") for lacking in LACKING)
    }

    assert not unlike, json.dumps(unlike, indent=1)
    alike = [name for name, outcome in on_the_lab.outcomes.items() if on_kind.outcomes.get(name) == outcome]
    assert {name.partition(".")[0] for name in alike} >= {"allocation", "announcement", "failover", "traffic"}


def test_nothing_of_the_run_is_left_in_docker(on_kind: Finished, stage: Stage) -> None:
    assert stage.docker.run("kind", "get", "clusters").strip() == ""
    assert stage.docker.run("docker", "ps", "--all", "--quiet").strip() == ""
    assert stage.docker.run("docker", "volume", "ls", "--quiet").strip() == ""


def test_a_node_image_that_nobody_has_ends_in_kinds_own_words(
    stage: Stage, profile: Path, tmp_path: Path
) -> None:
    ended = run(stage, profile, tmp_path / "run", "--kind-image", "localhost/nothing:1")

    assert ended.code == ExitCode.REFUSED, ended.said
    assert "kind could not create local-" in ended.said
    assert "--kind-image" in ended.said
    assert "Traceback" not in ended.said
    assert stage.docker.run("kind", "get", "clusters").strip() == ""


@pytest.fixture
def mine(stage: Stage) -> Iterator[str]:
    """A cluster's name; it is gone after the test."""
    yield "mine"
    stage.docker.run("kind", "delete", "cluster", "--name", "mine")


def test_a_named_cluster_is_made_once_for_all_workers_and_found_again(
    stage: Stage, tmp_path: Path, mine: str
) -> None:
    inside = stage.profile(tmp_path, vantage="container", vantage_image=stage.python_image())
    create = ("--allow", "create", "-n", "2", "-k", "allocation or announcement")

    first = run(stage, inside, tmp_path / "first", "--cluster-name", mine, "--keep-cluster", *create)
    again = run(stage, inside, tmp_path / "again", "--cluster-name", mine, "-k", "health")

    assert first.code in (ExitCode.PASSED, ExitCode.INCOMPLETE), first.said
    assert first.results["run"]["vantage"] == "container"
    assert first.outcomes["announcement.answered"] == "passed"
    assert again.code in (ExitCode.PASSED, ExitCode.INCOMPLETE), again.said
    assert stage.docker.run("kind", "get", "clusters").split() == [mine]


def test_the_cluster_of_a_fixture_is_used_as_it_is(stage: Stage, tmp_path: Path) -> None:
    for archive in stage.images:
        stage.docker.run("docker", "load", "--quiet", "--input", archive)
    references = [stage.lab.image(name) for name in LOADED]
    (tmp_path / "theirs.py").write_text(THEIRS.format(images=references))
    theirs = stage.profile(tmp_path, fixture="with_metallb", images=[])
    programs = stage.docker.programs
    options = ("--kind-bin", programs / "kind", "--kind-kubectl-bin", programs / "kubectl")

    ended = run(
        stage, theirs, tmp_path / "run", "-p", "theirs", *options, "--kind-image", stage.node_image,
        "-k", "health", path=tmp_path,
    )  # fmt: skip

    assert ended.code in (ExitCode.PASSED, ExitCode.INCOMPLETE), ended.said
    assert ended.outcomes["health.pods-ready"] == "passed"
    assert stage.docker.run("kind", "get", "clusters").strip() == ""
