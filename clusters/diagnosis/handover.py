"""Looking again where an address is just being handed over, so that a moment is not taken for a state.

While a speaker starts or ends, the ServiceL2Status of two nodes may stand side by side, or one that is over. The wire
is asked again for that reason (see clusters/observation/wire.py); what MetalLB says of itself is, here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from clusters import budgets, wait
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.observation.snapshot import Snapshot
from clusters.wait import NotWithinBudget


def observed(look: Callable[[], Snapshot]) -> Diagnosis:
    """The diagnosis of one look, or of the last of several where the sources named different announcers before.

    Looks for as long as the budget `handed_over` allows; whatever the last look shows is told. Raises what `look`
    raises.
    """
    looks: list[Diagnosis] = []

    def again() -> bool:
        looks[:] = [Diagnosis(look())]
        return not looks[0].disagreeing

    # What is so to the end of the budget is no moment, and the diagnosis says what it is.
    with suppress(NotWithinBudget):
        wait.until("the sources agree", read=again, accept=bool, budget=budgets.get(budgets.HANDED_OVER))
    return looks[0]
