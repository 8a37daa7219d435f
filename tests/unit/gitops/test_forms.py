"""One cluster's overlay in every form that a repository keeps it in: on all of them, the same answers of all checks."""

from __future__ import annotations

import copy
import json
import socket
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from clusters.cause_ids import CauseId
from clusters.errors import Inconclusive
from clusters.gitops import (
    drift,
    range_findings,
    reconciliation,
    release_manifests,
    repository_collection,
    repository_snapshot,
    revisions,
    service_documentation,
    version_skew,
)
from clusters.gitops.forms import Renderer
from clusters.gitops.helm import Helm
from clusters.gitops.kustomize import Kustomize
from clusters.gitops.repository_collection import Tools
from clusters.gitops.repository_snapshot import Layout, RepositorySnapshot
from clusters.profile.models import GitOps
from tests.unit.gitops.site import LAYOUT, WRITTEN_FOR, Site, lived
from tests.unit.gitops.twins import FOLLOWERS, FORMS, Form

POOL = ("IPAddressPool", "metallb-pool")
NARROW = "172.30.0.200-172.30.0.205"


@dataclass(frozen=True)
class Twin:
    """A twin with the cluster that runs it."""

    site: Site
    form: Form
    layout: Layout
    helm: Helm

    def repository(self) -> RepositorySnapshot:
        tools = Tools(self.site.kubectl, self.site.manifests, self.site.cluster, self.helm)
        found = repository_collection.collect(self.site.root, self.layout, tools)
        return found.model_copy(update={"taken_at": f"{WRITTEN_FOR.isoformat()}T12:00:00Z"})

    def edit_range(self, after: str) -> None:
        self.site.edit(self.form.config, "172.30.0.200-172.30.0.220", after)


@pytest.fixture(params=list(FORMS.values()), ids=list(FORMS))
def form(request: pytest.FixtureRequest) -> Form:
    found: Form = request.param
    return found


@pytest.fixture
def twin(site: Site, form: Form, helm: Helm) -> Twin:
    """A cluster that runs the twin as it was committed; one of configuration alone stands on the site's MetalLB."""
    site.edit(
        form.config, "172.30.0.200-172.30.0.220", "172.30.0.200-172.30.0.220  # since the network was planned"
    )
    site.commit("Say why the range is what it is")
    layout = form.layout(LAYOUT)
    kustomize = Kustomize(site.kubectl, site.manifests, helm)
    renderer = Renderer(kustomize, FOLLOWERS, layout.chart, layout.application)
    render = renderer.attempt(site.root, form.overlay)
    assert not render.problem
    rendered = {(each["kind"], each["metadata"]["name"]): lived(each) for each in render.objects}
    cluster = copy.deepcopy(site.cluster)
    cluster.objects = {**cluster.objects, **rendered} if not form.whole else rendered
    return Twin(replace(site, cluster=cluster, unchanged=None), form, layout, helm)


def test_what_runs_is_what_the_twin_says(twin: Twin) -> None:
    repository, snapshot = twin.repository(), twin.site.snapshot()

    assert drift.intended_config(repository, snapshot) == []
    assert drift.pool_owner(repository, snapshot) == []
    assert range_findings.ranges_valid(repository, snapshot) == []
    assert range_findings.recent_change(repository, snapshot) == []
    assert version_skew.version_skew(repository, snapshot) == []
    assert service_documentation.change_plan(repository, snapshot) == []
    assert revisions.previous_renders(repository) == []


def test_a_pool_that_was_changed_by_hand_is_drift(twin: Twin) -> None:
    twin.site.cluster.objects[POOL]["spec"]["addresses"] = [NARROW]

    (finding,) = drift.intended_config(twin.repository(), twin.site.snapshot())

    assert (finding.cause, finding.subject) == (CauseId.OVERLAY_DRIFT, "pool metallb-pool")
    assert finding.evidence[0] == (
        f'spec.addresses: intended ["172.30.0.200-172.30.0.220"], live ["{NARROW}"]'
    )


