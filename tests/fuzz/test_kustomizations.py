"""Overlays that no kustomize would take: read and laid out, or a sentence. A stand-in renders what kubectl would."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clusters.gitops.forms import Renderer
from clusters.gitops.kustomize import Kustomize
from tests.fuzz import mutator
from tests.fuzz.tally import judged

EXAMPLE = Path(__file__).parents[2] / "examples" / "platform"
FILES = tuple(
    sorted(
        path.relative_to(EXAMPLE)
        for path in EXAMPLE.rglob("kustomization.yaml")
        if "legacy" not in path.parts
    )
)
_MORE = """
patches: [{path: p.yaml, target: {kind: DaemonSet}}, {patch: "- op: remove\\n  path: /a", target: {kind: Deployment}}]
images: [{name: quay.io/metallb/speaker, newTag: v0.15.2}]
configMapGenerator: [{name: a, files: [a=b], literals: [x=y]}]
components: [../../components/x]
replacements: [{path: r.yaml}]
"""


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that renders nothing and says nothing."""
    made = tmp_path_factory.mktemp("bin") / "kubectl"
    made.write_text("#!/bin/sh\nexit 0\n")
    made.chmod(0o755)
    return made


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository like the example."""
    copied = tmp_path_factory.mktemp("repository") / "platform"
    shutil.copytree(EXAMPLE, copied)
    return copied


def _read(kubectl: Path, root: Path, changed: tuple[Path, bytes], *, overlay: str) -> str:
    file, data = changed
    whole = (root / file).read_bytes()
    (root / file).write_bytes(data)
    try:
        found = Renderer(Kustomize(kubectl)).attempt(root, overlay)
    finally:
        (root / file).write_bytes(whole)
    assert "Traceback" not in found.problem
    return "sentences" if found.problem else "rendered"


@st.composite
def trees(draw: st.DrawFn) -> tuple[Path, bytes]:
    """One of its kustomizations with a few of its values changed."""
    file = draw(st.sampled_from(FILES))
    tree = yaml.safe_load((EXAMPLE / file).read_text(encoding="utf-8")) or {}
    if draw(st.booleans()):
        tree |= yaml.safe_load(_MORE)
    return file, mutator.as_yaml(draw(mutator.mutations(tree)))


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[Path, bytes]:
    """One of its kustomizations, spoilt."""
    file = draw(st.sampled_from(FILES))
    return file, draw(mutator.spoilt_texts((EXAMPLE / file).read_bytes()))


OVERLAYS = st.sampled_from(
    (
        "metallb/overlays/lab",
        "metallb/overlays/lab",
        "metallb/overlays/jls",
        ".",
        "",
        "/",
        "..",
        "a\x00b",
        "x" * 5000,
    )
)


@given(changed=trees(), overlay=OVERLAYS)
def test_a_changed_kustomization_is_laid_out_or_one_sentence(
    kubectl: Path, root: Path, changed: tuple[Path, bytes], overlay: str
) -> None:
    judged("kustomizations", lambda: _read(kubectl, root, changed, overlay=overlay))


@given(changed=spoilt(), overlay=OVERLAYS)
def test_a_spoilt_kustomization_is_laid_out_or_one_sentence(
    kubectl: Path, root: Path, changed: tuple[Path, bytes], overlay: str
) -> None:
    judged("kustomizations, as text", lambda: _read(kubectl, root, changed, overlay=overlay))
