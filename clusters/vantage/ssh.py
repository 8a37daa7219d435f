"""A vantage on another machine: the agent goes through OpenSSH's own client, and leaves no file there.

Everything that a person has set up counts: ~/.ssh/config, known_hosts, the agent, jump hosts. It never asks
(BatchMode): what would need an answer is one sentence on what to do by hand. The connection is shared by all
processes of a run (ControlMaster), unless the person's own configuration shares it already.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from clusters import budgets
from clusters.commands import command
from clusters.vantage.launch import Launch, Refusal
from clusters.vantage.local import AgentVantage
from clusters.vantage.vantage_data import VantageError

#: Longest of a Unix socket's path (108), less what ssh adds to it while it connects (17) and %C (40 and a slash).
_LONGEST_FOLDER = 50
_OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": "10",
    "ServerAliveInterval": "5",  # a host that is gone is noticed within 15 s, whatever TCP thinks
    "ServerAliveCountMax": "3",
    "LogLevel": "ERROR",  # no banners among the error's words
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "RequestTTY": "no",
}
_AGAIN = "Connect once by hand: {ssh}"
#: What ssh or the far shell says, and what that means; the first that is found counts.
_SAYINGS: tuple[tuple[str, str, str], ...] = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host key of {host} is not the one that known_hosts has",
        "Find out why it changed before you trust it: {ssh}",
    ),
    (
        r"Host key verification failed|host key is known for",
        "the host key of {host} is not known here",
        "Connect once by hand, and compare the key: {ssh}",
    ),
    (
        r"(?P<said>Permission denied \([^)]*\))",
        "{host} does not let this user in ({said})",
        "Load a key that it accepts (ssh-add), or add one to its authorized_keys. " + _AGAIN,
    ),
    (r"Could not resolve hostname [^:]*: (?P<said>.*)", "{host} has no address ({said})", _AGAIN),
    (
        r"connect to host \S+ port \d+: (?P<said>.*)|(?P<late>Connection timed out during banner exchange)",
        "{host} cannot be reached ({said})",
        _AGAIN,
    ),
    (
        r"python3: (?:command )?not found|not found: python3|python3: No such file|Unknown command:? python3",
        "{host} has no python3",
        "Install Python 3.8 or later there; no library is needed.",
    ),
    (r"the vantage needs (?P<said>.*)", "it needs {said}", ""),
)


class SshVantage(AgentVantage):
    """A machine that one logs in to with `ssh DESTINATION` (a host, user@host, or an alias of ~/.ssh/config)."""

    def __init__(self, destination: str, *, config: Path | None = None) -> None:
        """`config` replaces ~/.ssh/config, as ssh -F does."""
        self._destination = destination
        self._base = ["ssh", *(["-F", str(config)] if config else [])]
        self._shared: list[str] = []
        super().__init__(f"ssh:{destination}", "ssh", Launch(explain=self._explained))

    def __enter__(self) -> Self:
        self._shared = _sharing(self._base, self._destination)
        options = [f"-o{name}={value}" for name, value in _OPTIONS.items()]
        way = [*self._base, *options, *self._shared, "--", self._destination]
        self._client.launch = Launch(ssh=way, python=("python3",), explain=self._explained)
        try:
            return super().__enter__()
        except BaseException:
            self._let_go()
            raise

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._let_go()

    def _let_go(self) -> None:
        """Have the shared connection take no more sessions: it ends with its last one, so nothing stays behind."""
        if self._shared:
            command = [*self._base, *self._shared, "-O", "stop", "--", self._destination]
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(
                    command,
                    capture_output=True,
                    timeout=budgets.seconds(budgets.SSH_RELEASED),
                    check=False,
                    stdin=subprocess.DEVNULL,
                )

    def _explained(self, words: str) -> Refusal | None:
        for pattern, sentence, remedy in _SAYINGS:
            if found := re.search(pattern, words):
                said = next((text for text in found.groupdict().values() if text), "").strip().rstrip(".")
                ssh = command("ssh {host}", host=self._destination)
                fields = {"host": self._destination, "said": said, "ssh": ssh}
                return Refusal(sentence.format(**fields), remedy.format(**fields))
        return None


def _sharing(base: list[str], destination: str) -> list[str]:
    """Options by which processes share one connection; none where the person's configuration has its own.

    Raises VantageError where there is no ssh on this machine, or it does not take the destination.
    """
    try:
        asked = subprocess.run(
            [*base, "-G", "--", destination], capture_output=True, text=True, check=False,
            timeout=budgets.seconds(budgets.SSH_SETTINGS_READ), stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError:
        raise VantageError(
            f"Vantage ssh:{destination} needs OpenSSH's client, and there is no ssh on this machine.",
            remedy="Install it: apt-get install openssh-client",
        ) from None
    except subprocess.TimeoutExpired:
        return []
    if asked.returncode:
        said = asked.stderr.strip().splitlines()[-1:] or ["it did not say why"]
        raise VantageError(f"Vantage ssh:{destination} cannot be used: ssh does not take it: {said[0]}.")
    own = dict(line.split(" ", 1) for line in asked.stdout.splitlines() if " " in line)
    folder = _private_folder()
    if own.get("controlpath", "none") != "none" or folder is None:
        return []
    return ["-oControlMaster=auto", f"-oControlPath={folder}/%C", "-oControlPersist=30"]


def _private_folder() -> Path | None:
    """A folder for the connection's socket that is this user's alone; None where none can be had."""
    run = os.environ.get("XDG_RUNTIME_DIR", "")
    base = Path(run) if run and Path(run).is_dir() else Path(tempfile.gettempdir())
    folder = base / f"metallb-ssh-{os.geteuid()}"
    if len(str(folder)) > _LONGEST_FOLDER:
        return None
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    return folder if own else None
