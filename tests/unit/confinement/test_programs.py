"""Running a program on foreign files: bounded in time, output and memory, and without a network."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

import pytest

from clusters import sandbox
from clusters.sandbox import Limits, TooMuch, TooSlow

LIMITS = Limits(seconds=20, output=1 << 20)


def run(*command: str, limits: Limits = LIMITS, isolated: bool = False, **given: bytes) -> sandbox.Finished:
    if isolated:
        return sandbox.run_isolated(command, directory=Path("/"), environment={}, limits=limits)
    return sandbox.run(command, directory=Path("/"), environment={}, limits=limits, **given)


def python(text: str, *, limits: Limits = LIMITS, isolated: bool = True) -> sandbox.Finished:
    return run(sys.executable, "-I", "-S", "-c", text, limits=limits, isolated=isolated)


def test_what_a_program_prints_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METALLB_CONFORMANCE_NOTIFY", "mailto://user:password@example.org")

    found = run("/bin/sh", "-c", "cat; env; echo wrong >&2; exit 3", given=b"given ")

    assert (found.code, found.errors) == (3, "wrong\n")
    assert found.output.startswith(b"given ")
    assert b"password" not in found.output


@pytest.mark.parametrize("isolated", [False, True])
def test_one_that_does_not_end_is_ended_with_what_it_started(tmp_path: Path, *, isolated: bool) -> None:
    begun = time.monotonic()
    kept = tmp_path / "pid"
    with pytest.raises(TooSlow):
        run("/bin/sh", "-c", f"sleep 60 & echo $! >{kept}; wait", limits=Limits(0.5, 100), isolated=isolated)

    assert time.monotonic() - begun < 10
    child = int(kept.read_text())
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child}/cmdline").exists() and time.monotonic() < deadline:
        if not Path(f"/proc/{child}/cmdline").read_bytes():  # dead, and not yet waited for by init
            break
    assert not Path(f"/proc/{child}").exists() or not Path(f"/proc/{child}/cmdline").read_bytes()


@pytest.mark.parametrize("isolated", [False, True])
def test_one_that_prints_without_end_is_ended(*, isolated: bool) -> None:
    with pytest.raises(TooMuch):
        python("while True: print('x' * 1000)", isolated=isolated)


def test_errors_without_end_are_cut() -> None:
    found = python("import sys\nfor _ in range(5000): sys.stderr.write('x' * 1000)")

    assert found.code == 0
    assert len(found.errors) < 200_000


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bound a process's memory")
def test_memory_is_bounded() -> None:
    found = python("x = b'x' * (1 << 30)", limits=Limits(seconds=20, output=100, memory=256 << 20))

    assert found.code == 1
    assert "MemoryError" in found.errors


def test_an_isolated_one_reaches_no_listener_of_this_machine() -> None:
    if sys.platform != "linux":
        pytest.skip("needs Linux: elsewhere a program keeps the network")
    own = str(Path("/proc/self/ns/net").readlink())
    if own in run("/bin/readlink", "/proc/self/ns/net", isolated=True).output.decode():
        pytest.skip("needs root, or a kernel that allows users a namespace without a network")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        port = listener.getsockname()[1]

        found = python(f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)")

        assert "Network is unreachable" in found.errors
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_program_that_is_not_there_is_an_error_of_the_operating_system() -> None:
    for isolated in (False, True):
        with pytest.raises(OSError, match="No such file") as told:
            run("/nonexistent/program", isolated=isolated)
        assert told.value.strerror == "No such file or directory"


def test_a_program_of_the_folder_that_one_stands_in_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", ".::bin")

    assert sandbox.program("git") is None
