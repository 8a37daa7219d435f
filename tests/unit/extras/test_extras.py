"""What a lean installation lacks is said by whoever needs it, with the command that installs it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from clusters import extras, providers
from clusters.errors import UsageError
from clusters.profile import Profile, Provider
from reports.publish import outlets

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BASE, OPTIONAL = PROJECT["dependencies"], PROJECT["optional-dependencies"]


@pytest.fixture(autouse=True)
def _pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in most environments, whatever this one is."""
    monkeypatch.setattr(extras, "_has_pip", lambda: True)


def hidden(monkeypatch: pytest.MonkeyPatch, package: str, *modules: str) -> None:
    """As if `package` were not installed, and `modules` had not been loaded yet."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package or name in modules]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.parametrize(
    ("provider", "package"),
    [(Provider.KIND, "pytest_kind"), (Provider.KIND, "pyroute2"), (Provider.LAB, "pyroute2")],
)
def test_a_provider_says_which_extra_it_needs(
    monkeypatch: pytest.MonkeyPatch, provider: Provider, package: str
) -> None:
    mine = [
        name for name in sys.modules if name.startswith(("clusters.lab", "clusters.providers.", "pyroute2"))
    ]
    hidden(monkeypatch, package, *mine)

    with pytest.raises(UsageError) as caught:
        providers.open_cluster(Profile(name="mine", provider=provider))

    assert str(caught.value) == (
        f"Provider {provider} of profile mine needs the extra [{provider}], which is not installed. "
        f"Install it: {sys.executable} -m pip install --require-hashes -r {ROOT}/requirements/{provider}.txt"
    )


def test_a_message_cannot_be_sent_without_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hidden(monkeypatch, "apprise")
    (sinks := tmp_path / "sinks").write_text("json://localhost/here\n")
    sinks.chmod(0o600)

    with pytest.raises(UsageError) as caught:
        outlets.receivers(sinks)

    assert str(caught.value) == (
        "Sending messages to apprise URLs needs the extra [notify], which is not installed. "
        f"Install it: {sys.executable} -m pip install --require-hashes -r {ROOT}/requirements/notify.txt"
    )


#: The command, in a Python in which a package is not installed.
_WITHOUT = """
import sys
sys.modules[{hidden!r}] = None
from metallb_conformance.command import main
raise SystemExit(main())
"""


def test_the_lab_is_one_sentence_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT.format(hidden="pyroute2"), "lab", "status"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 4, done.stderr
    assert done.stderr.startswith(
        "error: The lab needs the extra [lab], which is not installed. Install it: "
    )
    assert done.stderr.count("\n") == 1


def test_another_missing_module_is_not_blamed_on_the_extra() -> None:
    with pytest.raises(ModuleNotFoundError), extras.needed("lab", "The lab"):
        raise ModuleNotFoundError("No module named 'clusters.odd'", name="clusters.odd")


@pytest.mark.parametrize("extra", sorted(extras.NAMES))
def test_outside_of_a_checkout_it_is_installed_by_what_it_consists_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, extra: str
) -> None:
    made = [*BASE, *(f"{each}; extra == '{extra}'" for each in OPTIONAL[extra]), "odd>=1; extra == 'other'"]
    monkeypatch.setattr(extras, "_LOCKS", tmp_path)
    monkeypatch.setattr("importlib.metadata.requires", lambda name: made)

    assert shlex.split(extras.installing(extra))[4:] == OPTIONAL[extra]


def test_where_there_is_no_pip_it_is_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "_has_pip", lambda: False)

    assert extras.installing("lab").startswith(f"uv pip install --python {sys.executable} ")


@pytest.mark.parametrize("extra", sorted(extras.NAMES))
def test_the_locks_pin_what_the_project_asks_for(extra: str) -> None:
    for name, wanted in ((extra, [*BASE, *OPTIONAL[extra]]), ("run", BASE)):
        lock = (ROOT / "requirements" / f"{name}.txt").read_text()
        pinned = set(re.findall(r"^([a-z0-9.-]+)==", lock, re.MULTILINE))
        assert {Requirement(each).name for each in wanted} <= pinned
    assert set(extras.NAMES) == set(OPTIONAL)


def test_the_page_says_what_each_dependency_is_for() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text()
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| ([\d.]+) \| (\S.*) \|$", page, re.MULTILINE)
    base, _, rest = page.partition("## Extras")

    for part, wanted in ((base, BASE), (rest, [each for extra in OPTIONAL.values() for each in extra])):
        told = {name for name, *_ in rows if f"| `{name}` |" in part}
        assert told == {Requirement(each).name for each in wanted}
