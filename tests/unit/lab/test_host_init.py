"""The host's first process keeps book of what it starts, and answers whoever asks."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from clusters import wait
from clusters.budgets import Budget
from clusters.lab import host_init

SOON = Budget(name="test", within=10, every=0.02, reason="a process starts and ends in milliseconds")


def _order(tmp_path: Path, *argv: str, name: str = "program") -> dict[str, Any]:
    return {
        "do": "start",
        "name": name,
        "argv": list(argv),
        "env": {"GREETING": "hello"},
        "log": str(tmp_path / f"{name}.log"),
        "socket": "",
    }


def _ended(components: host_init.Components) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        components.reap()
        return components.listing()[0]

    return wait.until("the program has ended", read=look, accept=lambda one: one["pid"] == 0, budget=SOON)


def test_output_and_exit_code_of_a_component_are_kept(tmp_path: Path) -> None:
    components = host_init.Components({})
    components.start(_order(tmp_path, "/bin/sh", "-c", "echo $GREETING; echo problem >&2; exit 3"))

    assert _ended(components)["exit"] == 3
    assert (tmp_path / "program.log").read_text() == "hello\nproblem\n"


def _listener() -> tuple[socket.socket, int]:
    """A listening socket on a port that was asked for by number, and that number."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    return socket.create_server(("127.0.0.1", port)), port


def _sockets_of(pid: int) -> set[str]:
    found = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.add(str(path.readlink()))
    return {link for link in found if link.startswith("socket:")}


def _runs(pid: int) -> bool:
    """Whether the program runs that was asked for: until then its descriptors are those of who started it."""
    return Path(f"/proc/{pid}/comm").read_text().strip() == "sleep"


def test_only_the_component_that_is_meant_inherits_a_listening_socket(tmp_path: Path) -> None:
    listener, _ = _listener()
    mine = f"socket:[{os.fstat(listener.fileno()).st_ino}]"
    passed = os.dup(listener.fileno())
    # As it was when this process was started with it.
    os.set_inheritable(passed, True)  # noqa: FBT003 - it takes no keyword
    components = host_init.Components({"api": passed})
    components.start(_order(tmp_path, "/bin/sleep", "60", name="relay") | {"socket": "api"})
    components.start(_order(tmp_path, "/bin/sleep", "60", name="other"))

    for one in components.listing():
        wait.until("it runs", read=partial(_runs, one["pid"]), accept=bool, budget=SOON)
    held = {one["name"]: _sockets_of(one["pid"]) for one in components.listing()}

    for one in components.listing():
        os.kill(one["pid"], signal.SIGKILL)
    listener.close()
    assert mine in held["relay"]
    assert mine not in held["other"]


def test_without_the_program_that_accepts_a_connection_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    listener, port = _listener()
    components = host_init.Components({"api": listener.detach()})
    order = _order(tmp_path, "/bin/sleep", "60") | {"socket": "api"}
    components.start(order)
    socket.create_connection(("127.0.0.1", port), timeout=5).close()

    components.signal("program", signal.SIGKILL)
    _ended(components)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)

    components.start(order)
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    components.signal("program", signal.SIGKILL)
    _ended(components)


def test_a_running_component_is_not_started_twice(tmp_path: Path) -> None:
    components = host_init.Components({})
    components.start(_order(tmp_path, "/bin/sleep", "60"))
    first = components.listing()[0]["pid"]
    components.start(_order(tmp_path, "/bin/sleep", "60"))

    assert components.listing()[0]["pid"] == first
    components.signal("program", signal.SIGKILL)
    assert _ended(components)["exit"] == -signal.SIGKILL


def test_an_ended_component_is_started_again_by_its_order(tmp_path: Path) -> None:
    components = host_init.Components({})
    for _ in range(2):
        components.start(_order(tmp_path, "/bin/sh", "-c", "echo once more"))
        _ended(components)

    assert (tmp_path / "program.log").read_text() == "once more\n" * 2


def test_a_component_gets_the_socket_that_it_names(tmp_path: Path) -> None:
    listener, port = _listener()
    components = host_init.Components({"api": listener.detach()})
    script = "import socket; print(socket.socket(fileno=3).getsockname()[1])"
    components.start({**_order(tmp_path, sys.executable, "-c", script), "socket": "api"})
    _ended(components)

    assert (tmp_path / "program.log").read_text().strip() == str(port)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"do": "list"}, {"components": []}),
        ({"do": "signal", "name": "nobody", "signal": 9}, {"error": "KeyError: 'nobody'"}),
    ],
)
def test_requests_are_answered_with_the_list_or_an_error(
    request_: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert host_init.answer(host_init.Components({}), request_) == expected


def test_a_program_that_is_not_there_is_an_error_and_no_crash(tmp_path: Path) -> None:
    answer = host_init.answer(host_init.Components({}), _order(tmp_path, "/no/such/program"))

    assert "No such file" in answer["error"]


def test_a_caller_that_goes_away_is_survived(capfd: pytest.CaptureFixture[str]) -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    host_init._converse(theirs, host_init.Components({}))

    assert "a request was lost" in capfd.readouterr().err


def test_a_question_over_the_socket_gets_one_line(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=host_init._converse, args=(theirs, host_init.Components({})))
    with ours, ours.makefile("rw") as stream:
        thread.start()
        stream.write('{"do": "list"}\n')
        stream.flush()
        assert json.loads(stream.readline()) == {"components": []}
    thread.join()


def test_start_time_names_a_process() -> None:
    assert host_init.start_time(os.getpid()) == host_init.start_time(os.getpid()) > 0


def test_a_mount_that_fails_says_what_was_to_be_mounted_where(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="mount nothing on"):
        host_init.mount("nothing", str(tmp_path / "nowhere"), "tmpfs")
    with pytest.raises(OSError, match="unmount"):
        host_init.unmount(str(tmp_path / "nowhere"))
