"""The only way to change a cluster: every change is in the journal, on disk, before it is made.

What a run makes stands in one namespace, made for that, and carries its labels. What it did not make it touches only
where the caller says why, and puts back exactly the fields that it changed. Collections are never deleted.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from clusters import budgets, wait
from clusters.api import Api, Resource
from clusters.api.resources import NODES
from clusters.changes.changed_fields import Target
from clusters.changes.cleanup import clean, not_undone
from clusters.changes.cluster_lease import ClusterLease, JoinedLease
from clusters.changes.object_changes import ForeignObject, Maker, Patch
from clusters.changes.undo import HostUndo, await_gone, to_wait
from clusters.changes.workspace import own_name, unique_name
from clusters.checks import Level
from clusters.errors import Refused
from clusters.journal import Entry, Journal, NotJournalled
from clusters.objects import Object, status_of


class Changes:
    """What one run changes in one cluster. Threads may share it.

    Methods named by a past participle (`created`, `patched`) are context managers that undo their one change
    at the end of the block and wait until it is undone; the imperatives (`create`, `patch`) leave that to the
    end of the `scope` or of the run. All raise the errors of `clusters.api`, and ForeignObject for a mistake.
    `notes` tells what an undo left alone, and why. `workloads` is the namespace that is there for the objects of
    runs; "" makes one for this run.
    """

    def __init__(self, api: Api, journal: Journal, run_id: str, *, workloads: str = "") -> None:
        self._api, self._journal, self.run_id = api, journal, run_id
        self._workloads = workloads
        self._maker = Maker(api, journal, run_id)
        self._home, self._home_seq = "", 0
        self._serial = itertools.count(1)
        self._lease: ClusterLease | None = None
        self.notes: list[str] = []

    @property
    def labels(self) -> dict[str, str]:
        """The labels that everything made by this run carries."""
        return dict(self._maker.labels)

    @property
    def pending(self) -> int:
        """How many changes are not undone yet."""
        return len(self._journal.pending())

    def serial(self) -> int:
        """A number that this object has not given before, to make names of."""
        return next(self._serial)

    def name(self, word: str) -> str:
        """A name for an object of this run that no other object has, of this run or another; begins with `word`."""
        return unique_name(word, self.serial(), run_id=self.run_id, shared=bool(self._workloads))

    def namespace(self) -> str:
        """The namespace of the run's objects; where the run makes it, at the first call, and it goes with the run."""
        if not self._home:
            self._home = self._workloads or self._own_namespace()
        return self._home

    def _own_namespace(self) -> str:
        name = own_name(self.run_id)
        obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self._home_seq, _ = self._maker.create(obj, home="", foreign="the run's own namespace")
        return name

    def take_lease(self, namespace: str, level: Level) -> ClusterLease:
        """Take the whole cluster, by a Lease in `namespace`, until the run ends; before any other change.

        Raises Refused where another run has it, or where no journal can be written.
        """
        lease = ClusterLease(self._api, self._maker, self.run_id, namespace=namespace, level=level)
        try:
            lease.take()
        except NotJournalled as error:
            raise Refused(str(error.args[0]), remedy=error.remedy) from error
        self._lease = self._maker.lease = lease
        return lease

    def join(self, namespace: str) -> JoinedLease:
        """Go by the Lease, in `namespace`, that another process of this run has of the cluster."""
        joined = self._maker.lease = JoinedLease(self._api, self.run_id, namespace=namespace)
        return joined

    def create(self, obj: Object, *, foreign: str = "") -> Object:
        """Create `obj`, labelled, in the run's namespace where it names none; returns it as stored.

        Objects of MetalLB's own API may stand in MetalLB's namespace. Anything else outside the run's
        namespace needs `foreign`: why it must be there.
        """
        return self._create(obj, foreign)[1]

    @contextmanager
    def created(self, obj: Object, *, foreign: str = "") -> Iterator[Object]:
        """`create` for the length of a block; at its end the object is deleted and gone."""
        seq, made = self._create(obj, foreign)
        with self._undone_after(seq):
            yield made

    def patch(
        self,
        res: Resource,
        name: str,
        patch: Patch,
        namespace: str | None = None,
        *,
        kind: str = "merge",
        subresource: str = "",
        foreign: str = "",
    ) -> Object:
        """Change one object and remember the previous values of exactly the fields that change.

        `foreign` says why, where the object is not the run's own.
        """
        target = Target(res, name, namespace, foreign)
        return self._maker.patch(target, patch, kind=kind, subresource=subresource)[1]

    @contextmanager
    def patched(
        self,
        res: Resource,
        name: str,
        patch: Patch,
        namespace: str | None = None,
        *,
        kind: str = "merge",
        subresource: str = "",
        foreign: str = "",
    ) -> Iterator[Object]:
        """`patch` for the length of a block; at its end the fields are as they were."""
        target = Target(res, name, namespace, foreign)
        seq, now = self._maker.patch(target, patch, kind=kind, subresource=subresource)
        with self._undone_after(seq):
            yield now

    def apply(self, obj: Object, *, foreign: str = "") -> Object:
        """Make the cluster hold `obj`: create it, or apply it over what is there, which is put back later."""
        return self._maker.apply(self._placed(obj), home=self._home, foreign=foreign)[1]

    @contextmanager
    def applied(self, obj: Object, *, foreign: str = "") -> Iterator[Object]:
        """`apply` for the length of a block."""
        seq, now = self._maker.apply(self._placed(obj), home=self._home, foreign=foreign)
        with self._undone_after(seq):
            yield now

    def delete(
        self,
        res: Resource,
        name: str,
        namespace: str | None = None,
        *,
        grace: int | None = None,
        foreign: str = "",
    ) -> Object:
        """Delete one object and return what it was; the undo makes it again, unless its controller does.

        Returns as soon as the API server has accepted the deletion. `grace` is in seconds, 0 kills at once.
        """
        return self._maker.delete(Target(res, name, namespace, foreign), grace=grace)[1]

    @contextmanager
    def deleted(
        self,
        res: Resource,
        name: str,
        namespace: str | None = None,
        *,
        grace: int | None = None,
        foreign: str = "",
    ) -> Iterator[Object]:
        """One object gone for the length of a block, and made again at its end as it was."""
        target = Target(res, name, namespace, foreign)
        seq, before = self._maker.delete(target, grace=grace)
        try:
            await_gone(self._api, target, uid=before["metadata"]["uid"])
            yield before
        finally:
            # Where it was made again meanwhile, in another form, that form is undone first.
            self._undo([one for one in self._journal.pending(after=seq - 1) if target.is_of(one)])

    def label_node(self, name: str, labels: Mapping[str, str | None]) -> Object:
        """Set labels of a node; None takes one away."""
        return self.patch(NODES, name, {"metadata": {"labels": dict(labels)}}, foreign="a label of a node")

    @contextmanager
    def labelled_node(self, name: str, labels: Mapping[str, str | None]) -> Iterator[Object]:
        """`label_node` for the length of a block."""
        patch: Object = {"metadata": {"labels": dict(labels)}}
        with self.patched(NODES, name, patch, foreign="a label of a node") as node:
            yield node

    @contextmanager
    def scaled(
        self, res: Resource, name: str, replicas: int, *, namespace: str | None = None, foreign: str = ""
    ) -> Iterator[Object]:
        """Another number of replicas for the length of a block; both ways all of them are waited for."""
        place = namespace or self.namespace()
        with self.patched(res, name, {"spec": {"replicas": replicas}}, place, foreign=foreign):
            yield self._rolled_out(res, name, place)
        self._rolled_out(res, name, place)

    def host(self, undo: HostUndo) -> int:
        """Say what is about to be changed outside the API server; returns the number to give to `undo`."""
        return self._maker.host(undo)

    @contextmanager
    def host_change(self, undo: HostUndo) -> Iterator[None]:
        """A change outside the API server, made in the block and undone at its end."""
        with self._undone_after(self.host(undo)):
            yield

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Undo at the end of the block what was changed in it and still is, the newest first.

        The run's namespace stays. Raises CleanupFailed that names what could not be undone.
        """
        mark = self._journal.last
        try:
            yield
        finally:
            left = self._journal.pending(after=mark)
            self._undo([entry for entry in left if entry.seq != self._home_seq])

    @contextmanager
    def awaited(self, addresses: Mapping[str, tuple[str, ...]]) -> Iterator[None]:
        """At the end of the block wait until services hold these addresses, by "namespace/name".

        What was changed before the block, to protect the addresses, is undone only after that.
        """
        with self._undone_after(self._maker.record("addresses may be lost meanwhile", to_wait(addresses))):
            yield

    def undo(self, seq: int) -> None:
        """Undo one change now; nothing happens where it is undone already. Raises CleanupFailed."""
        self._undo([entry for entry in self._journal.pending() if entry.seq == seq])

    def undo_all(self) -> None:
        """Undo everything, the newest first, and let go of the journal.

        A failure does not stop the rest. Raises CleanupFailed that names every change that may be left.
        """
        result = clean(self._api, self._journal, self._journal.pending())
        if self._lease is not None:
            self._lease.end()  # only now: undoing may take longer than the Lease lasts
        self.notes += result.notes
        self._journal.close()
        self._home = ""
        if result.failures:
            raise not_undone(self._journal, result.failures)

    def _undo(self, entries: list[Entry]) -> None:
        result = clean(self._api, self._journal, entries)
        self.notes += result.notes
        if result.failures:
            raise not_undone(self._journal, result.failures)
        if result.interrupted:
            raise KeyboardInterrupt  # held back while undoing; now it may end what it was meant for

    @contextmanager
    def _undone_after(self, seq: int) -> Iterator[None]:
        try:
            yield
        finally:
            self.undo(seq)

    def _create(self, obj: Object, foreign: str) -> tuple[int, Object]:
        return self._maker.create(self._placed(obj), home=self._home, foreign=foreign)

    def _placed(self, obj: Object) -> Object:
        """`obj` with a namespace, the run's own where it names none."""
        if not obj["metadata"].get("name"):
            raise ForeignObject("an object needs a name: one that the server makes up could not be undone")
        if obj["metadata"].get("namespace") or not self._api.resource_for(obj).namespaced:
            return obj
        obj = copy.deepcopy(obj)
        obj["metadata"]["namespace"] = self.namespace()
        return obj

    def _rolled_out(self, res: Resource, name: str, namespace: str) -> Object:
        def is_done(found: Object) -> bool:
            status, wanted = status_of(found), found["spec"].get("replicas", 1)
            seen = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
            return seen and {status.get("replicas", 0), status.get("readyReplicas", 0)} == {wanted}

        return wait.until(
            f"{res.describe(name, namespace)} runs as many replicas as it should",
            read=lambda: self._api.get(res, name, namespace),
            accept=is_done,
            budget=budgets.get(budgets.ROLLOUT),
        )
