"""Ports as targets of tries, and what the attempts of one target amount to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from clusters.metallb import ranges
from clusters.observation.field_types import ProbeOutcome, Refusal
from clusters.observation.wire_records import TryEnd
from clusters.vantage import Attempt, Target

#: What can be tried; others are told as silent, which proves nothing.
PROTOCOLS = frozenset({"TCP", "UDP"})
_OUTCOMES = {
    "refused": ProbeOutcome.REFUSED,
    "host unreachable": ProbeOutcome.UNREACHABLE,
    "network unreachable": ProbeOutcome.UNREACHABLE,
    "network down": ProbeOutcome.UNREACHABLE,
    "prohibited": ProbeOutcome.UNREACHABLE,
}
_REFUSALS: dict[str, Refusal] = {each: each for each in get_args(Refusal)}


def target(address: str, port: int, protocol: str) -> Target:
    """What is tried of a port."""
    return Target(address=address, port=port, protocol=protocol.lower())


def summed(attempts: Sequence[Attempt], protocol: str) -> dict[str, Any]:
    """The fields of `Tries` for the attempts at one port."""
    if not attempts:
        why = "the vantage could not try it" if protocol in PROTOCOLS else f"{protocol} cannot be tried"
        return {"outcome": ProbeOutcome.SILENT, "detail": why}
    ends = _ends(attempts, protocol)
    answered = sum(end.count for end in ends if end.outcome is ProbeOutcome.ANSWERED)
    first = next((end for end in ends if end.outcome is ProbeOutcome.ANSWERED), None) or _telling(ends)
    return {
        "outcome": first.outcome,
        "detail": first.detail or next((end.detail for end in ends if end.detail), ""),
        "tries": len(attempts),
        "lost": len(attempts) - answered,
        "ends": ends,
    }


def refusals(attempts: Iterable[Attempt], protocol: str) -> tuple[TryEnd, ...]:
    """The tries that somebody refused by ICMP, all of one kind and sender together."""
    return _ends([one for one in attempts if one.icmp], protocol)


def in_trouble(attempts: Sequence[Attempt], protocol: str) -> bool:
    """Whether some were lost. Datagrams without any answer prove nothing: that server may never answer such a one."""
    if protocol == "UDP" and all(_outcome(one, protocol) is ProbeOutcome.SILENT for one in attempts):
        return False
    return any(not one.ok for one in attempts)


def _telling(ends: Sequence[TryEnd]) -> TryEnd:
    """The most frequent end that somebody told of: silence is what is left where a host may send few ICMP messages."""
    silent = {ProbeOutcome.TIMEOUT, ProbeOutcome.SILENT}
    return next((end for end in ends if end.outcome not in silent), ends[0])


def _ends(attempts: Iterable[Attempt], protocol: str) -> tuple[TryEnd, ...]:
    """Each way in which they ended, the most frequent first."""
    found = Counter(
        (_outcome(one, protocol), one.error, _REFUSALS.get(one.icmp, "other"), _sender(one.sent_by))
        for one in attempts
    )
    return tuple(
        TryEnd(outcome=outcome, detail=detail, icmp=icmp, sent_by=sender, count=count)
        for (outcome, detail, icmp, sender), count in found.most_common()
    )


def _outcome(attempt: Attempt, protocol: str) -> ProbeOutcome:
    if attempt.ok:
        return ProbeOutcome.ANSWERED
    if attempt.error.startswith("timeout"):
        return ProbeOutcome.SILENT if protocol == "UDP" else ProbeOutcome.TIMEOUT
    return _OUTCOMES.get(attempt.error, ProbeOutcome.BROKEN)


def _sender(text: str) -> str:
    """An address of who sent an ICMP message, "" for what is none: another machine's agent may say anything."""
    try:
        return str(ranges.parse_address(text)) if text else ""
    except ranges.AddressError:
        return ""
