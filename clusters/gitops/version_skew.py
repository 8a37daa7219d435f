"""Judging versions and divergence: what runs, what the overlay pins, the shared base, and the legacy overlay.

overlay.version-skew, overlay.legacy-divergence, maintenance.legacy-version and postincident.skew-follow-up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from packaging.version import Version

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks import Finding, NotSupported
from clusters.commands import Command, command, commands
from clusters.errors import Inconclusive
from clusters.gitops import field_comparison, pages, plans
from clusters.gitops.field_comparison import schema_of
from clusters.gitops.findings import apply_command, evidence, known, mentions_command
from clusters.gitops.kustomize import Render
from clusters.gitops.pool_objects import is_configuration, key, listed
from clusters.gitops.repository_snapshot import RepositorySnapshot, usable
from clusters.metallb import install, versions
from clusters.metallb.signature_table import Component
from clusters.objects import Object, status_of
from clusters.observation.pods import containers
from clusters.observation.snapshot import Snapshot
from clusters.subject import CLUSTER, Subject

LEGACY_VERSION = CheckId.MAINTENANCE_LEGACY_VERSION
_PODS = "kubectl -n {metallb_namespace} get pods -o custom-columns=POD:.metadata.name,IMAGE:.spec.containers[0].image"

#: What to type about a workload whose rollout stands still.
_ROLLOUT = {
    Component.CONTROLLER: (
        "kubectl -n {metallb_namespace} describe {controller}",
        "kubectl -n {metallb_namespace} rollout undo {controller}",
    ),
    Component.SPEAKER: (
        "kubectl -n {metallb_namespace} describe {speaker}",
        "kubectl -n {metallb_namespace} rollout undo {speaker}",
    ),
}


def version_skew(repository: RepositorySnapshot | None, snapshot: Snapshot) -> list[Finding]:
    """Parts of MetalLB, live or in the overlay, that are not of one version; without a repository the live alone."""
    running = _running(snapshot)
    pinned = usable(repository.intended).version if repository else ""
    found = [
        *_mixed(repository, snapshot, running, pinned=pinned),
        *_not_rolled_out(snapshot, running),
        *_definitions(repository, snapshot, running),
    ]
    return [*found, *(_from_base(repository) if repository else ())]


def _running(snapshot: Snapshot) -> dict[str, str]:
    """Each pod of MetalLB's with the version that its image names, or else its log; or the image where neither does.

    Images by digest alone differ in any case: where the log is silent, too, they say nothing of a version.
    """
    pods = known(snapshot.pods, "pods")
    live = [pod for pod in pods if status_of(pod).get("phase") not in {"Pending", "Succeeded", "Failed"}]
    said = {tail.pod: versions.of_log(tail.lines) for tail in snapshot.logs if not tail.previous}
    found = {
        each.pod: str(versions.of_image(each.image) or said.get(each.pod) or each.image)
        for each in containers(live)
        if said.get(each.pod) or versions.parse_image(each.image).tag
    }
    if not found and live:
        raise Inconclusive("MetalLB's images are given by digest, and no log says which version that is.")
    if not found:
        raise Inconclusive("No pod of MetalLB's was seen, so there is no version to compare.")
    return found


def _mixed(
    repository: RepositorySnapshot | None, snapshot: Snapshot, running: dict[str, str], *, pinned: str
) -> Iterator[Finding]:
    seen = sorted(set(running.values()))
    typed = (command(_PODS, metallb_namespace=snapshot.metallb_namespace), *_applied(repository))
    lines = evidence([*(f"pod {pod} runs {version}" for pod, version in sorted(running.items()))])
    if len(seen) > 1:
        yield Finding(
            cause=CauseId.VERSION_SKEW,
            subject=CLUSTER,
            summary=f"MetalLB's pods are of {len(seen)} versions: {listed(seen)}.",
            evidence=lines,
            commands=typed,
        )
    elif repository and pinned and seen != [pinned]:
        yield Finding(
            cause=CauseId.VERSION_SKEW,
            subject=CLUSTER,
            summary=f"MetalLB {seen[0]} runs, but {repository.layout.overlay} has {pinned}.",
            evidence=lines,
            commands=typed,
        )


def _not_rolled_out(snapshot: Snapshot, running: dict[str, str]) -> Iterator[Finding]:
    """A workload that asks for another version than every one of its pods runs: its rollout stands still.

    Its new pods cannot start, as where their image is not to be had, or it waits until somebody deletes the old ones.
    One that is on its way has pods of both versions. Only versions are compared: a policy may give pods another
    registry than their workload has.
    """
    whole = install.detect(
        snapshot.deployments.items, snapshot.daemon_sets.items, namespace=snapshot.metallb_namespace
    )
    for part in filter(None, (whole.controller, whole.speaker)):
        wanted = versions.of_image(part.image)
        own = [raw for raw in snapshot.pods.items if install.component_of(raw) is part.component]
        run = {name: running[name] for raw in own if (name := raw["metadata"]["name"]) in running}
        others = {name: text for name, text in run.items() if versions.parse(text) not in {None, wanted}}
        if wanted is None or not run or len(others) < len(run):
            continue
        where = {"metallb_namespace": snapshot.metallb_namespace, part.component.value: part.reference}
        yield Finding(
            cause=CauseId.VERSION_SKEW,
            subject=Subject(*part.reference.split("/")),
            summary=f"{part.kind} {part.name} asks for MetalLB {wanted}, and none of its pods runs it: they run "
            f"{listed(sorted(set(others.values())))}.",
            evidence=evidence(
                [*(f"pod {pod} runs {text}" for pod, text in sorted(others.items())), *_waiting(own)]
            ),
            remedy="Look what its newest pod waits for, and correct the image or bring the old one back; where its "
            "updateStrategy is OnDelete, delete the old pods one after the other.",
            commands=(
                command(_PODS, metallb_namespace=snapshot.metallb_namespace),
                *commands(_ROLLOUT[part.component], **where),
            ),
        )


def _waiting(pods: list[Object]) -> list[str]:
    """What containers that do not start wait for, a line each."""
    return [
        f"pod {raw['metadata']['name']} waits: {reason}"
        for raw in pods
        for each in status_of(raw).get("containerStatuses") or ()
        if (reason := ((each.get("state") or {}).get("waiting") or {}).get("reason"))
    ]


def _applied(repository: RepositorySnapshot | None) -> tuple[Command, ...]:
    return (apply_command(repository),) if repository else ()


def _definitions(
    repository: RepositorySnapshot | None, snapshot: Snapshot, running: dict[str, str]
) -> Iterator[Finding]:
    """CRDs that the newest running version lacks, or that are not as the overlay renders them."""
    newest = max((found for text in running.values() if (found := versions.parse(text))), default=None)
    crds = {
        crd["metadata"]["name"] for crd in known(snapshot.custom_resource_definitions, "resource definitions")
    }
    lines = [
        f"{name} is not installed"
        for name, feature in versions.DEFINITIONS.items()
        if versions.supports(newest, feature) and name not in crds
    ]
    lines += _outdated(repository, installed=crds) if repository else []
    if lines:
        yield Finding(
            cause=CauseId.CRD_OUTDATED,
            subject=CLUSTER,
            summary=f"MetalLB's resource definitions are not those of {newest or 'the overlay'}: {lines[0]}.",
            evidence=evidence(lines),
            commands=(command("kubectl get crds | grep metallb.io"), *_applied(repository)),
        )


def _outdated(repository: RepositorySnapshot, *, installed: set[str]) -> list[str]:
    rendered = {key(found): found for found in repository.intended.objects}
    lines = []
    for each in repository.live or ():
        kind, _, name = each.key.partition(" ")
        if kind == "CustomResourceDefinition" and name in installed and each.found is not None:
            changed = [
                found
                for found in field_comparison.differences(rendered[each.key], each.found)
                if found.path[:2] != ("metadata", "annotations")
            ]
            lines += [f"{name}: {changed[0]}"] if changed else []
    return lines


def _from_base(repository: RepositorySnapshot) -> Iterator[Finding]:
    """The overlay's distance to the shared base, where the cluster was not asked to run another version."""
    layout = repository.layout
    base = base_version(repository)
    own = repository.intended.version
    if layout.version or not base or not own or base == own:
        return
    accepted = plans.read_accepted(repository) if layout.overlay == layout.legacy else None
    if accepted and _within(own, base, accepted):
        return
    allowed = f"; {layout.accepted} allows {accepted.version} beside {accepted.base}" if accepted else ""
    yield Finding(
        cause=CauseId.VERSION_SKEW,
        subject=Subject("overlay", layout.overlay),
        summary=f"{layout.overlay} has MetalLB {own}, but the shared base has {base}{allowed}.",
        commands=(command("git grep -n newTag -- {folder}/", folder=layout.tree), apply_command(repository)),
    )


