"""Bearing with an API server that is away for a while, as long as something is left to undo in it.

An undo that gives up leaves a cluster changed, so it bears what anything else would be ended by: no answer, half of
one, 5xx, "come back later", a login that is being renewed, a certificate that is being replaced.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from clusters import budgets, wait
from clusters.api import (
    Api,
    ApiError,
    CertificateInvalid,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    KubeconfigInvalid,
    NotFound,
    Overloaded,
    Resource,
    ServerFault,
    TimedOut,
    Unauthorized,
    Unreachable,
    WebhookFailed,
)
from clusters.budgets import Budget
from clusters.objects import Object

T = TypeVar("T")

#: What passes by itself, or when somebody else has fixed it.
BLIPS = (Unreachable, TimedOut, ServerFault, Overloaded, Unauthorized, CertificateInvalid)
#: What the API server has decided, or nobody else will fix; an answer that is none of the API's is not among it.
_DECIDED = (NotFound, Conflict, Expired, Invalid, Forbidden, WebhookFailed, KubeconfigInvalid)


def passes(fault: BaseException) -> bool:
    """Whether a fault says nothing about what was asked for, so that it is asked again."""
    if isinstance(fault, BLIPS):
        return True
    is_decided = isinstance(fault, _DECIDED) or (isinstance(fault, ApiError) and 400 <= fault.status < 500)
    return isinstance(fault, ApiError) and not is_decided


class Patience:
    """How long one API server is borne with, for everything that is undone in it at a time.

    An outage is borne as long as the budget api_back, once: what comes next while it lasts is tried only once.
    `lost` is how many requests got no answer to go by.
    """

    def __init__(self) -> None:
        self._since = 0.0
        self._lock = threading.Lock()
        self.lost = 0

    def bear(self, ask: Callable[[], T]) -> T:
        """What the API server answers, as soon as it does; its last fault where it does not."""

        def once() -> T:
            try:
                answer = ask()
            except ApiError as fault:
                if passes(fault):
                    with self._lock:
                        self.lost += 1
                        self._since = self._since or time.monotonic()
                raise
            self._since = 0.0
            return answer

        budget = budgets.get(budgets.API_BACK)
        left = budget.within - (time.monotonic() - self._since) if self._since else budget.within
        return wait.bear(once, passes=passes, budget=replace(budget, within=max(0.0, left)), pause=asked_for)


class PatientApi(Api):
    """A door to the API server behind which somebody bears with it."""

    def __init__(self, api: Api) -> None:
        super().__init__(api.transport)
        self.patience = Patience()

    def get(self, res: Resource, name: str, namespace: str | None = None) -> Object:
        """As `Api.get`."""
        return self.patience.bear(lambda: Api.get(self, res, name, namespace))

    def list(
        self, res: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Object]:
        """As `Api.list`."""
        return self.patience.bear(lambda: Api.list(self, res, namespace, labels=labels, fields=fields))

    def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        """As `Api.create`; AlreadyExists also where the answer to the creation got lost."""
        return self.patience.bear(lambda: Api.create(self, obj, dry_run=dry_run))

    def patch(self, *arguments: Any, **options: Any) -> Object:
        """As `Api.patch`; Conflict also where the answer to a change of that version got lost."""
        return self.patience.bear(lambda: Api.patch(self, *arguments, **options))

    def delete(self, *arguments: Any, **options: Any) -> None:
        """As `Api.delete`; NotFound also where the answer to the deletion got lost."""
        self.patience.bear(lambda: Api.delete(self, *arguments, **options))


def until(
    api: Api,
    claim: str,
    *,
    read: Callable[[], T],
    accept: Callable[[T], bool],
    budget: Budget,
    tolerate: tuple[type[Exception], ...] = BLIPS,
) -> T:
    """`wait.until`; where the API server was away meanwhile, the claim has its whole budget once more."""

    def once() -> T:
        return wait.until(claim, read=read, accept=accept, budget=budget, tolerate=tolerate)

    patience = api.patience if isinstance(api, PatientApi) else None
    lost = patience.lost if patience else 0
    try:
        return once()
    except wait.NotWithinBudget:
        if patience is None or patience.lost == lost:
            raise
        return once()


def asked_for(fault: BaseException) -> float:
    """How long the API server asks to be left alone (Retry-After), in seconds."""
    return fault.retry_after if isinstance(fault, Overloaded) else 0.0
