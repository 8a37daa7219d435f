"""Reading somebody else's tree: what is inside is found, and nothing that leads out, blocks or never ends is."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from clusters.confinement import RefusedPath, Tree, joined


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with a folder and a file, and something outside that nobody may see."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    place = tmp_path / "tree"
    (place / "folder").mkdir(parents=True)
    (place / "folder" / "file").write_text("inside")
    return place


def test_files_and_folders_are_found(root: Path) -> None:
    tree = Tree(root)

    assert tree.read("folder/file") == b"inside"
    assert (tree.find("folder").kind, tree.find("").kind, tree.find("gone/deeper").kind) == (
        "folder",
        "folder",
        "",
    )
    assert tree.names("") == ["folder"]
    assert list(tree.entries("")) == ["folder/file"]


@pytest.mark.parametrize(
    ("link", "target", "path"),
    [
        pytest.param("link", "folder/file", "link", id="file"),
        pytest.param("link", "folder", "link/file", id="folder"),
        pytest.param("folder/up", "../folder", "folder/up/up/file", id="up-and-down"),
    ],
)
def test_a_link_inside_is_followed_and_told(root: Path, link: str, target: str, path: str) -> None:
    (root / link).symlink_to(target)

    found = Tree(root).find(path)

    assert (found.path, found.kind) == ("folder/file", "file")
    assert (link, target) in found.links
    assert Tree(root).read(path) == b"inside"


@pytest.mark.parametrize(
    ("links", "path", "said"),
    [
        pytest.param({"link": "{outside}/secret"}, "link", "leads out of the repository", id="absolute"),
        pytest.param({"link": "../outside/secret"}, "link", "leads out of the repository", id="relative"),
        pytest.param({"link": "../outside"}, "link/secret", "leads out of the repository", id="folder"),
        pytest.param({"a": "b", "b": "../outside/secret"}, "a", "leads out of the repository", id="chain"),
        pytest.param(
            {"a": "folder", "folder/b": "../../outside"}, "a/b/secret", "leads out", id="chain-of-folders"
        ),
        pytest.param({"link": "../tree/folder/file"}, "link", "leads out", id="out-and-back"),
        pytest.param({"link": "gone"}, "link", "something that is not there", id="dangling"),
        pytest.param({"link": "folder/file/more"}, "link", "something that is not there", id="below-a-file"),
        pytest.param({"a": "b", "b": "a"}, "a", "leads in a circle", id="circle"),
        pytest.param({"a": "a/a"}, "a/x", "leads in a circle", id="growing-circle"),
    ],
)
def test_a_link_that_leads_out_or_nowhere_is_refused(
    root: Path, links: dict[str, str], path: str, said: str
) -> None:
    for link, target in links.items():
        (root / link).symlink_to(target.format(outside=root.parent / "outside"))

    for use in (Tree(root).find, Tree(root).read, Tree(root).names):
        with pytest.raises(RefusedPath, match=said) as refused:
            use(path)
        assert path in str(refused.value)


def test_what_is_no_file_is_refused_and_does_not_block(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "socket"))

        for name in ("pipe", "socket"):
            with pytest.raises(RefusedPath, match=f"^{name} is neither a file nor a folder"):
                Tree(root).read(name)


@pytest.mark.skipif(sys.platform != "linux", reason="a link to a device that is there on Linux")
def test_a_device_is_refused(root: Path) -> None:
    with pytest.raises(RefusedPath, match="neither a file nor a folder"):
        Tree(Path("/dev")).read("zero")


def test_a_large_file_is_refused_before_it_is_read(root: Path) -> None:
    with (root / "large").open("wb") as file:
        file.truncate(1 << 40)

    with pytest.raises(RefusedPath, match=r"^large is larger than 8 MiB"):
        Tree(root).read("large")


@pytest.mark.parametrize(
    "path",
    [
        "../outside/secret",
        "/etc/passwd",
        "folder/../../outside/secret",
        "a\0b",
        "x" * 256,
        "a//b",
        "./folder",
        "\udc00\ud800",
    ],
)
def test_a_path_that_is_not_plain_is_refused(root: Path, path: str) -> None:
    with pytest.raises(RefusedPath) as refused:
        Tree(root).read(path)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("folder", "path", "expected"),
    [
        ("metallb/overlays/lab", "../../base", "metallb/base"),
        ("", "./services//metallb.md", "services/metallb.md"),
        ("metallb", "..", ""),
        ("metallb", "../..", None),
        ("", "../platform/metallb", None),
        ("metallb", "/etc", None),
    ],
)
def test_a_path_is_seen_from_a_folder(folder: str, path: str, expected: str | None) -> None:
    if expected is not None:
        assert joined(folder, path) == expected
    else:
        with pytest.raises(RefusedPath):
            joined(folder, path)


def test_a_link_that_is_put_in_the_way_meanwhile_is_not_followed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder was looked at, and is a link to the outside when it is opened."""
    looked = os.stat

    def swapping(name: str, **how: object) -> os.stat_result:
        found = looked(name, **how)  # type: ignore[arg-type]  # as they came
        if name == "folder":
            (root / "folder").rename(root / "moved")
            (root / "folder").symlink_to(root.parent / "outside")
        return found

    monkeypatch.setattr(os, "stat", swapping)

    with pytest.raises(RefusedPath, match="cannot be read"):
        Tree(root).read("folder/secret")
