"""What Flux and Argo CD may be told besides: followed as they would, or refused with the one thing that is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters.gitops.forms import Renderer
from clusters.gitops.helm import Helm
from clusters.gitops.kustomize import Kustomize, Render
from clusters.gitops.pool_objects import key, pools_of
from tests.unit.gitops.site import Site
from tests.unit.gitops.twins import FOLLOWERS

Json = dict[str, Any]
Attempt = Callable[[str], Render]
SPEAKER = "DaemonSet metallb-system/metallb-speaker"


@pytest.fixture
def attempt(site: Site, helm: Helm) -> Attempt:
    renderer = Renderer(Kustomize(site.kubectl, site.manifests, helm), FOLLOWERS)
    return lambda overlay: renderer.attempt(site.root, overlay)


def changed(site: Site, path: str, change: Callable[[Json], None], *more: Json) -> None:
    """The first object of a file is changed, and others stand behind it."""
    first, *rest = yaml.safe_load_all((site.root / path).read_text())
    change(first["spec"])
    (site.root / path).write_text(yaml.safe_dump_all([first, *rest, *more]))


def args(found: Render) -> list[str]:
    (speaker,) = (each for each in found.objects if key(each) == SPEAKER)
    said: list[str] = speaker["spec"]["template"]["spec"]["containers"][0]["args"]
    return said


def ranges(found: Render) -> list[str]:
    return [str(each) for pool in pools_of(found.objects) for each in pool.ranges]


class TestFlux:
    RELEASE, POOLS = "forms/flux/metallb/release.yaml", "forms/flux/clusters/lab/metallb.yaml"

    def test_values_of_a_config_map_come_before_the_releases_own(self, site: Site, attempt: Attempt) -> None:
        texts = "loadBalancerClass: theirs\nspeaker: {logLevel: debug}\n"
        values = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "values", "namespace": "metallb-system"},
            "data": {"values.yaml": texts},
        }

        def change(spec: Json) -> None:
            spec["valuesFrom"] = [{"kind": "ConfigMap", "name": "values"}]
            spec["values"]["loadBalancerClass"] = "ours"

        changed(site, self.RELEASE, change, values)

        found = attempt("forms/flux/clusters/lab")

        assert not found.problem
        assert {"--lb-class=ours", "--log-level=debug"} <= set(args(found))

    def test_values_of_a_secret_are_not_read_and_that_is_said(self, site: Site, attempt: Attempt) -> None:
        changed(
            site, self.RELEASE, lambda spec: spec.update(valuesFrom=[{"kind": "Secret", "name": "values"}])
        )

        found = attempt("forms/flux/clusters/lab")

        assert found.needs_network
        assert "takes values from Secret values, which is not read" in found.problem

    def test_a_variable_without_a_value_has_its_default(self, site: Site, attempt: Attempt) -> None:
        text = (site.root / "forms/flux/pools/config.yaml").read_text()
        default = "${other:=172.30.0.230-172.30.0.231}"
        site.write("forms/flux/pools/config.yaml", text.replace("${pool}", default))

        assert ranges(attempt("forms/flux/clusters/lab")) == ["172.30.0.230-172.30.0.231"]

    def test_a_patch_of_the_kustomization_wins(self, site: Site, attempt: Attempt) -> None:
        operation = "- {op: replace, path: /spec/addresses, value: [172.30.0.230/32]}"
        patch = {"patch": operation, "target": {"kind": "IPAddressPool"}}
        changed(site, "forms/flux-kustomize/lab.yaml", lambda spec: spec.update(patches=[patch]))

        assert ranges(attempt("forms/flux-kustomize/lab.yaml")) == ["172.30.0.230/32"]

    def test_a_chart_by_reference_is_refused(self, site: Site, attempt: Attempt) -> None:
        reference = {"kind": "OCIRepository", "name": "metallb"}
        changed(site, self.RELEASE, lambda spec: (spec.pop("chart"), spec.update(chartRef=reference))[1])

        assert "by chartRef, which is not followed" in attempt("forms/flux/clusters/lab").problem


class TestArgoCd:
    CHART, FOLDER = "forms/argo-cd/lab.yaml", "forms/argo-cd-kustomize/lab.yaml"

    def test_parameters_win_over_values(self, site: Site, attempt: Attempt) -> None:
        def change(spec: Json) -> None:
            helm = spec["sources"][0]["helm"]
            helm["valuesObject"]["loadBalancerClass"] = "theirs"
            helm["parameters"] = [
                {"name": "loadBalancerClass", "value": "ours"},
                {"name": "speaker.logLevel", "value": "debug"},
            ]

        changed(site, self.CHART, change)

        assert {"--lb-class=ours", "--log-level=debug"} <= set(args(attempt(self.CHART)))

    @pytest.mark.parametrize("value", ["[", "!!bool x", "2020-02-31", "&a [*a]", "1.50", "007"])
    def test_a_parameter_is_what_helm_takes_it_for(self, site: Site, attempt: Attempt, value: str) -> None:
        parameters = [{"name": "loadBalancerClass", "value": value}]
        changed(
            site,
            self.CHART,
            lambda spec: spec["sources"][0]["helm"].update(valuesObject={}, parameters=parameters),
        )

        assert f"--lb-class={value}" in args(attempt(self.CHART))

    @pytest.mark.parametrize(
        ("names", "problem"),
        [
            (["speaker", "speaker.logLevel"], "sets speaker.logLevel, and sets what it is in as well"),
            ([".".join("a" * 3000)], "which is more than 50 deep"),
        ],
    )
    def test_a_parameter_that_has_no_place_is_named(
        self, site: Site, attempt: Attempt, names: list[str], problem: str
    ) -> None:
        parameters = [{"name": each, "value": "x"} for each in names]
        changed(site, self.CHART, lambda spec: spec["sources"][0]["helm"].update(parameters=parameters))

        assert problem in attempt(self.CHART).problem

    def test_values_of_another_source_are_read_by_its_reference(self, site: Site, attempt: Attempt) -> None:
        site.write("forms/argo-cd/values.yaml", "loadBalancerClass: ours\n")

        def change(spec: Json) -> None:
            spec["sources"][0]["helm"]["valueFiles"] = ["$here/forms/argo-cd/values.yaml"]
            spec["sources"].append({"repoURL": "https://git.example.org/platform.git", "ref": "here"})

        changed(site, self.CHART, change)

        assert "--lb-class=ours" in args(attempt(self.CHART))

    def test_files_of_a_folder_are_chosen(self, site: Site, attempt: Attempt) -> None:
        site.write(
            "forms/argo-cd/pools/other.yaml", "kind: ConfigMap\napiVersion: v1\nmetadata: {name: other}\n"
        )
        changed(
            site, self.CHART, lambda spec: spec["sources"][1].update(directory={"exclude": "{other.yaml}"})
        )

        found = attempt(self.CHART)

        assert not found.problem
        assert "ConfigMap metallb-system/other" not in {key(each) for each in found.objects}

    def test_images_of_the_application_are_set(self, site: Site, attempt: Attempt) -> None:
        image = "quay.io/metallb/speaker=mirror.example.org/speaker:v0.16.2"
        changed(site, self.FOLDER, lambda spec: spec["source"].update(kustomize={"images": [image]}))

        assert "mirror.example.org/speaker:v0.16.2" in str(attempt(self.FOLDER).objects)

    def test_an_option_that_is_not_followed_is_named(self, site: Site, attempt: Attempt) -> None:
        changed(site, self.FOLDER, lambda spec: spec["source"].update(kustomize={"components": ["../x"]}))

        assert "the kustomize option components, which is not followed" in attempt(self.FOLDER).problem

    def test_a_folder_outside_of_the_repository_is_refused(
        self, site: Site, attempt: Attempt, tmp_path: Path
    ) -> None:
        (tmp_path / "outside").mkdir()
        changed(site, self.FOLDER, lambda spec: spec["source"].update(path="../outside"))

        assert attempt(self.FOLDER).problem
