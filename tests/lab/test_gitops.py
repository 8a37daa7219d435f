"""The twins of the example repository against real MetalLB, and what Flux and Argo CD say of it.

Of Flux and Argo CD the definitions are here, and objects with the status that their controllers would write: whoever
reads that status sees what they would see.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters import wait
from clusters.api import Api
from clusters.cause_ids import CauseId
from clusters.checks import Finding
from clusters.errors import Inconclusive
from clusters.gitops import (
    drift,
    example,
    range_findings,
    reconciliation,
    release_manifests,
    repository_collection,
    version_skew,
)
from clusters.gitops import helm as helm_program
from clusters.gitops.forms import Renderer
from clusters.gitops.helm import Helm
from clusters.gitops.kustomize import Kustomize
from clusters.gitops.repository_collection import Tools
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.plan import LabOptions
from clusters.observation import Snapshot
from clusters.observation.collecting import collect
from tests.lab.tools import ROOT, SOON, Kubectl
from tests.unit.gitops.site import LAYOUT
from tests.unit.gitops.twins import FOLLOWERS, FORMS, Form

Json = dict[str, Any]
EXAMPLE = ROOT / "examples/platform"
RANGE, NARROW = "172.30.0.200-172.30.0.220", "172.30.0.200-172.30.0.219"
NATIVE = {name: form for name, form in FORMS.items() if not form.helm}
CHARTS = {name: form for name, form in FORMS.items() if form.helm}
FLUX, ARGO = "toolkit.fluxcd.io", "argoproj.io"
DEFINITIONS = (
    (f"kustomize.{FLUX}", "v1", "kustomizations", "Kustomization"),
    (f"helm.{FLUX}", "v2", "helmreleases", "HelmRelease"),
    (f"source.{FLUX}", "v1", "gitrepositories", "GitRepository"),
    (ARGO, "v1alpha1", "applications", "Application"),
)


@dataclass(frozen=True)
class Clone:
    """The example repository as somebody's clone, and the cluster that it configures."""

    root: Path
    lab: Lab
    api: Api
    helm: Helm
    form: Form

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(self.lab)

    def repository(self) -> RepositorySnapshot:
        tools = Tools(self.lab.kubectl, release_manifests.of_lab_parts(), self.api, self.helm)
        return repository_collection.collect(self.root, self.form.layout(LAYOUT), tools)

    def snapshot(self) -> Snapshot:
        return collect(self.api)

    def intended(self) -> list[Finding]:
        return drift.intended_config(self.repository(), self.snapshot())

    def notes(self) -> str:
        return "\n".join(reconciliation.notes(self.repository()))

    def commit(self, subject: str) -> str:
        person = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
        for command in (("add", "--all"), (*person, "commit", "--quiet", "--message", subject)):
            subprocess.run(("git", *command), cwd=self.root, check=True, timeout=30)
        return self.head()

    def head(self) -> str:
        found = subprocess.run(
            ("git", "rev-parse", "HEAD"),
            cwd=self.root,
            check=True,
            timeout=30,
            capture_output=True,
            text=True,
        )
        return found.stdout.strip()

    def narrowed(self) -> str:
        """The range is narrowed in the repository and committed; the commit."""
        config = self.root / self.form.config
        text = config.read_text()
        assert RANGE in text
        config.write_text(text.replace(RANGE, NARROW))
        return self.commit("Take an address from the lab")

    @contextmanager
    def by_hand(self) -> Iterator[None]:
        """Somebody narrows the live pool."""
        try:
            self._patch_pool(NARROW)
            yield
        finally:
            self._patch_pool(RANGE)

    def _patch_pool(self, addresses: str) -> None:
        patch = json.dumps({"spec": {"addresses": [addresses]}})
        named = ("-n", "metallb-system", "ipaddresspool", "metallb-pool")
        self.kubectl.ok("patch", *named, "--type=merge", "-p", patch)


def cloned(lab: Lab, folder: Path, form: Form, helm: Helm) -> Clone:
    root = example.materialise(EXAMPLE, folder / "platform", today=datetime.now(UTC).date())
    return Clone(root, lab, Api.connect(lab.kubeconfig, lab.name), helm, form)


