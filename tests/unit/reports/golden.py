"""Real runs that were kept, and what their pages are made of: `python -m tests.unit.reports.golden` writes them anew.

Each folder of `runs/` is one run against the embedded lab, every file gzipped, with the outline of its page beside
it. A page that changes on purpose is looked at in a browser first, and then written anew.
"""

from __future__ import annotations

import gzip
import platform
import sys
import tempfile
from pathlib import Path

from reports.model import load
from reports.pages.page import page
from tests.unit.reports.dom import outline, parsed

RUNS = Path(__file__).parent / "runs"
OUTLINE = "page.txt"


def names() -> list[str]:
    return sorted(path.name for path in RUNS.iterdir() if path.is_dir())


def unpacked(name: str, into: Path) -> Path:
    """The run's files as they were; returns their directory."""
    for packed in (RUNS / name).rglob("*.gz"):
        target = into / packed.relative_to(RUNS / name).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.decompress(packed.read_bytes()))
    return into


def structure(name: str, into: Path) -> str:
    """The outline of a run's page."""
    directory = unpacked(name, into)
    lines = "\n".join(outline(parsed(page(load(directory), directory=directory)))) + "\n"
    return lines.replace(str(directory), "DIRECTORY").replace(f"on {platform.node()};", "on HOST;")


def keep(run: Path, name: str) -> None:
    """Keep a run's results, observation and timelines."""
    for path in [run / "results.json", run / "snapshot.json", *run.glob("evidence/*/timeline*.json")]:
        target = RUNS / name / path.relative_to(run).with_suffix(path.suffix + ".gz")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(path.read_bytes(), mtime=0))


def main() -> None:
    for run in map(Path, sys.argv[1:]):
        keep(run, run.name)
    for name in names():
        with tempfile.TemporaryDirectory() as place:
            (RUNS / name / OUTLINE).write_text(structure(name, Path(place)), encoding="utf-8")


if __name__ == "__main__":
    main()
