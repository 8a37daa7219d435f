"""YAML files of a repository, with the line of everything in them, and errors that name file and line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from clusters import yaml_text
from clusters.errors import UsageError
from clusters.objects import Object
from clusters.yaml_text import NotYaml

Model = TypeVar("Model", bound=BaseModel)


#: How many values a file may hold with every alias written out: a whole release has 15,000.
_MOST = 500_000
#: Characters that one object of Flux's or Argo CD's may bring, its variables filled in.
_MOST_FILLED = 64 << 20
#: Characters of a text that is parsed a second time, to name the place of a mistake.
_EXPLAINED = 50_000
#: What PyYAML raises for texts that are YAML and no values: `!!bool x`, a number of 5,000 digits, a date of no month.
_NO_VALUE = (ValueError, LookupError, AttributeError, TypeError, ArithmeticError, RecursionError)
#: Mistakes in this project's words; the others in pydantic's.
_PLAIN = {
    "missing": "this field is required",
    "extra_forbidden": "there is no such field",
    "list_type": "a list is expected here",
    "string_type": "a text is expected here",
    "dict_type": "a mapping is expected here",
    "model_type": "a mapping is expected here",
}


class FileError(UsageError):
    """A file of the repository that cannot be used; the sentence names it, and the line if there is one."""


class OverlayError(FileError):
    """An overlay that cannot be rendered, with the one reason and where it stands."""


class NeedsNetworkError(OverlayError):
    """An overlay that names something on another machine, which is not at hand here. It was not fetched."""


@dataclass(frozen=True)
class Document:
    """One YAML document: its content as plain data, the file's name, and the nodes that know their lines."""

    name: str
    data: Any
    node: yaml.Node | None

    def line(self, path: Sequence[str | int] = ()) -> int:
        """The line (from 1) of the deepest part of `path` that exists."""
        node, line = self.node, 1 if self.node is None else self.node.start_mark.line + 1
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            node, line = found
        return line


def parse(text: str, name: str) -> tuple[Document, ...]:
    """Every document in `text`. Raises FileError where it is not YAML; empty documents are left out."""
    try:
        bounded(text, name)
        nodes = [node for node in yaml.compose_all(text, Loader=yaml_text.LOADER) if node is not None]
        data = [entry for entry in yaml.load_all(text, Loader=yaml_text.LOADER) if entry is not None]
    except yaml.MarkedYAMLError as error:
        raise _no_yaml(_nearer(text, error), name) from None
    except (yaml.YAMLError, *_NO_VALUE) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FileError(f"{name} is not valid YAML: {reason}.") from None
    filled = [node for node in nodes if not _is_null(node)]
    return tuple(Document(name, entry, node) for entry, node in zip(data, filled, strict=True))


def _nearer(text: str, error: yaml.MarkedYAMLError) -> yaml.MarkedYAMLError:
    """The same mistake as the parser in Python sees it: slower, and closer to the place. Large texts are left."""
    try:
        for _ in yaml.parse(text if len(text) < _EXPLAINED else "", Loader=yaml.SafeLoader):
            pass
    except yaml.MarkedYAMLError as nearer:
        return nearer
    except yaml.YAMLError:
        pass
    return error


def _no_yaml(error: yaml.MarkedYAMLError, name: str) -> FileError:
    mark = error.problem_mark or error.context_mark
    place = f" line {mark.line + 1}" if mark else ""
    return FileError(
        f"{name}{place} is not valid YAML: {error.problem or error.context}.",
        remedy="Correct the file; nothing in it was used.",
    )


def bounded(text: str, name: str) -> None:
    """Raise FileError for YAML that grows far beyond its text where somebody reads it, yaml.YAMLError for none."""
    try:
        yaml_text.measure(text, most=_MOST)
    except NotYaml as refused:
        why = str(refused).removeprefix("it ")
        raise FileError(
            f"{name} line {refused.line or 1} {why}.", remedy="Write it plainly; nothing in it was used."
        ) from None


def mappings(text: str, name: str) -> Iterator[Document]:
    """The documents of `text`, which must be mappings, as Kubernetes objects and settings are."""
    for document in parse(text, name):
        if not isinstance(document.data, dict):
            raise FileError(f"{name} line {document.line()} holds no mapping where one is expected.")
        yield document


def validated(
    model: type[Model], document: Document, *, remedy: str = "docs/gitops.md lists the fields."
) -> Model:
    """`document` as `model`. Raises FileError for the first mistake, misspelt fields first, with its line."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        first = min(problems, key=lambda each: each["type"] != "extra_forbidden")
        path = tuple(step for step in first["loc"] if not str(step).startswith("function-"))
        field = ".".join(str(step) for step in path) or "the file"
        said = _PLAIN.get(first["type"]) or first["msg"].removeprefix("Value error, ").rstrip(".")
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise FileError(
            f"{document.name} line {document.line(path)}: {field}: {said}{more}.",
            remedy=remedy,
        ) from None


class Filling:
    """Puts values in place of what `pattern`, which ends in "}", matches; all that it fills in has one bound."""

    def __init__(self, pattern: re.Pattern[str], value: Callable[[re.Match[str]], str], name: str) -> None:
        self._pattern, self._value, self._name = pattern, value, name
        self._left = _MOST_FILLED

    def fill(self, text: str) -> str:
        """The text, filled in. Raises FileError where it grows beyond the bound."""
        parts, at = [""], 0
        # Behind the last "}" nothing ends: to look for it there anew from every beginning takes forever.
        for found in self._pattern.finditer(text, 0, text.rfind("}") + 1):
            parts += (text[at : found.start()], self._value(found))
            at = found.end()
            self._take(len(parts[-1]))
        self._take(len(text))
        return "".join((*parts, text[at:]))

    def _take(self, characters: int) -> None:
        self._left -= characters
        if self._left < 0:
            raise FileError(
                f"{self._name} grows to more than {_MOST_FILLED >> 20} MiB, its variables filled in."
            )


def mapping(value: Any) -> Object:
    """The value where it is a mapping, as it should be, else an empty one."""
    return value if isinstance(value, dict) else {}


def listing(value: Any) -> list[Any]:
    """The value where it is a list, as it should be, else an empty one."""
    return value if isinstance(value, list) else []


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        found: yaml.Node = node.value[step]
        return found, found.start_mark.line + 1
    return None
