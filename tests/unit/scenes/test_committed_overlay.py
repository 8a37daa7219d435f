"""An overlay part by part, and its pools spoilt on purpose."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from clusters.api import Invalid, WebhookFailed
from clusters.errors import Inconclusive
from clusters.gitops.kustomize import Render
from clusters.gitops.repository_snapshot import Layout, RepositorySnapshot
from clusters.metallb import configuration
from suites.scenes.committed_overlay import Overlay, OverlayPart, refusal

Json = dict[str, Any]


def thing(kind: str, name: str = "x", api_version: str = "v1", **fields: Any) -> Json:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": "metallb-system"},
    } | fields


def pool(name: str, *addresses: str) -> Json:
    return thing("IPAddressPool", name, "metallb.io/v1beta1", spec={"addresses": list(addresses)})


def overlay(*objects: Json, left_out: tuple[str, ...] = ()) -> Overlay:
    render = Render(overlay="metallb/overlays/lab", objects=objects, left_out=left_out)
    found = RepositorySnapshot(
        taken_at="2026-01-01T00:00:00Z", root="/r", layout=Layout(overlay=render.overlay), intended=render
    )
    return Overlay.of(found, Mock(spec=[]), Mock(spec=[]))


def test_its_parts_come_in_the_order_in_which_they_are_applied() -> None:
    rendered = overlay(
        thing("ValidatingWebhookConfiguration"),
        thing("Deployment"),
        pool("edge", "192.0.2.0/28"),
        thing("Secret"),
        thing("ClusterRole"),
        thing("DaemonSet"),
    )

    assert [obj["kind"] for obj in rendered.part()] == [
        "ClusterRole",
        "IPAddressPool",
        "Deployment",
        "DaemonSet",
        "ValidatingWebhookConfiguration",
    ]
    assert [obj["kind"] for obj in rendered.part(OverlayPart.WORKLOADS)] == ["Deployment", "DaemonSet"]


def test_an_overlay_as_it_is_kept_is_not_applied() -> None:
    peer = thing("BGPPeer", api_version="metallb.io/v1beta2", spec={"password": "hunter2"})
    render = Render(overlay="metallb/overlays/lab", objects=(peer,))
    kept = RepositorySnapshot(
        taken_at="2026-01-01T00:00:00Z", root="/r", layout=Layout(overlay=render.overlay), intended=render
    ).without_secrets()

    with pytest.raises(Inconclusive, match="without its secrets, so it cannot be applied"):
        Overlay.of(kept, Mock(spec=[]), Mock(spec=[]))


def test_a_secret_that_is_not_live_as_rendered_is_told_without_it() -> None:
    peer = thing("BGPPeer", api_version="metallb.io/v1beta2", spec={"password": "hunter2"})
    speaker = thing("DaemonSet", api_version="apps/v1", spec={"args": ["--password", "hunter2"]})
    rendered = overlay(peer, speaker)
    live = {obj["kind"]: {**obj, "spec": changed} for obj, changed in (
        (peer, {"password": "hunter3"}), (speaker, {"args": ["--password", "hunter3"]}),
    )}  # fmt: skip
    api = Mock(get=lambda res, *_: live[res.kind])

    told = Overlay(rendered.name, rendered.objects, api, rendered.changes).missing()

    assert len(told) == 2
    assert "hunter" not in str(told)


def test_an_overlay_without_its_manifest_cannot_be_reapplied() -> None:
    with pytest.raises(Inconclusive, match=r"for base/metallb-native\.yaml is not there"):
        overlay(pool("edge", "192.0.2.0/28"), left_out=("base/metallb-native.yaml",))


@pytest.mark.parametrize(
    ("address", "left"),
    [
        ("10.0.0.5", ["10.0.0.1-10.0.0.4", "10.0.0.6-10.0.0.9", "10.0.1.0/30"]),
        ("10.0.0.1", ["10.0.0.2-10.0.0.9", "10.0.1.0/30"]),
        ("10.0.1.3", ["10.0.0.1-10.0.0.9", "10.0.1.0-10.0.1.2"]),
    ],
)
def test_one_address_is_taken_out_of_its_pool_and_nothing_else(address: str, left: list[str]) -> None:
    first, second = overlay(pool("a", "10.0.0.1-10.0.0.9", "10.0.1.0/30"), pool("b", "10.0.2.0/28")).without(
        address
    )

    assert first["spec"]["addresses"] == left
    assert second["spec"]["addresses"] == ["10.0.2.0/28"]


def test_a_pool_of_that_address_alone_gets_a_wrong_one() -> None:
    (only,) = overlay(pool("a", "10.0.0.1/32")).without("10.0.0.1")

    assert only["spec"]["addresses"] == ["192.0.2.0/28"]


def test_misplaced_pools_keep_what_must_stay_and_would_be_accepted() -> None:
    bad = overlay(pool("a", "10.0.0.0/28"), pool("b", "10.0.2.0/28"), pool("c", "10.0.3.0/28")).misplaced(
        but=["10.0.0.3"]
    )

    assert bad[0]["spec"]["addresses"] == ["192.0.2.0/28", "10.0.0.3-10.0.0.3"]
    assert configuration.read(bad).loads


def test_what_is_rendered_is_never_changed_by_it() -> None:
    rendered = overlay(pool("a", "10.0.0.1-10.0.0.9"))

    rendered.without("10.0.0.5")
    rendered.misplaced(but=())

    assert rendered.objects[0]["spec"]["addresses"] == ["10.0.0.1-10.0.0.9"]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (WebhookFailed("x", message="failed calling webhook"), "webhook-unreachable"),
        (Invalid("x", message="CIDR overlaps with already defined CIDR"), "pool-overlap"),
        (Invalid("x", message="spec.addresses: Required value"), "overlay-invalid"),
    ],
)
def test_a_refusal_is_named_by_what_refused(error: Invalid | WebhookFailed, cause: str) -> None:
    found = refusal(pool("edge", "10.0.0.0/28"), error)

    assert (found.cause, found.subject) == (cause, "pool edge")
    assert error.message in found.summary
