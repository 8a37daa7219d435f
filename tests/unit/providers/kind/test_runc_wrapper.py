"""What Docker asks for beyond the rights of the machine is left out, whatever the spelling of runc's options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kind import runc_wrapper

PROCESS = {
    "args": ["/sbin/init"],
    "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1048576, "soft": 1048576}],
    "oomScoreAdj": -500,
    "capabilities": {"bounding": ["CAP_KILL", "CAP_SYS_RESOURCE"], "ambient": None},
}
REDUCED = {"args": ["/sbin/init"], "capabilities": {"bounding": ["CAP_KILL"], "ambient": []}}


@pytest.fixture
def runc(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the wrapper becomes."""
    became: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _, arguments: became.append(arguments))
    return became


@pytest.mark.parametrize("verb", ["create", "run"])
@pytest.mark.parametrize("spelled", ["--bundle {}", "--bundle={}", "-b {}"])
def test_a_new_container_is_reduced(tmp_path: Path, runc: list[list[str]], verb: str, spelled: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"process": PROCESS, "hostname": "n"}))
    arguments = ["--root", "/x", verb, *spelled.format(tmp_path).split(), "id"]

    runc_wrapper.main(arguments, "/usr/sbin/runc")

    assert json.loads((tmp_path / "config.json").read_text()) == {"process": REDUCED, "hostname": "n"}
    assert runc == [["/usr/sbin/runc", *arguments]]


def test_a_process_in_a_container_is_reduced(tmp_path: Path, runc: list[list[str]]) -> None:
    file = tmp_path / "process.json"
    file.write_text(json.dumps(PROCESS))

    runc_wrapper.main(["exec", "--process", str(file), "id"], "/usr/sbin/runc")

    assert json.loads(file.read_text()) == REDUCED
    assert len(runc) == 1


@pytest.mark.parametrize("arguments", [["state", "id"], ["delete", "--force", "id"], ["exec", "id", "ls"]])
def test_everything_else_goes_through_as_it_is(runc: list[list[str]], arguments: list[Any]) -> None:
    runc_wrapper.main(arguments, "/usr/sbin/runc")

    assert runc == [["/usr/sbin/runc", *arguments]]
