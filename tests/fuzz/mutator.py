"""One way to spoil a tree of JSON or YAML values, for every reader: a few changes at places drawn at random.

A change drops, retypes, doubles, nests, blows up or renames one thing, puts characters into it that nobody expects,
or swaps it with another. Hypothesis draws, so that a failure shrinks to the change that made it.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from typing import Any

import yaml
from hypothesis import strategies as st

Path = tuple[str | int, ...]

#: What is put in the place of a value: every type, and of each what is at its edges.
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 5, 65536, 2**31, 2**63, -(2**63), 10**30, 10**400, 0.5, -0.0, 1e308,
    "", " ", "x", "5", "None", "null", "true", "-1", "~nouser/x", "../../etc", "a/b", "a:b", "0", "1e400",
    "yesterday", "2027-02-30", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "2026-11-30", "2026-11-30T12:00:00", "300.1.2.3", "::ffff:1.2.3.4", "fe80::1%eth0", "1.2.3.4/33", "9-1",
    "\x00", "\x1b[2J", "\u202e", "\ufeff", "\u2028", "a\nb", "\x7f", "é" * 30, "(" * 200, "%s%n{0}{x}",
    "x" * 300, "y" * 70_000, "1" * 5000, [], {}, [[]], [None], [1], ["x"], {"": ""}, {"x": None}, {"metadata": 5},
    {"name": ["x"]}, [{}], {"key": "x", "operator": "In"},
)  # fmt: skip


def paths(tree: Any, before: Path = ()) -> list[Path]:
    """Where the values of a tree are, the root first."""
    found, waiting = [], [(before, tree)]
    while waiting:
        path, value = waiting.pop()
        found.append(path)
        if isinstance(value, dict):
            waiting += [((*path, name), inner) for name, inner in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [((*path, number), inner) for number, inner in reversed(list(enumerate(value)))]
    return found


def at(tree: Any, path: Path) -> Any:
    """The value at a path."""
    for step in path:
        tree = tree[step]
    return tree


def put(tree: Any, path: Path, value: Any) -> Any:
    """The tree with another value at a path; the tree itself is changed, but for its root."""
    if not path:
        return value
    at(tree, path[:-1])[path[-1]] = value
    return tree


def nested(value: Any, depth: int) -> Any:
    """A value wrapped many times over, in lists and objects by turns."""
    for number in range(depth):
        value = [value] if number % 2 else {"x": value}
    return value


def _dropped(draw: st.DrawFn, tree: Any, path: Path) -> Any:
    if path:
        del at(tree, path[:-1])[path[-1]]
    return tree


def _retyped(draw: st.DrawFn, tree: Any, path: Path) -> Any:
    return put(tree, path, copy.deepcopy(draw(st.sampled_from(STRANGE))))


def _doubled(draw: st.DrawFn, tree: Any, path: Path) -> Any:
    value = at(tree, path)
    if path and isinstance(holder := at(tree, path[:-1]), list):
        holder.extend(copy.deepcopy(value) for _ in range(draw(st.sampled_from((1, 2, 50)))))
        return tree
    return put(tree, path, [value, copy.deepcopy(value)])


def _nested(draw: st.DrawFn, tree: Any, path: Path) -> Any:
    return put(tree, path, nested(at(tree, path), draw(st.sampled_from((1, 2, 3, 60, 150, 190)))))


def _renamed(draw: st.DrawFn, tree: Any, path: Path) -> Any:
    if path and isinstance(holder := at(tree, path[:-1]), dict):
        value = holder.pop(path[-1])
        holder[
            draw(st.sampled_from(("", "x", "name", "items", "\x00", "é", "true", str(path[-1]).upper())))
        ] = value
    return tree


def _spoilt(draw: st.DrawFn, tree: Any, path: Path) -> Any:
    """Strange characters in the middle of a text; of another value its text."""
    text = str(at(tree, path))[:200]
    place = draw(st.integers(0, len(text)))
    strange = draw(
        st.sampled_from(("\x00", "\x1b]0;x\x07", "\u202e", "\n", "'", '"', "$(id)", "`", "é", "😀", "\t"))
    )
    return put(tree, path, text[:place] + strange + text[place:])


def _swapped(draw: st.DrawFn, tree: Any, path: Path) -> Any:
    """What stands here and somewhere else change places, unless one contains the other."""
    others = [each for each in paths(tree) if each]
    if not others:
        return tree
    other = draw(st.sampled_from(others))
    short = min(len(path), len(other))
    if not path or path[:short] == other[:short]:
        return tree
    here, there = at(tree, path), at(tree, other)
    put(tree, path, there)
    return put(tree, other, here)


CHANGES: tuple[Callable[[st.DrawFn, Any, Path], Any], ...] = (
    _dropped, _retyped, _retyped, _retyped, _doubled, _nested, _renamed, _spoilt, _swapped,
)  # fmt: skip


@st.composite
def mutations(draw: st.DrawFn, tree: Any, *, most: int = 3) -> Any:
    """A tree with one to `most` changes in it; the one that is given is used up."""
    for _ in range(draw(st.integers(1, most))):
        tree = draw(st.sampled_from(CHANGES))(draw, tree, draw(st.sampled_from(paths(tree))))
    return tree


#: Changes to the text of a JSON file, which no tree of Python's has: (of, what) pairs.
_TEXTS: tuple[tuple[str, str], ...] = (
    (": 1", ": " + "1" * 5000), (": ", ": NaN, \"x\": "), (": ", ": Infinity, \"x\": "), (": ", ": 1e999, \"x\": "),
    ("{", "{\"a\": 1, \"a\": 2, "), ("{", "{" * 3000), ("[", "[" * 3000), ("\"", "\"\\ud800"), ("}", ""), (",", ""),
    (":", ": [" + "[" * 900 + "]" * 900 + "], \"x\":"), ("\"", "\x00"), ("\"", "'"),
)  # fmt: skip


class Input(bytes):
    """A file to be read, which shows itself by its ends: a whole one fills a screen many times over."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes: {bytes(self[:60])!r} … {bytes(self[-60:])!r}>"


