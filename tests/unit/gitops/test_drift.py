"""overlay.intended-config and recovery.pool-owner on a real repository and a cluster in memory."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from clusters.checks import Finding
from clusters.errors import Inconclusive
from clusters.gitops import drift
from tests.unit.gitops.site import LAB_CONFIG, Site

POOL = ("IPAddressPool", "metallb-pool")


def found(site: Site, **layout: str) -> list[Finding]:
    return drift.intended_config(site.repository(**layout), site.snapshot())


def owner(site: Site, **layout: str) -> list[Finding]:
    return drift.pool_owner(site.repository(**layout), site.snapshot())


def container(site: Site, kind: str, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = site.cluster.objects[kind, name]["spec"]["template"]["spec"]["containers"][0]
    return spec


class TestIntendedConfig:
    def test_what_was_rolled_out_is_intended(self, site: Site) -> None:
        assert found(site) == []

    def test_a_changed_pool_is_named_with_its_field(self, site: Site) -> None:
        site.cluster.objects[POOL]["spec"]["addresses"] = ["172.30.0.200-172.30.0.205"]

        (finding,) = found(site)

        assert (finding.cause, finding.subject, finding.root) == ("overlay-drift", "pool metallb-pool", "")
        assert finding.evidence[0] == (
            'spec.addresses: intended ["172.30.0.200-172.30.0.220"], live ["172.30.0.200-172.30.0.205"]'
        )
        assert "compared with commit" in finding.evidence[1]

    def test_a_lost_object_is_named(self, site: Site) -> None:
        del site.cluster.objects["L2Advertisement", "metallb-l2"]

        (finding,) = found(site)

        assert finding.cause == "overlay-drift"
        assert finding.summary.endswith("is rendered by metallb/overlays/lab and does not exist.")

    def test_an_extra_pool_is_named(self, site: Site) -> None:
        extra = {
            "metadata": {"name": "by-hand", "namespace": "metallb-system"},
            "spec": {"addresses": ["10.9.0.0/30"]},
        }
        site.cluster.objects["IPAddressPool", "by-hand"] = extra

        (finding,) = found(site)

        assert (finding.cause, finding.subject) == ("overlay-drift", "pool by-hand")

    def test_a_pool_of_a_run_of_this_suite_is_no_drift(self, site: Site) -> None:
        labels = {"app.kubernetes.io/managed-by": "metallb-conformance"}
        site.cluster.objects["IPAddressPool", "own"] = {
            "metadata": {"name": "own", "namespace": "metallb-system", "labels": labels},
            "spec": {"addresses": ["10.9.0.0/30"]},
        }

        assert found(site) == []

    def test_another_image_points_to_the_versions(self, site: Site) -> None:
        container(site, "DaemonSet", "speaker")["image"] = "quay.io/metallb/speaker:v0.14.9"

        (finding,) = found(site)

        assert (finding.cause, finding.root) == ("version-skew", "overlay.version-skew")

    def test_an_edited_argument_is_drift(self, site: Site) -> None:
        container(site, "DaemonSet", "speaker")["args"].append("--ignore-exclude-lb")

        (finding,) = found(site)

        assert finding.cause == "overlay-drift"
        assert "spec.template.spec.containers[speaker].args" in finding.evidence[0]

    def test_a_changed_definition_is_outdated(self, site: Site) -> None:
        schema = site.cluster.objects["CustomResourceDefinition", "ipaddresspools.metallb.io"]
        version = schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        del version["properties"]["spec"]["properties"]["avoidBuggyIPs"]

        (finding,) = found(site)

        assert (finding.cause, finding.root) == ("crd-outdated", "overlay.version-skew")

    def test_broken_yaml_is_named_with_its_line(self, site: Site) -> None:
        site.edit(LAB_CONFIG, "  addresses:\n", "  addresses: [\n")
        site.commit()

        (finding,) = found(site)

        assert finding.cause == "overlay-invalid"
        assert "metallb/overlays/lab/config.yaml line" in finding.summary
        assert "not valid YAML" in finding.summary

    def test_an_edit_that_was_not_committed_is_not_what_is_intended(self, site: Site) -> None:
        site.edit(LAB_CONFIG, "172.30.0.220", "172.30.0.230")
        assert found(site) == []

        site.roll_out()

        (finding,) = found(site)
        assert finding.cause == "overlay-drift"
        assert f"not committed, so not compared: {LAB_CONFIG}" in finding.evidence

    def test_a_remote_resource_is_refused_by_file_and_line(self, site: Site) -> None:
        site.edit("metallb/base/kustomization.yaml", "- upstream/", "- https://example.org/")
        site.commit()

        with pytest.raises(
            Inconclusive, match=r"base/kustomization.yaml line 6 needs the network for https://"
        ):
            found(site)

    def test_a_missing_overlay_is_one_sentence(self, site: Site) -> None:
        shutil.rmtree(site.root / "metallb/overlays/lab")
        site.commit()

        (finding,) = found(site)

        assert finding.cause == "overlay-invalid"
        assert "The overlay metallb/overlays/lab does not exist" in finding.summary

    def test_what_may_not_be_read_is_inconclusive(self, site: Site) -> None:
        site.cluster.forbidden = {"clusterroles"}

        with pytest.raises(Inconclusive, match=r"1 of .* could not be compared") as told:
            found(site)

        assert "get clusterroles.rbac.authorization.k8s.io" in told.value.remedy

    def test_drift_counts_even_if_something_may_not_be_read(self, site: Site) -> None:
        site.cluster.forbidden = {"clusterroles"}
        site.cluster.objects[POOL]["spec"]["autoAssign"] = False
        site.edit(LAB_CONFIG, "  addresses:\n", "  autoAssign: true\n  addresses:\n")
        site.commit()

        assert [finding.subject for finding in found(site)] == ["pool metallb-pool"]


class TestPoolOwner:
    def test_the_cluster_own_overlay_owns_its_pool(self, site: Site) -> None:
        assert owner(site) == []

    def test_two_overlays_with_one_range_are_named(self, site: Site) -> None:
        site.edit(
            "metallb/overlays/homelab/config.yaml", "192.168.1.240-192.168.1.250", "172.30.0.200-172.30.0.220"
        )
        site.commit()

        (finding,) = owner(site)

        assert finding.cause == "pool-overlap"
        assert "metallb/overlays/homelab" in finding.summary

    def test_the_overlay_of_another_cluster_is_named(self, site: Site) -> None:
        (finding,) = owner(site, overlay="metallb/overlays/homelab")

        assert finding.cause == "overlay-drift"
        assert "which is what metallb/overlays/lab renders, not metallb/overlays/homelab" in finding.summary

    def test_a_pool_of_nobody_points_to_the_drift(self, site: Site) -> None:
        site.cluster.objects[POOL]["spec"]["addresses"] = ["172.30.0.200-172.30.0.205"]

        (finding,) = owner(site)

        assert (finding.cause, finding.root) == ("overlay-drift", "overlay.intended-config")

    def test_no_pool_at_all_points_to_the_health_check(self, site: Site) -> None:
        del site.cluster.objects[POOL]

        (finding,) = owner(site)

        assert (finding.cause, finding.root) == ("pool-missing", "health.config-present")

    def test_an_overlay_that_does_not_render_leaves_it_open(self, site: Site) -> None:
        site.write("metallb/overlays/jls/config.yaml", "kind: [")
        site.commit()

        with pytest.raises(Inconclusive, match=r"overlays/jls/config.yaml line 1 is not valid YAML"):
            owner(site)
