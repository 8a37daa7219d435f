"""What git knows of the folder with MetalLB's overlays: where it stands, and every pool change in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict

from clusters.gitops.git import Git, NoHistory
from clusters.gitops.pools import bounds, pool_from, pools_in_text

#: How many commits are read back; older pool changes are not judged, and the history says that it was cut.
DEPTH = 500

_RECORD, _FIELD = "\x1e", "\x1f"


class Frozen(BaseModel):
    """Frozen data that serialises and refuses fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PoolChange(Frozen):
    """One pool whose addresses changed: the folder of its overlay, and the ranges before and after."""

    folder: str
    pool: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def cluster(self) -> str:
        """The overlay's last folder name, which is how people call the cluster."""
        return PurePosixPath(self.folder).name


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

    def needed(self) -> History:
        """Itself; raises NoHistory with the reason where nothing could be read."""
        if self.problem:
            raise NoHistory(self.problem, remedy=self.remedy)
        return self


def read(git: Git, tree: str) -> History:
    """The history of the folder `tree`. Never raises: what prevents it stands in `problem`."""
    try:
        return _read(git, tree)
    except NoHistory as error:
        return History(problem=str(error.args[0]), remedy=error.remedy)


def _read(git: Git, tree: str) -> History:
    prefix, shallow, head, branch = _state(git)
    rows = _rows(git, tree)
    dirty = _dirty(git, tree, prefix)
    return History(
        head=head,
        branch="" if branch == "HEAD" else branch,
        shallow=shallow == "true",
        dirty=dirty,
        last=rows[0].commit if rows else "",
        previous=rows[0].parent if rows else "",
        changes=_changes(git, rows),
        uncommitted=_uncommitted(git, dirty),
        cut=len(rows) == DEPTH,
    )


def _state(git: Git) -> tuple[str, str, str, str]:
    """The folder's path in the repository, whether that is shallow, the last commit, and the branch."""
    asked = ("--show-prefix", "--is-shallow-repository")
    try:
        printed = git.text("rev-parse", *asked, "HEAD", "--abbrev-ref", "HEAD")
    except NoHistory:
        git.text("rev-parse", *asked)  # says what else is wrong
        raise NoHistory(
            f"The repository {git.directory} has no commit yet.", remedy="Commit its files."
        ) from None
    prefix, shallow, head, branch = printed.splitlines()[:4]
    return prefix, shallow, head, branch


@dataclass(frozen=True)
class _Row:
    """One commit as git log prints it; `parent` is empty for a first one, and where a shallow clone ends."""

    commit: str
    parent: str
    date: str
    subject: str
    files: tuple[str, ...]


def _rows(git: Git, tree: str) -> list[_Row]:
    """Commits on the branch's own line: a merged branch counts as the one change that it was to it."""
    form = f"--format={_RECORD}%H{_FIELD}%P{_FIELD}%cs{_FIELD}%s"
    how = ("-m", "--first-parent", "--name-only", "--relative", "--no-renames", "-z", f"-{DEPTH}")
    return [_row(record) for record in git.text("log", *how, form, "--", tree).split(_RECORD)[1:]]


def _changes(git: Git, rows: Iterable[_Row]) -> tuple[Change, ...]:
    places = [(row, path) for row in rows if row.parent for path in _texts(row.files)]
    wanted = {f"{revision}:./{path}" for row, path in places for revision in (row.commit, row.parent)}
    texts = git.read(sorted(wanted), missing="empty")
    return tuple(
        Change(
            commit=row.commit,
            date=row.date,
            subject=row.subject,
            files=row.files,
            pools=pool_changes(
                (path, texts[f"{row.parent}:./{path}"], texts[f"{row.commit}:./{path}"])
                for path in (_texts(row.files) if row.parent else ())
            ),
        )
        for row in rows
    )


def _row(record: str) -> _Row:
    header, _, names = record.replace("\n", "\0", 1).partition("\0")
    commit, parents, date, subject = header.split(_FIELD)
    files = tuple(sorted(filter(None, (name.strip("\n") for name in names.split("\0")))))
    return _Row(commit, parents.partition(" ")[0], date, subject, files)


def _texts(files: Iterable[str]) -> list[str]:
    return [path for path in files if path.endswith((".yaml", ".yml")) and "\n" not in path]


def _dirty(git: Git, tree: str, prefix: str) -> tuple[str, ...]:
    printed = git.text("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--", tree)
    names = (entry[3:] for entry in printed.split("\0") if entry)
    return tuple(sorted(name.removeprefix(prefix) for name in names))


def _uncommitted(git: Git, dirty: tuple[str, ...]) -> Change | None:
    if not dirty:
        return None
    wanted = _texts(dirty)
    committed = git.read([f"HEAD:./{path}" for path in wanted], missing="empty")
    rows = ((path, committed[f"HEAD:./{path}"], _text(git, path)) for path in wanted)
    return Change(commit="", date="", subject="not committed", files=dirty, pools=pool_changes(rows))


def _text(git: Git, path: str) -> str:
    try:
        return (git.directory / path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


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
