"""Making one change: what it will do is found out and written into the journal first, then it is done."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from clusters import budgets, wait
from clusters.api import Api, ApiError, CertificateInvalid, KubeconfigInvalid, Unreachable, WebhookFailed
from clusters.api.resources import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES
from clusters.changes.changed_fields import Field, Path, Target, differences, storable
from clusters.changes.undo import (
    RUN_LABEL,
    HostUndo,
    by_host,
    to_create,
    to_delete,
    to_nothing,
    to_restore,
)
from clusters.changes.undo_forms import action_fault
from clusters.errors import Inconclusive
from clusters.journal import Entry, Journal
from clusters.objects import Object

Patch = Object | list[Any]
T = TypeVar("T")

MANAGER_LABEL, MANAGER = "app.kubernetes.io/managed-by", "metallb-conformance"
_METALLB = "metallb.io"
#: Deleting one of these takes other people's objects with it, which no journal can bring back.
_NEVER_DELETED = frozenset({NAMESPACES, CUSTOM_RESOURCE_DEFINITIONS})


class ForeignObject(ValueError):  # noqa: N818 - named by what it is about, as this project's errors are
    """A mistake in a check: it would change what is not the run's own, without saying why."""


class Send(Protocol):
    """A change as a request that can also be tried."""

    def __call__(self, *, dry_run: bool) -> Object:
        """Send it; a dry run gives what would come of it."""
        ...


class Lease(Protocol):
    """Whether the run still has the cluster."""

    @property
    def lost(self) -> str:
        """Nothing ("") while it holds, else why nothing may be changed any more."""
        ...


