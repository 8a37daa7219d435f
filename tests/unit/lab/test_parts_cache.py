"""What has its final name in the cache is whole; two runs make a thing once; what is left over goes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from filelock import FileLock

from clusters.lab.parts import cache
from clusters.lab.parts.cache import Slot
from clusters.lab.parts.errors import PartError

KEY = "0123456789ab"


@pytest.fixture
def slot(tmp_path: Path) -> Slot:
    return Slot(tmp_path, "parts", "etcd", KEY)


def _make(folder: Path) -> None:
    (folder / "made").write_text("yes", encoding="utf-8")


def _nobody() -> None:
    raise AssertionError("nobody held the lock")


def test_a_thing_is_made_once(slot: Slot) -> None:
    assert slot.publish(_make, waiting=_nobody)
    assert not slot.publish(lambda _: pytest.fail("made again"), waiting=_nobody)
    assert (slot.folder / "made").read_text(encoding="utf-8") == "yes"


def test_a_failure_leaves_nothing_under_any_name(slot: Slot) -> None:
    def fail(folder: Path) -> None:
        _make(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        slot.publish(fail, waiting=_nobody)
    assert not slot.ready
    assert list(slot.folder.parent.iterdir()) == []


def test_leftovers_of_a_killed_run_go_but_not_those_of_another_part(slot: Slot) -> None:
    left = slot.folder.parent / f".etcd-{KEY}.x1y2"
    older = slot.folder.parent / ".etcd-ba9876543210.zz"
    other = slot.folder.parent / f".etcd-extra-{KEY}.abcd"
    for folder in (left, older, other):
        (folder / "work").mkdir(parents=True)
    slot.publish(_make, waiting=_nobody)
    assert sorted(path.name for path in slot.folder.parent.iterdir()) == [other.name, slot.folder.name]


def test_another_run_that_makes_it_is_waited_for_and_heard_of(slot: Slot) -> None:
    waited = threading.Event()
    lock = FileLock(slot.root / "locks" / "parts-etcd.lock", thread_local=False)
    (slot.root / "locks").mkdir()
    lock.acquire()

    def other_run() -> None:
        assert waited.wait(20)
        slot.folder.mkdir(parents=True)
        lock.release()

    thread = threading.Thread(target=other_run)
    thread.start()
    made = slot.publish(lambda _: pytest.fail("made twice"), waiting=waited.set)
    thread.join()
    assert not made
    assert waited.is_set()


def test_the_key_follows_every_fact_and_nothing_else() -> None:
    assert cache.content_key("a", {"x": 1, "y": 2}) == cache.content_key("a", {"y": 2, "x": 1})
    assert cache.content_key("a", "b") != cache.content_key("ab")
    assert len(cache.content_key("a")) == cache.KEY_LENGTH


def test_the_digest_follows_names_and_bytes_of_files(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_bytes(b"module a")
    first = cache.files_digest(tmp_path)
    (tmp_path / "go.mod").write_bytes(b"module b")
    second = cache.files_digest(tmp_path)
    (tmp_path / "go.mod").rename(tmp_path / "go.sum")
    assert len({first, second, cache.files_digest(tmp_path)}) == 3


def test_the_folder_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path))
    assert cache.cache_root() == tmp_path
    monkeypatch.delenv(cache.CACHE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_root() == tmp_path / "xdg" / "metallb-conformance"


def test_too_little_room_is_said_before_anything_is_made(tmp_path: Path) -> None:
    cache.require_space([tmp_path / "not" / "yet"], gib=0.000001, what="etcd")
    with pytest.raises(
        PartError, match=r"^Building etcd needs 1000000\.0 GiB free in .*, and [\d.]+ GiB are\."
    ):
        cache.require_space([tmp_path / "not" / "yet"], gib=1e6, what="etcd")


def test_pruning_removes_other_keys_and_leaves_work_in_progress(slot: Slot) -> None:
    slot.publish(_make, waiting=_nobody)
    old = slot.folder.parent / "etcd-ba9876543210"
    busy = slot.folder.parent / ".etcd-aaaaaaaaaaaa.tmp"
    for folder in (old, busy):
        folder.mkdir()
    assert cache.prune([slot]) == [old]
    assert slot.ready
    assert busy.is_dir()
    assert not old.exists()