@pytest.fixture(scope="session")
def helm() -> Helm:
    found = helm_program.at_hand(release_manifests.of_module_cache())
    assert found.program is not None, "make test builds Helm, or: python -m clusters.lab.parts helm"
    return found


class TestManifests:
    """MetalLB by its manifests: what the shared lab runs."""

    @pytest.mark.parametrize("form", NATIVE.values(), ids=NATIVE.keys())
    def test_every_twin_says_what_runs_until_somebody_changes_it(
        self, lab: Lab, tmp_path: Path, form: Form, helm: Helm
    ) -> None:
        clone = cloned(lab, tmp_path, form, helm)

        assert clone.intended() == []
        with clone.by_hand():
            changed = clone.intended()
        assert [(each.cause, each.subject) for each in changed] == [
            (CauseId.OVERLAY_DRIFT, "pool metallb-pool")
        ]
        assert clone.intended() == []


@pytest.fixture(scope="module")
def charted(as_root: None, tmp_path_factory: pytest.TempPathFactory, helm: Helm) -> Iterator[Lab]:
    """A lab with MetalLB installed by what its chart renders."""
    folder = tmp_path_factory.mktemp("charted")
    renderer = Renderer(Kustomize(Path("kubectl"), helm=helm), FOLLOWERS)
    objects = renderer.attempt(EXAMPLE, CHARTS["Helm chart of one's own"].overlay).objects
    overlay = folder / "metallb/overlays/charted"
    overlay.mkdir(parents=True)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "metallb-system"}}
    (overlay / "all.yaml").write_text(yaml.safe_dump_all([namespace, *objects]))
    (overlay / "kustomization.yaml").write_text("resources: [all.yaml]\n")
    name = f"t{os.getpid()}-charted"
    try:
        yield life.up(LabOptions(name=name, metallb="0.16.2", overlay=str(overlay)))
    finally:
        life.down(name)


class TestCharts:
    """MetalLB by its chart, in a lab of its own."""

    @pytest.mark.parametrize("form", CHARTS.values(), ids=CHARTS.keys())
    def test_every_twin_says_what_runs_until_somebody_changes_it(
        self, charted: Lab, tmp_path: Path, form: Form, helm: Helm
    ) -> None:
        clone = cloned(charted, tmp_path, form, helm)

        assert clone.intended() == []
        assert version_skew.version_skew(clone.repository(), clone.snapshot()) == []
        assert range_findings.ranges_valid(clone.repository(), clone.snapshot()) == []
        with clone.by_hand():
            changed = clone.intended()
        assert [(each.cause, each.subject) for each in changed] == [
            (CauseId.OVERLAY_DRIFT, "pool metallb-pool")
        ]
        assert clone.intended() == []


@dataclass(frozen=True)
class Reconciled:
    """A clone whose cluster is applied by an object of Flux's or Argo CD's, which marks what runs as its own."""

    clone: Clone
    kind: str
    namespace: str

    def says(self, status: Json, *, spec: Json | None = None) -> None:
        """Its controller writes this status, and somebody this spec."""
        named = (self.kind, "-n", self.namespace, "metallb")
        kubectl = self.clone.kubectl
        if spec:
            kubectl.ok("patch", *named, "--type=merge", "-p", json.dumps({"spec": spec}))
        text = json.dumps({"status": status})
        kubectl.ok("patch", *named, "--subresource=status", "--type=merge", "-p", text)


@pytest.fixture(scope="module")
def engines(lab: Lab) -> Iterator[Kubectl]:
    """The definitions of Flux and Argo CD, as small as they can be; gone afterwards."""
    kubectl = Kubectl(lab)
    kubectl.ok("apply", "-f", "-", given=yaml.safe_dump_all(definition(*each) for each in DEFINITIONS))
    names = [f"{plural}.{group}" for group, _, plural, _ in DEFINITIONS]
    for name in names:
        kubectl.ok("wait", "--for=condition=Established", f"crd/{name}", "--timeout=60s")
    for namespace in ("flux-system", "argocd"):
        kubectl.ok("create", "namespace", namespace)
    try:
        yield kubectl
    finally:
        kubectl.ok("delete", "namespace", "flux-system", "argocd")
        kubectl.ok("delete", "crd", *names)


