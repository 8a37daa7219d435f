"""YAML that somebody else may have written: read with bounds, or refused with its reason and line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from clusters import bounds

#: Ten times faster where libyaml is there; it reads the same.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: What PyYAML raises for a value that does not fit its tag: an impossible date, a number of thousands of digits,
#: `!!bool maybe`, `!!int ""`, `!!timestamp soon`. It documents none of them.
_UNFIT = (AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError)

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


def read(text: str) -> tuple[yaml.Node | None, Any]:
    """The one document in a YAML text: the nodes, which know their lines, and what they hold. Raises NotYaml."""
    _refuse_characters(text)
    try:
        _refuse_depth(text)
        tree: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise _told(error) from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, NotYaml):
            raise
        raise NotYaml("it is not YAML") from None
    if tree is None:
        return None, None
    _Measure().of(tree)
    return tree, _constructed(tree)


def _refuse_characters(text: str) -> None:
    """Name the character and its line, which libyaml does not."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise NotYaml(f"the character {found[0]!r} has no place in YAML", line=line)


def _refuse_depth(text: str) -> None:
    """Go through the text once without building anything, as building is what deep nesting breaks."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > bounds.YAML_DEPTH:
                raise _too_deep(event.start_mark.line + 1 if event.start_mark else None)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _too_deep(line: int | None) -> NotYaml:
    return NotYaml(f"it is nested more than {bounds.YAML_DEPTH} deep", line=line)


class _Measure:
    """How many nodes a tree has and how deep it is once every alias is followed, each anchor measured once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()

    def of(self, node: yaml.Node) -> tuple[int, int]:
        """Size and height of a node. Raises NotYaml for more than is allowed, and for one that contains itself."""
        line = node.start_mark.line + 1
        if id(node) in self._known:
            return self._known[id(node)]
        if id(node) in self._open:
            raise NotYaml("an alias in it refers to what it stands in", line=line)
        self._open.add(id(node))
        size, height = 1, 1
        for child in _children(node):
            more, below = self.of(child)
            size, height = size + more, max(height, below + 1)
        if size > bounds.YAML_NODES:
            raise NotYaml(f"its aliases amount to more than {bounds.YAML_NODES} values", line=line)
        if height > bounds.YAML_DEPTH:
            raise _too_deep(line)
        self._open.remove(id(node))
        self._known[id(node)] = size, height
        return size, height


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


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
