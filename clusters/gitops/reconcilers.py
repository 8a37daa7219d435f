"""What applies the repository to the cluster: objects of Flux and Argo CD, what they applied, and if they still do.

Which they are is known from the marks that they leave on what they apply, and from the overlay where it names them. Of
each its own status is read: nothing is asked of Flux or Argo CD, and nothing is assumed of a cluster that has neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from clusters.api.errors import ApiError, NotFound
from clusters.api.resources import Resource
from clusters.checks.spec import may
from clusters.confinement import shown
from clusters.gitops.documents import listing, mapping
from clusters.gitops.history import Frozen
from clusters.objects import Object, metadata_of, spec_of, status_of

_FLUX = "toolkit.fluxcd.io"
KUSTOMIZATIONS = Resource(f"kustomize.{_FLUX}", "v1", "kustomizations", "Kustomization")
HELM_RELEASES = Resource(f"helm.{_FLUX}", "v2", "helmreleases", "HelmRelease")
GIT_REPOSITORIES = Resource(f"source.{_FLUX}", "v1", "gitrepositories", "GitRepository")
APPLICATIONS = Resource("argoproj.io", "v1alpha1", "applications", "Application")
_BY_KIND = {each.kind: each for each in (KUSTOMIZATIONS, HELM_RELEASES, GIT_REPOSITORIES, APPLICATIONS)}
#: What is read of them, where there are any.
READS = may("get", *(each.qualified for each in _BY_KIND.values()))

#: The labels by which Flux knows what is its own.
_OWNED_BY = ((KUSTOMIZATIONS, f"{KUSTOMIZATIONS.group}/"), (HELM_RELEASES, f"{HELM_RELEASES.group}/"))
_TRACKING = "argocd.argoproj.io/tracking-id"
#: Where Argo CD keeps its applications unless a mark says otherwise.
_ARGO_NAMESPACE = "argocd"
#: How a revision ends: main@sha1:0123…, main/0123…, or the commit alone.
_COMMIT = re.compile(r"(?:^|[:/])([0-9a-f]{40}|[0-9a-f]{64})$")
#: Flux's word for one that failed and waits for its next try: suspended, it makes none.
_BETWEEN_TRIES = "ProgressingWithRetry"
#: As many are followed, from what applies MetalLB to what applies that.
_MOST = 12
_LONGEST = 400


class Reader(Protocol):
    """What is needed of `clusters.api.Api`."""

    def get(self, res: Resource, name: str, namespace: str | None = None) -> Object:
        """One object. Raises ApiError."""


class Reconciler(Frozen):
    """One object that applies the repository, or fetches it.

    `commit` is the commit that it says it applied (of a GitRepository: fetched), empty where it names none. `failing`
    is its own word where it does not get on, `acting` whether it would undo a change of the live objects, `busy`
    whether it is applying something now, which it ends though it be suspended meanwhile. `unreadable` says why it was
    not read; the rest is empty then. `configures` is whether it applied a pool or an advertisement.
    """

    kind: str
    namespace: str
    name: str
    commit: str = ""
    suspended: bool = False
    acting: bool = True
    busy: bool = False
    failing: str = ""
    configures: bool = False
    unreadable: str = ""

    @property
    def key(self) -> str:
        """Its name in sentences: "Kustomization flux-system/metallb"."""
        return f"{self.kind} {shown(self.namespace)}/{shown(self.name)}"

    @property
    def mark(self) -> str:
        """What `read` asks for it by."""
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def resource(self) -> Resource:
        """What kind of object it is."""
        return _BY_KIND[self.kind]

    @property
    def applies(self) -> bool:
        """Whether it applies something, and does not only fetch it."""
        return self.kind != GIT_REPOSITORIES.kind


def applied_by(obj: Object) -> Iterator[str]:
    """What marks a live object as its own, as "Kustomization flux-system/metallb"."""
    metadata = metadata_of(obj)
    labels, annotations = mapping(metadata.get("labels")), mapping(metadata.get("annotations"))
    for resource, prefix in _OWNED_BY:
        name, namespace = (str(labels.get(f"{prefix}{part}") or "") for part in ("name", "namespace"))
        if name and namespace:
            yield f"{resource.kind} {namespace}/{name}"
    if tracked := str(annotations.get(_TRACKING) or "").partition(":")[0]:
        namespace, _, name = tracked.rpartition("_")
        yield f"{APPLICATIONS.kind} {namespace or _ARGO_NAMESPACE}/{name}"


def read(reader: Reader, marks: Mapping[str, bool]) -> tuple[Reconciler, ...]:
    """Those of `marks`, and what applies and feeds these; the value is whether it applied configuration.

    One that only the repository names, and that is not in the cluster, applies nothing there and is left out.
    """
    waiting, found = dict(marks), dict[str, Reconciler]()
    while waiting and len(found) < _MOST:
        key = next(iter(waiting))
        configures = waiting.pop(key)
        kind, _, place = key.partition(" ")
        namespace, _, name = place.partition("/")
        if key in found or kind not in _BY_KIND or not name:
            continue
        try:
            obj = reader.get(_BY_KIND[kind], name, namespace)
        except NotFound:
            continue
        except ApiError as error:
            found[key] = Reconciler(kind=kind, namespace=namespace, name=name, unreadable=str(error.args[0]))
            continue
        found[key] = of(obj).model_copy(update={"configures": configures})
        waiting |= {each: configures for each in (*applied_by(obj), *_sources(obj)) if each not in found}
    return tuple(found.values())


def of(obj: Object) -> Reconciler:
    """One object, from what stands in it."""
    kind, metadata = str(obj.get("kind")), metadata_of(obj)
    known = Reconciler(
        kind=kind, namespace=str(metadata.get("namespace") or ""), name=str(metadata.get("name"))
    )
    return known.model_copy(update=_STATES[kind](obj))


def deployed(found: Iterable[Reconciler]) -> tuple[str, tuple[Reconciler, ...]]:
    """The commit that is applied, by those who say so; empty where none says, or they do not agree.

    Who applied pools and advertisements is asked before the others.
    """
    saying = [each for each in found if each.applies and each.commit]
    for group in ([each for each in saying if each.configures], saying):
        commits = {each.commit for each in group}
        if len(commits) == 1:
            return commits.pop(), tuple(group)
        if commits:
            break
    return "", ()


def _sources(obj: Object) -> Iterator[str]:
    """What a Kustomization of Flux's takes its files from."""
    source = mapping(spec_of(obj).get("sourceRef"))
    if obj.get("kind") == KUSTOMIZATIONS.kind and source.get("kind") == GIT_REPOSITORIES.kind:
        namespace = source.get("namespace") or metadata_of(obj).get("namespace")
        yield f"{GIT_REPOSITORIES.kind} {namespace}/{source.get('name')}"


