"""Provider kind inside pytest: the options that pytest-kind owns, and a cluster that a fixture gives."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusters.errors import ExitCode, Refused
from clusters.profile import KindSettings, Profile, Provider
from suites.plugin import chosen_profile
from tests.unit.plugin.project import Project

RUN = "20261126-171311-5a61"
CHECK = '''
@check("health.passes", runbook="1", level=OBSERVE)
def test_passes(cluster):
    """Passes."""
    with Path("cluster-log").open("a") as file:
        file.write("checked\\n")
'''
FIXTURE = """
import pytest
from pathlib import Path
from types import SimpleNamespace

def log(line):
    with Path("cluster-log").open("a") as file:
        file.write(line + "\\n")

@pytest.fixture(scope="session")
def kind_cluster():
    log("fixture made")
    Path("their-kubeconfig").touch()
    yield SimpleNamespace(kubeconfig_path=Path("their-kubeconfig"))
    log("fixture removed")

@pytest.fixture(scope="session")
def broken():
    raise RuntimeError("out of disk")

@pytest.fixture(scope="session")
def useless():
    return "a text"
"""


def laid_over(profile: Profile, **options: Any) -> Profile:
    config: Any = SimpleNamespace(option=SimpleNamespace(**options))
    return chosen_profile.with_options(config, profile, run_id=RUN, logs=Path("/run/evidence/kind"))


def local(**settings: Any) -> Profile:
    return Profile(name="local", provider=Provider.KIND, kind=KindSettings(**settings))


def test_without_pytest_kind_the_cluster_is_the_runs_own() -> None:
    found = laid_over(local(image="kindest/node:v1"))

    assert found.kind.cluster == f"local-{RUN}"
    assert (found.kind.image, found.kind.keep) == ("kindest/node:v1", False)
    assert found.kind.logs == Path("/run/evidence/kind")
    assert found.kubeconfig is None


def test_pytest_kinds_defaults_change_nothing() -> None:
    defaults = {"cluster_name": "pytest-kind", "keep_cluster": False, "kubeconfig": None}
    programs = dict.fromkeys(("kind_image", "kind_bin", "kind_kubectl_bin"))

    assert laid_over(local(), **defaults, **programs) == laid_over(local())


def test_pytest_kinds_options_go_before_the_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = laid_over(
        local(image="kindest/node:v1", cluster="theirs"),
        cluster_name="mine",
        keep_cluster=True,
        kubeconfig="config",
        kind_image="kindest/node:v2",
        kind_bin="bin/kind",
        kind_kubectl_bin="/usr/bin/kubectl",
    )

    assert (found.kind.cluster, found.kind.keep, found.kind.image) == ("mine", True, "kindest/node:v2")
    assert (found.kind.binary, found.kind.kubectl) == (tmp_path / "bin/kind", Path("/usr/bin/kubectl"))
    assert found.kubeconfig == tmp_path / "config"


def test_profiles_of_other_providers_stay_as_they_are() -> None:
    lab = Profile(name="lab", provider=Provider.LAB)

    assert laid_over(lab, kind_image="kindest/node:v2", cluster_name="mine") is lab


def test_a_clusters_name_is_left_to_the_fixture() -> None:
    assert laid_over(local(fixture="kind_cluster")).kind.cluster == ""


def own_fixture(project: Project, name: str) -> None:
    project.profile(f"name: fake\nprovider: kind\nallow: disrupt\nkind: {{fixture: {name}}}\n")
    (project.path / "suites").mkdir()
    (project.path / "suites" / "conftest.py").write_text(FIXTURE)
    project.checks(CHECK)


def test_a_cluster_that_a_fixture_gives_is_used_and_outlives_the_run(project: Project) -> None:
    own_fixture(project, "kind_cluster")

    result = project.run()

    assert result.ret == ExitCode.PASSED
    log = (project.path / "cluster-log").read_text().splitlines()
    assert log == [
        "fixture made",
        f"opened {project.path / 'their-kubeconfig'}",
        "checked",
        "closed",
        "fixture removed",
    ]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nobody", "There is no fixture nobody, which the profile takes its cluster from."),
        ("broken", "The fixture broken failed: RuntimeError: out of disk."),
        ("useless", "The fixture useless gives a str without a kubeconfig_path that is a file."),
    ],
)
def test_a_fixture_that_gives_no_cluster_refuses_the_run(project: Project, name: str, sentence: str) -> None:
    own_fixture(project, name)

    result = project.run()

    assert result.ret == ExitCode.REFUSED
    assert sentence in result.stdout.str().replace("\n    ", " ")
    assert "Traceback" not in result.stdout.str()


def test_worker_processes_and_a_fixture_do_not_go_together() -> None:
    controller: Any = SimpleNamespace(items=[])  # it leaves collecting to its workers

    with pytest.raises(Refused, match=r"gives each worker process a cluster of its own\. Run without -n"):
        chosen_profile.kubeconfig_of_fixture(controller, "kind_cluster")
