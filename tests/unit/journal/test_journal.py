"""The journal: what is on disk when, and what a later process makes of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusters import journal
from clusters.changes import cluster_lease, leftovers
from clusters.changes.cluster_lease import Holder
from clusters.checks import Level
from clusters.journal import Journal, run_origin

ROOT = Path(__file__).parents[3]
UNDO = {"kind": "nothing", "why": "for these tests"}


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(journal.STATE_VARIABLE, str(tmp_path))


def begun(run: str = "r1", cluster: str = "edge") -> Journal:
    new = Journal.for_run(run, cluster=cluster)
    new.identify(uid="uid-1", kubeconfig="/k", context="c")
    return new


def lines_of(path: Path) -> list[str]:
    return path.read_text().rstrip("\0").splitlines()


def rewrite(path: Path, *, old: float = 0.0, **header: object) -> None:
    """Make the header say something else, and the entries that they were recorded `old` seconds ago."""
    first, *rest = map(json.loads, lines_of(path))
    first["journal"] |= header
    for line in rest:
        line["at"] = line.get("at", 0.0) - old
    path.write_text("".join(json.dumps(line) + "\n" for line in (first, *rest)))


def as_if_ended(path: Path) -> None:
    """Make the header say that another process wrote it, which is no more."""
    rewrite(path, started=1.0)


def as_if_elsewhere(path: Path, *, old: float = 3600.0) -> None:
    """Make the header say that it was written in another pod, on another node."""
    rewrite(path, old=old, machine="pod-a", place="another/1")


def test_nothing_is_written_before_something_is_changed(tmp_path: Path) -> None:
    begun().close()

    assert list(tmp_path.rglob("*")) == []


def test_a_change_is_on_disk_before_record_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[int, int]] = []
    fsync = os.fsync
    monkeypatch.setattr(
        os,
        "fsync",
        lambda fd: (fsync(fd), synced.append((os.fstat(fd).st_ino, lines_in(os.fstat(fd).st_ino)))),
    )

    def lines_in(inode: int) -> int:
        paths = [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_ino == inode]
        return len(lines_of(paths[0])) if paths else 0

    new = begun()

    new.record("create service a/b", UNDO)
    header, entry = lines_of(new.path)

    assert new.path == tmp_path / "journals" / "edge" / "r1.jsonl"
    assert json.loads(header)["journal"]["uid"] == "uid-1"
    assert json.loads(entry).items() >= {"seq": 1, "change": "create service a/b", "undo": UNDO}.items()
    assert synced[-1] == (new.path.stat().st_ino, 2)


def test_nobody_else_may_read_it() -> None:
    new = begun()
    new.record("x", UNDO)

    assert stat.S_IMODE(new.path.stat().st_mode) == 0o600


def test_the_cluster_must_be_named_first() -> None:
    with pytest.raises(ValueError, match="which cluster is changed"):
        Journal.for_run("r", cluster="edge").record("x", UNDO)


def test_what_is_pending_comes_newest_first() -> None:
    new = begun()
    first, second, third = (new.record(name, UNDO) for name in "abc")
    new.undone(second)

    assert [entry.seq for entry in new.pending()] == [third, first]
    assert [entry.seq for entry in new.pending(after=first)] == [third]
    assert new.last == third


def test_a_file_with_nothing_left_to_undo_goes_away() -> None:
    new = begun()
    new.undone(new.record("x", UNDO))
    new.close()

    assert not new.path.exists()


def test_a_file_with_something_left_stays_and_is_read_again() -> None:
    new = begun()
    made, unsure = new.record("made", UNDO), new.record("unsure", UNDO)
    new.made(made)
    new.close()

    found = Journal.load(new.path)

    assert found.header == new.header
    assert [(entry.seq, entry.change, entry.made) for entry in found.pending()] == [
        (unsure, "unsure", False),
        (made, "made", True),
    ]


def test_a_torn_last_line_is_no_entry_and_is_written_over() -> None:
    new = begun()
    new.record("whole", UNDO)
    new.close()
    new.path.write_bytes(new.path.read_bytes().rstrip(b"\0") + b'{"seq": 2, "change": "torn", "un')

    found = Journal.load(new.path)
    assert [entry.change for entry in found.pending()] == ["whole"]
    assert not found.damage
    found.undone(1)
    assert lines_of(new.path)[-1] == '{"undone": 1}'
    assert "torn" not in new.path.read_text()


@settings(deadline=None)  # each example waits for the disk
@given(cut=st.integers(min_value=0, max_value=10_000))
def test_wherever_a_write_is_torn_what_was_recorded_before_is_there(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(journal.STATE_VARIABLE, str(folder))
        new = begun()
        new.record("first", UNDO)
        kept = len(new.path.read_bytes().rstrip(b"\0"))
        new.record("second", UNDO)
        new.close()
        whole = new.path.read_bytes().rstrip(b"\0")
        new.path.write_bytes(whole[: kept + cut % (len(whole) - kept)])

        found = Journal.load(new.path)
        assert [entry.change for entry in found.pending()] == ["first"]
        found.undone(1)
        found.close()
        assert not new.path.exists()


@settings(deadline=None)
@given(cut=st.integers(min_value=1, max_value=60), which=st.integers(min_value=0, max_value=3))
def test_a_line_that_was_cut_short_in_the_middle_hides_no_other(
    tmp_path_factory: pytest.TempPathFactory, cut: int, which: int
) -> None:
    """As a release left it that went on behind half a line, once the disk had room again."""
    path = tmp_path_factory.mktemp("cut") / "r1.jsonl"
    half = (
        '{"seq": 2, "change": "never made, for it was refused", "undo": {}, "at": 1}',
        '{"undone": 1}',
        '{"made": 1}',
        '{"journal": {"run": "r1", "cluster": "edge", "uid": "uid-1", "machine": "m"}}',
    )[which]
    lines = [
        json.dumps({"journal": dataclasses.asdict(header())}),
        json.dumps({"seq": 1, "change": "first", "undo": UNDO}),
        half[: 1 + cut % (len(half) - 1)] + json.dumps({"seq": 3, "change": "third", "undo": UNDO}),
        json.dumps({"undone": 3}),
        json.dumps({"seq": 4, "change": "fourth", "undo": UNDO}),
    ]
    path.write_text("\n".join([*lines, ""]))

    found = Journal.load(path)

    assert [entry.change for entry in found.pending()] == ["fourth", "first"]
    assert found.damage == ()


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("garbage", "line 2 is damaged"),
        ('{"seq": 7, "change": "create service a/b", "un\\x', "line 2 is damaged (it was about: create service a/b)"),
        ('{"seq": "7", "change": "x", "undo": {"kind": "nothing"}}', "line 2 is damaged (it was about: x)"),
        ('{"seq": 7, "change": "x", "undo": {"kind": 5}}', "line 2 is damaged (it was about: x)"),
        ("[" * 100_000, "line 2 is damaged"),
        ('{"seq": ' + "9" * 5000 + ', "change": "x", "undo": {"kind": "a"}}', "line 2 is damaged (it was about: x)"),
    ],
)  # fmt: skip
def test_what_is_damaged_is_told_and_all_else_is_read(broken: str, told: str) -> None:
    new = begun()
    new.record("a", UNDO)
    new.close()
    lines = lines_of(new.path)
    new.path.write_text("\n".join([lines[0], broken, lines[1], ""]))

    found = Journal.load(new.path)

    assert found.damage == (told,)
    assert [entry.change for entry in found.pending()] == ["a"]
    found.undone(1)
    found.close()
    assert new.path.exists(), "somebody has to look at it"


@pytest.mark.parametrize("change", [{"pid": -1}, {"pid": "1"}, {"started": "yesterday"}, {"run": None}])
def test_a_header_that_says_nothing_sound_is_damage(change: dict[str, object]) -> None:
    new = begun()
    new.record("a", UNDO)
    rewrite(new.path, **change)

    found = Journal.load(new.path)

    assert found.header is None
    assert found.damage == ("it does not say whose it is", "its header holds what is none")


def test_a_header_of_a_newer_release_is_read_as_far_as_it_is_known() -> None:
    new = begun()
    new.record("a", UNDO)
    rewrite(new.path, colour="blue")

    assert Journal.load(new.path).header == new.header


def test_what_is_no_file_is_damage_and_is_not_waited_for(tmp_path: Path) -> None:
    pipe, link, folder = tmp_path / "pipe.jsonl", tmp_path / "link.jsonl", tmp_path / "folder.jsonl"
    os.mkfifo(pipe)
    link.symlink_to("/etc/passwd")
    folder.mkdir()

    for path in (pipe, link, folder):
        assert Journal.load(path).damage[1].startswith("it cannot be read: ")


def test_one_damaged_journal_hides_no_other() -> None:
    first, second = begun("first"), begun("second")
    for each in (first, second):
        each.record("x", UNDO)
        as_if_ended(each.path)
    first.path.write_bytes(b"garbage\n" + first.path.read_bytes())

    found = {each.header.run: each for each in leftovers.of_cluster("edge") if each.header}
    assert found.keys() == {"first", "second"}
    assert found["first"].damage == ("line 1 is damaged",)


def test_a_live_run_s_journal_is_left_alone_and_an_ended_one_is_found() -> None:
    live, ended = begun("live"), begun("ended")
    live.record("a", UNDO)
    ended.record("b", UNDO)
    as_if_ended(ended.path)

    found = leftovers.of_cluster("edge")
    assert [each.header.run for each in found if each.header and leftovers.is_over(each, None)] == ["ended"]
    assert [each.header.run for each in leftovers.of_dead_processes("edge") if each.header] == ["ended"]
    assert leftovers.of_cluster("another") == []


def test_journals_of_the_same_cluster_are_found_whatever_the_profile_was_called() -> None:
    begun(cluster="laptop").record("a", UNDO)

    assert [each.path.parent.name for each in leftovers.of_cluster("edge", "uid-1")] == ["laptop"]
    assert leftovers.of_cluster("edge", "uid-2") == []


def test_a_process_that_took_the_number_of_the_run_s_is_not_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    new = begun()
    new.record("a", UNDO)
    assert new.header is not None
    assert new.header.is_live

    monkeypatch.setattr(psutil.Process, "create_time", lambda _: new.header.started + 60)  # type: ignore[union-attr]  # set above
    assert not new.header.is_live


def header(**changed: object) -> run_origin.Header:
    new = begun()
    new.record("x", UNDO)
    assert new.header is not None
    new.forget()
    return dataclasses.replace(new.header, **changed)  # type: ignore[arg-type]  # a field's own type, by the caller


def holder(run: str = "r1", *, seconds: float = 3600.0, place: str = "another/1") -> Holder:
    until = cluster_lease.now() + dt.timedelta(seconds=seconds)
    return Holder(run=run, machine="pod-a", level=Level.CREATE, until=until, place=place)


@pytest.mark.parametrize(
    ("held", "is_over"),
    [
        (holder(), False),
        (holder(seconds=-1.0), True),
        (holder("r2"), True),
        (holder(place="another/2"), True),  # the same run, begun anew in a pod of the same name
        (holder(place=""), False),
        (None, True),
    ],
)
def test_from_elsewhere_a_run_lives_as_long_as_its_hold(held: Holder | None, *, is_over: bool) -> None:
    new = begun()
    new.record("a", UNDO)
    as_if_elsewhere(new.path)

    assert leftovers.is_over(Journal.load(new.path), held) is is_over


def test_a_run_elsewhere_that_has_just_begun_may_be_about_to_take_its_hold() -> None:
    new = begun()
    new.record("take hold", UNDO)
    as_if_elsewhere(new.path, old=5.0)

    assert not leftovers.is_over(Journal.load(new.path), None)


def test_a_machine_that_changed_its_name_still_knows_its_own_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    new = begun()
    new.record("a", UNDO)
    monkeypatch.setattr("platform.node", lambda: "another-network")

    assert new.header is not None
    assert new.header.is_local
    as_if_ended(new.path)
    assert len(leftovers.of_dead_processes("edge")) == 1


def test_two_processes_of_one_run_write_two_files() -> None:
    first, second, third = begun(), begun(), begun()
    for each in (first, second, third):
        each.record("a", UNDO)

    assert [each.path.name for each in (first, second, third)] == [
        "r1.jsonl", f"r1.{os.getpid()}.jsonl", f"r1.{os.getpid()}-2.jsonl",
    ]  # fmt: skip


def test_who_recorded_nothing_removes_nobody_s_file() -> None:
    idle, other = begun(), begun()
    other.record("a", UNDO)

    idle.close()

    assert other.path.exists()


def test_a_journal_is_never_one_of_the_standard_streams(tmp_path: Path) -> None:
    script = """
import os
from clusters.journal import Journal
os.close(2)
new = Journal.for_run("r1", cluster="edge")
new.identify(uid="u", kubeconfig="k", context="c")
new.record("x", {"kind": "nothing"})
try:
    os.write(2, b"a handler's words")
except OSError:
    pass
print(Journal.load(new.path).damage)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, journal.STATE_VARIABLE: str(tmp_path)},
    )  # fmt: skip

    assert done.stdout == "()\n", done.stderr


def test_threads_share_a_journal() -> None:
    new = begun()

    def work() -> None:
        for number in range(20):
            seq = new.record(str(number), UNDO)
            new.made(seq)
            new.undone(seq)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert new.last == 80
    assert Journal.load(new.path).pending() == []
