"""The repository that is shipped as an example, made into a real one: with a history, and dates near today.

An example's files are text of one day. For a run they are copied out of the checkout, their dates are moved
so that the day they were written for is today, and the changes kept in `.history/` become its commits.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from clusters.confinement import Folder, RefusedPath, Tree, shown
from clusters.errors import Inconclusive
from clusters.gitops import git
from clusters.sandbox import TooMuch, TooSlow

#: A repository with this file is an example; the file holds the day that its dates are meant for.
MARKER = ".example"
_HISTORY = ".history"
_DAY = re.compile(r"\b20\d\d-\d\d-\d\d(?!\d)")
_TEXTS = {".md", ".yaml", ".yml", ".patch"}
_FIRST = "Bring MetalLB's overlays into one repository"
# Days before today: the first commit, and the last one; those between are a week apart.
_BEGUN, _LATEST = 29, 8


def is_example(repository: Path) -> bool:
    """Whether a folder is a shipped example, and not yet made into a repository of its own."""
    return (repository / MARKER).is_file() and not (repository / ".git").exists()


@contextmanager
def opened(repository: Path) -> Iterator[Path]:
    """The repository to read: itself, or for an example a real one made of it, gone afterwards."""
    if not is_example(repository):
        yield repository
        return
    with TemporaryDirectory(prefix="platform-") as scratch:
        today = date.today()  # noqa: DTZ011 - a day on the reader's calendar
        yield materialise(repository, Path(scratch) / repository.name, today=today)


def materialise(example: Path, target: Path, *, today: date) -> Path:
    """Make a real git repository of an example in `target`, which must not exist; returns it."""
    tree, copy = Tree(example, name="the example"), Folder(target)
    try:
        moved = today - date.fromisoformat(tree.text(MARKER).strip())
        target.mkdir()
        for path in tree.entries("", without=frozenset({".git"})):
            if path != MARKER and not path.startswith(f"{_HISTORY}/"):
                _copy(tree, path, copy, moved)
        patches = [f"{_HISTORY}/{name}" for name in tree.names(_HISTORY) if name.endswith(".patch")]
        texts = [_moved(tree.read(path), moved) for path in patches]
    except (RefusedPath, ValueError, OverflowError) as error:
        raise Inconclusive(f"The example {example} cannot be made into a repository: {error}") from None
    with TemporaryDirectory(prefix="history-") as scratch:
        for number, text in enumerate(texts):
            (Path(scratch) / f"{number:05}.patch").write_bytes(text)
        _commit_all(target, sorted(Path(scratch).iterdir()), today=today)
    return target


def _copy(tree: Tree, path: str, target: Folder, moved: timedelta) -> None:
    """A file with its dates moved, a link as it is: where it leads is for whoever reads it to refuse."""
    if link := tree.link(path):
        target.link(path, link)
    elif Path(path).suffix in _TEXTS:
        target.write(path, _moved(tree.read(path), moved))
    else:
        target.copy(tree, path)


def _moved(content: bytes, moved: timedelta) -> bytes:
    try:
        return _DAY.sub(lambda day: _later(day[0], moved), content.decode("utf-8")).encode("utf-8")
    except UnicodeDecodeError:
        return content


def _later(day: str, moved: timedelta) -> str:
    try:
        return (date.fromisoformat(day) + moved).isoformat()
    except (ValueError, OverflowError):  # looks like a day, is none
        return day


def _commit_all(target: Path, patches: list[Path], *, today: date) -> None:
    _git(target, "init", "--quiet", "--initial-branch=main")
    for patch in reversed(patches):
        _git(target, "apply", "--reverse", str(patch))
    _commit(target, _FIRST, today - timedelta(days=_BEGUN))
    for number, patch in enumerate(patches, start=1):
        _git(target, "apply", str(patch))
        _commit(target, _subject(patch), today - timedelta(days=_LATEST + 7 * (len(patches) - number)))


def _subject(patch: Path) -> str:
    """The first line of a patch file says what it does; git apply skips what is before the diff."""
    return patch.read_text(encoding="utf-8").partition("\n")[0].strip()


def _commit(target: Path, subject: str, day: date) -> None:
    _git(target, "add", "--all")
    _git(target, "commit", "--quiet", "--message", subject, day=day)


def _git(target: Path, *arguments: str, day: date | None = None) -> None:
    """Run git for a repository of our own making: no configuration, hooks or identity of the user's."""
    stamp = f"{day.isoformat()}T12:00:00+00:00" if day else ""
    person = {
        f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in _PERSON.items()
    }
    dates = {"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp} if stamp else {}
    environment = {
        "HOME": os.devnull,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C",
        **person,
        **dates,
    }
    settings = ("-c", "core.autocrlf=false", "-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null")
    try:
        done = git.run(target, *settings, *arguments, environment=environment)
    except (OSError, TooSlow, TooMuch) as error:
        raise Inconclusive(f"The example repository cannot be made: git {arguments[0]}: {error!r}.") from None
    if done.code != 0:
        said = shown((done.errors.strip().splitlines() or ["it gave no reason"])[-1])
        raise Inconclusive(f"The example repository cannot be made: git {arguments[0]}: {said}.")


_PERSON = {"NAME": "Platform team", "EMAIL": "platform@example.org"}
