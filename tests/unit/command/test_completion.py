"""What the shell may put in each place, asked for by the script that bash really sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clusters.check_ids import CheckId
from metallb_conformance.command import COMMANDS, main
from metallb_conformance.completion import candidates

ROOT = Path(__file__).parents[3]


def may_stand(line: str) -> list[str]:
    """What may stand where the line ends."""
    words = ["mlc", *line.split(" ")]
    return candidates(words, len(words) - 1)


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("w", ["what-if", "why"]),
        ("why ", ["homelab", "lab"]),
        ("why lab --", ["--address", "--json", "--snapshot", "--watch"]),
        ("run --allow ", ["create", "disrupt", "observe"]),
        ("run lab --his", ["--history", "--history-days"]),
        ("run lab lo", ["local"]),
        ("upgrade lab ", ["after", "before", "ready"]),
        ("upgrade lab ready --target", ["--target-version"]),
        ("explain traffic.ow", ["traffic.owner-agreed"]),
        ("reports la", ["last-validated"]),
        ("lab up --met", []),
        ("completion z", ["zsh"]),
        ("sweep --cluster hom", ["homelab"]),
    ],
)
def test_each_place_has_its_words(line: str, some: list[str]) -> None:
    assert set(some) <= set(may_stand(line))
    assert all(each.startswith(line.rpartition(" ")[2]) for each in may_stand(line))


def test_nothing_is_offered_where_only_a_person_knows() -> None:
    assert may_stand("why lab ") == []
    assert may_stand("nonsense ") == []
    assert may_stand("why lab --address ") == []


def test_contexts_are_those_of_the_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path := tmp_path / "kubeconfig").write_text(
        "apiVersion: v1\nkind: Config\ncontexts: [{name: site-a, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://192.0.2.1'}}]\nusers: [{name: u, user: {}}]\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert may_stand("init --context ") == ["site-a"]
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert may_stand("init --context ") == []


def test_every_command_has_options_that_its_help_shows() -> None:
    for word in COMMANDS:
        assert all(each.startswith("--") for each in may_stand(f"{word} --")), word
    assert set(map(str, CheckId)) <= set(may_stand("explain "))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script_for_both_names(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    shown = capsys.readouterr().out
    assert "metallb-conformance" in shown
    assert "mlc" in shown
    assert "eval" not in shown


def test_bash_completes_and_runs_nothing_that_a_file_is_called(tmp_path: Path) -> None:
    """A profile's name is never read as bash, neither now nor once it stands on the line: bash quotes no candidate."""
    (tmp_path / "$(touch oops).yaml").touch()
    (tmp_path / "mine;touch oops.yaml").touch()
    (tmp_path / "--allow=disrupt.yaml").touch()
    (tmp_path / "my-site.yaml").touch()
    command = tmp_path / "mlc"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m metallb_conformance "$@"\n')
    command.chmod(0o755)
    asked = (
        'source <(./mlc completion bash); COMP_WORDS=(./mlc run "{}"); COMP_CWORD=2; _metallb_conformance; '
        "printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )

    found = {
        typed: subprocess.run(
            ["bash", "-c", asked.format(typed)], cwd=tmp_path, capture_output=True, text=True, check=True,
            timeout=60, env=os.environ | {"PYTHONPATH": str(ROOT)},
        ).stdout.split("\n")[:-1]
        for typed in ("lo", "", "my", "mine")
    }  # fmt: skip

    assert found["lo"] == ["local"]
    assert found["my"] == ["my-site.yaml"]
    assert not [each for each in found[""] if "oops" in each or each.startswith("-")]
    assert found["mine"] == [""]  # none: then bash completes files by itself, and quotes what it finds
    assert not (tmp_path / "oops").exists()


@pytest.mark.parametrize(
    "given",
    [
        ["upgrade"],
        ["upgrade", "lab"],
        ["upgrade", "lab", "ready"],
        ["upgrade", "lab", "soon"],
        ["completion"],
    ],
)
def test_what_is_missing_is_said(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(given) == 4
    assert "--target-version V" in (shown := capsys.readouterr()).err or "completion bash" in shown.err
