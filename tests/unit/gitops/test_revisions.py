"""rollback.previous-renders: what was there before the last change can be applied again."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from clusters.checks import Finding
from clusters.errors import Inconclusive
from clusters.gitops import revisions
from clusters.gitops.helm import Helm
from clusters.gitops.pool_objects import CONFIGURATION
from tests.unit.gitops.site import LAB_CONFIG, Site

RANGE = "172.30.0.200-172.30.0.220"


def back(site: Site) -> list[Finding]:
    return revisions.previous_renders(site.repository())


def after_one_more_change(site: Site, old: str, new: str) -> None:
    """Commit a version of the lab's configuration, and another change on top of it."""
    site.edit(LAB_CONFIG, old, new)
    site.commit("Make the revision to go back to")
    site.write(LAB_CONFIG, "# emptied\n")
    site.write("metallb/overlays/lab/kustomization.yaml", "resources: [../../base]\n")
    site.commit("Change it")


def test_the_previous_revision_of_the_example_is_in_order(site: Site) -> None:
    previous = site.repository().previous

    assert previous is not None
    assert "172.30.0.200-172.30.0.210" in str(previous.objects)
    assert back(site) == []


def test_a_previous_revision_that_does_not_render_is_named(site: Site) -> None:
    after_one_more_change(site, "  addresses:", "  addresses: [")

    (finding,) = back(site)

    assert (finding.cause, finding.subject) == ("overlay-invalid", "overlay metallb/overlays/lab")
    assert "lab/config.yaml line" in finding.summary
    assert "tmp" not in finding.summary


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("  addresses:", "  adresses:", "'adresses' was unexpected", id="unknown-field"),
        pytest.param(
            "  addresses:",
            "  autoAssign: 'yes'\n  addresses:",
            "spec.autoAssign: 'yes' is not of type",
            id="type",
        ),
        pytest.param(
            "metallb.io/v1beta1\nkind: IPA", "metallb.io/v1alpha1\nkind: IPA", "does not serve", id="version"
        ),
    ],
)
def test_what_the_installed_definition_refuses_is_named(site: Site, old: str, new: str, said: str) -> None:
    after_one_more_change(site, old, new)

    finding = back(site)[0]

    assert (finding.cause, finding.subject) == ("overlay-invalid", "pool metallb-pool")
    assert said in finding.summary


def test_what_metallb_itself_refuses_is_named(site: Site) -> None:
    after_one_more_change(site, RANGE, "172.30.0.220-172.30.0.200")

    (finding,) = back(site)

    assert finding.cause == "overlay-invalid"
    assert "ends before it starts" in finding.summary


def test_an_uncommitted_edit_would_go_back_to_the_last_commit(site: Site) -> None:
    site.edit(LAB_CONFIG, RANGE, "172.30.0.200-172.30.0.230")

    previous = site.repository().previous

    assert previous is not None
    assert RANGE in str(previous.objects)


def test_a_definition_that_may_not_be_read_leaves_it_open(site: Site) -> None:
    site.cluster.forbidden = {"customresourcedefinitions"}

    with pytest.raises(Inconclusive, match="The installed definition of IPAddressPool was not read"):
        back(site)


def test_a_previous_revision_that_needs_the_network_leaves_it_open(site: Site) -> None:
    site.edit("metallb/base/kustomization.yaml", "- upstream/", "- https://example.org/")
    site.commit()
    site.edit(LAB_CONFIG, RANGE, "172.30.0.200-172.30.0.230")
    site.commit()

    with pytest.raises(Inconclusive, match=r"needs the network for https://example\.org/"):
        back(site)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        pytest.param({"x-kubernetes-int-or-string": True}, "80%", [], id="int-or-string"),
        pytest.param({"type": "string", "nullable": True}, None, 1, id="nullable"),
        pytest.param({"type": "object", "properties": {"a": {}}}, {"a": 1}, {"b": 1}, id="unknown-field"),
        pytest.param(
            {"type": "object", "properties": {"description": {"type": "string"}}},
            {"description": "x"},
            {"description": 1},
            id="a-field-named-description",
        ),
        pytest.param({"type": "array", "items": {"type": "integer"}}, [1], ["a"], id="items"),
    ],
)
def test_a_schema_of_kubernetes_means_the_same_in_json_schema(schema: Any, good: Any, bad: Any) -> None:
    validator = revisions.Draft202012Validator(revisions.json_schema({"properties": {"spec": schema}}))

    assert validator.is_valid({"kind": "A", "metadata": {"name": "a"}, "spec": good})
    assert not validator.is_valid({"spec": bad})


def test_a_field_that_keeps_unknown_fields_takes_any() -> None:
    schema = {"type": "object", "properties": {"a": {}}, "x-kubernetes-preserve-unknown-fields": True}

    assert revisions.Draft202012Validator(revisions.json_schema(schema)).is_valid({"b": 1})


def test_rules_that_are_not_evaluated_are_of_bgp_alone(helm: Helm) -> None:
    """What the check says of itself: x-kubernetes-validations of MetalLB's configuration."""
    manifest = helm.modules.manifest("0.16.2")
    assert manifest is not None
    ruled = {
        str(definition["spec"]["names"]["kind"])
        for definition in yaml.safe_load_all(manifest.read_bytes())
        if definition and definition["kind"] == "CustomResourceDefinition"
        if "x-kubernetes-validations" in str(definition)
    }

    assert ruled & CONFIGURATION == {"BGPPeer", "BGPAdvertisement"}


def test_without_a_cluster_it_is_said_that_no_definition_was_at_hand(site: Site) -> None:
    told: list[str] = []
    alone: dict[str, Any] = {"live": None, "schemas": {}}

    whole = site.repository().model_copy(update=alone)
    assert revisions.previous_renders(whole, told.append) == []
    assert told == []  # the overlay renders MetalLB's definitions itself

    render = whole.intended.model_copy(update={"objects": ()})
    assert revisions.previous_renders(whole.model_copy(update={"intended": render}), told.append) == []
    assert len(told) == 1
    assert "compared with no definition of MetalLB's" in told[0]
