"""Parts are built once by key, by one run at a time, and a failed build says which part and why. Go is a script."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clusters import budgets, wait
from clusters.errors import UsageError
from clusters.lab import parts
from clusters.lab.parts import __main__ as command
from clusters.lab.parts import building, part_table, provisioning, ready
from clusters.lab.parts.cache import CACHE_VARIABLE, PartError
from clusters.lab.parts.part_table import PARTS, Part
from clusters.lab.parts.provisioning import Step
from clusters.metallb.versions import IN_THE_LAB

#: Answers what the real one is asked; `$FAKE/fail` makes builds fail, `$FAKE/hold` makes them wait until it is gone.
FAKE_GO = """\
#!/bin/sh
case "$1" in
version) echo go version go1.99.0 linux/amd64 ;;
env) echo "$FAKE/gocache"; echo "$FAKE/gomodcache" ;;
mod) echo '{"Dir": "/exact"}' ;;
list) echo "{\\"Dir\\": \\"$FAKE/module\\", \\"Version\\": \\"v9.9.9\\"}" ;;
build)
    echo "$PWD $*" >> "$FAKE/builds"
    while [ -e "$FAKE/hold" ]; do /bin/sleep 0.05; done
    if [ -e "$FAKE/fail" ]; then /bin/cat "$FAKE/fail" >&2; exit 1; fi
    while [ "$1" != -o ]; do shift; done
    /bin/mkdir -p "${2%/*}"; echo "$3" > "$2" ;;
esac
"""


class Fake:
    """The folder of the scripted Go: what it was asked, and what it does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"

    def builds(self) -> list[str]:
        path = self.folder / "builds"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def fails_with(self, output: str) -> None:
        (self.folder / "fail").write_text(output, encoding="utf-8")

    def works_again(self) -> None:
        (self.folder / "fail").unlink()

    def holds(self) -> None:
        (self.folder / "hold").touch()

    def goes_on(self) -> None:
        (self.folder / "hold").unlink()