def test_a_workload_that_was_changed_by_hand_is_drift(twin: Twin) -> None:
    if not twin.form.whole:  # said, since nothing of it can be compared
        assert any(
            "renders none of MetalLB's own workloads" in note
            for note in reconciliation.notes(twin.repository())
        )
        return
    (name,) = (name for kind, name in twin.site.cluster.objects if kind == "DaemonSet")
    containers = twin.site.cluster.objects["DaemonSet", name]["spec"]["template"]["spec"]["containers"]
    containers[0]["args"] = ["--lb-class=another"]

    found = drift.intended_config(twin.repository(), twin.site.snapshot())

    assert [each.cause for each in found] == [CauseId.OVERLAY_DRIFT]
    assert found[0].summary.startswith(
        f"DaemonSet metallb-system/{name} differs from what {twin.form.overlay} renders"
    )


def test_a_committed_range_that_takes_a_held_address_away_is_told(twin: Twin) -> None:
    twin.edit_range(NARROW)
    twin.site.commit("Take addresses from the lab")

    (finding,) = range_findings.recent_change(twin.repository(), twin.site.snapshot())

    assert (finding.cause, finding.subject) == (CauseId.CHANGE_UNPLANNED, "service traefik/traefik")


def test_a_range_that_is_none_is_found_in_the_twin(twin: Twin) -> None:
    twin.edit_range("172.30.0.220-172.30.0.200")

    found = range_findings.ranges_valid(twin.repository(), twin.site.snapshot())

    assert {each.cause for each in found} == {CauseId.POOL_RANGE_INVALID}


def test_what_is_only_named_is_told_where_it_was_taken_from(twin: Twin) -> None:
    told = "\n".join(reconciliation.notes(twin.repository()))

    assert not twin.form.whole or "0.16.2" in told
    assert "compared with commit" in told


