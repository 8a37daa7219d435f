"""`why`: the links of a service's paths, the verdict, and the exit code that a script goes by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clusters.errors import ExitCode
from metallb_conformance.command import main

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
