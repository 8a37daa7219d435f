"""One run's cluster: opened before the first check, undone and closed after the last."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pytest

from clusters import outbound
from clusters.checks import CheckSpec, Verdict
from clusters.errors import ConformanceError
from suites.plugin.run_state import RunState
from suites.plugin.settings import Settings

# What talks to a cluster is imported when it is first used: pytest loads this plugin for the project's own
# tests too, and the client of the API server alone takes longer to import than most of them to run.
if TYPE_CHECKING:
    from clusters.api import Api
    from clusters.changes import Changes
    from clusters.changes.cluster_lease import ClusterLease
    from clusters.observation import Snapshot
    from clusters.preflight import Preflight
    from clusters.providers import Cluster


class Abandoned(Exception):  # noqa: N818 - it says what became of it
    """The run may not start, so what was begun for it ends."""


T = TypeVar("T")


class Ahead(Generic[T]):
    """Work that a run will ask for, begun in a thread of its own while preflight still looks.

    The work is given a function that waits until preflight has passed, and raises Abandoned where it has not.
    """

    def __init__(self, work: Callable[[Callable[[], None]], T]) -> None:
        self._work = work
        self._decided = threading.Event()
        self._may = False
        self._found: Future[T] = Future()
        threading.Thread(target=self._run, name="ahead", daemon=True).start()

    def permit(self) -> None:
        """Preflight has passed."""
        self._may = True
        self._decided.set()

    def abandon(self) -> None:
        """Nobody asks for it any more; what was permitted before goes on to its end."""
        self._decided.set()

    def result(self) -> T:
        """What came of it, or what it raised."""
        return self._found.result()

    def _permitted(self) -> None:
        self._decided.wait()
        if not self._may:
            raise Abandoned

    def _run(self) -> None:
        try:
            self._found.set_result(self._work(self._permitted))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is asked for
            self._found.set_exception(error)


class Run:
    """The open cluster of one process. `state` is filled in the process that writes the report."""

    def __init__(self, settings: Settings, *, joins: bool = False) -> None:
        self.settings = settings
        #: Whether another process of the run has the cluster's hold, as in a worker process.
        self._joins = joins
        self.state = RunState(settings)
        self.lease: ClusterLease | None = None
        #: What of the run's files could not be written while it ran, a sentence each.
        self.unkept: list[str] = []
        self._stack = ExitStack()
        #: What was begun before a check asks for it; whoever asks first takes it away.
        self.ahead: dict[str, Ahead[Any]] = {}
        #: Where a fixture of the user's gave the cluster.
        self.kubeconfig: Path | None = None

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster; the first use opens it. A worker process finds it open and only joins it."""
        from clusters import providers  # noqa: PLC0415 - see above

        profile = self.settings.profile
        if self.kubeconfig is not None:
            profile = profile.model_copy(update={"kubeconfig": self.kubeconfig})
        return self._stack.enter_context(providers.open_cluster(profile))

    @cached_property
    def api(self) -> Api:
        """The one door to the cluster's API server."""
        from clusters.api import Api  # noqa: PLC0415 - see above

        return Api.connect(self.cluster.kubeconfig, self.cluster.context)

    @cached_property
    def changes(self) -> Changes:
        """The only way to change the cluster; what is still changed when the run ends is undone then."""
        from clusters.changes import (  # noqa: PLC0415 - see above
            Changes,
            leftovers,
            workspace,
        )
        from clusters.journal import Journal  # noqa: PLC0415 - see above

        profile = self.settings.profile
        changes = Changes(
            self.api,
            Journal.for_run(self.settings.run_id, cluster=profile.name, profile=leftovers.typed(profile)),
            self.settings.run_id,
            workloads=workspace.fixed(self.api, profile.workloads_namespace),
        )
        self._stack.callback(changes.undo_all)
        if self._joins:
            changes.join(profile.namespace)
        return changes

    @cached_property
    def found(self) -> Preflight:
        """What preflight found: the versions of Kubernetes and MetalLB."""
        from clusters import preflight  # noqa: PLC0415 - see above

        if self.settings.repository_alone:
            return preflight.Preflight(level=self.settings.level)
        if self.settings.snapshot is None:
            return preflight.versions_of(self.settings, self.api)
        from clusters.diagnosis import Diagnosis  # noqa: PLC0415 - see above

        version = Diagnosis(self.saved).facts.components.version
        return preflight.Preflight(
            level=self.settings.level,
            kubernetes_version=self.saved.kubernetes_version,
            metallb_version=str(version or ""),
        )

    def open(
        self,
        specs: Iterable[CheckSpec] = (),
        *,
        say: Callable[[str], None] = lambda _: None,
        ahead: Mapping[str, Callable[[Callable[[], None]], Any]] | None = None,
    ) -> None:
        """Open the cluster and look whether a run of these checks may start; ConformanceError where not.

        `say` is told when it waits for other parts of the same run. What is in `ahead` is begun in the meantime, and
        kept by its name in `self.ahead`.
        """
        from clusters import preflight  # noqa: PLC0415 - see above

        if self.settings.snapshot is not None:
            self.state.context, self.state.vantage = self.saved.context, self.saved.wire.place
            self._note_versions()
            return
        try:
            cluster = self.cluster
        except ConformanceError as error:
            raise preflight.unopened(self.settings, error) from error
        self.state.context = cluster.context
        profile = self.settings.profile
        inside = profile.vantage if profile.inside else ""
        self.state.vantage = cluster.vantage.name if cluster.vantage else inside
        needs = preflight.needs_of(specs, self.settings.level)

        def begin() -> None:
            preflight.undo_former_parts(self.settings, self.api, say)
            self.ahead = {name: Ahead(work) for name, work in (ahead or {}).items()}
            self.found = preflight.check(self.settings, cluster, self.api, needs=needs)
            self._note_versions()
            self._take_lease()
            for each in self.ahead.values():
                each.permit()

        preflight.Turn(self.settings, self.api, say).take(begin)

    def look(self, permitted: Callable[[], None] | None = None) -> Snapshot:
        """Observe the cluster; see `clusters.observation.collecting.collect`."""
        from clusters.observation.collecting import Course, collect  # noqa: PLC0415 - see above

        profile = self.settings.profile
        return collect(
            self.api,
            namespace=profile.namespace,
            vantage=self.cluster.vantage,
            routed=self.cluster.routed,
            profile=profile,
            upgrade=bool(self.settings.target_version),
            course=Course(permitted=permitted),
        )

    def _take_lease(self) -> None:
        """Keep other runs from changing the cluster meanwhile; a run that only looks writes nothing, so no Lease.

        Where worker processes choose the checks, what may be done stands for what will be. A part that only looks
        takes the Lease all the same where its run may change something: the other parts do.
        """
        from clusters.changes import cluster_lease  # noqa: PLC0415 - see above
        from clusters.checks import Level  # noqa: PLC0415 - see above

        planned = [spec.level for spec in self.state.plan.checks.values()] or [self.settings.level]
        level = max(planned, key=lambda each: each.rank)
        others_change = cluster_lease.whole_of(self.settings.run_id) and self.settings.level.allows(
            Level.CREATE
        )
        if level.allows(Level.CREATE) or others_change:
            self.lease = self.changes.take_lease(self.settings.profile.namespace, level)

    def _note_versions(self) -> None:
        self.state.versions = {
            "kubernetes": self.found.kubernetes_version,
            "metallb": self.found.metallb_version,
        }

    @cached_property
    def saved(self) -> Snapshot:
        """The observation that --snapshot names. Raises UsageError for a file that is none."""
        from clusters.observation import load  # noqa: PLC0415 - see above

        assert self.settings.snapshot is not None  # nobody asks for it otherwise
        return load(self.settings.snapshot)

    @property
    def pending(self) -> int:
        """How many changes of this process are not undone yet."""
        changes = self.__dict__.get("changes")
        return changes.pending if changes is not None else 0

    def keep_machine_logs(self) -> str:
        """After a failure, keep the logs of the cluster's machines among the evidence, where they can be had.

        Returns what came of it as a sentence, "" where there was nothing to do.
        """
        cluster = self.__dict__.get("cluster")
        if cluster is None or cluster.export_logs is None:
            return ""
        if self.state.result().run.verdict in (Verdict.PASSED, Verdict.INCOMPLETE):
            return ""
        folder = self.settings.evidence / str(self.settings.profile.provider)
        try:
            cluster.export_logs(folder)
            outbound.clean_folder(folder)
        except (ConformanceError, OSError) as error:
            return f"the machines' logs could not be kept: {error}"
        return f"the machines' logs are in {folder}"

    def close(self, *, lost_workers: bool) -> None:
        """Undo what is still changed and let the cluster go; what fails is kept in the state.

        With `lost_workers` also what worker processes had changed that were killed.
        """
        for each in self.ahead.values():
            each.abandon()
        stack, self._stack = self._stack, ExitStack()
        try:
            with stack:
                if lost_workers and "api" in self.__dict__:
                    self._undo_for_lost_workers()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - every failure to clean up is told
            self.state.cleanup_failures.append(describe_error(error))

    def _undo_for_lost_workers(self) -> None:
        from clusters import changes  # noqa: PLC0415 - see above
        from clusters.changes import leftovers  # noqa: PLC0415 - see above

        for left in leftovers.of_dead_processes(self.settings.profile.name):
            if left.header is not None and left.header.run == self.settings.run_id:
                result = changes.clean(self.api, left, left.pending())
                left.close()
                if result.failures:
                    raise changes.not_undone(left, result.failures)


def describe_error(error: BaseException) -> str:
    """An error as a text for a person: a sentence where it is known, its place where it is our mistake."""
    if isinstance(error, ConformanceError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted before everything was undone."
    return outbound.text("".join(traceback.format_exception(error)).strip())


#: Where the run is kept on pytest's config; absent where no run was asked for.
RUN = pytest.StashKey[Run]()
