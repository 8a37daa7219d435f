"""What `--explain ID` prints, and how all checks are found without running pytest's collection."""

from __future__ import annotations

import difflib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from clusters.checks.causes import CAUSES
from clusters.commands import commands
from clusters.errors import ConformanceError, UsageError
from suites.plugin.declare import DeclarationError, Declared, registry
from suites.plugin.settings import suites_folder


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Print one check's page and leave, where --explain asks for it."""
    wanted = config.option.explain
    if not wanted:
        return None
    try:
        text = page(find(wanted, load(suites_folder(config))))
    except (ConformanceError, DeclarationError) as error:
        raise pytest.UsageError(str(error)) from None
    sys.stdout.write(f"{text}\n")  # there is no terminal reporter yet
    return 0


def load(suites: Path) -> Mapping[str, Declared]:
    """Import every check module under `suites` and return the checks by id."""
    for path in sorted(suites.rglob("test_*.py")):
        name = ".".join(("suites", *path.relative_to(suites).with_suffix("").parts))
        if name in sys.modules:
            continue
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return registry()


def find(wanted: str, known: Mapping[str, Declared]) -> Declared:
    """The check of that id. Raises UsageError, with the nearest ids, where there is none."""
    if wanted in known:
        return known[wanted]
    close = difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)
    hint = f"Did you mean {' or '.join(close)}?" if close else "docs/checks.md lists them all."
    raise UsageError(f"There is no check {wanted}.", remedy=hint)


def page(declared: Declared) -> str:
    """A check's promise, place in the runbook, level, needs, commands, and causes with their remedies."""
    spec = declared.spec
    body = "\n".join(declared.text.splitlines()[1:]).strip()
    lines = [
        f"{spec.id}: {spec.title}",
        "",
        f"  {spec.promise}",
        *(f"  {line.strip()}".rstrip() for line in body.splitlines()),
        "",
        f"Runbook: {', '.join(spec.runbook)}",
        f"Level:   {spec.level} (needs {', '.join(sorted(spec.needs))})",
    ]
    lines += [f"Since:   MetalLB {spec.since}"] if spec.since else []
    lines += ["Repeat:  its figures are measured --repeat times"] if spec.measured else []
    lines += ["", "To see the same by hand:"] if spec.commands else []
    lines += [f"  $ {command}" for command in commands(spec.commands)]
    lines += ["", "Causes it may name, and what to do:"] if spec.causes else []
    for cause in spec.causes:
        known = CAUSES[cause]
        lines += [
            f"  {cause}",
            f"    {known.meaning}",
            f"    Proof:  {known.proven_by}",
            f"    Remedy: {known.remedy}",
        ]
    return "\n".join(lines)
