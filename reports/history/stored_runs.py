"""Reading a history back: its runs, how each ended, and what single runs said."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import psutil

from clusters.checks import Outcome, Verdict, is_known, word_of
from clusters.json_text import parsed
from reports.attribution import Attribution

#: How far apart two readings of one process's start may lie, in seconds.
_SAME_PROCESS = 2.0
#: As much of words that nobody knows is shown.
_MOST_SHOWN = 200
_RUN = (
    "key", "id", "cluster", "provider", "started", "finished", "allow", "kubernetes_version", "metallb_version",
    "verdict", "validates", "replayed", "directory", "maintenance", "host", "pid", "process_started",
)  # fmt: skip


class Ending(StrEnum):
    """Whether a run came to its end."""

    ENDED = "ended"
    RUNNING = "running"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a history. `finished` is "" and `verdict` None where it did not end (or not yet)."""

    key: int
    id: str
    cluster: str
    provider: str
    started: str
    finished: str
    allow: str
    kubernetes_version: str
    metallb_version: str
    verdict: Verdict | None
    validates: bool
    replayed: bool
    directory: str
    maintenance: str
    ending: Ending
    #: Whether it has an outcome of any check.
    ran: bool = True


@dataclass(frozen=True, kw_only=True)
class WorstSample:
    """The worst sample of one figure in one run; `lowest` where that is the lowest one."""

    unit: str
    worst: float
    lowest: bool = False


def runs(connection: sqlite3.Connection, cluster: str = "", *, most: int | None = None) -> list[Run]:
    """The runs of one cluster or of all, oldest first; the newest `most` of them. Replayed ones are left out."""
    found = connection.execute(
        f"SELECT {', '.join(_RUN)}, EXISTS (SELECT 1 FROM outcomes WHERE run = key) "  # noqa: S608 - names from above
        "FROM runs WHERE NOT replayed AND ? IN ('', cluster) "
        "ORDER BY started DESC, key DESC LIMIT ?",
        (cluster, -1 if most is None else most),
    )
    return [_run(row) for row in found][::-1]


def outcomes(connection: sqlite3.Connection, run: int) -> dict[str, tuple[Outcome | None, str]]:
    """What a run said of each check, with the reason; None for one that it left out."""
    left_out = connection.execute("SELECT check_id, reason FROM untested WHERE run = ?", (run,))
    found: dict[str, tuple[Outcome | None, str]] = {check: (None, reason) for check, reason in left_out}
    decided = connection.execute("SELECT check_id, outcome, reason FROM outcomes WHERE run = ?", (run,))
    return found | {check: (word_of(Outcome, outcome), reason) for check, outcome, reason in decided}


def attributed(connection: sqlite3.Connection, run: int) -> dict[str, tuple[Attribution, ...]]:
    """What each check that failed in a run is attributed to; of a run entered by an older suite the causes alone."""
    found = connection.execute(
        "SELECT check_id, blamed, causes FROM outcomes WHERE run = ? AND outcome = ?",
        (run, str(Outcome.FAILED)),
    )
    return {
        check: tuple(
            Attribution(cause, subject)
            for cause, subject in pairs(subjects) or [(cause, "") for cause in texts(causes)]
        )
        for check, subjects, causes in found
    }


def figures(connection: sqlite3.Connection, run: int) -> dict[tuple[str, str], WorstSample]:
    """A run's figures by check and name."""
    found = connection.execute(
        "SELECT check_id, name, unit, worst, lowest FROM figures WHERE run = ?", (run,)
    )
    return {
        (check, name): WorstSample(unit=unit, worst=worst, lowest=bool(lowest))
        for check, name, unit, worst, lowest in found
    }


def strips(connection: sqlite3.Connection, chosen: Sequence[Run]) -> dict[str, tuple[Outcome | None, ...]]:
    """Each check's outcomes in the chosen runs, in their order; None where a run did not run it."""
    found: dict[str, list[Outcome | None]] = {}
    for place, run in enumerate(chosen):
        rows = connection.execute("SELECT check_id, outcome FROM outcomes WHERE run = ?", (run.key,))
        for check, outcome in rows:
            found.setdefault(check, [None] * len(chosen))[place] = word_of(Outcome, outcome)
    return {check: tuple(strip) for check, strip in found.items()}


