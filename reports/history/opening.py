"""Opening a history: made in one step, refused with one sentence, and never begun anew in silence."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from clusters import files
from clusters.errors import UsageError
from reports.history import shape

#: Where a checkout's runs are kept, relative to its root.
DEFAULT = files.REPORTS / "history.db"
#: Seconds that one process waits for another one to end its writing.
_BUSY = 30.0
_MAGIC = b"SQLite format 3\x00"
_NAMED_AS_DATABASE = frozenset({".db", ".sqlite", ".sqlite3"})
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class HistoryError(UsageError):
    """A history that cannot be used; the sentence names the file and says what to do."""


class Damaged(HistoryError):  # noqa: N818 - named as the other errors of this project are
    """A history whose file is broken. Nothing in it was changed."""


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The history in `path`, in autocommit mode, brought to the present shape. Raises HistoryError.

    It must be there already. What fails inside the block is reported in the same way.
    """
    if not path.exists():
        raise HistoryError(
            f"There is no history {path}.", remedy="Runs write it; name another one with --history FILE."
        )
    _refuse_other_files(path)
    with _one_sentence(path), closing(_connect(path)) as connection:
        version = shape.version_of(connection)
        if version == 0:
            raise HistoryError(f"{path} is a database, but not a history of this suite.")
        if version > shape.VERSION:
            raise HistoryError(
                f"{path} is a history of version {version}; this suite knows up to version {shape.VERSION}.",
                remedy="Use a newer release of the suite.",
            )
        if foreign := shape.foreign(connection):
            raise HistoryError(
                f"{path} holds {foreign}, which this suite never makes: it is not used.",
                remedy="Take the history from a backup, or begin a new one under another name.",
            )
        if version < shape.VERSION:
            shape.migrate(connection)
        yield connection


def ensure(path: Path) -> bool:
    """Make an empty history where there is none, and say whether that was so. Raises HistoryError.

    It appears whole or not at all, and never in the place of another process's.
    """
    if path.exists():
        return False
    with _one_sentence(path):
        files.private_directory(path.parent)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
            unfinished = Path(scratch) / path.name
            with closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
                shape.make(connection)
            # SQLite makes the files beside it as it is itself.
            unfinished.chmod(files.PRIVATE)
            return _put(unfinished, path)


def _alone(path: Path) -> FileLock:
    """Held while a history is set aside; one process of a machine at a time."""
    return FileLock(path.with_name(f"{path.name}.lock"), timeout=_BUSY, mode=files.PRIVATE)


def examine(path: Path) -> None:
    """Read through a history for damage. Raises Damaged, or HistoryError for what is none."""
    with opened(path) as connection:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise Damaged(_damaged(path, str(verdict).splitlines()[-1]))


def set_aside(path: Path) -> Path | None:
    """Keep a damaged history under another name and begin a new one that says so; None if it is whole after all.

    Raises HistoryError where that cannot be done.
    """
    with _one_sentence(path), _alone(path):
        try:
            examine(path)
        except Damaged as damage:
            now = datetime.now(UTC)
            aside = path.with_name(f"{path.name}.damaged-{now:%Y%m%d-%H%M%S-%f}")
            # The file goes last: until then a reader finds it damaged, and no new one is made beside its journal.
            for suffix in ("-wal", "-shm", ""):
                part = path.with_name(path.name + suffix)
                if part.exists():
                    part.replace(aside.with_name(aside.name + suffix))
            ensure(path)
            with opened(path) as connection:
                note = f"What was before {now:%Y-%m-%d %H:%M} UTC is in {aside.name}, which is damaged."
                connection.execute("INSERT INTO notes VALUES (?, ?)", (moment(now), f"{note} ({damage})"))
            return aside
    return None


def moment(when: datetime) -> str:
    """A time as the history keeps it: RFC 3339 in UTC with microseconds, which sorts as text."""
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _put(unfinished: Path, path: Path) -> bool:
    """Give a finished file its name, unless another process was faster."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return False
    except OSError:
        # A file system without hard links; two processes that begin in the same instant are not told apart there.
        if path.exists():
            return False
        unfinished.replace(path)
    return True


def _connect(path: Path) -> sqlite3.Connection:
    """A connection for reading and writing, or for reading alone where the file or its place allow no more."""
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        mode = "mode=rw"
    else:
        # Without a journal beside it nobody writes; SQLite then needs no place for its own files.
        journal = path.with_name(f"{path.name}-wal").exists()
        mode = "mode=ro" if journal else "mode=ro&immutable=1"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=_BUSY, isolation_level=None
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_other_files(path: Path) -> None:
    """Distinguish a damaged history from a file that was never one: only what is named like one counts as damaged."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(_MAGIC))
    except OSError as error:
        raise HistoryError(f"The history {path} cannot be read: {error.strerror}.") from None
    if begin != _MAGIC:
        if path.suffix not in _NAMED_AS_DATABASE:
            raise HistoryError(f"{path} is not a history of this suite.")
        raise Damaged(_damaged(path, "it is empty" if not begin else "it does not begin as a database does"))


@contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    """Turn what goes wrong into one sentence; damage is another thing than a disk that is full or a file in use."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _DAMAGE:
            raise Damaged(_damaged(path, str(error))) from None
        raise HistoryError(f"The history {path} cannot be used: {error}.") from None
    except OSError as error:
        raise HistoryError(f"The history {path} cannot be used: {error.strerror or error}.") from None
    except (KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        # SQLite keeps anything in any column: a time that is none, a list that is cut off, a number for a name.
        raise HistoryError(f"The history {path} holds what this release cannot read: {error}.") from None


def _damaged(path: Path, what: str) -> str:
    return f"The history {path} is damaged: {what}."
