"""The site that the judgements of the repository are tried on."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.errors import ConformanceError
from clusters.gitops import helm as helm_program
from clusters.gitops import release_manifests
from clusters.gitops.helm import Helm
from clusters.gitops.kustomize import Kustomize
from tests.unit.gitops import manifest
from tests.unit.gitops.site import Site


@pytest.fixture(scope="session")
def kubectl() -> Path:
    """A kubectl: named by KUBECTL, installed, or of the lab's parts."""
    found = os.environ.get("KUBECTL") or shutil.which("kubectl")
    if found:
        return Path(found)
    from clusters.lab.parts import cache_root, toolchain  # noqa: PLC0415 - only where it is needed
    from clusters.lab.parts.ready import Parts, slots  # noqa: PLC0415 - as above

    try:
        root = cache_root()
        return Parts(slots(root, toolchain.find(root).version)).binary("kubectl")
    except ConformanceError as error:
        pytest.skip(f"needs a kubectl: {error}")


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Helm as it is installed, or of the lab's parts, with MetalLB's modules."""
    found = helm_program.at_hand(release_manifests.of_module_cache())
    if found.program is None:
        pytest.skip("needs Helm: install it, or build it: python -m clusters.lab.parts helm")
    return found


@pytest.fixture(scope="session")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A release manifest at hand, by version."""
    path = tmp_path_factory.mktemp("manifests") / "metallb-native.yaml"
    path.write_text(manifest.text("0.16.2"), encoding="utf-8")
    return {"0.16.2": path}


@pytest.fixture(scope="session", autouse=True)
def rendered_once() -> Iterator[None]:
    """Render each content once: most tests change one overlay of six, and kubectl is what takes the time."""
    known: dict[str, str] = {}
    run = Kustomize._run

    def remembered(self: Kustomize, folder: Path, root: Path) -> str:
        files = sorted(each for each in root.rglob("*") if each.is_file())
        content = b"".join(str(each.relative_to(root)).encode() + each.read_bytes() for each in files)
        name = hashlib.sha256(f"{self.kubectl} {folder.relative_to(root)}".encode() + content).hexdigest()
        if name not in known:
            known[name] = run(self, folder, root)
        return known[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Kustomize, "_run", remembered)
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, kubectl: Path, manifests: dict[str, Path]) -> Site:
    """The site as it was set up; nobody changes it."""
    return Site.make(tmp_path_factory.mktemp("template") / "platform", kubectl, manifests)


@pytest.fixture
def site(tmp_path: Path, template: Site) -> Site:
    """The example platform as a repository of its own, and a cluster that runs it."""
    return template.copied(tmp_path / "platform")
