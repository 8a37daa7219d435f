"""A folder of a clone that says it is an example: it is copied, and nothing but it is read or run for that."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from clusters.errors import Inconclusive
from clusters.gitops import example

TODAY = date(2026, 1, 2)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An example of one file, and a secret beside it."""
    (tmp_path / "secret").write_text("secret 2026-01-01")
    found = tmp_path / "source"
    (found / ".history").mkdir(parents=True)
    (found / ".example").write_text("2026-01-01\n")
    (found / "page.md").write_text("On 2026-01-01.\n")
    return found


def test_links_are_kept_as_links_and_written_through_by_nobody(source: Path, tmp_path: Path) -> None:
    (source / "link.md").symlink_to("../secret")
    (source / "absolute.md").symlink_to(tmp_path / "secret")
    (source / "folder").symlink_to("..")

    made = example.materialise(source, tmp_path / "made", today=TODAY)

    assert [(made / name).is_symlink() for name in ("link.md", "absolute.md", "folder")] == [True] * 3
    assert (made / "page.md").read_text() == "On 2026-01-02.\n"
    assert (tmp_path / "secret").read_text() == "secret 2026-01-01"


@pytest.mark.parametrize("name", ["pipe.md", ".history/0001.patch", "other"])
def test_a_pipe_in_it_does_not_block(source: Path, tmp_path: Path, name: str) -> None:
    os.mkfifo(source / name)

    with pytest.raises(Inconclusive, match=f"{name} is neither a file nor a folder"):
        example.materialise(source, tmp_path / "made", today=TODAY)


@pytest.mark.parametrize("day", ["soon", "", "9999-99-99", "\0", "2026-01-01\n2026-01-02"])
def test_a_day_that_is_none_is_said(source: Path, tmp_path: Path, day: str) -> None:
    (source / ".example").write_text(day)

    with pytest.raises(Inconclusive, match="cannot be made into a repository") as told:
        example.materialise(source, tmp_path / "made", today=TODAY)
    assert "\n" not in str(told.value)


def test_a_page_that_is_no_text_is_copied_as_it_is(source: Path, tmp_path: Path) -> None:
    (source / "page.md").write_bytes(b"\xff 2026-01-01")

    made = example.materialise(source, tmp_path / "made", today=TODAY)

    assert (made / "page.md").read_bytes() == b"\xff 2026-01-01"


@pytest.mark.parametrize(
    "text",
    [
        "Out\n--- a/../../secret\n+++ b/../../secret\n@@ -1 +1 @@\n-secret 2026-01-01\n+after\n",
        "Hook\n--- /dev/null\n+++ b/.git/hooks/pre-commit\n@@ -0,0 +1 @@\n+#!/bin/sh\n",
        "Link\n--- a/link/secret\n+++ b/link/secret\n@@ -1 +1 @@\n-secret 2026-01-01\n+after\n",
        "",
        "\x1b[2J\n",
    ],
    ids=["up", "hook", "link", "empty", "terminal"],
)
def test_a_patch_changes_nothing_but_the_copy(source: Path, tmp_path: Path, text: str) -> None:
    (source / "link").symlink_to("..")
    (source / ".history/0001.patch").write_text(text)

    with pytest.raises(Inconclusive, match="git apply") as told:
        example.materialise(source, tmp_path / "made", today=TODAY)

    assert (tmp_path / "secret").read_text() == "secret 2026-01-01"
    assert str(told.value).isprintable()


def test_none_of_its_files_is_run_or_obeyed(source: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (source / ".gitconfig").write_text(
        f'[filter "x"]\n\tclean = touch {ran}\n[core]\n\tfsmonitor = touch {ran}\n'
    )
    (source / ".config/git").mkdir(parents=True)
    (source / ".config/git/config").write_text((source / ".gitconfig").read_text())
    (source / ".gitattributes").write_text("* filter=x\n")
    (source / "git").write_text(f"#!/bin/sh\ntouch {ran}\n")
    (source / "git").chmod(0o755)

    made = example.materialise(source, tmp_path / "made", today=TODAY)

    assert (made / ".gitconfig").is_file()
    assert not ran.exists()
