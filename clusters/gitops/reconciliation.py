"""Judging what was compared and whether the repository still gets to the cluster: a part of overlay.intended-config."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from clusters.cause_ids import CauseId
from clusters.checks import Finding
from clusters.commands import Command, command
from clusters.errors import Inconclusive
from clusters.gitops import reconcilers
from clusters.gitops.kustomize import images
from clusters.gitops.pool_objects import key, listed
from clusters.gitops.reconcilers import APPLICATIONS, Reconciler
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.subject import Subject

#: A clone that has not fetched for so many days may be behind without knowing it.
_FRESH = 1


def stopped(repository: RepositorySnapshot) -> list[Finding]:
    """What applies the repository and fails, or is suspended while the last commit says something else than runs."""
    return [
        _finding(each, f"{each.key} does not get on: {each.failing}")
        for each in repository.reconcilers
        if each.failing
    ] + [
        _finding(
            each,
            f"{each.key} is suspended, and {repository.layout.overlay} has changed since: what commit "
            f"{repository.history.head[:12]} says is not applied.",
            evidence=(f"changed: {listed(changed)}",),
        )
        for each in repository.reconcilers
        if each.suspended and not each.failing and (changed := waiting(repository))
    ]


def waiting(repository: RepositorySnapshot) -> list[str]:
    """The objects that the last commit renders otherwise than the one that is deployed."""
    if repository.committed is None or repository.committed.problem:
        return []
    deployed = {key(found): found for found in repository.intended.objects}
    latest = {key(found): found for found in repository.committed.objects}
    return sorted(name for name in deployed.keys() | latest.keys() if deployed.get(name) != latest.get(name))


def require_deployed(repository: RepositorySnapshot) -> None:
    """Raise Inconclusive where the cluster runs a commit that the clone does not have: no difference says much then."""
    if lacks_deployed(repository):
        raise Inconclusive(
            f"{_by(repository)} applied commit {repository.deployed[:12]}, which the clone {repository.root} does not "
            "have: what differs from its last commit says nothing of the cluster.",
            remedy=f"Bring the clone up to date: {command('git -C {folder} fetch', folder=repository.root)}",
        )


def lacks_deployed(repository: RepositorySnapshot) -> bool:
    """Whether a commit is deployed that the clone does not have."""
    past = repository.history
    return bool(repository.deployed and past.head != repository.deployed and repository.committed is None)


def compared_with(repository: RepositorySnapshot) -> Iterator[str]:
    """Which state of the files was compared with the cluster, and what of the repository is not in it."""
    past = repository.history
    if past.problem:
        yield f"compared with the files in {repository.root}; {past.problem}"
        return
    where = f" on {past.branch}" if past.branch else ", with no branch checked out"
    if repository.committed is not None:
        yield f"compared with commit {repository.deployed[:12]}, which {_by(repository)} applied"
        yield f"the clone's last commit is {past.head[:12]}{where}"
    else:
        yield f"compared with commit {past.head[:12]}{where}"
    if past.dirty:
        yield f"not committed, so not compared: {', '.join(past.dirty)}"
    if past.behind:
        many = "1 commit" if past.behind == 1 else f"{past.behind} commits"
        yield f"the clone is {many} behind {past.upstream}: what is in there was not compared"


def notes(repository: RepositorySnapshot) -> list[str]:
    """What a reader of the outcome has to know of what was compared, a sentence each."""
    past, said = repository.history, [*repository.intended.brought, *compared_with(repository)]
    if repository.intended.objects and not images(repository.intended.objects):
        said.append(
            f"{repository.layout.overlay} renders none of MetalLB's own workloads: these were not compared"
        )
    if lacks_deployed(repository):
        said.append(
            f"{_by(repository)} applied commit {repository.deployed[:12]}, which the clone does not have"
        )
    if past.upstream and past.fetched and _days(past.fetched, repository.today) > _FRESH:
        said.append(f"the clone last fetched on {past.fetched}: what was pushed since is not known")
    if changed := waiting(repository):
        said.append(f"not applied yet, of commit {past.head[:12]}: {listed(changed)}")
    for each in repository.reconcilers:
        if each.unreadable:
            said.append(f"{each.key} marks what runs as its own and was not read: {each.unreadable}")
        elif each.suspended:
            said.append(f"{each.key} is suspended: what is committed now is not applied")
        elif each.kind == APPLICATIONS.kind and not each.acting:
            said.append(f"{each.key} is not synchronized by itself")
    return said


def _by(repository: RepositorySnapshot) -> str:
    _, group = reconcilers.deployed(repository.reconcilers)
    return listed(each.key for each in group)


def _days(earlier: str, later: str) -> int:
    return (date.fromisoformat(later) - date.fromisoformat(earlier)).days


def _finding(found: Reconciler, summary: str, *, evidence: tuple[str, ...] = ()) -> Finding:
    return Finding(
        cause=CauseId.RECONCILIATION_STOPPED,
        subject=Subject(found.kind, found.name, namespace=found.namespace),
        summary=summary,
        evidence=evidence,
        commands=(_look(found), _again(found)),
    )


def _look(found: Reconciler) -> Command:
    return command(
        "kubectl -n {namespace} get {resource} {name} -o yaml",
        namespace=found.namespace,
        resource=found.resource.qualified,
        name=found.name,
    )


def _again(found: Reconciler) -> Command:
    """What has it try again."""
    if found.kind == APPLICATIONS.kind:
        return command("argocd app sync {name}", name=found.name)
    kind = {"Kustomization": "kustomization", "HelmRelease": "helmrelease"}.get(found.kind, "source git")
    verb = "resume" if found.suspended else "reconcile"
    return command(
        f"flux {verb} {kind} {{name}} -n {{namespace}}", name=found.name, namespace=found.namespace
    )
