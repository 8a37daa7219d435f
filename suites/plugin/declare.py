"""`@check`: a check's specification, validated when its module is imported, and the registry of all.

The registry is what `--explain ID` prints checks from, and it is filled without pytest's collection by `load`.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

import pytest

from clusters.cause_ids import CauseId
from clusters.checks import Access, CheckSpec, Level, Need
from clusters.checks.causes import CAUSES, Cause, reported_by
from clusters.commands import FIELDS, commands, fields_in
from clusters.errors import ConformanceError, UsageError

OBSERVE, CREATE, DISRUPT = Level.OBSERVE, Level.CREATE, Level.DISRUPT

#: The setting of pytest by which an installed package says where its checks are.
SUITES = "conformance_suites"
#: The section of checks of what the runbook does not ask for. The word stands in results and in the history.
BEYOND = "shape"

_ID = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9][a-z0-9-]*")
Check = TypeVar("Check", bound=Callable[..., None])


class DeclarationError(pytest.Collector.CollectError):
    """A check that is declared wrongly; one sentence that starts with its file and line."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A registered check: its specification, where it stands, and its whole docstring."""

    spec: CheckSpec
    path: Path
    line: int
    function: str
    text: str


_REGISTRY: dict[str, Declared] = {}


def registry() -> Mapping[str, Declared]:
    """Every check whose module has been imported so far, by id."""
    return dict(sorted(_REGISTRY.items()))


def check(
    check_id: str,
    /,
    *,
    runbook: str | Collection[str],
    level: Level,
    needs: Collection[str] = (),
    causes: Collection[CauseId] = (),
    commands: Collection[str] = (),
    uses: Collection[Access] = (),
    measured: bool = False,
    since: str = "",
    phases: Collection[str] = (),
) -> Callable[[Check], Check]:
    """Declare a test function as the check `check_id`.

    `needs` are names of `Need`; the cluster is implied unless the repository alone is named, or either. `causes` are
    ids of `clusters.checks.causes` that others report and that it may refer to; those that it reports itself
    are known from their records. `commands` are the templates of what a person would type to see the same (see
    `clusters.commands`), `uses` the permissions beyond those of the observation, which every check of a cluster
    has. `measured` checks are repeated by --repeat. `since` is the first MetalLB version that the check is
    supported on. `phases`: with one of them in --phase the check only looks, whatever its level; with another it
    is not run.
    The title comes from the function's name, the promise is the docstring's first line.
    """

    def declare(function: Check) -> Check:
        if not isinstance(function, FunctionType):
            raise DeclarationError(f"check {check_id}: only a plain function can be a check.")
        fault = _fault(
            check_id, function=function, level=level, needs=needs, causes=causes, commands=commands, uses=uses
        )
        if fault:
            raise DeclarationError(f"{_place(function)}: check {check_id}: {fault}")
        spec = CheckSpec(
            id=check_id,
            title=_title(function.__name__),
            promise=_first_line(function),
            runbook=(runbook,) if isinstance(runbook, str) else tuple(runbook),
            level=level,
            needs=_needs(needs),
            causes=tuple(dict.fromkeys((*reported_by(check_id), *causes, *reported_by("")))),
            commands=tuple(commands),
            uses=tuple(dict.fromkeys(uses)),
            since=since,
            measured=measured,
            phases=tuple(phases),
        )
        _register(spec, function)
        return _marked(function, spec)

    return declare


def spec_of(item: pytest.Item) -> CheckSpec | None:
    """The specification that a collected item carries, or None for what is no check."""
    mark = item.get_closest_marker("check")
    return mark.args[0] if mark else None


