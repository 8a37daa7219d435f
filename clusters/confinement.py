"""Files of somebody else's tree: found, read, copied and laid out, and never a step outside of it.

Whoever can put a commit into a repository, or a folder beside our reports, chooses every name and every link in
it. `Tree` reads such a tree, `Folder` is a place of ours that files of one are laid out in. Both go down folder by
folder from an open root and follow no link that they have not read themselves, so that nothing that is put in
between leads elsewhere.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from clusters.errors import UsageError

#: The largest file that is read into memory, and the largest one that is copied (bytes).
LARGEST_READ = 8 << 20
LARGEST_COPIED = 256 << 20
#: How many entries of one folder tree are listed, how many links one path may lead through, how deep it may be.
_MOST_ENTRIES, _MOST_LINKS, _DEEPEST = 20_000, 40, 100
#: What an operating system says of a name that it cannot hold in the place where it is asked for.
_OF_THE_NAME = frozenset(
    {
        errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EEXIST, errno.EINVAL, errno.EILSEQ,
        errno.EPERM,  # macOS, for unlinking a folder
    }
)  # fmt: skip
#: What common platforms hold: bytes of one name, and of one path.
_LONGEST_NAME, _LONGEST_PATH = 255, 4000
_SHOWN = 200
_CHUNK = 1 << 20
# Only looking up needs no right to read a folder; where the platform has no such flag, reading it is asked for.
_LOOK = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class RefusedPath(UsageError):  # noqa: N818 - it says what became of the path
    """A file or folder of somebody else's that is not touched; one sentence with its path and the reason."""


@dataclass(frozen=True)
class Found:
    """Where a path leads: `path` has no link in it any more, `links` are those on the way, with their targets."""

    path: str
    kind: str  # "file", "folder", or "" where there is nothing
    links: tuple[tuple[str, str], ...] = ()


def shown(path: str, *, most: int = _SHOWN) -> str:
    """A path, or another text of somebody else's, as a sentence names it: on one line, and not endless."""
    clean = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in path[: most + 1]
    )
    return clean if len(path) <= most else f"{clean[:most]}…"


def joined(folder: str, path: str) -> str:
    """`path` as it is seen from `folder`, from the root of the tree ("" is the root). Raises RefusedPath."""
    if path.startswith("/"):
        raise RefusedPath(f"{shown(path)} is an absolute path, where one inside the tree is expected.")
    found = posixpath.normpath(posixpath.join(folder, path))
    if found == ".." or found.startswith("../"):
        raise RefusedPath(f"{shown(path)} leads out of the tree.")
    return "" if found == "." else "/".join(_parts(found))


def _parts(path: str) -> tuple[str, ...]:
    """The names in a plain path, as nothing but a path below its root has them."""
    parts = tuple(path.split("/"))
    if path.startswith("/"):
        raise RefusedPath(f"{shown(path)} is an absolute path, where one inside the tree is expected.")
    for part in parts:
        if part in {"", ".", ".."}:
            raise RefusedPath(f"The path {shown(path)!r} has {part or 'an empty name'} in it.")
    try:
        longest = max(len(os.fsencode(part)) for part in parts)
    except UnicodeEncodeError:
        raise RefusedPath(f"The path {shown(path)} has characters that no file name can have.") from None
    if "\0" in path or longest > _LONGEST_NAME or len(os.fsencode(path)) > _LONGEST_PATH:
        raise RefusedPath(f"The path {shown(path)} has a name that no file can have.")
    if len(parts) > _DEEPEST:
        raise RefusedPath(f"The path {shown(path)} is more than {_DEEPEST} folders deep.")
    return parts


