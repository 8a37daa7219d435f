"""How a benchmark takes its options and ends: a table on the terminal, and everything as JSON where it is asked for."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import psutil


def options(described: str | None, *, runs: int) -> argparse.ArgumentParser:
    """A parser with --runs and --json; `runs` is how often it runs unasked."""
    parser = argparse.ArgumentParser(description=described)
    parser.add_argument("--runs", type=int, default=runs)
    parser.add_argument("--json", type=Path, help="also write everything to this file")
    return parser


def machine() -> dict[str, Any]:
    """What of this machine the figures depend on; "load_before" is the load average of the last minute."""
    return {
        "processors": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": os.uname().release,
        "python": sys.version.split()[0],
        "load_before": round(os.getloadavg()[0], 2),
    }


def tell(report: dict[str, Any], table: str, file: Path | None) -> None:
    """Print the table, and write the report."""
    sys.stdout.write(table)
    if file:
        file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
