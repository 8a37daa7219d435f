"""Where faults of the repository are made: the example platform as a git repository of its own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from clusters.gitops import example
from tests.faults.bench import ROOT

EXAMPLE = ROOT / "examples" / "platform"
_PERSON = {"NAME": "A Person", "EMAIL": "person@example.org"}


@dataclass(frozen=True)
class Clone:
    """A repository to break: edited, committed to, and put back to the commit `begun`.

    `today` is the day on which it is looked at: what is overdue, or expired, is so as seen from there.
    """

    root: Path
    begun: str
    today: date

    @classmethod
    def at(cls, root: Path, *, today: date) -> Clone:
        """The repository in `root` as it is now."""
        return cls(root, _git(root, "rev-parse", "HEAD").strip(), today)

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        (self.root / path).write_text(text, encoding="utf-8")

    def replace(self, path: str, pattern: str, text: str) -> None:
        """Replace what matches a regular expression once in a file."""
        found, count = re.subn(pattern, text, (self.root / path).read_text(encoding="utf-8"), count=1)
        assert count == 1, f"{path} has nothing that matches {pattern!r}"
        self.write(path, found)

    def commit(self, subject: str) -> None:
        """Commit everything."""
        _git(self.root, "add", "--all")
        _git(self.root, "commit", "--quiet", "--message", subject)

    def mend(self) -> None:
        """Put everything back."""
        _git(self.root, "reset", "--quiet", "--hard", self.begun)
        _git(self.root, "clean", "--quiet", "--force", "-d")


@contextmanager
def cloned(*edits: Callable[[Clone], None]) -> Iterator[Clone]:
    """The example platform with its history, dated around today, and edited; gone afterwards."""
    with TemporaryDirectory(prefix="clone-") as folder:
        today = date.today()  # noqa: DTZ011 - a day on the reader's calendar
        root = example.materialise(EXAMPLE, Path(folder, "platform"), today=today)
        for edit in edits:
            edit(Clone.at(root, today=today))
        yield Clone.at(root, today=today)


def _git(root: Path, *arguments: str) -> str:
    """Run git without the user's configuration, hooks and identity."""
    person = {
        f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in _PERSON.items()
    }
    ours = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C", **person}
    return subprocess.run(
        ("git", "-c", "commit.gpgSign=false", *arguments),
        cwd=root, env={**os.environ, **ours}, check=True, capture_output=True, text=True, timeout=30,
    ).stdout  # fmt: skip
