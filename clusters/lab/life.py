"""Boots and removes labs, one command at a time for each name."""

from __future__ import annotations

from collections.abc import Collection

from clusters.commands import command
from clusters.errors import Refused
from clusters.lab import lab_state, preflight, teardown
from clusters.lab.boot import Boot
from clusters.lab.hosts import LabFailed
from clusters.lab.lab import Lab
from clusters.lab.lab_state import BootProgress, LabState
from clusters.lab.options import LabOptions


def up(
    options: LabOptions,
    *,
    progress: BootProgress | None = None,
    insist: Collection[str] = (),
    keep: bool = False,
) -> Lab:
    """A lab of that name: the running one as it is, or a new one in place of what is left of an old one.

    `insist` names options that a running lab must have, or it is refused. With `keep`, a lab that did not
    come up is left to be looked at; without, nothing is left of it. Raises `Refused` before anything is
    started when the machine lacks something, and `LabFailed` that names what died on the way.
    """
    with lab_state.locked(options.name):
        running = healthy(options.name)
        if running is not None:
            _compare(running.state.options, options, insist)
            return running
        preflight.check(options)
        boot = Boot(options, progress or BootProgress())
        teardown.remove(options.name)
        try:
            return Lab(boot.run())
        except BaseException:
            if not keep:
                teardown.remove(options.name)
            raise


def down(name: str) -> None:
    """Remove a lab, or what is left of one. Nothing happens where there is none."""
    with lab_state.locked(name):
        teardown.remove(name)


def healthy(name: str) -> Lab | None:
    """The lab of that name if it has come up and all its components run."""
    found = LabState.load(name)
    if found is None or not found.ready:
        return None
    lab = Lab(found)
    try:
        return None if lab.problems() else lab
    except LabFailed:
        return None


def _compare(has: LabOptions, wanted: LabOptions, insist: Collection[str]) -> None:
    for name in insist:
        if getattr(has, name) != getattr(wanted, name):
            remedy = (
                "Remove it ("
                + command("python -m clusters.lab down --name {name}", name=has.name)
                + "), or give another --name."
            )
            raise Refused(f"Lab {has.name} runs with {name} {getattr(has, name)!r}.", remedy=remedy)