def trends(
    connection: sqlite3.Connection, chosen: Sequence[Run]
) -> dict[tuple[str, str], tuple[float | None, ...]]:
    """Each figure's worst sample in the chosen runs, in their order; None where a run did not measure it."""
    found: dict[tuple[str, str], list[float | None]] = {}
    for place, run in enumerate(chosen):
        for name, figure in figures(connection, run.key).items():
            found.setdefault(name, [None] * len(chosen))[place] = figure.worst
    return {name: tuple(trend) for name, trend in found.items()}


def previous(chosen: Iterable[Run], *, allow: str) -> Run | None:
    """The newest of some runs to compare with: one that ended and ran checks, at the same level if there is one."""
    ended = [run for run in chosen if run.ending is Ending.ENDED and run.ran]
    alike = [run for run in ended if run.allow == allow]
    return next(reversed(alike or ended), None)


def clusters(connection: sqlite3.Connection) -> list[str]:
    """The names of all clusters that the history knows."""
    return [name for (name,) in connection.execute("SELECT DISTINCT cluster FROM runs ORDER BY cluster")]


def unknown_words(connection: sqlite3.Connection) -> list[str]:
    """The outcomes and verdicts in it that this release does not know, sorted."""
    found = connection.execute(
        "SELECT DISTINCT outcome FROM outcomes UNION SELECT last_outcome FROM standings "
        "UNION SELECT decided FROM standings WHERE decided != ''"
    )
    words: list[StrEnum] = [word_of(Outcome, str(word)) for (word,) in found]
    verdicts = connection.execute("SELECT DISTINCT verdict FROM runs WHERE verdict IS NOT NULL")
    words += [word_of(Verdict, str(word)) for (word,) in verdicts]
    return sorted({str(word) for word in words if not is_known(word)})


def notes(connection: sqlite3.Connection) -> list[str]:
    """What is to be known of the history itself: an earlier one was damaged, or a newer release wrote it."""
    kept = [text for (text,) in connection.execute("SELECT text FROM notes ORDER BY at")]
    words = unknown_words(connection)
    if words:
        kept.append(
            f"Written by a newer release, which has words that this one does not know; they are shown as they are: "
            f"{', '.join(words)[:_MOST_SHOWN]}."
        )
    return kept


def _run(row: Sequence[object]) -> Run:
    run = dict(zip((*_RUN, "ran"), row, strict=True))
    # Whoever opened the history reports a time that is none, before anybody reckons with it.
    run |= {name: time(run[name]) or run[name] for name in ("started", "finished")}
    host, pid, since = str(run.pop("host")), run.pop("pid"), run.pop("process_started")
    ended = bool(run["finished"])
    running = not ended and _alive(host, int(str(pid)), float(str(since)))
    ending = Ending.ENDED if ended else Ending.RUNNING if running else Ending.INTERRUPTED
    run |= {
        "finished": run["finished"] or "",
        "verdict": word_of(Verdict, str(run["verdict"])) if ended and run["verdict"] else None,
        "validates": bool(run["validates"]),
        "replayed": bool(run["replayed"]),
        "ran": bool(run["ran"]),
    }
    return Run(**run, ending=ending)  # type: ignore[arg-type]  # as the columns of the table are declared


def _alive(host: str, pid: int, since: float) -> bool:
    """Whether the process that began a run still runs; one of another machine is not seen, and counts as gone."""
    if host != platform.node():
        return False
    try:
        return abs(psutil.Process(pid).create_time() - since) < _SAME_PROCESS
    except psutil.Error:
        return False


# What columns hold as text, lists as JSON and times. What is none raises ValueError, and is reported as such.


def texts(column: str) -> tuple[str, ...]:
    """A list of texts."""
    found = parsed(column)
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError(f"{column[:40]!r} is not a list of texts")
    return tuple(found)


def pairs(column: str) -> tuple[tuple[str, str], ...]:
    """A list of pairs of texts."""
    found = parsed(column)
    if not isinstance(found, list) or not all(_is_pair(one) for one in found):
        raise ValueError(f"{column[:40]!r} is not a list of pairs")
    return tuple((first, second) for first, second in found)


def time(column: object) -> str:
    """An RFC 3339 time, or "" for never."""
    text = str(column or "")
    if text and datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{text[:40]!r} has no offset from UTC")
    return text


def _is_pair(found: object) -> bool:
    return isinstance(found, list) and len(found) == 2 and all(isinstance(one, str) for one in found)