class TestWhatIsNotAtHand:
    def test_a_release_that_is_not_at_hand_leaves_the_comparison_undecided(self, site: Site) -> None:
        layout = LAYOUT.model_copy(update={"overlay": "forms/kustomize-remote/lab", "base": "", "legacy": ""})
        found = repository_collection.collect(site.root, layout, Tools(site.kubectl, {}, site.cluster))

        assert found.intended.left_out == ("github.com/metallb/metallb/config/native?ref=v0.16.2",)
        with pytest.raises(
            Inconclusive, match=r"its pools and advertisements alone: .* is not at hand here"
        ) as told:
            drift.intended_config(found, site.snapshot())
        assert "--manifest FILE" in told.value.remedy

    def test_a_drift_of_the_configuration_is_found_all_the_same(self, site: Site) -> None:
        layout = LAYOUT.model_copy(update={"overlay": "forms/kustomize-remote/lab", "base": "", "legacy": ""})
        site.cluster.objects[POOL]["spec"]["addresses"] = [NARROW]
        found = repository_collection.collect(site.root, layout, Tools(site.kubectl, {}, site.cluster))

        assert [each.cause for each in drift.intended_config(found, site.snapshot())] == [
            CauseId.OVERLAY_DRIFT
        ]

    def test_a_manifest_that_a_person_named_serves_a_branch(self, site: Site, tmp_path: Path) -> None:
        named = tmp_path / "named.yaml"
        named.write_bytes(site.manifests["0.16.2"].read_bytes())
        site.edit("forms/kustomize-remote/lab/kustomization.yaml", "?ref=v0.16.2", "?ref=main")
        layout = LAYOUT.model_copy(update={"overlay": "forms/kustomize-remote/lab", "base": "", "legacy": ""})

        without = Renderer(Kustomize(site.kubectl, site.manifests)).attempt(site.root, layout.overlay)
        found = Renderer(
            Kustomize(site.kubectl, release_manifests.at_hand(named)),
        ).attempt(site.root, layout.overlay)

        assert without.left_out == ("github.com/metallb/metallb/config/native?ref=main",)
        assert (found.left_out, found.version) == ((), "0.16.2")
        assert str(named) in found.brought[0]

    @pytest.mark.parametrize("form", [form for form in FORMS.values() if form.helm], indirect=True)
    def test_the_pools_beside_metallbs_chart_are_judged_without_it(
        self, site: Site, form: Form, helm: Helm
    ) -> None:
        site.edit(form.config, "172.30.0.200-172.30.0.220", "172.30.0.220-172.30.0.200")
        tools = Tools(site.kubectl, {}, site.cluster, Helm(helm.program))
        found = repository_collection.collect(site.root, form.layout(LAYOUT), tools)

        assert [each.cause for each in range_findings.ranges_valid(found, None)] == [
            CauseId.POOL_RANGE_INVALID
        ]
        assert (found.working.version, found.working.problem) == ("0.16.2", "")
        assert found.working.left_out[0].startswith("its chart (")

    def test_what_metallbs_chart_would_bring_is_told_as_not_compared(self, site: Site, helm: Helm) -> None:
        layout = FORMS["Flux HelmRelease"].layout(LAYOUT)
        tools = Tools(site.kubectl, {}, site.cluster, Helm(helm.program))
        found = repository_collection.collect(site.root, layout, tools)

        with pytest.raises(
            Inconclusive, match=r"of MetalLB 0\.16\.2, its chart \(HelmRelease .*\) is not at"
        ) as told:
            drift.intended_config(found, site.snapshot())
        assert "go mod download go.universe.tf/metallb@v0.16.2" in told.value.remedy

    def test_without_helm_metallbs_chart_is_left_out_and_it_is_told_what_to_install(self, site: Site) -> None:
        found = Renderer(Kustomize(site.kubectl)).attempt(site.root, "forms/kustomize-chart/lab")

        assert (found.problem, found.version) == ("", "0.16.2")
        assert found.left_out == ("its chart (forms/kustomize-chart/lab/kustomization.yaml line 7)",)
        assert "python -m clusters.lab.parts helm" in found.remedy

    def test_without_helm_a_chart_of_ones_own_is_not_rendered(self, site: Site) -> None:
        found = Renderer(Kustomize(site.kubectl)).attempt(site.root, "forms/helm-chart/lab")

        assert found.needs_network
        assert found.problem.endswith(
            "installs the Helm chart lab, and Helm is not installed here to render it."
        )

    def test_a_chart_that_stands_on_one_that_is_left_out_is_not_called_wrong(
        self, site: Site, helm: Helm
    ) -> None:
        site.write(
            "forms/helm-chart/lab/templates/notes.yaml",
            'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ include "metallb.fullname" . }}}\n',
        )
        found = Renderer(Kustomize(site.kubectl, helm=Helm(helm.program))).attempt(
            site.root, "forms/helm-chart/lab"
        )

        assert found.needs_network
        assert "installs MetalLB's chart 0.16.2, which is not at hand here" in found.problem

    @pytest.mark.parametrize("version", [">=0.16.0", "0.16.x", ""])
    def test_a_version_that_names_no_one_release_is_not_guessed(
        self, site: Site, helm: Helm, version: str
    ) -> None:
        site.edit("forms/kustomize-chart/lab/kustomization.yaml", "version: 0.16.2", f'version: "{version}"')
        found = Renderer(Kustomize(site.kubectl, helm=helm)).attempt(site.root, "forms/kustomize-chart/lab")

        assert (found.problem, found.version) == ("", "")
        assert not found.complete
        assert "Pin the version" in found.remedy

    def test_a_chart_of_somebody_elses_is_not_taken_for_metallbs(self, site: Site, helm: Helm) -> None:
        site.edit(
            "forms/kustomize-chart/lab/kustomization.yaml",
            "https://metallb.github.io/metallb",
            "https://charts.example.org",
        )
        found = Renderer(Kustomize(site.kubectl, helm=helm)).attempt(site.root, "forms/kustomize-chart/lab")

        assert found.needs_network
        assert "which is not MetalLB's own, and was not fetched" in found.problem

    def test_an_application_set_of_several_clusters_asks_which_is_meant(self, site: Site) -> None:
        renderer = Renderer(Kustomize(site.kubectl), FOLLOWERS)
        found = renderer.attempt(site.root, "forms/argo-cd-set/metallb.yaml")

        assert found.given_up
        assert not found.broken
        assert "makes 2 applications (metallb-lab, metallb-homelab)" in found.problem
        assert "gitops.application" in found.remedy


