"""Objects of Flux and Argo CD that somebody wrote to take time or memory: each is followed within bounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clusters.confinement import Tree
from clusters.gitops import documents, forms
from clusters.gitops.forms import Renderer
from clusters.gitops.kustomize import Kustomize, Render
from tests.unit.gitops.site import Site
from tests.unit.gitops.twins import FOLLOWERS

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n"
KUSTOMIZATION = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: %s, namespace: flux-system}
spec:
  sourceRef: {kind: GitRepository, name: platform}
  path: %s
"""
SET = """\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: all, namespace: argocd}
spec:
"""
Attempt = Callable[[dict[str, str]], Render]


@pytest.fixture
def attempt(site: Site, tmp_path: Path) -> Attempt:
    def rendered(files: dict[str, str]) -> Render:
        for name, text in files.items():
            (path := tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Renderer(Kustomize(site.kubectl), FOLLOWERS).attempt(tmp_path / "tree", "overlay")

    return rendered


def test_a_large_variable_that_is_used_often_is_not_written_out(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "_MOST_FILLED", 1 << 20)
    substitute = f"  postBuild: {{substitute: {{v: {'x' * 10_000}}}}}\n"

    found = attempt(
        {
            "overlay/k.yaml": KUSTOMIZATION % ("k", "maps") + substitute,
            "maps/m.yaml": f"{CONFIG_MAP}data: {{v: '{'${v}' * 1000}'}}\n",
        }
    )

    assert "What Kustomization flux-system/k brings grows to more than 1 MiB" in found.problem


def test_a_large_element_that_is_used_often_is_not_written_out(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "_MOST_FILLED", 1 << 20)
    element = f"  generators: [{{list: {{elements: [{{v: {'x' * 10_000}}}]}}}}]\n"
    template = f"  template: {{metadata: {{name: a}}, spec: {{x: '{'{{v}}' * 1000}'}}}}\n"

    found = attempt({"overlay/set.yaml": SET + element + template})

    assert "What ApplicationSet argocd/all makes grows to more than 1 MiB" in found.problem


def test_variables_that_do_not_end_take_no_time(attempt: Attempt) -> None:
    began = time.monotonic()

    found = attempt(
        {
            "overlay/k.yaml": KUSTOMIZATION % ("k", "maps") + "  postBuild: {substitute: {v: x}}\n",
            "maps/m.yaml": f"{CONFIG_MAP}data: {{v: '{'${v-' * 30_000}'}}\n",
        }
    )

    assert not found.problem
    assert (
        time.monotonic() - began < 10
    )  # it was twice that, and four times as much for a text of twice the length


def test_of_very_many_applications_a_few_are_named(attempt: Attempt) -> None:
    elements = ", ".join(f"{{n: site-{number}}}" for number in range(500))
    template = "  template: {metadata: {name: '{{n}}'}}\n"

    found = attempt(
        {"overlay/set.yaml": f"{SET}  generators: [{{list: {{elements: [{elements}]}}}}]\n{template}"}
    )

    assert "makes 500 applications (site-0, " in found.problem
    assert "site-19, …), 500 of them" in found.problem


def test_files_are_read_once_however_often_something_is_looked_for(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    whole = Tree.text
    monkeypatch.setattr(Tree, "text", lambda tree, path: (read.append(path), whole(tree, path))[1])
    sources = ", ".join(f"{{kind: ConfigMap, name: none-{number}, optional: true}}" for number in range(20))

    found = attempt(
        {
            "overlay/k.yaml": KUSTOMIZATION % ("k", "maps")
            + f"  postBuild: {{substituteFrom: [{sources}]}}\n",
            "maps/m.yaml": CONFIG_MAP,
            "other/o.yaml": CONFIG_MAP,
        }
    )

    assert not found.problem
    assert read.count("other/o.yaml") == 1


def test_objects_that_bring_very_many_others_are_given_up(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "_MOST_FOLLOWED", 5)

    found = attempt(
        {
            "overlay/k.yaml": "---\n".join(KUSTOMIZATION % (f"k{number}", "maps") for number in range(6)),
            "maps/m.yaml": CONFIG_MAP,
        }
    )

    assert found.problem == "More than 5 objects are to bring something here."
