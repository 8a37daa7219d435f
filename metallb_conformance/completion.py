"""`completion bash|zsh|fish`: what lets a shell complete the command's words, options, profiles, contexts and ids.

The shell's part only asks: each time that somebody presses the key, `completion words` prints what may stand there, one
a line. Nothing of it is ever read as a piece of a shell's language, whatever a file or a context is called.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from metallb_conformance.command import COMMANDS, NAME

_BASH = f"""\
# {NAME}: source this, or put it where bash-completion looks, as a file called {NAME}.
_metallb_conformance() {{
    mapfile -t COMPREPLY < <("${{COMP_WORDS[0]}}" completion words "$COMP_CWORD" "${{COMP_WORDS[@]}}" 2>/dev/null)
}}
complete -o default -F _metallb_conformance {NAME} mlc
"""
_ZSH = f"""\
#compdef {NAME} mlc
# A file called _{NAME} in a folder of fpath; or sourced after compinit.
_metallb_conformance() {{
    local -a found
    found=("${{(@f)$("${{words[1]}}" completion words $((CURRENT - 1)) "${{words[@]}}" 2>/dev/null)}}")
    if [[ -n "${{found[1]}}" ]]; then compadd -a found; else _files; fi
}}
compdef _metallb_conformance {NAME} mlc
"""
_FISH = f"""\
# A file called {NAME}.fish in ~/.config/fish/completions; or sourced.
function __metallb_conformance
    set -l before (commandline -opc)
    $before[1] completion words (count $before) $before (commandline -ct) 2>/dev/null
end
complete -c {NAME} -a '(__metallb_conformance)'
complete -c mlc -a '(__metallb_conformance)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
#: What every shell takes for one word as it stands: bash puts a candidate on the line as it is.
_WORD = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def main(arguments: Sequence[str]) -> int:
    """Print a shell's script; with `words N WORD…` what may stand in place N of the words."""
    match list(arguments):
        case [shell] if shell in _SCRIPTS:
            print(_SCRIPTS[shell], end="")
            return 0
        case ["words", place, *words] if place.isdecimal():
            for each in candidates(words, int(place)):
                print(each)
            return 0
    print(
        f"usage: {NAME} completion {'|'.join(_SCRIPTS)}\n\n"
        f"  source <({NAME} completion bash)     in ~/.bashrc\n"
        f"  source <({NAME} completion zsh)      in ~/.zshrc, after compinit\n"
        f"  {NAME} completion fish | source      in ~/.config/fish/config.fish",
        file=sys.stdout if {"-h", "--help"} & set(arguments) else sys.stderr,
    )
    return 0 if {"-h", "--help"} & set(arguments) else 4


def candidates(words: Sequence[str], place: int) -> list[str]:
    """What may stand in a place of a command line, whose first word is the command itself."""
    current = words[place] if place < len(words) else ""
    if place <= 1:
        found: Iterable[str] = [*COMMANDS, "--help", "--version"]
    elif len(words) < 2 or words[1] not in COMMANDS:
        found = ()
    elif current.startswith("-"):
        found = _options(words[1])
    else:
        found = (each for each in _values(words[1], words[place - 1], place) if not each.startswith("-"))
    return sorted({each for each in found if each.startswith(current) and _WORD.fullmatch(each)})


def _values(command: str, before: str, place: int) -> Iterable[str]:
    if before in _OF_OPTION:
        return _OF_OPTION[before]()
    if before.startswith("--"):
        return ()
    first = _FIRST.get(command)
    if command == "upgrade" and place == 3:
        return ("ready", "before", "after")
    return first() if first and (place == 2 or command == "run") else ()


def _profiles() -> list[str]:
    from clusters import profile  # noqa: PLC0415 - only where one is asked for

    return [*profile.shipped(), *(path.name for path in Path.cwd().glob("*.yaml"))]


def _contexts() -> list[str]:
    from clusters.api.kubeconfig import contexts  # noqa: PLC0415 - only where one is asked for
    from clusters.errors import ConformanceError  # noqa: PLC0415 - see above

    try:
        return contexts(None)
    except ConformanceError:
        return []


def _ids() -> list[str]:
    from clusters.cause_ids import CauseId  # noqa: PLC0415 - only where one is asked for
    from clusters.check_ids import CheckId  # noqa: PLC0415 - see above

    return [*map(str, CheckId), *map(str, CauseId)]


def _options(command: str) -> Iterable[str]:
    """A command's options, as its own help has them; of `run` the suite's, not all of pytest's."""
    if command in ("run", "upgrade"):
        return _of_the_suite()
    shown = io.StringIO()
    with (
        contextlib.redirect_stdout(shown),
        contextlib.redirect_stderr(shown),
        contextlib.suppress(SystemExit),
    ):
        COMMANDS[command].run(["--help"])
    return _OPTION.findall(shown.getvalue())


class _Collector:
    """Stands where the suite registers its options with pytest, and keeps their names."""

    def __init__(self) -> None:
        self.names = ["--collect-only", "--help", "-k", "-m", "-n", "-q", "-x"]

    def getgroup(self, *_: str) -> _Collector:
        return self

    def addoption(self, *names: str, **_: object) -> None:
        self.names += names

    def addini(self, *_: object, **__: object) -> None:
        """Settings of a file are not completed."""


def _of_the_suite() -> list[str]:
    from reports import plugin  # noqa: PLC0415 - loads pytest, which only this needs
    from suites.plugin import fleet_runs, registration  # noqa: PLC0415 - see above

    collector = _Collector()
    for each in (registration, fleet_runs, plugin):
        each.pytest_addoption(collector)
    return collector.names


_FIRST: dict[str, Callable[[], Iterable[str]]] = {
    **dict.fromkeys(("run", "why", "what-if", "doctor", "upgrade"), _profiles),
    "explain": _ids,
    "lab": lambda: ("up", "down", "status", "exec"),
    "reports": lambda: COMMANDS["reports"].takes.removesuffix(" …").split("|"),
    "completion": lambda: _SCRIPTS,
}
_OF_OPTION: dict[str, Callable[[], Iterable[str]]] = {
    "--cluster": _profiles,
    "--context": _contexts,
    "--explain": _ids,
    "--allow": lambda: ("observe", "create", "disrupt"),
    "--phase": lambda: ("before", "during", "after"),
}