@dataclass(frozen=True)
class Tree:
    """Somebody else's folder tree. Paths are from its root, with slashes; `name` is what sentences call it."""

    root: Path
    name: str = "the repository"

    def find(self, path: str) -> Found:
        """Where `path` leads. Raises RefusedPath where that is outside, or is neither a file nor a folder."""
        with self._opened(path) as (_, found):
            return found

    def link(self, path: str) -> str:
        """The target of a link, whatever it is; empty for what is none."""
        above, _, name = path.rpartition("/")
        with self._opened(above) as (descriptor, found):
            try:
                return os.readlink(name, dir_fd=descriptor) if found.kind == "folder" else ""
            except OSError:
                return ""

    def read(self, path: str, *, most: int = LARGEST_READ) -> bytes:
        """A file's bytes. Raises RefusedPath, also for a file that is not there, or has more than `most`."""
        with self.file(path, most=most) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(most + 1)
        if len(content) > most:  # it grew meanwhile
            raise self._too_large(path, most)
        return content

    def text(self, path: str, *, most: int = LARGEST_READ) -> str:
        """A file as text; what is not UTF-8 comes as replacement characters."""
        return self.read(path, most=most).decode("utf-8", errors="replace")

    @contextmanager
    def file(self, path: str, *, most: int) -> Iterator[int]:
        """A file, open for reading. Raises RefusedPath, see `read`."""
        with self._opened(path) as (descriptor, found):
            if found.kind != "file":
                raise RefusedPath(f"{shown(path)} is {'a folder' if found.kind else 'not there'}.")
            if os.fstat(descriptor).st_size > most:
                raise self._too_large(path, most)
            yield descriptor

    def names(self, path: str) -> list[str]:
        """The names in a folder, sorted; none where there is no such folder."""
        with self._opened(path) as (descriptor, found):
            if found.kind != "folder":
                return []
            listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor)
            try:
                return sorted(entry.name for entry in os.scandir(listing))
            except OSError as error:
                raise self._unreadable(path, error) from None
            finally:
                os.close(listing)

    def entries(self, path: str, *, without: frozenset[str] = frozenset()) -> Iterator[str]:
        """The path of everything below a folder that is not itself a folder, and links as what they are called."""
        waiting = deque([path])
        listed = 0
        while waiting:
            folder = waiting.popleft()
            for name in self.names(folder):
                listed += 1
                if listed > _MOST_ENTRIES:
                    raise RefusedPath(
                        f"{shown(path) or self.name} holds more than {_MOST_ENTRIES} files and folders."
                    )
                each = f"{folder}/{name}" if folder else name
                if name in without:
                    continue
                if self._is_folder(each):
                    waiting.append(each)
                else:
                    yield each

    def _is_folder(self, path: str) -> bool:
        try:
            found = self.find(path)
        except RefusedPath:
            return False
        return found.kind == "folder" and not found.links

    @contextmanager
    def _opened(self, path: str) -> Iterator[tuple[int, Found]]:
        """What `path` leads to, held open: the folder or file itself, or the last folder where there is nothing."""
        parts = _parts(path) if path else ()
        with ExitStack() as held:
            walk = _Walk(self, path, held)
            yield walk.to(parts)

    def _too_large(self, path: str, most: int) -> RefusedPath:
        return RefusedPath(
            f"{shown(path)} is larger than {most >> 20} MiB, the most that is read of one file."
        )

    def _unreadable(self, path: str, error: OSError) -> RefusedPath:
        return RefusedPath(f"{shown(path) or self.name} cannot be read: {error.strerror or error}.")


