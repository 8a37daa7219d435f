"""kind, kubectl and docker: found before they are used, and quoted in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.errors import ExitCode, Refused, UsageError
from clusters.providers.kind.programs import Program, ProgramFailed, find, said
from tests.unit.providers.kind.conftest import Bench

NO_DAEMON = """\
ERROR: failed to list clusters: command "docker ps -a" failed with error: exit status 1
Command Output: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?
"""
NO_IMAGE = """\
Creating cluster "local" ...
 • Ensuring node image (kindest/node:v0) 🖼  ...
 ✗ Ensuring node image (kindest/node:v0) 🖼
ERROR: failed to create cluster: command "docker pull kindest/node:v0" failed with error: exit status 1
Command Output: Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: no such host
"""


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            NO_DAEMON,
            'failed to list clusters: command "docker ps -a" failed with error: exit status 1: Cannot connect '
            "to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        ),
        ('ERROR: no nodes found for cluster "x"\n', 'no nodes found for cluster "x"'),
        ("Error: No such network: kind\n", "Error: No such network: kind"),
        ("", "it gave no reason"),
        ("\x1b[31mERROR: in colour.\x1b[0m\n", "in colour"),
    ],
    ids=["kind-with-cause", "kind", "docker", "silent", "coloured"],
)
def test_the_reason_is_taken_from_what_was_printed(output: str, reason: str) -> None:
    assert said(output) == reason


def test_a_failed_program_is_quoted_in_one_sentence(bench: Bench) -> None:
    bench.fails("kind", "get", "clusters", words=NO_DAEMON)

    with pytest.raises(ProgramFailed) as caught:
        bench.program("kind").run("get", "clusters", doing="list its clusters")

    text = str(caught.value)
    assert text.startswith("kind could not list its clusters: failed to list clusters")
    assert text.endswith("Start Docker, or let DOCKER_HOST say where it runs.")
    assert "\n" not in text
    assert caught.value.exit_code == ExitCode.REFUSED


def test_a_named_program_goes_before_the_path(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.path("kind")
    other = bench.path("kind-of-my-own")
    monkeypatch.setenv("PATH", str(other.parent))

    assert find("kind", other).path == other


def test_a_missing_program_is_never_downloaded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(bench.here))

    with pytest.raises(Refused, match=r"There is no kind on PATH\. Install kind .*--kind-bin"):
        find("kind")
    with pytest.raises(UsageError, match="There is no kubectl at /nowhere/kubectl"):
        find("kubectl", Path("/nowhere/kubectl"))


def test_a_file_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "kind").write_text("not a program")

    with pytest.raises(Refused, match=r"kind cannot be run as kind: Permission denied\."):
        Program("kind", tmp_path / "kind").run("version", doing="say its version")