@pytest.mark.parametrize(
    ("form", "edited", "change", "said"),
    [
        (
            "Helm values",
            "forms/helm-values/lab/values.yaml",
            ("enabled: false", "enabled: {false"),
            "does not render",
        ),
        (
            "Argo CD, chart and folder",
            "forms/argo-cd/lab.yaml",
            ("forms/argo-cd/pools", "forms/gone"),
            "does not exist",
        ),
        (
            "Flux HelmRelease",
            "forms/flux/clusters/lab/metallb.yaml",
            ("./forms/flux/pools", "./gone"),
            "does not exist",
        ),
        (
            "plain manifests",
            "forms/plain/lab/metallb/config.yaml",
            ("kind: IPAddressPool", ""),
            "it has no kind",
        ),
    ],
)
def test_an_overlay_that_does_not_render_fails_where_the_repository_alone_is_judged(
    site: Site, helm: Helm, *, form: str, edited: str, change: tuple[str, str], said: str
) -> None:
    layout, tools = FORMS[form].layout(LAYOUT), Tools(site.kubectl, site.manifests, helm=helm)
    assert range_findings.ranges_valid(repository_collection.collect(site.root, layout, tools), None) == []

    site.edit(edited, *change)
    (finding,) = range_findings.ranges_valid(repository_collection.collect(site.root, layout, tools), None)

    assert (finding.cause, finding.subject) == (CauseId.OVERLAY_INVALID, f"overlay {layout.overlay}")
    assert said in finding.summary


def test_the_revision_that_an_application_names_is_told(site: Site) -> None:
    site.edit("forms/argo-cd-kustomize/lab.yaml", "targetRevision: main", "targetRevision: release-1")
    found = Renderer(Kustomize(site.kubectl, site.manifests), FOLLOWERS).attempt(
        site.root, "forms/argo-cd-kustomize"
    )

    assert any("as it is here; it names revision release-1" in each for each in found.brought)


def test_what_somebody_else_has_rendered_stands_for_the_overlay(site: Site, tmp_path: Path) -> None:
    render = Kustomize(site.kubectl, site.manifests).render(site.root, LAYOUT.overlay)
    named = tmp_path / "rendered.yaml"
    named.write_text(yaml.safe_dump_all(render.objects), encoding="utf-8")
    tools = Tools(site.kubectl, {}, site.cluster, rendered=named)

    found = repository_collection.collect(site.root, LAYOUT, tools)

    assert drift.intended_config(found, site.snapshot()) == []
    assert str(named) in "\n".join(reconciliation.notes(found))


@pytest.mark.parametrize("form", [FORMS["plain manifests"]], indirect=True)
def test_overlays_of_other_clusters_are_found_by_the_pattern(twin: Twin) -> None:
    repository = twin.repository()

    assert set(repository.renders) == {"forms/plain/lab/metallb", "forms/plain/homelab/metallb"}
    assert repository.layout.cluster_of("forms/plain/homelab/metallb") == "homelab"


def test_a_profile_says_where_things_are() -> None:
    gitops = GitOps.model_validate(
        {
            "repository": Path("/srv/platform"),
            "overlay": "clusters/homelab/metallb",
            "overlays": "clusters/*/metallb",
            "tree": "infrastructure/metallb",
            "chart": {"version": "0.16.2", "values": ("clusters/homelab/metallb/values.yaml",)},
        }
    )
    layout = repository_snapshot.layout_of(gitops, namespace="metallb")

    assert (layout.cluster, layout.tree) == ("homelab", "infrastructure/metallb")
    assert layout.trees == ("infrastructure/metallb", "clusters/homelab/metallb")
    assert layout.chart is not None
    assert (layout.chart.repository, layout.chart.namespace) == (
        "https://metallb.github.io/metallb",
        "metallb",
    )


def test_a_charts_schema_fetches_and_reads_nothing(site: Site, helm: Helm) -> None:
    """Schemas may refer to other places, which Helm would load; values are the deliverer's to validate."""
    chart = site.root / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: own\nversion: 0.1.0\n")
    (chart / "templates" / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        place = f"http://127.0.0.1:{listener.getsockname()[1]}/schema.json"
        (chart / "values.schema.json").write_text(json.dumps({"$ref": place}))
        site.commit("Add a chart")

        render = Renderer(Kustomize(site.kubectl, site.manifests, helm), FOLLOWERS).attempt(
            site.root, "chart"
        )

        assert render.problem == ""
        assert [each["kind"] for each in render.objects] == ["ConfigMap"]
        with pytest.raises(BlockingIOError):
            listener.accept()
