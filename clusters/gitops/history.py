"""What git knows of the folder with MetalLB's overlays: where it stands, and every pool change in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict

from clusters.confinement import RefusedPath, Tree, joined, shown
from clusters.gitops.git import Git, NoHistory
from clusters.gitops.pool_objects import bounds, pool_from, pools_in_text

#: How many commits are read back; older pool changes are not judged, and the history says that it was cut.
DEPTH = 500

#: What git puts in the place of an object where a file is not on one side of a change.
_NOTHING = frozenset("0")
_FILE_MODES = frozenset({"100644", "100755"})


class Frozen(BaseModel):
    """Frozen data that serialises and refuses fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PoolChange(Frozen):
    """One pool whose addresses changed: the folder of its overlay, and the ranges before and after."""

    folder: str
    pool: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


class Change(Frozen):
    """One commit that touched the folder; `date` is the committer's, as YYYY-MM-DD.

    `commit` is empty for edits that were not committed.
    """

    commit: str
    date: str
    subject: str
    files: tuple[str, ...]
    pools: tuple[PoolChange, ...] = ()


class History(Frozen):
    """The state of the repository.

    `problem` says in one sentence why nothing could be read; the rest is then empty. `last` is the newest
    commit that touched the folder and `previous` the one before it (empty for a first commit, or where a
    shallow clone ends). `dirty` are files of the folder that differ from HEAD; `changes` comes newest first.
    `unread` is the one sentence of the first file whose pools could not be read in a change, empty for none.
    `upstream` is the branch that the clone follows ("origin/main"), as it was when the clone last fetched, empty for
    none; `behind` and `ahead` are how many commits lie between the two. `fetched` is the day of the last fetch.
    """

    problem: str = ""
    remedy: str = ""
    head: str = ""
    branch: str = ""
    shallow: bool = False
    dirty: tuple[str, ...] = ()
    last: str = ""
    previous: str = ""
    changes: tuple[Change, ...] = ()
    uncommitted: Change | None = None
    cut: bool = False
    unread: str = ""
    upstream: str = ""
    behind: int = 0
    ahead: int = 0
    fetched: str = ""

    def needed(self) -> History:
        """Itself; raises NoHistory with the reason where nothing could be read."""
        if self.problem:
            raise NoHistory(self.problem, remedy=self.remedy)
        return self


def read(git: Git, *trees: str) -> History:
    """The history of these folders. Never raises: what prevents it stands in `problem`."""
    try:
        return _read(git, trees)
    except NoHistory as error:
        return History(problem=str(error.args[0]), remedy=error.remedy)


def _read(git: Git, trees: Sequence[str]) -> History:
    prefix, shallow, head, branch = _state(git)
    rows = _rows(git, trees)
    dirty = _dirty(git, trees, prefix)
    unread: list[str] = []
    return History(
        head=head,
        branch="" if branch == "HEAD" else branch,
        shallow=shallow == "true",
        dirty=dirty,
        last=rows[0].commit if rows else "",
        previous=rows[0].parent if rows else "",
        changes=_changes(git, rows, unread),
        uncommitted=_uncommitted(git, trees, dirty, unread),
        cut=len(rows) == DEPTH,
        **_upstream(git),
        unread=unread[0] if unread else "",
    )


def _state(git: Git) -> tuple[str, str, str, str]:
    """The folder's path in the repository, whether that is shallow, the last commit, and the branch."""
    try:
        # The path comes last: a folder's name may hold anything, a line's end too.
        printed = git.text(
            "rev-parse", "--is-shallow-repository", "HEAD", "--abbrev-ref", "HEAD", "--show-prefix"
        )
    except NoHistory:
        git.text("rev-parse", "--show-prefix", "--is-shallow-repository")  # says what else is wrong
        raise NoHistory(
            f"The repository {git.directory} has no commit yet.", remedy="Commit its files."
        ) from None
    shallow, head, branch, prefix = printed.split("\n", 3)
    return prefix.removesuffix("\n"), shallow, head, branch


def _upstream(git: Git) -> dict[str, Any]:
    """The branch that this one follows, how far they are apart, and when the clone last fetched."""
    try:
        name = git.text("rev-parse", "--abbrev-ref", "--symbolic-full-name", "@{upstream}").strip()
        counts = git.text("rev-list", "--left-right", "--count", "HEAD...@{upstream}").split()
        folder = git.text("rev-parse", "--absolute-git-dir").removesuffix("\n")
    except NoHistory:  # it follows none, or was taken away from it
        return {}
    ahead, behind = map(int, counts)
    fetched = ""
    with suppress(OSError, OverflowError, ValueError):
        fetched = f"{datetime.fromtimestamp((Path(folder) / 'FETCH_HEAD').stat().st_mtime, UTC):%Y-%m-%d}"
    return {"upstream": shown(name), "behind": behind, "ahead": ahead, "fetched": fetched}


@dataclass(frozen=True)
class _File:
    """A file that a commit changed, with its objects before and after; empty where it is no file."""

    path: str
    before: str
    after: str


@dataclass(frozen=True)
class _Row:
    """One commit as git log prints it; `parent` is empty for a first one, and where a shallow clone ends."""

    commit: str
    parent: str
    date: str
    subject: str
    files: list[_File] = field(default_factory=list)


