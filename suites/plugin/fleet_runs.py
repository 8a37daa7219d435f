"""`--cluster` more than once: a run of its own for each cluster, side by side, and one report of all.

Processes, and not groups of pytest-xdist's workers: a cluster's run has its own level, journal, hold, exit code and
preflight, which all belong to a pytest session; a worker that hangs or dies is replaced and holds the session up,
where a process can be given a time limit and leaves the others alone. Checks of one cluster may still be spread
by -n within its run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import pytest

from clusters import budgets, children, files, shield
from clusters.checks.run_verdict import Member, worst
from clusters.errors import ConformanceError, ExitCode, UsageError
from clusters.outbound import say
from suites.plugin.settings import DEFAULT_PLACE, fresh_id

#: Set for the runs of a fleet, so that none of them becomes a fleet again: the process that started them.
_MARK = "METALLB_CONFORMANCE_IN_FLEET"
_OURS = ("--cluster", "--report-dir", "--cluster-within", "--junitxml", "--junit-xml", "--html")
_FOR_ONE = ("confirm_cluster", "save_snapshot", "snapshot", "baseline")
_OUTPUT = "output.txt"
_SHOWN = 2000


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the option that only a fleet has."""
    parser.getgroup("conformance", "MetalLB conformance").addoption(
        "--cluster-within",
        metavar="SECONDS",
        type=float,
        default=0.0,
        help="with several --cluster: how long each cluster's run may take (default: the budget fleet_run)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Run the fleet in place of a session, where there is more than one cluster."""
    option = config.option
    names = option.cluster or []
    if not hasattr(config, "workerinput") and _orphaned():
        say("ERROR: The fleet that started this run is gone, and nobody would end it in time.", error=True)
        return int(ExitCode.USAGE)
    if len(names) < 2 or option.collectonly or option.explain or hasattr(config, "workerinput"):
        return None
    try:
        return int(_run(config, names))
    except ConformanceError as error:
        say(f"ERROR: {error}", error=True)
        return int(error.exit_code)


def _orphaned() -> bool:
    """Whether we are a run of a fleet that died before the kernel knew whom to tell of it."""
    return os.environ.get(_MARK, "") not in ("", str(os.getppid()))


def _run(config: pytest.Config, names: Sequence[str]) -> ExitCode:
    clusters = _profiles(config, names)
    option = config.option
    budgets.set_patience(option.patience)
    directory = (option.report_dir or config.rootpath / DEFAULT_PLACE / f"fleet-{fresh_id()}").absolute()
    within = option.cluster_within or budgets.get(budgets.FLEET_RUN).within
    given = _without_ours(config.invocation_params.args)
    runs = [
        Running(
            cluster=cluster,
            directory=directory / cluster,
            command=[sys.executable, "-m", "pytest", *given, "--cluster", name,
                     "--report-dir", str(directory / cluster)],
            within=within,
        )
        for cluster, name in clusters.items()
    ]  # fmt: skip
    _make(runs)
    say(f"{len(runs)} clusters side by side, at most {within:g} s each, into {directory}")
    with _ended_together(runs) as interrupted, ThreadPoolExecutor(len(runs)) as pool:
        members = list(pool.map(Running.through, runs))
    config.hook.pytest_conformance_fleet(config=config, members=members, directory=directory)
    codes = [member.exit_code for member in members]
    return worst([*codes, ExitCode.INTERRUPTED] if interrupted else codes)


def _profiles(config: pytest.Config, names: Sequence[str]) -> dict[str, str]:
    """What each cluster is called, and how it was named on the command line. Raises UsageError for any mistake."""
    from clusters import profile  # noqa: PLC0415 - only a run needs it, and pytest loads this plugin always

    if os.environ.get(_MARK):
        raise UsageError(
            f"One run of a fleet was given {len(names)} clusters.",
            remedy="Take --cluster out of PYTEST_ADDOPTS and addopts.",
        )
    for option in _FOR_ONE:
        if getattr(config.option, option):
            flag = f"--{option.replace('_', '-')}"
            raise UsageError(
                f"{flag} is for one cluster, and {len(names)} were named.", remedy="Run it alone."
            )
    found: dict[str, str] = {}
    for name in names:
        cluster = profile.load(name).name
        if cluster in found:
            raise UsageError(f"Cluster {cluster} was named twice: {found[cluster]}, {name}.")
        found[cluster] = name
    return found


def _without_ours(arguments: Sequence[str]) -> list[str]:
    """The arguments as they were given, but for those that each run gets a value of its own for."""
    kept: list[str] = []
    given = iter(arguments)
    for argument in given:
        if argument in _OURS:
            next(given, None)
        elif argument.partition("=")[0] not in _OURS:
            kept.append(argument)
    return kept


def _make(runs: Sequence[Running]) -> None:
    try:
        for run in runs:
            files.private_directory(run.directory)
    except OSError as error:
        raise UsageError(f"--report-dir {error.filename} cannot be used: {error.strerror}.") from None


@dataclass
class Running:
    """One cluster's run. It prints into a file; nothing of it reaches the others."""

    cluster: str
    directory: Path
    command: list[str]
    within: float
    process: subprocess.Popen[bytes] | None = None
    told_to_end: threading.Event = field(default_factory=threading.Event)

    def through(self) -> Member:
        """Run it to its end, or to the end of its time."""
        begun = time.monotonic()
        output = self.directory / _OUTPUT
        environment = os.environ | {_MARK: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
        with files.private_file(output).open("wb") as file:
            # A session of its own: Ctrl-C at the terminal is passed on once, and not also by the terminal itself.
            # Tied to us, also where we are killed: it hears SIGTERM when the thread that starts it here is gone,
            # and that one stays until the run has ended.
            self.process = subprocess.Popen(
                children.tied(self.command), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                env=environment, start_new_session=True,
            )  # fmt: skip
            if self.told_to_end.is_set():
                self.end()
            trouble = self._wait(self.process)
        if not trouble and self.process.returncode < 0:
            trouble = f"it died by {signal.Signals(-self.process.returncode).name}: sweep it"
        member = Member(
            cluster=self.cluster,
            directory=self.directory,
            code=self.process.returncode,
            seconds=round(time.monotonic() - begun, 1),
            trouble=trouble,
            words=output.read_text(encoding="utf-8", errors="replace")[-_SHOWN:],
        )
        how = trouble or f"exit code {member.code}"
        say(f"  {self.cluster}: {how} after {member.seconds:g} s")
        return member

    def end(self) -> None:
        """Ask it to undo everything and to end."""
        self.told_to_end.set()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def _wait(self, process: subprocess.Popen[bytes]) -> str:
        with suppress(subprocess.TimeoutExpired):
            process.wait(self.within)
            return ""
        self.end()
        late = f"it was not done after {self.within:g} s, and was ended"
        grace = budgets.get(budgets.FLEET_UNDONE).within
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
            return late
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"{late}; it did not end within {grace:g} s more, and was killed: sweep it"


@contextmanager
def _ended_together(runs: Sequence[Running]) -> Iterator[list[int]]:
    """Pass on to every run what ends a process: it undoes and reports. Yields the list of signals heard."""
    heard: list[int] = []

    def pass_on(signum: int, _frame: FrameType | None) -> None:
        heard.append(signum)
        for run in runs:
            run.end()

    put_back = shield.handled_by(pass_on)
    try:
        yield heard
    finally:
        put_back()
