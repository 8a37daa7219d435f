"""The commands of README.md and docs/: each word, option, target and file that they name is there."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from clusters.lab.__main__ import main as lab
from clusters.sweep import main as sweep
from metallb_conformance.command import COMMANDS, help_text
from metallb_conformance.command import main as metallb_conformance
from reports.__main__ import main as reports

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: What stands before a command that is meant: other users, other environments, other folders.
_BEFORE = re.compile(r"^(?:sudo(?: -u \S+)?|env|[A-Z_]+=\S*|\S*/?python3?(?=\s+-m\s)|then|do)\s+")
_OURS = re.compile(
    r"(?:\S*/)?(?:metallb-conformance|mlc|pytest suites|make|tox)\s|-m (?:reports|clusters|metallb_conformance)\b"
)
_OPTION = re.compile(r"^--[a-z][a-z-]*")


def commands(page: Path) -> list[str]:
    """The command lines of a page's blocks, continued lines joined, comments and what follows a pipe left out."""
    found = []
    for block in re.findall(r"```(?:console|sh)\n(.*?)```", page.read_text(), flags=re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                found += re.split(r"\s(?:\||&&|>|;)\s", line[2:].partition(" # ")[0])
    return [found_ for found_ in map(str.strip, found) if found_]


def bare(command: str) -> str:
    """A command without what stands before it."""
    while (rest := _BEFORE.sub("", command)) != command:
        command = rest
    return command


OURS = [
    pytest.param(command, id=f"{page.stem}: {command[:60]}")
    for page in PAGES
    for command in dict.fromkeys(map(bare, commands(page)))
    if _OURS.match(command)
]


@cache
def said(*command: str) -> str:
    """What a command's --help says."""
    if command[0] == "pytest":
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--help", "-p", "no:cacheprovider"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout
    main = {"reports": reports, "lab": lab, "sweep": sweep, "mlc": metallb_conformance}[command[0]]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*command[1:], "--help"])
    return printed.getvalue()


def words_of(command: str) -> list[str]:
    return shlex.split(bare(command).replace("…", ""))


def understood(command: str) -> tuple[str, list[str]]:
    """The help of what a command calls, and its arguments."""
    words = words_of(command)
    if words[0] == "-m":
        words = words[1:]
    head, *rest = words
    head = Path(head).name
    if head in {"metallb-conformance", "mlc", "metallb_conformance"}:
        word = rest[0] if rest and rest[0] in COMMANDS else ""
        assert word or not rest or rest[0].startswith("-") or rest[0] == "COMMAND", f"{rest[0]} is no command"
        if word in {"reports", "lab"}:
            return said(word, *rest[1:2]), rest[2:]
        return (
            said("pytest") if word == "run" else said("mlc", *([word] if word else []))
        ) or help_text(), rest[1:]
    if head in {"reports", "clusters.lab"}:
        return said(head.rpartition(".")[2], rest[0]), rest[1:]
    if head == "clusters.sweep":
        return said("sweep"), rest
    if head in {"make", "tox"}:
        return "", rest
    return said("pytest"), rest


@pytest.mark.parametrize("command", OURS)
def test_what_a_page_says_to_type_is_understood(command: str) -> None:
    if command.startswith("make "):
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
        assert {word for word in words_of(command)[1:] if "=" not in word} <= targets
        return
    if command.startswith("tox "):
        environments = set(
            re.findall(r"^\[testenv:([a-z]+)\]", (ROOT / "tox.ini").read_text(), flags=re.MULTILINE)
        )
        named = words_of(command)
        assert set(named[named.index("-e") + 1].split(",")) <= environments
    text, arguments = understood(command)
    if not text:
        return
    known = set(re.findall(r"--[a-z][a-z-]*", text))
    given = {found[0] for each in arguments if (found := _OPTION.match(each))}
    assert given <= known, f"{sorted(given - known)} of {command!r}"


def test_commands_are_found_at_all() -> None:
    assert len(OURS) > 50


def test_an_option_that_is_not_there_would_be_missed() -> None:
    text, arguments = understood("sudo -u me python -m reports prune --older-than 3 --for-ever")

    assert "--older-than" in text
    assert "--for-ever" in arguments
    assert "--for-ever" not in text
