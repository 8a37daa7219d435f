"""A machine with kind: a Docker of its own that has the node image, the programs, and the images that are loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError

import yaml

from clusters.errors import Refused
from clusters.journal import state_dir
from clusters.lab import parts as lab_parts
from clusters.lab.parts import Parts
from clusters.profile.profile_file import SHIPPED
from tests.kind import debian, docker, nodeimage, parts
from tests.kind.docker import Docker

METALLB = "0.16.2"
#: What a run needs in its nodes beside Kubernetes itself, by the names of the lab's images.
LOADED = (f"metallb-{METALLB}-controller", f"metallb-{METALLB}-speaker", "agnhost")


@dataclass(frozen=True)
class Stage:
    """Everything that a run with provider kind needs, on a machine that had none of it."""

    docker: Docker
    node_image: str
    lab: Parts

    @property
    def environment(self) -> Mapping[str, str]:
        """What such a run's environment has to be: docker, kind and kubectl are on PATH."""
        return self.docker.environment

    @property
    def images(self) -> Sequence[str]:
        """Archives to load into the nodes."""
        return [str(self.lab.image_archive(name)) for name in LOADED]

    def profile(self, folder: Path, **kind: object) -> Path:
        """The shipped profile `local` with the node image and the archives, as a file in `folder`."""
        found = yaml.safe_load((SHIPPED / "local.yaml").read_text(encoding="utf-8"))
        found["vantage"] = kind.pop("vantage", found["vantage"])
        found["kind"] = {"image": self.node_image, "images": list(self.images), **kind}
        file = folder / "local.yaml"
        file.write_text(yaml.safe_dump(found), encoding="utf-8")
        return file

    def python_image(self) -> str:
        """The reference of an image with Python, made now."""
        reference = "localhost/python:3.11"
        tree = debian.ensure("python", debian.PYTHON)
        entrypoint = "ln -sf python3.11 {0}/usr/bin/python3 && tar -C {0} -c . | docker import - {1}"
        self.docker.run("sh", "-c", entrypoint.format(tree, reference))
        return reference

    def pytest(self, *arguments: str | Path) -> list[str]:
        """The command that runs pytest where Docker's network is."""
        return self.docker.inside(sys.executable, "-m", "pytest", *arguments)


@contextmanager
def staged() -> Iterator[Stage]:
    """The machine for a block; nothing of it is left. Raises Refused where it cannot run privileged containers."""
    lab, kind, image = lab_parts.ensure(), parts.ensure(), nodeimage.ensure()
    programs = {"kind": kind.binary("kind"), "kubectl": lab.binary("kubectl")}
    with docker.running(state_dir() / "docker", debian=debian.ensure(), programs=programs) as running:
        running.run("docker", "load", "--quiet", "--input", image.archive)
        try:
            probe = ("--rm", "--privileged", "--network", "none", "--entrypoint", "/bin/mount")
            running.run("docker", "run", *probe, image.reference, "-t", "tmpfs", "none", "/mnt")
        except CalledProcessError as error:
            last = (error.stderr or error.stdout or "no reason given").strip().splitlines()[-1]
            raise Refused(f"This machine cannot run privileged containers: {last}.") from None
        yield Stage(running, image.reference, lab)
