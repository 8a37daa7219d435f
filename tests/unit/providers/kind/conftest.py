"""Stand-ins for kind, kubectl, docker and pytest-kind that keep what they were asked for."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

from clusters.providers.kind.programs import Program

#: Records its arguments; keeps a list of clusters as kind does; fails with the words of the file that is named
#: after its first two arguments.
_STAND_IN = """\
#!{python}
import json, sys
from pathlib import Path
here = Path({here!r})
arguments = sys.argv[1:]
with (here / "calls").open("a") as calls:
    calls.write(json.dumps([{name!r}, *arguments]) + "\\n")
fails = here / "-".join([{name!r}, *arguments[:2]])
if fails.exists():
    sys.stderr.write(fails.read_text())
    sys.exit(1)
clusters = here / "clusters"
names = clusters.read_text().split() if clusters.exists() else []
value = lambda option: arguments[arguments.index(option) + 1]
if arguments[:2] == ["get", "clusters"]:
    print("\\n".join(names))
elif "--kubeconfig" in arguments and Path(value("--kubeconfig") + ".lock").exists():
    sys.exit("ERROR: failed to lock config file: file exists")
elif arguments[:2] == ["create", "cluster"]:
    (here / "config").write_text(Path(value("--config")).read_text())
    clusters.write_text(" ".join([*names, value("--name")]))
elif arguments[:2] == ["delete", "cluster"]:
    clusters.write_text(" ".join(name for name in names if name != value("--name")))
elif arguments[:2] == ["get", "nodes"]:
    print(value("--name") + "-worker", value("--name") + "-control-plane")
elif (here / "says").exists():
    print((here / "says").read_text())
"""


@dataclass
class Bench:
    """The stand-ins and what they were asked for."""

    here: Path

    def program(self, name: str) -> Program:
        return Program(name, self.path(name))

    def path(self, name: str) -> Path:
        path = self.here / "bin" / name
        if path.exists():
            return path  # another thread may be running it
        path.parent.mkdir(exist_ok=True)
        path.write_text(_STAND_IN.format(python=sys.executable, here=str(self.here), name=name))
        path.chmod(0o755)
        return path

    @property
    def calls(self) -> list[list[str]]:
        """Every call as [program, *arguments], in order."""
        file = self.here / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def called(self, *beginning: str) -> list[list[str]]:
        """The calls that begin like this, without what they begin with."""
        return [call[len(beginning) :] for call in self.calls if call[: len(beginning)] == list(beginning)]

    def has(self, *clusters: str) -> None:
        """Let these clusters exist."""
        (self.here / "clusters").write_text(" ".join(clusters))

    @property
    def clusters(self) -> list[str]:
        """The clusters that exist now."""
        return (self.here / "clusters").read_text().split()

    def fails(self, *call: str, words: str) -> None:
        """Let a program fail at its first two arguments, with these words on its standard error."""
        (self.here / "-".join(call)).write_text(dedent(words))

    def says(self, what: object) -> None:
        """Let a program print this as JSON."""
        (self.here / "says").write_text(json.dumps(what))


class KindCluster:
    """What `clusters.providers.kind.creation` uses of pytest-kind's class: it makes folders where it stands."""

    def __init__(
        self,
        name: str,
        kubeconfig: Path,
        *,
        image: str | None,
        kind_path: Path,
        kubectl_path: Path,
    ) -> None:
        self.name, self.kubeconfig_path, self.kind_path = name, kubeconfig, kind_path
        self.path = Path(".pytest-kind") / name
        self.path.mkdir(parents=True)
        self.created_with: list[object] = []

    def create(self, config_file: Path | None = None) -> None:
        self.created_with.append(config_file)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The stand-ins, with a working directory and a state folder of their own."""
    monkeypatch.setenv("METALLB_CONFORMANCE_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("KIND_EXPERIMENTAL_DOCKER_NETWORK", raising=False)
    monkeypatch.chdir(tmp_path)
    module = ModuleType("pytest_kind")
    module.__dict__["KindCluster"] = KindCluster
    monkeypatch.setitem(sys.modules, "pytest_kind", module)
    monkeypatch.delitem(sys.modules, "clusters.providers.kind.creation", raising=False)
    return Bench(tmp_path)
