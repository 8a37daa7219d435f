"""The catalogue of faults: each made for real, looked at through the whole observe suite, and mended again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from clusters.checks import Outcome
from tests.faults import (
    catalogue_advertisements,
    catalogue_bgp,
    catalogue_components,
    catalogue_consumers,
    catalogue_forwarding,
    catalogue_mesh,
    catalogue_network,
    catalogue_pools,
    catalogue_repository,
    catalogue_services,
    catalogue_speakers,
    catalogue_traefik,
    catalogue_wire,
)
from tests.faults.catalogue_clone import Clone, cloned
from tests.faults.catalogue_fault import Fault, Healthy
from tests.faults.catalogue_judging import Looked
from tests.faults.catalogue_stage import Stage
from tests.faults.catalogue_trial import Trial, judge, judge_ordinary, unexpected

IN_THE_CLUSTER: tuple[Fault, ...] = (
    *catalogue_services.FAULTS,
    *catalogue_pools.FAULTS,
    *catalogue_advertisements.FAULTS,
    *catalogue_network.FAULTS,
    *catalogue_forwarding.FAULTS,
    *catalogue_wire.FAULTS,
    *catalogue_bgp.FAULTS,
    *catalogue_components.FAULTS,
    *catalogue_consumers.FAULTS,
    *catalogue_speakers.FAULTS,
    *catalogue_mesh.FAULTS,
)
IN_THE_REPOSITORY: tuple[Fault, ...] = catalogue_repository.FAULTS
FAULTS: tuple[Fault, ...] = (*IN_THE_REPOSITORY, *IN_THE_CLUSTER)
#: Made where a real Traefik serves at the edge.
AT_TRAEFIK: tuple[Fault, ...] = catalogue_traefik.FAULTS
EVERY_FAULT: tuple[Fault, ...] = (*FAULTS, *AT_TRAEFIK)


def tried(stage: Stage, fault: Fault, *, ordinary: bool = True) -> Trial:
    """Make one fault of the cluster, look, mend it, and look until all is silent again.

    With `ordinary` it is looked at a second time while it stands, without raw sockets.
    """
    clock = _Clock()
    assert fault.make is not None
    with stage.changes.scope(), fault.make(stage):
        looked = stage.look(fault.profile)
        plain = clock.again(stage, looked, fault.profile) if ordinary else None
    stage.healthy()
    stage.until_silent()
    return clock.trial(fault, looked, plain)


def edited(clone: Clone, fault: Fault, look: Callable[[], Looked], stage: Stage | None = None) -> Trial:
    """Make one fault of the repository, look, mend it, and look again: then all must be silent.

    On a `stage` it is looked at without raw sockets as well.
    """
    clock = _Clock()
    assert fault.edit is not None
    fault.edit(clone)
    looked = look()
    plain = clock.again(stage, looked) if stage else None
    clone.mend()
    left = look().trouble
    assert not left, "\n".join(left)
    return clock.trial(fault, looked, plain)


def heard(stage: Stage, variant: Healthy, *, ordinary: bool = True) -> list[str]:
    """Make one healthy variant and look: a line for each check that has anything to say, of which none may."""
    with ExitStack() as stack:
        repository = None
        if variant.edit:
            clone = stack.enter_context(cloned(*stage.edits))
            variant.edit(clone)
            repository = clone.root
        stack.enter_context(stage.changes.scope())
        stack.enter_context(variant.make(stage))
        looked = stage.look(variant.profile, repository=repository, later=variant.later)
        said = _beside(looked, looked.trouble, variant)
        if ordinary:
            plain = stage.look_as_ordinary_user(looked, variant.profile, later=variant.later)
            said += _beside(plain, unexpected(plain), variant)
    stage.healthy()
    stage.until_silent()
    return said


def _beside(looked: Looked, trouble: list[str], variant: Healthy) -> list[str]:
    """What is said besides that checks cannot be decided of which the set-up says so, or that they were."""
    found = trouble
    for check in sorted(variant.undecided):
        found = [line for line in found if f"{check}: {Outcome.INCONCLUSIVE}: " not in line]
        if looked.outcomes[check] is Outcome.PASSED:
            found.append(f"{check} cannot be decided here, and passes")
    return found


class _Clock:
    """The time that one fault takes, and the part of it for the look without raw sockets."""

    def __init__(self) -> None:
        self.begun, self.looking = time.monotonic(), 0.0

    def again(self, stage: Stage, before: Looked, changed: Mapping[str, Any] | None = None) -> Looked:
        begun = time.monotonic()
        found = stage.look_as_ordinary_user(before, changed)
        self.looking = time.monotonic() - begun
        return found

    def trial(self, fault: Fault, looked: Looked, plain: Looked | None) -> Trial:
        return Trial(
            told=judge(fault, looked),
            ordinary=judge_ordinary(fault, plain) if plain else None,
            seconds=time.monotonic() - self.begun,
            again=self.looking,
        )
