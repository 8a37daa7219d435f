"""Versions are read from what images are really called, and gates hold from the right version on."""

from __future__ import annotations

import pytest
from packaging.version import Version

from clusters.metallb import versions
from clusters.metallb.versions import FEATURES, Feature, supports


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("quay.io/metallb/speaker:v0.15.2", "0.15.2"),
        ("quay.io/metallb/controller:v0.16.2@sha256:0123", "0.16.2"),
        ("registry:5000/metallb/speaker:0.14.9", "0.14.9"),
        ("docker.io/bitnami/metallb-speaker:0.14.8-debian-12-r3", "0.14.8"),
        ("quay.io/metallb/speaker:v0.16.0-rc.1", "0.16.0rc1"),
        ("registry:5000/metallb/speaker", None),
        ("quay.io/metallb/speaker:main", None),
        ("quay.io/metallb/speaker@sha256:0123", None),
        ("", None),
    ],
)
def test_version_of_an_image(reference: str, expected: str | None) -> None:
    assert versions.of_image(reference) == (Version(expected) if expected else None)


def test_image_is_taken_apart() -> None:
    image = versions.parse_image("registry:5000/metallb/speaker:v0.15.2@sha256:ab")

    assert (image.repository, image.tag, image.digest) == (
        "registry:5000/metallb/speaker",
        "v0.15.2",
        "sha256:ab",
    )


@pytest.mark.parametrize("feature", Feature)
def test_every_feature_has_its_span(feature: Feature) -> None:
    span = FEATURES[feature]

    assert supports(span.since, feature)
    if span.until:
        gate = supports(span.until, feature)
        assert not gate
        assert span.until in gate.reason


@pytest.mark.parametrize(
    ("version", "feature", "ok"),
    [
        ("0.14.5", Feature.SERVICE_L2_STATUS, False),
        ("v0.14.6", Feature.SERVICE_L2_STATUS, True),
        ("0.15.2", Feature.CONFIGURATION_STATE, False),
        ("0.15.3", Feature.CONFIGURATION_STATE, True),
        ("0.16.0rc1", Feature.SERVICE_SELECTORS, False),
        ("0.15.3", Feature.METRICS_HTTP, True),
        ("0.16.0", Feature.METRICS_HTTP, False),
        ("0.16.1", Feature.PREFERRED_NODES, False),
        ("0.16.2", Feature.PREFERRED_NODES, True),
        ("0.14.9", Feature.CORDON_MOVES, True),
        ("0.15.0", Feature.CORDON_MOVES, False),
    ],
)
def test_gates(version: str, feature: Feature, *, ok: bool) -> None:
    gate = supports(version, feature)

    assert gate.ok is ok
    assert bool(gate.reason) is not ok


def test_an_unknown_version_supports_nothing() -> None:
    assert "not known" in supports(None, Feature.POOL_STATUS).reason
    assert not supports("main", Feature.POOL_STATUS)


@pytest.mark.parametrize(
    ("version", "metrics"), [("0.15.2", (7472, "http", False)), ("0.16.2", (9120, "https", True))]
)
def test_ports(version: str, metrics: tuple[int, str, bool]) -> None:
    where = versions.metrics_endpoint(Version(version))

    assert where is not None
    assert (where.port, where.scheme, where.token) == metrics


def test_metrics_may_be_moved_or_off() -> None:
    assert versions.metrics_endpoint(Version("0.16.2"), port=0) is None
    moved = versions.metrics_endpoint(Version("0.15.2"), port=7500)
    assert moved is not None
    assert moved.port == 7500


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"app.kubernetes.io/version": "v0.15.2"}, "0.15.2"),
        ({"helm.sh/chart": "metallb-0.16.2"}, "0.16.2"),
        ({"app.kubernetes.io/version": "main", "helm.sh/chart": "metallb-0.16.1"}, "0.16.1"),
        ({"app": "metallb"}, None),
    ],
)
def test_version_of_labels(labels: dict[str, str], expected: str | None) -> None:
    found = versions.of_labels(labels)
    assert (str(found) if found else None) == expected


def test_version_by_its_own_words() -> None:
    first = '{"level":"info","msg":"MetalLB speaker starting version 0.16.2 (no build information)"}'

    assert str(versions.of_log(["x", first])) == "0.16.2"
    assert versions.of_log(["MetalLB speaker starting version main"]) is None
    assert versions.of_log([]) is None
