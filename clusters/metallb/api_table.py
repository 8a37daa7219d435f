"""The log lines that tell of requests which the API server refused, or which did not reach it.

Such a text is believed only where MetalLB or a library of its own writes what the API server answered: in a line of
client-go's, of controller-runtime's or a reconciler's, or of an operation that is a request. Elsewhere, as where an
address is allocated, the same words may be those of somebody who annotates a service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from clusters.cause_ids import CauseId
from clusters.metallb.log_lines import PROSE, Fields, without_quotations
from clusters.metallb.signature_table import API_RETRY_S, BOTH, Signature

_ACCOUNT = r"system:serviceaccount:[a-z0-9-]+:[a-z0-9.-]+"
_FORBIDDEN = rf'{PROSE}[a-z0-9.-]+(?: "[^"]*")? is forbidden: User "{_ACCOUNT}" cannot '
_UNREACHED = (
    rf'{PROSE}(?:Get|List|Watch|Post|Put|Patch|Delete) (?:"(?:https://[^"]*)?"|https://[^\s"]+): '
    r"(?:dial tcp|net/http: TLS handshake timeout|context deadline exceeded|EOF)"
)
_REFUSAL = re.compile(
    rf'{PROSE}[a-z0-9.-]+(?: "(?P<name>[a-z0-9.-]+)")? is forbidden: User "(?P<account>{_ACCOUNT})" '
    r'cannot (?P<verb>[a-z]+) resource "(?P<resource>[a-z0-9.-]+)(?:/(?P<part>[a-z]+))?"'
    r'(?: in API group "(?P<group>[a-z0-9.-]*)")?(?: in the namespace "(?P<namespace>[a-z0-9-]+)")?(?![^\s:])'
)

#: Who hands on what the API server answered: client-go's own files, and MetalLB's operations that are requests.
#: Lines of controller-runtime's and of reconcilers have neither operation nor event.
_CLIENT_GO: Mapping[str, str] = {"caller": r"^(?:reflector|leaderelection|event|request)\.go:\d+$"}
_REQUESTS: Mapping[str, str] = {
    "op": r"^(?:startup|updateServiceStatus|memberDiscovery|CreateMlSecret|Run)?$",
    "event": r"^$",
    "webhook": r"^$",
}
_WHERE = (("msg", _CLIENT_GO), ("err", _CLIENT_GO), ("error", _REQUESTS))

API_REQUESTS = tuple(
    Signature(
        id=f"{name}-{where}",
        cause=cause,
        components=BOTH,
        where={**believed, where: text},
        lasts=API_RETRY_S,
        certain=certain,
        source="client-go and controller-runtime",
    )
    for name, cause, text, certain in (
        ("forbidden", CauseId.PERMISSION_MISSING, _FORBIDDEN, True),
        (
            "kind-unknown",
            CauseId.CRD_OUTDATED,
            rf'{PROSE}no matches for kind "\w+" in version "metallb\.io/',
            True,
        ),
        (
            "resource-unknown",
            CauseId.CRD_OUTDATED,
            rf"{PROSE}(?:the server )?could not find the requested resource",
            False,
        ),
        ("api-unreachable", CauseId.API_UNREACHABLE, _UNREACHED, False),
    )
    for where, believed in _WHERE
)
"""All rows."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What the API server refuses to an account: verb, resource ("services" with part "status"), and where."""

    account: str
    verb: str
    resource: str
    part: str = ""
    group: str = ""
    namespace: str = ""
    name: str = ""


def refusal_in(signature: Signature, fields: Fields) -> Refusal | None:
    """The refusal that a line of this signature hands on; None where it does not say it whole.

    Only what the signature looks at is read: the rest of a line may be anybody's words.
    """
    for name in signature.where:
        if found := _REFUSAL.match(without_quotations(fields.get(name, ""))):
            return Refusal(**{part: value or "" for part, value in found.groupdict().items()})
    return None
