"""From a YAML file to a profile, or to a sentence for each mistake in it, with its line and field."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from clusters import bounds, yaml_text
from clusters.bounds import Unusable, content
from clusters.errors import UsageError
from clusters.objects import Object
from clusters.profile.allowances import without_check
from clusters.profile.models import Profile

SHIPPED = Path(__file__).resolve().parent.parent / "profiles"
_HERE = SHIPPED.parent.parent

#: As much of a text is shown in a mistake.
_LONGEST = 200

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


def load(name_or_path: str | Path, *, checks: Callable[[], Collection[str]] | None = None) -> Profile:
    """The profile of that name in clusters/profiles, or of that file.

    Raises UsageError: there is no such profile, or every mistake in it, each with its line and field. With `checks`,
    which gives the ids of those that there are, a waiver of none of them is a mistake; it is asked only where there
    are waivers.
    """
    path = _find(str(name_or_path))
    tree, data = _parse(path, _text(path))
    located, lost = _located(data, path)
    mistakes = [*_repeated(tree), *((_line(tree, where), said) for where, said in lost)]
    try:
        profile = Profile.model_validate_json(json.dumps(_named_by_texts(located), default=str))
    except ValidationError as error:
        mistakes += [_mistake(tree, details) for details in error.errors(include_url=False)]
    else:
        mistakes += _waived_in_vain(tree, profile, checks)
    if mistakes:
        raise _refusal(path, sorted(set(mistakes)))
    return profile


def _waived_in_vain(
    tree: yaml.MappingNode, profile: Profile, checks: Callable[[], Collection[str]] | None
) -> Iterator[tuple[int, str]]:
    known = checks() if checks and profile.waivers else ()
    for number, waiver in enumerate(profile.waivers if known else ()):
        if wrong := without_check(waiver, known):
            where = ("waivers", number, "check")
            yield _line(tree, where), f"{'.'.join(map(str, where))}: {wrong}"


def _find(wanted: str) -> Path:
    if "/" in wanted or wanted.endswith((".yaml", ".yml")):
        try:
            path = Path(wanted).expanduser()
            found = path.is_file()
        except (OSError, RuntimeError, ValueError):
            found = False  # a home of nobody's, a name that no file can have
        if not found:
            raise UsageError(f"There is no profile {_cut(wanted)}.", remedy="Give a file, or a name.")
        return path
    if wanted not in shipped():
        close = difflib.get_close_matches(wanted, shipped(), n=1)
        hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(shipped())}; or give a file."
        raise UsageError(f"There is no profile named {_cut(wanted)!r} in {_shown(SHIPPED)}.", remedy=hint)
    return SHIPPED / f"{wanted}.yaml"


def _text(path: Path) -> str:
    try:
        return content(path, most=bounds.PROFILE_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        why = "it is not text"
    except OSError as error:
        why = error.strerror or str(error)
    except Unusable as error:
        why = str(error)
    raise UsageError(f"The profile {_shown(path)} cannot be read: {why}.")


def _parse(path: Path, text: str) -> tuple[yaml.MappingNode, dict[Any, Any]]:
    try:
        tree, data = yaml_text.read(text)
    except yaml_text.NotYaml as error:
        line = f", line {error.line}" if error.line else ""
        field = f"{error.field}: " if error.field else ""
        raise UsageError(f"{_shown(path)}{line}: {field}{error}.") from None
    if not isinstance(tree, yaml.MappingNode):
        raise UsageError(
            f"{_shown(path)}: a profile is a mapping of fields to their values, and this is not."
        )
    return tree, data


def _located(data: dict[Any, Any], path: Path) -> tuple[dict[Any, Any], list[tuple[Where, str]]]:
    """The same with its paths made absolute, and those that are none; what is no text is left to the validation."""
    data = {**data, "source": str(path.resolve())}
    lost: list[tuple[Where, str]] = []
    for *outer, last in _PATHS:
        holder: Any = data
        for key in outer:
            holder = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(holder, dict) and isinstance(text := holder.get(last), str):
            try:
                holder[last] = str((path.parent / Path(text).expanduser()).resolve())
            except (OSError, RuntimeError, ValueError):
                where = (*outer, last)
                lost.append((where, f"{'.'.join(where)}: {_cut(text)!r} is not a path on this machine"))
    for number, consumer in enumerate(_of(data, "consumers")):
        probe = consumer.get("probe") if isinstance(consumer, dict) else None
        for each in probe if isinstance(probe, list) else [probe]:
            if isinstance(each, dict) and isinstance(text := each.get("ca"), str):
                try:
                    each["ca"] = str((path.parent / Path(text).expanduser()).resolve())
                except (OSError, RuntimeError, ValueError):
                    lost.append(
                        (("consumers", number, "probe"), f"ca: {_cut(text)!r} is not a path on this machine")
                    )
    return data, lost


def _of(data: dict[Any, Any], field: str) -> list[Any]:
    found = data.get(field)
    return found if isinstance(found, list) else []


def _named_by_texts(value: Any) -> Any:
    """The same with texts for names, as JSON has them: YAML allows dates and numbers there, which are no fields."""
    if isinstance(value, dict):
        return {str(name): _named_by_texts(inner) for name, inner in value.items()}
    return [_named_by_texts(inner) for inner in value] if isinstance(value, list) else value


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _refusal(path: Path, mistakes: Sequence[tuple[int, str]]) -> UsageError:
    shown = _shown(path)
    if len(mistakes) == 1:
        line, text = mistakes[0]
        return UsageError(f"{shown}, line {line}: {text}")
    listing = "\n".join(f"  line {line}: {text}" for line, text in mistakes[: bounds.MOST_TOLD])
    if rest := len(mistakes[bounds.MOST_TOLD :]):
        listing += f"\n  and {rest} more"
    return UsageError(f"{shown} has {len(mistakes)} mistakes:\n{listing}")


def _shown(path: Path) -> str:
    """The path as a person in the checkout would type it."""
    resolved = path.resolve()
    return str(resolved.relative_to(_HERE) if resolved.is_relative_to(_HERE) else path)


def _mistake(tree: yaml.MappingNode, details: ErrorDetails) -> tuple[int, str]:
    """Line and sentence for one of pydantic's findings."""
    where = details["loc"]
    field = ".".join(_cut(str(part)) for part in where if part != "[key]")
    return _line(tree, where), f"{field}: {_said(details)}" if field else _said(details)


