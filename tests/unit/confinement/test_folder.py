"""Laying somebody else's files out: each is where its path says, and nothing outside is touched."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from clusters.confinement import Folder, RefusedPath, Tree


@pytest.fixture
def place(tmp_path: Path) -> Path:
    found = tmp_path / "place"
    found.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "victim").write_text("before")
    return found


def untouched(place: Path) -> bool:
    outside = place.parent / "outside"
    return [path.name for path in outside.iterdir()] == ["victim"] and (
        outside / "victim"
    ).read_text() == "before"


def test_a_file_is_laid_out_with_its_folders(place: Path) -> None:
    Folder(place).write("a/b/c", b"content")
    Folder(place).write("a/b/c", b"other")

    assert (place / "a/b/c").read_bytes() == b"other"


@pytest.mark.parametrize(
    "path",
    [
        "../outside/victim",
        "a/../../outside/victim",
        "/tmp/anywhere",
        "",
        ".",
        "..",
        "a//b",
        "a/./b",
        "a/",
        "a\0b",
        "x" * 300,
        "/".join(["deep"] * 2000),
    ],
)
def test_a_path_that_leads_out_or_that_nothing_can_hold_is_refused(place: Path, path: str) -> None:
    with pytest.raises(RefusedPath):
        Folder(place).write(path, b"after")

    assert untouched(place)
    assert list(place.iterdir()) == []


def test_a_link_in_the_way_is_not_followed(place: Path) -> None:
    (place / "folder").symlink_to(place.parent / "outside")
    (place / "file").symlink_to(place.parent / "outside" / "victim")

    with pytest.raises(RefusedPath, match="folder/victim cannot be laid out"):
        Folder(place).write("folder/victim", b"after")
    Folder(place).write("file", b"after")

    assert untouched(place)
    assert (place / "file").read_bytes() == b"after"


def test_a_file_in_the_place_of_a_folder_is_refused(place: Path) -> None:
    Folder(place).write("a", b"file")

    with pytest.raises(RefusedPath, match="a/b cannot be laid out"):
        Folder(place).write("a/b", b"")
    Folder(place).write("c/d", b"")
    with pytest.raises(RefusedPath, match="c cannot be laid out"):
        Folder(place).write("c", b"")


def test_a_full_disk_is_no_fault_of_the_path(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "mkdir", full)

    with pytest.raises(OSError, match="No space left"):
        Folder(place).write("a/b", b"")


def test_a_file_is_copied_without_reading_it_whole(place: Path) -> None:
    source = place.parent / "source"
    source.mkdir()
    with (source / "large").open("wb") as file:
        file.truncate(9 << 20)
    with (source / "endless").open("wb") as file:
        file.truncate(1 << 40)

    Folder(place).copy(Tree(source), "large", to="copy")
    with pytest.raises(RefusedPath, match="endless is larger than 256 MiB"):
        Folder(place).copy(Tree(source), "endless")

    assert (place / "copy").stat().st_size == 9 << 20
    assert not (place / "endless").exists()
