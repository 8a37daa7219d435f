"""The benchmark of the page still runs; its bounds are for an idle machine and two thousand checks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_benchmark_renders_in_a_process_of_its_own(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "render.py"),
        "--checks",
        "40",
        "--runs",
        "9",
        "--repeat",
        "1",
    ]

    done = subprocess.run(
        [*command, "--keep", str(tmp_path / "page.html")],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )

    assert done.stdout.startswith("40 checks, 9 runs of history (made up), worst of 1: ")
    assert "made.check-39" in (tmp_path / "page.html").read_text()