class Maker:
    """Makes the changes of one run. Every method returns an object, and the number of its journal entry.

    The number is 0 where an earlier entry covers the change as well.
    """

    def __init__(self, api: Api, journal: Journal, run_id: str) -> None:
        self._api, self._journal, self._run = api, journal, run_id
        self.labels = {MANAGER_LABEL: MANAGER, RUN_LABEL: run_id}
        #: What says whether the run may still change anything, once it has taken the cluster's Lease.
        self.lease: Lease | None = None

    def create(self, obj: Object, *, home: str, foreign: str) -> tuple[int, Object]:
        """Create a labelled copy of `obj`, which has a name and, if it needs one, a namespace.

        `home` is the run's own namespace, "" where it has none yet.
        """
        obj = copy.deepcopy(obj)
        res, metadata = self._api.resource_for(obj), obj["metadata"]
        target = Target(res, metadata["name"], metadata.get("namespace") if res.namespaced else None, foreign)
        own = res.group == _METALLB or (home and target.namespace == home)
        if not (own or foreign):
            raise ForeignObject(f"{target} would not be in the run's namespace")
        metadata["labels"] = (metadata.get("labels") or {}) | self.labels
        seq = self.record(f"create {target}", to_delete(target, self._run))
        return seq, self._make(seq, lambda: self._api.create(obj))

    def patch(self, target: Target, patch: Patch, *, kind: str, subresource: str) -> tuple[int, Object]:
        """Patch one object."""

        def send(*, dry_run: bool) -> Object:
            return self._api.patch(
                target.res,
                target.name,
                patch,
                target.namespace,
                kind=kind,
                subresource=subresource,
                dry_run=dry_run,
            )

        return self._change(target, send, subresource=subresource)

    def apply(self, obj: Object, *, home: str, foreign: str) -> tuple[int, Object]:
        """Create `obj`, or apply it over the one that is there, taking over fields of other managers.

        What this run deleted or changed before is brought back by it: fields that become what they were are
        no change of their own, so that undoing goes straight to how it was, and not by way of the damage.
        """
        res, metadata = self._api.resource_for(obj), obj["metadata"]
        target = Target(res, metadata["name"], metadata.get("namespace") if res.namespaced else None, foreign)
        if target.read(self._api) is not None:
            return self._change(
                target, lambda *, dry_run: self._api.apply(obj, dry_run=dry_run, force=True), subresource=""
            )
        lost = next((each for each in self._earlier(target) if each.undo["kind"] == "create"), None)
        if lost is None:
            return self.create(obj, home=home, foreign=foreign)
        fields = differences(lost.undo["object"], self._api.create(obj, dry_run=True))
        if not fields:
            return 0, self._api.create(obj)
        seq = self.record(f"make {target} again", to_restore(target, fields, ""))
        return seq, self._make(seq, lambda: self._api.create(obj))

    def delete(self, target: Target, *, grace: int | None) -> tuple[int, Object]:
        """Delete one object; a pod with a controller is not made again, that is the controller's task."""
        if target.res in _NEVER_DELETED:
            raise ForeignObject(f"{target} is never deleted: what it holds could not be put back")
        before = self._api.get(target.res, target.name, target.namespace)
        self._may_touch(target, before)
        metadata = before["metadata"]
        undo = to_create(target, storable(before), metadata["uid"])
        if any(owner.get("controller") for owner in metadata.get("ownerReferences") or []):
            undo = to_nothing("its controller makes another")
        seq = self.record(f"delete {target}", undo)

        def send() -> Object:
            self._api.delete(target.res, target.name, target.namespace, grace=grace, uid=metadata["uid"])
            return before

        return seq, self._make(seq, send)

    def take_over(self, target: Target, patch: Object) -> Object:
        """Make an object this run's own that a dead run left; its undo deletes it, as if this run had made it.

        `patch` names the resourceVersion that it is based on: Conflict where the object is another by now.
        """
        seq = self.record(f"take over {target}", to_delete(target, self._run))
        metadata = {**patch["metadata"], "labels": self.labels}
        whole = {**patch, "metadata": metadata}
        return self._make(seq, lambda: self._api.patch(target.res, target.name, whole, target.namespace))

    def host(self, undo: HostUndo) -> int:
        """Record a change outside the API server that is about to be made."""
        if fault := action_fault(undo.action, dict(undo.args)):
            raise ForeignObject(f"{undo.text} could not be undone: {fault}")
        return self.record(undo.text, by_host(undo))

    def record(self, change: str, undo: Object) -> int:
        """One entry of the journal; the first one says which cluster it is about.

        Every change passes here before it is made, so here ends a run that has lost the cluster's Lease: Inconclusive.
        """
        if self.lease is not None and (lost := self.lease.lost):
            raise Inconclusive(lost, remedy="Run again when no other run has the cluster.")
        if self._journal.header is None:
            self._journal.identify(
                uid=self._api.uid(), kubeconfig=str(self._api.kubeconfig), context=self._api.context
            )
        return self._journal.record(change, undo)

    def _change(self, target: Target, send: Send, *, subresource: str) -> tuple[int, Object]:
        """Do what `send` does to an object that is there, after its present fields are in the journal."""

        def look() -> tuple[Object, Object]:
            found = self._api.get(target.res, target.name, target.namespace)
            self._may_touch(target, found)
            return found, send(dry_run=True)

        before, after = wait.until(
            f"{target} is not changed by others while it is looked at",
            read=look,
            accept=lambda pair: _version(pair[0]) == _version(pair[1]),
            budget=budgets.get(budgets.CONFLICT_SETTLED),
        )
        fields = differences(before, after, status=subresource == "status")
        found = self._origins(target, subresource)
        rest = [field for field in fields if found.get(field.path) != (field.has, field.new)]
        if found and not rest:
            return 0, send(dry_run=False)
        undo = to_restore(target, rest, subresource, uid=before["metadata"]["uid"])
        names = ", ".join(".".join(field.path) for field in rest) or "nothing"
        seq = self.record(f"change {names} of {target}", undo)
        return seq, self._make(seq, lambda: send(dry_run=False))

    def _earlier(self, target: Target) -> list[Entry]:
        """What this run has changed of the same object and not undone, the newest first."""
        return [each for each in self._journal.pending() if target.is_of(each)]

    def _origins(self, target: Target, subresource: str) -> dict[Path, tuple[bool, Any]]:
        """Of fields that this run has changed: whether they were there before all of it, and as what."""
        return {
            field.path: (field.had, field.old)
            for each in self._earlier(target)
            if each.undo["kind"] == "restore" and each.undo["subresource"] == subresource
            for field in map(Field.from_json, each.undo["fields"])
        }

    def _make(self, seq: int, act: Callable[[], T]) -> T:
        """Do what entry `seq` is about; where it certainly did not happen the entry is void."""
        try:
            result = act()
        except ApiError as error:
            if _did_not_happen(error):
                self._journal.undone(seq)
            raise
        self._journal.made(seq)
        return result

    def _may_touch(self, target: Target, found: Object) -> None:
        labels = found["metadata"].get("labels") or {}
        if labels.get(RUN_LABEL) != self._run and not target.foreign:
            raise ForeignObject(f"{target} was not made by this run: say in `foreign` why it is changed")


def _did_not_happen(error: ApiError) -> bool:
    """Whether it is certain that nothing came of a request: it was turned away, or never sent.

    Whatever else went wrong, an answer that cannot be read for one, it may have been carried out.
    """
    if isinstance(error, Unreachable):
        return not error.sent
    turned_away = isinstance(error, WebhookFailed | CertificateInvalid | KubeconfigInvalid)
    return turned_away or 400 <= error.status < 500


def _version(obj: Object) -> str:
    return str(obj["metadata"]["resourceVersion"])
