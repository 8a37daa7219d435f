"""Where kind is measured from: this machine where Docker's network is, elsewhere a container on that network."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from clusters.changes import Changes
from clusters.checks import NotSupported
from clusters.profile import Profile, Provider
from clusters.profile.models import KindSettings
from clusters.providers.kind.containers import Containers
from clusters.providers.kind.programs import ProgramFailed
from tests.unit.providers.kind.conftest import Bench

if TYPE_CHECKING:
    from clusters.vantage import Vantage

IMAGE = "python:3.11-slim"


def vantage(bench: Bench, named: str) -> Vantage:
    """The vantage that a profile names, not yet entered."""
    from clusters.providers.kind import kind_cluster  # noqa: PLC0415 - it needs the stand-in for pytest-kind

    settings = KindSettings(vantage_image=IMAGE)
    profile = Profile(name="local", provider=Provider.KIND, vantage=named, kind=settings)
    found: Any = kind_cluster._vantage(profile, bench.program("docker"))
    opened: Vantage = found
    return opened


@pytest.mark.parametrize(
    ("system", "kinds"),
    [
        ("linux", {"host": "host", "container": "container"}),
        ("darwin", {"host": "container", "container": "container", "ssh:probe": "ssh"}),
    ],
)
def test_host_is_a_container_where_dockers_network_is_in_another_machine(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, system: str, kinds: dict[str, str]
) -> None:
    monkeypatch.setattr(sys, "platform", system)

    assert {named: vantage(bench, named).kind for named in kinds} == kinds


def test_an_image_that_docker_has_is_not_pulled(bench: Bench) -> None:
    vantage(bench, "container")

    assert bench.calls == [["docker", "image", "inspect", IMAGE]]


def test_an_image_that_docker_lacks_is_pulled_and_dockers_words_are_quoted(bench: Bench) -> None:
    bench.fails("docker", "image", "inspect", words="Error: No such image: python")
    vantage(bench, "container")
    assert bench.called("docker", "pull") == [[IMAGE]]

    bench.fails("docker", "pull", IMAGE, words="Error response from daemon: no route to host")
    with pytest.raises(ProgramFailed, match=r"docker could not pull the image .*: .*no route to host"):
        vantage(bench, "container")


def test_no_cable_is_pulled_where_dockers_bridge_is_in_another_machine(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    changes: Any = object()
    unused: Changes = changes

    with (
        pytest.raises(NotSupported, match="Docker's bridge is not on this machine"),
        Containers(bench.program("docker")).unplugged(unused, "local-worker"),
    ):
        pass
    assert bench.calls == []
