"""The parts of one run on one cluster take turns: whatever one of them changes, the others would measure.

Parts may be started all at once, as an Indexed Job does: each waits until none of the others holds the cluster. A
run that is none of theirs is refused by `inspect`, as ever, and so is a part where such a run has the cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from clusters import budgets, wait
from clusters.api import Api, ApiError
from clusters.changes import cluster_lease
from clusters.changes.cluster_lease import Holder, LeaseTaken
from clusters.errors import Refused
from clusters.preflight.other_runs import ahead
from clusters.preflight.problems import Wanted


class Turn:
    """One run's turn; `say` is told whom it waits for. A run that is no part of another waits for nobody."""

    def __init__(self, wanted: Wanted, api: Api, say: Callable[[str], None]) -> None:
        self._wanted, self._api, self._say = wanted, api, say
        self._budget = budgets.get(budgets.PART_TURN)
        self._begun = time.monotonic()
        self._told = ""

    def take(self, begin: Callable[[], None]) -> None:
        """Call `begin`, which looks whether the run may start and takes its Lease, once no other part has the cluster.

        Where another part comes between, what was seen of the cluster may be its doing: wait, and begin again.
        Raises Refused as `begin` does, and where the budget part_turn is over.
        """
        if not cluster_lease.whole_of(self._wanted.run_id):
            return begin()
        while True:
            self._wait()
            try:
                return begin()
            except Refused as refused:
                if not self._came_between(refused):
                    raise

    def _wait(self) -> None:
        try:
            if not self._other():
                return
        except ApiError:
            return  # what is wrong is told with all that is
        left = self._budget.within - (time.monotonic() - self._begun)
        try:
            wait.until(
                "no other part of the run holds the cluster",
                read=self._other,
                accept=lambda other: not other,
                budget=replace(self._budget, within=max(0.0, left)),
                tolerate=(ApiError,),  # that part may be restarting the API server
            )
        except wait.NotWithinBudget:
            raise Refused(
                f"{self._told} still holds the cluster after {self._budget.within:g} s.",
                remedy="Give the parts longer: budgets.part_turn in the profile, or --patience.",
            ) from None
        self._say(f"the cluster is free, after {time.monotonic() - self._begun:.0f} s")

    def _other(self) -> str:
        """The part that holds the cluster now, "" for none; whoever comes next is told."""
        holder = ahead(self._api, self._wanted.profile, self._wanted.level)
        if holder is None or not self._is_part(holder):
            return ""
        told = f"Part {holder.run} on {holder.machine}"
        if told != self._told:
            self._told = told
            self._say(
                f"waiting for part {holder.run} on {holder.machine}, at most {self._budget.within:g} s in all"
            )
        return told

    def _came_between(self, refused: Refused) -> bool:
        if isinstance(refused, LeaseTaken):
            return refused.holder is None or self._is_part(refused.holder)
        try:
            return bool(self._other())
        except ApiError:
            return False

    def _is_part(self, holder: Holder) -> bool:
        return holder.is_part_with(self._wanted.run_id)
