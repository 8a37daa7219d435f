"""The wheel, installed in an empty environment and used from an empty folder: nothing of the checkout is needed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OBSERVATION = ROOT / "tests" / "unit" / "diagnosis" / "observations" / "pool-exhausted.json.gz"
Installed = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Runs the installed command in an empty folder. Its dependencies are those of this environment."""
    place = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).with_name("uv")
    source = place / "source"
    # A copy of what git knows: a build leaves its traces beside what it builds.
    subprocess.run(["git", "-C", ROOT, "checkout-index", "-a", f"--prefix={source}/"], check=True, timeout=60)
    python = place / "venv" / "bin" / "python"
    _do(uv, "build", "--wheel", "--quiet", "--out-dir", place, source)
    _do(uv, "venv", "--quiet", "--python", sys.executable, place / "venv")
    _do(uv, "pip", "install", "--quiet", "--no-deps", "--python", python, *place.glob("*.whl"))
    (packages,) = (place / "venv" / "lib").glob("python3*/site-packages")
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    (empty := place / "empty").mkdir()

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [place / "venv" / "bin" / program, *arguments],
            cwd=empty, capture_output=True, text=True, check=False, timeout=120,
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        )  # fmt: skip

    return run


def _do(*command: str | Path) -> None:
    subprocess.run([str(each) for each in command], check=True, timeout=300)


@pytest.mark.parametrize("program", ["metallb-conformance", "mlc"])
def test_the_command_is_there_under_both_names(installed: Installed, program: str) -> None:
    done = installed(program, "--version")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("metallb-conformance ")


def test_the_installed_package_judges_and_explains(installed: Installed) -> None:
    done = installed("mlc", "why", "lab", "--snapshot", str(OBSERVATION))
    assert done.returncode == 1, done.stderr
    assert "verdict: pool-exhausted: " in done.stdout

    done = installed("mlc", "explain", "pending.free-address")
    assert done.returncode == 0, done.stderr


def test_a_run_leaves_its_report_in_the_folder_where_it_was_started(installed: Installed) -> None:
    done = installed("mlc", "run", "--snapshot", str(OBSERVATION), "-k", "free_address or capacity")
    assert done.returncode == 1, done.stdout + done.stderr

    done = installed(
        "python", "-c", "import pathlib; print(*pathlib.Path('reports/out').glob('*-*/report.html'))"
    )
    assert done.stdout.strip().endswith("report.html")


def test_what_is_no_python_came_along(installed: Installed) -> None:
    look = (
        "from clusters.files import shipped_folder as of; print(of('examples/platform'), of('deploy/rbac'))"
    )
    example, roles = map(Path, installed("python", "-c", look).stdout.split())

    for found, meant in ((example, "examples/platform"), (roles, "deploy/rbac")):
        files = {str(path.relative_to(found)) for path in found.rglob("*") if path.is_file()}
        known = subprocess.run(
            ["git", "-C", ROOT, "ls-files", meant], capture_output=True, text=True, check=True, timeout=60
        ).stdout.split()
        assert files == {str(Path(each).relative_to(meant)) for each in known}
    assert "checkout" not in str(example)

    parts = (
        "from pathlib import Path; import clusters.lab.parts as parts; "
        "print(*Path(parts.__path__[0]).glob('modules/*/go.mod'))"
    )
    assert len(installed("python", "-c", parts).stdout.split()) >= len(
        list((ROOT / "clusters" / "lab" / "parts" / "modules").glob("*/go.mod"))
    )
