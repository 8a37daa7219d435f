"""From a YAML file to a profile, or to a sentence for each mistake in it, with its line and field."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from clusters.errors import UsageError
from clusters.profile.models import Profile

SHIPPED = Path(__file__).resolve().parent.parent / "profiles"
_HERE = SHIPPED.parent.parent

Where = Sequence[int | str]
#: Fields with a path in them: a relative one starts at the profile's own folder.
_PATHS = (
    ("kubeconfig",),
    *(("kind", name) for name in ("config", "binary", "kubectl", "logs")),
    ("lab", "overlay"),
    ("gitops", "repository"),
)


def shipped() -> tuple[str, ...]:
    """The names of the profiles that come with the project."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.yaml")))


def load(name_or_path: str | Path) -> Profile:
    """The profile of that name in clusters/profiles, or of that file.

    Raises UsageError: there is no such profile, or every mistake in it, each with its line and field.
    """
    path = _find(str(name_or_path))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"The profile {_shown(path)} cannot be read: {why}.") from None
    tree, data = _parse(path, text)
    mistakes = [*_repeated(tree)]
    try:
        profile = Profile.model_validate_json(json.dumps(_located(data, path), default=str))
    except ValidationError as error:
        mistakes += [_mistake(tree, details) for details in error.errors(include_url=False)]
    if mistakes:
        raise _refusal(path, sorted(set(mistakes)))
    return profile


def _find(wanted: str) -> Path:
    if "/" in wanted or wanted.endswith((".yaml", ".yml")):
        path = Path(wanted).expanduser()
        if not path.is_file():
            raise UsageError(f"There is no profile {wanted}.", remedy="Give a file, or a name.")
        return path
    path = SHIPPED / f"{wanted}.yaml"
    if not path.is_file():
        close = difflib.get_close_matches(wanted, shipped(), n=1)
        hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(shipped())}; or give a file."
        raise UsageError(f"There is no profile named {wanted!r} in {_shown(SHIPPED)}.", remedy=hint)
    return path


def _parse(path: Path, text: str) -> tuple[yaml.MappingNode, dict[str, Any]]:
    loader = yaml.SafeLoader(text)
    try:
        tree = loader.get_single_node()
        data: Any = loader.construct_document(tree) if tree is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        why = getattr(error, "problem", None) or "it is not YAML"
        raise UsageError(f"{_shown(path)}{line}: {why}.") from None
    finally:
        loader.dispose()
    if not isinstance(tree, yaml.MappingNode):
        raise UsageError(f"{_shown(path)}: a profile is a list of fields, and this is none.")
    return tree, data


def _located(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """The same with its paths made absolute; what is not a text is left to the validation."""
    data = {**data, "source": str(path.resolve())}
    for *outer, last in _PATHS:
        holder: Any = data
        for key in outer:
            holder = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(holder, dict) and isinstance(holder.get(last), str):
            holder[last] = str((path.parent / Path(holder[last]).expanduser()).resolve())
    return data


def _refusal(path: Path, mistakes: Sequence[tuple[int, str]]) -> UsageError:
    shown = _shown(path)
    if len(mistakes) == 1:
        line, text = mistakes[0]
        return UsageError(f"{shown}, line {line}: {text}")
    listing = "\n".join(f"  line {line}: {text}" for line, text in mistakes)
    return UsageError(f"{shown} has {len(mistakes)} mistakes:\n{listing}")


def _shown(path: Path) -> str:
    """The path as a person in the checkout would type it."""
    resolved = path.resolve()
    return str(resolved.relative_to(_HERE) if resolved.is_relative_to(_HERE) else path)


def _mistake(tree: yaml.MappingNode, details: ErrorDetails) -> tuple[int, str]:
    """Line and sentence for one of pydantic's findings."""
    where = details["loc"]
    field = ".".join(str(part) for part in where if part != "[key]")
    return _line(tree, where), f"{field}: {_said(details)}" if field else _said(details)


def _said(details: ErrorDetails) -> str:
    kind, where, given = details["type"], details["loc"], details["input"]
    context = details.get("ctx", {})
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(str(where[-1]), _fields(where[:-1]), n=1)
        return f"there is no such field; did you mean {close[0]!r}?" if close else "there is no such field"
    if kind in {"enum", "literal_error"}:
        known = str(context["expected"]).replace("'", "").replace(" or ", ", ")
        return f"{given!r} is none of {known}"
    if kind == "string_pattern_mismatch":
        return f"{given!r} does not have the form {context['pattern']}"
    if kind == "string_type" and isinstance(given, int | float):
        return f"{given!r} is a number here; put it in quotes"
    plain = {"missing": "this field is required", "value_error": str(context.get("error"))}
    return plain.get(kind) or f"{details['msg'][:1].lower()}{details['msg'][1:]}"


def _fields(where: Where) -> list[str]:
    """The names of the fields that exist at a place, by the profile's JSON Schema."""
    schema = Profile.model_json_schema()
    at: Any = schema
    for part in where:
        at = _resolved(schema, at)
        at = at.get("items", {}) if isinstance(part, int) else at.get("properties", {}).get(part, {})
    return [name for name in _resolved(schema, at).get("properties", {}) if name != "source"]


def _resolved(schema: dict[str, Any], at: dict[str, Any]) -> dict[str, Any]:
    """A part of the schema with its reference followed; of alternatives, the one that has fields."""
    for option in at.get("anyOf", []):
        if "$ref" in option:
            at = option
    if "$ref" in at:
        found: dict[str, Any] = schema["$defs"][at["$ref"].rpartition("/")[2]]
        return found
    return at


def _line(tree: yaml.Node, where: Where) -> int:
    """The line, from 1, of the innermost part of `where` that the file has."""
    line, node = tree.start_mark.line, tree
    for part in where:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        elif isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                break
            key, node = found[0]
            line = key.start_mark.line
    return int(line) + 1


def _repeated(node: yaml.Node) -> Iterator[tuple[int, str]]:
    """Fields that stand twice in one place; YAML readers take the last without a word."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.start_mark.line + 1, f"{key.value}: this field is given twice"
            seen.add(key.value)
            yield from _repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item)
