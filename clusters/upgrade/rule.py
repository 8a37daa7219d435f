"""One rule about upgrades: which ones it is about, what it looks for, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from clusters.cause_ids import CauseId
from clusters.subject import Subject
from clusters.upgrade.situation import Situation


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What a rule saw of one subject. `stops` is False where the upgrade may go on and one has to know."""

    subject: Subject
    summary: str
    lines: tuple[str, ...] = ()
    stops: bool = True


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What is known to break on the way from one version to another.

    `current` and `target` say which upgrades it is about, as version specifiers ("" for all). `condition` is what
    must be so for it to matter, `consequence` what happens then, `remedy` what to do before, `commands` the
    templates of what to type, `source` where it is known from. `look` gives what was seen of it, and raises
    Inconclusive where that cannot be told.
    """

    id: str
    current: str = ""
    target: str = ""
    condition: str
    consequence: str
    remedy: str
    commands: tuple[str, ...]
    source: str
    cause: CauseId
    look: Callable[[Situation], Iterable[Sighting]]

    def about(self, situation: Situation) -> bool | None:
        """Whether the rule is about this upgrade; None where that depends on a running version nobody knows."""
        if not _within(self.target, situation.target):
            return False
        if not self.current:
            return True
        return _within(self.current, situation.current) if situation.current else None


def _within(specifier: str, version: Version) -> bool:
    return SpecifierSet(specifier).contains(version, prereleases=True)
