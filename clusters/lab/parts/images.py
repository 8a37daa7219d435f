"""Images as files: one layer with one static binary, in an archive that containerd, Docker and kind take.

The archive is an OCI image layout with Docker's manifest.json beside its index. The same binary gives
the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from clusters.lab.parts.part_table import IMAGES, Image
from clusters.lab.parts.toolchain import architecture

#: Changes with the bytes that this module writes.
RECIPE = 1

_EPOCH = "1970-01-01T00:00:00Z"
_OCI = "application/vnd.oci.image"
_USERS = "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n"
_GROUPS = "root:x:0:\nnobody:x:65534:\n"


def archive_name(image: Image) -> str:
    """The archive's file name among its siblings."""
    return f"{image.name}.tar"


def write_all(folder: Path, binary: Callable[[str, str], Path], images: Sequence[Image] = IMAGES) -> None:
    """One archive for every image; `binary` finds a part's binary by the names of both."""
    for image in images:
        write_archive(image, binary(image.part, image.binary), folder / archive_name(image))


def write_archive(image: Image, binary: Path, target: Path, *, base: Path | None = None) -> None:
    """Write the archive of one image; `base` is a tree of files that the binary needs beside itself."""
    layer = _layer(image, binary, base)
    config = _json(_configuration(image, layer.digest))
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": config.descriptor(f"{_OCI}.config.v1+json"),
            "layers": [layer.descriptor(f"{_OCI}.layer.v1.tar")],
        }
    )
    with (
        target.open("wb") as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}).data)
        _add(archive, "index.json", _index(image, manifest).data)
        _add(archive, "manifest.json", _docker_manifest(image, config, layer).data)
        for folder in ("blobs", "blobs/sha256"):
            archive.addfile(_entry(folder, kind=tarfile.DIRTYPE, mode=0o755))
        for blob in (manifest, config, layer):
            _add(archive, blob.path, blob.data)


@dataclass(frozen=True)
class Blob:
    """Bytes that are named by their digest."""

    data: bytes
    digest: str

    @property
    def path(self) -> str:
        """Where the archive has it."""
        return f"blobs/sha256/{self.digest}"

    def descriptor(self, media_type: str, **more: Any) -> dict[str, Any]:
        """How another blob refers to it."""
        return {"mediaType": media_type, "digest": f"sha256:{self.digest}", "size": len(self.data), **more}


def _blob(data: bytes) -> Blob:
    return Blob(data, hashlib.sha256(data).hexdigest())


def _json(content: object) -> Blob:
    return _blob(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def _index(image: Image, manifest: Blob) -> Blob:
    annotations = {
        "io.containerd.image.name": image.reference,
        "org.opencontainers.image.ref.name": image.reference.rpartition(":")[2],
    }
    platform = {"architecture": architecture(), "os": "linux"}
    descriptor = manifest.descriptor(f"{_OCI}.manifest.v1+json", annotations=annotations, platform=platform)
    return _json({"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json", "manifests": [descriptor]})


def _docker_manifest(image: Image, config: Blob, layer: Blob) -> Blob:
    return _json([{"Config": config.path, "RepoTags": [image.reference], "Layers": [layer.path]}])


def _configuration(image: Image, layer_digest: str) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "Entrypoint": list(image.entrypoint),
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/"],
        "WorkingDir": "/",
    }
    if image.command:
        settings["Cmd"] = list(image.command)
    if image.user:
        settings["User"] = image.user
    if image.ports:
        settings["ExposedPorts"] = {f"{port}/tcp": {} for port in image.ports}
    return {
        "architecture": architecture(),
        "os": "linux",
        "created": _EPOCH,
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{"created": _EPOCH, "created_by": f"metallb-conformance: {image.binary}"}],
    }


def _layer(image: Image, binary: Path, base: Path | None) -> Blob:
    """An uncompressed tar: unpacking it costs a copy and no more."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as layer:
        for folder, mode in {"etc": 0o755, "tmp": 0o1777, **dict.fromkeys(image.folders, 0o755)}.items():
            layer.addfile(_entry(folder, kind=tarfile.DIRTYPE, mode=mode))
        _add(layer, "etc/group", _GROUPS.encode())
        _add(layer, "etc/passwd", _USERS.encode())
        with binary.open("rb") as content:
            _add_file(layer, image.binary, content, size=binary.stat().st_size)
        for name, target in image.links.items():
            link = _entry(name, kind=tarfile.SYMTYPE, mode=0o777)
            link.linkname = target
            layer.addfile(link)
        if base is not None:
            for path in sorted(base.rglob("*")):
                layer.add(path, str(path.relative_to(base)), recursive=False, filter=_nobodys)
    return _blob(buffer.getvalue())


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """The entry of a file of this machine, without what only this machine knows."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry


def _entry(name: str, *, kind: bytes = tarfile.REGTYPE, mode: int = 0o644) -> tarfile.TarInfo:
    """An entry of nobody's and no time in particular: TarInfo's owner and mtime are root and 0."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, mode
    return entry


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = _entry(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def _add_file(archive: tarfile.TarFile, name: str, content: BinaryIO, *, size: int) -> None:
    entry = _entry(name, mode=0o755)
    entry.size = size
    archive.addfile(entry, content)
