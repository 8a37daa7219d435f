"""The example repository as a real one of a test's own, with an overlay that says something else."""

from __future__ import annotations

import datetime as dt
import subprocess
from pathlib import Path

from clusters.gitops import example
from tests.faults.bench import ROOT, Bench

CONFIG = "metallb/overlays/lab/config.yaml"
RANGE = "172.30.0.200-172.30.0.220"


def with_range(bench: Bench, addresses: str, *, committed: bool) -> Bench:
    """The same bench with a repository whose overlay of the lab has another range, committed or pending."""
    today = dt.datetime.now(dt.UTC).date()
    root = example.materialise(ROOT / "examples/platform", bench.folder / "platform", today=today)
    config = root / CONFIG
    text = config.read_text()
    assert RANGE in text
    config.write_text(text.replace(RANGE, addresses))
    if committed:
        person = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
        command = ["git", "-C", str(root), *person, "commit", "--quiet", "-am", "Change the range"]
        subprocess.run(command, check=True, timeout=30)
    return _using(bench, root)


def _using(bench: Bench, root: Path) -> Bench:
    settings = bench.settings()["gitops"]
    return bench.profile_with(gitops={**settings, "repository": str(root)})
