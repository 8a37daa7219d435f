"""The image's command, deploy/cluster/run.sh: what it makes of its settings, and that it removes only what it made."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MARKER = ".made-by-metallb-conformance"
NO_NAMES = [
    "",
    "..",
    ".",
    "a/b",
    " ",
    "/",
    "../results",
    "-rf",
    "night.",
    "night..1",
    "a.b.c",
    "NIGHT",
    "a\nb",
    "*",
]
"""What a pod's environment may hold and what is no name of a run."""


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """The command, in a folder of its own, with a pytest and a Python that print what they are given."""
    for name in ("pytest", "python"):
        (tmp_path / name).write_text('#!/bin/sh\nfor each; do echo "$each"; done\n')
        (tmp_path / name).chmod(0o755)
    results = tmp_path / "results"
    (results / "state" / "journals" / "homelab").mkdir(parents=True)
    (results / "state" / "journals" / "homelab" / "night-1.jsonl").write_text("{}\n")
    (results / "history.db").write_text("what was known")
    (results / "night-1").mkdir()
    (results / "night-1" / "results.json").write_text("{}")
    return Path(shutil.copy(ROOT / "deploy/cluster/run.sh", tmp_path / "run.sh"))


def started(command: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "RESULTS": str(command.parent / "results"),
    }
    return subprocess.run(
        [command, *arguments], env=environment | settings, capture_output=True, text=True, check=False
    )


def told(command: Path, *arguments: str, **settings: str) -> list[str]:
    done = started(command, *arguments, **settings)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def after(line: list[str], option: str) -> str:
    assert line.count(option) == 1, (option, line)
    return line[line.index(option) + 1]


def everything(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else ""
        for path in folder.rglob("*")
    }


def test_a_whole_run_is_named_after_its_job(command: Path) -> None:
    line = told(command, "--push-gateway", "http://gateway:9091", RUN="night-7")

    results = command.parent / "results"
    assert after(line, "--run-id") == "night-7"
    assert after(line, "--report-dir") == str(results / "night-7")
    assert after(line, "--history") == str(results / "history.db")
    assert after(line, "-m") == "not wire and not repository"
    assert after(line, "--push-gateway") == "http://gateway:9091"
    assert "--shard" not in line


def test_old_runs_go_before_the_next_one_begins_where_that_is_asked_for(command: Path) -> None:
    line = told(command, RUN="night-7", KEEP_DAYS="60")

    results = str(command.parent / "results")
    first = line[: line.index("suites")]
    assert first == ["-m", "reports", "prune", "--older-than", "60", "--out", results,
                     "--history", f"{results}/history.db", "--delete"]  # fmt: skip
    assert after(line, "--run-id") == "night-7"
    assert "prune" not in told(command, RUN="night-7")
    assert "prune" not in told(command, RUN="night-7", KEEP_DAYS="60", SHARDS="2", JOB_COMPLETION_INDEX="0")
    assert started(command, RUN="night-7", KEEP_DAYS="-1").returncode == 4


def test_a_history_that_cannot_be_pruned_keeps_no_run_from_beginning(command: Path) -> None:
    (command.parent / "python").write_text("#!/bin/sh\nexit 3\n")

    assert after(told(command, RUN="night-7", KEEP_DAYS="60"), "--run-id") == "night-7"


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ({"RUN": "", "JOB_NAME": "night-8", "POD_NAME": "night-8-x2x"}, "night-8"),
        ({"RUN": "", "JOB_NAME": "", "POD_NAME": "night-8-x2x"}, "night-8-x2x"),
        ({"RUN": "night-9", "JOB_NAME": "night-8", "POD_NAME": "night-8-x2x"}, "night-9"),
    ],
)
def test_a_kubelet_that_knows_no_such_label_gives_the_next_best_name(
    command: Path, known: dict[str, str], name: str
) -> None:
    """Kubernetes 1.24 to 1.26 give an empty text for the label batch.kubernetes.io/job-name."""
    line = told(command, **known)

    assert after(line, "--run-id") == name


