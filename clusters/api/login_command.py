"""Programs that log in, `exec` of a kubeconfig: run without a terminal, and no longer than a budget.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import base64
import json
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from clusters import bounds, budgets
from clusters.api.errors import KubeconfigInvalid, Unauthorized
from clusters.api.kubeconfig import Entry
from clusters.api.kubeconfig_file import LoginCommand
from clusters.objects import Object

_GROUP = "client.authentication.k8s.io"
_VERSIONS = tuple(f"{_GROUP}/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
_BY_HAND = "Run it by hand, or log in again."
#: What is kept of what a command said: enough for its last sentence.
_SAID = 300
_PIECE = 1 << 16
_LOOK = 0.1


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a login command gave; `ends` is a time of the epoch, None where it did not say."""

    token: str = field(repr=False)
    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)
    ends: float | None


class _Status(BaseModel):
    model_config = ConfigDict(strict=True)

    token: str = ""
    certificate: str = Field("", alias="clientCertificateData")
    key: str = Field("", alias="clientKeyData")
    ends: str = Field("", alias="expirationTimestamp")


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True)

    kind: str
    api_version: str = Field(alias="apiVersion")
    status: _Status


def check(entry: Entry, command: LoginCommand) -> None:
    """Raises KubeconfigInvalid for a command that cannot be run here, before anything is."""
    if command.api_version not in _VERSIONS:
        raise KubeconfigInvalid(
            f"{entry.of_user}: exec.apiVersion {command.api_version!r} is none of {', '.join(_VERSIONS)}."
        )
    if command.interactive == "Always":
        raise KubeconfigInvalid(
            f"{entry.of_user}: its login command wants a terminal (interactiveMode Always), and a run has none.",
            remedy="Use a login that asks nobody.",
        )
    texts = [command.command, *(command.args or [])]
    texts += [text for each in command.env or [] for text in (each.name, each.value)]
    if any("\0" in text for text in texts) or any("=" in each.name for each in command.env or []):
        raise KubeconfigInvalid(f"{entry.of_user}: exec has a text that no program can be given.")
    if not _program(entry, command):
        raise KubeconfigInvalid(
            f"The kubeconfig {entry.user_file} logs in with the command {command.command!r}, "
            "which is not installed here.",
            remedy=_printable(command.install_hint) or "Install it, or put it on the PATH.",
        )


def run(entry: Entry, command: LoginCommand, cluster: Mapping[str, Any]) -> Given:
    """What the command gives. Raises Unauthorized where that is no login, or does not come in time.

    `cluster` is what it may know of the cluster, where the kubeconfig wants that.
    """
    check(entry, command)
    ran = _run(entry, command, _environment(command, cluster))
    if ran.why:
        raise _failed(entry, command, ran.why, ran.said)
    try:
        answer = _Answer.model_validate(from_json(ran.output))
        return _given(command, answer)
    except (ValidationError, ValueError) as error:
        why = str(error) if type(error) is _NoLoginError else "it printed no ExecCredential"
        raise _failed(entry, command, why, ran.said) from None


class _NoLoginError(ValueError):
    """An answer that is one, and says nothing that one could log in with."""


def _given(command: LoginCommand, answer: _Answer) -> Given:
    status = answer.status
    if answer.kind != "ExecCredential" or answer.api_version != command.api_version:
        raise _NoLoginError(f"it printed no ExecCredential of {command.api_version}")
    if bool(status.certificate) != bool(status.key) or not (status.token or status.certificate):
        raise _NoLoginError("it printed neither a token nor a certificate with its key")
    try:
        ends = datetime.fromisoformat(status.ends).timestamp() if status.ends else None
    except (ValueError, OverflowError):
        raise _NoLoginError("it printed an expirationTimestamp that is no time") from None
    return Given(
        token=status.token, certificate=status.certificate.encode(), key=status.key.encode(), ends=ends
    )


def _program(entry: Entry, command: LoginCommand) -> str | None:
    """The program's path; a relative one with a slash begins at the kubeconfig, as for kubectl."""
    if os.sep in command.command:
        return shutil.which(str(entry.user_file.absolute().parent / command.command))
    return shutil.which(command.command)


