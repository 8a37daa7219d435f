"""What a run is about to change, on disk before it is changed, so that even a killed run can be undone.

One file a run (and process), JSON lines: a header, one line for each change with how to undo it, one line
when it was made and one when it was undone. Lines about changes are fsynced before the change is made. The
file goes away when everything in it is undone; what remains is what somebody has to sweep.
"""

from __future__ import annotations

import json
import os
import platform
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs
import psutil

from clusters import files
from clusters.errors import CleanupFailed

STATE_VARIABLE = "METALLB_CONFORMANCE_STATE"
_SAME_START = 5.0


def state_dir() -> Path:
    """Where what must outlive a run is kept: METALLB_CONFORMANCE_STATE, or the user's state folder."""
    return Path(os.environ.get(STATE_VARIABLE) or platformdirs.user_state_dir("metallb-conformance"))


def folder_for(cluster: str) -> Path:
    """The folder of the journals of one cluster (a profile's name)."""
    return state_dir() / "journals" / cluster


@dataclass(frozen=True, kw_only=True)
class Header:
    """Whose journal it is. `uid` is the UID of the cluster's namespace kube-system.

    `started` is when process `pid` began, in seconds of the epoch; together with `machine` it tells whether
    the run is still alive.
    """

    run: str
    cluster: str
    uid: str
    kubeconfig: str
    context: str
    pid: int
    started: float
    machine: str

    @property
    def is_local(self) -> bool:
        """Whether the run was on this machine."""
        return self.machine == platform.node()

    @property
    def is_live(self) -> bool:
        """Whether the process that wrote the journal still runs."""
        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) < _SAME_START
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One change: a sentence, how to undo it, and whether it is known to have been made."""

    seq: int
    change: str
    undo: dict[str, Any]
    made: bool = False


class Journal:
    """One journal file. Threads may share it."""

    def __init__(self, path: Path, header: Header | None = None) -> None:
        self.path, self.header = path, header
        self._entries: dict[int, Entry] = {}
        self._next = 1
        self._fd: int | None = None
        self._lock = threading.RLock()  # a signal handler asks what is pending
        self._identity: dict[str, str] = {}
        self._run, self._cluster = "", ""

    @classmethod
    def for_run(cls, run_id: str, *, cluster: str) -> Journal:
        """A new journal for a run against the cluster of that profile name; no file until a change."""
        journal = cls(_free_path(folder_for(cluster), run_id))
        journal._run, journal._cluster = run_id, cluster
        return journal

    @classmethod
    def load(cls, path: Path) -> Journal:
        """An earlier run's journal. A last line torn by a kill is no entry: its change was never made.

        Raises CleanupFailed for a file that is damaged anywhere else.
        """
        journal = cls(path)
        for number, line in enumerate(_whole_lines(path), start=1):
            try:
                journal._take(json.loads(line))
            except (ValueError, TypeError, KeyError) as error:
                raise CleanupFailed(
                    f"The journal {path} is damaged in line {number} ({error}).",
                    remedy="Look through it by hand; what stands in it may still be in the cluster.",
                ) from error
        return journal

    def identify(self, *, uid: str, kubeconfig: str, context: str) -> None:
        """Say which cluster is changed; before the first `record`."""
        self._identity = {"uid": uid, "kubeconfig": kubeconfig, "context": context}

    def record(self, change: str, undo: dict[str, Any]) -> int:
        """Keep, on disk, what is about to be changed and how it is undone. Returns the entry's number."""
        with self._lock:
            entry = Entry(seq=self._next, change=change, undo=undo)
            self._append({"seq": entry.seq, "change": change, "undo": undo}, sync=True)
            self._next += 1
            self._entries[entry.seq] = entry
            return entry.seq

    def made(self, seq: int) -> None:
        """The change was made. Only a hint: without it an undo looks twice whether it was."""
        with self._lock:
            self._append({"made": seq}, sync=False)
            self._take({"made": seq})

    def undone(self, seq: int) -> None:
        """The change is undone, or was never made."""
        with self._lock:
            self._append({"undone": seq}, sync=True)
            self._take({"undone": seq})

    def pending(self, *, after: int = 0) -> list[Entry]:
        """Changes that are not undone, the newest first; only those made after entry number `after`."""
        with self._lock:
            return [entry for seq, entry in sorted(self._entries.items(), reverse=True) if seq > after]

    @property
    def last(self) -> int:
        """The number of the newest entry, 0 where there is none."""
        return self._next - 1

    def forget(self) -> None:
        """Give up what is pending: there is nothing any more that it could be undone in."""
        for entry in self.pending():
            self.undone(entry.seq)
        self.close()

    def close(self) -> None:
        """Let go of the file, and remove it where nothing in it is left to undo."""
        with self._lock:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None
            if not self._entries:
                self.path.unlink(missing_ok=True)

    def _take(self, line: dict[str, Any]) -> None:
        if "journal" in line:
            self.header = Header(**line["journal"])
        elif "seq" in line:
            self._entries[line["seq"]] = Entry(seq=line["seq"], change=line["change"], undo=line["undo"])
            self._next = line["seq"] + 1
        elif "made" in line and line["made"] in self._entries:
            entry = self._entries[line["made"]]
            self._entries[entry.seq] = Entry(seq=entry.seq, change=entry.change, undo=entry.undo, made=True)
        elif "undone" in line:
            self._entries.pop(line["undone"], None)

    def _append(self, line: dict[str, Any], *, sync: bool) -> None:
        if self._fd is None:
            self._fd = self._reopen() if self.path.exists() else self._create()
        _write(self._fd, line)
        if sync:
            os.fsync(self._fd)

    def _create(self) -> int:
        """A new file. It gets its name only when its header is in it, so that no file is ever without one."""
        self.header = self._own_header()
        files.private_directory(_trusted(self.path.parent))
        nameless = self.path.with_suffix(".new")
        # Saved objects may hold secrets, so nobody else reads them.
        fd = os.open(nameless, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        _write(fd, {"journal": asdict(self.header)})
        os.fsync(fd)
        nameless.rename(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        return fd

    def _reopen(self) -> int:
        """An earlier run's file, to go on behind its last whole line."""
        fd = os.open(self.path, os.O_WRONLY)
        os.ftruncate(fd, sum(len(line) + 1 for line in _whole_lines(self.path)))
        os.lseek(fd, 0, os.SEEK_END)
        return fd

    def _own_header(self) -> Header:
        if not self._identity:
            raise ValueError("a journal must be told which cluster is changed before anything is recorded")
        return Header(
            run=self._run,
            cluster=self._cluster,
            pid=os.getpid(),
            started=psutil.Process().create_time(),
            machine=platform.node(),
            **self._identity,
        )


def left_behind(cluster: str) -> Iterator[Journal]:
    """The journals of runs against `cluster` that have ended without undoing everything, the oldest first.

    Those of runs that are still alive are left alone, as are those of other machines: `elsewhere` has them.
    """
    for journal in _all(cluster):
        if journal.header is not None and journal.header.is_local and not journal.header.is_live:
            yield journal


def elsewhere(cluster: str) -> list[Header]:
    """The headers of journals that another machine wrote into this folder; only it can tell if they live."""
    return [each.header for each in _all(cluster) if each.header is not None and not each.header.is_local]


def _all(cluster: str) -> Iterator[Journal]:
    folder = _trusted(folder_for(cluster))
    paths = sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime) if folder.is_dir() else []
    for path in paths:
        yield Journal.load(path)


def _trusted(folder: Path) -> Path:
    """The folder. Raises Refused where somebody else may write into it: whoever does says what a sweep undoes."""
    return files.require_trusted(
        folder,
        beneath=state_dir(),
        what="undoes what journals say that lie in",
        remedy=f"Name a folder of your own in {STATE_VARIABLE}.",
    )


def _write(fd: int, line: dict[str, Any]) -> None:
    data = json.dumps(line).encode() + b"\n"
    while data:
        data = data[os.write(fd, data) :]


def _whole_lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1]


def _free_path(folder: Path, run_id: str) -> Path:
    """A run may have several processes; each writes its own file."""
    first = folder / f"{run_id}.jsonl"
    return first if not first.exists() else folder / f"{run_id}.{os.getpid()}.jsonl"
