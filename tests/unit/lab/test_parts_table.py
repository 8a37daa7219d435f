"""The table of parts names what its module files pin, and the module files pin everything."""

from __future__ import annotations

import re

import pytest

from clusters.lab.parts import table
from clusters.lab.parts.table import IMAGES, PARTS, Part

EVERY_PART = [pytest.param(part, id=part.name) for part in PARTS]


def _pinned(part: Part) -> dict[str, str]:
    mod = (part.source / "go.mod").read_text(encoding="utf-8")
    return dict(re.findall(r"^\s*(?:require )?([\w.]+\.[\w./-]+) (v\S+)", mod, re.MULTILINE))


@pytest.mark.parametrize("part", EVERY_PART)
def test_every_package_is_of_a_pinned_module_with_a_checksum(part: Part) -> None:
    pinned = _pinned(part)
    own = re.findall(r"^module (\S+)", (part.source / "go.mod").read_text(encoding="utf-8"))
    for package in part.outputs.values():
        module = max((name for name in [*pinned, *own] if f"{package}/".startswith(f"{name}/")), key=len)
        if module not in own:
            sums = (part.source / "go.sum").read_text(encoding="utf-8")
            assert f"{module} {pinned[module]} h1:" in sums


@pytest.mark.parametrize("part", EVERY_PART)
def test_the_module_names_its_packages_as_tools_so_that_tidying_keeps_them(part: Part) -> None:
    mod = (part.source / "go.mod").read_text(encoding="utf-8")
    foreign = [package for package in part.outputs.values() if not package.startswith("lab.invalid/")]
    assert all(re.search(rf"^(\t|tool ){re.escape(package)}$", mod, re.MULTILINE) for package in foreign)


def test_the_versions_that_the_lab_names_are_the_pinned_ones() -> None:
    by_name = {part.name: part for part in PARTS}
    assert _pinned(by_name["kubelet"])["k8s.io/kubernetes"] == table.KUBERNETES
    assert _pinned(by_name["metrics-server"])["sigs.k8s.io/metrics-server"] == table.METRICS_SERVER
    for version in table.SUPPORTED_METALLB:
        assert _pinned(by_name[f"metallb-{version}"])["go.universe.tf/metallb"] == f"v{version}"


def test_the_version_that_may_be_substituted_is_pinned_with_its_checksum() -> None:
    for part in (part for part in PARTS if part.needs):
        assert f"{part.needs.replace('@', ' ')} h1:" in (part.source / "go.sum").read_text(encoding="utf-8")


def test_every_staging_module_of_kubernetes_is_replaced_by_its_release() -> None:
    mod = (table.MODULES / "kubernetes" / "go.mod").read_text(encoding="utf-8")
    staging = table.KUBERNETES.replace("v1.", "v0.")
    replaced = dict(re.findall(r"(k8s\.io/[\w-]+)(?: v\S+)? => k8s\.io/[\w-]+ (v\S+)", mod))
    assert {"k8s.io/api", "k8s.io/client-go", "k8s.io/component-base"} <= replaced.keys()
    assert set(replaced.values()) == {staging}


def test_names_of_parts_images_and_references_are_unique() -> None:
    assert len({part.name for part in PARTS}) == len(PARTS)
    assert len({image.name for image in IMAGES}) == len(IMAGES)
    assert len({image.reference for image in IMAGES}) == len(IMAGES)


def test_every_image_has_a_binary_that_is_built() -> None:
    outputs = {(part.name, output) for part in PARTS for output in part.outputs}
    assert {(image.part, image.binary) for image in IMAGES} <= outputs
    assert all(image.entrypoint == (f"/{image.binary}",) for image in IMAGES)
