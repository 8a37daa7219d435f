"""OpenSSH's server for a test: in a host's namespace, with keys and configuration of its own, gone afterwards.

It listens on a port of the machine's loopback; each connection is served by an sshd of its own (-i) inside the
host's network namespace. A mount namespace gives it the users and the folder that it wants, so that nothing of
the machine is touched.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from clusters.lab.parts.system import Program

HOST = "segment-host"
_PASSWD = """\
root:x:0:0::/root:/bin/sh
plain:x:65534:65534::/:/bin/sh
sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin
"""
_INSIDE = """
mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/shadow" /etc/shadow &&
mount -t tmpfs -o mode=755 tmpfs /run && mkdir -m 755 /run/sshd && shift && exec "$@"
"""


@dataclass
class Sshd:
    """A running server. `connections` counts how often somebody connected."""

    folder: Path
    program: Program
    netns: str
    port: int = 0
    connections: int = 0
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        """The client's configuration, by which HOST leads here."""
        return self.folder / "client_config"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def prepare(self) -> None:
        for name in ("host", "user", "stranger"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
            subprocess.run(command, check=True, capture_output=True)
        shutil.copy(self.folder / "user.pub", self.folder / "authorized_keys")
        (self.folder / "passwd").write_text(_PASSWD)
        (self.folder / "shadow").write_text("root:*:::::::\nplain:*:::::::\nsshd:*:::::::\n")
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "python3").symlink_to(sys.executable)
        self.settings |= {
            "HostKey": str(self.folder / "host"),
            "AuthorizedKeysFile": str(self.folder / "authorized_keys"),
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            "PidFile": "none",
            "SetEnv": f"PATH={programs}:/usr/bin:/bin",
        }
        self.trust()

    def trust(self, key: str = "host") -> None:
        """Let known_hosts have `key` for this server, "" for none."""
        public = (self.folder / f"{key}.pub").read_text() if key else ""
        self.known_hosts.write_text(f"{HOST} {public}" if public else "")

    def as_user(self, user: str, *, key: str = "user") -> Path:
        self.config.write_text(
            f"Host {HOST}\n  HostName 127.0.0.1\n  HostKeyAlias {HOST}\n  Port {self.port}\n  User {user}\n"
            f"  IdentityFile {self.folder / key}\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {self.known_hosts}\n  GlobalKnownHostsFile /dev/null\n"
        )
        return self.config

    def serve(self, connection: socket.socket) -> subprocess.Popen[bytes]:
        self.connections += 1
        path = self.folder / "sshd_config"
        path.write_text("".join(f"{name} {value}\n" for name, value in self.settings.items()))
        server = [str(self.program.path), "-i", "-e", "-f", str(path)]
        command = [
            "nsenter", f"--net=/run/netns/{self.netns}", "unshare", "--mount", "sh", "-c", _INSIDE, "sh",
            str(self.folder), *server,
        ]  # fmt: skip
        with connection, (self.folder / "sshd.log").open("ab") as log:
            heard = connection.fileno()
            return subprocess.Popen(
                command, stdin=heard, stdout=heard, stderr=log,
                env={"PATH": os.environ["PATH"], **self.program.environment},
            )  # fmt: skip


@contextmanager
def running(folder: Path, program: Program, netns: str) -> Iterator[Sshd]:
    """A server in the network namespace `netns`, for the length of a block."""
    made = Sshd(folder, program, netns)
    made.prepare()
    children: list[subprocess.Popen[bytes]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made.port = listener.getsockname()[1]
        made.as_user("root")

        def accept() -> None:
            with suppress(OSError):
                while True:
                    children.append(made.serve(listener.accept()[0]))

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for child in children:
                child.kill()
                child.wait()
