"""What needs no cluster works on a machine that is no Linux, with no extra installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SAVED = ROOT / "tests" / "unit" / "diagnosis" / "observations" / "pool-exhausted.json.gz"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--help",), 0, "Check a cluster:"),
        (("why", "lab", "--snapshot", SAVED), 1, "verdict: pool-exhausted: "),
        (("what-if", "lab", "--snapshot", SAVED, "--without-node", "node1"), 0, "moves (1):"),
        (("run", "lab", "--collect-only", "-q"), 0, " tests collected"),
        (("run", "--snapshot", SAVED, "-q", "-k", "free_address"), 1, "pool-exhausted"),
        (("explain", "traffic.routed"), 0, "traffic.routed"),
        (("doctor",), 0, "vantage: ssh:HOST, a Linux host"),
        (("lab", "status"), 4, "error: The lab needs the extra [lab]"),
    ],
)
def test_no_command_of_those_needs_linux(
    tmp_path: Path, words: tuple[str | Path, ...], code: int, said: str
) -> None:
    command = [sys.executable, ROOT / "tests" / "without_linux.py", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
