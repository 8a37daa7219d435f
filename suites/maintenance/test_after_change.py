"""Section 5 of the runbook, exercised: a pool is changed, and validated as the runbook says."""

from __future__ import annotations

from clusters import budgets
from suites.causes import NOT_RESTORED
from suites.plugin import DISRUPT, Record, check
from suites.scenes import scene_permissions
from suites.scenes.announced import Announced
from suites.scenes.committed_overlay import Overlay, OverlayPart
from suites.scenes.drill import Drill


@check(
    "maintenance.after-change",
    runbook="5",
    level=DISRUPT,
    needs={"cluster", "wire", "repository"},
    causes=NOT_RESTORED,
    commands=("kubectl apply -k {overlay}", "kubectl get svc -A | grep LoadBalancer"),
    uses=scene_permissions.DRILL,
    measured=True,
)  # fmt: skip
def test_services_receive_their_address_again_after_a_pool_change(
    announced: Announced, drill: Drill, overlay: Overlay, record: Record
) -> None:
    """After a pool change every affected service receives the expected address again."""
    before = drill.begin()
    narrower = overlay.without(announced.address)

    with announced.watched(record) as seen:
        with drill.changed(narrower):
            drill.loses(before, announced.service.key)
            with drill.timed("expected address back after", budget=budgets.CHANGED_POOL):
                overlay.apply(OverlayPart.CONFIGURATION)
                drill.same(before, budget=budgets.CHANGED_POOL)
        announced.settles(seen)

    drill.cost(seen)