def _flux(obj: Object) -> Object:
    """What all of Flux's objects say in one way: whether they are suspended, and their conditions."""
    suspended = spec_of(obj).get("suspend") is True
    conditions = {each.get("type"): each for each in map(mapping, listing(status_of(obj).get("conditions")))}
    ready, under_way = conditions.get("Ready", {}), conditions.get("Reconciling", {})
    failing = f"{ready.get('reason')}: {ready.get('message')}" if ready.get("status") == "False" else ""
    return {
        "suspended": suspended,
        "acting": not suspended,
        "busy": under_way.get("status") == "True" and under_way.get("reason") != _BETWEEN_TRIES,
        "failing": shown(failing, most=_LONGEST),
    }


def _kustomization(obj: Object) -> Object:
    return {**_flux(obj), "commit": _commit(status_of(obj).get("lastAppliedRevision"))}


def _git_repository(obj: Object) -> Object:
    artifact = mapping(status_of(obj).get("artifact"))
    return {**_flux(obj), "commit": _commit(artifact.get("revision")), "acting": False}


def _application(obj: Object) -> Object:
    """Argo CD's: `sync.revision` is what was compared, which is what runs where that is in sync; else the last sync."""
    status = status_of(obj)
    sync, operation = mapping(status.get("sync")), mapping(status.get("operationState"))
    history = [mapping(each) for each in listing(status.get("history"))]
    last = history[-1] if history else mapping(operation.get("syncResult"))
    automatic = mapping(spec_of(obj).get("syncPolicy")).get("automated")
    acting = isinstance(automatic, dict) and automatic.get("enabled") is not False
    # One that is being synchronized is out of sync until that has ended, which is no failure.
    busy = bool(obj.get("operation")) or operation.get("phase") in {"Running", "Terminating"}
    failing = ""
    if operation.get("phase") in {"Failed", "Error"}:
        failing = f"{operation.get('phase')}: {operation.get('message')}"
    elif acting and not busy and sync.get("status") == "OutOfSync":
        failing = "OutOfSync, although it is to be synchronized by itself"
    return {
        "commit": _commit_of(sync if sync.get("status") == "Synced" else last),
        "acting": acting,
        "busy": busy,
        "failing": shown(failing, most=_LONGEST),
    }


def _commit_of(said: Object) -> str:
    """The commit of an application's source, or of the one among several that has one."""
    revisions = [said.get("revision"), *listing(said.get("revisions"))]
    found = {commit for each in revisions if (commit := _commit(each))}
    return found.pop() if len(found) == 1 else ""


def _commit(text: object) -> str:
    found = _COMMIT.search(text) if isinstance(text, str) else None
    return found[1] if found else ""


_STATES: Mapping[str, Callable[[Object], Object]] = {
    KUSTOMIZATIONS.kind: _kustomization,
    HELM_RELEASES.kind: _flux,
    GIT_REPOSITORIES.kind: _git_repository,
    APPLICATIONS.kind: _application,
}
