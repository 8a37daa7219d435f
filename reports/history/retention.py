"""Dropping old runs from a history without changing what it says of any check."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from reports.history.opening import moment
from reports.history.standings import needed


def prune(connection: sqlite3.Connection, *, before: datetime) -> int:
    """Delete the runs that began before a time, inside a transaction, and return how many there were.

    Runs that a last pass, a last failure or the present row of failures rests on stay, whatever their age.
    """
    kept = needed(connection)
    old = connection.execute("SELECT key FROM runs WHERE started < ?", (moment(before),))
    doomed = [(key,) for (key,) in old if key not in kept]
    connection.executemany("DELETE FROM runs WHERE key = ?", doomed)
    return len(doomed)
