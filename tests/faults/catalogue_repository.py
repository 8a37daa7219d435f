"""Faults of the repository behind the cluster: overlays, history, change log, service page, plans, runbook."""

from __future__ import annotations

import datetime as dt

import yaml

from tests.faults.catalogue_clone import Clone
from tests.faults.catalogue_fault import UNTOUCHED, Also, Fault

LAB, LOCAL, HOMELAB, JLS = (
    f"metallb/overlays/{name}/config.yaml" for name in ("lab", "local", "homelab", "jls")
)
LEGACY = "metallb/legacy/prod"
CHANGELOG, PAGE, RUNBOOK, FOLLOW_UPS = (
    "CHANGELOG.md",
    "services/metallb.md",
    "runbooks/metallb.md",
    "follow-ups.md",
)
PLAN, WAIVERS = "metallb/plans/homelab-second-range.yaml", "metallb/waivers.yaml"
_POOL = "pool metallb-pool"
_DAY = r"20\d\d-\d\d-\d\d"
#: What cannot be decided while the cluster's own overlay does not render.
_NEEDS_OVERLAY = frozenset({"overlay.version-skew", "overlay.ranges-valid", "overlay.recent-change"})


def ranged(clone: Clone, config: str, *after: str, page: bool = True, log: bool = True) -> None:
    """Other ranges in place of the pool's first one in an overlay, told on the service page and in the change log."""
    cluster, told = config.split("/")[-2], ", ".join(after)
    clone.replace(config, r"(addresses:\n( +- ))\S+", r"\g<1>" + r"\n\g<2>".join(after))
    if page:
        clone.replace(PAGE, rf"(\| {cluster} \|.*\| metallb-pool \|) \S+ ", rf"\g<1> {told} ")
    if log:
        recorded(clone, cluster, told)


def recorded(clone: Clone, cluster: str, ranges: str) -> None:
    """An entry of the change log."""
    entry = f"\n## {clone.today}\n\n- {cluster}: a pool is now {ranges}, for a test.\n\n## "
    clone.replace(CHANGELOG, r"\n## ", entry)


def planned(clone: Clone, overlay: str) -> None:
    """A complete plan for a change of the pool of an overlay."""
    text = (clone.root / PLAN).read_text(encoding="utf-8")
    clone.write(
        "metallb/plans/another.yaml", text.replace("metallb/overlays/homelab", f"metallb/overlays/{overlay}")
    )


def no_yaml(clone: Clone) -> None:
    clone.write(LAB, "spec: [unfinished\n")
    clone.commit("Break the lab's overlay")


def broken_before(clone: Clone) -> None:
    good = (clone.root / LAB).read_text(encoding="utf-8")
    clone.write(LAB, "spec: [unfinished\n")
    clone.commit("Break the lab's overlay")
    clone.write(LAB, good)
    clone.commit("Mend the lab's overlay")


def legacy_moved(clone: Clone) -> None:
    more = "---\napiVersion: metallb.io/v1beta1\nkind: Community\nmetadata:\n  name: dmz\n  namespace: metallb-system\n"
    config = f"{LEGACY}/config.yaml"
    clone.write(config, (clone.root / config).read_text(encoding="utf-8") + more)
    clone.commit("Give the old cluster a community")


def not_in_the_change_log(clone: Clone) -> None:
    ranged(clone, LOCAL, "172.18.255.200-172.18.255.240", log=False)
    clone.commit("Take ten addresses from the local pool")


def not_on_the_page(clone: Clone) -> None:
    ranged(clone, LOCAL, "172.18.255.200-172.18.255.240", page=False)
    clone.commit("Take ten addresses from the local pool")


def without_a_plan(clone: Clone) -> None:
    ranged(clone, LOCAL, "172.18.255.200-172.18.255.240")


def incomplete_plan(clone: Clone) -> None:
    clone.replace(PLAN, r"rollback:\n  - .*\n", "")
    clone.commit("Forget the way back")


def takes_an_address_away(clone: Clone) -> None:
    """The edge's own, which asks for it: all others are given in whichever order services come."""
    ranged(clone, LAB, "172.30.0.200-172.30.0.209")
    planned(clone, "lab")


def no_follow_up(clone: Clone) -> None:
    clone.replace(FOLLOW_UPS, r"\| PLAT-31 .*\n", "")
    clone.commit("Clear the list")


def waiver_over(clone: Clone) -> None:
    clone.replace(WAIVERS, rf"expires: {_DAY}", f"expires: {clone.today - dt.timedelta(days=3)}")
    clone.commit("Accept the old version for a shorter time")


def validated_long_ago(clone: Clone) -> None:
    clone.replace(
        RUNBOOK, rf"\| Last validated \| {_DAY}", f"| Last validated | {clone.today - dt.timedelta(days=400)}"
    )
    clone.commit("Write down when the runbook was validated")


def step_without_check(clone: Clone) -> None:
    clone.replace(
        RUNBOOK, r"\n## 1\. Health\n", "\n## 1. Health\n\nAsk the neighbours whether they see it too.\n"
    )
    clone.commit("Add a step to the runbook")


def page_of_another_range(clone: Clone) -> None:
    clone.replace(PAGE, r"172\.30\.0\.200-172\.30\.0\.220", "172.30.0.200-172.30.0.210")
    clone.commit("Take back a line of the service page")


def page_of_another_version(clone: Clone) -> None:
    clone.replace(PAGE, r"(\| lab \|[^\n]*\| )0\.16\.2", r"\g<1>0.14.9")
    clone.commit("Take back a version of the service page")


