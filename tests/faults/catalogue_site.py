"""Where a cluster that faults are made in runs, and what undoes everything that was changed in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import yaml

from clusters.api import Api
from clusters.changes import Changes
from clusters.journal import Journal
from clusters.lab.lab import Lab
from tests.faults.bench import ROOT


class Site(Protocol):
    """A lab, or something else that has these."""

    @property
    def name(self) -> str: ...

    @property
    def kubeconfig(self) -> Path: ...

    @property
    def kubectl(self) -> Path: ...

    def problems(self) -> list[str]:
        """What of it should run and does not, a sentence each."""
        ...


def settings_for(lab: Lab) -> dict[str, Any]:
    """The shipped profile of the lab under another lab's name; all three nodes are expected to announce."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "clusters/profiles/lab.yaml").read_text())
    found["name"] = lab.name
    found["lab"]["overlay"] = str(ROOT / "examples/platform/metallb/overlays/lab")
    found["gitops"]["repository"] = str(ROOT / "examples/platform")
    return found


@contextmanager
def changing(site: Site, context: str) -> Iterator[tuple[Api, Changes]]:
    """The cluster of a context, and changes to it; whatever is still changed at the block's end is undone then."""
    api = Api.connect(site.kubeconfig, context)
    run = f"catalogue-{os.getpid()}"
    journal = Journal.for_run(run, cluster=f"{site.name}-catalogue")
    journal.identify(uid=api.uid(), kubeconfig=str(site.kubeconfig), context=context)
    changes = Changes(api, journal, run)
    try:
        yield api, changes
    finally:
        changes.undo_all()
