"""Which part of the suite a word of the command line stands for, and what the help says, by task."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

NAME = "metallb-conformance"


@dataclass(frozen=True)
class Command:
    """One word, what it takes, what it does in a sentence, and `module:function`, which gets the arguments after it.

    The function is imported when the word is used: nothing else of the suite is.
    """

    word: str
    takes: str
    does: str
    target: str

    def run(self, arguments: Sequence[str]) -> int:
        """Do it, and return the exit code."""
        module, _, name = self.target.partition(":")
        function: Callable[[Sequence[str]], int | None] = getattr(importlib.import_module(module), name)
        return int(function(arguments) or 0)


#: The commands by the task that somebody has.
TASKS: dict[str, tuple[Command, ...]] = {
    "Begin": (
        Command(
            "init",
            "--context NAME",
            "read a cluster and print a commented profile for it",
            "metallb_conformance.proposal:main",
        ),
        Command(
            "doctor",
            "[PROFILE]",
            "what this machine can and cannot do for a run",
            "metallb_conformance.machine:main",
        ),
    ),
    "Check a cluster": (
        Command(
            "run",
            "PROFILE [PROFILE…] [pytest options]",
            "run the checks and write the report",
            "metallb_conformance.command:run",
        ),
        Command(
            "why",
            "PROFILE [NAMESPACE/SERVICE]",
            "what is wrong with one service, link by link",
            "metallb_conformance.why:main",
        ),
        Command(
            "explain",
            "ID",
            "what a check promises, or what a cause means",
            "metallb_conformance.command:explain",
        ),
        Command(
            "sweep",
            "--cluster PROFILE",
            "undo what a killed run left in a cluster",
            "clusters.sweep:main",
        ),
    ),
    "Look ahead": (
        Command(
            "what-if",
            "PROFILE --without-node N | …",
            "which addresses would move, or be lost",
            "metallb_conformance.what_if:main",
        ),
    ),
    "Upgrade MetalLB": (
        Command(
            "upgrade",
            "PROFILE ready --target-version V | before | after",
            "may it start, and what it changed: who holds which address",
            "metallb_conformance.command:upgrade",
        ),
    ),
    "Look back": (
        Command(
            "reports",
            "render|merge|compare|record|last-validated|stamp|encode|deliver|prune …",
            "reports from stored results",
            "reports.__main__:main",
        ),
    ),
    "Have nothing": (
        Command(
            "lab",
            "up|down|status|exec …",
            "a real cluster on this machine (Linux, root)",
            "clusters.lab.__main__:main",
        ),
    ),
    "Type less": (
        Command(
            "completion",
            "bash|zsh|fish",
            "print what lets the shell complete commands, options and profiles",
            "metallb_conformance.completion:main",
        ),
    ),
}
COMMANDS = {each.word: each for commands in TASKS.values() for each in commands}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names. A mistake of the user's is one line on standard error."""
    try:
        return _dispatched(list(sys.argv[1:] if arguments is None else arguments))
    except BrokenPipeError:
        # Whoever read along has gone: nothing is lost, and nobody is there to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        from clusters.errors import ConformanceError  # noqa: PLC0415 - only after a failure

        if not isinstance(error, ConformanceError):
            raise
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)


