"""A check that is declared wrongly stops collection with one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.checks import Level, Need, may
from suites.plugin import declare
from suites.plugin.declare import DISRUPT, OBSERVE, DeclarationError, check


@pytest.fixture(autouse=True)
def _no_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declare, "_REGISTRY", {})


def test_the_title_is_the_name_and_the_promise_the_first_line() -> None:
    @check("failover.moves", runbook="shape", level=DISRUPT, needs={"wire"}, measured=True)
    def test_the_address_moves() -> None:
        """The address moves.

        More.
        """

    spec = declare.registry()["failover.moves"].spec
    assert (spec.title, spec.promise) == ("The address moves", "The address moves.")
    assert (spec.runbook, spec.level, spec.measured) == (("shape",), Level.DISRUPT, True)
    assert spec.needs == {Need.WIRE, Need.CLUSTER}


def test_a_check_of_the_repository_alone_needs_no_cluster() -> None:
    @check("overlay.renders", runbook=["6", "2.3"], level=OBSERVE, needs={"repository"})
    def test_renders() -> None:
        """Renders."""

    spec = declare.registry()["overlay.renders"].spec
    assert spec.needs == {Need.REPOSITORY}
    assert spec.runbook == ("6", "2.3")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"check_id": "Wrong"}, "the id must look like area.what-is-checked."),
        ({"level": "observe "}, "the level must be OBSERVE, CREATE or DISRUPT."),
        ({"needs": {"wires"}}, "it needs something unknown: wires."),
        ({"causes": ("speaker-dwon",)}, "does not have: speaker-dwon."),
    ],
)
def test_a_wrong_fact_is_named(arguments: dict[str, object], said: str) -> None:
    given = {"check_id": "health.x", "runbook": "1", "level": OBSERVE} | arguments
    name = given.pop("check_id")

    def test_x() -> None:
        """Holds."""

    with pytest.raises(DeclarationError, match=f"test_declaring.py:\\d+: check {name}: .*{said}"):
        check(name, **given)(test_x)  # type: ignore[arg-type]  # wrong on purpose


def test_a_promise_is_needed() -> None:
    def test_x() -> None:
        pass

    with pytest.raises(DeclarationError, match="its docstring is missing; the first line is the promise"):
        check("health.x", runbook="1", level=OBSERVE)(test_x)


def test_an_id_is_taken_once() -> None:
    @check("health.x", runbook="1", level=OBSERVE)
    def test_x() -> None:
        """Holds."""

    def test_y() -> None:
        """Holds, too."""

    with pytest.raises(DeclarationError, match=r"the id is already taken by test_declaring\.py:\d+"):
        check("health.x", runbook="1", level=OBSERVE)(test_y)
    check("health.x", runbook="1", level=OBSERVE)(test_x)  # the same one again is only a second import


def test_only_functions_are_checks() -> None:
    with pytest.raises(DeclarationError, match="only a plain function"):
        check("health.x", runbook="1", level=OBSERVE)(Path)  # type: ignore[type-var]  # wrong on purpose


def test_what_only_observes_may_not_write() -> None:
    def test_x() -> None:
        """Holds."""

    with pytest.raises(DeclarationError, match="a check that only observes may not delete pods"):
        check("health.x", runbook="1", level=OBSERVE, uses=may("get delete", "pods"))(test_x)
