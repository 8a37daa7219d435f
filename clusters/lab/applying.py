"""Applies manifests to the young cluster, in an order that needs no second try."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from clusters import wait
from clusters.budgets import Budget
from clusters.lab.door import Answer, Door, object_path
from clusters.lab.hosts import LabFailed

Thing = dict[str, Any]

_ACCEPTED = Budget(
    name="lab.accepted",
    within=60,
    every=0.05,
    reason="an object that names a kind, an account or a webhook that is being made",
)

# What other objects stand on, first; what would refuse objects while its server is not there yet, last.
_WAVES: tuple[frozenset[str], ...] = (
    frozenset(
        {"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "PriorityClass"}
    ),
    frozenset({"ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Secret"}),
)
_LAST = frozenset({"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"})


def apply_all(door: Door, things: Iterable[Thing], *, pool: ThreadPoolExecutor) -> None:
    """Apply everything; every object is accepted when this returns."""
    for wave in waves(things):
        for done in [pool.submit(apply_one, door, thing) for thing in wave]:
            done.result()


def waves(things: Iterable[Thing]) -> list[list[Thing]]:
    """Objects in groups; those of one group do not depend on each other."""
    rest = list(things)
    ordered: list[list[Thing]] = []
    for kinds in _WAVES:
        ordered.append([thing for thing in rest if thing["kind"] in kinds])
        rest = [thing for thing in rest if thing["kind"] not in kinds]
    ordered.append([thing for thing in rest if thing["kind"] not in _LAST])
    ordered.append([thing for thing in rest if thing["kind"] in _LAST])
    return ordered


def apply_one(door: Door, thing: Thing) -> None:
    """Apply one object, again while what it depends on is still coming up.

    Raises `LabFailed` with the API server's words when it is refused for good.
    """

    def accepted(answer: Answer) -> bool:
        return answer.status in (200, 201)

    def refused(answer: Answer) -> str | None:
        return answer.message if answer.status in (400, 401, 403, 405, 422) else None

    try:
        wait.until(
            f"{object_path(thing)} is accepted",
            read=lambda: door.try_apply(thing),
            accept=accepted,
            give_up=refused,
            budget=_ACCEPTED,
        )
    except wait.NotWithinBudget as error:
        raise LabFailed(f"The lab's API server did not take {object_path(thing)}: {error}") from error