def two_owners(clone: Clone) -> None:
    """Everything that the lab's pool has, of each family: an overlay with a part of it would own another pool."""
    pool, *_ = yaml.safe_load_all((clone.root / LAB).read_text(encoding="utf-8"))
    ranged(clone, LOCAL, *pool["spec"]["addresses"])
    clone.commit("Copy the lab's ranges to the local cluster")


def backwards(clone: Clone) -> None:
    ranged(clone, JLS, "203.0.113.12-203.0.113.10", page=False, log=False)
    clone.commit("Give the rented cluster two addresses more")


def own_gateway(clone: Clone) -> None:
    ranged(clone, HOMELAB, "192.168.1.1-192.168.1.250")
    clone.commit("Give the homelab pool everything")


def other_version(clone: Clone) -> None:
    path = "metallb/overlays/lab/kustomization.yaml"
    clone.write(path, (clone.root / path).read_text(encoding="utf-8").replace("v0.16.2", "v0.15.2"))
    clone.commit("Pin the version before for the lab")


FAULTS = (
    Fault(
        name="an overlay that is no YAML",
        cause="overlay-invalid",
        edit=no_yaml,
        shows={"overlay.intended-config": "overlay metallb/overlays/lab"},
        undecided=_NEEDS_OVERLAY | {"recovery.pool-owner", "maintenance.single-address-pools"},
        says=UNTOUCHED,
    ),
    Fault(
        name="a way back that does not render",
        cause="overlay-invalid",
        edit=broken_before,
        shows={"rollback.previous-renders": "overlay metallb/overlays/lab"},
        undecided=frozenset({"overlay.recent-change"}),
        says=UNTOUCHED,
    ),
    Fault(
        name="a legacy overlay with an object of its own",
        cause="legacy-diverged",
        edit=legacy_moved,
        shows={"overlay.legacy-divergence": f"overlay {LEGACY}"},
        says=UNTOUCHED,
    ),
    Fault(
        name="a pool change that the change log does not have",
        cause="change-undocumented",
        edit=not_in_the_change_log,
        shows={"maintenance.pool-documented": _POOL},
        says=UNTOUCHED,
    ),
    Fault(
        name="a pool change that the service page does not have",
        cause="page-outdated",
        edit=not_on_the_page,
        shows={"maintenance.pool-documented": _POOL},
        says=UNTOUCHED,
    ),
    Fault(
        name="a pool change without a plan",
        cause="change-unplanned",
        edit=without_a_plan,
        shows={"maintenance.change-plan": _POOL},
        says=UNTOUCHED,
    ),
    Fault(
        name="a change plan without a way back",
        cause="change-unplanned",
        edit=incomplete_plan,
        shows={"maintenance.change-plan": "change plan"},
        undecided=frozenset({"overlay.recent-change"}),
        says=UNTOUCHED,
    ),
    Fault(
        name="a change that takes a held address away",
        cause="change-unplanned",
        edit=takes_an_address_away,
        shows={"overlay.recent-change": "service traefik/traefik"},
        says=UNTOUCHED,
    ),
    Fault(
        name="version skew that nobody follows up",
        cause="follow-up-missing",
        edit=no_follow_up,
        shows={"postincident.skew-follow-up": f"overlay {LEGACY}"},
        says=UNTOUCHED,
    ),
    Fault(
        name="a waiver of the old version that has expired",
        cause="version-skew",
        edit=waiver_over,
        shows={"maintenance.legacy-version": f"overlay {LEGACY}"},
        says=UNTOUCHED,
    ),
    Fault(
        name="a runbook that nobody validated for a year",
        cause="validation-stale",
        edit=validated_long_ago,
        shows={"postincident.runbook-current": f"runbook {RUNBOOK}"},
        says=UNTOUCHED,
    ),
    Fault(
        name="a step of the runbook that no check encodes",
        cause="validation-stale",
        edit=step_without_check,
        shows={"postincident.runbook-current": f"runbook {RUNBOOK}"},
        says=UNTOUCHED,
    ),
    Fault(
        name="a service page with another range",
        cause="page-outdated",
        edit=page_of_another_range,
        shows={"postincident.service-page": _POOL, "maintenance.pool-documented": _POOL},
        says=UNTOUCHED,
    ),
    Fault(
        name="a service page with another version",
        cause="page-outdated",
        where={"metallb": "0.16.2"},  # as below
        edit=page_of_another_version,
        shows={"postincident.service-page": "cluster"},
        says=UNTOUCHED,
    ),
    Fault(
        name="two overlays with the pool of one cluster",
        cause="pool-overlap",
        edit=two_owners,
        shows={"recovery.pool-owner": _POOL},
        says=UNTOUCHED,
    ),
    Fault(
        name="a range that ends before it begins, in another overlay",
        cause="pool-range-invalid",
        edit=backwards,
        shows={"overlay.ranges-valid": _POOL},
        says=UNTOUCHED,
    ),
    Fault(
        name="the gateway's address in another overlay",
        cause="pool-holds-gateway-address",
        edit=own_gateway,
        shows={"overlay.ranges-valid": _POOL},
        says=UNTOUCHED,
    ),
    Fault(
        name="an overlay that pins another version than runs",
        cause="version-skew",
        # Of a lab that was asked for another version than its overlay's, the suite knows that.
        where={"metallb": "0.16.2"},
        edit=other_version,
        shows={"overlay.version-skew": "cluster"},
        also=(
            Also(check="overlay.intended-config", cause="crd-outdated"),
            Also(check="overlay.version-skew", cause="crd-outdated"),
            # The other version is the older one, so the overlay is behind the shared base as well.
            Also(check="overlay.version-skew", cause="version-skew", subject="overlay metallb/overlays/lab"),
        ),
        says=UNTOUCHED,
    ),
)