def _said(details: ErrorDetails) -> str:
    kind, where = details["type"], details["loc"]
    given = _cut(details["input"]) if isinstance(details["input"], str) else details["input"]
    context = details.get("ctx", {})
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(str(where[-1]), _fields(where[:-1]), n=1)
        return f"there is no such field; did you mean {close[0]!r}?" if close else "there is no such field"
    if kind in {"enum", "literal_error"}:
        known = str(context["expected"]).replace("'", "").replace(" or ", ", ")
        return f"{given!r} is not one of {known}"
    if kind == "string_pattern_mismatch":
        return f"{given!r} does not have the form {context['pattern']}"
    if kind == "string_type" and isinstance(given, int | float):
        return f"{_cut(repr(given))} is a number here; put it in quotes"
    plain = {"missing": "this field is required", "value_error": str(context.get("error"))}
    return _cut(plain.get(kind) or f"{details['msg'][:1].lower()}{details['msg'][1:]}")


def _fields(where: Where) -> list[str]:
    """The names of the fields that exist at a place, by the profile's JSON Schema."""
    schema = Profile.model_json_schema()
    at: Any = schema
    for part in where:
        at = _resolved(schema, at)
        at = at.get("items", {}) if isinstance(part, int) else at.get("properties", {}).get(part, {})
    return [name for name in _resolved(schema, at).get("properties", {}) if name != "source"]


def _resolved(schema: Object, at: Object) -> Object:
    """A part of the schema with its reference followed; of alternatives, the one that has fields."""
    for option in at.get("anyOf", []):
        if "$ref" in option:
            at = option
    if "$ref" in at:
        found: Object = schema["$defs"][at["$ref"].rpartition("/")[2]]
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
