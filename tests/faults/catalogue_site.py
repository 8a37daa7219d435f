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
from clusters.lab import traefik
from clusters.lab.lab import Lab
from tests.faults.bench import ROOT

#: What the pool of the dual-stack lab has besides the range of the lab with IPv4 alone.
SIXES = "fd00:172:30::200-fd00:172:30::220"


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


def settings_for(lab: Lab, repository: Path = ROOT / "examples/platform") -> dict[str, Any]:
    """The shipped profile of the lab under another lab's name, and in front of another repository."""
    edge = "" if lab.state.options.consumer == "agnhost" else f"-{lab.state.options.consumer}"
    found: dict[str, Any] = yaml.safe_load((ROOT / f"clusters/profiles/lab{edge}.yaml").read_text())
    found["name"] = lab.name
    for probe in found["consumers"][0]["probe"] if edge else ():
        if "ca" in probe:
            probe["ca"] = str(traefik.trusted(lab.name))
    found["lab"]["overlay"] = str(ROOT / "examples/platform/metallb/overlays/lab")
    found["gitops"]["repository"] = str(repository)
    options = lab.state.options
    found["lab"] |= {"families": options.families, "nics": options.nics, "proxy": options.proxy}
    if options.families == "dual":
        found["lab"]["overlay"] += "-dual"
        found["pools"][0]["addresses"].append(SIXES)
    return found


@contextmanager
def changing(site: Site, context: str, kubeconfig: Path | None = None) -> Iterator[tuple[Api, Changes]]:
    """The cluster of a context, and changes to it; whatever is still changed at the block's end is undone then.

    `kubeconfig` is another login than the site's own.
    """
    api = Api.connect(kubeconfig or site.kubeconfig, context)
    run = f"catalogue-{os.getpid()}"
    journal = Journal.for_run(run, cluster=f"{site.name}-catalogue")
    journal.identify(uid=api.uid(), kubeconfig=str(site.kubeconfig), context=context)
    changes = Changes(api, journal, run)
    try:
        yield api, changes
    finally:
        changes.undo_all()
