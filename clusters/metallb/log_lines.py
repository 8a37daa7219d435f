"""A log line taken apart, what somebody outside of MetalLB chose to say taken out of it, and noise out of a log.

MetalLB and controller-runtime log JSON; client-go logs as klog does. Whoever may annotate a service chooses what
MetalLB then quotes in its errors (`unknown pool %q`), and may write there what another component would say. Go's %q
tells such a text from MetalLB's own: what stands in its quotes and is more than a name says nothing of a failure.

Noise are lines that MetalLB repeats without end while nothing is wrong, which would push what matters out of a log's
end. `updateInterfaces` in internal/layer2/announcer.go, alike in 0.13.2 to 0.16.2, looks at the interfaces every ten
seconds, and tells of each on which it cannot answer again (an interface without IPv6: #1507, #248, #1680).
controller-runtime tells of each look at the metrics that it cannot check the login of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

Fields = Mapping[str, str]
"""A log line taken apart; a line that is neither JSON nor klog's has only "msg"."""

PROSE = r"^(?:[\w*./ ()-]+: )*"
"""What may stand before an error that is handed on: words with a colon behind, and no quotation."""

_KLOG = re.compile(r"[IWEF]\d{4} [\d:.]+ +\d+ (?P<caller>[\w.-]+:\d+)\] (?P<text>.*)")
#: A quotation, or one that is not closed: that one goes on to the end, or a line of quotes alone would be read once for
#: each of them.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+(?:(?P<closed>")|\\?\Z)', re.DOTALL)
_FIELD = re.compile(r'\s(?P<name>\w+)=(?P<value>"(?:[^"\\]|\\.)*"|[^\s"]\S*)')
_ESCAPE = re.compile(r'\\(["\\])')
_NAME = re.compile(r'"[\w.:/@%?=&+,*#~<>-]*"', re.ASCII)

#: What noise is known by.
_OPERATIONS = frozenset({"createNDPResponder", "createARPResponder"})
_METRICS = "controller-runtime.metrics"
#: Who writes ServiceL2Statuses, and what it says of each try: two speakers that both announce an address overwrite each
#: other's word for ever, ninety lines a second (seen with 0.16.2).
_STATUSES, _OF_STATUSES = "Layer2StatusReconciler", "servicel2status"
_SIGNS = ("NDPResponder", "ARPResponder", _METRICS, _STATUSES, _OF_STATUSES)


def fields_of(line: str) -> Fields:
    """A log line taken apart. One that is indented is the rest of a text, whatever it looks like."""
    text = line.rstrip()
    if text.startswith("{"):
        try:
            loaded = json.loads(text)
        except (ValueError, RecursionError):
            return {"msg": text}  # cut off by a tail of bytes
        return {
            str(key): value if isinstance(value, str) else json.dumps(value) for key, value in loaded.items()
        }
    if found := _KLOG.fullmatch(text):
        return {"caller": found["caller"], **_klog(found["text"])}
    return {"msg": text}


def _klog(text: str) -> dict[str, str]:
    """A text of klog's: `"message" err="…" name="value"`, or plain words. Of a name given twice the first counts."""
    message = _QUOTED.match(text)
    if message is None or not message["closed"]:
        return {"msg": text}
    found: dict[str, str] = {}
    place = message.end()
    while field := _FIELD.match(text, place):
        found.setdefault(field["name"], _unquoted(field["value"]))
        place = field.end()
    return {**found, "msg": _unquoted(message[0])}


def _unquoted(text: str) -> str:
    return _ESCAPE.sub(r"\1", text[1:-1]) if text.startswith('"') else text


def without_quotations(text: str) -> str:
    """The text with every quotation emptied that is more than one name or address."""
    return _replaced(text, '""', keep=_NAME)


def _replaced(text: str, by: str, *, keep: re.Pattern[str] | None = None) -> str:
    def of(found: re.Match[str]) -> str:
        return found[0] if not found["closed"] or (keep and keep.fullmatch(found[0])) else by

    return _QUOTED.sub(of, text)


def repeated(line: str) -> tuple[str, ...]:
    """What makes two lines of this noise the same; () for a line that is none."""
    if not any(sign in line for sign in _SIGNS):
        return ()
    found = fields_of(line)
    if found.get("op") in _OPERATIONS and found.get("level") == "error":
        return found["op"], found.get("interface", ""), found.get("error", "")
    if found.get("controller") == _STATUSES and "msg" not in found:
        return tuple(
            f"{name}={found[name]}" for name in ("start reconcile", "end reconcile") if name in found
        )
    if found.get("controller") == _OF_STATUSES and found.get("msg") == "Reconciler error":
        error = _replaced(found.get("error", ""), "")
        return _OF_STATUSES, found.get("namespace", ""), found.get("name", ""), error
    return (_METRICS, found.get("msg", "")) if found.get("logger") == _METRICS else ()


def thinned(lines: Iterable[str]) -> tuple[list[str], int]:
    """The lines with the last one of each noise only, and how many were left out."""
    seen: set[tuple[str, ...]] = set()
    kept = []
    dropped = 0
    for line in reversed(list(lines)):
        mark = repeated(line)
        if mark and mark in seen:
            dropped += 1
            continue
        seen.add(mark)
        kept.append(line)
    return kept[::-1], dropped
