"""What the lab takes from the distribution is found, installed, or asked for in one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clusters.errors import Refused
from clusters.lab.parts import system


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose only programs lie in the folder that this gives."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(system, "_SEARCHED", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def _program(machine: Path, name: str, script: str = "exit 0") -> None:
    (machine / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (machine / name).chmod(0o755)


def _all_but(machine: Path, *absent: str) -> None:
    for command in system.COMMANDS:
        if command not in absent:
            _program(machine, command)


def test_nothing_is_installed_where_nothing_is_missing(machine: Path) -> None:
    _all_but(machine)
    _program(machine, "apt-get", "exit 1")
    assert system.missing() == []
    assert system.main() == 0


def test_each_missing_command_is_found_with_its_package_once(machine: Path) -> None:
    _all_but(machine, "runc", "iptables", "ip6tables")
    assert system.missing() == ["runc", "iptables", "ip6tables"]
    assert system.packages(system.missing()) == ["runc", "iptables"]


def test_what_is_missing_is_installed_through_apt(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _all_but(machine, "nft")
    _program(
        machine,
        "apt-get",
        f'[ "$1" = update ] && exit 100; echo "$@" > {machine}/asked; : > {machine}/nft; /bin/chmod 755 {machine}/nft',
    )
    assert system.main() == 0
    assert (machine / "asked").read_text(encoding="utf-8").split() == [
        *("install", "--yes", "--no-install-recommends", "nftables"),
    ]
    assert capsys.readouterr().out == "setup: installing nftables (for nft)\n"


def test_a_machine_without_apt_is_told_the_packages(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _all_but(machine, "runc", "conntrack")
    assert system.main() == 6
    assert capsys.readouterr().err == (
        "error: The lab needs runc, conntrack, and this machine has no apt-get to install them with. "
        "Install what your distribution calls runc, conntrack.\n"
    )


def test_an_ordinary_user_is_told_the_command(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _all_but(machine, "runc")
    _program(machine, "apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Refused, match="only root can install") as refused:
        system.install()
    assert refused.value.remedy == "Run: sudo apt-get install --yes --no-install-recommends runc"


def test_a_failed_install_shows_the_end_of_what_apt_printed(machine: Path) -> None:
    _all_but(machine, "runc")
    _program(
        machine, "apt-get", '[ "$1" = update ] || { echo "E: Unable to locate package runc"; exit 100; }'
    )
    with pytest.raises(Refused, match="apt-get could not install runc") as refused:
        system.install()
    assert "  | E: Unable to locate package runc" in str(refused.value)


def test_an_install_that_brings_nothing_is_not_believed(machine: Path) -> None:
    _all_but(machine, "git")
    _program(machine, "apt-get")
    with pytest.raises(Refused, match="git is still missing"):
        system.install()
