"""The table of budgets: what a name gives, and how patience and a profile change it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from clusters import budgets, wait
from clusters.errors import UsageError


@pytest.fixture(autouse=True)
def _as_shipped() -> Iterator[None]:
    yield
    budgets.set_patience(1)
    budgets.override({})


def test_every_budget_is_named_by_its_key_and_its_constant_and_has_a_reason() -> None:
    assert all(name == budget.name for name, budget in budgets.BUDGETS.items())
    assert all(getattr(budgets, name.upper()) is budget for name, budget in budgets.BUDGETS.items())
    assert all(
        budget.reason.endswith(".") and budget.within > budget.every for budget in budgets.BUDGETS.values()
    )


def test_patience_scales_the_time_and_not_how_often_is_looked() -> None:
    budgets.set_patience(3)

    assert budgets.get(budgets.ASSIGNED).within == budgets.ASSIGNED.within * 3
    assert budgets.get(budgets.ASSIGNED).every == budgets.ASSIGNED.every


def test_a_profile_replaces_one_and_patience_holds_on_top() -> None:
    budgets.override({"assigned": 4})
    budgets.set_patience(2)

    assert budgets.get(budgets.ASSIGNED).within == 8
    assert budgets.get(budgets.SERVED).within == budgets.SERVED.within * 2


def test_an_unknown_name_is_met_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"no budget named 'asigned'\. Did you mean 'assigned'\?"):
        budgets.override({"asigned": 1})


def test_an_override_of_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="no budget named 'zzz'"):
        budgets.override({"zzz": 1})


@pytest.mark.parametrize("factor", [0, -1, float("nan")])
def test_patience_is_above_zero(factor: float) -> None:
    with pytest.raises(UsageError, match="not above zero"):
        budgets.set_patience(factor)


def test_a_pause_takes_the_time_of_its_budget_and_patience_scales_it() -> None:
    budgets.set_patience(0.5)
    begun = time.monotonic()

    wait.pause(budgets.get(budgets.FRAMES_ARRIVED))

    assert time.monotonic() - begun >= budgets.FRAMES_ARRIVED.within * 0.5


def test_the_seconds_of_a_budget_are_what_it_has_now() -> None:
    budgets.override({"served": 4})
    budgets.set_patience(2)

    assert budgets.seconds(budgets.SERVED) == 8
