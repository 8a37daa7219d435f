"""What Flux and Argo CD are told, and what they say, as nobody would write it: followed and read, or a sentence."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clusters.gitops import argo_cd, flux, reconcilers
from clusters.gitops.forms import Renderer
from clusters.gitops.helm import Helm
from clusters.gitops.kustomize import Kustomize
from tests.fuzz import mutator
from tests.fuzz.tally import judged

EXAMPLE = Path(__file__).parents[2] / "examples" / "platform"
OVERLAYS = {
    "forms/flux/clusters/lab/metallb.yaml": "forms/flux/clusters/lab",
    "forms/flux/metallb/release.yaml": "forms/flux/clusters/lab",
    "forms/flux/metallb/source.yaml": "forms/flux/clusters/lab",
    "forms/argo-cd/lab.yaml": "forms/argo-cd/lab.yaml",
    "forms/argo-cd-kustomize/lab.yaml": "forms/argo-cd-kustomize",
    "forms/argo-cd-set/metallb.yaml": "forms/argo-cd-set/metallb.yaml",
    "forms/helm-chart/lab/Chart.yaml": "forms/helm-chart/lab",
    "forms/kustomize-chart/lab/kustomization.yaml": "forms/kustomize-chart/lab",
}
_MORE = """
postBuild: {substituteFrom: [{kind: ConfigMap, name: a, optional: true}], substitute: {pool: b}}
images: [{name: a, newTag: b}]
valuesFrom: [{kind: ConfigMap, name: a, valuesKey: b, optional: true}]
postRenderers: [{kustomize: {patches: [{patch: x}]}}]
source: {path: forms/plain, helm: {parameters: [{name: a.b, value: c}], valueFiles: [$values/a], values: "a: b"}}
generators: [{git: {directories: [{path: forms/*}]}}, {list: {elements: [{cluster: lab}]}}]
"""
_STATUS = """
metadata:
  name: metallb
  namespace: flux-system
  labels: {kustomize.toolkit.fluxcd.io/name: a, kustomize.toolkit.fluxcd.io/namespace: b}
spec: {suspend: true, sourceRef: {kind: GitRepository, name: c}, syncPolicy: {automated: {enabled: true}}}
status:
  lastAppliedRevision: main@sha1:0123456789012345678901234567890123456789
  conditions: [{type: Ready, status: "False", reason: a, message: b}]
  artifact: {revision: main@sha1:0123456789012345678901234567890123456789}
  sync: {status: Synced, revision: "0123456789012345678901234567890123456789", revisions: [a]}
  history: [{revision: a}]
  operationState: {phase: Failed, message: b, syncResult: {revision: a}}
"""
KINDS = ("Kustomization", "HelmRelease", "GitRepository", "Application")


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    """Programs that render nothing and say nothing."""
    made = tmp_path_factory.mktemp("bin") / "program"
    made.write_text("#!/bin/sh\nexit 0\n")
    made.chmod(0o755)
    return Renderer(Kustomize(made, helm=Helm(made)), (flux.deliverer_of, argo_cd.deliverer_of))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository like the example."""
    copied = tmp_path_factory.mktemp("repository") / "platform"
    shutil.copytree(EXAMPLE, copied)
    return copied


@st.composite
def objects(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file of the twins with a few of its values changed."""
    file = draw(st.sampled_from(sorted(OVERLAYS)))
    (first, *_) = yaml.safe_load_all((EXAMPLE / file).read_text(encoding="utf-8"))
    if draw(st.booleans()) and isinstance(first.get("spec"), dict):
        first["spec"] |= yaml.safe_load(_MORE)
    return file, mutator.as_yaml(draw(mutator.mutations(first)))


@given(changed=objects())
def test_what_brings_more_is_followed_or_one_sentence(
    renderer: Renderer, root: Path, changed: tuple[str, bytes]
) -> None:
    def read() -> str:
        file, data = changed
        whole = (root / file).read_bytes()
        (root / file).write_bytes(data)
        try:
            found = renderer.attempt(root, OVERLAYS[file])
        finally:
            (root / file).write_bytes(whole)
        assert "Traceback" not in found.problem
        return "sentences" if found.problem else "rendered"

    judged("what Flux and Argo CD are told", read)


@st.composite
def statuses(draw: st.DrawFn) -> tuple[str, Any]:
    """What one of them says, with a few of its values changed."""
    return draw(st.sampled_from(KINDS)), draw(mutator.mutations(yaml.safe_load(_STATUS)))


@given(said=statuses())
def test_what_they_say_is_read_or_left_aside(said: tuple[str, Any]) -> None:
    def read() -> str:
        kind, obj = said
        if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
            return "no object"  # the API server gives none like that
        found = reconcilers.of({**obj, "kind": kind})
        assert isinstance(list(reconcilers.applied_by(obj)), list)
        return "failing" if found.failing else "content"

    judged("what Flux and Argo CD say", read)
