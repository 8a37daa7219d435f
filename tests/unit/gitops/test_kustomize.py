"""Rendering: what comes out, what is put in place, what is left out, and one sentence for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters import budgets
from clusters.errors import Inconclusive
from clusters.gitops import kustomize, release_manifests
from clusters.gitops.documents import FileError, NeedsNetworkError, OverlayError
from clusters.gitops.forms import Renderer
from clusters.gitops.kustomize import Kustomize
from clusters.gitops.pool_objects import key
from tests.unit.gitops import manifest

LAB = "metallb/overlays/lab"
CONFIG = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: metallb-pool, namespace: metallb-system}
spec: {addresses: [10.0.0.1/32]}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "metallb/base/kustomization.yaml", "resources:\n- metallb-native.yaml\n")
    write(tmp_path, f"{LAB}/kustomization.yaml", LAB_FILE)
    write(tmp_path, f"{LAB}/config.yaml", CONFIG)
    return tmp_path


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_a_manifest_at_hand_is_put_in_place_and_the_repository_left_alone(
    root: Path, kubectl: Path, manifests: dict[str, Path]
) -> None:
    before = sorted(root.rglob("*"))

    found = Kustomize(kubectl, manifests).render(root, LAB)

    assert found.complete
    assert found.version == "0.16.2"
    assert {"DaemonSet", "Deployment", "IPAddressPool"} <= {each["kind"] for each in found.objects}
    assert sorted(root.rglob("*")) == before


def test_without_the_manifest_the_configuration_is_rendered(root: Path, kubectl: Path) -> None:
    found = Kustomize(kubectl).render(root, LAB)

    assert [key(each) for each in found.objects] == ["IPAddressPool metallb-system/metallb-pool"]
    assert found.left_out == ("metallb/base/metallb-native.yaml",)
    assert (found.version, found.patches, found.complete) == (
        "0.16.2",
        ("patch DaemonSet speaker", "patch pool.yaml"),
        False,
    )
    assert found.objects[0]["spec"]["avoidBuggyIPs"] is True


def test_a_committed_manifest_is_rendered_where_it_lies(root: Path, kubectl: Path) -> None:
    write(root, "metallb/base/metallb-native.yaml", manifest.text("0.16.2"))

    assert Kustomize(kubectl).render(root, LAB).complete


def test_another_version_is_rendered_on_request(
    root: Path, kubectl: Path, manifests: dict[str, Path]
) -> None:
    other = root / "other.yaml"
    other.write_text(manifest.text("0.15.2"))

    found = Kustomize(kubectl, {**manifests, "0.15.2": other}).render(root, LAB, version="0.15.2")

    assert found.version == "0.15.2"
    assert set(kustomize.images(found.objects)) == {
        "quay.io/metallb/controller:v0.15.2",
        "quay.io/metallb/speaker:v0.15.2",
    }


def test_what_a_secret_holds_is_not_kept(root: Path, kubectl: Path, manifests: dict[str, Path]) -> None:
    found = Kustomize(kubectl, manifests).render(root, LAB)

    (secret,) = (each for each in found.objects if each["kind"] == "Secret")
    assert "hidden" not in str(secret)


def test_the_version_of_a_manifest_is_that_of_its_images() -> None:
    assert release_manifests.version_named_in(manifest.text("0.14.9")) == "0.14.9"
    assert release_manifests.version_named_in("kind: Namespace") == ""


@pytest.mark.parametrize(
    ("file", "said"),
    [
        pytest.param(
            (f"{LAB}/config.yaml", "a:\n  b: [1\n"),
            r"lab/config.yaml line 3 is not valid YAML",
            id="broken-resource",
        ),
        pytest.param(
            (f"{LAB}/kustomization.yaml", "resources: [a: b: c]"),
            r"lab/kustomization.yaml line 1 is not valid YAML",
            id="broken-kustomization",
        ),
        pytest.param(
            (f"{LAB}/kustomization.yaml", "resources:\n- config.yaml\n- gone.yaml\n"),
            r"lab/kustomization.yaml line 3 names gone.yaml, which does not exist",
            id="missing-file",
        ),
        pytest.param(
            (f"{LAB}/kustomization.yaml", "resources:\n- ../../bse\n"),
            r"lab/kustomization.yaml line 2 names ../../bse, which does not exist",
            id="missing-base",
        ),
        pytest.param(
            (f"{LAB}/kustomization.yaml", "patches:\n- path: gone.yaml\n  target: {kind: IPAddressPool}\n"),
            r"lab/kustomization.yaml line 2 names gone.yaml",
            id="missing-patch",
        ),
        pytest.param(("metallb/base/kustomization.yaml", "- a\n"), "holds no mapping", id="no-mapping"),
        pytest.param(
            ("metallb/base/kustomization.yaml", "resources: [../overlays/lab]\n"),
            "refers to itself",
            id="circle",
        ),
        pytest.param(
            (f"{LAB}/kustomization.yaml", "resources: [config.yaml, config.yaml]\n"),
            "does not render",
            id="refused",
        ),
        pytest.param(
            (f"{LAB}/kustomization.yaml", "a: 1\n---\nb: 1\n"), "holds 2 documents", id="two-documents"
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(root: Path, kubectl: Path, file: tuple[str, str], said: str) -> None:
    write(root, *file)

    with pytest.raises(FileError, match=said) as told:
        Kustomize(kubectl).render(root, LAB)

    assert "\n" not in str(told.value)
    assert Renderer(Kustomize(kubectl)).attempt(root, LAB).problem == told.value.args[0]


@pytest.mark.parametrize(
    "entry",
    [
        "https://raw.githubusercontent.com/somebody/metallb/v0.16.2/config/manifests/metallb-native.yaml",
        "https://raw.githubusercontent.com/metallb/metallb/v0.16.2/config/manifests/../../x.yaml",
        "github.com/metallb/metallb/config/crd?ref=v0.16.2",
        "github.com/metallb/metallb-operator/config/native?ref=v0.16.2",
        "git@example.org:platform/metallb.git",
        "ssh://git@example.org/platform/metallb",
    ],
)
def test_what_needs_the_network_is_refused_by_line_and_not_tried(root: Path, entry: str) -> None:
    write(root, "metallb/base/kustomization.yaml", f"resources:\n# upstream\n- {entry}\n")

    with pytest.raises(
        NeedsNetworkError, match=r"base/kustomization.yaml line 3 needs the network for"
    ) as told:
        Kustomize(Path("/nonexistent/kubectl")).render(root, LAB)

    assert entry in str(told.value)


@pytest.mark.parametrize(
    "entry",
    [
        "https://raw.githubusercontent.com/metallb/metallb/v0.16.2/config/manifests/metallb-native.yaml",
        "https://github.com/metallb/metallb/raw/refs/tags/v0.16.2/config/manifests/metallb-native.yaml",
        "github.com/metallb/metallb/config/native?ref=v0.16.2",
        "https://github.com/metallb/metallb//config/native?ref=v0.16.2&timeout=90s",
        "git@github.com:metallb/metallb.git//config/native?ref=v0.16.2",
    ],
)
def test_metallbs_own_release_is_put_in_place_of_its_name(
    root: Path, kubectl: Path, manifests: dict[str, Path], entry: str
) -> None:
    write(root, "metallb/base/kustomization.yaml", f"resources:\n# upstream\n- {entry}\n")

    found = Kustomize(kubectl, manifests).render(root, LAB)

    assert found.complete
    assert found.version == "0.16.2"
    assert found.brought == (
        f"{entry} stands for metallb-native.yaml of MetalLB 0.16.2, taken from {manifests['0.16.2']}",
    )


def test_a_chart_in_the_old_way_is_refused_by_line(root: Path) -> None:
    write(root, "metallb/base/kustomization.yaml", "helmChartInflationGenerator:\n- chartName: metallb\n")

    with pytest.raises(
        NeedsNetworkError, match=r"base/kustomization.yaml line 1 names a Helm chart in the old way"
    ):
        Kustomize(Path("/nonexistent/kubectl")).render(root, LAB)


def test_a_missing_overlay_is_said(root: Path, kubectl: Path) -> None:
    with pytest.raises(OverlayError, match="The overlay metallb/overlays/prod does not exist"):
        Kustomize(kubectl).render(root, "metallb/overlays/prod")


def test_a_folder_without_a_kustomization_is_said(root: Path, kubectl: Path) -> None:
    with pytest.raises(OverlayError, match=r"metallb/overlays has no kustomization\.yaml"):
        Kustomize(kubectl).render(root, "metallb/overlays")


def test_a_kubectl_that_cannot_be_run_is_said(root: Path) -> None:
    with pytest.raises(Inconclusive, match="kubectl at /nonexistent/kubectl cannot be run: No such file"):
        Kustomize(Path("/nonexistent/kubectl")).render(root, LAB)


def test_a_kubectl_that_hangs_is_given_up(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = root / "kubectl"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(budgets._Settings, "overrides", {"overlay_rendered": 0.2})

    with pytest.raises(Inconclusive, match="took longer than"):
        Kustomize(program).render(root, LAB)


LAB_FILE = """\
resources:
- ../../base
- config.yaml
images:
- {name: quay.io/metallb/controller, newTag: v0.16.2}
- {name: quay.io/metallb/speaker, newTag: v0.16.2}
patches:
- target: {kind: DaemonSet, name: speaker}
  patch: |
    - {op: add, path: /spec/template/spec/containers/0/args/-, value: --log-level=warn}
- path: pool.yaml
"""


@pytest.fixture(autouse=True)
def _patch_file(root: Path) -> None:
    patch = CONFIG.replace("spec: {addresses: [10.0.0.1/32]}", "spec: {avoidBuggyIPs: true}")
    write(root, f"{LAB}/pool.yaml", patch)
