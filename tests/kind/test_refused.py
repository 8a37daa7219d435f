"""A machine that cannot run kind's nodes says so in one sentence, with exit code 6, and nothing of the try is left."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from clusters.errors import ExitCode
from clusters.journal import state_dir
from tests.kind.conftest import HERE

pytestmark = pytest.mark.kind


@pytest.mark.parametrize(
    ("right", "said"),
    [
        ("sys_admin", "dockerd did not start (unshare: unshare failed: Operation not permitted)."),
        # Docker itself does without this one; a privileged container is given all there are.
        ("sys_rawio", "operation not permitted"),
    ],
)
def test_a_machine_without_a_right_that_privileged_containers_need(right: str, said: str) -> None:
    without = ("setpriv", "--inh-caps", f"-{right}", "--bounding-set", f"-{right}")
    wanted = "tests/kind/test_kind.py::test_nothing_of_the_run_is_left_in_docker"
    before = set((state_dir() / "docker").glob("*"))

    done = subprocess.run(
        [*without, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "kind", wanted],
        cwd=HERE, env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == ExitCode.REFUSED, done.stdout + done.stderr
    (sentence,) = (line for line in done.stdout.splitlines() if "privileged containers" in line)
    assert "This machine cannot run privileged containers: " in sentence
    assert said in sentence
    assert "Traceback" not in done.stdout + done.stderr
    assert set((state_dir() / "docker").glob("*")) == before
