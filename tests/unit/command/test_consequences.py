"""`what-if`: where addresses would go, judged by MetalLB's own rules on a saved observation."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path

import pytest

from clusters.errors import ExitCode
from metallb_conformance.command import main

OBSERVATIONS = Path(__file__).parents[1] / "diagnosis" / "observations"
POOL = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {{name: {name}, namespace: metallb-system}}
spec: {{addresses: [{addresses}]}}
"""


def what_if(*arguments: str, observation: str = "healthy") -> int:
    return main(["what-if", "lab", *arguments, "--snapshot", str(OBSERVATIONS / f"{observation}.json.gz")])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, tuple[str, str, str]]]:
    code = what_if(*arguments, "--json")
    found = json.loads(capsys.readouterr().out)
    return code, {
        each["service"]: (each["fate"], each["before"], each["after"]) for each in found["services"]
    }


@pytest.mark.parametrize("option", ["--without-node", "--without-speaker", "--exclude"])
def test_only_the_addresses_of_that_node_move(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, services = told(capsys, option, "node2")

    assert code == ExitCode.PASSED
    assert services["traefik/traefik"][:2] == ("moves", "node2")
    assert services["traefik/traefik"][2] in {"node1", "node3"}
    assert services["shop/web"] == ("stays", "node1", "node1")


def test_a_drained_node_goes_on_announcing(capsys: pytest.CaptureFixture[str]) -> None:
    code, services = told(capsys, "--drain", "node2")

    assert code == ExitCode.PASSED
    assert services["traefik/traefik"] == ("stays", "node2", "node2")


def test_without_any_speaker_nobody_announces_and_it_is_said_why(capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [word for node in ("node1", "node2", "node3") for word in ("--exclude", node)]

    assert what_if(*nodes) == ExitCode.FAILED
    shown = capsys.readouterr().out
    assert "nobody would announce it (3):" in shown
    assert "exclude-from-external-load-balancers" in shown


def test_a_pool_that_no_longer_holds_an_address_costs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proposed = tmp_path / "pool.yaml"
    proposed.write_text(POOL.format(name="metallb-pool", addresses="172.30.0.210-172.30.0.211"))

    code, services = told(capsys, "--pool", str(proposed))

    assert code == ExitCode.FAILED
    assert services["traefik/traefik"][0] == "stays"
    fates = sorted(services[key][0] for key in ("shop/web", "shop/web-local"))
    assert fates == ["would be another address", "would be lost"]  # one address is left for two services


def test_a_second_pool_on_the_same_addresses_is_rejected_as_metallb_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pool.yaml").write_text(POOL.format(name="other", addresses="172.30.0.210-172.30.0.211"))

    assert what_if("--apply", str(tmp_path)) == ExitCode.FAILED
    assert "MetalLB would reject this configuration" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "content", "said"),
    [
        (["--without-node", "node9"], None, "There is no node 'node9'."),
        (["--pool", "pool.yaml"], "kind: [", "pool.yaml"),
        (
            ["--pool", "pool.yaml"],
            "kind: IPAddressPool\nmetadata: {name: x}\nspec: {addresses: 5}",
            "spec.addresses",
        ),
        (["--pool", "gone.yaml"], None, "gone.yaml cannot be read"),
        (["--pool", "pool.yaml"], "x" * (9 << 20), "pool.yaml cannot be read: it holds more than 8 MiB."),
        (["--apply", "gone"], None, "--apply gone is no folder."),
        (
            ["--pool", "pool.yaml"],
            "kind: [IPAddressPool]",
            "pool.yaml has no object that decides about addresses. Give manifests of BGPAdvertisement, IPAddressPool,",
        ),
        (["--apply", "."], "kind: Service", ". has no object that decides about addresses."),
    ],
)
def test_what_cannot_be_judged_is_said(
    arguments: list[str], content: str | None, said: str, here: Path
) -> None:
    if content is not None:
        (here / "pool.yaml").write_text(content)

    shown = io.StringIO()
    with contextlib.redirect_stderr(shown):
        assert what_if(*arguments) == ExitCode.USAGE
    assert said in shown.getvalue()


def test_a_kustomization_has_to_be_rendered_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: []\n")

    assert what_if("--apply", str(tmp_path)) == ExitCode.USAGE
    assert f"kubectl kustomize {tmp_path}" in capsys.readouterr().err


def test_where_the_election_was_not_read_nothing_is_foretold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace  # noqa: PLC0415

    from clusters.observation import Objects, Status, load, save  # noqa: PLC0415

    seen = load(OBSERVATIONS / "healthy.json.gz")
    save(replace(seen, nodes=Objects(status=Status.NOT_PERMITTED)), tmp_path / "seen.json.gz")

    code = main(["what-if", "lab", "--exclude", "node1", "--snapshot", str(tmp_path / "seen.json.gz")])

    assert code == ExitCode.INCOMPLETE
    assert "could not all be read" in capsys.readouterr().err


def test_the_objects_of_a_list_count_as_if_each_stood_alone(here: Path) -> None:
    (here / "pool.yaml").write_text(
        "kind: List\nitems:\n- kind: IPAddressPool\n  metadata: {name: x, namespace: metallb-system}\n"
        "  spec: {addresses: 5}\n"
    )

    shown = io.StringIO()
    with contextlib.redirect_stderr(shown):
        assert what_if("--pool", "pool.yaml") == ExitCode.USAGE
    assert "spec.addresses" in shown.getvalue()


@pytest.mark.parametrize("what", ["link", "pipe"])
def test_a_manifest_of_a_folder_that_cannot_be_read_is_not_left_out(here: Path, what: str) -> None:
    if what == "link":
        (here / "pool.yaml").symlink_to("gone.yaml")
    else:
        os.mkfifo(here / "pool.yaml")

    shown = io.StringIO()
    with contextlib.redirect_stderr(shown):
        assert what_if("--apply", str(here)) == ExitCode.USAGE
    assert "pool.yaml cannot be read" in shown.getvalue()
