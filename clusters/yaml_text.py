"""YAML that somebody else may have written: read with bounds, or refused with its reason and line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from clusters import bounds

#: The parser in C where this Python has it: ten times faster, and it reads the same.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: What PyYAML raises for a value that does not fit its tag: an impossible date, a number of thousands of digits,
#: `!!bool maybe`, `!!int ""`, `!!timestamp soon`. It documents none of them.
_UNFIT = (AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError)

#: Characters of what may be a number: Python makes no text of one with some thousand digits, however it was spelt.
_LONGEST_NUMBER = 1000
_NUMBER = re.compile(r"[-+]?[0-9][0-9a-fA-FxXob_:.]*")

_KINDS = {"timestamp": "date", "int": "number that can be read", "float": "number", "bool": "yes or no"}


class NotYaml(ValueError):  # noqa: N818 - it says what the text is
    """A text that is no YAML, or YAML that nobody should have to read.

    The reason is a part of a sentence; `line` counts from 1 and is None where no single line is to blame, and
    `field` is the path of names to the value that is, or empty.
    """

    def __init__(self, reason: str, *, line: int | None = None, field: str = "") -> None:
        super().__init__(reason)
        self.line, self.field = line, field


def parsed(text: str) -> Any:
    """What the one document in a YAML text holds; None for an empty one. Raises NotYaml."""
    return read(text)[1]


def documents(text: str) -> list[Any]:
    """What each document of a text that this project or a release brings holds, empty ones left out. Raises NotYaml."""
    try:
        measure(text)
        return [found for found in yaml.load_all(text, Loader=LOADER) if found]
    except yaml.YAMLError as error:
        raise _told(error) from None


def read(text: str) -> tuple[yaml.Node | None, Any]:
    """The one document in a YAML text: the nodes, which know their lines, and what they hold. Raises NotYaml."""
    _refuse_characters(text)
    try:
        measure(text)
        tree: yaml.Node | None = yaml.compose(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise _told(error) from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, NotYaml):
            raise
        raise NotYaml("it is not YAML") from None
    return (None, None) if tree is None else (tree, _constructed(tree))


def measure(
    text: str,
    *,
    deepest: int = bounds.YAML_DEPTH,
    most: int = bounds.YAML_NODES,
    weigh: Callable[[str], int] = lambda _: 1,
) -> None:
    """Raise NotYaml for a text that amounts to more than anybody should have to read, yaml.YAMLError for no YAML.

    Aliases count as what they stand for: a few hundred bytes of them can stand for more than any memory holds. `weigh`
    says for how many values a scalar counts. The reason begins with "it".
    """
    size = _Size(deepest, most, weigh)
    for event in yaml.parse(text, Loader=LOADER):
        size.add(event)


def _refuse_characters(text: str) -> None:
    """Name the character and its line, which libyaml does not."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise NotYaml(f"the character {found[0]!r} has no place in YAML", line=line)


class _Size:
    """How much a text amounts to and how deep it is, as its events come: nothing is built of it."""

    def __init__(self, deepest: int, most: int, weigh: Callable[[str], int]) -> None:
        self._deepest, self._most, self._weigh = deepest, most, weigh
        self._total = 0
        self._of: dict[str, tuple[int, int]] = {}  # what an anchor stands for: values, and levels
        self._open: list[_Open] = []

    def add(self, event: yaml.Event) -> None:
        """Count one event. Raises NotYaml where it is too much."""
        match event:
            case yaml.CollectionStartEvent():
                self._open.append(_Open(event.anchor, self._total))
                self._reach(event, 0)
            case yaml.CollectionEndEvent():
                ended = self._open.pop()
                self._count(event, 1)
                self._keep(ended.anchor, self._total - ended.before, ended.height + 1)
            case yaml.ScalarEvent():
                if len(event.value) > _LONGEST_NUMBER and _NUMBER.fullmatch(event.value):
                    raise _refusal(event, f"it holds a number of {len(event.value)} digits")
                before = self._total
                self._count(event, self._weigh(event.value))
                self._keep(event.anchor, self._total - before, 1)
            case yaml.AliasEvent():
                if any(each.anchor == event.anchor for each in self._open):
                    raise _refusal(event, "it has an alias to what it stands in")
                values, levels = self._of.get(str(event.anchor), (1, 1))
                self._count(event, values)
                self._reach(event, levels)
                self._below(levels)

    def _count(self, event: yaml.Event, values: int) -> None:
        self._total += values
        if self._total > self._most:
            raise _refusal(event, f"it holds more than {self._most} values, its aliases written out")

    def _reach(self, event: yaml.Event, levels: int) -> None:
        if len(self._open) + levels > self._deepest:
            raise _refusal(event, f"it is nested more than {self._deepest} deep")

    def _keep(self, anchor: str | None, values: int, levels: int) -> None:
        if anchor:
            self._of[anchor] = values, levels
        self._below(levels)

    def _below(self, levels: int) -> None:
        if self._open:
            self._open[-1].height = max(self._open[-1].height, levels)


@dataclass
class _Open:
    """A collection that has not ended: its anchor, the total where it began, and how high what is in it is."""

    anchor: str | None
    before: int
    height: int = 0


def _refusal(event: yaml.Event, reason: str) -> NotYaml:
    return NotYaml(reason, line=event.start_mark.line + 1 if event.start_mark else None)


def _constructed(tree: yaml.Node) -> Any:
    try:
        return yaml.constructor.SafeConstructor().construct_document(tree)
    except yaml.YAMLError as error:
        raise _told(error) from None
    except _UNFIT:
        for field, node in _scalars(tree, ""):
            if _unfit(node):
                kind = str(node.tag).rpartition(":")[2]
                reason = f"{_short(node.value)!r} is no {_KINDS.get(kind, kind)}"
                raise NotYaml(reason, line=node.start_mark.line + 1, field=field) from None
        raise NotYaml("it is not YAML") from None


def _scalars(node: yaml.Node, field: str) -> Iterator[tuple[str, yaml.ScalarNode]]:
    """Every plain value of a tree, with the path of names to it."""
    if isinstance(node, yaml.ScalarNode):
        yield field, node
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(key, field)
            yield from _scalars(value, f"{field}.{key.value}".lstrip("."))
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _scalars(item, f"{field}.{number}".lstrip("."))


def _unfit(node: yaml.ScalarNode) -> bool:
    try:
        yaml.constructor.SafeConstructor().construct_document(node)
    except _UNFIT:
        return True
    except yaml.YAMLError:
        return False
    return False


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"


def _told(error: yaml.YAMLError) -> NotYaml:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    reason = getattr(error, "problem", None) or getattr(error, "context", None)
    return NotYaml(str(reason or "it is not YAML"), line=mark.line + 1 if mark else None)
