"""A journal on a disk that fills up: nothing is changed without an entry, and no mark is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters import journal
from clusters.journal import Journal, NotJournalled
from tests.disk.mounting import Disk, disk

UNDO = {"kind": "nothing", "why": "for these tests"}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    with disk(tmp_path / "disk", kib=256) as mounted:
        monkeypatch.setenv(journal.STATE_VARIABLE, str(mounted.folder))
        yield mounted


def begun() -> Journal:
    new = Journal.for_run("r1", cluster="edge")
    new.identify(uid="uid-1", kubeconfig="/k", context="c")
    return new


def changes(found: Journal) -> list[str]:
    return [entry.change for entry in found.pending()]


def test_what_is_pending_can_be_marked_when_nothing_is_free_any_more(small: Disk) -> None:
    new = begun()
    for number in range(60):
        new.record(f"change {number}", UNDO)
    small.fill()

    for entry in new.pending()[:-1]:
        new.undone(entry.seq)

    assert small.free == 0
    assert changes(Journal.load(new.path)) == ["change 0"]


def test_an_entry_that_does_not_fit_is_refused_and_leaves_the_file_as_it_was(small: Disk) -> None:
    new = begun()
    new.record("fits", UNDO)
    small.fill(but=1)

    with pytest.raises(NotJournalled, match=r"No space left on device\), so nothing was changed"):
        new.record("does not", UNDO | {"object": "x" * 50_000})

    assert changes(Journal.load(new.path)) == ["fits"]
    assert Journal.load(new.path).damage == ()
    small.drain()
    new.record("fits again", UNDO)
    assert changes(Journal.load(new.path)) == ["fits again", "fits"]


@pytest.mark.parametrize("size", [100, 3_000, 5_000, 9_000, 20_000, 60_000])
@pytest.mark.parametrize("free", [0, 1, 2, 4, 8])
def test_at_whatever_size_the_disk_ends_the_file_is_whole(small: Disk, size: int, free: int) -> None:
    new = begun()
    new.record("first", UNDO)
    small.fill(but=free)
    made = ["first"]
    for number in range(40):
        try:
            new.record(str(number), UNDO | {"object": "x" * size})
        except NotJournalled:
            break
        made.insert(0, str(number))
        new.made(new.last)

    found = Journal.load(new.path)
    assert (changes(found), found.damage) == (made, ())
    for entry in new.pending():
        new.undone(entry.seq)
    assert changes(Journal.load(new.path)) == []
    new.close()
    assert not new.path.exists()


def test_a_run_that_finds_no_room_at_all_leaves_no_file(small: Disk) -> None:
    small.fill()

    with pytest.raises(NotJournalled):
        begun().record("first", UNDO)

    assert [path for path in small.folder.rglob("*") if path.is_file()] == [small.folder / "ballast"]


def test_a_sweep_marks_what_it_undoes_on_a_full_disk(small: Disk) -> None:
    new = begun()
    for name in "abc":
        new.record(name, UNDO)
    new.close()
    small.fill()

    found = Journal.load(new.path)
    found.undone(3)
    found.close()

    assert changes(Journal.load(new.path)) == ["b", "a"]


def test_half_a_line_from_a_full_disk_is_written_over_once_there_is_room(small: Disk) -> None:
    """As an older release left it: the file ends in half a mark, and there was no room for the rest."""
    new = begun()
    new.record("a", UNDO)
    new.record("b", UNDO)
    new.close()
    new.path.write_bytes(new.path.read_bytes().rstrip(b"\0") + b'{"undon')
    small.fill()

    found = Journal.load(new.path)
    found.undone(2)
    small.drain()
    found.undone(1)
    found.close()

    assert not new.path.exists()
