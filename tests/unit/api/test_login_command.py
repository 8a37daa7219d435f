"""Login commands that hang, flood, ask, or say what is no login; and what they are told."""

from __future__ import annotations

import base64
import json
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from clusters import budgets
from clusters.api import KubeconfigInvalid, Unauthorized
from clusters.api.login import Login, log_in
from clusters.lab import pki
from tests.unit.api.loopback import write_kubeconfig

VERSION = "client.authentication.k8s.io/v1"
SERVER = {"server": "https://192.0.2.1:6443"}


@pytest.fixture(autouse=True)
def _short() -> Iterator[None]:
    budgets.override({"login_command": 1.5})
    yield
    budgets.override({})


def logging_in(folder: Path, program: str, cluster: dict[str, Any] | None = None, **more: Any) -> Login:
    (folder / "login.py").write_text(program)
    plugin = {"command": sys.executable, "args": [str(folder / "login.py")], "apiVersion": VERSION, **more}
    return log_in(write_kubeconfig(folder / "k", cluster or SERVER, {"exec": plugin}), None)


def refusal(folder: Path, program: str, **more: Any) -> str:
    with pytest.raises(Unauthorized) as caught:
        logging_in(folder, program, **more)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(f"The login command {sys.executable!r} of {folder}/k gave no credentials: ")
    assert said.endswith("Run it by hand, or log in again.")
    return said.partition("gave no credentials: ")[2].removesuffix(" Run it by hand, or log in again.")


def printed(status: Any, kind: str = "ExecCredential", version: str = VERSION) -> str:
    answer = json.dumps({"apiVersion": version, "kind": kind, "status": status})
    return f"print({answer!r})"


def gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
            return True
    return False


def test_one_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    program = f"""
import os, subprocess, sys, threading
child = [sys.executable, "-c", "import threading; threading.Event().wait()"]
started = [subprocess.Popen(child), subprocess.Popen(child, start_new_session=True)]
open({str(tmp_path / "pids")!r}, "w").write(" ".join(str(each.pid) for each in [*started, os]
                                              if hasattr(each, "pid")) + f" {{os.getpid()}}")
threading.Event().wait()
"""
    budgets.override({"login_command": 3})
    began = time.monotonic()
    said = refusal(tmp_path, program)

    assert said == "it did not end within 3 s."
    assert time.monotonic() - began < 8
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 3
    assert gone(pids)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_one_that_floods_is_ended(tmp_path: Path, stream: str) -> None:
    said = refusal(tmp_path, f"import sys\nwhile True: sys.{stream}.write('x' * 65536)")

    wanted = (
        "it printed more than 1 MiB" if stream == "stdout" else "it did not end within 1.5 s, and said: …xxx"
    )
    assert said.startswith(wanted)
    assert len(said) < 500


def test_one_that_asks_gets_no_answer_and_no_terminal(tmp_path: Path) -> None:
    program = "import sys; sys.stdin.readline() or sys.exit('nobody there'); input('password: ')"
    assert refusal(tmp_path, program) == "it ended with exit code 1, and said: nobody there."

    assert "No such device or address" in refusal(tmp_path, "open('/dev/tty')")


