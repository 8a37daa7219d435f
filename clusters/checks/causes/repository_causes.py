"""Causes in the repository and its records: overlays, change plans, pages, runbook."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks.causes.cause import Cause, Layer
from clusters.checks.outcome import Scope

_DIFF = "kubectl diff -k {overlay}"
_APPLY = "kubectl apply -k {overlay}"
_LOG = "git log -p -3 -- metallb/"

CAUSES = (
    Cause(
        id=CauseId.OVERLAY_DRIFT,
        title="What runs is not what the overlay says",
        meaning="A live object differs from what the cluster's overlay renders.",
        remedy="Reapply the overlay, or bring the live change into the repository.",
        commands=(_DIFF, _APPLY),
        scope=Scope.CLUSTER,
        link=None,
        layer=Layer.REPOSITORY,
        proven_by="A field of the rendered object and of the live one were read and differ.",
        excluded_by="They are equal once defaults are counted.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=True,
        reported_by=CheckId.OVERLAY_INTENDED_CONFIG,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.OVERLAY_INVALID,
        title="The overlay does not render or is not valid",
        meaning=("The overlay cannot be rendered, or the result is not valid for the installed resources."),
        remedy="Fix the file that kubectl names, or revert the change that broke it.",
        commands=("kubectl kustomize {overlay}", _LOG, "git revert {revision}"),
        scope=Scope.CLUSTER,
        link=None,
        layer=Layer.REPOSITORY,
        proven_by="The overlay cannot be rendered by kubectl, or a rendered object breaks its schema.",
        excluded_by="It renders and is valid.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.OVERLAY_INTENDED_CONFIG,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.RECONCILIATION_STOPPED,
        title="Flux or Argo CD does not apply the repository",
        meaning=(
            "What applies the repository to the cluster says that it fails, or it is suspended while the repository "
            "says something else than runs: what is committed does not get there."
        ),
        remedy="Look at what it says and mend that, or resume it; until then what is committed changes nothing.",
        commands=(
            "kubectl get kustomizations,helmreleases,gitrepositories -A",
            "kubectl get applications -A",
        ),
        scope=Scope.CLUSTER,
        link=None,
        layer=Layer.REPOSITORY,
        proven_by="The status of its object was read: failed, not ready, or out of sync; or it is suspended.",
        excluded_by="Its status says that it applied the revision that is compared, and it is not suspended.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=True,
        reported_by=CheckId.OVERLAY_INTENDED_CONFIG,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.LEGACY_DIVERGED,
        title="The legacy overlay has moved further away",
        meaning="The legacy overlay differs from the shared base in more than was accepted.",
        remedy=(
            "Move the new difference into the base or revert it; do not widen the accepted list in passing."
        ),
        commands=("git diff --no-index metallb/base metallb/legacy/prod", "git log -p -3 -- metallb/legacy/"),
        scope=Scope.NONE,
        link=None,
        layer=Layer.REPOSITORY,
        proven_by="The rendered legacy overlay and base differ in more than the accepted differences.",
        excluded_by="Every difference is accepted.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.OVERLAY_LEGACY_DIVERGENCE,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.CHANGE_UNDOCUMENTED,
        title="A change is not written down",
        meaning="A pool or an address changed, and the change log has no entry for it.",
        remedy="Add the entry to CHANGELOG.md: date, pool, old and new addresses, reason.",
        commands=(_LOG, "git log -5 -- CHANGELOG.md"),
        scope=Scope.NONE,
        link=None,
        layer=Layer.REPOSITORY,
        proven_by="A commit changes a pool or an address and no entry of the change log names it.",
        excluded_by="The change log has an entry.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.MAINTENANCE_POOL_DOCUMENTED,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.CHANGE_UNPLANNED,
        title="A pending change has no complete plan",
        meaning="A pool change has no plan, or its plan leaves out preconditions, impact, rollback or validation.",
        remedy="Complete the change plan before rolling the change out.",
        commands=("git diff HEAD~1 -- metallb/", "git status --short metallb/"),
        scope=Scope.NONE,
        link=None,
        layer=Layer.REPOSITORY,
        proven_by="A pending pool change has no plan, or the plan lacks a part.",
        excluded_by="The plan is complete.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.MAINTENANCE_CHANGE_PLAN,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.FOLLOW_UP_MISSING,
        title="The follow-up work is not written down",
        meaning=(
            "The legacy overlay runs another version than the base, and no follow-up or waiver says until "
            "when."
        ),
        remedy="Write the follow-up down with an owner and a date, or renew the waiver.",
        commands=("git grep -n 'image:' -- metallb/base metallb/legacy", "git log -3 -- metallb/legacy/"),
        scope=Scope.NONE,
        link=None,
        layer=Layer.REPOSITORY,
        proven_by=(
            "The legacy overlay runs another version, and neither a follow-up nor a waiver in force names it."
        ),
        excluded_by="A follow-up or a waiver in force names it.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.POSTINCIDENT_SKEW_FOLLOW_UP,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.VALIDATION_STALE,
        title="The runbook was validated too long ago",
        meaning=(
            "The runbook was last validated longer ago than its budget allows, or a step of it has no check."
        ),
        remedy="Run the whole suite against a cluster and stamp the runbook with the date of that run.",
        commands=("grep -n 'Last validated' {file}", "python -m reports last-validated --help"),
        scope=Scope.NONE,
        link=None,
        layer=Layer.REPOSITORY,
        proven_by=(
            "The runbook's day of last validation is older than its budget, or a sentence has no check."
        ),
        excluded_by="It is recent, and every sentence has a check.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.POSTINCIDENT_RUNBOOK_CURRENT,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.PAGE_OUTDATED,
        title="The service page is outdated",
        meaning="The service page names other ranges, clusters or versions than the ones that run.",
        remedy="Correct the page to what runs.",
        commands=(
            "kubectl -n {metallb_namespace} get ipaddresspools -o "
            "custom-columns=NAME:.metadata.name,RANGES:.spec.addresses",
            "kubectl -n {metallb_namespace} get pods -o "
            "custom-columns=POD:.metadata.name,IMAGE:.spec.containers[0].image",
        ),
        scope=Scope.NONE,
        link=None,
        layer=Layer.REPOSITORY,
        proven_by="A range, cluster or version of the page differs from what was read from the cluster.",
        excluded_by="The page agrees with the cluster.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.POSTINCIDENT_SERVICE_PAGE,
        rests_on=(),
        last_resort=False,
    ),
)
