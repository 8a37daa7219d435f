"""A vantage on another machine by OpenSSH: a real server, in the namespace of a host on the segment."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from clusters import wait
from clusters.budgets import Budget
from clusters.lab.parts import system
from clusters.vantage import SshVantage, Target, VantageError, open_vantage, ssh
from tests.wire import sshd
from tests.wire.segment import PORT, VIP, Segment
from tests.wire.sshd import HOST, Sshd

SOON = Budget(name="test.soon", within=15, every=0.1, reason="A process ends on a busy machine.")


@pytest.fixture
def host(lan: Segment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """A server on the segment's client. Its folder's name is short, and other users may enter it."""
    program = system.find("sshd")
    if program is None:
        pytest.fail("there is no sshd: python -m clusters.lab.parts.system --tests fetches it")
    with tempfile.TemporaryDirectory(prefix="mlt", dir="/tmp") as text:
        folder = Path(text)
        folder.chmod(0o755)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
        with sshd.running(folder, program, lan["client"].netns) as server:
            yield server
            wait.until(
                "no ssh of this test runs",
                read=lambda: _left(folder),
                accept=lambda left: not left,
                budget=SOON,
            )


def _left(folder: Path) -> list[str]:
    """Every program of ssh's that has to do with the folder, and every socket in it."""
    found = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    lines = [" ".join(line) for line in found]
    sockets = [str(path) for path in (folder / f"metallb-ssh-{os.geteuid()}").glob("*")]
    return [line for line in lines if str(folder) in line and "ssh" in line.split()[0]] + sockets


def refused(host: Sshd, *, user: str = "root", key: str = "user") -> str:
    with pytest.raises(VantageError) as caught, SshVantage(HOST, config=host.as_user(user, key=key)):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_it_sees_what_a_host_on_the_segment_sees(lan: Segment, host: Sshd) -> None:
    with SshVantage(HOST, config=host.config) as vantage:
        assert (vantage.name, vantage.kind) == (f"ssh:{HOST}", "ssh")
        assert vantage.capabilities == {"tcp", "udp", "http", "neighbours", "arp", "capture"}
        assert vantage.interface_for(VIP).mac == lan["client"].mac
        assert vantage.control(lan["c"].address).ok
        assert vantage.who_answers(VIP, rounds=3, every=0.05).sole == lan["a"].mac
        assert vantage.try_once(Target(address=VIP, port=PORT)).server == "a"


def test_a_failover_is_measured_through_it(lan: Segment, host: Sshd) -> None:
    turn = threading.Event()
    with (
        SshVantage(HOST, config=host.config) as vantage,
        vantage.watch(VIP, PORT, neighbours=[lan["c"].address]) as measurement,
    ):
        turn.wait(0.5)
        measurement.mark("fault")
        lan.move(VIP, before="a", after="b")
        turn.wait(0.7)
    timeline = measurement.timeline.require_control()
    assert [(one.before, one.after) for one in timeline.owner_changes] == [(lan["a"].mac, lan["b"].mac)]
    assert set(timeline.servers) == {"a", "b"}
    assert timeline.gratuitous_after("fault")[0].mac == lan["b"].mac


def test_without_rights_there_it_does_what_an_ordinary_user_can(lan: Segment, host: Sshd) -> None:
    with SshVantage(HOST, config=host.as_user("plain")) as vantage:
        assert vantage.capabilities == {"tcp", "udp", "http", "neighbours"}
        vantage.try_once(Target(address=VIP, port=PORT))
        assert lan["a"].mac in {one.mac for one in vantage.neighbours() if one.address == VIP}


def test_two_of_them_share_one_connection(host: Sshd) -> None:
    with SshVantage(HOST, config=host.config) as first, SshVantage(HOST, config=host.config) as second:
        assert first.neighbours() is not None
        assert second.neighbours() is not None
    assert host.connections == 1


def test_a_persons_own_sharing_is_left_to_them(host: Sshd) -> None:
    with host.config.open("a") as config:
        config.write(f"  ControlPath {host.folder}/own-%C\n  ControlMaster auto\n  ControlPersist 1\n")
    assert ssh._sharing(["ssh", "-F", str(host.config)], HOST) == []


def test_a_greeting_of_the_login_shell_does_no_harm(lan: Segment, host: Sshd) -> None:
    host.settings["ForceCommand"] = 'echo Welcome; echo to this host >&2; eval "$SSH_ORIGINAL_COMMAND"'
    with SshVantage(HOST, config=host.config) as vantage:
        assert vantage.interface_for(VIP).mac == lan["client"].mac


def test_an_unknown_host_key(host: Sshd) -> None:
    host.trust("")
    assert refused(host) == (
        f"Vantage ssh:{HOST} cannot be used: the host key of {HOST} is not known here. "
        f"Connect once by hand, and compare the key: ssh {HOST}"
    )


def test_a_host_key_that_has_changed(host: Sshd) -> None:
    host.trust("stranger")
    assert f"the host key of {HOST} is not the one that known_hosts has." in refused(host)


def test_a_key_that_is_not_accepted(host: Sshd) -> None:
    assert f"{HOST} does not let this user in (Permission denied (publickey))." in refused(
        host, key="stranger"
    )


def test_no_python_there(host: Sshd) -> None:
    host.settings["SetEnv"] = f"PATH={host.folder}"
    assert refused(host) == (
        f"Vantage ssh:{HOST} cannot be used: {HOST} has no python3. "
        "Install Python 3.8 or later there; no library is needed."
    )


def test_a_python_that_is_too_old(host: Sshd) -> None:
    old = host.folder / "bin" / "python3"
    old.unlink()
    old.write_text("#!/bin/sh\necho 'the vantage needs Python 3.8 or later, and this is 3.6' >&2\nexit 1\n")
    old.chmod(0o755)
    assert "cannot be used: it needs Python 3.8 or later, and this is 3.6." in refused(host)


def test_nobody_at_home(host: Sshd) -> None:
    host.port = 1
    assert f"{HOST} cannot be reached (Connection refused)." in refused(host)


def test_a_name_without_an_address(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host nowhere.invalid\n  HostName nowhere.invalid\n")
    with (
        pytest.raises(VantageError, match=r"nowhere\.invalid has no address \("),
        SshVantage("nowhere.invalid", config=config),
    ):
        pass


def test_no_ssh_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(VantageError, match="there is no ssh on this machine"), open_vantage("ssh:somewhere"):
        pass


def test_a_destination_is_never_an_option() -> None:
    with pytest.raises(VantageError, match="ssh does not take it"), SshVantage("-oProxyCommand=touch x"):
        pass
