"""The history of runs: an embedded database of every run and outcome, and what they add up to.

`recording` writes it, `reading` and `standing` read it, `opening` deals with files that are broken or foreign,
`shape` with those of other releases.
"""

from reports.history.opening import DEFAULT, Damaged, HistoryError, opened
from reports.history.recording import Recorder
from reports.history.standings import Standing, standings

__all__ = ["DEFAULT", "Damaged", "HistoryError", "Recorder", "Standing", "opened", "standings"]
