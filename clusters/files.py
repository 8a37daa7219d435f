"""Files on disk: written whole or not at all, for their owner alone, and trusted only where nobody else may write.

What a run keeps of a cluster is nobody else's, so files are 0600 and folders 0700 whatever the umask is. Whoever
serves them to others copies them, or opens them with chmod.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from clusters.errors import Refused

#: What a file and a folder of ours may be: its owner's alone; or, for a program of another user, read by everybody.
PRIVATE, PRIVATE_FOLDER, PUBLIC = 0o600, 0o700, 0o644
_PUBLIC_FOLDER = 0o755
REPORTS_VARIABLE = "METALLB_CONFORMANCE_REPORTS"
#: Where runs leave their files and their history, as a rule beneath the checkout.
REPORTS = Path(os.environ.get(REPORTS_VARIABLE) or "reports")
_NAME_SHOWN = 40

#: What comes with the suite and is no Python: inside the installed package, or at the top of a checkout.
_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "shipped_files"
_CHECKOUT = _PACKAGE.parent


def write_atomically(path: Path, data: bytes | str, *, mode: int = PRIVATE) -> None:
    """Write a file in one step: whoever reads it finds what was there before, or all of `data`. Raises OSError.

    Folders that are missing are made, for their owner alone.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    private_directory(path.parent)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:_NAME_SHOWN]}.")
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def private_directory(path: Path) -> Path:
    """The folder, made for its owner alone with all that is missing above it; one that is there stays as it is."""
    return _directory(path, PRIVATE_FOLDER)


def readable_directory(path: Path) -> Path:
    """The same for what everybody may read, and still nobody else may write."""
    return _directory(path, _PUBLIC_FOLDER)


def _directory(path: Path, mode: int) -> Path:
    missing = []
    for each in (path, *path.parents):
        if each.exists():
            break
        missing.append(each)
    for each in reversed(missing):
        each.mkdir(mode=mode, exist_ok=True)
    # Raises what mkdir raises where something else has the name.
    path.mkdir(mode=mode, exist_ok=True)
    return path


def private_file(path: Path) -> Path:
    """The file, made empty for its owner alone where it is missing; for programs that would make it for everybody."""
    private_directory(path.parent)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
    return path


def make_private(folder: Path) -> None:
    """Make all that is in a folder its owner's alone: other programs write there, too. No link is followed."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            # What is removed meanwhile, or is another user's, is not ours to change.
            with contextlib.suppress(OSError):
                found = path.lstat().st_mode
                if stat.S_ISDIR(found):
                    path.chmod(PRIVATE_FOLDER)
                elif stat.S_ISREG(found) and found & 0o077:
                    path.chmod(stat.S_IMODE(found) & 0o700)


def require_trusted(folder: Path, *, what: str, remedy: str, beneath: Path | None = None) -> Path:
    """The folder. Raises Refused, one sentence, where somebody else may put something into it, or in its place.

    `what` says what is taken from it: "executes what lies in". A folder that is missing is judged by those above it.
    Those above `beneath` are not looked at: it is for a folder that others share on purpose, as volumes are.
    """
    for path in _on_the_way(folder):
        if beneath is not None and not path.is_relative_to(beneath.absolute()):
            continue
        reason = _distrusted(path, itself=path in (folder.absolute(), folder.resolve()))
        if reason:
            where = f"{folder}, and {path} {reason}" if path != folder else f"{folder}, which {reason}"
            raise Refused(f"A run as {_user(os.geteuid())} {what} {where}.", remedy=remedy)
    return folder


def _on_the_way(folder: Path) -> Iterator[Path]:
    """The folder and all above it, as it is named and as it is: who may move a link may lead it elsewhere."""
    seen = set()
    for path in (folder.absolute(), folder.resolve()):
        for each in (path, *path.parents):
            if each not in seen:
                seen.add(each)
                yield each


def _distrusted(path: Path, *, itself: bool) -> str:
    """Why what is in this folder may be somebody else's; empty where it is not, or is not there."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    if found.st_uid not in (0, os.geteuid()):
        return f"belongs to {_user(found.st_uid)}"
    # A link's own mode says nothing; where it leads is looked at. In a sticky folder (/tmp) nobody moves what is
    # another's, but everybody may put something there.
    harmless = stat.S_ISLNK(found.st_mode) or (found.st_mode & stat.S_ISVTX and not itself)
    return "" if harmless else _written_by_others(found)


def _written_by_others(found: os.stat_result) -> str:
    if found.st_mode & stat.S_IWOTH:
        return "may be written by everybody"
    if found.st_mode & stat.S_IWGRP and _has_others(found.st_gid):
        return f"may be written by group {_group(found.st_gid)}"
    return ""


def _has_others(gid: int) -> bool:
    """Whether somebody else is in a group; a user's own one, as many systems make it, has nobody else."""
    own = (0, os.geteuid())
    try:
        members = grp.getgrgid(gid).gr_mem
    except KeyError:
        members = []
    users = [each for each in pwd.getpwall() if each.pw_gid == gid or each.pw_name in members]
    known = {each.pw_name for each in users}
    return any(each.pw_uid not in own for each in users) or any(name not in known for name in members)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def shipped_folder(name: str) -> Path:
    """A folder that comes with the suite: `examples/platform` (the example repository) or `deploy/rbac` (the roles)."""
    return (_INSTALLED if _INSTALLED.is_dir() else _CHECKOUT) / name
