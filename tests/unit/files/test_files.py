"""Files: whole or not there, their owner's alone, and trusted only where nobody else may write."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clusters import files, journal
from clusters.changes import leftovers
from clusters.errors import ConformanceError, Refused
from clusters.lab import lab_state
from clusters.lab.parts import cache

ROOT = Path(__file__).resolve().parents[3]
#: A user of this machine's that is neither root nor, as a rule, who runs the tests.
SOMEBODY = 4321


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """As open as a umask can be: nothing here may depend on it."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("data", ["text\n", b"bytes\n"])
def test_a_file_is_its_owner_s_alone_and_so_is_what_was_made_for_it(
    tmp_path: Path, data: str | bytes
) -> None:
    files.write_atomically(tmp_path / "a" / "b" / "c.txt", data)

    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() in (b"text\n", b"bytes\n")
    assert [mode(each) for each in (tmp_path / "a", tmp_path / "a/b", tmp_path / "a/b/c.txt")] == [
        0o700,
        0o700,
        0o600,
    ]


def test_a_file_that_others_could_read_is_its_owner_s_again(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o666)

    files.write_atomically(tmp_path / "a", "new")

    assert mode(tmp_path / "a") == 0o600


def test_a_file_for_another_program_is_readable(tmp_path: Path) -> None:
    files.write_atomically(tmp_path / "a.prom", "x 1\n", mode=files.PUBLIC)

    assert mode(tmp_path / "a.prom") == 0o644


def test_what_could_not_be_written_whole_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write_atomically(tmp_path / "a", "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(tmp_path / "a", "new")

    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("a", "old")]


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("kept")
    (tmp_path / "a").symlink_to(tmp_path / "victim")

    files.write_atomically(tmp_path / "a", "new")

    assert (tmp_path / "victim").read_text() == "kept"
    assert not (tmp_path / "a").is_symlink()


def test_a_name_as_long_as_names_can_be(tmp_path: Path) -> None:
    files.write_atomically(tmp_path / ("n" * 255), "x")

    assert [len(each.name) for each in tmp_path.iterdir()] == [255]


def test_a_folder_that_is_there_stays_as_its_owner_made_it(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)

    assert files.private_directory(tmp_path / "shared") == tmp_path / "shared"
    assert mode(tmp_path / "shared") == 0o755


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    with pytest.raises(FileExistsError):
        files.private_directory(tmp_path / "a")
    with pytest.raises(NotADirectoryError):
        files.private_directory(tmp_path / "a" / "b")


def test_an_empty_private_file_is_there_for_a_program_that_asks_for_no_mode(tmp_path: Path) -> None:
    made = files.private_file(tmp_path / "new" / "a")
    made.write_text("kept")

    assert files.private_file(made).read_text() == "kept"
    assert mode(made) == 0o600


def test_what_other_programs_wrote_is_made_private_and_no_link_is_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch(mode=0o644)
    inner = tmp_path / "run" / "evidence"
    inner.mkdir(parents=True, mode=0o755)
    (inner / "a.log").touch(mode=0o664)
    (inner / "read-only").touch(mode=0o444)
    (inner / "link").symlink_to(outside)
    (inner / "folder").symlink_to(tmp_path)

    files.make_private(tmp_path / "run")

    assert [mode(each) for each in (inner, inner / "a.log", inner / "read-only")] == [0o700, 0o600, 0o400]
    assert mode(outside) == 0o644


def test_all_that_a_run_leaves_is_its_user_s_alone(tmp_path: Path) -> None:
    """A whole run under the most open umask, in a folder of its own: pages, results, history, evidence."""
    kept = ROOT / "tests/unit/diagnosis/observations/strict-arp-off.json.gz"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "suites", "-q", "-p", "no:cacheprovider"),
            *("--snapshot", kept, "--run-id", "night", "--save-snapshot", tmp_path / "saved.json"),
        ],
        cwd=ROOT,
        env=os.environ | {"METALLB_CONFORMANCE_REPORTS": str(tmp_path / "reports")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 1, done.stdout + done.stderr
    left = {path: path for path in (tmp_path / "reports").rglob("*") if not path.is_symlink()}
    names = {path.name for path in left}
    assert {"results.json", "report.html", "junit.xml", "pytest-html.html", "history.db", "night"} <= names
    assert (tmp_path / "reports" / "out" / "latest").resolve() == tmp_path / "reports" / "out" / "night"
    modes = {str(path): mode(path) for path in left}
    assert {path: each for path, each in modes.items() if each & 0o077} == {}


def private(path: Path) -> Path:
    path.mkdir(mode=0o700)
    return path


def owned_by_somebody(path: Path) -> None:
    os.chown(path, SOMEBODY, SOMEBODY)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "everybody may write": (lambda path: path.chmod(0o777), "may be written by everybody"),
    "everybody may put something in": (lambda path: path.chmod(0o1777), "may be written by everybody"),
    "somebody else's": (owned_by_somebody, f"belongs to user {SOMEBODY}"),
}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file to another user")


