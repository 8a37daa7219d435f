"""Worker processes take turns: what only looks runs in all of them, what changes something alone and last.

xdist's own groups are no help: they put a suffix to the node ids, which pytest 9.2 no longer lets them change,
and they would let checks look at a cluster while another process disturbs it.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # xdist is not typed

from suites.plugin.run_state import Plan
from suites.plugin.settings import SETTINGS, plan_folder

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController  # type: ignore[import-untyped]  # as above

_CHANGES = "changes"


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Keep xdist from sorting the turns; the plan has them in their order."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ObserveFirst | None:
    """Our scheduler for runs of the suites."""
    settings = config.stash.get(SETTINGS, None)
    return ObserveFirst(config, log, directory=plan_folder(config)) if settings else None


class ObserveFirst(LoadScopeScheduling):  # type: ignore[misc]  # as above
    """Hands out single items that only look; then, to one process alone, everything that changes something."""

    def __init__(self, config: pytest.Config, log: Any, *, directory: Path) -> None:
        super().__init__(config, log)
        self._directory = directory

    @cached_property
    def _alone(self) -> frozenset[str]:
        # Read when it is first needed: by then every worker has collected, and left the plan.
        return Plan.read(self._directory).alone

    def _split_scope(self, nodeid: str) -> str:
        return _CHANGES if nodeid in self._alone else nodeid

    def _assign_work_unit(self, node: WorkerController) -> None:
        held = next(iter(self.workqueue)) == _CHANGES and self._others_busy(node)
        if not held:
            super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        if list(self.workqueue) != [_CHANGES]:
            super()._reschedule(node)
            return
        active = [one for one in self.nodes if not one.shutting_down]
        # A worker begins its last item only when it is told that nothing follows.
        for one in active[1:]:
            one.shutdown()
        if active and not self._others_busy(active[0]):
            super()._assign_work_unit(active[0])
            active[0].shutdown()

    def _others_busy(self, node: WorkerController) -> bool:
        return any(self._pending_of(work) for one, work in self.assigned_work.items() if one is not node)
