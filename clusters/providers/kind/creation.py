"""A kind cluster through pytest-kind's KindCluster, with what it does not have.

That is: more than one node, the words of a kind that failed, a node image's archive, a way to use a cluster of
which it has no kubeconfig, and a lock (two processes make one cluster twice, and the first to end deletes it).
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from filelock import FileLock
from pytest_kind import KindCluster

from clusters.commands import command
from clusters.errors import CleanupFailed, ConformanceError
from clusters.providers.kind import folder_of, is_archive
from clusters.providers.kind.programs import Program

#: What kind makes where the profile names no configuration: nodes that can fail, and one that they are run from.
THREE_NODES = {
    "kind": "Cluster",
    "apiVersion": "kind.x-k8s.io/v1alpha4",
    "nodes": [{"role": "control-plane"}, {"role": "worker"}, {"role": "worker"}],
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which cluster: `images` are references that Docker has, or archives; `logs` is where kind's logs go."""

    name: str
    kubeconfig: Path
    config: Path | None = None
    image: str = ""
    images: Sequence[str] = ()
    keep: bool = False
    logs: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Made:
    """A cluster that runs. `ours` says whether this process made it, and so may delete it."""

    wanted: Wanted
    kind: Program
    base: KindCluster
    ours: bool

    @property
    def context(self) -> str:
        """Its context in its kubeconfig."""
        return f"kind-{self.wanted.name}"

    @property
    def nodes(self) -> list[str]:
        """The names of its nodes, which are those of their containers."""
        arguments = ("get", "nodes", "--name", self.wanted.name)
        return sorted(self.kind.run(*arguments, doing="list the cluster's nodes").split())

    def export_logs(self, folder: Path) -> None:
        """Every node's logs as kind collects them, below `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        arguments = ("export", "logs", folder, "--name", self.wanted.name)
        self.kind.run(*arguments, doing=f"export the logs of {self.wanted.name}")


@contextmanager
def running(
    wanted: Wanted, *, kind: Program, kubectl: Program, furnish: Callable[[Made], None]
) -> Iterator[Made]:
    """The cluster for the length of a block: found, or made and deleted again unless it is to be kept.

    `furnish` completes a cluster that was made here; whoever finds it has to wait until that is done. Nothing is
    deleted that this call has not made. Raises ProgramFailed with kind's own words, and CleanupFailed where the
    cluster cannot be deleted.
    """
    wanted.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(_lock(wanted)):
        made = _found_or_made(wanted, kind, kubectl, furnish)
    try:
        yield made
    finally:
        if made.ours and not wanted.keep:
            _delete(made)


def _found_or_made(wanted: Wanted, kind: Program, kubectl: Program, furnish: Callable[[Made], None]) -> Made:
    ours = wanted.name not in kind.run("get", "clusters", doing="list its clusters").split()
    made = Made(wanted=wanted, kind=kind, base=_base(wanted, kind, kubectl), ours=ours)
    if not ours:
        arguments = ("--name", wanted.name, "--kubeconfig", wanted.kubeconfig)
        kind.run("export", "kubeconfig", *arguments, doing=f"give a kubeconfig for {wanted.name}")
        made.base.create()  # finds it, and gives the object its client
        return made
    try:
        _create(made)
        made.base.create()  # as above
        furnish(made)
    except BaseException as error:
        # Interrupted ones must go as well; of one that failed the logs are kept.
        if wanted.logs is not None and isinstance(error, ConformanceError):
            with contextlib.suppress(ConformanceError):
                made.export_logs(wanted.logs)
        try:
            _delete(made)
        except CleanupFailed as left:
            raise CleanupFailed(f"{error} {left.args[0]}", remedy=left.remedy) from error
        raise
    return made


def _lock(wanted: Wanted) -> Path:
    """The file that one process at a time holds; kind itself takes the kubeconfig's name with .lock."""
    return wanted.kubeconfig.with_name(f".{wanted.kubeconfig.name}.making")


def _base(wanted: Wanted, kind: Program, kubectl: Program) -> KindCluster:
    base = KindCluster(
        wanted.name,
        wanted.kubeconfig,
        image=wanted.image or None,
        kind_path=kind.path,
        kubectl_path=kubectl.path,
    )
    # It makes folders in the working directory for downloads, and everything that it would download is given.
    for folder in (base.path, base.path.parent):
        with contextlib.suppress(OSError):
            folder.rmdir()
    return base


def _create(made: Made) -> None:
    """Create the cluster and load its images; kind itself leaves one that fails, so that its logs can be read."""
    wanted = made.wanted
    with _config(wanted) as config:
        arguments = ["--name", wanted.name, "--kubeconfig", str(wanted.kubeconfig), "--config", str(config)]
        if wanted.image:
            arguments += ["--image", wanted.image]
        made.kind.run("create", "cluster", "--retain", *arguments, doing=f"create {wanted.name}")
    _load(made)


def _load(made: Made) -> None:
    name = ("--name", made.wanted.name)
    archives = [image for image in made.wanted.images if is_archive(image)]
    references = [image for image in made.wanted.images if image not in archives]
    if archives:
        made.kind.run("load", "image-archive", *archives, *name, doing=f"load {', '.join(archives)}")
    if references:
        made.kind.run("load", "docker-image", *references, *name, doing=f"load {', '.join(references)}")


@contextmanager
def _config(wanted: Wanted) -> Iterator[Path]:
    """The configuration file: the profile's, or one with three nodes."""
    if wanted.config is not None:
        yield wanted.config
        return
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        yaml.safe_dump(THREE_NODES, file)
        file.flush()
        yield Path(file.name)


def _delete(made: Made) -> None:
    wanted = made.wanted
    try:
        arguments = ("--name", wanted.name, "--kubeconfig", wanted.kubeconfig)
        made.kind.run("delete", "cluster", *arguments, doing=f"delete {wanted.name}")
    except ConformanceError as error:
        raise CleanupFailed(
            f"The kind cluster {wanted.name} is still there: {error}",
            remedy="Delete it: " + command("kind delete cluster --name {name}", name=wanted.name),
        ) from error
    own = folder_of(wanted.name)
    for path in (wanted.kubeconfig, _lock(wanted)):
        if path.parent == own:
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        own.rmdir()
