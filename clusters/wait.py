"""Waiting for claims, and for a clock only where nothing can be asked. Nothing else in the project uses tenacity.

`until` reads until a claim is true, `holds` reads to see that it stays true, `retry` and `bear` repeat an
action on faults that can be named. What is not named ends the wait at once, so a mistake never burns a budget.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any, Generic, TypeVar

import tenacity

from clusters.budgets import Budget
from clusters.errors import ConformanceError, ExitCode

T = TypeVar("T")

_SHOWN_READINGS = 8
_SHOWN_CHARACTERS = 240


class Fault:
    """A reading that could not be taken: one of the errors that the caller tolerates, with its text."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __repr__(self) -> str:
        return f"{type(self.error).__name__}: {self.error}"


class NotWithinBudget(ConformanceError, AssertionError):  # noqa: N818 - named by what happened, like Refused
    """A claim did not become true in its budget: what was promised did not happen.

    `readings` are (seconds since the wait began, value) pairs, each run of equal values once, oldest first;
    `count` says how many readings were taken.
    """

    exit_code = ExitCode.FAILED

    def __init__(
        self, claim: str, budget: Budget, readings: Sequence[tuple[float, Any]], *, count: int
    ) -> None:
        self.claim, self.budget, self.readings, self.count = claim, budget, list(readings), count
        super().__init__(f"{self._headline()}\n{_listing(self.readings, count)}")

    def _headline(self) -> str:
        return f"not true within {self.budget.within:g}s: {self.claim}"


class GaveUp(NotWithinBudget):
    """A wait ended early: a reading showed that the claim cannot become true any more; `why` says so."""

    def __init__(
        self, claim: str, budget: Budget, readings: Sequence[tuple[float, Any]], *, count: int, why: str
    ) -> None:
        self.why = why
        super().__init__(claim, budget, readings, count=count)

    def _headline(self) -> str:
        return (
            f"gave up after {self.readings[-1][0]:.1f}s of {self.budget.within:g}s: {self.claim} ({self.why})"
        )


class DidNotHold(ConformanceError, AssertionError):  # noqa: N818 - named by what happened, like Refused
    """A claim that was to stay true became false. `readings` are as in NotWithinBudget."""

    exit_code = ExitCode.FAILED

    def __init__(
        self, claim: str, throughout: float, readings: Sequence[tuple[float, Any]], *, count: int
    ) -> None:
        self.claim, self.throughout, self.readings, self.count = claim, throughout, list(readings), count
        when = self.readings[-1][0]
        super().__init__(
            f"false after {when:.1f}s of {throughout:g}s: {claim}\n{_listing(self.readings, count)}"
        )


def _listing(readings: Sequence[tuple[float, Any]], count: int) -> str:
    shown = readings[-_SHOWN_READINGS:]
    lines = [f"  +{seconds:.1f}s {_short(value)}" for seconds, value in shown]
    which = "the last distinct ones" if len(readings) > len(shown) else "the distinct ones"
    return "\n".join([f"{count} reading{'s' if count != 1 else ''}, {which}:", *lines])


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


class _Readings(Generic[T]):
    """What was read so far: every change of the value, the time of the first reading of each run."""

    def __init__(self, read: Callable[[], T], tolerate: tuple[type[Exception], ...]) -> None:
        self._read, self._tolerate = read, tolerate
        self._began = time.monotonic()
        self.distinct: list[tuple[float, Any]] = []
        self.count = 0

    def take(self) -> T | Fault:
        value: T | Fault
        try:
            value = self._read()
        except self._tolerate as error:
            value = Fault(error)
        self.count += 1
        if not self.distinct or repr(self.distinct[-1][1]) != repr(value):
            self.distinct.append((time.monotonic() - self._began, value))
        return value

    @property
    def last_at(self) -> float:
        return time.monotonic() - self._began


