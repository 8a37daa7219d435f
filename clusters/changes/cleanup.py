"""Undoing many changes: all of them, whatever happens to one, and a sentence about each that failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from clusters.api import Api
from clusters.changes import leftovers
from clusters.changes.patient_api import PatientApi
from clusters.changes.undo import perform
from clusters.errors import CleanupFailed, ConformanceError
from clusters.journal import Entry, Journal
from clusters.shield import is_abandoned, undisturbed


@dataclass
class CleanupResult:
    """What came of it: (entry, why) for each change that is not undone, and what is worth telling."""

    done: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[tuple[Entry, str]] = field(default_factory=list)
    interrupted: bool = False


def clean(api: Api, journal: Journal, entries: Sequence[Entry]) -> CleanupResult:
    """Undo `entries` in their order, each marked in the journal when it is done; nothing is raised for one.

    What stood in a namespace that is undone as well goes with it. An API server that is away for a while is borne
    with (see `patience`), and signals that end a process are held back (see `shield`).
    """
    result = CleanupResult()
    left = len(entries)

    def count() -> int:
        return left

    with undisturbed(count) as heard:
        patient = PatientApi(api)
        for entry in _inner_ones_last(entries):
            if is_abandoned():
                result.failures.append((entry, "interrupted by the user"))
            else:
                _one(patient, journal, entry, result)
            left -= 1
        result.interrupted = bool(heard)
    return result


def _one(api: Api, journal: Journal, entry: Entry, result: CleanupResult) -> None:
    try:
        note = perform(api, entry)
    except ConformanceError as error:
        result.failures.append((entry, str(error)))
        return
    except Exception as error:  # noqa: BLE001 - a mistake in one undo must not keep the others from theirs
        result.failures.append((entry, f"{type(error).__name__}: {error}"))
        return
    journal.undone(entry.seq)
    result.done.append(entry)
    if note:
        result.notes.append(note)


def _inner_ones_last(entries: Sequence[Entry]) -> list[Entry]:
    """Namespaces in the place of the newest creation within them: it is all gone with them, at once."""
    spaces = [entry.undo.get("name") for entry in entries if _is_namespace(entry)]
    inside = {
        entry.seq
        for entry in entries
        if entry.undo["kind"] == "delete" and entry.undo.get("namespace") in spaces
    }
    if not inside:
        return list(entries)
    others = [entry for entry in entries if entry.seq not in inside]
    return others + [entry for entry in entries if entry.seq in inside]


def _is_namespace(entry: Entry) -> bool:
    resource = entry.undo.get("resource")
    return (
        entry.undo["kind"] == "delete" and isinstance(resource, dict) and resource.get("kind") == "Namespace"
    )


def not_undone(journal: Journal, failures: Sequence[tuple[Entry, str]]) -> CleanupFailed:
    """The error that names every change that may be left, and what to type to try again."""
    listing = "\n".join(f"  {entry.change}: {why}" for entry, why in failures)
    many = "1 change is" if len(failures) == 1 else f"{len(failures)} changes are"
    return CleanupFailed(
        f"{many} not undone:\n{listing}\n",
        remedy=f"Try again: {leftovers.command_of(journal.header)}",
    )
