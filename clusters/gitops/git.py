"""Reading a git repository without the network, locks or anybody's programs: the one place that runs git.

What a repository's configuration and attributes name is not trusted: a folder of a clone may hold a configuration
that somebody committed. docs/gitops.md says what is switched off.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from clusters import budgets, commands, sandbox
from clusters.confinement import LARGEST_READ, RefusedPath, shown
from clusters.errors import Inconclusive
from clusters.sandbox import Finished, Limits, TooMuch, TooSlow

#: Bytes that one git command may print, and that are read of files of the past at once.
_MOST_PRINTED, _MOST_READ = 96 << 20, 64 << 20

# Nothing here may reach out, run somebody's program or ask for a password; only clusters/gitops/commits.py writes.
_QUIET = (
    "--no-pager",
    "--literal-pathspecs",
    "-c", "safe.bareRepository=explicit",
    "-c", "protocol.allow=never",
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.quotePath=false",
    "-c", "core.alternateRefsCommand=",
    "-c", "diff.external=",
    "-c", "log.showSignature=false",
    "-c", "log.showRoot=true",
    "-c", "log.follow=false",
)  # fmt: skip
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    # Stands over protocol.<name>.allow of the repository: a git before 2.44 fetches what a partial clone lacks.
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_ASKPASS": "true",
    "SSH_ASKPASS": "true",
    "GIT_SSH_COMMAND": "false",
    "LC_ALL": "C",
}
# Where the user's own settings lie, safe.directory among them, and whose files sudo may read. Nothing else of our
# environment is given on: it holds passwords, and variables that point git elsewhere.
_PASSED_ON = (
    "HOME",
    "XDG_CONFIG_HOME",
    "SUDO_UID",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
)
_FILE_MODES = frozenset({"100644", "100755"})


class NoHistory(Inconclusive):
    """The repository's history cannot be read, with the one reason."""


def run(
    directory: Path, *arguments: str | bytes, environment: Mapping[str, str], given: bytes = b""
) -> Finished:
    """Run git, with nothing but `environment` and the search path. Raises NoHistory, TooSlow, TooMuch."""
    git = sandbox.program("git")
    if git is None:
        raise NoHistory(
            "git is not installed, so the repository's history cannot be read.", remedy="Install git."
        )
    return sandbox.run(
        (git, *arguments),
        directory=directory,
        environment={"PATH": sandbox.search_path(), **environment},
        limits=Limits(seconds=budgets.seconds(budgets.GIT_ANSWERED), output=_MOST_PRINTED),
        given=given,
    )