def until(
    claim: str,
    *,
    read: Callable[[], T],
    accept: Callable[[T], bool],
    budget: Budget,
    give_up: Callable[[T], str | None] | None = None,
    tolerate: tuple[type[Exception], ...] = (),
) -> T:
    """Read until `accept` says yes, and return that reading; the last look is at the budget's very end.

    `claim` is a sentence about the world ("service mlc-1/web has an address"). `give_up` may return why
    waiting on is no use. An error of a type in `tolerate` counts as a reading that is not accepted; any
    other ends the wait at once. Raises NotWithinBudget with everything that was read, or GaveUp.
    """
    readings = _Readings(read, tolerate)

    def look() -> tuple[bool, T | Fault]:
        value = readings.take()
        if isinstance(value, Fault) or accept(value):
            return not isinstance(value, Fault), value
        if give_up is not None and (why := give_up(value)):
            raise GaveUp(claim, budget, readings.distinct, count=readings.count, why=why)
        return False, value

    value = _repeat(look, within=budget.within, every=budget.every)
    if value is None:
        raise NotWithinBudget(claim, budget, readings.distinct, count=readings.count)
    return value[1]  # type: ignore[return-value]  # an accepted reading is never a Fault


def _repeat(
    look: Callable[[], tuple[bool, T | Fault]], *, within: float, every: float
) -> tuple[bool, T | Fault] | None:
    """Call `look` until its first item is true; None where that was not so within the time."""
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_delay(within),
        wait=lambda state: max(0.0, min(every, within - (state.seconds_since_start or 0.0))),
        sleep=tenacity.sleep_using_event(Event()),
        retry=tenacity.retry_if_result(lambda seen: not seen[0]),
        retry_error_callback=lambda _: None,
    )
    return retrying(look)


def holds(
    claim: str,
    *,
    read: Callable[[], T],
    accept: Callable[[T], bool],
    throughout: float,
    every: float,
    tolerate: tuple[type[Exception], ...] = (),
) -> T:
    """Read for `throughout` seconds and return the last reading, where `accept` said yes to all of them.

    Tolerated errors are no proof of anything: they neither break the claim nor count for it, but where no
    reading succeeded at all the claim did not hold. Raises DidNotHold.
    """
    readings = _Readings(read, tolerate)
    accepted: list[T] = []

    def look() -> tuple[bool, T | Fault]:
        value = readings.take()
        if not isinstance(value, Fault) and not accept(value):
            raise DidNotHold(
                claim, throughout, [*readings.distinct[:-1], (readings.last_at, value)], count=readings.count
            )
        accepted[:] = accepted if isinstance(value, Fault) else [value]
        return False, value

    _repeat(look, within=throughout, every=every)
    if not accepted:
        raise DidNotHold(claim, throughout, readings.distinct, count=readings.count)
    return accepted[0]


def bear(
    action: Callable[[], T],
    *,
    passes: Callable[[BaseException], bool],
    budget: Budget,
    pause: Callable[[BaseException], float] = lambda _: 0.0,
) -> T:
    """Do `action`, and while it raises a fault that `passes` do it again, as long as the budget lasts.

    `pause` says, in seconds, how long a fault asks to be left alone; the budget's own pause is the least. The last
    try is at the budget's very end, and its fault is raised as it is.
    """

    def rest(state: tenacity.RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        wanted = max(budget.every, pause(fault) if fault else 0.0)
        return max(0.0, min(wanted, budget.within - (state.seconds_since_start or 0.0)))

    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_delay(budget.within),
        wait=rest,
        sleep=tenacity.sleep_using_event(Event()),
        retry=tenacity.retry_if_exception(passes),
        reraise=True,
    )
    return retrying(action)


def retry(
    action: Callable[[], T], *, on: tuple[type[Exception], ...], attempts: int, pause: float = 0.1
) -> T:
    """Do `action`, again on the named faults only, at most `attempts` times in all, `pause` seconds apart.

    The pause doubles each time. The last fault is raised as it is.
    """
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(attempts),
        wait=tenacity.wait_exponential(multiplier=pause),
        sleep=tenacity.sleep_using_event(Event()),
        retry=tenacity.retry_if_exception_type(on),
        reraise=True,
    )
    return retrying(action)


def pause(budget: Budget) -> None:
    """Let a budget's whole time pass, where nothing can be asked whether it is over: its `reason` says what for."""
    Event().wait(budget.within)
