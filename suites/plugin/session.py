"""A run's beginning and end inside pytest: settings, the cluster, worker processes, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from clusters import budgets, shield
from clusters.checks import CheckSpec, Level, Verdict
from clusters.checks.run_verdict import exit_code
from clusters.checks.serialise import REPORT_FIELD, path_from_dict, path_to_dict
from clusters.errors import ConformanceError, ExitCode
from suites.plugin import chosen_profile
from suites.plugin.declare import load, suites_folder
from suites.plugin.run import RUN, Run, describe_error
from suites.plugin.run_progress import OTHERS_FAILED, ResultCollector, report_progress, take_plan
from suites.plugin.run_state import SNAPSHOT_LOCK, remove_old
from suites.plugin.selection import NEEDS_CLUSTER, PLAN, asks_for_suites, profile_names
from suites.plugin.settings import (
    SETTINGS,
    choose_suites,
    for_worker,
    is_worker,
    settings_from,
    wanted,
)

_KEPT = frozenset({ExitCode.INTERRUPTED, ExitCode.INTERNAL_ERROR, ExitCode.USAGE, ExitCode.NOTHING_COLLECTED})
_REFUSED_CODE = pytest.StashKey[ExitCode]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Settle the run's settings before any other plugin reads where its files go."""
    if not wanted(config):
        nothing = config.option.collectonly or config.option.explain or is_worker(config)
        if not nothing and asks_for_suites(config):
            raise pytest.UsageError(NEEDS_CLUSTER.format(names=profile_names()))
        return
    try:
        settings = settings_from(config)
        budgets.set_patience(settings.patience)
        budgets.override(settings.profile.budgets)
    except ConformanceError as error:
        raise pytest.UsageError(str(error)) from None
    choose_suites(config)
    config.stash[SETTINGS] = settings
    config.stash[RUN] = Run(settings, joins=is_worker(config))
    if not is_worker(config):
        # Only now that it is certain that there is a run are files of it made.
        config.pluginmanager.register(ResultCollector(config), "conformance-results")
        config.hook.pytest_conformance_configure(config=config, directory=settings.directory)
        remove_old(settings.directory, judged=settings.snapshot)
    # As Ctrl-C ends a run, so does a scheduler that stops it, or a terminal that goes away: undone and reported.
    config.add_cleanup(shield.end_by_signal())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker process which run it belongs to."""
    if SETTINGS in node.config.stash:
        node.workerinput["conformance"] = for_worker(node.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker process could not clean up, and the paths that it has read."""
    run = node.config.stash.get(RUN, None)
    text = getattr(node, "workeroutput", {}).get("conformance") if run else None
    if run is not None and text:
        left = json.loads(text)
        run.state.cleanup_failures += left["cleanup_failures"]
        run.state.paths = run.state.paths or tuple(path_from_dict(one) for one in left["paths"])


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Open the cluster and preflight; where that is refused no check runs."""
    run = session.config.stash.get(RUN, None)
    if run is None or is_worker(session.config) or session.testsfailed:
        return None
    run.state.plan = session.config.stash.get(PLAN, run.state.plan)
    if not run.state.plan.checks and not _distributed(session.config):
        return None
    report_progress(session.config)
    try:
        if run.settings.repository_alone:
            _say(session.config, f"reading {_repository(run)}, and no cluster")
            return None
        _say(session.config, f"opening {run.settings.profile.name} ({run.settings.profile.provider})")
        _take_fixture(session, run)
        run.open(
            _specs(session.config, run),
            say=lambda text: _say(session.config, text),
            ahead=_ahead(session, run),
        )
        _say(session.config, "preflight passed")
        for note in (*run.found.notes, *([run.lease.note] if run.lease and run.lease.note else [])):
            _say(session.config, f"note: {note}")
    except ConformanceError as error:
        run.state.refused = str(error)
        session.config.stash[_REFUSED_CODE] = error.exit_code
    except BaseException as error:
        run.state.refused = describe_error(error)
        raise
    return True if run.state.refused else None


def _repository(run: Run) -> str:
    gitops = run.settings.profile.gitops
    return str(gitops.repository) if gitops else ""


def _take_fixture(session: pytest.Session, run: Run) -> None:
    """Where the profile takes its cluster from a fixture: set that up, and undo everything before it ends."""
    name = run.settings.profile.kind.fixture
    if not name or run.settings.snapshot is not None:
        return
    run.kubeconfig = chosen_profile.kubeconfig_of_fixture(session, name)
    chosen_profile.end_setup(session, before_it=lambda: run.close(lost_workers=False))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Undo, close, and say how it went, before pytest's own reports are written."""
    run = session.config.stash.get(RUN, None)
    if run is None:
        return
    with shield.undisturbed(lambda: run.pending):
        if not is_worker(session.config) and (kept := run.keep_machine_logs()):
            _say(session.config, kept)
        _end_items(session, run)
        run.close(lost_workers=not is_worker(session.config))
    failures = run.state.cleanup_failures
    if is_worker(session.config):
        left = {"cleanup_failures": failures, "paths": [path_to_dict(one) for one in run.state.paths]}
        session.config.workeroutput["conformance"] = json.dumps(left)  # type: ignore[attr-defined]  # xdist sets it
        return
    _finish(session, run)


