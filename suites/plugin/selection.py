"""Collection: every test under suites/ is a check, the plan says which of them run, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from clusters.checks import CheckSpec, Level, Need
from suites.plugin import chosen_profile
from suites.plugin.declare import DeclarationError, spec_of, suites_folder
from suites.plugin.run_state import Plan, repository_file_for
from suites.plugin.settings import DURING, SETTINGS, Settings, is_worker, plan_folder

PLAN = pytest.StashKey[Plan]()
NEEDS_CLUSTER = (
    "suites/ needs a cluster, and a run never picks one by accident: pass --cluster NAME ({names})."
)

_REPETITION = "repetition"
_MARKERS = (
    "check(spec, id, level): a conformance check, see suites/plugin/declare.py",
    "runbook(section): the runbook's section that a check belongs to",
    "observe: only reads and probes",
    "create: makes and removes objects in a namespace of its own",
    "disrupt: breaks something and restores it",
    "wire: needs a vantage on the addresses' network",
    "repository: needs the GitOps repository",
    "either: judges a cluster, the GitOps repository, or both",
    "pod: needs a profile that asks for probe pods, by its vantage",
    "target: about an upgrade, needs --target-version",
    "measured: its figures are measured --repeat times",
)


@pytest.fixture(name=_REPETITION)
def _repetition(request: pytest.FixtureRequest) -> int:
    """Which repetition of a measured check this is, from 1."""
    return int(request.param)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks that -m selects by."""
    for line in _MARKERS:
        config.addinivalue_line("markers", line)


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> Generator[None, object, object]:
    """Refuse a test function under suites/ that is no check."""
    if (
        _in_suites(collector.path, collector.config)
        and isinstance(collector, pytest.Module | pytest.Class)
        and collector.istestfunction(obj, name)
        and not any(mark.name == "check" for mark in getattr(obj, "pytestmark", ()))
    ):
        place = collector.path.relative_to(collector.config.rootpath)
        raise DeclarationError(f"{place}: {name} is not declared: give it @check from suites.plugin.")
    return (yield)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat every measured check as often as --repeat asks for."""
    settings = metafunc.config.stash.get(SETTINGS, None)
    measured = any(mark.name == "measured" for mark in metafunc.definition.iter_markers("measured"))
    if settings is not None and settings.repeat > 1 and measured:
        times = range(1, settings.repeat + 1)
        names = [f"{number}of{settings.repeat}" for number in times]
        metafunc.fixturenames.append(_REPETITION)
        metafunc.parametrize(_REPETITION, times, indirect=True, ids=names)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, object, object]:
    """Make the plan: after -k, -m and --deselect have had their say, drop what this run may not do."""
    checks = [(item, spec) for item in items if (spec := spec_of(item))]
    for item, spec in checks:
        item.extra_keyword_matches.add(spec.id)
    result = yield
    settings = config.stash.get(SETTINGS, None)
    if settings is not None:
        selected = list(items)
        items[:], plan = _planned(selected, [spec for _, spec in checks], settings)
        if dropped := _without(selected, items):
            config.hook.pytest_deselected(items=dropped)
        config.stash[PLAN] = plan
        if is_worker(config):
            plan.write(plan_folder(config))
    elif checks and not config.option.collectonly:
        raise pytest.UsageError(NEEDS_CLUSTER.format(names=profile_names()))
    return result


def _planned(
    items: Sequence[pytest.Item], collected: Sequence[CheckSpec], settings: Settings
) -> tuple[list[pytest.Item], Plan]:
    """The items to run, least intrusive first, and the plan that says so."""
    selected = [(item, _in_phase(item, spec, settings)) for item in items if (spec := spec_of(item))]
    others = [item for item in items if spec_of(item) is None]
    runnable = [(item, spec) for item, spec in selected if not _left_out(spec, settings)]
    runnable.sort(key=lambda pair: pair[1].level.rank)
    reasons = {spec.id: "deselected on the command line" for spec in collected}
    reasons |= {spec.id: _left_out(spec, settings) for _, spec in selected}
    if shard := settings.shard:
        mine = shard.checks(spec.id for _, spec in runnable)
        elsewhere = f"in another shard, this is {shard.number} of {shard.count}"
        reasons |= {spec.id: elsewhere for _, spec in runnable}
        runnable = [(item, spec) for item, spec in runnable if spec.id in mine]
    checks = {spec.id: spec for _, spec in runnable}
    plan = Plan(
        checks=checks,
        items=Counter(spec.id for _, spec in runnable),
        alone=frozenset(item.nodeid for item, spec in runnable if spec.level is not Level.OBSERVE),
        not_tested=tuple(sorted((name, why) for name, why in reasons.items() if name not in checks)),
    )
    return [*others, *(item for item, _ in runnable)], plan


def _in_phase(item: pytest.Item, spec: CheckSpec, settings: Settings) -> CheckSpec:
    """The check as it is in this run: one that belongs to the phase of an upgrade only looks."""
    if settings.phase not in spec.phases:
        return spec
    looking = replace(spec, level=Level.OBSERVE, uses=tuple(use for use in spec.uses if not use.writes))
    item.add_marker(pytest.mark.check(looking, id=spec.id, level=str(Level.OBSERVE)), append=False)
    return looking


def _left_out(spec: CheckSpec, settings: Settings) -> str:
    """Why this run does not run a check; an empty text where it does."""
    if spec.phases and settings.phase not in spec.phases and (settings.phase or spec.level is Level.OBSERVE):
        return f"needs --phase {' or '.join(spec.phases)}"
    if settings.phase == DURING and DURING not in spec.phases:
        return "not asked while somebody upgrades (--phase during)"
    if not settings.level.allows(spec.level):
        return _too_high(spec, settings)
    return _lacking(spec, settings)


def _lacking(spec: CheckSpec, settings: Settings) -> str:
    """What a check needs that this run was not given."""
    name = settings.profile.name
    if Need.TARGET in spec.needs and not settings.target_version:
        return "needs --target-version"
    if Need.CLUSTER in spec.needs and settings.repository_alone:
        return chosen_profile.WITHOUT_CLUSTER
    if Need.REPOSITORY in spec.needs and not repository_at_hand(settings):
        return f"needs the GitOps repository, and the profile {name} names none under gitops"
    if Need.POD in spec.needs and not settings.profile.inside:
        return f"needs a probe pod, and the profile {name} does not ask for one (vantage: pod)"
    return ""


def repository_at_hand(settings: Settings) -> bool:
    """Whether the profile names a GitOps repository, or one was kept beside the observation that is judged."""
    kept = settings.snapshot
    return settings.profile.gitops is not None or (kept is not None and repository_file_for(kept).exists())


def _too_high(spec: CheckSpec, settings: Settings) -> str:
    ceiling = Level(settings.profile.allow)
    if ceiling.allows(spec.level):
        return f"needs --allow {spec.level}"
    return f"needs level {spec.level}, and the profile {settings.profile.name} allows {ceiling} at most"


def _without(items: Sequence[pytest.Item], kept: Sequence[pytest.Item]) -> list[pytest.Item]:
    known = set(kept)
    return [item for item in items if item not in known]


def profile_names() -> str:
    """The shipped profiles' names, for a person to choose from."""
    from clusters import profile  # noqa: PLC0415 - only who chose none needs it

    return ", ".join(profile.shipped())


def asks_for_suites(config: pytest.Config) -> bool:
    """Whether an argument of the command line names something under suites/."""
    paths = (Path(config.invocation_params.dir, text.split("::")[0]) for text in config.args)
    return any(_in_suites(path, config) for path in paths)


def _in_suites(path: Path, config: pytest.Config) -> bool:
    return path.absolute().is_relative_to(suites_folder(config))