def _within(own: str, base: str, accepted: plans.Accepted) -> bool:
    least, most = versions.parse(accepted.version), versions.parse(accepted.base)
    return bool(least and most and Version(own) >= least and Version(base) <= most)


def base_version(repository: RepositorySnapshot) -> str:
    """The version of the shared base.

    A base whose manifest is not kept in the repository has none of its own: then it is the newest that an
    overlay beside the cluster's pins. Empty where nothing says.
    """
    layout = repository.layout
    base = repository.renders.get(layout.base)
    if base and base.version:
        return base.version
    # A cluster that was asked to run another version than is pinned says nothing of the base.
    apart = {layout.legacy, layout.base, layout.overlay if layout.version else ""}
    pinned = [
        render.version for name, render in repository.renders.items() if name not in apart and render.version
    ]
    return max(pinned, key=Version, default="")


def _legacy(repository: RepositorySnapshot) -> Render:
    """The legacy overlay's render. Raises NotSupported where the profile names none."""
    if not repository.layout.legacy:
        raise NotSupported("the profile names no gitops.legacy_overlay")
    return usable(repository.renders[repository.layout.legacy])


def _skew(repository: RepositorySnapshot) -> tuple[str, str] | None:
    """The versions of legacy overlay and base, if they differ. Raises Inconclusive where one is not known."""
    legacy, base = _legacy(repository).version, base_version(repository)
    if not legacy or not base:
        unknown = repository.layout.base if legacy else repository.layout.legacy
        raise Inconclusive(
            f"Nothing in {unknown} says which MetalLB version it is.", remedy="Pin it by an image tag."
        )
    return None if legacy == base else (legacy, base)


