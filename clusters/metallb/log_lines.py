"""A log line taken apart, and the words in it that somebody outside of MetalLB chose taken out.

MetalLB and controller-runtime log JSON; client-go logs as klog does. Whoever may annotate a service chooses what
MetalLB then quotes in its errors (`unknown pool %q`), and may write there what another component would say. Go's %q
tells such a text from MetalLB's own: what stands in its quotes and is more than a name says nothing of a failure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

Fields = Mapping[str, str]
"""A log line taken apart; a line that is neither JSON nor klog's has only "msg"."""

PROSE = r"^(?:[\w*./ ()-]+: )*"
"""What may stand before an error that is handed on: words with a colon behind, and no quotation."""

_KLOG = re.compile(r"[IWEF]\d{4} [\d:.]+ +\d+ (?P<caller>[\w.-]+:\d+)\] (?P<text>.*)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_FIELD = re.compile(r'\s(?P<name>\w+)=(?P<value>"(?:[^"\\]|\\.)*"|[^\s"]\S*)')
_ESCAPE = re.compile(r'\\(["\\])')
_NAME = re.compile(r'"[\w.:/@%?=&+,*#~<>-]*"', re.ASCII)


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
    if message is None:
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
    return _QUOTED.sub(lambda found: found[0] if _NAME.fullmatch(found[0]) else '""', text)
