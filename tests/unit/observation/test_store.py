"""A kept observation comes back as it was; a file that is none is told so in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clusters.errors import UsageError
from clusters.observation import Objects, Snapshot, Status, load, save

SEEN = Snapshot(
    taken_at="2026-04-17T10:00:00.000+00:00",
    nodes=Objects(status=Status.OK, items=({"metadata": {"name": "w1"}, "spec": {}, "status": {}},)),
    pods=Objects(status=Status.NOT_PERMITTED, verb="list", resource="pods"),
)


@pytest.mark.parametrize("name", ["seen.json", "seen.json.gz"])
def test_a_snapshot_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    save(SEEN, tmp_path / "deep" / name)

    assert load(tmp_path / "deep" / name) == SEEN


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"snapshot_version": 1, "taken_at": "20', "is truncated"),
        (b"hello", "is not JSON that can be read"),
        (b'{"kind": "List"}', "is not a snapshot of this project"),
        (b"[1]", "is not a snapshot of this project"),
        (b'{"snapshot_version": 99}', "is a snapshot of version 99"),
        (b'{"snapshot_version": 1}', "damaged snapshot: taken_at"),
        (b"\x1f\x8b\x08", "its compressed data ends early"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)

    with pytest.raises(UsageError, match=sentence) as raised:
        load(path)

    assert str(path) in str(raised.value)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load(tmp_path / "nothing.json")


def test_the_file_says_its_version(tmp_path: Path) -> None:
    save(SEEN, tmp_path / "seen.json")

    assert json.loads((tmp_path / "seen.json").read_text())["snapshot_version"] == 1