def as_json(tree: Any) -> Input:
    """A tree as a JSON file; what Python cannot write of it is written by hand."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(name): plain(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [plain(inner) for inner in value]
        return value if not isinstance(value, float) or math.isfinite(value) else None

    return Input(json.dumps(plain(tree)).encode())


def as_yaml(tree: Any) -> Input:
    """A tree as a YAML file."""
    return Input(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))


@st.composite
def spoilt_texts(draw: st.DrawFn, data: bytes) -> Input:
    """A file with its text changed: cut off, with bytes flipped, with what its format does not allow."""
    return Input(_spoil(draw, data))


def _spoil(draw: st.DrawFn, data: bytes) -> bytes:
    match draw(st.sampled_from(("cut", "flip", "replace", "insert", "repeat"))):
        case "cut":
            return data[: draw(st.integers(0, len(data)))]
        case "flip":
            spoilt = bytearray(data)
            for _ in range(draw(st.integers(1, 5))):
                spoilt[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
            return bytes(spoilt)
        case "insert":
            place = draw(st.integers(0, len(data)))
            return data[:place] + draw(st.binary(min_size=1, max_size=8)) + data[place:]
        case "repeat":
            start = draw(st.integers(0, len(data) - 1))
            piece = data[start : start + draw(st.integers(1, 200))]
            return data[:start] + piece * draw(st.integers(2, 50)) + data[start:]
        case _:
            of, what = draw(st.sampled_from(_TEXTS))
            place = data.find(of.encode(), draw(st.integers(0, len(data))))
            place = max(place, 0)
            return data[:place] + what.encode() + data[place + len(of) :]
