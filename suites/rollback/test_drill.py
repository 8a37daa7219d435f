"""Section 6 of the runbook, exercised: a bad overlay is applied, and undone by reverting."""

from __future__ import annotations

from clusters import budgets
from suites.causes import NOT_RESTORED
from suites.plugin import DISRUPT, Record, check
from suites.scenes import scene_permissions
from suites.scenes.announced import Announced
from suites.scenes.committed_overlay import Overlay, OverlayPart
from suites.scenes.drill import Drill


@check(
    "rollback.drill",
    runbook="6",
    level=DISRUPT,
    needs={"cluster", "wire", "repository"},
    causes=NOT_RESTORED,
    commands=("git revert HEAD", "kubectl apply -k {overlay}",
              "kubectl get svc -A | grep LoadBalancer"),
    uses=scene_permissions.DRILL,
    measured=True,
)  # fmt: skip
def test_reverting_a_bad_overlay_brings_every_address_back(
    announced: Announced, drill: Drill, overlay: Overlay, record: Record
) -> None:
    """A bad overlay, once applied, is undone by reverting: every service is back on its address within budget."""
    before = drill.begin()
    bad = overlay.misplaced(but=drill.kept(before))

    with announced.watched(record) as seen:
        with drill.changed(bad):
            drill.loses(before, *drill.asking(before))
            with drill.timed("every address back after", budget=budgets.ROLLED_BACK):
                overlay.apply(OverlayPart.CONFIGURATION)
                drill.same(before, budget=budgets.ROLLED_BACK)
        announced.settles(seen)

    drill.cost(seen)
