"""What has its final name in the cache is whole; two runs make a thing once; what is left over goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.lab.parts import cache
from clusters.lab.parts.cache import PartError, Slot

KEY = "0123456789ab"


@pytest.fixture
def slot(tmp_path: Path) -> Slot:
    return Slot(tmp_path, "parts", "etcd", KEY)


def _make(folder: Path) -> None:
    (folder / "made").write_text("yes", encoding="utf-8")


def _nobody() -> None:
    raise AssertionError("nobody held the lock")


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
