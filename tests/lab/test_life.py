"""A lab's life: booted once, damaged, killed half-way, removed without a trace, two at the same time."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters import wait
from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.lab_state import LabPaths
from clusters.lab.plan import LabOptions
from tests.lab.tools import ROOT, SOON, Kubectl, cgroup_folders, command_line, machine, mounts, run


@pytest.fixture
def small(lab_name: str) -> Lab:
    """A lab of one node, of the test's own."""
    return life.up(LabOptions(name=lab_name, nodes=1))


def test_up_on_a_running_lab_changes_nothing(lab: Lab) -> None:
    before = {node.name: lab.control(node.name).pid() for node in lab.nodes}

    done = run("up", "--name", lab.name)

    assert done.returncode == 0, done.stderr
    assert {node.name: lab.control(node.name).pid() for node in lab.nodes} == before


def test_up_with_other_options_than_the_running_lab_is_refused(lab: Lab) -> None:
    done = run("up", "--name", lab.name, "--nodes", "2")

    assert done.returncode == 6
    assert f"Lab {lab.name} runs with nodes 3" in done.stderr


def test_exec_passes_input_output_and_exit_code(lab: Lab) -> None:
    done = run(
        "exec",
        "--name",
        lab.name,
        "client",
        "--",
        "sh",
        "-c",
        "cat; ip -br addr; exit 7",
        input="from outside\n",
    )

    assert done.returncode == 7
    assert done.stdout.startswith("from outside\n")
    assert f"{lab.client.address}/24" in done.stdout


def test_down_leaves_the_machine_as_it_was(lab_name: str) -> None:
    before, mounted, groups = machine(), _mounts(lab_name), _groups(lab_name)

    running = life.up(LabOptions(name=lab_name, nodes=1))
    during, mounted_during, groups_during = machine(), _mounts(lab_name), _groups(lab_name)
    running.run("client", ["curl", "-s", "http://172.30.0.210/hostname"])
    life.down(lab_name)

    assert during == before
    assert {line for line in mounted_during - mounted if f"/run/netns/mlc-{lab_name}-" not in line} <= {
        "/run/netns /run/netns"  # the folder of names, where nobody had made it a mount before
    }
    assert {
        folder for folder in groups_during - groups if f"/metallb-conformance/{lab_name}" not in folder
    } == set()
    assert life.leftovers(lab_name) == []
    assert (machine(), _mounts(lab_name), _groups(lab_name)) == (before, mounted, groups)


def test_down_leaves_nothing_after_another_program_has_named_a_namespace(lab_name: str) -> None:
    mounted, theirs = _mounts(lab_name), f"{lab_name}-theirs"
    life.up(LabOptions(name=lab_name, nodes=1))
    subprocess.run(["ip", "netns", "add", theirs], check=True)
    try:
        life.down(lab_name)

        assert life.leftovers(lab_name) == []
        assert _mounts(lab_name) - mounted <= {"/run/netns /run/netns"}
        assert subprocess.run(["ip", "netns", "exec", theirs, "ip", "link"], check=False).returncode == 0
    finally:
        subprocess.run(["ip", "netns", "del", theirs], check=True)


def test_down_of_a_lab_that_is_not_there_is_fine() -> None:
    done = run("down", "--name", "never-there")

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("phase", ["network", "hosts booted", "manifests applied"])
def test_a_killed_up_leaves_nothing_that_down_does_not_find(lab_name: str, phase: str) -> None:
    _kill_up_after(lab_name, phase)

    assert life.leftovers(lab_name) != []
    assert life.status(lab_name)["running"] is False
    assert run("down", "--name", lab_name).returncode == 0
    assert life.leftovers(lab_name) == []


def test_up_after_a_killed_up_boots_a_whole_lab(lab_name: str) -> None:
    _kill_up_after(lab_name, "API answers")

    done = run("up", "--name", lab_name, "--nodes", "1")

    assert done.returncode == 0, done.stderr
    assert life.status(lab_name)["running"] is True


def test_an_interrupted_up_cleans_up_after_itself(lab_name: str) -> None:
    with _up(lab_name) as process:
        _await_phase(process, "API answers")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    assert process.returncode == 2
    assert life.leftovers(lab_name) == []


def test_a_dead_component_is_named_and_the_next_up_mends_it(small: Lab) -> None:
    small.component("node1", "kube-scheduler").kill()
    problems = wait.until(
        "the scheduler's end is noticed",
        read=lambda: life.status(small.name)["problems"],
        accept=bool,
        budget=SOON,
    )

    assert "kube-scheduler on node1 has ended with status -9" in problems[0]
    assert life.status(small.name)["running"] is False
    done = run("up", "--name", small.name)
    assert done.returncode == 0, done.stderr
    assert life.status(small.name)["running"] is True


def test_a_component_that_dies_while_booting_is_named(lab_name: str) -> None:
    stop = threading.Event()

    def kill_etcd() -> None:
        folder = LabPaths(lab_name).host("node1").root
        while not stop.wait(0.02):
            for pid in _pids_of("etcd", folder):
                os.kill(pid, signal.SIGKILL)
                return

    thread = threading.Thread(target=kill_etcd)
    thread.start()
    done = run("up", "--name", lab_name, "--nodes", "1")
    stop.set()
    thread.join()

    assert done.returncode == 1
    assert "etcd on node1 has ended with status -9" in done.stderr
    assert "Traceback" not in done.stderr
    assert life.leftovers(lab_name) == []


def test_two_labs_run_side_by_side(lab: Lab, small: Lab) -> None:
    both = [lab, small]

    assert len({one.state.port for one in both}) == 2
    for one in both:
        names = {node["metadata"]["name"] for node in Kubectl(one).json("get", "nodes")["items"]}
        assert names == {node.name for node in one.nodes}
        assert one.run("client", ["curl", "-s", "-m", "5", "http://172.30.0.210/hostname"]).stdout


def _mounts(lab: str) -> set[str]:
    """The machine's mounts, without the network namespaces of others who work on it."""
    return {line for line in mounts() if "/run/netns/" not in line or f"mlc-{lab}-" in line}


def _groups(lab: str) -> set[str]:
    """The machine's cgroups, without those of other labs."""
    return {folder for folder in cgroup_folders() if "/metallb-conformance" not in folder or lab in folder}


def _up(name: str) -> subprocess.Popen[str]:
    command = command_line("up", "--name", name, "--nodes", "1")
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=ROOT)


def _await_phase(process: subprocess.Popen[str], phase: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if phase in line:
            return
    raise AssertionError(f"the command ended before {phase!r}")


def _kill_up_after(name: str, phase: str) -> None:
    with _up(name) as process:
        _await_phase(process, phase)
        process.kill()


def _pids_of(program: str, folder: Path) -> Iterator[int]:
    """Processes of a program that has this lab's folder in its command line."""
    for entry in Path("/proc").iterdir():
        try:
            argv = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if (
            argv
            and Path(os.fsdecode(argv[0])).name == program
            and any(bytes(folder) in word for word in argv)
        ):
            yield int(entry.name)