class Heard:
    """A progress that only remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.closed = False

    def working(self, step: Step, doing: str, seconds: float) -> None:
        self.lines.append(f"{step}: {doing}")

    def finished(self, step: Step, result: str, seconds: float) -> None:
        self.lines.append(f"{step}: {result}")

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    program = tmp_path / "path" / "go"
    program.parent.mkdir()
    program.write_text(FAKE_GO, encoding="utf-8")
    program.chmod(0o755)
    tie = shutil.which("setpriv")
    assert tie is not None, "util-linux has it"
    (program.parent / "setpriv").symlink_to(tie)
    for files in (
        "config/manifests/metallb-native.yaml",
        "config/crd/bases/a.yaml",
        "manifests/base/rbac.yaml",
    ):
        path = tmp_path / "module" / files
        path.parent.mkdir(parents=True)
        path.write_text(f"# {files}\n", encoding="utf-8")
    monkeypatch.setenv("FAKE", str(tmp_path))
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(provisioning, "require_space", lambda *_, **__: None)
    return Fake(tmp_path)


@pytest.fixture
def started(fake: Fake) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command as another process, which is gone after the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(*names: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "clusters.lab.parts", *names],
            cwd=Path(__file__).parents[3],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def _read_until(process: subprocess.Popen[str], wanted: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if wanted in line:
            return
    pytest.fail(f"the command ended without saying {wanted!r}")


def test_a_part_is_built_once_and_then_taken_from_the_cache(fake: Fake) -> None:
    first, second = Heard(), Heard()
    built = parts.ensure(only=["pause"], progress=first)
    again = parts.ensure(only=["pause"], progress=second)
    assert first.lines == ["[1/1] pause: building", "[1/1] pause: built"]
    assert first.closed
    assert second.lines == []
    assert len(fake.builds()) == 1
    assert built.binary("pause") == again.binary("pause")
    assert built.binary("pause").read_text(encoding="utf-8") == "lab.invalid/pause\n"


def test_a_module_without_the_files_to_be_kept_is_named(fake: Fake) -> None:
    (fake.folder / "module/config/crd/bases/a.yaml").unlink()
    with pytest.raises(PartError, match=r"go\.universe\.tf/metallb v9\.9\.9 has no config/crd/bases"):
        parts.ensure(only=["metallb-0.15.2"], progress=Heard())


def test_a_failed_build_names_the_part_and_shows_the_last_lines(fake: Fake) -> None:
    fake.fails_with("\n".join(f"line {number}" for number in range(1, 41)))
    with pytest.raises(PartError) as failed:
        parts.ensure(only=["etcd"], progress=Heard())
    text = str(failed.value).splitlines()
    log = fake.cache / "logs" / "etcd.log"
    assert text[0] == (
        f"The part etcd cannot be built: go build ended with code 1. The whole output is in {log}."
    )
    assert text[1:] == [f"  | line {number}" for number in range(26, 41)]
    assert log.read_text(encoding="utf-8").startswith("line 1\n")


@pytest.mark.parametrize(
    ("output", "remedy"),
    [
        ("go: x@v1: dial tcp: lookup proxy: no such host", "The Go module proxy cannot be reached"),
        ("write /tmp/a: no space left on device", "Make room on the disk"),
    ],
)
def test_a_build_that_fails_for_want_of_something_says_what(fake: Fake, output: str, remedy: str) -> None:
    fake.fails_with(output)
    with pytest.raises(PartError) as failed:
        parts.ensure(only=["etcd"], progress=Heard())
    assert failed.value.remedy.startswith(remedy)


def test_a_failed_build_does_not_stay_and_what_was_finished_does(fake: Fake) -> None:
    parts.ensure(only=["pause"], progress=Heard())
    fake.fails_with("broken")
    with pytest.raises(PartError):
        parts.ensure(only=["pause", "cni"], progress=Heard())
    fake.works_again()
    heard = Heard()
    parts.ensure(only=["pause", "cni"], progress=heard)
    assert heard.lines[-2:] == ["[1/2] cni: built", "[2/2] pause: cached"]


def test_a_cache_that_cannot_be_written_to_is_named(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    (fake.folder / "file").touch()
    monkeypatch.setenv(CACHE_VARIABLE, str(fake.folder / "file" / "cache"))
    with pytest.raises(
        PartError, match=r"^The lab's parts cannot be kept in .*/file/cache: .* Name a folder"
    ):
        parts.ensure(only=["pause"], progress=Heard())


def test_two_runs_at_once_build_a_part_once(
    fake: Fake, started: Callable[..., subprocess.Popen[str]]
) -> None:
    fake.holds()
    first = started("pause")
    _read_until(first, "[1/1] pause: building")
    second = started("pause")
    _read_until(second, "[1/1] pause: waiting for another run that makes it")
    fake.goes_on()
    told = [process.communicate(timeout=30)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    assert "[1/1] pause: built" in told[0]
    assert "[1/1] pause: cached" in told[1]
    assert len(fake.builds()) == 1


def test_a_killed_run_leaves_nothing_but_what_the_next_one_removes(
    fake: Fake, started: Callable[..., subprocess.Popen[str]]
) -> None:
    fake.holds()
    killed = started("pause")
    # Only a program that runs has been tied to the one that starts it.
    wait.until(
        "the build has begun",
        read=fake.builds,
        accept=bool,
        budget=budgets.get(budgets.LAB_PROGRAM_STARTED),
    )
    killed.kill()
    killed.wait()
    left = list((fake.cache / "parts").iterdir())
    fake.goes_on()
    made = parts.ensure(only=["pause"], progress=Heard())
    assert [path.name[0] for path in left] == ["."]
    assert list((fake.cache / "parts").iterdir()) == [made.slots["pause"].folder]


def test_an_interrupted_run_says_so_and_cleans_up(
    fake: Fake, started: Callable[..., subprocess.Popen[str]]
) -> None:
    fake.holds()
    interrupted = started("pause")
    _read_until(interrupted, "[1/1] pause: building")
    interrupted.send_signal(signal.SIGINT)
    told = interrupted.communicate(timeout=30)[0]
    assert interrupted.returncode == 2
    assert told.startswith("interrupted: what is finished stays")
    assert list((fake.cache / "parts").iterdir()) == []


def test_the_key_follows_module_files_go_and_flags(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    part = next(part for part in PARTS if part.name == "cni")
    before = building.key(part, "1.26.8")
    assert building.key(part, "1.26.8") == before
    assert building.key(part, "1.27.0") != before
    monkeypatch.setattr(building, "flags", lambda _: ("-race",))
    assert building.key(part, "1.26.8") != before
    monkeypatch.undo()
    (tmp_path / "cni").mkdir()
    for path in part.source.iterdir():
        (tmp_path / "cni" / path.name).write_bytes(path.read_bytes() + b"\n")
    assert building.key(replace(part, modules=tmp_path), "1.26.8") != before


def test_the_versions_that_the_lab_names_are_the_pinned_ones() -> None:
    by_name = {
        part.name: (part.source / "go.mod").read_text(encoding="utf-8") for part in part_table.ALL_PARTS
    }
    named = {
        "kubelet": f"k8s.io/kubernetes {part_table.KUBERNETES}",
        "metrics-server": f"sigs.k8s.io/metrics-server {part_table.METRICS_SERVER}",
        "traefik": f"github.com/traefik/traefik/v3 {part_table.TRAEFIK}",
        **{
            f"metallb-{version}": f"go.universe.tf/metallb v{version}"
            for version in part_table.SUPPORTED_METALLB
        },
    }
    assert all(f"{pinned} // indirect\n" in by_name[name] for name, pinned in named.items())
    staging = set(re.findall(r"=> k8s\.io/\S+ (v\S+)", by_name["kubelet"]))
    assert staging == {part_table.KUBERNETES.replace("v1.", "v0.")}


def test_images_and_store_have_other_keys_when_a_part_of_theirs_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = ready.slots(tmp_path, "1.26.8")
    plain = building.key

    def changed(part: Part, go_version: str) -> str:
        return "changed00000" if part.name == "agnhost" else plain(part, go_version)

    monkeypatch.setattr(building, "key", changed)
    after = ready.slots(tmp_path, "1.26.8")
    other = {name for name in before if before[name] != after[name]}
    assert other == {"agnhost", "images", "image-store", "image-store-traefik"}


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda made: made.image("nginx"), "The lab has no image nginx. There are metallb-0.15.2-controller"),
        (
            lambda made: made.manifest("0.9.9"),
            f"The lab has no MetalLB 0.9.9. There are {', '.join(IN_THE_LAB)}.",
        ),
        (lambda made: made.binary("nginx"), "The lab has no part nginx. There are kube-apiserver"),
        (lambda made: made.binary("kubelet"), "The part kubelet has not been made yet. Run make setup."),
    ],
)
def test_what_there_is_not_is_named_with_what_there_is(
    fake: Fake, ask: Callable[[parts.Parts], object], text: str
) -> None:
    made = parts.ensure(only=["pause"], progress=Heard())
    with pytest.raises((UsageError, PartError), match=f"^{re.escape(text)}"):
        ask(made)


def test_a_damaged_part_is_named_with_the_folder_to_remove(fake: Fake) -> None:
    made = parts.ensure(only=["pause"], progress=Heard())
    made.binary("pause").unlink()
    (made.slots["pause"].folder / building.RECORD).write_text("{", encoding="utf-8")
    for ask in (made.binary, made.record):
        with pytest.raises(PartError, match="The part pause is damaged") as damaged:
            ask("pause")
        assert str(made.slots["pause"].folder) in damaged.value.remedy


def test_the_command_makes_lists_and_prunes(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["pause"]) == 0
    folder = parts.ensure(only=["pause"]).slots["pause"].folder
    record = json.loads((folder / building.RECORD).read_text(encoding="utf-8"))
    assert record["part"] == "pause"
    (folder.parent / "pause-ba9876543210").mkdir()
    capsys.readouterr()
    assert command.main(["--list"]) == 0
    listed = {line.split()[0]: line.split()[2:] for line in capsys.readouterr().out.splitlines()}
    assert listed["pause"][1] == "MB"
    assert listed["kubelet"] == ["-", "-"]
    assert command.main(["--prune"]) == 0
    assert capsys.readouterr().out == f"removed {folder.parent}/pause-ba9876543210\n"


def test_the_command_says_an_unknown_part_in_one_sentence(
    fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["nginx"]) == 4
    assert capsys.readouterr().err.startswith("error: The lab has no part nginx. There are kube-apiserver, ")


def test_an_ordinary_user_makes_everything_but_the_store(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert command.main([]) == 0
    told = capsys.readouterr()
    assert re.search(r"\[(\d+)/\1\] images: built", told.err)
    assert "The image store is left for the lab's first start, because it needs root." in told.out


def test_what_an_extra_asks_for_is_made_for_it_alone(tmp_path: Path) -> None:
    made = parts.Parts(ready.slots(tmp_path, "1.26.8"))
    plain, more = provisioning.names_for(made), provisioning.names_for(made, "traefik")

    assert set(more) - set(plain) == {"traefik", "images-traefik", "image-store-traefik"}
    assert not set(plain) - set(more)
    wanted = provisioning._with_sources(["image-store-traefik"], made)
    assert {"traefik", "containerd", "images", "images-traefik"} < set(wanted)
    assert wanted[-1] == "image-store-traefik"