@pytest.mark.parametrize(
    "fault", [pytest.param(each, marks=[as_root] if "else" in each else []) for each in BAD]
)
@pytest.mark.parametrize("above", [False, True], ids=["itself", "above it"])
def test_a_folder_is_not_trusted_where_others_may_write(tmp_path: Path, fault: str, *, above: bool) -> None:
    spoil, said = BAD[fault]
    folder = private(private(tmp_path / "a") / "b")
    spoil(folder.parent if above else folder)

    if above and fault == "everybody may put something in":
        assert files.require_trusted(folder, what="runs", remedy="") == folder
        return
    with pytest.raises(Refused) as refused:
        files.require_trusted(folder, what="executes what lies in", remedy="Name another.")

    assert said in str(refused.value)
    assert str(folder) in str(refused.value)
    assert str(refused.value).endswith(". Name another.")


def test_a_group_with_others_in_it_may_not_write_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = private(tmp_path / "a")
    folder.chmod(0o775)
    monkeypatch.setattr(files, "_has_others", lambda _gid: False)
    assert files.require_trusted(folder, what="runs", remedy="") == folder
    monkeypatch.setattr(files, "_has_others", lambda _gid: True)

    with pytest.raises(Refused, match="may be written by group "):
        files.require_trusted(folder, what="runs", remedy="")


def test_a_link_is_judged_by_where_it_stands_and_where_it_leads(tmp_path: Path) -> None:
    good, bad = private(tmp_path / "good"), private(tmp_path / "bad")
    (good / "cache").symlink_to(private(bad / "cache"))
    (bad / "cache2").symlink_to(private(good / "cache2"))
    bad.chmod(0o777)

    for link in (good / "cache", bad / "cache2"):
        with pytest.raises(Refused, match="/bad may be written by everybody"):
            files.require_trusted(link, what="runs", remedy="")


def test_a_missing_folder_is_judged_by_those_above_it(tmp_path: Path) -> None:
    assert files.require_trusted(tmp_path / "not" / "yet", what="runs", remedy="") == tmp_path / "not" / "yet"
    tmp_path.chmod(0o777)
    with pytest.raises(Refused):
        files.require_trusted(tmp_path / "not" / "yet", what="runs", remedy="")


def test_a_shared_volume_is_not_looked_at_where_it_is_meant_to_be_one(tmp_path: Path) -> None:
    volume = private(tmp_path / "volume")
    state = private(volume / "state")
    volume.chmod(0o777)

    assert files.require_trusted(state / "journals", what="runs", remedy="", beneath=state)
    state.chmod(0o777)
    with pytest.raises(Refused):
        files.require_trusted(state / "journals", what="runs", remedy="", beneath=state)


@pytest.mark.parametrize("fault", ["everybody may write", pytest.param("somebody else's", marks=as_root)])
def test_nothing_is_executed_or_undone_out_of_a_folder_that_others_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    folder = private(tmp_path / "a")
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(folder))
    monkeypatch.setenv(journal.STATE_VARIABLE, str(folder))
    uses: list[Callable[[], object]] = [
        cache.cache_root,
        lab_state.state_root,
        lambda: leftovers.of_cluster("homelab"),
    ]
    for use in uses:
        use()
    BAD[fault][0](folder)

    for use in uses:
        with pytest.raises(ConformanceError, match=re.escape(BAD[fault][1])):
            use()


@as_root
def test_a_part_that_somebody_else_put_into_the_cache_is_not_used(tmp_path: Path) -> None:
    slot = cache.Slot(private(tmp_path / "cache"), "parts", "etcd", "0" * 12)
    slot.publish(lambda folder: (folder / "etcd").touch(), waiting=lambda: None)
    assert slot.ready
    owned_by_somebody(slot.folder)

    with pytest.raises(Refused, match=r"belongs to user 4321\. Remove it"):
        _ = slot.ready


def test_files_are_written_atomically_in_one_place_alone() -> None:
    """Beside it: the journal, which keeps its file open; the cache, which renames folders; a lab host's own program."""
    own = re.compile(r"delete=False|\.partial\"|mkstemp\(|os\.replace\(|\.rename\(")
    found = {
        str(path.relative_to(ROOT))
        for package in ("clusters", "reports", "suites")
        for path in (ROOT / package).rglob("*.py")
        if own.search(path.read_text())
    }

    others = {"clusters/journal/journal.py", "clusters/lab/parts/cache.py", "clusters/lab/host_init.py"}
    assert found - others == {"clusters/files.py"}
