"""Undoing one journal entry: what each kind of undo does, how it knows its own, and when it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from clusters import budgets, wait
from clusters.api import AlreadyExists, Api, Conflict, Invalid, NoSuchResource, NotFound, WebhookFailed
from clusters.api.resources import NAMESPACES, PODS, SERVICES
from clusters.changes import undo_forms
from clusters.changes.changed_fields import Field, Target, restoring, storable, without_numbers
from clusters.changes.patient_api import BLIPS, until
from clusters.errors import CleanupFailed
from clusters.journal import Entry
from clusters.metallb import services
from clusters.objects import Object, spec_of

RUN_LABEL = "metallb-conformance/run"
#: Emptying a namespace takes rounds, and a pod has its grace.
_GONE = {NAMESPACES: budgets.NAMESPACE_GONE, PODS: budgets.POD_GONE}
#: MetalLB's own objects are refused until its webhook serves, which may just have been made again itself.
_PATIENT = {"metallb.io": budgets.WEBHOOK_READY}


@dataclass(frozen=True, kw_only=True)
class HostUndo:
    """How to undo a change outside the API server: call `action` ("clusters.faults.lab_hosts:plug_in") with `args`.

    The function is found by name so that another process can call it after this one was killed: it must stand in
    `undo_forms`, and do no harm when there is nothing to undo. `text` says in a few words what was changed.
    """

    text: str
    action: str
    args: Mapping[str, Any] = field(default_factory=dict)


def to_delete(target: Target, run: str) -> Object:
    """The undo of a creation."""
    return {"kind": "delete", **target.as_json(), "run": run}


def to_create(target: Target, obj: Object, uid: str) -> Object:
    """The undo of a deletion: `obj` as it can be created again, `uid` of the deleted one."""
    return {"kind": "create", **target.as_json(), "object": obj, "uid": uid}


def to_restore(target: Target, fields: list[Field], subresource: str, *, uid: str = "") -> Object:
    """The undo of a patch; `uid` of the object that was changed, where it was there before."""
    listed = [each.as_json() for each in fields]
    return {
        "kind": "restore",
        **target.as_json(),
        "fields": listed,
        "subresource": subresource,
        **({"uid": uid} if uid else {}),
    }


def to_nothing(why: str) -> Object:
    """The undo of a change that undoes itself, with the reason."""
    return {"kind": "nothing", "why": why}


def by_host(undo: HostUndo) -> Object:
    """The undo of a change outside the API server."""
    return {"kind": "host", "action": undo.action, "args": dict(undo.args)}


def to_wait(addresses: Mapping[str, tuple[str, ...]]) -> Object:
    """The undo that waits until services hold their addresses, by "namespace/name"; it changes nothing."""
    return {"kind": "wait", "addresses": {name: list(held) for name, held in addresses.items()}}


def perform(api: Api, entry: Entry) -> str:
    """Undo one change and wait until it is undone; returns what is worth telling about it, as a rule "".

    Raises ConformanceError where it could not be undone.
    """
    kinds: dict[str, Callable[[Api, Entry], str]] = {
        "delete": _delete,
        "create": _create,
        "restore": _restore,
        "host": _host,
        "wait": _wait,
        "nothing": lambda _api, _entry: "",
    }
    kind = entry.undo["kind"]
    if kind not in undo_forms.kinds():
        raise CleanupFailed(
            f"The journal has a change of an unknown kind {kind!r}: {entry.change}.",
            remedy="It is of a newer version of this project: sweep with that one.",
        )
    if fault := undo_forms.undo_fault(entry.undo):
        raise CleanupFailed(
            f"The journal does not say how to undo it: {fault}.",
            remedy="Look at the object by hand, and who else may write to the folder of journals.",
        )
    return kinds[kind](api, entry)


def _settled(
    entry: Entry, read: Callable[[], Object | None], accept: Callable[[Object | None], bool]
) -> Object | None:
    """What `read` gives; where nobody knows whether the change was made, it is given time to happen."""
    first = read()
    if entry.made or accept(first):
        return first
    claim = f"it can be seen what became of: {entry.change}"
    try:
        return wait.until(
            claim, read=read, accept=accept, budget=budgets.get(budgets.REQUEST_LATE), tolerate=BLIPS
        )
    except wait.NotWithinBudget:
        return read()


def _delete(api: Api, entry: Entry) -> str:
    target, run = Target.from_json(entry.undo), entry.undo["run"]
    found = _settled(entry, lambda: target.read(api), lambda seen: seen is not None)
    if found is None:
        return ""
    if (found["metadata"].get("labels") or {}).get(RUN_LABEL) != run:
        return f"{target} was left alone: it is not the one that this run made"
    uid = found["metadata"]["uid"]
    _ask_to_delete(api, target, uid)
    await_gone(api, target, uid=uid)
    return ""


def _ask_to_delete(api: Api, target: Target, uid: str) -> None:
    try:
        api.delete(target.res, target.name, target.namespace, uid=uid)
    except NotFound:
        return
    except Conflict:
        now = target.read(api)
        if now is not None and now["metadata"]["uid"] == uid:
            raise


def await_gone(api: Api, target: Target, *, uid: str) -> None:
    """Wait until the object with this UID is really gone. Raises NotWithinBudget with what keeps it."""

    def why_it_is_there() -> str:
        found = target.read(api)
        if found is None or found["metadata"]["uid"] != uid:
            return ""
        metadata = found["metadata"]
        kept = metadata.get("finalizers") or spec_of(found).get("finalizers") or []
        since = metadata.get("deletionTimestamp", "never")
        return f"deleted: {since}, finalizers: {', '.join(map(str, kept)) or 'none'}"

    until(
        api,
        f"{target} is gone",
        read=why_it_is_there,
        accept=lambda reason: not reason,
        budget=budgets.get(_GONE.get(target.res, budgets.DELETED)),
    )


def _create(api: Api, entry: Entry) -> str:
    target, obj, uid = Target.from_json(entry.undo), entry.undo["object"], entry.undo["uid"]

    def is_lost(seen: Object | None) -> bool:
        return seen is None or seen["metadata"]["uid"] != uid or "deletionTimestamp" in seen["metadata"]

    found = _settled(entry, lambda: target.read(api), is_lost)
    if not is_lost(found):
        return ""
    await_gone(api, target, uid=uid)
    try:
        return _create_again(api, target, obj)
    except NoSuchResource:
        gone = f"the cluster has no {target.res.qualified} any more"
    except NotFound:
        gone = f"its namespace {target.namespace} is gone"
    # No run deletes these, so somebody has removed all of it since.
    return f"{target} was not made again: {gone}"


def _create_again(api: Api, target: Target, obj: Object) -> str:
    """Create `obj`, patiently: a request of the killed run may still be under way and hold its addresses."""
    try:
        now = until(
            api,
            f"{target} is there again",
            read=lambda: _there_or_created(api, target, obj),
            accept=bool,
            budget=budgets.get(_PATIENT.get(target.res.group, budgets.CONFLICT_SETTLED)),
            tolerate=(Invalid, WebhookFailed, *BLIPS),
        )
    except wait.NotWithinBudget:
        renumbered = without_numbers(obj)
        if renumbered == obj:
            raise
        _there_or_created(api, target, renumbered)
        return f"{target} has other numbers (cluster address, node ports) now: its former ones are taken"
    return "" if storable(now) == obj else f"{target} was left as it is: it was made again meanwhile"


def _there_or_created(api: Api, target: Target, obj: Object) -> Object:
    """The object as it is, created where it is not there.

    Looked for first, because a webhook may refuse to create what is there. Creating a Service twice is not
    always AlreadyExists: its own cluster address is "already allocated" then.
    """
    if (found := target.read(api)) is not None:
        return found
    try:
        return api.create(obj)
    except (AlreadyExists, Invalid):
        if (found := target.read(api)) is not None:
            return found
        raise


def _restore(api: Api, entry: Entry) -> str:
    target, subresource = Target.from_json(entry.undo), entry.undo["subresource"]
    fields = [Field.from_json(each) for each in entry.undo["fields"]]

    def is_touched(seen: Object | None) -> bool:
        return seen is None or bool(restoring(seen, fields)[0])

    found = _settled(entry, lambda: target.read(api), is_touched)
    if found is None:
        return f"{target} is gone, so nothing of it was put back"
    if _is_replaced(target, found, entry.undo.get("uid")):
        return f"{target} was replaced by another of that name, so nothing of it was put back"
    try:
        left = until(
            api,
            f"{target} is as it was",
            read=lambda: _put_back(api, target, fields, subresource),
            accept=lambda _: True,
            budget=budgets.get(_PATIENT.get(target.res.group, budgets.CONFLICT_SETTLED)),
            tolerate=(Conflict, WebhookFailed, *BLIPS),
        )
    except NotFound:
        return f"{target} is gone, so nothing of it was put back"
    return f"{target}: {', '.join(left)} was changed by others since" if left else ""


def _is_replaced(target: Target, found: Object, uid: object) -> bool:
    """Whether a pod is another one than the one that was changed: a controller makes one of the same name anew.

    Of what runs delete and make again themselves the successor is theirs as well, so it is looked at field by field.
    """
    return target.res == PODS and bool(uid) and found["metadata"]["uid"] != uid


def _put_back(api: Api, target: Target, fields: list[Field], subresource: str) -> list[str]:
    """Put the fields back; Conflict where the object changed in between. Returns those left alone."""
    now = api.get(target.res, target.name, target.namespace)
    patch, left = restoring(now, fields)
    if patch:
        patch.setdefault("metadata", {})["resourceVersion"] = now["metadata"]["resourceVersion"]
        api.patch(target.res, target.name, patch, target.namespace, subresource=subresource)
    return left


def _host(_api: Api, entry: Entry) -> str:
    note = undo_forms.call(entry.undo["action"], entry.undo["args"])
    return note if isinstance(note, str) else ""


def _wait(api: Api, entry: Entry) -> str:
    wanted: dict[str, list[str]] = entry.undo["addresses"]

    def others() -> dict[str, list[str]]:
        """The services that are there and hold something else."""
        found = {one.key: list(map(str, one.ingress)) for one in map(services.parse, api.list(SERVICES))}
        return {name: found[name] for name, held in wanted.items() if found.get(name, held) != held}

    until(
        api,
        "every service holds its address again",
        read=others,
        accept=lambda left: not left,
        budget=budgets.get(budgets.REAPPLIED),
    )
    return ""
