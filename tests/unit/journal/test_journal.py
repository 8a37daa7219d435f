"""The journal: what is on disk when, and what a later process makes of it."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusters import journal
from clusters.errors import CleanupFailed
from clusters.journal import Journal

UNDO = {"kind": "nothing", "why": "for these tests"}


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(journal.STATE_VARIABLE, str(tmp_path))


def begun(run: str = "r1", cluster: str = "edge") -> Journal:
    new = Journal.for_run(run, cluster=cluster)
    new.identify(uid="uid-1", kubeconfig="/k", context="c")
    return new


def as_if_ended(path: Path) -> None:
    """Make the header say that another process wrote it, which is no more."""
    lines = path.read_text().splitlines(keepends=True)
    header = json.loads(lines[0])
    header["journal"]["started"] -= 1000
    path.write_text("".join([json.dumps(header) + "\n", *lines[1:]]))


def test_nothing_is_written_before_something_is_changed(tmp_path: Path) -> None:
    begun().close()

    assert list(tmp_path.rglob("*")) == []


def test_a_change_is_on_disk_before_record_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda fd: (fsync(fd), synced.append(Path(f"/proc/self/fd/{fd}").readlink()))
    )
    new = begun()

    new.record("create service a/b", UNDO)
    header, entry = new.path.read_text().splitlines()

    assert new.path == tmp_path / "journals" / "edge" / "r1.jsonl"
    assert json.loads(header)["journal"]["uid"] == "uid-1"
    assert json.loads(entry) == {"seq": 1, "change": "create service a/b", "undo": UNDO}
    assert synced[-1] == new.path


def test_nobody_else_may_read_it() -> None:
    new = begun()
    new.record("x", UNDO)

    assert stat.S_IMODE(new.path.stat().st_mode) == 0o600


def test_the_cluster_must_be_named_first() -> None:
    with pytest.raises(ValueError, match="which cluster is changed"):
        Journal.for_run("r", cluster="edge").record("x", UNDO)


def test_what_is_pending_comes_newest_first() -> None:
    new = begun()
    first, second, third = (new.record(name, UNDO) for name in "abc")
    new.undone(second)

    assert [entry.seq for entry in new.pending()] == [third, first]
    assert [entry.seq for entry in new.pending(after=first)] == [third]
    assert new.last == third


def test_a_file_with_nothing_left_to_undo_goes_away() -> None:
    new = begun()
    new.undone(new.record("x", UNDO))
    new.close()

    assert not new.path.exists()


def test_a_file_with_something_left_stays_and_is_read_again() -> None:
    new = begun()
    made, unsure = new.record("made", UNDO), new.record("unsure", UNDO)
    new.made(made)
    new.close()

    found = Journal.load(new.path)

    assert found.header == new.header
    assert [(entry.seq, entry.change, entry.made) for entry in found.pending()] == [
        (unsure, "unsure", False),
        (made, "made", True),
    ]


def test_a_torn_last_line_is_no_entry_and_is_written_over() -> None:
    new = begun()
    new.record("whole", UNDO)
    new.close()
    with new.path.open("ab") as file:
        file.write(b'{"seq": 2, "change": "torn", "un')

    found = Journal.load(new.path)
    assert [entry.change for entry in found.pending()] == ["whole"]
    found.undone(1)
    assert new.path.read_bytes().endswith(b'}\n{"undone": 1}\n')


@settings(deadline=None)  # each example waits for the disk
@given(cut=st.integers(min_value=0, max_value=10_000))
def test_wherever_a_write_is_torn_what_was_recorded_before_is_there(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(journal.STATE_VARIABLE, str(folder))
        new = begun()
        new.record("first", UNDO)
        kept = new.path.stat().st_size
        new.record("second", UNDO)
        new.close()
        whole = new.path.read_bytes()
        new.path.write_bytes(whole[: kept + cut % (len(whole) - kept)])

        found = Journal.load(new.path)
        assert [entry.change for entry in found.pending()] == ["first"]
        found.undone(1)
        found.close()
        assert not new.path.exists()


def test_damage_anywhere_else_is_not_passed_over() -> None:
    new = begun()
    new.record("a", UNDO)
    new.close()
    lines = new.path.read_text().splitlines()
    new.path.write_text("\n".join([lines[0], "garbage", lines[1], ""]))

    with pytest.raises(CleanupFailed, match=r"r1\.jsonl is damaged in line 2"):
        Journal.load(new.path)


def test_a_live_run_s_journal_is_left_alone_and_an_ended_one_is_found() -> None:
    live, ended = begun("live"), begun("ended")
    live.record("a", UNDO)
    ended.record("b", UNDO)
    as_if_ended(ended.path)

    assert [found.header.run for found in journal.left_behind("edge") if found.header] == ["ended"]
    assert list(journal.left_behind("another")) == []


def test_a_process_that_took_the_number_of_the_run_s_is_not_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    new = begun()
    new.record("a", UNDO)
    assert new.header is not None
    assert new.header.is_live

    monkeypatch.setattr(psutil.Process, "create_time", lambda _: new.header.started + 60)  # type: ignore[union-attr]  # set above
    assert not new.header.is_live


def test_another_machine_s_journal_is_told_and_left_alone() -> None:
    new = begun()
    new.record("a", UNDO)
    as_if_ended(new.path)
    text = new.path.read_text().splitlines()
    header = json.loads(text[0])
    header["journal"]["machine"] = "elsewhere"
    new.path.write_text("\n".join([json.dumps(header), *text[1:], ""]))

    assert list(journal.left_behind("edge")) == []
    assert [each.machine for each in journal.elsewhere("edge")] == ["elsewhere"]


def test_two_processes_of_one_run_write_two_files() -> None:
    first = begun()
    first.record("a", UNDO)
    second = begun()
    second.record("b", UNDO)

    assert first.path != second.path
    assert second.path.name == f"r1.{os.getpid()}.jsonl"


def test_threads_share_a_journal() -> None:
    new = begun()

    def work() -> None:
        for number in range(20):
            seq = new.record(str(number), UNDO)
            new.made(seq)
            new.undone(seq)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert new.last == 80
    assert Journal.load(new.path).pending() == []