def _environment(command: LoginCommand, cluster: Mapping[str, Any]) -> dict[str, str]:
    spec: Object = {"interactive": False}
    if command.provide_cluster:
        spec["cluster"] = cluster
    info = {"apiVersion": command.api_version, "kind": "ExecCredential", "spec": spec}
    added = {each.name: each.value for each in command.env or []}
    return {**os.environ, **added, "KUBERNETES_EXEC_INFO": json.dumps(info)}


@dataclass
class _Ran:
    """What became of a command: `why` it gave nothing, or "" with its output."""

    output: bytes = b""
    said: bytes = b""
    why: str = ""


def _run(entry: Entry, command: LoginCommand, environment: Mapping[str, str]) -> _Ran:
    program = _program(entry, command) or command.command
    try:
        # A session of its own has no terminal to ask, and can be ended with all its children.
        process = subprocess.Popen(
            [program, *(command.args or [])], env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        return _Ran(why=f"it cannot be started ({getattr(error, 'strerror', None) or error})")
    ran = _Ran()
    try:
        ran.why = _listen(process, ran, budgets.get(budgets.LOGIN_COMMAND).within)
    finally:
        if ran.why or process.poll() is None:
            _end(process)
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
    return ran


def _listen(process: subprocess.Popen[bytes], ran: _Ran, within: float) -> str:
    """Take what the command prints until it has ended; returns why nothing is to be taken from it."""
    deadline = time.monotonic() + within
    with selectors.DefaultSelector() as pipes:
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipes.register(pipe, selectors.EVENT_READ)
        while pipes.get_map():
            ended = process.poll() is not None
            ready = pipes.select(0 if ended else _LOOK)
            # A helper that it leaves running may hold the pipes open: what the command itself printed is read.
            if ended and not ready:
                break
            if time.monotonic() > deadline:
                return f"it did not end within {within:g} s"
            for key, _ in ready:
                if not _take(key.fileobj, process, ran):
                    pipes.unregister(key.fileobj)
            if len(ran.output) > bounds.LOGIN_COMMAND_BYTES:
                return f"it printed more than {bounds.size(bounds.LOGIN_COMMAND_BYTES)}"
    try:
        code = process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return f"it did not end within {within:g} s"
    return f"it ended with exit code {code}" if code else ""


def _take(pipe: Any, process: subprocess.Popen[bytes], ran: _Ran) -> bool:
    """Read what is there; False at the pipe's end."""
    piece = os.read(pipe.fileno(), _PIECE)
    if pipe is process.stdout:
        ran.output += piece
    else:
        ran.said = (ran.said + piece)[-4 * _SAID :]
    return bool(piece)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the command and all that it started, also what left its group."""
    with suppress(psutil.Error):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _failed(entry: Entry, command: LoginCommand, why: str, said: bytes) -> Unauthorized:
    words = _printable(said.decode(errors="replace"))
    words = f"…{words[-_SAID:]}" if len(words) > _SAID else words
    quoted = f", and said: {words.rstrip('.')}" if words else ""
    return Unauthorized(
        f"The login command {command.command!r} of {entry.user_file} gave no credentials: {why}{quoted}.",
        remedy=_BY_HAND,
    )


def _printable(text: str) -> str:
    """On one line, without anything that a terminal would take for a command."""
    return "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split())).strip()


def cluster_info(entry: Entry, authority: bytes) -> Object:
    """What a login command may know of the cluster, as `spec.cluster` of an ExecCredential has it."""
    cluster = entry.cluster
    info: Object = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure,
        "certificate-authority-data": base64.b64encode(authority).decode(),
        "proxy-url": cluster.proxy,
        "config": _configured(cluster.extensions),
    }
    return {key: value for key, value in info.items() if value}


def _configured(extensions: Any) -> Any:
    for each in extensions if isinstance(extensions, list) else []:
        if isinstance(each, dict) and each.get("name") == f"{_GROUP}/exec":
            return each.get("extension")
    return None
