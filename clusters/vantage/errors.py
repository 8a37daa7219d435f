"""What can go wrong with a vantage, as one sentence."""

from __future__ import annotations

from clusters.errors import ConformanceError


class VantageError(ConformanceError):
    """The place that is measured from cannot do what was asked: no permission, no route, no such place."""


class NotOnSegment(VantageError):  # noqa: N818 - it names a state of affairs, as its siblings in clusters.errors
    """The address is not on a segment of the vantage, so nothing of it is seen on its wire."""