def definition(group: str, version: str, plural: str, kind: str) -> Json:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"plural": plural, "kind": kind, "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }


def reconciled(
    clone: Clone, manifest: str, kind: str, *, namespace: str, marks: Json
) -> Iterator[Reconciled]:
    """The object of the twin in the cluster, and its marks on the pool that it applied."""
    pool = ("ipaddresspool", "-n", "metallb-system", "metallb-pool")
    wait.until(
        f"{kind} can be made",
        read=lambda: clone.kubectl("apply", "-f", str(clone.root / manifest)).returncode,
        accept=lambda code: code == 0,
        budget=SOON,
    )
    clone.kubectl.ok("patch", *pool, "--type=merge", "-p", json.dumps({"metadata": marks}))
    try:
        yield Reconciled(clone, kind, namespace)
    finally:
        none = {part: dict.fromkeys(found) for part, found in marks.items()}
        clone.kubectl.ok("patch", *pool, "--type=merge", "-p", json.dumps({"metadata": none}))
        clone.kubectl.ok("delete", "-f", str(clone.root / manifest))


@pytest.fixture
def flux(lab: Lab, tmp_path: Path, helm: Helm, engines: Kubectl) -> Iterator[Reconciled]:
    clone = cloned(lab, tmp_path, FORMS["Flux Kustomization"], helm)
    labels = {f"kustomize.{FLUX}/name": "metallb", f"kustomize.{FLUX}/namespace": "flux-system"}
    manifest = "forms/flux-kustomize/lab.yaml"
    yield from reconciled(
        clone, manifest, f"kustomizations.kustomize.{FLUX}", namespace="flux-system", marks={"labels": labels}
    )


@pytest.fixture
def argo(lab: Lab, tmp_path: Path, helm: Helm, engines: Kubectl) -> Iterator[Reconciled]:
    clone = cloned(lab, tmp_path, FORMS["Argo CD, kustomize"], helm)
    mark = {"argocd.argoproj.io/tracking-id": "metallb:metallb.io/IPAddressPool:metallb-system/metallb-pool"}
    manifest = "forms/argo-cd-kustomize/lab.yaml"
    yield from reconciled(
        clone, manifest, f"applications.{ARGO}", namespace="argocd", marks={"annotations": mark}
    )


def applied(commit: str) -> Json:
    """Flux has applied a commit and is content."""
    ready = {"type": "Ready", "status": "True", "reason": "ReconciliationSucceeded", "message": "Applied"}
    return {"lastAppliedRevision": f"main@sha1:{commit}", "conditions": [ready]}


def failed(commit: str) -> Json:
    ready = {
        "type": "Ready",
        "status": "False",
        "reason": "BuildFailed",
        "message": "kustomize build failed: no such file",
    }
    return {"lastAppliedRevision": f"main@sha1:{commit}", "conditions": [ready]}