def _rows(git: Git, trees: Sequence[str]) -> list[_Row]:
    """Commits on the branch's own line: a merged branch counts as the one change that it was to it.

    A NUL ends every field and every path, as neither can hold one; what else a subject may hold is its own.
    """
    form = "--format=%H%x00%P%x00%cs%x00%s"
    how = ("-m", "--first-parent", "--raw", "--no-abbrev", "--relative", "--no-renames", "--no-ext-diff")
    printed = git.text("log", *how, "--encoding=UTF-8", "-z", f"-{DEPTH}", form, "--", *trees)
    fields = iter(printed.split("\0"))
    rows: list[_Row] = []
    for each in fields:
        if each.lstrip("\n").startswith(":"):  # git ends the subject's line before the first file
            rows[-1].files.append(_file(each.lstrip("\n"), next(fields, "")))
        elif each:
            parents, date, subject = next(fields, ""), next(fields, ""), next(fields, "")
            rows.append(_Row(each, parents.partition(" ")[0], date, subject))
    return rows


def _file(about: str, path: str) -> _File:
    """From `:MODE MODE OBJECT OBJECT STATUS`; links and submodules hold no pools."""
    old_mode, new_mode, old, new = about.removeprefix(":").split(" ")[:4]
    before, after = (
        "" if mode not in _FILE_MODES or set(name) == _NOTHING else name
        for mode, name in ((old_mode, old), (new_mode, new))
    )
    return _File(path, before, after)


def _changes(git: Git, rows: Iterable[_Row], unread: list[str]) -> tuple[Change, ...]:
    judged = [file for row in rows if row.parent for file in row.files if _is_yaml(file.path)]
    texts = git.read(name for file in judged for name in (file.before, file.after) if name)
    return tuple(
        Change(
            commit=row.commit,
            date=row.date,
            subject=row.subject,
            files=tuple(sorted(file.path for file in row.files)),
            pools=pool_changes(_sides(row, texts, unread)) if row.parent else (),
        )
        for row in rows
    )


def _sides(row: _Row, texts: Mapping[str, bytes], unread: list[str]) -> Iterator[tuple[str, str, str]]:
    for file in row.files:
        if not _is_yaml(file.path):
            continue
        names = [name for name in (file.before, file.after) if name]
        if any(name not in texts for name in names):
            unread.append(f"{shown(file.path)} is too large to be read in commit {row.commit[:12]}.")
            continue
        before, after = (_decoded(texts, name) for name in (file.before, file.after))
        yield file.path, before, after


def _is_yaml(path: str) -> bool:
    return path.endswith((".yaml", ".yml"))


def _dirty(git: Git, trees: Sequence[str], prefix: str) -> tuple[str, ...]:
    names = (entry[3:] for entry in git.status(*trees).split("\0") if entry)
    return tuple(sorted(name.removeprefix(prefix) for name in names))


def _uncommitted(git: Git, trees: Sequence[str], dirty: tuple[str, ...], unread: list[str]) -> Change | None:
    if not dirty:
        return None
    judged = [path for path in dirty if _is_yaml(path)]
    objects = git.objects("HEAD", trees)
    committed = git.read(objects[path] for path in judged if path in objects)
    sides: list[tuple[str, str, str]] = []
    for path in judged:
        name = objects.get(path, "")
        try:
            after = _text(git, path)
        except RefusedPath as error:
            unread.append(str(error.args[0]))
            continue
        if name and name not in committed:
            unread.append(f"{shown(path)} is too large to be read as it was committed.")
            continue
        sides.append((path, _decoded(committed, name), after))
    return Change(commit="", date="", subject="not committed", files=dirty, pools=pool_changes(sides))


def _decoded(contents: Mapping[str, bytes], name: str) -> str:
    return contents[name].decode("utf-8", errors="replace") if name else ""


def _text(git: Git, path: str) -> str:
    """A file of the working tree as it is now; empty where it is gone."""
    if "\N{REPLACEMENT CHARACTER}" in path:
        raise RefusedPath(f"{shown(path)} has a name that is not UTF-8, so its edit is not read.")
    tree = Tree(git.directory)
    inside = joined("", path)
    return tree.text(inside) if tree.find(inside).kind == "file" else ""


def pool_changes(files: Iterable[tuple[str, str, str]]) -> tuple[PoolChange, ...]:
    """The pools whose addresses differ, from (path, text before, text after) of the files of a change.

    A pool that moves from one file to another of the same folder did not change, nor one that is only spelt
    differently.
    """
    before: dict[tuple[str, str], list[str]] = {}
    after: dict[tuple[str, str], list[str]] = {}
    for path, old, new in files:
        folder = str(PurePosixPath(path).parent)
        for side, text in ((before, old), (after, new)):
            for pool, addresses in pools_in_text(text).items():
                side.setdefault((folder, pool), []).extend(addresses)
    changes = (
        PoolChange(
            folder=place[0],
            pool=place[1],
            before=tuple(before.get(place, ())),
            after=tuple(after.get(place, ())),
        )
        for place in sorted(before.keys() | after.keys())
    )
    return tuple(change for change in changes if _differs(change))


def _differs(change: PoolChange) -> bool:
    old, new = pool_from(change.pool, change.before), pool_from(change.pool, change.after)
    return bounds(old) != bounds(new) or sorted(map(str, old.invalid)) != sorted(map(str, new.invalid))
