"""A daemon's program is taken as it is installed, or out of its package, which is never installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from clusters.errors import Refused
from clusters.lab.parts import unpacked
from clusters.lab.parts.cache import CACHE_VARIABLE

DOWNLOAD = """
[ "$1" = update ] && { touch "$INDEX"; exit 0; }
[ -e "$INDEX" ] || { echo "E: Unable to locate package" >&2; exit 100; }
shift 2; for name; do echo "$name" > "$name.deb"; done
"""
EXTRACT = 'mkdir -p "$3/usr/sbin" "$3/usr/lib"; echo > "$3/usr/sbin/sshd"; echo > "$3/usr/lib/libwrap.so.0"'


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without sshd whose apt-get knows no package before its index was updated."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/bin:/usr/bin")
    monkeypatch.setenv("INDEX", str(tmp_path / "index"))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(unpacked, "PROGRAMS", {"sshd": ("openssh-server", "libwrap0")})
    which = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda name, path=None: None if name == "sshd" else which(name, path=path)
    )
    for name, script in (("apt-get", DOWNLOAD), ("dpkg-deb", EXTRACT)):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    return programs


def test_it_is_unpacked_once_with_its_libraries(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert unpacked.find("sshd") is None
    assert unpacked.main() == 0
    assert unpacked.main() == 0

    found = unpacked.find("sshd")
    assert found is not None
    assert found.root is not None
    assert found.path == found.root / "usr/sbin/sshd"
    assert found.environment == {"LD_LIBRARY_PATH": str(found.root / "usr/lib")}
    assert list(found.root.glob("*.deb")) == []
    said = "setup: fetching openssh-server for sshd (not installed, only unpacked)\n"
    assert capsys.readouterr().out == said


def test_an_archive_that_does_not_have_it_is_one_sentence(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (machine / "apt-get").write_text(
        "#!/bin/sh\necho 'E: Unable to locate package openssh-server' >&2; exit 100\n"
    )
    assert unpacked.main() == 6
    text = "error: apt-get update failed: E: Unable to locate package openssh-server.\n"
    assert capsys.readouterr().err == text


def test_a_machine_without_apt_is_told_what_to_install(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(Refused, match="no apt-get to fetch it with"):
        unpacked.fetch("sshd")


def test_an_installed_one_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: "/usr/sbin/sshd")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("nothing is to be fetched"))
    assert unpacked.fetch("sshd") == unpacked.Program(Path("/usr/sbin/sshd"))