class _Walk:
    """One way down a tree, with every folder on it held open until `held` closes."""

    def __init__(self, tree: Tree, path: str, held: ExitStack) -> None:
        self._tree, self._path, self._held = tree, path, held
        self._folders: list[int] = []
        self._names: list[str] = []
        self._links: list[tuple[str, str]] = []

    def to(self, parts: tuple[str, ...]) -> tuple[int, Found]:
        self._enter(os.fspath(self._tree.root), None)
        # Each name with whether a link's target brought it: only such a one may go up, and has to be there.
        waiting = deque((part, False) for part in parts)
        while waiting:
            part, linked = waiting.popleft()
            if part == "..":
                self._leave()
            elif part not in {"", "."}:
                mode = self._mode(part)
                if mode is None or (waiting and not stat.S_ISDIR(mode) and not stat.S_ISLNK(mode)):
                    return self._nothing(part, waiting, linked=linked and mode is None)
                if stat.S_ISLNK(mode):
                    waiting.extendleft((name, True) for name in reversed(self._target(part).split("/")))
                elif stat.S_ISDIR(mode):
                    self._enter(part, self._folders[-1])
                    self._names.append(part)
                else:
                    return self._file(part, mode), self._found("file", part)
        return self._folders[-1], self._found("folder")

    def _found(self, kind: str, *below: str) -> Found:
        return Found("/".join((*self._names, *below)), kind, tuple(self._links))

    def _nothing(self, part: str, waiting: deque[tuple[str, bool]], *, linked: bool) -> tuple[int, Found]:
        if linked or any(from_link for _, from_link in waiting):
            raise RefusedPath(f"{shown(self._path)} is a link to something that is not there.")
        return self._folders[-1], self._found("", part, *(name for name, _ in waiting))

    def _enter(self, name: str, above: int | None) -> None:
        # The root itself is named by the user, and may be a link.
        how = _LOOK if above is not None else _LOOK & ~os.O_NOFOLLOW
        try:
            descriptor = os.open(name, how, dir_fd=above)
        except (OSError, ValueError) as error:
            raise self._refused(error) from None
        self._held.callback(os.close, descriptor)
        self._folders.append(descriptor)

    def _leave(self) -> None:
        if not self._names:
            raise self._outside()
        self._names.pop()
        self._folders.pop()

    def _mode(self, name: str) -> int | None:
        try:
            return os.stat(name, dir_fd=self._folders[-1], follow_symlinks=False).st_mode
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise self._refused(error) from None

    def _target(self, name: str) -> str:
        try:
            target = os.readlink(name, dir_fd=self._folders[-1])
        except OSError as error:
            raise self._refused(error) from None
        self._links.append(("/".join((*self._names, name)), target))
        if target.startswith("/"):
            raise self._outside()
        if len(self._links) > _MOST_LINKS:
            raise RefusedPath(f"{shown(self._path)} is a link that leads in a circle.")
        return target

    def _file(self, name: str, mode: int) -> int:
        if not stat.S_ISREG(mode):
            raise self._special()
        try:
            # Does not block, should it have become a pipe meanwhile; what it is now is looked at once it is open.
            descriptor = os.open(name, _READ, dir_fd=self._folders[-1])
        except OSError as error:
            if error.errno in {errno.ENXIO, errno.ENODEV}:
                raise self._special() from None
            raise self._refused(error) from None
        self._held.callback(os.close, descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise self._special()
        return descriptor

    def _outside(self) -> RefusedPath:
        return RefusedPath(f"{shown(self._path)} is a link that leads out of {self._tree.name}.")

    def _special(self) -> RefusedPath:
        return RefusedPath(f"{shown(self._path)} is neither a file nor a folder.")

    def _refused(self, error: OSError | ValueError) -> RefusedPath:
        reason = getattr(error, "strerror", None) or error
        return RefusedPath(f"{shown(self._path) or self._tree.root} cannot be read: {reason}.")


@dataclass(frozen=True)
class Folder:
    """A folder of ours in which files of somebody else's are laid out: each where its path says, or refused."""

    root: Path

    def write(self, path: str, content: bytes) -> None:
        """Lay out a file, and the folders on its way; one that is there is replaced."""
        with self._created(path) as descriptor, os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)

    def copy(self, tree: Tree, path: str, *, to: str = "") -> None:
        """Lay out a file of `tree`, at the same path or at `to`."""
        with (
            tree.file(path, most=LARGEST_COPIED) as source,
            self._created(to or path) as descriptor,
            os.fdopen(descriptor, "wb", closefd=False) as file,
        ):
            left = LARGEST_COPIED
            while left and (chunk := os.read(source, min(_CHUNK, left))):
                file.write(chunk)
                left -= len(chunk)

    def link(self, path: str, target: str) -> None:
        """Lay out a link that `Tree.find` found to stay inside; the same one may be there already."""
        *above, name = _parts(path)
        with ExitStack() as held:
            folder = self._down(above, path, held)
            try:
                os.symlink(target, name, dir_fd=folder)
            except FileExistsError:
                pass
            except (OSError, ValueError) as error:
                raise self._refused(path, error) from None

    @contextmanager
    def _created(self, path: str) -> Iterator[int]:
        *above, name = _parts(path)
        with ExitStack() as held:
            folder = self._down(above, path, held)
            try:
                self._remove(name, folder)
                descriptor = os.open(name, _CREATE, 0o600, dir_fd=folder)
            except (OSError, ValueError) as error:
                raise self._refused(path, error) from None
            held.callback(os.close, descriptor)
            yield descriptor

    @staticmethod
    def _remove(name: str, folder: int) -> None:
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return

    def _down(self, names: list[str], path: str, held: ExitStack) -> int:
        """The folder below the root that `names` lead to, made where it is missing, without following a link."""
        try:
            descriptor = os.open(self.root, _LOOK & ~os.O_NOFOLLOW)
            held.callback(os.close, descriptor)
            for name in names:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=descriptor)
                descriptor = os.open(name, _LOOK, dir_fd=descriptor)
                held.callback(os.close, descriptor)
        except (OSError, ValueError) as error:
            raise self._refused(path, error) from None
        return descriptor

    def _refused(self, path: str, error: OSError | ValueError) -> Exception:
        if isinstance(error, OSError) and error.errno not in _OF_THE_NAME:
            return error  # a full disk, a folder of ours that may not be written to: no fault of the path
        reason = getattr(error, "strerror", None) or error
        return RefusedPath(f"{shown(path)} cannot be laid out: {reason}.")
