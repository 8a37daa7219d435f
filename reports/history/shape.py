"""The shape of the history's file, and the way from every older shape to the present one.

A released shape never changes: a new one is a new version, with a migration from the one before, and a file of
every released version is kept among the tests.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

#: What a history is marked with ("MLBC"), so that no other SQLite file is taken for one.
APPLICATION_ID = 0x4D4C4243
VERSION = 3

#: `runs.finished` is NULL until a run has ended. `validates` is 1 where a pass in the run counts as validation,
#: `replayed` where the run judged a kept observation. Times are RFC 3339 in UTC with microseconds, so that they
#: sort as texts. `outcomes.at` is when the check was decided, or when its run ended where it was not. `standings`
#: is what the outcomes add up to (reports.history.standings); its times are '' and its runs 0 for never.
_VERSION_1 = """
CREATE TABLE runs (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    cluster TEXT NOT NULL,
    started TEXT NOT NULL,
    finished TEXT,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_started REAL NOT NULL,
    provider TEXT NOT NULL,
    context TEXT NOT NULL,
    allow TEXT NOT NULL,
    kubernetes_version TEXT NOT NULL,
    metallb_version TEXT NOT NULL,
    suite_version TEXT NOT NULL,
    vantage TEXT NOT NULL,
    verdict TEXT,
    scope TEXT,
    validates INTEGER NOT NULL DEFAULT 0,
    replayed INTEGER NOT NULL DEFAULT 0,
    directory TEXT NOT NULL,
    UNIQUE (id, cluster, started)
);
CREATE INDEX runs_by_cluster ON runs (cluster, started);
CREATE TABLE checks (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    runbook TEXT NOT NULL,
    level TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE outcomes (
    run INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    check_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at TEXT NOT NULL,
    duration_s REAL NOT NULL,
    reason TEXT NOT NULL,
    causes TEXT NOT NULL,
    PRIMARY KEY (run, check_id)
) WITHOUT ROWID;
CREATE INDEX outcomes_by_check ON outcomes (check_id, run);
CREATE TABLE standings (
    cluster TEXT NOT NULL,
    check_id TEXT NOT NULL,
    metallb_version TEXT NOT NULL,
    kubernetes_version TEXT NOT NULL,
    last_at TEXT NOT NULL,
    last_run INTEGER NOT NULL,
    last_outcome TEXT NOT NULL,
    decided TEXT NOT NULL,
    decided_at TEXT NOT NULL,
    decided_run INTEGER NOT NULL,
    passed_at TEXT NOT NULL,
    passed_run INTEGER NOT NULL,
    validated_at TEXT NOT NULL,
    validated_run INTEGER NOT NULL,
    failed_at TEXT NOT NULL,
    failed_run INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    since TEXT NOT NULL,
    since_run INTEGER NOT NULL,
    PRIMARY KEY (cluster, check_id, metallb_version, kubernetes_version)
) WITHOUT ROWID;
CREATE TABLE figures (
    run INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    check_id TEXT NOT NULL,
    name TEXT NOT NULL,
    unit TEXT NOT NULL,
    worst REAL NOT NULL,
    budget REAL,
    lowest INTEGER NOT NULL,
    PRIMARY KEY (run, check_id, name)
) WITHOUT ROWID;
CREATE TABLE untested (
    run INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    check_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (run, check_id)
) WITHOUT ROWID;
CREATE TABLE notes (at TEXT NOT NULL, text TEXT NOT NULL);
"""


def _keep_subjects(connection: sqlite3.Connection) -> None:
    """Version 2: what a failed check is attributed to, as pairs of cause and subject; empty in older runs."""
    connection.execute("ALTER TABLE outcomes ADD COLUMN blamed TEXT NOT NULL DEFAULT '[]'")


def _keep_messages(connection: sqlite3.Connection) -> None:
    """Version 3: declared maintenance of runs, messages that wait for their receivers, and when the last one was made.

    `outbox.taken` is a list of the receivers that have it. `sent` has a row for each cluster and level of runs.
    """
    connection.execute("ALTER TABLE runs ADD COLUMN maintenance TEXT NOT NULL DEFAULT ''")
    connection.execute(
        "CREATE TABLE outbox (key INTEGER PRIMARY KEY, cluster TEXT NOT NULL, made TEXT NOT NULL, "
        "title TEXT NOT NULL, body TEXT NOT NULL, taken TEXT NOT NULL DEFAULT '[]')"
    )
    connection.execute(
        "CREATE TABLE sent (cluster TEXT NOT NULL, allow TEXT NOT NULL, at TEXT NOT NULL, "
        "PRIMARY KEY (cluster, allow)) WITHOUT ROWID"
    )


#: From each version to the next one. Each runs inside the transaction that also raises the version.
MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {1: _keep_subjects, 2: _keep_messages}


def make(connection: sqlite3.Connection) -> None:
    """Give an empty file the present shape, as an old one gets it; nobody else has the file yet.

    The journal is kept ahead of the file, for readers beside a writer.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.executescript(f"BEGIN; {_VERSION_1} PRAGMA user_version = 1; COMMIT;")
    migrate(connection)


def version_of(connection: sqlite3.Connection) -> int:
    """The version of a history's shape; 0 where the file is no history of this suite."""
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version) if mark == APPLICATION_ID else 0


def foreign(connection: sqlite3.Connection) -> str:
    """A view or trigger in the file; "" for none, as in every history of this suite.

    Whoever wrote the file would have them do something, or go on forever, whenever the history is read or written.
    """
    row = connection.execute(
        "SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index') LIMIT 1"
    ).fetchone()
    return f"the {row[0]} {row[1]}" if row else ""


def migrate(
    connection: sqlite3.Connection,
    migrations: Mapping[int, Callable[[sqlite3.Connection], None]] = MIGRATIONS,
    *,
    to: int = VERSION,
) -> None:
    """Bring an older history to version `to` in one transaction: it is all there, or the file is as before."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again, for another process may have migrated while this one waited for its turn.
        for version in range(version_of(connection), to):
            migrations[version](connection)
        connection.execute(f"PRAGMA user_version = {to}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
