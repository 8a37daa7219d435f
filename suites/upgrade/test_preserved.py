"""An upgrade of MetalLB costs nobody an address: performed on a lab, or compared around somebody else's."""

from __future__ import annotations

from clusters.commands import ARPING
from suites.causes import NOT_ANSWERED, NOT_RESTORED
from suites.plugin import DISRUPT, OBSERVE, check
from suites.scenes import scene_permissions
from suites.scenes.upgrading import BeforeAndAfter, LabUpgrade, WhileUpgraded


@check(
    "upgrade.recorded",
    runbook="pre-upgrade",
    level=OBSERVE,
    needs={"wire"},
    causes=NOT_ANSWERED,
    commands=("kubectl get svc -A | grep LoadBalancer", ARPING),
    phases=("before",),
)
def test_who_holds_and_answers_is_kept_before_an_upgrade(before_and_after: BeforeAndAfter) -> None:
    """Before an upgrade one node alone answers for each address; who it is, is kept to compare with."""
    now = before_and_after.keep()

    before_and_after.one_owner_each(now)


@check(
    "upgrade.preserved",
    runbook="pre-upgrade",
    level=DISRUPT,
    needs={"wire"},
    causes=NOT_RESTORED,
    commands=("kubectl -n {metallb_namespace} rollout status {speaker}",
              "kubectl get svc -A | grep LoadBalancer", ARPING),
    uses=scene_permissions.UPGRADE,
    measured=True,
    phases=("during", "after"),
)  # fmt: skip
def test_an_upgrade_keeps_every_address_and_its_owner(
    upgrade: LabUpgrade | BeforeAndAfter | WhileUpgraded,
) -> None:
    """An upgrade keeps every address and its owner; the traffic gap is measured.

    On a lab MetalLB is upgraded to the other version and taken back. Elsewhere somebody else upgrades: run
    `--phase before`, upgrade, run `--phase after`. `--phase during`, run beside the upgrade, asks the profile's
    consumers until `--phase after` begins, which then says what they missed.
    """
    before = upgrade.before()

    with upgrade.made(before):
        upgrade.compare(before)

    upgrade.compare(before)