def _end_items(session: pytest.Session, run: Run) -> None:
    """Let every fixture that an interrupted check left open end now, in this process and in the workers."""
    plugins = session.config.pluginmanager
    distributed = plugins.getplugin("dsession")
    try:
        if distributed is not None and hasattr(distributed, "nodemanager"):
            distributed.nodemanager.EXIT_TIMEOUT = budgets.seconds(budgets.WORKERS_UNDONE)
            distributed.pytest_sessionfinish()
        plugins.getplugin("runner").pytest_sessionfinish(session)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - every failure to clean up is told
        run.state.cleanup_failures.append(describe_error(error))


def _finish(session: pytest.Session, run: Run) -> None:
    config, state = session.config, run.state
    take_plan(config)
    (run.settings.directory / SNAPSHOT_LOCK).unlink(missing_ok=True)
    if state.refused:
        _fail(config, "set-up", state.refused)
    elif state.cleanup_failures:
        _fail(config, "clean-up", "\n".join(state.cleanup_failures))
    result = state.result()
    session.exitstatus = _exit_status(session, result.run.verdict)
    directory = run.settings.directory
    for fault in run.unkept:
        _say(config, f"error: {fault}")
    faulty = ExitCode.INTERNAL_ERROR if run.unkept else None
    try:
        config.hook.pytest_conformance_finished(config=config, result=result, directory=directory)
    except ConformanceError as error:
        # The summary says what could not be written; nobody may take such a run for a whole one.
        faulty = error.exit_code
    if faulty is not None and session.exitstatus != ExitCode.CLEANUP_FAILED:
        session.exitstatus = faulty


def _say(config: pytest.Config, text: str) -> None:
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal is not None and terminal.verbosity >= 0:
        with suppress(OSError):  # a terminal that is gone keeps nothing from being undone
            terminal.ensure_newline()
            terminal.write_line(f"  {text}")
            terminal.flush()  # some of these are followed by a long wait


def _specs(config: pytest.Config, run: Run) -> list[CheckSpec]:
    """The checks of the run. With worker processes, which collect for themselves, all that its level allows."""
    chosen = list(run.state.plan.checks.values())
    if not chosen and _distributed(config):
        chosen = [one.spec for one in load(suites_folder(config)).values()]
    return [spec for spec in chosen if run.settings.level.allows(spec.level)]


def _ahead(session: pytest.Session, run: Run) -> dict[str, Callable[[Callable[[], None]], Any]]:
    """What checks of this process will ask for and takes long, where none of them changes what others look at."""
    if _distributed(session.config) or any(
        spec.level is not Level.OBSERVE for spec in run.state.plan.checks.values()
    ):
        return {}
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    found: dict[str, Callable[[Callable[[], None]], Any]] = {}
    if "diagnosis" in wanted:
        found["observation"] = run.look
    if "repository" in wanted:
        from suites.plugin import kept_repository  # noqa: PLC0415 - only where there is one

        found["repository"] = partial(kept_repository.collected_when, run)
    return found


def _distributed(config: pytest.Config) -> bool:
    """Whether worker processes run the checks."""
    return bool(config.pluginmanager.hasplugin("dsession"))


def _exit_status(session: pytest.Session, reached: Verdict) -> int:
    """The worst holds: a failed clean-up, then what pytest itself ended with, then the verdict."""
    given = int(session.exitstatus)
    if reached is Verdict.CLEANUP_FAILED:
        return ExitCode.CLEANUP_FAILED
    if reached is Verdict.REFUSED and given != ExitCode.INTERNAL_ERROR:
        return session.config.stash.get(_REFUSED_CODE, ExitCode.REFUSED)
    if given in _KEPT:
        return given
    if reached is not Verdict.FAILED and session.config.stash.get(OTHERS_FAILED, False):
        return ExitCode.FAILED
    return exit_code(reached)


def _fail(config: pytest.Config, name: str, text: str) -> None:
    """A failed case that belongs to no check, so that JUnit and pytest-html do not stay silent about it."""
    for when, outcome, longrepr in (("setup", "failed", text), ("teardown", "passed", None)):
        report = pytest.TestReport(
            nodeid=f"suites/run.py::{name}",
            location=("suites/run.py", None, name),
            keywords={},
            outcome=outcome,  # type: ignore[arg-type]  # one of the two literals above
            longrepr=longrepr,
            when=when,  # type: ignore[arg-type]  # as above
        )
        setattr(report, REPORT_FIELD, "")
        config.hook.pytest_runtest_logreport(report=report)
