"""A real agent on this machine, against the loopback interface only; no rights are needed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from clusters import budgets
from clusters.vantage.client import Client
from clusters.vantage.launch import Launch
from clusters.vantage.vantage_data import VantageError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def client() -> Iterator[Client]:
    with Client("host", Launch()) as client:
        yield client


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield server.getsockname()[1]


def probe(port: int, **changed: object) -> dict[str, object]:
    return {
        "protocol": "tcp",
        "host": "127.0.0.1",
        "port": port,
        "path": "/",
        "payload": "",
        "every": 0.01,
        "timeout": 0.5,
        "body": 64,
        "count": 5,
    } | changed


def test_says_who_it_is(client: Client) -> None:
    assert client.about["pid"] == client.process.pid
    assert client.alive
    assert client.clock_offset_ns == 0


def test_tasks_run_side_by_side(client: Client, port: int) -> None:
    first, second = client.start("probe", **probe(port)), client.start("probe", **probe(port, count=3))
    for task in (first, second):
        task.until_started().until_done(5)
    assert (len(first.of("attempt")), len(second.of("attempt"))) == (5, 3)
    assert first.last["reason"] == "count"


def test_stopping_ends_a_task(client: Client, port: int) -> None:
    task = client.start("probe", **probe(port, count=0)).until_started()
    threading.Event().wait(0.1)
    task.stop()
    assert task.until_done(5).last["reason"] == "stopped"
    assert task.of("attempt")
    task.stop()  # once more is no error


def test_every_task_is_bounded(client: Client, port: int) -> None:
    task = client.start("probe", **probe(port, count=0), **{"for": 0.1}).until_started()
    assert task.until_done(5).last["reason"] == "limit"


def test_the_kernel_is_asked(client: Client) -> None:
    assert isinstance(client.ask("neighbours"), list)
    with pytest.raises(OSError, match="the address is its own"):
        client.ask("route", address="127.0.0.1")


def test_what_the_system_refuses_is_one_sentence(client: Client) -> None:
    task = client.start("capture", interface="no-such-nic", bpf=[[0x06, 0, 0, 1]])
    with pytest.raises(VantageError, match=r"^Vantage host cannot capture: [^.]+\.$"):
        task.until_started()


def test_a_missing_namespace_is_named() -> None:
    with (
        pytest.raises(VantageError, match=r"/run/netns/none: No such file"),
        Client("x", Launch(netns="/run/netns/none")),
    ):
        pass


def test_a_python_that_is_not_there_is_named() -> None:
    missing = Client("x", Launch(python=("/no/such/python",)))
    with pytest.raises(VantageError, match="/no/such/python"), missing:
        pass


def test_a_program_that_is_no_python_is_told_by_its_last_words() -> None:
    wrong = Client("x", Launch(python=("sh", "-c", "echo no python here >&2; exit 1")))
    with pytest.raises(VantageError, match="no python here"), wrong:
        pass


HELLO = '{"id": 0, "event": "hello", "pid": 1, "python": "3.11", "packets": ""}'


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("echo '{{{ Welcome to prod-1 }}}'", "it started no agent; it said '{{{ Welcome to prod-1 }}}'"),
        ('echo \'{"id": 0, "event": "hello"}\'', 'it started no agent; it said \'{"id": 0, '),
        ("echo '{\"motd\": [1, 2]}'; echo 'bye'", "it said '{\"motd\": [1, 2]} bye'"),
        ("printf '{\\000\\001\\377'", "it said '{\ufffd\ufffd\ufffd'"),
        ("yes '{' | head -c 100", "it said '{ { {"),
        ("head -c 3000000 /dev/zero", "it says more than 1 MiB before an agent's first word"),
        ("yes Welcome", "it says more than 1 MiB before an agent's first word; it said 'Welcome Welcome"),
        ("exit 0", "it said nothing"),
    ],
)
def test_a_host_that_greets_with_anything_is_one_sentence(says: str, told: str) -> None:
    began = time.monotonic()

    with pytest.raises(VantageError) as raised, Client("x", Launch(python=("sh", "-c", says))):
        pass

    assert told in str(raised.value)
    assert str(raised.value).count("\n") == 0
    assert len(str(raised.value)) < 300
    assert time.monotonic() - began < 10
    assert not [thread for thread in threading.enumerate() if thread.name == "vantage x"]


def test_a_host_that_greets_and_then_hangs_is_told_with_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets._Settings, "overrides", {"vantage_ready": 0.5, "vantage_ended": 0.2})
    hanging = Client("x", Launch(python=("sh", "-c", "echo '{ please wait'; exec sleep 60")))

    with (
        pytest.raises(VantageError, match=r"did not answer within 0.5 s; it said '{ please wait'\.$"),
        hanging,
    ):
        pass


def test_a_greeting_before_the_agent_is_passed_over() -> None:
    command = (f"echo '{{ Welcome'; echo '{{}}'; exec {sys.executable} \"$@\"",)
    with Client("x", Launch(python=("sh", "-c", *command, "sh"))) as client:
        assert client.ask("clock")["real"] > 0
        assert client.said.greeting == "{ Welcome {}"


@pytest.mark.parametrize("then", ["nonsense", '{"id": "x"}', '{"id": 1, "event": "failed"}', '{"id": 1'])
def test_an_agent_that_talks_nonsense_is_lost_at_once(then: str) -> None:
    says = f"echo '{HELLO}'; echo '{then}'; exec sleep 60"

    with (
        pytest.raises(VantageError, match="ended unexpectedly: it sent what is no message"),
        Client("x", Launch(python=("sh", "-c", says))),
    ):
        pass


def test_a_clock_that_is_none_is_told() -> None:
    reply = '{"id": 1, "event": "reply", "value": "noon"}'
    says = f"echo '{HELLO}'; head -n 1 > /dev/null; echo '{reply}'; exec sleep 60"

    with (
        pytest.raises(VantageError, match="does not say what time it is there"),
        Client("x", Launch(python=("sh", "-c", says))),
    ):
        pass


def test_an_agent_that_is_killed_is_told_at_once(client: Client, port: int) -> None:
    task = client.start("probe", **probe(port, count=0)).until_started()
    os.kill(client.process.pid, signal.SIGKILL)
    with pytest.raises(VantageError, match="ended unexpectedly"):
        task.until_done(5)
    client.process.wait(5)
    with pytest.raises(VantageError, match="is gone"):
        client.ask("clock")


def test_an_agent_that_hangs_is_killed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets._Settings, "overrides", {"vantage_ended": 0.2})
    with Client("host", Launch()) as client:
        os.kill(client.process.pid, signal.SIGSTOP)
    assert client.process.returncode == -signal.SIGKILL


def test_an_interrupt_at_the_terminal_does_not_reach_it(client: Client) -> None:
    assert os.getsid(client.process.pid) != os.getsid(0)
    os.kill(client.process.pid, signal.SIGINT)
    assert client.ask("clock")


def test_it_does_not_outlive_a_controller_that_is_killed() -> None:
    program = (
        "import sys; from clusters.vantage.client import Client; from clusters.vantage.launch import Launch\n"
        "with Client('host', Launch()) as client:\n"
        "    print(client.process.pid, flush=True); sys.stdin.read()\n"
    )
    controller = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert controller.stdout is not None
    assert controller.stdin is not None
    agent = psutil.Process(int(controller.stdout.readline()))
    controller.kill()
    controller.communicate()
    gone, alive = psutil.wait_procs([agent], timeout=3)
    assert (len(gone), alive) == (1, [])


def test_nothing_is_left_when_it_is_closed() -> None:
    before = set(psutil.Process().children(recursive=True))
    with Client("host", Launch()) as client:
        assert client.process.pid
    assert set(psutil.Process().children(recursive=True)) <= before
    assert not [thread for thread in threading.enumerate() if thread.name == "vantage host"]
