"""The history's file: whole after everything that may happen to it, and never begun anew in silence."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from clusters.checks import Outcome, RunResult
from reports.history import Damaged, HistoryError, Recorder, opened, opening, shape, standings
from reports.history.recording import enter, writing
from reports.history.stored_runs import Ending, notes, runs
from tests.unit.reports.past_runs import a_run, keep

KEPT = Path(__file__).parent / "history-1.db"
#: One of every released shape.
OLD = sorted(Path(__file__).parent.glob("history-*.db"))
ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a history is, or is to be."""
    return tmp_path / "history.db"


def ids(path: Path) -> dict[str, Ending]:
    with opened(path) as connection:
        return {run.id: run.ending for run in runs(connection)}


def whole(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def one(name: str, hours: float = 0, checks: int = 1) -> RunResult:
    return a_run(name, hours, {f"health.c{number}": Outcome.PASSED for number in range(checks)})


def recorded(path: Path, result: RunResult, *, days: int | None = None) -> Recorder:
    recorder = Recorder(path, directory=path.parent, days=days)
    recorder.begin(replace(result, checks=()))
    recorder.finish(result)
    return recorder


def test_a_run_is_known_from_its_beginning_and_whole_at_its_end(path: Path) -> None:
    recorder = Recorder(path, directory=path.parent)
    recorder.begin(replace(one("run"), checks=()))

    assert ids(path) == {"run": Ending.RUNNING}
    assert recorder.first

    recorder.finish(one("run"))
    assert recorder.faults == []
    assert ids(path) == {"run": Ending.ENDED}
    assert {part.name for part in path.parent.iterdir()} == {"history.db"}
    assert not recorded(path, one("next", 1)).first


def test_what_a_run_did_not_need_to_keep_goes_by_its_age(path: Path) -> None:
    for number in range(5):
        recorded(path, one(f"run-{number}", number))

    recorded(path, one("newest", 9), days=1)

    assert list(ids(path)) == ["run-0", "newest"]  # since when it passes, and the last pass


KILLED = """
    import os, sqlite3, sys
    from dataclasses import replace
    from pathlib import Path
    from reports.history import Recorder
    from reports.history import recording
    from tests.unit.reports.test_history import one

    path = Path(sys.argv[1])
    result = one("killed", 1, checks=3000)
    recorder = Recorder(path, directory=path.parent)
    recorder.begin(replace(result, checks=()))
    if sys.argv[2] == "in the transaction":
        enter = recording.enter
        def stop(connection, *rest, **more):
            # Hardly anything fits into the cache, so most of the transaction is in the journal already.
            connection.execute("PRAGMA cache_size = 10")
            enter(connection, *rest, **more)
            print("here", flush=True)
            sys.stdin.read()
        recording.enter = stop
        recorder.finish(result)
    print("here", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("where", ["before its end", "in the transaction"])
def test_a_run_that_is_killed_is_seen_as_interrupted(path: Path, where: str) -> None:
    keep(path, one("before"))
    process = spawned(KILLED, str(path), where)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    journal = path.with_name("history.db-wal")
    assert where == "before its end" or journal.stat().st_size > 100_000

    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)

    assert ids(path) == {"before": Ending.ENDED, "killed": Ending.INTERRUPTED}
    with opened(path) as connection:
        (told,) = standings(connection)
        assert told.passed_at.startswith("2026-01-01T00:01:00")
        assert connection.execute("SELECT count(*) FROM outcomes").fetchone() == (1,)
    assert whole(path)
    assert recorded(path, one("after", 2)).faults == []


MANY = """
    import sys
    from pathlib import Path
    from tests.unit.reports.test_history import one, recorded

    path = Path(sys.argv[1])
    for number in range(15):
        found = recorded(path, one(f"{sys.argv[2]}-{number}", number, checks=40))
        assert found.faults == [], found.faults
"""


def test_two_runs_at_once_are_both_kept(path: Path) -> None:
    processes = [spawned(MANY, str(path), name) for name in ("a", "b")]
    for process in processes:
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0, output

    assert set(ids(path)) == {f"{name}-{number}" for name in "ab" for number in range(15)}
    assert set(ids(path).values()) == {Ending.ENDED}
    with opened(path) as connection:
        assert connection.execute("SELECT count(*) FROM outcomes").fetchone() == (30 * 40,)
    assert whole(path)


def spawned(code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", dedent(code), *arguments],
        text=True,
        env=environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file of this process may grow any further, as on a disk without space."""
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size // 2, most[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)


def test_a_full_disk_is_said_and_costs_only_the_run(path: Path) -> None:
    keep(path, one("before", checks=300))
    recorder = Recorder(path, directory=path.parent)

    with full_disk(path):
        recorder.begin(one("lost", 1))
        recorder.finish(one("lost", 1, checks=2000))

    (fault,) = recorder.faults
    assert fault.startswith(f"The history {path} cannot be used: ")
    assert fault.endswith("This run is not in it.")
    assert ids(path)["before"] is Ending.ENDED
    assert ids(path).get("lost") is not Ending.ENDED
    assert whole(path)


def test_space_that_comes_back_in_time_loses_nothing(path: Path) -> None:
    keep(path, one("before", checks=300))
    recorder = Recorder(path, directory=path.parent)
    with full_disk(path):
        recorder.begin(one("run", 1))

    recorder.finish(one("run", 1))

    assert recorder.faults == []
    assert ids(path) == {"before": Ending.ENDED, "run": Ending.ENDED}


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def overwritten(path: Path) -> None:
    path.write_bytes(b"no database at all" * 1000)


def torn(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("damage", [emptied, overwritten, torn, cut])
def test_a_damaged_history_is_kept_aside_and_never_forgotten(
    path: Path, damage: Callable[[Path], None]
) -> None:
    keep(path, one("before", checks=300))
    damage(path)
    broken = path.read_bytes()

    with pytest.raises(Damaged, match=r"history\.db is damaged: "):
        opening.examine(path)
    assert path.read_bytes() == broken

    recorder = recorded(path, one("after", 1))

    (fault,) = recorder.faults
    (aside,) = path.parent.glob("history.db.damaged-*")
    assert aside.read_bytes() == broken
    assert f"It is kept as {aside}" in fault
    assert ids(path) == {"after": Ending.ENDED}
    assert recorded(path, one("later", 2)).faults == []
    with opened(path) as connection:
        (note,) = notes(connection)
        assert aside.name in note


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("notes.md", b"# Notes\n", "is not a history of this suite"),
        ("other.db", None, "is a database, but not a history of this suite"),
        ("newer.db", 99, f"is a history of version 99; this suite knows up to version {shape.VERSION}"),
    ],
)
def test_what_is_no_history_of_ours_is_left_alone(
    tmp_path: Path, name: str, content: bytes | int | None, said: str
) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        if content is not None:
            keep(path, one("before"))
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE mine (x)")
            connection.execute(f"PRAGMA user_version = {content or 0}")
    before = path.read_bytes()

    with pytest.raises(HistoryError, match=said), opened(path):
        pass
    recorder = recorded(path, one("after", 1))

    assert [said in fault for fault in recorder.faults] == [True]
    assert path.read_bytes() == before
    assert {part.name for part in tmp_path.iterdir()} == {name}