def test_a_helper_that_it_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    program = f"""
import subprocess, sys
helper = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait(20)"])
open({str(tmp_path / "pid")!r}, "w").write(str(helper.pid))
{printed({"token": "t"})}
"""
    budgets.override({"login_command": 10})
    began = time.monotonic()
    login = logging_in(tmp_path, program)

    assert login.session().credentials.authorization == "Bearer t"
    assert time.monotonic() - began < 8
    psutil.Process(int((tmp_path / "pid").read_text())).kill()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("", "it printed no ExecCredential."),
        ("print('<html>')", "it printed no ExecCredential."),
        ("print('[' * 100000)", "it printed no ExecCredential."),
        ("print('{}')", "it printed no ExecCredential."),
        (printed(None), "it printed no ExecCredential."),
        (printed({"token": 5}), "it printed no ExecCredential."),
        (printed({}), "it printed neither a token nor a certificate with its key."),
        (
            printed({"clientCertificateData": "x"}),
            "it printed neither a token nor a certificate with its key.",
        ),
        (printed({"token": "t"}, kind="Pod"), f"it printed no ExecCredential of {VERSION}."),
        (printed({"token": "t"}, version="v9"), f"it printed no ExecCredential of {VERSION}."),
        (
            printed({"token": "t", "expirationTimestamp": "2027-02-30T00:00:00Z"}),
            "it printed an expirationTimestamp that is no time.",
        ),
        (
            "import sys; sys.exit('\\x1b]0;title\\x07 ended\\nmeanwhile.')",
            "it ended with exit code 1, and said:",
        ),
        ("import os; os.kill(os.getpid(), 9)", "it ended with exit code -9."),
    ],
)
def test_one_that_gives_no_login(tmp_path: Path, program: str, said: str) -> None:
    found = refusal(tmp_path, program)

    assert found.startswith(said)
    assert found.isprintable()


def test_a_token_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigInvalid, match="its token has a character that no token has"):
        logging_in(tmp_path, printed({"token": "a\r\nb"}))


def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigInvalid, match="do not serve for TLS"):
        logging_in(tmp_path, printed({"clientCertificateData": "x", "clientKeyData": "y"}))


def test_a_certificate_of_its_own(tmp_path: Path) -> None:
    pair = pki.Authority("ca").issue("jane")
    status = {"clientCertificateData": pair.certificate.decode(), "clientKeyData": pair.key.decode()}

    credentials = logging_in(tmp_path, printed(status)).session().credentials

    assert (credentials.authorization, credentials.certificate) == ("", pair.certificate)


def test_what_it_is_told(tmp_path: Path) -> None:
    authority = pki.Authority("ca").pair.certificate
    (tmp_path / "ca.crt").write_bytes(authority)
    program = f"""
import os, pathlib
pathlib.Path({str(tmp_path / "told")!r}).write_text(os.environ["KUBERNETES_EXEC_INFO"])
assert os.environ["WHO"] == "jane"
{printed({"token": "t"})}
"""
    cluster = {
        **SERVER,
        "certificate-authority": "ca.crt",
        "tls-server-name": "api.example",
        "extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}],
    }
    logging_in(tmp_path, program, cluster, provideClusterInfo=True, env=[{"name": "WHO", "value": "jane"}])

    assert json.loads((tmp_path / "told").read_text()) == {
        "apiVersion": VERSION,
        "kind": "ExecCredential",
        "spec": {
            "interactive": False,
            "cluster": {
                "server": SERVER["server"],
                "tls-server-name": "api.example",
                "certificate-authority-data": base64.b64encode(authority).decode(),
                "config": {"audience": "x"},
            },
        },
    }


def test_a_command_beside_the_kubeconfig_is_found_there_and_nowhere_else(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "login"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\n{printed({'token': 'beside'})}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    plugin = {"command": "./bin/login", "apiVersion": VERSION, "installHint": "Get\x1b it."}
    path = write_kubeconfig(tmp_path / "k", SERVER, {"exec": plugin})

    assert log_in(path, None).session().credentials.authorization == "Bearer beside"
    script.unlink()
    with pytest.raises(KubeconfigInvalid, match=r"'./bin/login', which is not installed here\. Get  it\."):
        log_in(path, None)


def test_who_has_a_token_needs_no_command(tmp_path: Path) -> None:
    plugin = {"command": "false", "apiVersion": VERSION}
    path = write_kubeconfig(tmp_path / "k", SERVER, {"exec": plugin, "token": "t"})

    assert log_in(path, None).session().credentials.authorization == "Bearer t"


def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    script = tmp_path / "login"
    script.write_bytes(b"\x7fELF nothing")
    script.chmod(0o700)
    plugin = {"command": str(script), "apiVersion": VERSION}

    with pytest.raises(
        Unauthorized, match=r"gave no credentials: it cannot be started \(Exec format error\)\."
    ):
        log_in(write_kubeconfig(tmp_path / "k", SERVER, {"exec": plugin}), None)
