"""Where finished parts lie: the slots of this checkout's parts, and the way to each file in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from clusters.errors import UsageError
from clusters.lab.parts import building, image_store, images
from clusters.lab.parts.cache import PartError, Slot, content_key
from clusters.lab.parts.image_store import Store
from clusters.lab.parts.part_table import (
    ALL_IMAGES,
    ALL_PARTS,
    EXTRA_IMAGES,
    EXTRAS,
    IMAGES,
    KUBERNETES,
    SUPPORTED_METALLB,
    Image,
)

IMAGES_NAME = "images"


def slots(root: Path, go_version: str) -> dict[str, Slot]:
    """The slot of every thing that is made, by name, in the order in which they can be made."""
    found = {part.name: Slot(root, "parts", part.name, building.key(part, go_version)) for part in ALL_PARTS}

    def images_key(of: Sequence[Image]) -> str:
        sources = sorted({image.part for image in of})
        return content_key(
            images.RECIPE, [repr(image) for image in of], [found[name].key for name in sources]
        )

    containerd = found["containerd"].key
    own = images_key(IMAGES)
    found[IMAGES_NAME] = Slot(root, "images", IMAGES_NAME, own)
    found[image_store.NAME] = Slot(
        root, "stores", image_store.NAME, content_key(image_store.RECIPE, own, containerd)
    )
    for extra, added in EXTRA_IMAGES.items():
        name, store = images_of(extra), store_of(extra)
        found[name] = Slot(root, "images", name, images_key(added))
        both = content_key(image_store.RECIPE, own, found[name].key, containerd)
        found[store] = Slot(root, "stores", store, both)
    return found


def images_of(extra: str) -> str:
    """The name of the thing that holds an extra's images; without an extra, of the one that every lab has."""
    return f"{IMAGES_NAME}-{extra}" if extra else IMAGES_NAME


def store_of(extra: str) -> str:
    """The name of the image store with an extra's images beside those that every lab has."""
    return f"{image_store.NAME}-{extra}" if extra else image_store.NAME


def made_for(extra: str) -> frozenset[str]:
    """The names of what only an extra asks for."""
    return frozenset({*(part.name for part in EXTRAS[extra]), images_of(extra), store_of(extra)})


@dataclass(frozen=True)
class Parts:
    """The parts of this checkout. What was not made yet raises PartError when it is asked for."""

    slots: Mapping[str, Slot]

    @property
    def kubernetes_version(self) -> str:
        """The version of all Kubernetes parts, as `v1.35.4`."""
        return KUBERNETES

    @property
    def folder(self) -> Path:
        """The folder that holds the folder of every part that is built."""
        return self.slots["kubelet"].folder.parent

    @property
    def cni_dir(self) -> Path:
        """The folder of the CNI plugins."""
        return self._folder("cni") / building.BINARIES

    @cached_property
    def _part_of_binary(self) -> dict[str, str]:
        return {output: part.name for part in ALL_PARTS for output in part.outputs}

    def binary(self, name: str, *, part: str = "") -> Path:
        """A binary by name; `part` where two parts have one of that name (MetalLB's two versions)."""
        where = part or self._part_of_binary.get(name, name)
        path = self._folder(where) / building.BINARIES / name
        if not path.is_file():
            raise _damaged(where, path, self._folder(where))
        return path

    def manifest(self, metallb_version: str) -> Path:
        """MetalLB's own metallb-native.yaml of that version (`0.15.2`), CRDs included."""
        return self._carried(metallb_part(metallb_version), "manifests") / "metallb-native.yaml"

    def crds(self, metallb_version: str) -> Path:
        """The folder of MetalLB's CRDs of that version, one file each."""
        return self._carried(metallb_part(metallb_version), "crds")

    @property
    def metrics_server_manifests(self) -> Path:
        """The folder of metrics-server's own manifests."""
        return self._carried("metrics-server", "manifests")

    def images(self, metallb_version: str) -> dict[str, str]:
        """Names of the images that a lab with that MetalLB uses, with the references that manifests use."""
        other = {f"metallb-{version}" for version in SUPPORTED_METALLB} - {metallb_part(metallb_version)}
        return {image.name: image.reference for image in IMAGES if image.part not in other}

    def image(self, name: str) -> str:
        """The reference of an image: `registry.k8s.io/pause:3.10` for `pause`."""
        return _image(name).reference

    def image_archive(self, name: str) -> Path:
        """The archive of an image, by name or reference."""
        found = _image(name)
        extra = next((extra for extra, added in EXTRA_IMAGES.items() if found in added), "")
        return self._folder(images_of(extra)) / images.archive_name(found)

    def store(self, extra: str = "") -> Store:
        """The prepared containerd root with all images, of both MetalLB versions, and those of an extra."""
        return Store(self._folder(store_of(extra)))

    @property
    def traefik_manifests(self) -> Path:
        """The folder of Traefik's own definitions and roles."""
        return self._carried("traefik", "manifests")

    def record(self, part: str) -> dict[str, Any]:
        """How a part came about: Go, flags, versions; `substituted` is empty or says what stood in."""
        path = self._folder(part) / building.RECORD
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _damaged(part, path, path.parent) from error
        return found

    @property
    def substitutions(self) -> dict[str, str]:
        """A sentence for every part that was not built from exactly the modules that it pins."""
        stood_in = (part.name for part in ALL_PARTS if part.needs or part.stand_ins)
        made = [name for name in stood_in if self.slots[name].ready]
        return {name: text for name in made if (text := self.record(name)["substituted"])}

    def _carried(self, part: str, folder: str) -> Path:
        return self._folder(part) / folder

    def _folder(self, name: str) -> Path:
        slot = self.slots.get(name)
        if slot is None:
            raise UsageError(f"The lab has no part {name}.", remedy=f"There are {', '.join(self.slots)}.")
        if not slot.ready:
            raise PartError(name, f"The part {name} has not been made yet.", remedy="Run make setup.")
        return slot.folder


def metallb_part(version: str) -> str:
    """The part of a MetalLB version. Raises UsageError for one that the lab does not have."""
    if version.removeprefix("v") not in SUPPORTED_METALLB:
        raise UsageError(
            f"The lab has no MetalLB {version}.", remedy=f"There are {', '.join(SUPPORTED_METALLB)}."
        )
    return f"metallb-{version.removeprefix('v')}"


def _image(name: str) -> Image:
    for image in ALL_IMAGES:
        if name in (image.name, image.reference):
            return image
    names = ", ".join(image.name for image in ALL_IMAGES)
    raise UsageError(f"The lab has no image {name}.", remedy=f"There are {names}.")


def _damaged(part: str, path: Path, folder: Path) -> PartError:
    return PartError(
        part,
        f"The part {part} is damaged: {path} is missing or unreadable.",
        remedy=f"Remove {folder}, and run make setup.",
    )
