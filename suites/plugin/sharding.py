"""One run in several parts: which checks are this part's, the same wherever and whenever it is asked."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from clusters import bounds
from clusters.bounds import content
from clusters.errors import UsageError
from clusters.json_text import parsed


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Part `number` (from 1) of `count`. `durations` are seconds by check id, by which the parts are balanced."""

    number: int
    count: int
    durations: Mapping[str, float]

    def checks(self, ids: Iterable[str]) -> frozenset[str]:
        """The part's checks. The parts are disjoint, and together they are all `ids`.

        A check is in one part with all its repetitions and variants, so that its outcome is one part's word.
        """
        return shares(ids, self.durations, self.count)[self.number - 1]


def shares(ids: Iterable[str], durations: Mapping[str, float], count: int) -> list[frozenset[str]]:
    """The checks of each part: the longest first, each to the part that has the least to do so far.

    It depends on the arguments alone. A check of unknown duration counts as the median of those that are known.
    """
    wanted = sorted(set(ids))
    known = [durations[one] for one in wanted if one in durations]
    typical = statistics.median(known) if known else 1.0
    seconds = {one: durations.get(one, typical) for one in wanted}
    parts: list[set[str]] = [set() for _ in range(count)]
    loads = [0.0] * count
    for one in sorted(wanted, key=lambda name: (-seconds[name], name)):
        # Of equally busy parts the one with fewer checks, so that checks that take no time are spread, too.
        part = min(range(count), key=lambda number: (loads[number], len(parts[number]), number))
        parts[part].add(one)
        loads[part] += seconds[one]
    return [frozenset(part) for part in parts]


def shard_of(text: str | None, durations: Path | None) -> Shard | None:
    """The shard of --shard I/N, balanced by --balance-by. Raises UsageError."""
    if not text:
        if durations is not None:
            raise UsageError("--balance-by is for --shard, and there is none.")
        return None
    first, slash, second = text.partition("/")
    if not (
        slash
        and len(text) < 10
        and first.isdecimal()
        and second.isdecimal()
        and 1 <= int(first) <= int(second)
    ):
        raise UsageError(f"--shard {text} is not I/N, like 1/4, with I from 1 to N.")
    return Shard(
        number=int(first), count=int(second), durations=recorded(durations) if durations is not None else {}
    )


def recorded(results: Path) -> dict[str, float]:
    """How long each check took by an earlier results.json, a whole run's or a shard's. Raises UsageError."""
    try:
        data = parsed(content(results, most=bounds.RESULTS_BYTES))
        found = {str(check["id"]): float(check["duration_s"]) for check in data["checks"]}
    except OSError as error:
        raise UsageError(f"--balance-by {results} cannot be read: {error.strerror or error}.") from None
    except (OverflowError, ValueError, KeyError, TypeError):
        found = {"": math.nan}
    if not all(math.isfinite(seconds) and seconds >= 0 for seconds in found.values()):
        raise UsageError(f"--balance-by {results} is no results.json.", remedy="Name that of an earlier run.")
    return found
