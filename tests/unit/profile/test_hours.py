"""Hours as people write them: when they begin and end, over midnight, in other zones, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters import profile
from clusters.errors import UsageError
from clusters.profile.hours import parse, windows_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00Z")


@pytest.mark.parametrize(
    ("hours", "moment", "ends"),
    [
        ("22:00-07:00", "2026-12-01T23:30", "2026-12-02T07:00"),
        ("22:00-07:00", "2026-12-02T06:59", "2026-12-02T07:00"),
        ("22:00-07:00", "2026-12-02T07:00", None),
        ("22:00-07:00", "2026-12-02T12:00", None),
        ("00:00-24:00", "2026-12-02T12:00", "2026-12-03T00:00"),
        ("Fri 22:00-07:00", "2026-12-05T03:00", "2026-12-05T07:00"),  # Saturday: it began on Friday
        ("Fri 22:00-07:00", "2026-12-04T03:00", None),
        ("sat,Sun 00:00-24:00", "2026-12-06T10:00", "2026-12-07T00:00"),
        ("Fri-Mon 10:00-11:00", "2026-12-07T10:30", "2026-12-07T11:00"),
        ("Fri-Mon 10:00-11:00", "2026-12-08T10:30", None),
        ("2026-12-01 20:00-23:00", "2026-12-01T20:00", "2026-12-01T23:00"),
        ("2026-12-01 20:00-23:00", "2026-12-02T20:00", None),
        ("2026-12-01 20:00-02:00", "2026-12-02T01:00", "2026-12-02T02:00"),
        ("22:00-07:00 Europe/Berlin", "2026-12-01T05:59", "2026-12-01T06:00"),
        ("22:00-07:00 Europe/Berlin", "2026-12-01T06:30", None),
        ("22:00-07:00 UTC", "2026-12-01T06:30", "2026-12-01T07:00"),
    ],
)
def test_when_hours_end(hours: str, moment: str, ends: str | None) -> None:
    assert parse(hours).until(at(moment)) == (at(ends) if ends else None)


@pytest.mark.parametrize(
    ("night", "long"),
    [("2026-03-29", 7), ("2026-10-25", 9), ("2026-11-25", 8)],
    ids=["clocks forward", "clocks back", "any night"],
)
def test_a_night_in_which_clocks_change_is_an_hour_shorter_or_longer(night: str, long: int) -> None:
    hours = parse("23:00-07:00 Europe/Berlin")
    found = hours.around(at(f"{night}T00:30"), at(f"{night}T00:30"))

    assert found is not None
    assert found[1].astimezone(UTC) - found[0].astimezone(UTC) == timedelta(hours=long)


@pytest.mark.parametrize(
    ("start", "end", "within"),
    [
        ("2026-12-01T19:00", "2026-12-01T20:00", True),
        ("2026-12-01T19:00", "2026-12-01T19:59", False),
        ("2026-12-01T22:59", "2026-12-02T04:00", True),
        ("2026-12-01T23:00", "2026-12-02T04:00", False),
        ("2026-11-01T00:00", "2026-12-31T00:00", True),
    ],
)
def test_a_run_falls_into_hours_that_it_shares_a_moment_with(start: str, end: str, *, within: bool) -> None:
    texts = ("Mon 03:00-03:01", "2026-12-01 20:00-23:00")

    assert ("2026-12-01 20:00-23:00" in windows_of(texts, at(start), at(end))) is within


@given(
    moment=st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1)),  # noqa: DTZ001 - made UTC below
    begin=st.integers(0, 1439),
    length=st.integers(1, 1440),
)
def test_hours_last_as_long_as_they_say(moment: datetime, begin: int, length: int) -> None:
    end = (begin + length) % 1440
    clock = f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"
    if begin == end:
        return
    inside = (moment.hour * 60 + moment.minute - begin) % 1440 < length

    assert (parse(clock).until(moment.replace(tzinfo=UTC)) is not None) is inside


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "are no hours"),
        ("22-07", "are no hours"),
        ("22:00-22:00", "begins and ends at once"),
        ("25:00-26:00", "25:00 in '25:00-26:00' is no time of a day"),
        ("24:30-07:00", "no time of a day"),
        ("Someday 22:00-07:00", "'Someday' in 'Someday 22:00-07:00' are no days"),
        ("2026-13-01 22:00-07:00", "are no days"),
        ("22:00-07:00 Nowhere/Land", "does not know the time zone 'Nowhere/Land'"),
        ("22:00-07:00 Europe", "is no time zone|does not know the time zone"),
        ("22:00-07:00 a/../../b", "are no hours"),
    ],
)
def test_what_are_no_hours(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(text)


def test_a_profile_holds_them(tmp_path: Path) -> None:
    path = tmp_path / "homelab.yaml"
    text = "name: homelab\nprovider: existing\ncontext: x\n"
    path.write_text(text + 'maintenance: ["Sun  02:00-04:00", "2026-12-01 20:00-23:00 Europe/Berlin"]\n')

    assert profile.load(str(path)).maintenance == (
        "Sun 02:00-04:00",
        "2026-12-01 20:00-23:00 Europe/Berlin",
    )

    path.write_text(text + 'maintenance: ["nights"]\n')
    with pytest.raises(UsageError, match="'nights' are no hours"):
        profile.load(str(path))
