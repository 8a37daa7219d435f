"""The profile's field `metrics`: how MetalLB's metrics may be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from clusters.metallb import install

_NAME = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
_ACCOUNT = re.compile(rf"({_NAME}/)?{_NAME}")
_TOKEN_REQUEST = "token-request"  # noqa: S105 - a word of the profile
_FORMS = (
    "give no, token-request, or {token-request: NAME} with the name of a service account in MetalLB's namespace "
    "(NAMESPACE/NAME in another one)"
)


@dataclass(frozen=True)
class Metrics:
    """How MetalLB's metrics may be read. `account` is the service account whose token is sent to its pods.

    Without an account only pods that ask for no login are asked, those up to 0.15. `given` says whether the
    profile has a word on it.
    """

    allowed: bool = True
    account: str = ""
    given: bool = False

    def of(self, namespace: str, *, by_default: bool) -> Metrics:
        """The same with the account's namespace; with `by_default` the usual account where nothing is given."""
        account = install.METRICS_ACCOUNT if by_default and not self.given else self.account
        if account and "/" not in account:
            account = f"{namespace}/{account}"
        return Metrics(allowed=self.allowed, account=account, given=self.given)


def parse(value: Any) -> Metrics:
    """The field as the profile has it. Raises ValueError for any other form.

    YAML reads a plain `no` as false.
    """
    if isinstance(value, Metrics):
        return value
    if value is False or value == "no":
        return Metrics(allowed=False, given=True)
    if value == _TOKEN_REQUEST:
        return Metrics(account=install.METRICS_ACCOUNT, given=True)
    if isinstance(value, dict) and set(value) == {_TOKEN_REQUEST}:
        account = value[_TOKEN_REQUEST]
        if isinstance(account, str) and _ACCOUNT.fullmatch(account):
            return Metrics(account=account, given=True)
    raise ValueError(_FORMS)
