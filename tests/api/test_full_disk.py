"""A run whose disk fills up under its journal: everything that it changed is undone all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.api import Api
from clusters.api.resources import CONFIG_MAPS
from clusters.changes import Changes
from clusters.journal import STATE_VARIABLE, Journal, NotJournalled
from tests.api.objects import config_map
from tests.disk.mounting import Disk, disk

BLOCK = 4096


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    with disk(tmp_path / "disk", kib=128) as mounted:
        monkeypatch.setenv(STATE_VARIABLE, str(mounted.folder))
        yield mounted


def test_an_undo_goes_on_whatever_happens_to_its_marks(api: Api, namespace: str, small: Disk) -> None:
    run = Changes(api, Journal.for_run("r1", cluster="edge"), "r1")
    for name in "abcd":
        run.create(config_map(name, namespace), foreign="test")
    # The room that was set aside is lost, as on a disk whose blocks are given away twice, and the last block is full.
    journal = run._journal.path
    run._maker.record("x", {"kind": "nothing", "why": ""})
    length = len(journal.read_bytes().rstrip(b"\0"))
    line = length - len(journal.read_bytes().rstrip(b"\0").rpartition(b"\n{")[0])
    run._maker.record("x" * (BLOCK - 5 - (length + line) % BLOCK), {"kind": "nothing", "why": ""})
    journal.write_bytes(journal.read_bytes().rstrip(b"\0"))
    assert journal.stat().st_size % BLOCK >= BLOCK - 10
    small.fill()

    run.undo_all()

    assert api.list(CONFIG_MAPS, namespace) == []
    assert not journal.exists()


def test_what_cannot_be_journalled_is_not_changed(api: Api, namespace: str, small: Disk) -> None:
    api.create(config_map("large", namespace, k="x" * 60_000))
    run = Changes(api, Journal.for_run("r1", cluster="edge"), "r1")
    run.create(config_map("a", namespace), foreign="test")
    small.fill(but=1)

    with pytest.raises(NotJournalled, match=r"cannot be written \(No space left on device\), so nothing was"):
        run.delete(CONFIG_MAPS, "large", namespace, foreign="test")

    assert {each["metadata"]["name"] for each in api.list(CONFIG_MAPS, namespace)} == {"a", "large"}
    run.undo_all()
    assert [each["metadata"]["name"] for each in api.list(CONFIG_MAPS, namespace)] == ["large"]
