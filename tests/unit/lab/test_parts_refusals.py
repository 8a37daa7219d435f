"""What a machine or a proxy lacks for the lab is said in one sentence, and nothing unknown stands in for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import Refused
from clusters.lab.parts import substitute, system
from clusters.lab.parts.cache import CACHE_VARIABLE, PartError
from clusters.lab.parts.part_table import EXTRAS, PARTS

PART = next(part for part in PARTS if part.needs)
STANDS_IN = "github.com/metallb/frr-k8s@v0.0.26"
FORBIDDEN = {"Error": f"{PART.needs}: reading https://proxy.example: 403 Forbidden", "GoMod": "v0.0.27.mod"}


@pytest.mark.parametrize(
    ("exact", "other", "shown"),
    [
        pytest.param({**FORBIDDEN, "Error": "dial tcp: no such host"}, {}, 1, id="no network"),
        pytest.param({**FORBIDDEN, "GoMod": ""}, {}, 1, id="not even its go.mod"),
        pytest.param(FORBIDDEN, {"Error": "404 Not Found"}, 2, id="the other is missing too"),
        pytest.param(FORBIDDEN, {"Dir": "/somewhere", "Sum": "h1:other"}, 2, id="another than is known"),
    ],
)
def test_only_a_known_module_stands_in_for_a_missing_one(
    tmp_path: Path, exact: dict[str, Any], other: dict[str, Any], shown: int
) -> None:
    def go(arguments: Sequence[str], work: Path) -> dict[str, Any]:
        return {PART.needs: exact, STANDS_IN: other}[arguments[3]]

    with pytest.raises(PartError, match=f"{PART.needs} cannot be downloaded") as failed:
        substitute.apply(PART, tmp_path, go)
    assert failed.value.output[0] == exact["Error"]
    assert len(failed.value.output) == shown
    assert list(tmp_path.iterdir()) == []


def _module(folder: Path) -> dict[str, str]:
    """A downloaded module as Go lists it, with a test and a folder that nobody wants."""
    for name in ("auth.go", "auth_test.go", "added.go", "acme/acme.go", "cmd/main.go"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("// as published\n", encoding="utf-8")
    return {"Dir": str(folder), "Sum": ""}


def test_a_stand_in_is_the_published_module_but_for_what_lies_in_its_folder(tmp_path: Path) -> None:
    (part,) = EXTRAS["traefik"]
    module, work = _module(tmp_path / "published"), tmp_path / "work"
    shutil.copytree(part.source, work)
    sums = {each.copied: each.sum for each in part.stand_ins}

    said = substitute.complete(part, work, lambda arguments, _: {**module, "Sum": sums[arguments[3]]})

    auth, lego = work / "stand-ins/go-http-auth", work / "stand-ins/lego"
    assert (auth / "auth.go").read_text(encoding="utf-8") == "// as published\n"
    assert "RequireAuthStale" in (auth / "added.go").read_text(encoding="utf-8")
    assert not (auth / "auth_test.go").exists()
    assert (lego / "acme/acme.go").exists()
    assert not (lego / "cmd").exists()
    assert said.startswith("dynamic-ext, go-http-auth, lego are not as they are published")


def test_another_module_than_is_known_stands_in_for_nothing(tmp_path: Path) -> None:
    (part,) = EXTRAS["traefik"]

    with pytest.raises(PartError, match=r"go-http-auth@v0\.4\.0 cannot be downloaded"):
        substitute.complete(part, tmp_path, lambda *_: {"Dir": "/somewhere", "Sum": "h1:other"})


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose only programs lie in the folder that this gives: all that the lab needs but runc."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(system, "_SEARCHED", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for command in system.COMMANDS:
        if command != "runc":
            _program(tmp_path, command)
    return tmp_path


def _program(machine: Path, name: str, script: str = "exit 0") -> None:
    (machine / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (machine / name).chmod(0o755)


def test_a_machine_without_apt_is_told_the_packages(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert system.main() == 6
    assert capsys.readouterr().err == (
        "error: The lab needs runc, and this machine has no apt-get to install them with. "
        "Install what your distribution calls runc.\n"
    )
    with pytest.raises(Refused, match="no apt-get to fetch it with"):
        system.fetch(next(iter(system.PROGRAMS)))


def test_an_ordinary_user_is_told_the_command(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(machine, "apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Refused, match="only root can install") as refused:
        system.install()
    assert refused.value.remedy == "Run: sudo apt-get install --yes --no-install-recommends runc"


def test_a_failed_install_shows_the_end_of_what_apt_printed(machine: Path) -> None:
    _program(
        machine, "apt-get", '[ "$1" = update ] || { echo "E: Unable to locate package runc"; exit 100; }'
    )
    with pytest.raises(Refused, match="apt-get could not install runc") as refused:
        system.install()
    assert "  | E: Unable to locate package runc" in str(refused.value)


def test_an_install_that_brings_nothing_is_not_believed(machine: Path) -> None:
    _program(machine, "apt-get")
    with pytest.raises(Refused, match="runc is still missing"):
        system.install()
