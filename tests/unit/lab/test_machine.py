"""What is looked at, locked and removed on the machine, with no lab on it."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from clusters.errors import CleanupFailed, Refused
from clusters.lab import __main__ as command
from clusters.lab import cgroups, hosts, lab_state, life, preflight
from clusters.lab.hosts import HostControl
from clusters.lab.lab_state import LabPaths, LabState
from clusters.lab.plan import LabOptions


@pytest.fixture(autouse=True)
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own."""
    monkeypatch.setenv(lab_state.STATE_VARIABLE, str(tmp_path))
    return tmp_path / "labs"


def _state(name: str = "x", *, ready: bool = True) -> LabState:
    found = LabState(LabOptions(name=name), 1234, "/bin/kubectl", "0.15.2", ready=ready)
    LabPaths(name).root.mkdir(parents=True)
    found.save()
    return found


def test_a_record_is_read_as_it_was_written() -> None:
    assert LabState.load("x") is None
    assert LabState.load(_state().options.name) == LabState(
        LabOptions(name="x"), 1234, "/bin/kubectl", "0.15.2", ready=True
    )


def test_a_torn_record_counts_as_none() -> None:
    _state()
    LabPaths("x").state.write_text('{"options": {')

    assert LabState.load("x") is None


def test_known_labs_are_those_with_a_folder() -> None:
    _state("b")
    _state("a")

    assert lab_state.known_labs() == ["a", "b"]


def test_a_lock_lets_one_in_and_goes_with_the_lab() -> None:
    entered, leave, order = threading.Event(), threading.Event(), []

    def first() -> None:
        with lab_state.locked("x"):
            entered.set()
            leave.wait(10)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait(10)
    threading.Timer(0.2, leave.set).start()
    with lab_state.locked("x"):
        order.append("second")
    thread.join()

    assert order == ["first", "second"]
    assert not LabPaths("x").lock.exists()


def test_a_half_done_lab_is_not_healthy_and_not_running() -> None:
    _state(ready=False)

    assert life.healthy("x") is None
    found = life.status("x")
    assert found["running"] is False
    assert "has not finished booting" in found["problems"][0]


def test_a_lab_whose_hosts_are_gone_says_so() -> None:
    _state()

    assert life.healthy("x") is None
    assert "host node1 itself is not running" in life.status("x")["problems"][0]


def test_a_recorded_pid_that_is_now_another_process_is_not_the_hosts() -> None:
    control = HostControl("x", "node1")
    control.paths.root.mkdir(parents=True)
    control.paths.pid.write_text(json.dumps({"pid": os.getpid(), "start": 1}))

    assert control.pid() is None
    control.kill()


def test_the_end_of_a_log_is_one_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(9)))

    assert hosts.last_lines(log, 2) == "line 7 | line 8"
    assert hosts.last_lines(tmp_path / "none") == "(no log)"


def test_removing_a_lab_that_is_not_there_is_fine() -> None:
    life.remove("never-there")

    assert life.leftovers("never-there") == []


def test_a_folder_that_cannot_be_removed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _state()
    monkeypatch.setattr(life.shutil, "rmtree", lambda *_, **__: None)

    with pytest.raises(CleanupFailed, match=str(LabPaths("x").root)):
        life.remove("x")


def test_processes_of_a_cgroup_tree_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = tmp_path / cgroups.PARENT / "x" / "node1" / "kubepods"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text("11\n12\n")
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
    monkeypatch.setattr(cgroups, "MOUNT", tmp_path)

    assert cgroups.processes("x") == {11, 12}
    assert cgroups.hierarchies() == []


def test_version_2_hands_controllers_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu")
    monkeypatch.setattr(cgroups, "MOUNT", tmp_path)
    real = Path.mkdir

    def as_the_kernel_does(self: Path, *args: object, **options: object) -> None:
        real(self, *args, **options)  # type: ignore[arg-type]
        (self / "cgroup.controllers").write_text("cpu")

    for part in ("", "x", "x/node1", "x/node1/init"):
        as_the_kernel_does(tmp_path / cgroups.PARENT / part)
    (made,) = cgroups.create("x", "node1")

    assert made == tmp_path / cgroups.PARENT / "x" / "node1"
    assert (made / "cgroup.subtree_control").read_text() == "+cpu"


def test_preflight_refuses_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.os, "geteuid", lambda: 1000)

    with pytest.raises(Refused, match="needs root"):
        preflight.check(LabOptions())


def test_everything_that_is_missing_is_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.os, "geteuid", lambda: 0)
    monkeypatch.setattr(preflight, "SEARCH_PATH", "/nonexistent")
    monkeypatch.setattr(preflight, "_kernel", lambda _: iter(()))
    monkeypatch.setattr(preflight, "_MEMORY", (4096.0, 1.0))
    monkeypatch.setattr(preflight, "_INOTIFY", (10**9, 1))

    with pytest.raises(Refused) as refused:
        preflight.check(LabOptions(families="dual"))

    text = str(refused.value)
    assert "the commands runc, iptables, conntrack, mount, umount, nft, ip6tables" in text
    assert "4099.0 GiB of memory" in text
    assert "inotify instances" in text
    assert "apt-get install conntrack iptables mount nftables runc" in text


def test_commands_print_sentences_and_return_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["exec", "--name", "x", "client", "--", "true"]) == 6
    assert "error: No lab x is running." in capsys.readouterr().err
    assert command.main(["exec", "client"]) == 4
    assert command.main(["status", "--name", "NO"]) == 4
    capsys.readouterr()
    assert command.main(["status", "--name", "x"]) == 0
    assert json.loads(capsys.readouterr().out)["running"] is False
