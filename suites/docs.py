"""`python -m suites.docs`: docs/checks.md from the checks' own declarations."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from clusters.checks import CheckSpec, Need
from clusters.checks.causes import CAUSES
from suites.plugin.declare import Declared
from suites.plugin.explaining import load

_ROOT = Path(__file__).parent.parent
_PAGE = _ROOT / "docs" / "checks.md"
_HEAD = """\
# The checks

Written by `python -m suites.docs` from the checks' own declarations; change those, not this page.
`pytest suites --explain ID` prints one check's part of it with the remedies of its causes.

Levels: **observe** only reads and probes, **create** makes and removes objects of its own, **disrupt** breaks
something and mends it. A check marked *wire* needs a vantage on the addresses' network, *repository* the GitOps
repository, *pod* a profile with `vantage: pod`; *measured* is repeated by `--repeat`.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or with --check say whether it is current (1 where it is not)."""
    parser = argparse.ArgumentParser(prog="python -m suites.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where the page is stale")
    given = parser.parse_args(arguments)
    text = page(load(_ROOT / "suites"))
    if not given.check:
        _PAGE.write_text(text, encoding="utf-8")
        return 0
    current = _PAGE.read_text(encoding="utf-8") if _PAGE.exists() else ""
    if current != text:
        sys.stderr.write(f"error: {_PAGE.relative_to(_ROOT)} is stale. Run python -m suites.docs\n")
    return int(current != text)


def page(known: Mapping[str, Declared]) -> str:
    """The whole page: a table of all checks, then each one with its commands, then all causes."""
    checks = sorted(known.values(), key=lambda one: one.spec.id)
    lines = [_HEAD, "| check | runbook | level | promise |", "| --- | --- | --- | --- |"]
    lines += [_row(one.spec) for one in checks]
    for area in dict.fromkeys(one.spec.id.partition(".")[0] for one in checks):
        lines += ["", f"## {area}"]
        for one in checks:
            if one.spec.id.partition(".")[0] == area:
                lines += _section(one)
    lines += ["", "## Causes", "", "What a finding may name, what it means, and what mends it."]
    for cause in sorted({cause for one in checks for cause in one.spec.causes}):
        told = CAUSES[cause]
        lines += ["", f"### {cause}", "", f"{told.title}. {told.meaning} {told.remedy}"]
    return "\n".join(lines) + "\n"


def _row(spec: CheckSpec) -> str:
    promise = spec.promise.replace("|", "\\|")
    return f"| [{spec.id}](#{_anchor(spec.id)}) | {', '.join(spec.runbook)} | {_level(spec)} | {promise} |"


def _section(declared: Declared) -> Iterable[str]:
    spec = declared.spec
    yield from ("", f"### {spec.id}", "", spec.promise)
    yield from _rest(declared.text)
    yield from ("", f"Runbook {', '.join(spec.runbook)}; {_level(spec)}{_since(spec)}.")
    if spec.commands:
        yield from ("", "```sh", *spec.commands, "```")
    if spec.causes:
        links = ", ".join(f"[{cause}](#{cause})" for cause in spec.causes)
        yield from ("", f"Causes it may name: {links}")


def _rest(text: str) -> Iterable[str]:
    rest = [line.strip() for line in text.splitlines()[1:]]
    return ["", *rest[1:]] if any(rest) else []


def _level(spec: CheckSpec) -> str:
    marks = [str(need) for need in sorted(spec.needs - {Need.CLUSTER})]
    return ", ".join([str(spec.level), *marks, *(["measured"] if spec.measured else [])])


def _since(spec: CheckSpec) -> str:
    return f"; MetalLB {spec.since} or newer" if spec.since else ""


def _anchor(check_id: str) -> str:
    return check_id.replace(".", "")


if __name__ == "__main__":
    raise SystemExit(main())
