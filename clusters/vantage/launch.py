"""How the agent gets to where it runs: its sources go through the pipe that its commands follow.

Everywhere the same: the command is a Python with a short program as its argument, which reads the agent
from its standard input. So the agent needs no file at the other end, and `ssh HOST` or `kubectl exec -i`
in front of the command is all that another kind of vantage takes.
"""

from __future__ import annotations

import base64
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# It reads by exact sizes, because a buffered read would swallow commands that come after the agent.
_LOADER = """
import os, sys, json, types
if sys.platform != "linux":
    sys.exit("the vantage needs Linux, and this is " + sys.platform)
if sys.version_info < (3, 8):
    sys.exit("the vantage needs Python 3.8 or later, and this is %d.%d" % sys.version_info[:2])
def take(size):
    data = b""
    while len(data) < size:
        part = os.read(0, size - len(data))
        if not part:
            sys.exit("the agent did not arrive whole")
        data += part
    return data
sent = json.loads(take(int(take(10))))
package = types.ModuleType("agent")
package.__path__ = []
sys.modules["agent"] = package
for name, path, source in sent["modules"]:
    module = types.ModuleType("agent." + name)
    module.__package__ = "agent"
    sys.modules["agent." + name] = module
    setattr(package, name, module)
    exec(compile(source, path, "exec"), module.__dict__)
sys.exit(module.main(sent["settings"]))
"""
#: Each needs only those before it; `main` runs.
_MODULES = ("loop", "refusals", "probes", "paced_tries", "exchange", "packets", "kernel", "main")


@dataclass(frozen=True)
class Refusal:
    """Why an agent could not be started, as the second half of a sentence, and what to do about it."""

    why: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How to run an agent: the command that gives a Python, and the network namespace that it enters.

    `ssh` is a command that hands what follows to a shell elsewhere. `explain` turns the last words of an agent
    that did not start into a Refusal, None where it does not know them.
    """

    python: Sequence[str] = (sys.executable,)
    netns: str = ""
    ssh: Sequence[str] = ()
    explain: Callable[[str], Refusal | None] = lambda _: None

    @property
    def command(self) -> list[str]:
        """The whole command. The last argument is there for people who read `ps`."""
        name = "metallb-conformance-vantage"
        if not self.ssh:
            return [*self.python, "-I", "-c", _LOADER, name]
        # Through somebody's shell, which may be any: one line, with nothing in it that a shell would read.
        packed = base64.b64encode(_LOADER.encode()).decode()
        line = f"import base64;exec(base64.b64decode('{packed}'))"
        return [*self.ssh, shlex.join([*self.python, "-I", "-c", line, name])]

    @property
    def payload(self) -> bytes:
        """What the command reads first: ten digits of length, then the agent and its settings."""
        sent = json.dumps({"modules": _sources(), "settings": {"netns": self.netns}}).encode()
        return b"%010d" % len(sent) + sent


@cache
def _sources() -> list[tuple[str, str, str]]:
    """(module, path, source) in the order of loading; the path is for tracebacks and coverage."""
    folder = Path(__file__).parent / "agent"
    paths = [(name, folder / f"{name}.py") for name in _MODULES]
    return [(name, str(path), path.read_text(encoding="utf-8")) for name, path in paths]