class TestFlux:
    def test_the_commit_that_it_applied_is_compared_and_not_a_newer_one(self, flux: Reconciled) -> None:
        flux.says(applied(flux.clone.head()))
        deployed, newer = flux.clone.head(), flux.clone.narrowed()

        assert flux.clone.intended() == []
        told = flux.clone.notes()
        assert (
            f"compared with commit {deployed[:12]}, which Kustomization flux-system/metallb applied" in told
        )
        assert f"not applied yet, of commit {newer[:12]}: IPAddressPool metallb-system/metallb-pool" in told

    def test_a_newer_commit_that_nobody_claims_to_have_applied_is_drift(self, flux: Reconciled) -> None:
        flux.says({"lastAppliedRevision": None})
        flux.clone.narrowed()

        assert [each.cause for each in flux.clone.intended()] == [CauseId.OVERLAY_DRIFT]

    def test_a_live_change_is_drift_from_the_commit_that_is_deployed(self, flux: Reconciled) -> None:
        flux.says(applied(flux.clone.head()))
        flux.clone.narrowed()

        with flux.clone.by_hand():
            (finding,) = flux.clone.intended()

        assert (finding.cause, finding.subject) == (CauseId.OVERLAY_DRIFT, "pool metallb-pool")

    def test_suspended_with_nothing_to_apply_is_told_and_no_finding(self, flux: Reconciled) -> None:
        flux.says(applied(flux.clone.head()), spec={"suspend": True})

        assert flux.clone.intended() == []
        assert "Kustomization flux-system/metallb is suspended" in flux.clone.notes()

    def test_suspended_while_the_repository_moves_on_is_found(self, flux: Reconciled) -> None:
        flux.says(applied(flux.clone.head()), spec={"suspend": True})
        flux.clone.narrowed()

        (finding,) = flux.clone.intended()

        assert finding.cause == CauseId.RECONCILIATION_STOPPED
        assert finding.subject == "Kustomization flux-system/metallb"
        assert "is suspended, and forms/flux-kustomize/lab.yaml has changed since" in finding.summary
        assert finding.commands[-1] == "flux resume kustomization metallb -n flux-system"

    def test_what_fails_is_found_with_its_own_word(self, flux: Reconciled) -> None:
        flux.says(failed(flux.clone.head()))

        (finding,) = flux.clone.intended()

        assert finding.cause == CauseId.RECONCILIATION_STOPPED
        assert finding.summary.endswith("does not get on: BuildFailed: kustomize build failed: no such file")

    def test_a_commit_that_the_clone_lacks_makes_no_difference_a_drift(self, flux: Reconciled) -> None:
        flux.says(applied("0123456789" * 4))

        assert flux.clone.intended() == []
        assert "applied commit 012345678901, which the clone does not have" in flux.clone.notes()
        with flux.clone.by_hand(), pytest.raises(Inconclusive, match="does not have") as told:
            flux.clone.intended()
        assert "fetch" in told.value.remedy


class TestArgoCd:
    def test_the_commit_that_is_in_sync_is_compared(self, argo: Reconciled) -> None:
        argo.says({"sync": {"status": "Synced", "revision": argo.clone.head()}})
        argo.clone.narrowed()

        assert argo.clone.intended() == []
        assert "which Application argocd/metallb applied" in argo.clone.notes()

    def test_out_of_sync_the_last_sync_counts_and_that_it_stopped_is_found(self, argo: Reconciled) -> None:
        deployed, newer = argo.clone.head(), argo.clone.narrowed()
        argo.says({"sync": {"status": "OutOfSync", "revision": newer}, "history": [{"revision": deployed}]})

        (finding,) = argo.clone.intended()

        assert (finding.cause, finding.subject) == (
            CauseId.RECONCILIATION_STOPPED,
            "Application argocd/metallb",
        )
        assert "OutOfSync" in finding.summary

    def test_a_sync_that_failed_is_found_with_its_own_word(self, argo: Reconciled) -> None:
        state = {"phase": "Failed", "message": "one or more objects failed to apply"}
        argo.says({"sync": {"status": "Synced", "revision": argo.clone.head()}, "operationState": state})

        (finding,) = argo.clone.intended()

        assert finding.cause == CauseId.RECONCILIATION_STOPPED
        assert "Failed: one or more objects failed to apply" in finding.summary

    def test_one_that_is_not_synchronized_by_itself_is_told(self, argo: Reconciled) -> None:
        synced = {"sync": {"status": "Synced", "revision": argo.clone.head()}}
        argo.says(synced, spec={"syncPolicy": {"automated": None}})

        assert argo.clone.intended() == []
        assert "Application argocd/metallb is not synchronized by itself" in argo.clone.notes()


def test_a_clone_that_is_behind_says_so(lab: Lab, tmp_path: Path, helm: Helm) -> None:
    upstream = cloned(lab, tmp_path, FORMS["kustomize, remote resource"], helm)
    target = tmp_path / "clone"
    git = ("git", "-c", "protocol.file.allow=always")
    subprocess.run((*git, "clone", "--quiet", str(upstream.root), str(target)), check=True, timeout=60)
    clone = replace(upstream, root=target)
    assert "behind" not in clone.notes()

    upstream.narrowed()
    assert "behind" not in clone.notes()  # nobody has told the clone
    subprocess.run((*git, "fetch", "--quiet"), cwd=target, check=True, timeout=60)

    assert clone.intended() == []
    assert "the clone is 1 commit behind origin/main: what is in there was not compared" in clone.notes()
