"""The image store is prepared by a containerd that is ended in order, and cloned by links. containerd is a script."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clusters import budgets
from clusters.lab.parts import image_store
from clusters.lab.parts.cache import PartError
from clusters.lab.parts.image_store import Clone, Store
from clusters.lab.parts.part_table import IMAGES

#: Makes what the real one makes in its root (named in the configuration), and ends when it is told to.
CONTAINERD = """\
#!/bin/sh
root=$(sed -n 's/^root = "\\(.*\\)"/\\1/p' containerd.toml)
mkdir -p "$root/io.containerd.content.v1.content/ingest" "$root/io.containerd.metadata.v1.bolt"
trap 'echo closed > "$root/io.containerd.metadata.v1.bolt/meta.db"; kill $!; exit 0' TERM
echo serving
: > serving
sleep 60 &
wait
"""
CTR = """\
#!/bin/sh
case "$6 $5" in
"$6 version") [ -e serving ] ;;
"import images") echo "$8" >> imported ;;
"list images") cat listing ;;
esac
"""


def _listing(*, pinned: bool = True) -> str:
    lines = []
    for number, image in enumerate(IMAGES):
        labels = "io.cri-containerd.image=managed"
        if image.name == "pause" and pinned:
            labels += ",io.cri-containerd.pinned=pinned"
        lines += [
            f"{image.reference} application/x sha256:{number} {labels}",
            f"sha256:c{number} application/x {labels}",
        ]
    return "\n".join(lines)


def _program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(script, encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.fixture
def binaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    listing = tmp_path / "listing"
    listing.write_text(_listing(), encoding="utf-8")
    _program(folder, "containerd", CONTAINERD)
    _program(folder, "ctr", CTR.replace("cat listing", f"cat {listing}"))
    _program(folder, "unshare", '#!/bin/sh\nshift 2\nexec "$@"\n')
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    fast = {"image_store_serving": 1.0, "image_store_noted": 1.0}
    monkeypatch.setattr(budgets._Settings, "overrides", fast)
    return folder


def _prepare(folder: Path, binaries: Path) -> list[str]:
    folder.mkdir()
    heard: list[str] = []
    archives = [folder.parent / "pause.tar", folder.parent / "agnhost.tar"]
    image_store.prepare(folder, binaries=binaries, archives=archives, beat=heard.append)
    return heard


def test_an_import_that_fails_names_the_archive_and_what_was_printed(tmp_path: Path, binaries: Path) -> None:
    _program(binaries, "ctr", '#!/bin/sh\n[ "$5" = version ] || { echo "ctr: bad archive" >&2; exit 1; }\n')
    with pytest.raises(
        PartError, match=r"^The lab's image store cannot be prepared: pause\.tar cannot be"
    ) as failed:
        _prepare(tmp_path / "made", binaries)
    assert failed.value.output[-1] == "ctr: bad archive"


def test_a_containerd_that_ends_is_not_waited_for(tmp_path: Path, binaries: Path) -> None:
    _program(binaries, "containerd", "#!/bin/sh\necho 'cannot open the configuration' >&2; exit 1\n")
    with pytest.raises(PartError, match="it is not true that containerd answers") as failed:
        _prepare(tmp_path / "made", binaries)
    assert failed.value.output == ("cannot open the configuration",)


def test_a_file_system_without_overlayfs_is_said_to_be_unfit(tmp_path: Path, binaries: Path) -> None:
    skipped = 'msg=\\"skip loading plugin\\" error=\\"no\\" id=io.containerd.snapshotter.v1.overlayfs'
    _program(binaries, "containerd", CONTAINERD.replace("echo serving", f'echo "{skipped}"'))
    _program(binaries, "ctr", '#!/bin/sh\n[ "$5" = version ] && [ -e serving ]\n')
    with pytest.raises(PartError, match="unfit for overlayfs"):
        _prepare(tmp_path / "made", binaries)


def test_images_that_cri_does_not_note_are_an_error(tmp_path: Path, binaries: Path) -> None:
    (tmp_path / "listing").write_text(_listing(pinned=False), encoding="utf-8")
    with pytest.raises(PartError, match="the CRI plugin has noted every image and pinned"):
        _prepare(tmp_path / "made", binaries)


def test_a_containerd_that_had_to_be_killed_is_not_trusted(
    tmp_path: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets._Settings, "overrides", {"program_ended": 0.2})
    _program(binaries, "containerd", "#!/bin/sh\ntrap '' TERM\n: > serving\nwhile :; do sleep 0.1; done\n")
    with pytest.raises(PartError, match="containerd did not end in time"):
        _prepare(tmp_path / "made", binaries)


def test_only_root_can_prepare_it(tmp_path: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PartError, match="needs root"):
        _prepare(tmp_path / "made", binaries)


@pytest.mark.parametrize(
    ("change", "noted"),
    [
        (lambda text: text, True),
        (lambda text: text.replace("io.cri-containerd.pinned=pinned", ""), False),
        (lambda text: text.replace("sha256:c3 ", "sha256-c3 "), False),
        (lambda text: text.replace(IMAGES[0].reference, f"{IMAGES[0].reference}0"), False),
        (lambda text: "", False),
    ],
)
def test_every_image_is_wanted_by_name_and_digest_and_one_pinned(change: object, noted: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert callable(change)
    assert image_store.all_noted(change(_listing())) is noted


@pytest.fixture
def prepared(tmp_path: Path) -> Store:
    layer = tmp_path / "store" / "root" / "snapshots" / "1" / "fs"
    layer.mkdir(parents=True)
    (layer / "speaker").write_bytes(b"binary")
    (layer / "agnhost-2").symlink_to("agnhost")
    (layer / "tmp").mkdir()
    (layer / "tmp").chmod(0o1777)
    (tmp_path / "store" / "root" / "meta.db").write_bytes(b"database")
    return Store(tmp_path / "store")


def test_a_clone_shares_the_layers_and_has_databases_of_its_own(prepared: Store, tmp_path: Path) -> None:
    made = prepared.clone(tmp_path / "node" / "containerd")
    root, node = prepared.folder / "root", tmp_path / "node" / "containerd"
    assert made == Clone(linked=1, copied=1)
    assert (node / "snapshots/1/fs/speaker").samefile(root / "snapshots/1/fs/speaker")
    assert not (node / "meta.db").samefile(root / "meta.db")
    assert (node / "snapshots/1/fs/agnhost-2").readlink() == Path("agnhost")
    assert (node / "snapshots/1/fs/tmp").stat().st_mode & 0o7777 == 0o1777


def test_a_clone_on_another_file_system_is_a_copy(
    prepared: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    node = tmp_path / "node"
    assert prepared.clone(node) == Clone(linked=0, copied=2)
    assert (node / "snapshots/1/fs/speaker").read_bytes() == b"binary"
    assert (node / "snapshots/1/fs/agnhost-2").is_symlink()
