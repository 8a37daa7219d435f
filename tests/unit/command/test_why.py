"""`why`: the links of a service's paths, the verdict, and the exit code that a script goes by."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

from clusters.diagnosis import Diagnosis, paths
from clusters.errors import ExitCode, UsageError
from clusters.observation import load
from clusters.observation.snapshot import Objects, WireView
from metallb_conformance.command import main
from metallb_conformance.why import _lines, _Shown

OBSERVATIONS = Path(__file__).parents[1] / "diagnosis" / "observations"


def why(observation: str, *arguments: str) -> int:
    return main(["why", "lab", *arguments, "--snapshot", str(OBSERVATIONS / f"{observation}.json.gz")])


def test_a_service_that_is_well_has_no_broken_link(capsys: pytest.CaptureFixture[str]) -> None:
    assert why("healthy", "shop/web") == ExitCode.PASSED
    shown = capsys.readouterr().out
    assert "  ok       announcer" in shown
    assert "verdict: no link is broken" in shown
    assert "BROKEN" not in shown


def test_nothing_in_trouble_is_said_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    assert why("healthy") == ExitCode.PASSED
    assert capsys.readouterr().out == "No service is in trouble.\n"


@pytest.mark.parametrize(
    ("observation", "cause", "link"),
    [
        ("pool-exhausted", "pool-exhausted", "free"),
        ("class-mismatch", "class-mismatch", "class"),
        ("pool-not-advertised", "pool-not-advertised", "advertised"),
        ("memberlist-partition", "memberlist-partition", "announcer"),
    ],
)
def test_the_first_broken_link_is_the_verdict(
    observation: str, cause: str, link: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert why(observation) == ExitCode.FAILED
    shown = capsys.readouterr().out
    assert f"verdict: {cause}: " in shown
    assert f"  BROKEN   {link:15}" in shown
    assert "remedy: " in shown
    assert "  $ kubectl" in shown


def test_a_service_is_found_by_its_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert why("healthy", "--address", "172.30.0.210", "--json") == ExitCode.PASSED
    paths = json.loads(capsys.readouterr().out)
    assert {path["service"] for path in paths} == {"traefik/traefik"}
    assert [path["path"] for path in paths] == ["assignment", "traffic"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shop/gone"], "There is no service 'shop/gone' of type LoadBalancer"),
        (
            ["--address", "172.30.0.219"],
            "No service holds 172.30.0.219. It is an address of pool metallb-pool.",
        ),
        (["--address", "10.9.9.9"], "No service holds 10.9.9.9. No pool holds it either."),
        (["--address", "web"], "--address 'web' is not an IP address."),
    ],
)
def test_what_is_not_there_is_named(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert why("healthy", *arguments) == ExitCode.USAGE
    assert said in capsys.readouterr().err


def read_first(observation: str, service: str) -> tuple[_Shown, Diagnosis]:
    """What is shown before the wire is asked, and the diagnosis of the same with the wire."""
    seen = load(OBSERVATIONS / f"{observation}.json.gz")
    shown = _Shown(argparse.Namespace(service=service, address=""))
    shown.read(replace(seen, wire=WireView(), routed=WireView()))
    return shown, Diagnosis(seen)


def test_how_a_service_got_its_address_is_shown_before_the_wire_is_asked_and_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown, diagnosis = read_first("healthy", "shop/web")
    first = capsys.readouterr().out
    rest = "\n".join(_lines(diagnosis, paths.of_service(diagnosis, "shop/web"), one=True, shown=shown))
    whole = "\n".join(_lines(diagnosis, paths.of_service(diagnosis, "shop/web"), one=True))

    assert "assignment:" in first
    assert "traffic:" not in first
    assert rest.startswith("service shop/web")
    assert first + rest == whole

    shown.read(diagnosis.snapshot)  # the same is seen again: it is not said twice
    assert capsys.readouterr().out == ""
    shown.read(replace(diagnosis.snapshot, pods=Objects()))
    assert capsys.readouterr().out.startswith("meanwhile it has changed:\nservice shop/web")


@pytest.mark.parametrize("file", sorted(OBSERVATIONS.glob("*.json.gz")), ids=lambda file: file.name[:-8])
def test_no_link_to_an_address_is_read_off_the_wire(file: Path) -> None:
    seen = load(file)
    whole, early = Diagnosis(seen), Diagnosis(replace(seen, wire=WireView(), routed=WireView()))

    for key in whole.facts.services:
        assert paths.of_service(early, key)[0].links == paths.of_service(whole, key)[0].links


def test_a_service_that_is_not_there_is_told_before_the_wire_is_asked() -> None:
    with pytest.raises(UsageError, match="There is no service 'shop/gone'"):
        read_first("healthy", "shop/gone")
