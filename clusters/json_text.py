"""JSON that somebody else may have written: read with bounds, or refused with the reason, never with a traceback."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import from_json

from clusters import bounds
from clusters.bounds import Unusable


class NotJson(Unusable):
    """A text that is no JSON, or JSON that nobody should have to read. The reason is a part of a sentence."""


def parsed(data: bytes | str) -> Any:
    """What a JSON text holds. Raises NotJson.

    What nobody writes is refused although Python would read it: NaN and Infinity, numbers beyond 64 bits or what
    a float holds, half surrogates, a name that stands twice in one object. So is what is nested more than
    `bounds.DEPTH` deep, as what walks through it later would not come back.
    """
    try:
        from_json(data, allow_inf_nan=False)
        return json.loads(
            data,
            object_pairs_hook=_each_name_once,
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=_refused,
        )
    except NotJson:
        raise
    except UnicodeDecodeError:
        raise NotJson("it is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        raise NotJson(_said(str(error))) from None


def _said(reason: str) -> str:
    if reason.startswith("recursion limit"):
        return f"it is nested more than {bounds.DEPTH} deep"
    return reason


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotJson(f"the name {twice[:80]!r} stands twice in one object")
    return found


def _whole(digits: str) -> int:
    number = int(digits)
    if not -bounds.NUMBER <= number <= bounds.NUMBER:
        raise NotJson(f"the number {digits[:40]} is too large")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise NotJson(f"the number {digits[:40]} is too large")
    return number


def _refused(word: str) -> Any:
    raise NotJson(f"{word} is no JSON")
