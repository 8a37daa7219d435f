"""Hours of days, as people write them: "22:00-07:00", "Sat,Sun 00:00-24:00", "2026-12-01 20:00-23:00 Europe/Berlin".

For windows in which work on a cluster is expected, and for hours in which nobody is to be woken. Hours that end before
they begin end on the next day, and count to the day that they began on. Without a zone they are UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORM = re.compile(
    r"(?:(?P<days>\S+)\s+)?(?P<begin>\d{2}:\d{2})-(?P<end>\d{2}:\d{2})(?:\s+(?P<zone>[A-Za-z][A-Za-z0-9_+/-]{0,60}))?"
)
_EXAMPLE = 'write "22:00-07:00", "Mon-Fri 22:00-07:00 Europe/Berlin" or "2026-12-01 20:00-23:00"'
#: A run that took longer is looked at by its last days alone.
_MOST_DAYS = 40


@dataclass(frozen=True, kw_only=True)
class Hours:
    """Some hours of some days. `day` is the only day, else `weekdays` are the days, Monday being 0."""

    text: str
    weekdays: frozenset[int]
    day: date | None
    begin: timedelta
    end: timedelta
    zone: tzinfo

    def around(self, start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
        """The newest stretch of these hours that shares any moment with the time from `start` to `end`."""
        return next((one for one in self._newest_first(start, end) if one[0] <= end and start < one[1]), None)

    def until(self, moment: datetime) -> datetime | None:
        """When the hours end that `moment` lies in; None outside of them."""
        found = self.around(moment, moment)
        return found[1] if found else None

    def _newest_first(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        last = end.astimezone(self.zone).date()
        first = max(start.astimezone(self.zone).date(), last - timedelta(days=_MOST_DAYS)) - timedelta(days=1)
        for back in range((last - first).days + 1):
            day = last - timedelta(days=back)
            if day == self.day if self.day else day.weekday() in self.weekdays:
                # By the clock on the wall: a night in which it is changed is an hour longer or shorter.
                midnight = datetime(day.year, day.month, day.day, tzinfo=self.zone)
                yield midnight + self.begin, midnight + self.end


def parse(text: str) -> Hours:
    """The hours that a text stands for. Raises ValueError with a sentence that names the text."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text[:80]!r} are no hours: {_EXAMPLE}")
    begin, end = _clock(found["begin"], text), _clock(found["end"], text)
    if begin == end:
        raise ValueError(f"{text[:80]!r} begins and ends at once: a whole day is 00:00-24:00")
    day, weekdays = _days(found["days"] or "", text)
    return Hours(
        text=" ".join(text.split()),
        weekdays=weekdays,
        day=day,
        begin=begin,
        end=end if end > begin else end + timedelta(days=1),
        zone=_zone(found["zone"] or "", text),
    )


def windows_of(texts: Sequence[str], start: datetime, end: datetime) -> str:
    """Which of several hours share a moment with the time from `start` to `end`, listed; "" where none does."""
    return "; ".join(text for text in texts if parse(text).around(start, end))


def _clock(text: str, whole: str) -> timedelta:
    hours, minutes = (int(part) for part in text.split(":"))
    if minutes > 59 or hours > 24 or (hours == 24 and minutes):
        raise ValueError(f"{text} in {whole[:80]!r} is no time of a day")
    return timedelta(hours=hours, minutes=minutes)


def _days(text: str, whole: str) -> tuple[date | None, frozenset[int]]:
    if not text:
        return None, frozenset(range(7))
    try:
        return date.fromisoformat(text), frozenset()
    except ValueError:
        found: set[int] = set()
        for part in text.lower().split(","):
            first, _, last = part.partition("-")
            if first not in _DAYS or (last and last not in _DAYS):
                raise ValueError(f"{text[:40]!r} in {whole[:80]!r} are no days: {_EXAMPLE}") from None
            begin, end = _DAYS.index(first), _DAYS.index(last or first)
            found |= {number % 7 for number in range(begin, (end if end >= begin else end + 7) + 1)}
        return None, frozenset(found)


def _zone(name: str, whole: str) -> tzinfo:
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError):  # a zone that is not there is a KeyError of its own, which is caught below
        raise ValueError(f"{name!r} in {whole[:80]!r} is no time zone") from None
    except KeyError:
        raise ValueError(
            f"this machine does not know the time zone {name!r} in {whole[:80]!r}: write Europe/Berlin for instance, "
            "or UTC; a container that knows none needs tzdata"
        ) from None


def text_of(text: str) -> str:
    """The same text where it stands for hours. Raises ValueError."""
    return parse(text).text
