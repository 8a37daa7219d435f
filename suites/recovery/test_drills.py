"""Section 3 of the runbook, exercised: MetalLB is lost, and comes back from its overlay."""

from __future__ import annotations

from clusters import budgets
from suites.causes import NOT_RESTORED
from suites.plugin import DISRUPT, Record, check
from suites.scenes import scene_permissions
from suites.scenes.announced import Announced
from suites.scenes.committed_overlay import Overlay, OverlayPart
from suites.scenes.drill import Drill
from suites.scenes.rebuild import Rebuild, Stage

_COMMANDS = (
    "kubectl apply -k {overlay}",
    "kubectl -n {metallb_namespace} get pods -o wide",
    "kubectl -n {metallb_namespace} get ipaddresspools,l2advertisements",
    "kubectl get svc -A | grep LoadBalancer",
)


@check(
    "recovery.reapply",
    runbook="3",
    level=DISRUPT,
    needs={"cluster", "wire", "repository"},
    causes=NOT_RESTORED,
    commands=_COMMANDS,
    uses=scene_permissions.LOSS,
    measured=True,
)
def test_reapplying_the_overlay_brings_everything_back(
    announced: Announced, drill: Drill, overlay: Overlay, record: Record
) -> None:
    """Where MetalLB is lost, reapplying the overlay brings pods, pools and every address back, within budget.

    Controller, speakers, pools, advertisements and the webhook's configuration are lost; Secrets, definitions
    and the namespace stay. The controller is lost first, so that it takes no address away.
    """
    before = drill.begin()

    with announced.watched(record) as seen:
        with (
            drill.lost(OverlayPart.WORKLOADS),
            drill.lost(OverlayPart.WEBHOOKS),
            drill.lost(OverlayPart.CONFIGURATION),
            drill.timed("everything back after", budget=budgets.REAPPLIED),
        ):
            overlay.apply()
            drill.metallb_ready()
            drill.same(before, budget=budgets.REAPPLIED)
        announced.settles(seen)

    drill.cost(seen)


@check(
    "recovery.rebuild-order",
    runbook="3",
    level=DISRUPT,
    needs={"cluster", "wire", "repository"},
    causes=NOT_RESTORED,
    commands=("kubectl get nodes -o wide", *_COMMANDS),
    uses=scene_permissions.REBUILD,
    measured=True,
)
def test_a_rebuild_passes_gate_after_gate(drill: Drill, rebuild: Rebuild) -> None:
    """A rebuild in the runbook's order passes each stage's gate; a stage started early is refused, not half done."""
    before = drill.begin()
    rebuild.begin(Stage.NETWORK)

    with rebuild.torn_down(before):
        rebuild.refuses(Stage.CONFIGURATION)
        rebuild.begin(Stage.METALLB)
        rebuild.refuses(Stage.CONSUMERS)
        rebuild.begin(Stage.CONFIGURATION)
        rebuild.begin(Stage.CONSUMERS)
