"""Kubernetes label selectors: parsing and matching as apimachinery does.

Source: k8s.io/apimachinery 0.34, `LabelSelectorAsSelector` in pkg/apis/meta/v1/helpers.go and
`Requirement.Matches` in pkg/labels/selector.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from clusters.errors import ConformanceError

Labels = Mapping[str, str]

_SETS = ("In", "NotIn")
_PRESENCE = ("Exists", "DoesNotExist")


class SelectorError(ConformanceError):
    """A label selector that Kubernetes would refuse."""


@dataclass(frozen=True, order=True)
class Requirement:
    """One term of a selector. `values` is sorted, and empty for Exists and DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Whether `labels` meet this term; NotIn is also met where the key is absent."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case _:
                return self.key not in labels

    def __str__(self) -> str:
        match self.operator:
            case "Exists":
                return self.key
            case "DoesNotExist":
                return f"!{self.key}"
            case "In" if len(self.values) == 1:
                return f"{self.key}={self.values[0]}"
            case _:
                return f"{self.key} {self.operator.lower()} ({','.join(self.values)})"


@dataclass(frozen=True)
class LabelSelector:
    """All requirements must hold; with none it selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Whether the selector selects an object with these labels."""
        return all(each.matches(labels) for each in self.requirements)

    def __str__(self) -> str:
        return ",".join(str(each) for each in self.requirements) or "everything"


def parse(raw: Mapping[str, Any]) -> LabelSelector:
    """A LabelSelector object with `matchLabels` and `matchExpressions`. Raises SelectorError."""
    equal = [Requirement(key, "In", (str(value),)) for key, value in (raw.get("matchLabels") or {}).items()]
    terms = [_requirement(each) for each in raw.get("matchExpressions") or []]
    return LabelSelector(tuple(sorted(equal + terms)))


#: One term of a selector as kubectl takes it: "a in (b,c)", "a notin (b)", "a=b", "a==b", "a!=b", "a", "!a".
_KEY = r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?"
_SET = re.compile(rf"(?P<key>{_KEY})\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL = re.compile(rf"(?P<key>{_KEY})\s*(?P<operator>==|=|!=)\s*(?P<value>[A-Za-z0-9]?[-A-Za-z0-9_.]*)")
_PRESENT = re.compile(rf"(?P<no>!?)\s*(?P<key>{_KEY})")
#: What parts the terms: a comma outside of brackets.
_COMMA = re.compile(r",(?![^(]*\))")


def parse_text(text: str) -> LabelSelector:
    """A selector as kubectl takes it with -l: "role=edge,zone in (a,b),!spare". Raises SelectorError."""
    return LabelSelector(tuple(sorted(_term(each.strip()) for each in _COMMA.split(text))))


def _term(text: str) -> Requirement:
    if found := _SET.fullmatch(text):
        values = [each.strip() for each in found["values"].split(",") if each.strip()]
        return _requirement(
            {
                "key": found["key"],
                "operator": {"in": "In", "notin": "NotIn"}[found["operator"]],
                "values": values,
            }
        )
    if found := _EQUAL.fullmatch(text):
        operator = "NotIn" if found["operator"] == "!=" else "In"
        return Requirement(found["key"], operator, (found["value"],))
    if found := _PRESENT.fullmatch(text):
        return Requirement(found["key"], "DoesNotExist" if found["no"] else "Exists")
    raise SelectorError(
        f"{text[:80]!r} is no term of a label selector; give it as in role=edge, zone in (a,b), edge or !spare."
    )


def parse_all(raw: Iterable[Mapping[str, Any]] | None) -> tuple[LabelSelector, ...]:
    """A list of selectors as MetalLB's resources hold it, of which any one may match."""
    return tuple(parse(each) for each in raw or ())


def any_matches(selectors: Iterable[LabelSelector], labels: Labels) -> bool:
    """Whether one of the selectors selects an object with these labels; an empty list selects nothing."""
    return any(each.matches(labels) for each in selectors)


def _requirement(raw: Mapping[str, Any]) -> Requirement:
    key, operator = raw.get("key", ""), raw.get("operator", "")
    values = tuple(sorted(str(each) for each in raw.get("values") or ()))
    if operator not in (*_SETS, *_PRESENCE):
        raise SelectorError(f"The label selector on {key!r} has the unknown operator {operator!r}.")
    if operator in _SETS and not values:
        raise SelectorError(f"The label selector on {key!r} with operator {operator} names no value.")
    if operator in _PRESENCE and values:
        raise SelectorError(f"The label selector on {key!r} with operator {operator} must name no value.")
    return Requirement(key, operator, values)
