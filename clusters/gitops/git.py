"""Reading a git repository without the network, hooks or locks: the one place that runs git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clusters.commands import command as shown
from clusters.errors import Inconclusive

#: Seconds for one git command; reading a large repository's log takes about one.
PATIENCE = 30.0

# Nothing here may reach out, run somebody's program, ask for a password or write to the repository.
_QUIET = (
    "-c", "protocol.allow=never",
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.quotePath=false",
    "-c", "log.showSignature=false",
)  # fmt: skip
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "LC_ALL": "C",
}
# Set by git itself around hooks; they would point every command at another repository.
_FOREIGN = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_CEILING_DIRECTORIES",
)


class NoHistory(Inconclusive):
    """The repository's history cannot be read, with the one reason."""


@dataclass(frozen=True)
class Git:
    """git, run in `directory`: the GitOps repository, or its folder in a larger repository."""

    directory: Path

    def text(self, *arguments: str) -> str:
        """What the command prints. Raises NoHistory with one sentence where it fails."""
        return self.bytes(*arguments).decode("utf-8", errors="replace")

    def bytes(self, *arguments: str, given: bytes = b"") -> bytes:
        """What the command prints, unchanged; `given` is its standard input."""
        environment = {key: value for key, value in os.environ.items() if key not in _FOREIGN} | _ENVIRONMENT
        try:
            done = subprocess.run(
                ("git", *_QUIET, *arguments),
                cwd=self.directory,
                env=environment,
                input=given,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
        except FileNotFoundError:
            if not self.directory.is_dir():
                raise NoHistory(f"The repository {self.directory} does not exist.") from None
            raise NoHistory(
                "git is not installed, so the repository's history cannot be read.", remedy="Install git."
            ) from None
        except subprocess.TimeoutExpired:
            raise NoHistory(
                f"git {arguments[0]} took longer than {PATIENCE:.0f} s in {self.directory}."
            ) from None
        if done.returncode != 0:
            raise self._failed(arguments[0], done.stderr.decode("utf-8", errors="replace"))
        return done.stdout

    def files(self, revision: str, paths: Iterable[str]) -> dict[str, str]:
        """The texts below `paths` at `revision`, by path from `directory`, without links and submodules."""
        listed = self.bytes("ls-tree", "-r", "-z", revision, "--", *paths).decode("utf-8", errors="replace")
        blobs: dict[str, str] = {}
        for entry in filter(None, listed.split("\0")):
            mode, _, rest = entry.partition(" ")
            name, _, path = rest.removeprefix("blob ").partition("\t")
            if mode in {"100644", "100755"}:
                blobs[path] = name
        contents = self.read(sorted(set(blobs.values())))
        return {path: contents[name] for path, name in blobs.items()}

    def read(
        self, names: Sequence[str], *, missing: Literal["refused", "empty"] = "refused"
    ) -> dict[str, str]:
        """The texts of blobs, by the name they were asked for: an object's hash, or `revision:./path`.

        Binary bytes come as replacement characters. What does not exist is refused, or empty if so wished.
        """
        if not names:
            return {}
        answer = self.bytes("cat-file", "--batch", given="".join(f"{name}\n" for name in names).encode())
        contents: dict[str, str] = {}
        at = 0
        for name in names:
            end = answer.index(b"\n", at)
            header = answer[at:end].decode("utf-8", errors="replace")
            at = end + 1
            contents[name] = ""
            if header.endswith(" missing"):
                if missing == "refused":
                    raise self._in_part(name)
                continue
            size = int(header.rpartition(" ")[2])
            contents[name] = answer[at : at + size].decode("utf-8", errors="replace")
            at += size + 1
        return contents

    def _in_part(self, name: str) -> NoHistory:
        return NoHistory(
            f"The repository {self.directory} lacks the object {name}: it was cloned in part.",
            remedy="Clone it whole: without --filter.",
        )

    def _failed(self, command: str, said: str) -> NoHistory:
        if "not a git repository" in said:
            return NoHistory(
                f"{self.directory} is not in a git repository, so there is no history to read.",
                remedy="Point gitops.repository of the profile at a clone.",
            )
        if "dubious ownership" in said:
            return NoHistory(
                f"git refuses to read {self.directory}, which belongs to another user.",
                remedy="If you trust it: "
                + shown("git config --global --add safe.directory {folder}", folder=str(self.directory)),
            )
        last = next((line for line in reversed(said.splitlines()) if line.strip()), "it gave no reason")
        return NoHistory(
            f"git {command} failed in {self.directory}: {last.removeprefix('fatal: ').rstrip('.')}."
        )
