"""What a run is about to change, on disk before it is changed, so that even a killed run can be undone.

One file a run (and process), JSON lines: a header, one line for each change with how to undo it, one line
when it was made and one when it was undone. Lines about changes are fsynced before the change is made. The
file goes away when everything in it is undone; what remains is what somebody has to sweep.

Behind the last line is room (NUL) for the marks of everything that is pending, so that a disk that fills up
meanwhile keeps no mark from being written. An undo does not depend on its mark: one that is lost is undone twice.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs

from clusters import files
from clusters.errors import Inconclusive
from clusters.journal import journal_file
from clusters.journal.journal_file import JournalFile
from clusters.journal.run_origin import Header

STATE_VARIABLE = "METALLB_CONFORMANCE_STATE"
#: Room for marks: so much at least, and so much more for each change that is pending.
_ROOM, _ROOM_EACH = 4096, 64
_MOST_PID = 2**31
_KNOWN_HEADER = frozenset(Header.__dataclass_fields__)


class NotJournalled(Inconclusive):
    """The journal cannot be written, so what was to be changed has not been."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"The journal {path} cannot be written ({error.strerror or error}), so nothing was changed.",
            remedy=f"Make room for it, or name another folder in {STATE_VARIABLE}.",
        )


def state_dir() -> Path:
    """Where what must outlive a run is kept: METALLB_CONFORMANCE_STATE, or the user's state folder."""
    return Path(os.environ.get(STATE_VARIABLE) or platformdirs.user_state_dir("metallb-conformance"))