def _fault(
    check_id: str,
    *,
    function: FunctionType,
    level: object,
    needs: Collection[str],
    causes: Collection[CauseId],
    commands: Collection[str],
    uses: Collection[Access],
) -> str:
    """What is wrong with a declaration, or an empty text."""
    other = _REGISTRY.get(check_id)
    unknown_needs = sorted(set(needs) - set(Need))
    writes = [f"{each.verb} {each.resource}" for each in uses if each.writes and level is Level.OBSERVE]
    unknown_fields = sorted(frozenset().union(*map(fields_in, commands)) - set(FIELDS))
    unknown_causes = [cause for cause in causes if cause not in CAUSES]
    faults = {
        "the id must look like area.what-is-checked.": not _ID.fullmatch(check_id),
        "the level must be OBSERVE, CREATE or DISRUPT.": not isinstance(level, Level),
        f"it needs something unknown: {', '.join(map(str, unknown_needs))}.": unknown_needs,
        f"it names causes that clusters/checks/causes does not have: {', '.join(unknown_causes)}.": unknown_causes,
        f"a check that only observes may not {', '.join(writes)}.": writes,
        f"its commands have fields that none may have: {', '.join(unknown_fields)}.": unknown_fields,
        "its docstring is missing; the first line is the promise.": not _first_line(function),
        "the id is already taken by " + (f"{other.path.name}:{other.line}." if other else ""): (
            other and (other.path, other.line) != _position(function)
        ),
    }
    return next((text for text, wrong in faults.items() if wrong), "")


def _register(spec: CheckSpec, function: FunctionType) -> None:
    path, line = _position(function)
    text = (function.__doc__ or "").strip()
    _REGISTRY[spec.id] = Declared(spec=spec, path=path, line=line, function=function.__name__, text=text)


def _marked(function: Check, spec: CheckSpec) -> Check:
    """The function with the marks that -m selects by: its level, needs, and `runbook(section=...)`."""
    marks = [pytest.mark.check(spec, id=spec.id, level=str(spec.level))]
    marks += [getattr(pytest.mark, str(name)) for name in (spec.level, *sorted(spec.needs - {Need.CLUSTER}))]
    marks += [pytest.mark.runbook(section=section) for section in spec.runbook]
    marks += [pytest.mark.measured] if spec.measured else []
    marked: Any = function
    for mark in marks:
        marked = mark(marked)
    return cast("Check", marked)


def _needs(names: Collection[str]) -> frozenset[Need]:
    needs = frozenset(Need(name) for name in names)
    return needs if needs in ({Need.REPOSITORY}, {Need.EITHER}) else needs | {Need.CLUSTER}


def _first_line(function: FunctionType) -> str:
    return (function.__doc__ or "").strip().partition("\n")[0].strip()


def _title(name: str) -> str:
    words = name.removeprefix("test_").replace("_", " ")
    return words[:1].upper() + words[1:]


def _position(function: FunctionType) -> tuple[Path, int]:
    return Path(function.__code__.co_filename), function.__code__.co_firstlineno


def _place(function: FunctionType) -> str:
    path, line = _position(function)
    return f"{path.parent.name}/{path.name}:{line}"


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Print the page of one check or cause and leave, where --explain asks for it."""
    wanted = config.option.explain
    if not wanted:
        return None
    try:
        cause = CAUSES.get(wanted)
        text = cause_page(cause) if cause else page(find(wanted, load(suites_folder(config))))
    except (ConformanceError, DeclarationError) as error:
        raise pytest.UsageError(str(error)) from None
    sys.stdout.write(f"{text}\n")  # there is no terminal reporter yet
    return 0


def suites_folder(config: pytest.Config) -> Path:
    """Where the checks are: in a checkout, or where the package was installed."""
    return config.rootpath / str(config.getini(SUITES))


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
    close = difflib.get_close_matches(wanted, [*known, *CAUSES], n=3, cutoff=0.4)
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


def cause_page(cause: Cause) -> str:
    """What a cause means, what proves and excludes it, what to do, and which check reports it."""
    lines = [
        f"{cause.id}: {cause.title}",
        "",
        f"  {cause.meaning}",
        "",
        f"Proof:    {cause.proven_by}",
        f"Excluded: {cause.excluded_by}",
        f"Remedy:   {cause.remedy}",
    ]
    lines += [f"  $ {command}" for command in commands(cause.commands)]
    lines += ["", f"Reported by {cause.reported_by}."] if cause.reported_by else []
    return "\n".join(lines)
