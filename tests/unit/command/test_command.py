"""The installed command: its words, its help by task, and what it says to a mistake."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from clusters.errors import ExitCode
from metallb_conformance import command
from metallb_conformance.command import COMMANDS, main

ROOT = Path(__file__).parents[3]
OBSERVATIONS = ROOT / "tests" / "unit" / "diagnosis" / "observations"


def saved(name: str) -> str:
    return str(OBSERVATIONS / f"{name}.json.gz")


@pytest.mark.parametrize("word", COMMANDS)
def test_every_word_of_the_help_has_something_to_run(word: str) -> None:
    module, _, name = COMMANDS[word].target.partition(":")

    assert callable(getattr(importlib.import_module(module), name))
    assert f"  {word} " in command.help_text()


def test_the_help_is_shown_unasked_and_that_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == ExitCode.USAGE
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("usage: metallb-conformance") == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["rum"], "error: There is no command 'rum'. Did you mean 'run'?"),
        (["run"], "error: Name the profile of a cluster: a file, or one of "),
        (["run", "-k", "pods"], "error: Name the profile of a cluster: a file, or one of "),
        (["why", "nowhere"], "error: There is no profile named 'nowhere'"),
        (["why"], "error: the following arguments are required: PROFILE"),
        (["what-if", "lab"], "error: what-if needs something that would be different."),
        (["init"], "error: the following arguments are required: --context"),
        (["doctor", "nowhere"], "error: There is no profile named 'nowhere'"),
        (["why", "lab", "--watch", "--snapshot", "x"], "error: --watch looks again and again"),
        (["why", "lab", "--snapshot", "gone.json"], "error: "),
    ],
)
def test_a_mistake_is_one_line(given: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(given) == ExitCode.USAGE
    shown = capsys.readouterr().err
    assert shown.startswith(said)
    assert "Traceback" not in shown


def test_the_command_needs_no_checkout_to_explain_a_check(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
         "from metallb_conformance.command import main; sys.exit(main(['explain', 'traffic.routed']))"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("traffic.routed")
    assert not list(tmp_path.iterdir())


def test_a_saved_observation_is_judged_without_a_checkout(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
         "from metallb_conformance.command import main\n"
         f"sys.exit(main(['run', '--snapshot', {saved('pool-missing')!r}, '-k', 'config_present or present']))"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert done.returncode == ExitCode.FAILED, done.stdout + done.stderr
    (results,) = tmp_path.glob("reports/out/*-*/results.json")
    found = {check["id"]: check["outcome"] for check in json.loads(results.read_text())["checks"]}
    assert found["health.config-present"] == "failed"
