"""--repository judges a GitOps repository with no cluster and no profile, as in a pull request's CI."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest

from clusters.errors import ExitCode
from clusters.gitops import example

ROOT = Path(__file__).parents[3]
OVERLAY = "metallb/overlays/homelab"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The example repository with its history."""
    today = dt.datetime.now(dt.UTC).date()
    return example.materialise(ROOT / "examples" / "platform", tmp_path / "platform", today=today)


def judged(folder: Path, *arguments: str) -> tuple[int, dict[str, str], str]:
    """Exit code, outcomes and output of a run that has no kubeconfig at all."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "suites",
        "-p",
        "no:cacheprovider",
        "--report-dir",
        str(folder / "run"),
    ]
    done = subprocess.run(
        [*command, "--history", str(folder / "history.db"), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "KUBECONFIG": "/nowhere", "HOME": str(folder)},
    )  # fmt: skip
    results = folder / "run" / "results.json"
    found = json.loads(results.read_text())["checks"] if results.exists() else []
    return done.returncode, {each["id"]: each["outcome"] for each in found}, done.stdout + done.stderr


def test_what_needs_no_cluster_is_judged_and_the_rest_is_listed(repository: Path, tmp_path: Path) -> None:
    code, outcomes, said = judged(tmp_path, "--repository", str(repository), "--overlay", OVERLAY)

    assert code == ExitCode.PASSED, said
    assert set(outcomes) == {
        "overlay.legacy-divergence",
        "overlay.ranges-valid",
        "maintenance.pool-documented",
        "maintenance.change-plan",
        "maintenance.legacy-version",
        "postincident.runbook-current",
        "postincident.skew-follow-up",
        "rollback.previous-renders",
    }
    assert "needs a cluster, and --repository without --cluster judges the repository alone" in said
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["run"]["cluster"] == "repository-homelab"  # no cluster's name: it counts for none


def test_a_pool_that_nobody_wrote_down_fails_the_pull_request(repository: Path, tmp_path: Path) -> None:
    config = repository / OVERLAY / "config.yaml"
    config.write_text(config.read_text().replace("192.168.1.250", "192.168.1.249"))
    for command in (["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "Shrink"]):
        subprocess.run(["git", "-C", repository, *command], check=True, timeout=60)

    code, outcomes, said = judged(tmp_path, "--repository", str(repository), "--overlay", OVERLAY)

    assert code == ExitCode.FAILED, said
    assert outcomes["maintenance.pool-documented"] == "failed"


PROFILE = """
name: homelab
provider: existing
context: homelab
gitops:
  repository: /nowhere
  overlay: forms/argo-cd-set/metallb.yaml
  application: metallb-homelab
  tree: forms
  cluster: homelab
networks:
  - {cidr: 192.168.1.0/24, gateway: 192.168.1.241}
"""


def test_with_a_profile_the_repository_is_judged_by_what_that_says(repository: Path, tmp_path: Path) -> None:
    profile = tmp_path / "homelab.yaml"
    profile.write_text(PROFILE)

    code, outcomes, said = judged(
        tmp_path, "--cluster", str(profile), "--without-cluster", "--repository", str(repository)
    )

    assert code == ExitCode.FAILED, said
    assert outcomes["overlay.ranges-valid"] == "failed"  # the gateway that only the profile names
    assert "192.168.1.241" in said
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["run"]["cluster"] == "repository-homelab"


def test_with_a_healthy_profile_it_passes_and_says_what_was_not_compared(
    repository: Path, tmp_path: Path
) -> None:
    config = repository / "forms/plain/homelab/metallb/config.yaml"
    config.write_text(f"{config.read_text()}# said again\n")
    for command in (["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "Comment"]):
        subprocess.run(["git", "-C", repository, *command], check=True, timeout=60)
    profile = tmp_path / "homelab.yaml"
    profile.write_text(PROFILE.replace("192.168.1.241", "192.168.1.1"))

    code, outcomes, said = judged(
        tmp_path, "--cluster", str(profile), "--without-cluster", "--repository", str(repository)
    )

    assert code == ExitCode.PASSED, said
    assert outcomes["rollback.previous-renders"] == "passed"
    assert outcomes["maintenance.pool-documented"] == "not_supported"  # the profile names no page
    results = (tmp_path / "run" / "results.json").read_text()
    assert "compared with no definition of MetalLB's" in results


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--without-cluster"], "--without-cluster judges a repository, and nothing names one."),
        (
            ["--cluster", "lab", "--without-cluster", "--snapshot", "kept.json"],
            "--without-cluster judges a repository alone, and --snapshot an observation.",
        ),
        (["--overlay", OVERLAY], "--overlay needs --repository DIR beside it."),
        (["--repository", "."], "--repository needs --overlay PATH beside it."),
        (["--repository", ".", "--overlay", "gone"], "There is no folder or file gone in ."),
    ],
)
def test_one_without_the_other_is_refused(tmp_path: Path, arguments: list[str], said: str) -> None:
    code, _, output = judged(tmp_path, *arguments)

    assert code == ExitCode.USAGE
    assert said in output
