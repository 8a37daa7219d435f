"""The page that was approved, and a real run that was kept: `python -m tests.unit.reports.kept_pages` writes it anew.

`approved_page.txt` is the outline of a page with everything on it: what a screen reader meets, in its order. A page
that changes on purpose is looked at in a browser first, and then written anew. Each folder of `runs/` is one run
against the embedded lab, every file gzipped.
"""

from __future__ import annotations

import gzip
import json
import platform
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from clusters.checks import RunResult
from reports.pages.page import page
from tests.unit.reports.conftest import failed_run
from tests.unit.reports.dom import outline, parsed
from tests.unit.reports.pasts import PAST
from tests.unit.reports.timelines import timeline

RUNS = Path(__file__).parent / "runs"
APPROVED = Path(__file__).parent / "approved_page.txt"
#: A healthy cluster in which a host answers for a free address: a copy, so that it stays as it was approved.
_OBSERVATION = Path(__file__).parent / "answered_free_address.json.gz"
_CHECK = "failover.moves"


def with_everything(run: RunResult, directory: Path) -> RunResult:
    """The run with a measured failover and an observation, both written beside it."""
    place = f"evidence/{_CHECK}"
    (directory / place).mkdir(parents=True)
    (directory / place / "timeline.json").write_text(json.dumps(timeline().to_json()))
    (directory / place / "speaker.log").write_text("nothing")
    shutil.copyfile(_OBSERVATION, directory / "snapshot.json")
    checks = tuple(
        replace(one, evidence=(*one.evidence, f"{place}/timeline.json")) if one.id == _CHECK else one
        for one in run.checks
    )
    return replace(run, checks=checks)


def approvable(directory: Path) -> str:
    """The outline of the page with everything on it."""
    text = page(with_everything(failed_run(), directory), directory=directory, view=PAST)
    lines = "\n".join(outline(parsed(text))) + "\n"
    return lines.replace(str(directory), "DIRECTORY").replace(f"on {platform.node()};", "on HOST;")


def names() -> list[str]:
    return sorted(path.name for path in RUNS.iterdir() if path.is_dir())


def unpacked(name: str, into: Path) -> Path:
    """The run's files as they were; returns their directory."""
    for packed in (RUNS / name).rglob("*.gz"):
        target = into / packed.relative_to(RUNS / name).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.decompress(packed.read_bytes()))
    return into


def keep(run: Path, name: str) -> None:
    """Keep a run's results, observation and timelines."""
    for path in [run / "results.json", run / "snapshot.json", *run.glob("evidence/*/timeline*.json")]:
        target = RUNS / name / path.relative_to(run).with_suffix(path.suffix + ".gz")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(path.read_bytes(), mtime=0))


def main() -> None:
    for run in map(Path, sys.argv[1:]):
        keep(run, run.name)
    with tempfile.TemporaryDirectory() as place:
        APPROVED.write_text(approvable(Path(place)), encoding="utf-8")


if __name__ == "__main__":
    main()
