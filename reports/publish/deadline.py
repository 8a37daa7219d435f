"""Doing several things at once that may hang: whatever has not ended by the deadline is left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Thread

#: Does one thing; returns why it did not succeed, or an empty text. What it raises is told by its type alone.
Action = Callable[[], str]


def all_within(actions: Mapping[str, Action], *, seconds: float) -> dict[str, str]:
    """Do all actions side by side; why each one that did not succeed did not, by its name.

    They run in daemon threads, which neither the run nor the interpreter's end waits for.
    """
    said: dict[str, str] = {}
    threads = {
        name: Thread(target=_do, args=(name, action, said), daemon=True, name=f"outlet {name}")
        for name, action in actions.items()
    }
    ends = time.monotonic() + seconds
    for thread in threads.values():
        thread.start()
    for thread in threads.values():
        thread.join(max(0.0, ends - time.monotonic()))
    answers = dict(said)
    late = f"it did not answer within {seconds:g} s"
    return {name: why for name in actions if (why := answers.get(name, late))}


def _do(name: str, action: Action, said: dict[str, str]) -> None:
    try:
        said[name] = action()
    except Exception as error:  # noqa: BLE001 - its text may hold a secret; its type does not
        said[name] = f"it broke ({type(error).__name__})"
