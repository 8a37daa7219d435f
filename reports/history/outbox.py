"""Messages that wait: made in quiet hours, or not taken by every receiver. They leave when each receiver has them.

A message is here before it is sent, so that a run that is killed while it sends loses none. What nobody took for two
weeks is dropped, and so are the oldest of very many; whoever asks for what waits is told how many that were.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reports.history import stored_runs
from reports.history.opening import moment

#: How long a message waits for a receiver, and how many wait for one cluster.
_LONGEST, _MOST = timedelta(days=14), 50


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message. `taken` are the receivers that have it; `made` is RFC 3339, UTC. A `key` of 0 stands nowhere."""

    cluster: str
    made: str
    title: str
    body: str
    key: int = 0
    taken: frozenset[str] = field(default=frozenset())


def put(connection: sqlite3.Connection, message: Message, *, allow: str) -> None:
    """Keep a message, and that there was one for runs of this level; inside a transaction."""
    made = moment(datetime.fromisoformat(message.made))
    connection.execute(
        "INSERT INTO outbox (cluster, made, title, body) VALUES (?, ?, ?, ?)",
        (message.cluster, made, message.title, message.body),
    )
    connection.execute("INSERT OR REPLACE INTO sent VALUES (?, ?, ?)", (message.cluster, allow, made))


def last_made(connection: sqlite3.Connection, cluster: str, *, allow: str) -> datetime | None:
    """When runs of this cluster and level last had a message; None for never."""
    row = connection.execute(
        "SELECT at FROM sent WHERE cluster = ? AND allow = ?", (cluster, allow)
    ).fetchone()
    return datetime.fromisoformat(stored_runs.time(row[0])) if row else None


def waiting(connection: sqlite3.Connection, cluster: str = "") -> list[Message]:
    """What waits, for one cluster or for all, the oldest first."""
    found = connection.execute(
        "SELECT key, cluster, made, title, body, taken FROM outbox WHERE ? IN ('', cluster) ORDER BY key",
        (cluster,),
    )
    return [
        Message(
            key=key,
            cluster=name,
            made=stored_runs.time(made),
            title=title,
            body=body,
            taken=frozenset(stored_runs.texts(taken)),
        )
        for key, name, made, title, body, taken in found
    ]


def drop_old(connection: sqlite3.Connection, cluster: str, *, now: datetime) -> int:
    """Drop what waits too long, or is too much, inside a transaction; how many that were."""
    keys = [
        one.key
        for number, one in enumerate(reversed(waiting(connection, cluster)))
        if number >= _MOST or now - datetime.fromisoformat(one.made) > _LONGEST
    ]
    connection.executemany("DELETE FROM outbox WHERE key = ?", [(key,) for key in keys])
    return len(keys)


def taken(
    connection: sqlite3.Connection, by: Iterable[tuple[int, str]], *, receivers: Collection[str]
) -> None:
    """Note which receiver took which message, inside a transaction; one that all have is done with."""
    new: dict[int, set[str]] = {}
    for key, name in by:
        new.setdefault(key, set()).add(name)
    for one in waiting(connection):
        have = one.taken | new.get(one.key, set())
        if one.key in new and set(receivers) <= have:
            connection.execute("DELETE FROM outbox WHERE key = ?", (one.key,))
        elif one.key in new:
            connection.execute(
                "UPDATE outbox SET taken = ? WHERE key = ?", (json.dumps(sorted(have)), one.key)
            )
