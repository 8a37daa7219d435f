"""`python -m suites.docs`: docs/checks.md, docs/checks/ and docs/causes.md from declarations and records."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from clusters.checks import CheckSpec, Need
from clusters.checks.causes import CAUSES, Cause
from clusters.checks.path_links import Link
from clusters.checks.path_links import Path as ServicePath
from clusters.commands import commands
from suites.plugin.declare import Declared, load

_ROOT = Path(__file__).parent.parent
_DOCS = _ROOT / "docs"
_WRITTEN = "Written by `python -m suites.docs` from the {source}; change those, not this page.\n"
_INDEX = f"""\
# The checks

{_WRITTEN.format(source="checks' own declarations")}\
`pytest suites --explain ID` prints one check's part of it with the remedies of its causes.

Levels: **observe** only reads and probes, **create** makes and removes objects of its own, **disrupt** breaks
something and restores it. A check marked *wire* needs a vantage on the addresses' network, *repository* the GitOps
repository, *pod* a profile with `vantage: pod`; *measured* is repeated by `--repeat`.
What a finding may name stands in [causes.md](causes.md).
"""
_CAUSES = f"""\
# The causes

{_WRITTEN.format(source="causes' own records (`clusters/checks/causes/`)")}\
What a finding may name: what it means, what has been read before it is named, what proves that it is something
else, and what to do. The causes of a service's two paths stand by the link that they break.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or with --check say whether they are current (1 where one is not)."""
    parser = argparse.ArgumentParser(prog="python -m suites.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a page is stale")
    given = parser.parse_args(arguments)
    wanted = pages(load(_ROOT / "suites"))
    if not given.check:
        for name, text in wanted.items():
            (_DOCS / name).parent.mkdir(parents=True, exist_ok=True)
            (_DOCS / name).write_text(text, encoding="utf-8")
        return 0
    stale = [name for name, text in wanted.items() if _current(_DOCS / name) != text]
    stale += [
        f"checks/{path.name}"
        for path in sorted((_DOCS / "checks").glob("*.md"))
        if f"checks/{path.name}" not in wanted
    ]
    for name in stale:
        sys.stderr.write(f"error: docs/{name} is stale. Run python -m suites.docs\n")
    return int(bool(stale))


def pages(known: Mapping[str, Declared]) -> Mapping[str, str]:
    """Every page by its name below docs/: the index, one page for each section of checks, and the causes."""
    checks = sorted(known.values(), key=lambda one: one.spec.id)
    sections: dict[str, list[Declared]] = {}
    for one in checks:
        sections.setdefault(_area(one.spec), []).append(one)
    return {
        "checks.md": _index(checks),
        **{f"checks/{area}.md": _section(area, found) for area, found in sections.items()},
        "causes.md": _causes(),
    }


def _current(page: Path) -> str:
    return page.read_text(encoding="utf-8") if page.exists() else ""


def _area(spec: CheckSpec) -> str:
    return spec.id.partition(".")[0]


def _index(checks: Iterable[Declared]) -> str:
    lines = [_INDEX, "| check | runbook | level | promise |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, *(_row(one.spec) for one in checks)]) + "\n"


def _row(spec: CheckSpec) -> str:
    promise = spec.promise.replace("|", "\\|")
    link = f"checks/{_area(spec)}.md#{_anchor(spec.id)}"
    return f"| [{spec.id}]({link}) | {', '.join(spec.runbook)} | {_level(spec)} | {promise} |"


def _section(area: str, checks: Iterable[Declared]) -> str:
    lines = [
        f"# Checks: {area}",
        "",
        _WRITTEN.format(source="checks' own declarations") + "[All checks](../checks.md).",
    ]
    for one in checks:
        lines += _check(one)
    return "\n".join(lines) + "\n"


def _check(declared: Declared) -> Iterable[str]:
    spec = declared.spec
    yield from ("", f"## {spec.id}", "", spec.promise)
    yield from _rest(declared.text)
    yield from ("", f"Runbook {', '.join(spec.runbook)}; {_level(spec)}{_since(spec)}.")
    if spec.commands:
        yield from ("", "```sh", *commands(spec.commands), "```")
    reported = [cause for cause in spec.causes if CAUSES[cause].reported_by == spec.id]
    others = [cause for cause in spec.causes if cause not in reported]
    for words, causes in (("Reports", reported), ("May refer to", others)):
        if causes:
            yield from ("", f"{words}: {', '.join(f'[{each}](../causes.md#{each})' for each in causes)}")


def _causes() -> str:
    lines = [_CAUSES]
    for path in ServicePath:
        lines += [f"## The path of {path}"]
        for link in (one for one in Link if one.path is path):
            lines += ["", f"### Link {link}: {link.question}", "", *_rows(link)]
        lines += [""]
    lines += ["## On no path: the repository, upgrades, and what was only measured", "", *_rows(None)]
    return "\n".join(lines) + "\n"


def _rows(link: Link | None) -> Iterable[str]:
    found = [cause for cause in CAUSES.values() if cause.link is link]
    if not found:
        yield "No cause is named here yet; what is broken here is told as not explained."
    for cause in found:
        yield from _cause(cause)


def _cause(cause: Cause) -> Iterable[str]:
    place = (
        f"`{cause.reported_by}` reports it" if cause.reported_by else "whichever check measured it reports it"
    )
    yield from (f"#### {cause.id}", "", f"{cause.title}. {cause.meaning}", "")
    yield from (
        f"- Proven by: {cause.proven_by}",
        f"- Excluded by: {cause.excluded_by}",
        f"- What to do: {cause.remedy}",
    )
    yield from (f"- It lies in {cause.layer}; {place}.", "")


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
