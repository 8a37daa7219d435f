"""An image's archive is a whole OCI layout, loads under the manifests' name, and is the same every time."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from clusters.lab.parts import images
from clusters.lab.parts.table import IMAGES, Image

AGNHOST = next(image for image in IMAGES if image.name == "agnhost")
PAUSE = next(image for image in IMAGES if image.name == "pause")


class Archive:
    """An archive as a container engine reads it."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as tar:
            self.members = {member.name: member for member in tar}
            self.files = {
                name: found.read()
                for name, member in self.members.items()
                if (found := tar.extractfile(member))
            }
        self.index = self._json("index.json")
        self.descriptor = self.index["manifests"][0]
        self.manifest = self._described(self.descriptor)
        self.config = self._described(self.manifest["config"])
        self.layer = self._blob(self.manifest["layers"][0])

    def _json(self, name: str) -> Any:
        return json.loads(self.files[name])

    def _described(self, descriptor: dict[str, Any]) -> Any:
        return json.loads(self._blob(descriptor))

    def _blob(self, descriptor: dict[str, Any]) -> bytes:
        content = self.files["blobs/" + descriptor["digest"].replace(":", "/")]
        assert len(content) == descriptor["size"]
        return content

    def layer_entries(self) -> dict[str, tarfile.TarInfo]:
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as tar:
            return {member.name: member for member in tar}


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    path = tmp_path / "binary"
    path.write_bytes(b"\x7fELF" + bytes(range(256)) * 40)
    return path


def _archive(image: Image, binary: Path, tmp_path: Path) -> Archive:
    images.write_archive(image, binary, tmp_path / "image.tar")
    return Archive(tmp_path / "image.tar")


@pytest.mark.parametrize("image", [pytest.param(image, id=image.name) for image in IMAGES])
def test_every_blob_is_named_by_its_digest_and_all_are_reachable(
    image: Image, binary: Path, tmp_path: Path
) -> None:
    archive = _archive(image, binary, tmp_path)
    blobs = {name: content for name, content in archive.files.items() if name.startswith("blobs/")}
    assert all(
        name == f"blobs/sha256/{hashlib.sha256(content).hexdigest()}" for name, content in blobs.items()
    )
    manifest = archive.manifest
    reachable = [archive.descriptor, manifest["config"], *manifest["layers"]]
    assert {f"blobs/{each['digest'].replace(':', '/')}" for each in reachable} == set(blobs)


@pytest.mark.parametrize("image", [pytest.param(image, id=image.name) for image in IMAGES])
def test_containerd_and_docker_find_the_reference_and_the_entrypoint(
    image: Image, binary: Path, tmp_path: Path
) -> None:
    archive = _archive(image, binary, tmp_path)
    docker = json.loads(archive.files["manifest.json"])[0]
    assert json.loads(archive.files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert archive.descriptor["annotations"]["io.containerd.image.name"] == image.reference
    assert docker["RepoTags"] == [image.reference]
    assert json.loads(archive.files[docker["Config"]]) == archive.config
    assert archive.config["config"]["Entrypoint"] == list(image.entrypoint)
    assert archive.files[docker["Layers"][0]] == archive.layer


def test_the_layer_is_uncompressed_and_named_by_its_diff_id(binary: Path, tmp_path: Path) -> None:
    archive = _archive(AGNHOST, binary, tmp_path)
    assert archive.config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(archive.layer).hexdigest()}"]
    assert archive.manifest["layers"][0]["mediaType"].endswith("layer.v1.tar")


def test_the_layer_holds_the_binary_accounts_and_a_place_for_temporary_files(
    binary: Path, tmp_path: Path
) -> None:
    entries = _archive(AGNHOST, binary, tmp_path).layer_entries()
    assert entries["agnhost"].mode == 0o755
    assert entries["agnhost"].size == binary.stat().st_size
    assert entries["agnhost-2"].linkname == "agnhost"
    assert entries["tmp"].mode == 0o1777
    assert {"etc/passwd", "etc/group", "uploads"} <= entries.keys()
    assert all((entry.mtime, entry.uid, entry.gid) == (0, 0, 0) for entry in entries.values())


def test_the_configuration_has_command_user_and_ports_only_where_the_image_has_them(
    binary: Path, tmp_path: Path
) -> None:
    agnhost = _archive(AGNHOST, binary, tmp_path).config["config"]
    pause = _archive(PAUSE, binary, tmp_path).config["config"]
    assert agnhost["Cmd"] == ["pause"]
    assert "8080/tcp" in agnhost["ExposedPorts"]
    assert "User" not in agnhost
    assert pause["User"] == "65535:65535"
    assert pause.keys().isdisjoint({"Cmd", "ExposedPorts"})


def test_the_same_binary_gives_the_same_bytes_at_any_time_and_place(binary: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    copy.write_bytes(binary.read_bytes())
    images.write_archive(PAUSE, binary, tmp_path / "one.tar")
    images.write_archive(PAUSE, copy, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_all_images_are_written_from_the_binaries_of_their_parts(binary: Path, tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def find(part: str, name: str) -> Path:
        asked.append((part, name))
        return binary

    images.write_all(tmp_path, find)
    assert asked == [(image.part, image.binary) for image in IMAGES]
    assert all((tmp_path / images.archive_name(image)).is_file() for image in IMAGES)