def test_a_history_in_a_place_that_cannot_be_written_is_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(path, one("before"))
    # Root may write everywhere, so the answer is given here.
    monkeypatch.setattr(opening.os, "access", lambda *_: False)

    assert ids(path) == {"before": Ending.ENDED}
    (fault,) = recorded(path, one("after", 1)).faults
    assert "attempt to write a readonly database" in fault


def test_a_history_that_is_not_there_is_said(path: Path) -> None:
    with pytest.raises(HistoryError, match="There is no history"), opened(path):
        pass


def described(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name"
        ).fetchall()


def test_there_is_a_history_of_every_older_shape() -> None:
    assert [path.stem for path in OLD] == [f"history-{number}" for number in range(1, shape.VERSION)]


@pytest.mark.parametrize("old", OLD, ids=lambda path: path.stem)
def test_the_history_of_an_older_release_is_read_and_carried_on(tmp_path: Path, old: Path) -> None:
    path = Path(shutil.copy(old, tmp_path / "history.db"))

    with opened(path) as connection:
        assert shape.version_of(connection) == shape.VERSION
        (told,) = standings(connection)
        assert (told.check, told.failures) == ("health.a", 2)
        assert told.passed_at == "2026-01-01T00:01:00.250000Z"
    assert described(path) == described(keep(tmp_path / "new.db"))

    assert recorded(path, a_run("new", 99, {"health.a": Outcome.PASSED})).faults == []
    with opened(path) as connection:
        (told,) = standings(connection)
        assert (told.failures, told.passed_at[:10]) == (0, "2026-01-05")


def test_a_migration_happens_whole_or_not_at_all(tmp_path: Path) -> None:
    path = Path(shutil.copy(KEPT, tmp_path / "history.db"))

    def second(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE runs ADD COLUMN weather TEXT NOT NULL DEFAULT 'fine'")

    def third(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE nowhere ADD COLUMN x")

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="no such table: nowhere"):
            shape.migrate(connection, {1: second, 2: third}, to=3)
        assert shape.version_of(connection) == 1
        assert described(path) == described(KEPT)

        shape.migrate(connection, {1: second}, to=2)
        shape.migrate(connection, {1: third}, to=2)  # there already
        assert shape.version_of(connection) == 2
        assert connection.execute("SELECT DISTINCT weather FROM runs").fetchall() == [("fine",)]


def test_every_older_shape_has_its_migration() -> None:
    assert set(shape.MIGRATIONS) == set(range(1, shape.VERSION))


def test_a_transaction_that_breaks_leaves_nothing(path: Path) -> None:
    keep(path, one("before"))

    def breaks() -> None:
        with writing(path) as connection:
            enter(connection, one("broken", 1), directory=path)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks()

    assert ids(path) == {"before": Ending.ENDED}


@pytest.mark.parametrize(
    "made",
    [
        "CREATE VIEW more AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        "CREATE TRIGGER more AFTER INSERT ON runs BEGIN DELETE FROM outcomes; END",
    ],
)
def test_a_history_that_would_do_something_when_it_is_read_is_refused(path: Path, made: str) -> None:
    opening.ensure(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(made)

    with pytest.raises(HistoryError, match=f"the {made.split()[1].lower()} more, which"), opened(path):
        pass