def _dispatched(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help", "help"):
        print(help_text(), flush=True)
        return 0 if given else 4
    if given[0] == "--version":
        from clusters import __version__  # noqa: PLC0415 - nothing else needs it

        print(f"{NAME} {__version__}")
        return 0
    return COMMANDS[given[0]].run(given[1:]) if given[0] in COMMANDS else _unknown(given[0])


def help_text() -> str:
    """The commands by task, one line each."""
    lines = [f"usage: {NAME} COMMAND …", "", "Conformance checks for MetalLB in L2 mode."]
    width = max(len(word) for word in COMMANDS) + 2
    for task, commands in TASKS.items():
        lines += ["", f"{task}:"]
        for each in commands:
            lines.append(f"  {each.word:{width}}{each.does}")
            lines.append(f"  {'':{width}}{NAME} {each.word} {each.takes}")
    lines += ["", f"{NAME} COMMAND --help says more of one; --version says which release this is."]
    return "\n".join(lines)


def _unknown(word: str) -> int:
    import difflib  # noqa: PLC0415 - only after a mistake

    from clusters import outbound  # noqa: PLC0415 - only after a mistake

    close = difflib.get_close_matches(word, COMMANDS, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else f"The commands are: {', '.join(COMMANDS)}."
    print(f"error: There is no command {outbound.text(word)!r}. {hint}", file=sys.stderr)
    return 4


def run(arguments: Sequence[str]) -> int:
    """`run PROFILE [PROFILE…] [pytest options]`: what `pytest suites --cluster PROFILE` does."""
    profiles, options = _profiles(arguments)
    if not profiles and not {"-h", "--help", "--snapshot", "--repository"} & {
        word.partition("=")[0] for word in options
    }:
        from clusters import profile  # noqa: PLC0415 - only after a mistake

        names = ", ".join(profile.shipped())
        print(
            f"error: Name the profile of a cluster: a file, or one of {names}. A run never picks one.",
            file=sys.stderr,
        )
        return 4
    if profiles or not {"-h", "--help"} & set(options):
        chosen = [word for profile in profiles for word in ("--cluster", profile)]
        return _pytest([*chosen, *options])
    print(f"usage: {COMMANDS['run'].word} {COMMANDS['run'].takes}\n", flush=True)
    return _pytest(["--help"])


#: The parts of an upgrade that somebody performs: the options that each stands for.
_UPGRADE = {"ready": (), **{part: ("--phase", part) for part in ("before", "during", "after")}}


def upgrade(arguments: Sequence[str]) -> int:
    """`upgrade PROFILE ready|before|during|after [pytest options]`: the runs around another's upgrade."""
    given, options = _profiles(arguments)
    asked = {"-h", "--help"} & set(options)
    if asked or len(given) != 2 or given[1] not in _UPGRADE:
        print(_UPGRADE_HELP, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 4
    profile, part = given
    if part == "ready" and "--target-version" not in {word.partition("=")[0] for word in options}:
        print("error: Name the release that the upgrade would go to: --target-version V.", file=sys.stderr)
        return 4
    return _pytest(["--cluster", profile, *_UPGRADE[part], *options])


_UPGRADE_HELP = f"""usage: {NAME} upgrade PROFILE ready|before|during|after [pytest options]

  ready --target-version V   GO or NO-GO, and what to expect; nothing is written to the cluster
  before                     keep who holds which address and who announces it, before somebody upgrades
  during                     ask the profile's consumers meanwhile, until `after` is run or Ctrl-C ends it
  after                      compare with what was kept, and say what consumers missed

--phase-file FILE names what `before` keeps (default: reports/out/upgrade-NAME.json), --helm-values FILE the values that
the upgrade would be made with, --manifest FILE the release manifest of V where none is at hand."""


def explain(arguments: Sequence[str]) -> int:
    """`explain ID`: the page of one check or cause."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(f"usage: {NAME} explain ID   (as in the report: traffic.routed, proxy-arp, …)", file=sys.stderr)
        return 0 if arguments and arguments[0] in ("-h", "--help") else 4
    return _pytest(["--explain", arguments[0]])


def _profiles(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The profiles, which stand before the first option, and the rest, which is pytest's."""
    end = next((place for place, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    return list(arguments[:end]), list(arguments[end:])


def _pytest(options: Sequence[str]) -> int:
    """Run pytest with the suite's two plugins, on the suite's checks, from whatever folder this is."""
    import pytest  # noqa: PLC0415 - the other commands need none

    import suites  # noqa: PLC0415 - see above

    folder = str(Path(next(iter(suites.__path__))).resolve())
    settings = Path(__file__).with_name("pytest.ini")
    return int(
        pytest.main(
            [
                *("-c", str(settings), "--rootdir", str(Path.cwd()), "-o", f"conformance_suites={folder}"),
                *("-p", "suites.plugin.registration", "-p", "reports.plugin"),
                folder,
                *options,
            ]
        )
    )