@dataclass(frozen=True)
class Git:
    """git, run in `directory`: the GitOps repository, or its folder in a larger repository."""

    directory: Path

    def text(self, *arguments: str) -> str:
        """What the command prints. Raises NoHistory with one sentence where it fails."""
        return self.output(*arguments).decode("utf-8", errors="replace")

    def status(self, *paths: str) -> str:
        """What differs from HEAD below `paths`, as `git status` prints it; none of the filters is run."""
        printed = self.output(
            "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=all",
            "--", *paths,
            settings=self._without_filters,
        )  # fmt: skip
        return printed.decode("utf-8", errors="replace")

    def output(self, *arguments: str, given: bytes = b"", settings: Sequence[bytes] = ()) -> bytes:
        """What the command prints, unchanged; `given` is its standard input, `settings` stand before it."""
        finished = self._finished(*settings, *arguments, given=given, command=arguments[0])
        if finished.code != 0:
            raise self._failed(arguments[0], finished.errors)
        return finished.output

    def files(self, revision: str, paths: Iterable[str]) -> dict[str, bytes]:
        """The files below `paths` at `revision`, by path from `directory`, without links and submodules.

        Raises RefusedPath for a file that is too large to be read.
        """
        blobs = self.objects(revision, paths)
        contents = self.read(blobs.values())
        for path, name in blobs.items():
            if name not in contents:
                raise RefusedPath(
                    f"{shown(path)} at {revision[:12]} is larger than {LARGEST_READ >> 20} MiB, the most that "
                    "is read of one file."
                )
        return {path: contents[name] for path, name in blobs.items()}

    def objects(self, revision: str, paths: Iterable[str]) -> dict[str, str]:
        """The hash of each file at or below `paths` at `revision`, without links and submodules."""
        wanted = tuple(paths)
        if not wanted:
            return {}
        listed = self.output("ls-tree", "-r", "-z", "--end-of-options", revision, "--", *wanted)
        blobs: dict[str, str] = {}
        for entry in filter(None, listed.split(b"\0")):
            about, _, path = entry.partition(b"\t")
            mode, _, name = about.decode("ascii", errors="replace").split(" ")
            if mode in _FILE_MODES:
                blobs[os.fsdecode(path)] = name
        return blobs

    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """The bytes of blobs by their hashes, without those that are too large to be a file that is judged."""
        wanted = sorted(set(names))
        if not wanted:
            return {}
        sizes = self._sizes(wanted)
        small = [name for name in wanted if sizes[name] <= LARGEST_READ]
        if sum(sizes[name] for name in small) > _MOST_READ:
            raise NoHistory(
                f"The history of {self.directory} holds more than {_MOST_READ >> 20} MiB of files to read."
            )
        answer = self.output("cat-file", "--batch", given="".join(f"{name}\n" for name in small).encode())
        contents: dict[str, bytes] = {}
        at = 0
        for name in small:
            at = answer.index(b"\n", at) + 1
            contents[name] = answer[at : at + sizes[name]]
            at += sizes[name] + 1
        return contents

    def _sizes(self, names: Sequence[str]) -> dict[str, int]:
        asked = "".join(f"{name}\n" for name in names).encode()
        answered = self.output("cat-file", "--batch-check", given=asked).decode("utf-8", errors="replace")
        found = {}
        for name, line in zip(names, answered.splitlines(), strict=True):
            if line.endswith((" missing", " ambiguous")):
                raise self._in_part(name)
            found[name] = int(line.rpartition(" ")[2])
        return found

    @cached_property
    def _without_filters(self) -> tuple[bytes, ...]:
        """Settings that put nothing in the place of every filter that any configuration here defines.

        Where a file's time differs from the index, git reads it anew, by way of the filter that its attributes
        name: a program of the repository's, or the user's, configuration.
        """
        asked = ("config", "--includes", "-z", "--name-only", "--get-regexp", r"^filter\.")
        finished = self._finished(*asked, command="config")
        if finished.code not in {0, 1}:  # 1: there is none
            raise self._failed("config", finished.errors)
        drivers = {key.rpartition(b".")[0] for key in finished.output.split(b"\0") if key}
        if odd := next((driver for driver in sorted(drivers) if b"=" in driver), None):
            name = shown(odd.decode("utf-8", errors="replace"))
            raise NoHistory(
                f"git's configuration for {self.directory} has a {name} whose name has = in it.",
                remedy="Remove it: it cannot be switched off.",
            )
        off = ((b".clean", b""), (b".smudge", b""), (b".process", b""), (b".required", b"false"))
        return tuple(
            text
            for driver in sorted(drivers)
            for variable, value in off
            for text in (b"-c", driver + variable + b"=" + value)
        )

    def _finished(self, *arguments: str | bytes, command: str, given: bytes = b"") -> Finished:
        if not self.directory.is_dir():
            raise NoHistory(f"The repository {self.directory} does not exist.")
        _refuse_bare(self.directory)
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        try:
            return run(self.directory, *_QUIET, *arguments, environment=passed_on | _ENVIRONMENT, given=given)
        except OSError as error:
            raise NoHistory(f"git could not be run in {self.directory}: {error.strerror}.") from None
        except TooSlow:
            raise NoHistory(
                f"git {command} took longer than {budgets.seconds(budgets.GIT_ANSWERED):.0f} s in {self.directory}."
            ) from None
        except TooMuch:
            raise NoHistory(
                f"git {command} printed more than {_MOST_PRINTED >> 20} MiB in {self.directory}."
            ) from None

    def _in_part(self, name: str) -> NoHistory:
        return NoHistory(
            f"The repository {self.directory} lacks the object {name}: it is a partial clone.",
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
                + commands.command(
                    "git config --global --add safe.directory {folder}", folder=str(self.directory)
                ),
            )
        last = next((line for line in reversed(said.splitlines()) if line.strip()), "it gave no reason")
        reason = shown(last.removeprefix("fatal: ").rstrip("."))
        return NoHistory(f"git {command} failed in {self.directory}: {reason}.")


def _refuse_bare(directory: Path) -> None:
    """Raise NoHistory where git would take a folder of the working tree for a repository, its `config` included.

    A git from 2.38 on is told not to; this is for those before. The order is git's own: a folder's .git first,
    then the folder itself, then the one above.
    """
    place = directory.resolve()
    for folder in (place, *place.parents):
        if (folder / ".git").is_file() or (folder / ".git" / "HEAD").exists():
            return
        parts = ((folder / name).exists() for name in ("objects", "refs"))
        if os.path.lexists(folder / "HEAD") and (all(parts) or (folder / "commondir").exists()):
            raise NoHistory(
                f"{folder} looks like a bare git repository: git would obey the configuration that lies in it.",
                remedy="Point gitops.repository at a clone, or remove HEAD, objects and refs from that folder.",
            )