def folder_for(cluster: str) -> Path:
    """The folder of the journals of one cluster (a profile's name)."""
    return state_dir() / "journals" / cluster


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One change: a sentence, how to undo it, when it was recorded (of the epoch), and whether it was surely made."""

    seq: int
    change: str
    undo: dict[str, Any]
    at: float = 0.0
    made: bool = False


class Journal:
    """One journal file. Threads may share it. `damage` says what of an earlier run's file cannot be read."""

    def __init__(self, path: Path, header: Header | None = None) -> None:
        self.path, self.header = path, header
        self.damage: tuple[str, ...] = ()
        #: When its run last recorded a change, or, where it recorded none, when the file was written.
        self.written = 0.0
        self._entries: dict[int, Entry] = {}
        self._next = 1
        self._file: JournalFile | None = None
        self._is_ours = False
        self._unmarked: list[dict[str, Any]] = []
        self._lock = threading.RLock()  # a signal handler asks what is pending
        self._identity: dict[str, str] = {}

    @classmethod
    def for_run(cls, run_id: str, *, cluster: str, profile: str = "") -> Journal:
        """A new journal for a run against the cluster of that profile name; no file until a change.

        `profile` is how a command line names the profile, where that is another word.
        """
        journal = cls(folder_for(cluster) / f"{run_id}.jsonl")
        journal._identity = {"run": run_id, "cluster": cluster, "profile": profile or cluster}
        return journal

    @classmethod
    def load(cls, path: Path) -> Journal:
        """An earlier run's journal, as far as it can be read; nothing is raised for what is damaged."""
        journal = cls(path)
        journal._is_ours = True
        text = journal_file.read(path)
        journal.written = text.written
        damage = text.damage + [fault for line in text.lines if (fault := journal._take(line))]
        if journal.header is None and (journal._entries or damage):
            damage.insert(0, "it does not say whose it is")
        journal.damage = tuple(damage)
        return journal

    def identify(self, *, uid: str, kubeconfig: str, context: str) -> None:
        """Say which cluster is changed; before the first `record`."""
        self._identity |= {"uid": uid, "kubeconfig": kubeconfig, "context": context}

    def record(self, change: str, undo: dict[str, Any], *, at: float = 0.0) -> int:
        """Keep, on disk, what is about to be changed and how it is undone. Returns the entry's number.

        Raises NotJournalled where that cannot be done; the file is then as it was.
        """
        with self._lock:
            entry = Entry(seq=self._next, change=change, undo=undo, at=at or time.time())
            line = {"seq": entry.seq, "change": change, "undo": undo, "at": round(entry.at, 3)}
            try:
                self._opened().append(line, room=_ROOM + _ROOM_EACH * (len(self._entries) + 1))
            except OSError as error:
                raise NotJournalled(self.path, error) from error
            self._next += 1
            self._entries[entry.seq] = entry
            return entry.seq

    def made(self, seq: int) -> None:
        """The change was made. Only a hint: without it an undo looks twice whether it was."""
        with self._lock:
            self._take({"made": seq})
            with contextlib.suppress(OSError):
                self._opened().append({"made": seq}, sync=False)

    def undone(self, seq: int) -> None:
        """The change is undone, or was never made. Nothing is raised where the mark cannot be written."""
        with self._lock:
            self._take({"undone": seq})
            self._unmarked.append({"undone": seq})
            self._mark()

    def pending(self, *, after: int = 0) -> list[Entry]:
        """Changes that are not undone, the newest first; only those made after entry number `after`."""
        with self._lock:
            return [entry for seq, entry in sorted(self._entries.items(), reverse=True) if seq > after]

    @property
    def last(self) -> int:
        """The number of the newest entry, 0 where there is none."""
        return self._next - 1

    @property
    def is_left(self) -> bool:
        """Whether anything in it still has to be undone, or to be looked at by a person."""
        return bool(self._entries or self.damage)

    def forget(self) -> None:
        """Give up what is in it: there is nothing any more that it could be undone in."""
        with self._lock:
            self._entries.clear()
            self.damage = ()
            self.close()

    def close(self) -> None:
        """Let go of the file, and remove it where nothing in it is left to undo."""
        with self._lock:
            if self._is_ours and not self.is_left:
                self.path.unlink(missing_ok=True)
            elif self._is_ours:
                self._mark()
            if self._file is not None:
                self._file.close()
                self._file = None

    def _mark(self) -> None:
        """Write the marks that are still to be written, as far as that can be done."""
        with contextlib.suppress(OSError):
            while self._unmarked:
                self._opened().append(self._unmarked[0], sync=len(self._unmarked) == 1)
                del self._unmarked[0]

    def _take(self, line: dict[str, Any]) -> str:
        """Enter one line; what is wrong with it where that cannot be done, else ""."""
        if "journal" in line:
            return self._take_header(line["journal"])
        seq = int(line.get("seq") or line.get("made") or line.get("undone") or 0)
        if "seq" in line:
            at = line.get("at")
            when = float(at) if isinstance(at, int | float) else (self.header.started if self.header else 0.0)
            self._entries[seq] = Entry(seq=seq, change=line["change"], undo=line["undo"], at=when)
            self.written = when
            self._next = max(self._next, seq + 1)
        elif "made" in line and seq in self._entries:
            self._entries[seq] = replace(self._entries[seq], made=True)
        elif "undone" in line:
            self._entries.pop(seq, None)
        return ""

    def _take_header(self, found: dict[str, Any]) -> str:
        try:
            header = Header(**{key: value for key, value in found.items() if key in _KNOWN_HEADER})
        except TypeError:
            return "its header is incomplete"
        if not _is_sound(header):
            return "its header holds what is none"
        self.header = header
        return ""

    def _opened(self) -> JournalFile:
        if self._file is None:
            if self._is_ours:
                self._file = JournalFile.again(self.path)
            else:
                self._create()
        assert self._file is not None
        return self._file

    def _create(self) -> None:
        """A new file. It gets its name only when its header is in it, so that no file is ever without one."""
        self.header = self._own_header()
        folder = self.path.parent
        files.private_directory(trusted(folder))
        nameless = folder / f".{uuid.uuid4().hex}.new"
        try:
            # Saved objects may hold secrets, so nobody else reads them.
            file = JournalFile(os.open(nameless, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            try:
                file.append({"journal": asdict(self.header)}, room=_ROOM)
                self.path = _named(nameless, folder, self.header)
            except BaseException:
                file.close()
                raise
        finally:
            nameless.unlink(missing_ok=True)
        self._file, self._is_ours = file, True
        _sync_folder(folder)

    def _own_header(self) -> Header:
        if "uid" not in self._identity:
            raise ValueError("a journal must be told which cluster is changed before anything is recorded")
        return Header.of_this_process(**self._identity)


def _named(nameless: Path, folder: Path, header: Header) -> Path:
    """Give the file a name that no other has: a run may have several processes, and one may be begun anew."""
    for path in _names(folder, header):
        try:
            os.link(nameless, path)
        except FileExistsError:
            continue
        except OSError:  # a file system without hard links
            if path.exists():
                continue
            nameless.rename(path)
        return path
    raise AssertionError("the names do not end")


def _names(folder: Path, header: Header) -> Iterator[Path]:
    yield folder / f"{header.run}.jsonl"
    yield folder / f"{header.run}.{header.pid}.jsonl"
    yield from (folder / f"{header.run}.{header.pid}-{number}.jsonl" for number in itertools.count(2))


def trusted(folder: Path) -> Path:
    """The folder. Raises Refused where somebody else may write into it: whoever does says what a sweep undoes."""
    return files.require_trusted(
        folder,
        beneath=state_dir(),
        what="undoes what journals say that lie in",
        remedy=f"Name a folder of your own in {STATE_VARIABLE}.",
    )


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _is_sound(header: Header) -> bool:
    texts = {key: value for key, value in asdict(header).items() if key not in {"pid", "started"}}
    numbers = isinstance(header.pid, int) and isinstance(header.started, int | float)
    return (
        all(isinstance(value, str) for value in texts.values())
        and numbers
        and 0 < header.pid < _MOST_PID
        and math.isfinite(header.started)
    )
