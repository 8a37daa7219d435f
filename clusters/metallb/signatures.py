"""What MetalLB's log lines and events say of failures: which cause each proves, and whether it still holds.

`match_log` and `match_event` look at one line or event. `read_log` looks at a whole tail and drops what later
lines show to be fixed, and what a lasting fault would have repeated by now: a rollout two minutes ago leaves
nothing. A failed allocation is dropped by neither, for MetalLB says it once; whether a service still waits
tells that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

from packaging.version import Version

from clusters.cause_ids import CauseId, NoCause
from clusters.metallb.api_table import Refusal, refusal_in
from clusters.metallb.log_lines import Fields, fields_of, without_quotations
from clusters.metallb.log_table import LOG_SIGNATURES
from clusters.metallb.signature_table import (
    ALLOCATION_ERRORS,
    EVENT_SIGNATURES,
    POD_EVENTS,
    Component,
    EventSignature,
    Signature,
)


@dataclass(frozen=True)
class Hit:
    """A line, or several alike, that tells of a failure. `subjects` has what the text names (pool, node, …).

    `line` is the last one, `count` how many there were, `when` the time of the last one where it is known.
    """

    signature: Signature
    line: str
    subjects: Mapping[str, str] = field(default_factory=dict)
    count: int = 1
    when: datetime | None = None

    @property
    def cause(self) -> CauseId:
        """The cause that the line proves, or makes likely."""
        return self.signature.cause

    @property
    def refusal(self) -> Refusal | None:
        """What the API server refuses by this line, where it says that whole."""
        return refusal_in(self.signature, fields_of(self.line))


@dataclass(frozen=True)
class EventHit:
    """An event that tells of a failure. `cause` is already that of the allocation error in its message."""

    signature: EventSignature
    cause: CauseId | NoCause
    certain: bool
    subjects: Mapping[str, str] = field(default_factory=dict)


def match_log(component: Component | str, line: str, version: Version | None = None) -> Signature | None:
    """The failure that one log line tells of, or None. Without a version, any version's text counts."""
    found = _match(Component(component), fields_of(line), version)
    return found[0] if found else None


def match_event(
    reason: str, message: str, *, pod_of: Component | str | None = None, version: Version | None = None
) -> EventHit | None:
    """What an event tells of, or None. `pod_of` is for events on MetalLB's pods; without it, on a service."""
    rows = POD_EVENTS[Component(pod_of)] if pod_of else EVENT_SIGNATURES
    text = without_quotations(message)
    for row in rows:
        if row.reason != reason or not _applies(row.since, row.until, version):
            continue
        found = _regex(row.message).search(text)
        if found is None:
            continue
        if not row.errors:
            return EventHit(row, row.cause, row.certain, _named(found))
        return _event_with_error(row, text[found.end() :])
    return None


def read_log(
    component: Component | str, text: str, *, now: datetime | None = None, version: Version | None = None
) -> tuple[Hit, ...]:
    """The failures that a tail of a log tells of and that still hold, each kind and subject once.

    Of refusals each resource counts by itself: what the metrics endpoint may not ask hides nothing else.
    `now` is when the tail was read; without it the last line's time stands for it.
    """
    reading = _Reading()
    for line in text.splitlines():
        fields = fields_of(line)
        reading.advance(fields)
        if found := _match(Component(component), fields, version):
            reading.add(*found, line, refused=refusal_in(found[0], fields))
    return reading.standing(now)


@dataclass
class _Reading:
    """What was read of a log so far: hits that still stand, and which reconcilers are in a failed round."""

    hits: dict[tuple[str, ...], Hit] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    clock: datetime | None = None

    def advance(self, fields: Fields) -> None:
        """Take the line's time, and drop what it shows to be fixed."""
        self.clock = _time(fields.get("ts", "")) or self.clock
        reconciler = fields.get("controller", "")
        if "start reconcile" in fields:
            self.failed.discard(reconciler)
        elif "end reconcile" in fields and reconciler not in self.failed:
            self._drop(lambda hit: hit.subjects.get("reconciler") == reconciler)
        elif fields.get("node event") == "NodeJoin":
            back = fields.get("node name", "")
            self._drop(
                lambda hit: (
                    hit.cause == CauseId.MEMBERLIST_PARTITION and hit.subjects.get("node", back) == back
                )
            )
        elif fields.get("msg") == "memberlist join successfully":
            self._drop(lambda hit: hit.signature.id == "memberlist-partial-join")

    def add(
        self, signature: Signature, subjects: Mapping[str, str], line: str, *, refused: Refusal | None
    ) -> None:
        """Count a line that tells of a failure."""
        if reconciler := subjects.get("reconciler"):
            self.failed.add(reconciler)
        kind = (signature.id, refused.resource if refused else "")
        key = (*kind, *sorted(f"{name}={value}" for name, value in subjects.items()))
        before = self.hits.get(key)
        self.hits[key] = Hit(signature, line, subjects, before.count + 1 if before else 1, self.clock)

    def standing(self, now: datetime | None) -> tuple[Hit, ...]:
        """The hits that hold at `now`, in the order in which their kinds were first seen."""
        until = now or self.clock
        return tuple(hit for hit in self.hits.values() if not _faded(hit, until))

    def _drop(self, fixed: Callable[[Hit], bool]) -> None:
        self.hits = {key: hit for key, hit in self.hits.items() if not fixed(hit)}


def _faded(hit: Hit, now: datetime | None) -> bool:
    lasts = hit.signature.lasts
    if lasts is None or hit.when is None or now is None:
        return False
    return (now - hit.when).total_seconds() > lasts


def _match(
    component: Component, fields: Fields, version: Version | None
) -> tuple[Signature, dict[str, str]] | None:
    told = {name: without_quotations(value) for name, value in fields.items()}
    for row in _rows(component, version):
        found = [_regex(pattern).search(told.get(name, "")) for name, pattern in row.where.items()]
        if not all(found):
            continue
        subjects = {name: value for each in found if each for name, value in _named(each).items()}
        if row.reconciled:
            subjects["reconciler"] = fields.get("controller", "")
        return row, subjects
    return None


@cache
def _rows(component: Component, version: Version | None) -> tuple[Signature, ...]:
    return tuple(
        row
        for row in LOG_SIGNATURES
        if component in row.components and _applies(row.since, row.until, version)
    )


def _applies(since: str, until: str, version: Version | None) -> bool:
    if version is None:
        return True
    return not (since and version < Version(since)) and not (until and version >= Version(until))


def _event_with_error(row: EventSignature, error_text: str) -> EventHit:
    for error in ALLOCATION_ERRORS:
        if found := _regex(error.text).search(error_text):
            return EventHit(row, error.cause, row.certain and error.certain, _named(found))
    return EventHit(row, "", certain=False)


_SUBJECT = re.compile(r"[\w.:/%\[\]-]{1,253}", re.ASCII)


def _named(found: re.Match[str]) -> dict[str, str]:
    """What the text names; a name is one word, so that no sentence of anybody's becomes a subject."""
    return {name: value for name, value in found.groupdict().items() if value and _SUBJECT.fullmatch(value)}


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _time(text: str) -> datetime | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
