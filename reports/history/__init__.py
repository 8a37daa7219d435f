"""The history of runs: an embedded database of every run and outcome, and what it says.

`recording` writes it, `stored_runs` and `standings` read it, `opening` deals with files that are broken or foreign,
`shape` with those of other releases. `history_view` is what is known of earlier runs, `comparison` what differs from
one of them, `validation` what still counts, `outbox` the messages that wait, `pruning` which runs may go.
"""

from reports.history.opening import DEFAULT, Damaged, HistoryError, opened
from reports.history.recording import Recorder
from reports.history.standings import Standing, standings

__all__ = ["DEFAULT", "Damaged", "HistoryError", "Recorder", "Standing", "opened", "standings"]