def legacy_version(repository: RepositorySnapshot) -> list[Finding]:
    """The legacy overlay on another version than the base, with no waiver that still holds."""
    skew = _skew(repository)
    layout = repository.layout
    waivers = [
        each
        for each in plans.read_waivers(repository)
        if each.check == LEGACY_VERSION and each.overlay in {"", layout.legacy}
    ]
    if skew is None or any(each.expires >= date.fromisoformat(repository.today) for each in waivers):
        return []
    expired = [f"the waiver of {each.owner} expired on {each.expires}: {each.reason}" for each in waivers]
    return [
        Finding(
            cause=CauseId.VERSION_SKEW,
            subject=Subject("overlay", layout.legacy),
            summary=f"{layout.legacy} has MetalLB {skew[0]}, but the shared base has {skew[1]}.",
            evidence=evidence(expired or [f"{layout.waivers} has no waiver for it"]),
            remedy="Bring it to the base's version, or renew the waiver with a reason and a day.",
            commands=(
                command("git grep -n newTag -- {folder}/", folder=layout.tree),
                command("git log -3 -- {folder}/", folder=layout.legacy),
            ),
        )
    ]


def skew_follow_up(repository: RepositorySnapshot) -> list[Finding]:
    """Legacy version skew for which no follow-up is written down."""
    skew = _skew(repository)
    layout = repository.layout
    if skew is None:
        return []
    repository.optional(layout.follow_ups)  # where it was not read, nothing is said of what stands in it
    written = pages.follow_ups(repository.files.items(), whole=layout.follow_ups)
    names = (layout.legacy, layout.legacy.rpartition("/")[2])
    if any(entry.names(name) for entry in written for name in names):
        return []
    return [
        Finding(
            cause=CauseId.FOLLOW_UP_MISSING,
            subject=Subject("overlay", layout.legacy),
            summary=(
                f"{layout.legacy} has MetalLB {skew[0]}, the shared base {skew[1]}, "
                f"and no follow-up in {layout.follow_ups} names it."
            ),
            commands=(mentions_command(names[1], layout.follow_ups),),
        )
    ]


def legacy_divergence(repository: RepositorySnapshot) -> list[Finding]:
    """Differences of the legacy overlay from the base that the accepted baseline does not have.

    Where the release manifest of either was not at hand, only configuration and patches are compared.
    """
    legacy = _legacy(repository)
    layout = repository.layout
    if layout.base not in repository.renders:
        raise NotSupported("the profile names no gitops.base")
    base = usable(repository.renders[layout.base])
    accepted = plans.read_accepted(repository) or plans.Accepted(base="none", version="none")
    new = [
        (name, field, line)
        for name, field, line in _divergence(legacy, base, repository.known_schemas)
        if not accepted.allows(name, field)
    ]
    return [
        Finding(
            cause=CauseId.LEGACY_DIVERGED,
            subject=Subject("overlay", layout.legacy),
            summary=f"{layout.legacy} differs from {layout.base} in {name}, which was not accepted.",
            evidence=evidence(line for other, _, line in new if other == name),
            remedy=f"Revert it, or accept it in {layout.accepted} with a reason.",
            commands=(command("git log -p -3 -- {folder}/", folder=layout.legacy),),
        )
        for name in dict.fromkeys(name for name, _, _ in new)
    ]


def _divergence(
    legacy: Render, base: Render, schemas: Mapping[str, Object]
) -> Iterator[tuple[str, str, str]]:
    """(object, field, line) of every difference; patches count as objects of their own."""
    for patch in legacy.patches:
        if patch not in base.patches:
            yield patch, "*", f"{legacy.overlay}: {patch}"
    mine, theirs = _compared(legacy, base), _compared(base, legacy)
    for name, found in mine.items():
        if name not in theirs:
            yield name, "*", f"only {legacy.overlay} has {name}"
        else:
            schema = schema_of(str(found.get("kind")), str(found.get("apiVersion", "")), schemas)
            changed = {each.field: each for each in field_comparison.differences(found, theirs[name], schema)}
            dropped = {each.field: each for each in field_comparison.differences(theirs[name], found, schema)}
            for field in {**changed, **dropped}:
                yield name, field, f"{name} {field} differs from the base"
    for name in theirs:
        if name not in mine:
            yield name, "*", f"{legacy.overlay} lacks {name}"


def _compared(render: Render, other: Render) -> dict[str, Object]:
    whole = render.complete and other.complete
    return {key(found): found for found in render.objects if whole or is_configuration(found)}
