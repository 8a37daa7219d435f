"""`python -m clusters.lab.parts [--list | --prune] [PART...]`: make the lab's parts, list them, or tidy up."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from clusters.errors import ConformanceError, ExitCode
from clusters.lab.parts import building, toolchain
from clusters.lab.parts.cache import cache_root, prune
from clusters.lab.parts.part_table import EXTRAS
from clusters.lab.parts.provisioning import ensure, names_for
from clusters.lab.parts.ready import Parts, slots


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m clusters.lab.parts", description=__doc__)
    parser.add_argument("--list", action="store_true", help="say which parts there are, and which are made")
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help="make only these, with what they are made from"
    )
    parser.add_argument(
        "--prune",
        action="store_true",
        help="remove parts that this checkout has no use for (no lab may be running)",
    )
    parser.add_argument(
        "--extra",
        choices=tuple(EXTRAS),
        default="",
        help="make what this needs besides, which nothing else makes",
    )
    options = parser.parse_args(arguments)
    try:
        if options.prune:
            return _prune()
        return _show() if options.list else _make(options.parts, options.extra)
    except ConformanceError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted: what is finished stays, and the next run goes on from there", file=sys.stderr)
        return ExitCode.INTERRUPTED


def _make(names: list[str], extra: str) -> int:
    began, moment = time.monotonic(), time.time()
    without_store = not names and os.geteuid() != 0
    if without_store:
        wanted = _parts()
        names = [name for name in names_for(wanted, extra) if wanted.slots[name].kind != "stores"]
    parts = ensure(only=names or None, extra=extra)
    print(f"The lab's parts are in {cache_root()} ({time.monotonic() - began:.1f} s).")
    if made := _made_since(parts, moment):
        print("built now: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in made))
    if without_store:
        print("The image store is left for the lab's first start, because it needs root.")
    for name, text in parts.substitutions.items():
        print(f"note: {name}: {text}")
    return ExitCode.PASSED


def _made_since(parts: Parts, moment: float) -> list[tuple[str, float]]:
    """The parts that were built from sources since then, and how long each took; the longest first."""
    records = {name: slot.folder / building.RECORD for name, slot in parts.slots.items()}
    built = {
        name: _seconds(record)
        for name, record in records.items()
        if record.is_file() and record.stat().st_mtime >= moment
    }
    return sorted(built.items(), key=lambda each: -each[1])


def _seconds(record: Path) -> float:
    return float(json.loads(record.read_text(encoding="utf-8"))["seconds"])


def _prune() -> int:
    for path in prune(_parts().slots.values()):
        print(f"removed {path}")
    return ExitCode.PASSED


def _parts() -> Parts:
    root = cache_root()
    return Parts(slots(root, toolchain.find(root).version))


def _show() -> int:
    parts = _parts()
    for name, slot in parts.slots.items():
        size = f"{_size(slot.folder) / 1e6:6.0f} MB" if slot.ready else "      - "
        record = slot.folder / building.RECORD
        took = f"{_seconds(record):5.0f} s" if slot.ready and record.is_file() else "      -"
        note = parts.substitutions.get(name, "")
        print(f"{name:<24} {slot.key}  {size}  {took}  {note}".rstrip())
    return ExitCode.PASSED


def _size(folder: Path) -> int:
    """Bytes of all files below, each inode once."""
    sizes = {}
    for path in folder.rglob("*"):
        found = path.lstat()
        sizes[found.st_ino] = found.st_blocks * 512
    return sum(sizes.values())


if __name__ == "__main__":
    sys.exit(main())
