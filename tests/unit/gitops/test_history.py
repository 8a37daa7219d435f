"""Reading git: where the repository stands, what changed, and one sentence for everything that prevents it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from clusters import budgets
from clusters.gitops import history
from clusters.gitops.git import Git, NoHistory
from clusters.gitops.history import PoolChange

POOL = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: %s}
spec: {addresses: [%s]}
"""
FILE = "metallb/overlays/lab/config.yaml"


class Repository:
    """A git repository that a test fills."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True)
        self.run("init", "--quiet", "--initial-branch=main")

    def run(self, *arguments: str) -> None:
        identity = (
            "-c",
            "user.name=A Person",
            "-c",
            "user.email=person@example.org",
            "-c",
            "commit.gpgSign=false",
        )
        subprocess.run(("git", *identity, *arguments), cwd=self.root, check=True, capture_output=True)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def commit(self, subject: str, **files: str) -> None:
        for path, text in files.items():
            self.write(path, text)
        self.run("add", "--all")
        self.run("commit", "--quiet", "--allow-empty", "--message", subject)

    def read(self, folder: str = ".") -> history.History:
        return history.read(Git(self.root / folder), "metallb")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_a_change_of_a_pool_is_read_with_both_sides(repository: Repository) -> None:
    repository.commit("one", **{FILE: POOL % ("edge", "10.0.0.1/32")})
    repository.commit("two; with a body\n\nand more of it", **{FILE: POOL % ("edge", "10.0.0.2/32")})

    found = repository.read()

    assert [change.subject for change in found.changes] == ["two; with a body", "one"]
    assert found.changes[0].pools == (
        PoolChange(
            folder="metallb/overlays/lab", pool="edge", before=("10.0.0.1/32",), after=("10.0.0.2/32",)
        ),
    )
    assert found.changes[1].pools == ()
    assert (found.previous, found.branch, found.dirty) == (found.changes[1].commit, "main", ())


def test_a_folder_of_a_larger_repository_has_its_own_paths(repository: Repository) -> None:
    repository.commit("one", **{f"platform/{FILE}": POOL % ("edge", "10.0.0.1/32"), "other/a.yaml": "a: 1"})
    repository.commit("elsewhere", **{"other/a.yaml": "a: 2"})
    repository.write(f"platform/{FILE}", POOL % ("edge", "10.0.0.3/32"))

    found = repository.read("platform")

    assert [change.files for change in found.changes] == [(FILE,)]
    assert found.dirty == (FILE,)
    assert found.uncommitted is not None
    assert found.uncommitted.pools[0].after == ("10.0.0.3/32",)


def test_a_pool_that_moves_between_files_did_not_change(repository: Repository) -> None:
    repository.commit("one", **{FILE: POOL % ("edge", "10.0.0.1/32")})
    (repository.root / FILE).unlink()
    repository.commit("two", **{"metallb/overlays/lab/pools.yaml": POOL % ("edge", "10.0.0.1-10.0.0.1")})

    assert repository.read().changes[0].pools == ()


def test_a_removed_pool_is_a_change(repository: Repository) -> None:
    repository.commit("one", **{FILE: POOL % ("edge", "10.0.0.1/32")})
    repository.commit("two", **{FILE: "# nothing\n"})

    assert repository.read().changes[0].pools[0].after == ()


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param(
            "patches:\n- target: {kind: IPAddressPool, name: edge}\n"
            "  patch: '[{op: replace, path: /spec/addresses, value: [10.0.0.%s/32]}]'\n",
            id="operations",
        ),
        pytest.param(
            "patches:\n- patch: |\n    apiVersion: metallb.io/v1beta1\n    kind: IPAddressPool\n"
            "    metadata: {name: edge}\n    spec: {addresses: [10.0.0.%s/32]}\n",
            id="merge",
        ),
    ],
)
def test_a_patch_in_a_kustomization_counts(repository: Repository, patch: str) -> None:
    path = "metallb/overlays/lab/kustomization.yaml"
    repository.commit("one", **{path: patch % 1})
    repository.commit("two", **{path: patch % 2})

    (change,) = repository.read().changes[0].pools

    assert (change.pool, change.before, change.after) == ("edge", ("10.0.0.1/32",), ("10.0.0.2/32",))


def test_a_merged_branch_is_one_change(repository: Repository) -> None:
    repository.commit("one", **{FILE: POOL % ("edge", "10.0.0.1/32")})
    repository.run("checkout", "--quiet", "-b", "topic")
    repository.commit("try", **{FILE: POOL % ("edge", "10.0.0.7/32")})
    repository.commit("settle", **{FILE: POOL % ("edge", "10.0.0.2/32")})
    repository.run("checkout", "--quiet", "main")
    repository.run("merge", "--quiet", "--no-ff", "--message", "merge it", "topic")

    found = repository.read()

    assert [change.subject for change in found.changes] == ["merge it", "one"]
    assert found.changes[0].pools[0].after == ("10.0.0.2/32",)


def test_no_branch_is_no_problem(repository: Repository) -> None:
    repository.commit("one", **{FILE: POOL % ("edge", "10.0.0.1/32")})
    repository.run("checkout", "--quiet", "--detach")

    found = repository.read()

    assert (found.problem, found.branch, len(found.changes)) == ("", "", 1)


def test_odd_names_and_broken_files_are_read_past(repository: Repository) -> None:
    repository.commit("one", **{"metallb/ö b\tc.yaml": "a: [", FILE: POOL % ("edge", "10.0.0.1/32")})
    repository.commit(
        "two", **{"metallb/ö b\tc.yaml": "\udcff".encode("utf-8", "surrogateescape").decode("latin-1")}
    )

    found = repository.read()

    assert found.problem == ""
    assert found.changes[0].files == ("metallb/ö b\tc.yaml",)


def test_a_shallow_clone_is_known_as_one(repository: Repository, tmp_path: Path) -> None:
    repository.commit("one", **{FILE: POOL % ("edge", "10.0.0.1/32")})
    repository.commit("two", **{FILE: POOL % ("edge", "10.0.0.2/32")})
    repository.run("clone", "--quiet", "--depth=1", f"file://{repository.root}", str(tmp_path / "clone"))

    found = history.read(Git(tmp_path / "clone"), "metallb")

    assert (found.shallow, found.previous, len(found.changes)) == (True, "", 1)


def test_the_variables_of_a_git_hook_do_not_lead_elsewhere(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit("one", **{FILE: POOL % ("edge", "10.0.0.1/32")})
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))

    assert repository.read().problem == ""


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda root: None, "does not exist", id="no-folder"),
        pytest.param(lambda root: root.mkdir(), "is not in a git repository", id="no-repository"),
        pytest.param(Repository, "has no commit yet", id="no-commit"),
    ],
)
def test_what_prevents_reading_is_one_sentence(tmp_path: Path, make: object, said: str) -> None:
    root = tmp_path / "place"
    make(root)  # type: ignore[operator]  # a parameter

    found = history.read(Git(root), "metallb")

    assert said in found.problem
    assert found.problem.endswith(".")
    assert "\n" not in found.problem
    with pytest.raises(NoHistory, match=said):
        found.needed()


def test_a_missing_git_is_said(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    assert repository.read().problem.startswith("git is not installed")


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder to another user takes root")
def test_a_repository_of_another_user_is_not_read_past_git_s_own_guard(repository: Repository) -> None:
    repository.commit("one", **{FILE: POOL % ("edge", "10.0.0.1/32")})
    os.chown(repository.root, 65534, 65534)

    found = repository.read()

    assert "which belongs to another user" in found.problem
    assert "safe.directory" in found.remedy


def test_a_git_that_hangs_is_given_up(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(budgets._Settings, "overrides", {"git_answered": 0.2})

    assert "took longer than" in repository.read().problem