@pytest.mark.parametrize("given", [(), ("merge",)], ids=["run", "merge"])
@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_of_a_run_removes_nothing(command: Path, name: str, given: tuple[str, ...]) -> None:
    (command.parent / "results" / MARKER).touch()  # even if somebody put one there
    before = everything(command.parent)

    done = started(command, *given, RUN=name)

    assert done.returncode == 4
    assert done.stdout == ""
    assert done.stderr.startswith("error: RUN ")
    assert done.stderr.strip().endswith(".")
    assert everything(command.parent) == before


@pytest.mark.parametrize("index", ["", "x", "-1", "1/../..", "1 2"])
def test_a_part_without_a_number_removes_nothing(command: Path, index: str) -> None:
    before = everything(command.parent)

    done = started(command, RUN="night", SHARDS="4", JOB_COMPLETION_INDEX=index)

    assert done.returncode == 4
    assert "JOB_COMPLETION_INDEX" in done.stderr
    assert everything(command.parent) == before


def test_a_part_is_not_named_after_its_pod(command: Path) -> None:
    done = started(command, SHARDS="4", JOB_COMPLETION_INDEX="0", POD_NAME="night-0-x2x")

    assert done.returncode == 4
    assert "RUN is empty" in done.stderr


@pytest.mark.parametrize("name", ["night-1", "state"])
def test_a_folder_that_no_run_made_is_not_removed(command: Path, name: str) -> None:
    before = everything(command.parent)

    done = started(command, RUN=name)

    assert done.returncode == 4
    assert f"results/{name} is there, and no run made it" in done.stderr
    assert everything(command.parent) == before


def test_a_link_is_not_followed(command: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / MARKER).touch()
    (elsewhere / "kept").touch()
    (command.parent / "results" / "night-2").symlink_to(elsewhere)

    done = started(command, RUN="night-2")

    assert done.returncode == 4
    assert (elsewhere / "kept").exists()


@pytest.mark.parametrize("results", ["", "results", "/nowhere/at/all"])
def test_without_a_folder_for_results_nothing_begins(command: Path, results: str) -> None:
    done = started(command, RUN="night-7", RESULTS=results)

    assert done.returncode == 4
    assert done.stderr.startswith("error: RESULTS ")


def test_a_part_knows_which_one_it_is_and_begins_anew(command: Path) -> None:
    settings = {"RUN": "night", "SHARDS": "4", "JOB_COMPLETION_INDEX": "2", "CHECKS": "not wire"}
    told(command, **settings)
    old = command.parent / "results" / "night.3" / "results.json"
    old.touch()
    other = command.parent / "results" / "night.2"
    other.mkdir()

    line = told(command, **settings)

    assert after(line, "--shard") == "3/4"
    assert after(line, "--run-id") == "night.3"
    assert after(line, "-m") == "not wire"
    assert not old.exists()
    assert (old.parent / MARKER).exists()
    assert other.exists()


def test_others_may_not_read_what_a_run_leaves(command: Path) -> None:
    told(command, RUN="night-7")

    assert (command.parent / "results" / "night-7").stat().st_mode & 0o777 == 0o700


def test_the_parts_are_joined_on_demand_and_again(command: Path) -> None:
    results = command.parent / "results"
    for name in ("night.1", "night.2", "night.old"):
        (results / name).mkdir()
    # As the real one does: it wants a new place, and fails where the run has failed.
    (command.parent / "python").write_text(
        '#!/bin/sh\nfor each; do echo "$each"; done\nmkdir "$each" || exit 3\nexit 1\n'
    )

    for _ in range(2):
        done = started(command, "merge", RUN="night")

        assert done.returncode == 1, done.stderr
        assert done.stdout.splitlines() == [
            *("-m", "reports", "merge", str(results / "night.1"), str(results / "night.2")),
            *("--output", str(results / "night")),
        ]


def test_where_there_is_no_part_nothing_is_joined(command: Path) -> None:
    done = started(command, "merge", RUN="night")

    assert done.returncode == 4
    assert "There is no part of run night" in done.stderr
