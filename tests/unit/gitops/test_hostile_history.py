"""A repository whose history, configuration or folders are made to get at whoever reads it. All made with git."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from clusters.errors import Inconclusive
from clusters.gitops import git, history, service_documentation
from clusters.gitops.git import Git
from tests.unit.gitops.site import Site
from tests.unit.gitops.test_history import FILE, POOL, Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with a pool, its address changed once."""
    found = Repository(tmp_path / "repository")
    found.commit("one", **{FILE: POOL % ("edge", "10.0.0.1/32")})
    found.commit("two", **{FILE: POOL % ("edge", "10.0.0.2/32")})
    return found


def made(root: Path, *arguments: str, given: bytes = b"") -> str:
    """What a git command of the attacker prints."""
    who = {f"GIT_{role}_{part}": "x" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    done = subprocess.run(
        ("git", *arguments), cwd=root, input=given, env=os.environ | who, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def tree(root: Path, *entries: tuple[str, bytes, str]) -> str:
    """A tree object of (mode, name, object), whatever the names are."""
    content = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(of) for mode, name, of in entries)
    return made(root, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", given=content)


class TestPathsOfTheHistory:
    """Trees with names that git itself would never check out."""

    @pytest.fixture
    def victim(self, site: Site) -> Path:
        """A file beside the clone."""
        place = site.root.parent / "victim.txt"
        place.write_text("before")
        return place

    def buried(self, site: Site, *entries: tuple[str, bytes, str]) -> str:
        """Put a commit whose folder metallb also has these entries under one that has not."""
        real = made(site.root, "rev-parse", "HEAD:metallb")
        listed = made(site.root, "ls-tree", real).splitlines()
        kept = [
            (line.split()[0].lstrip("0"), line.split("\t")[1].encode(), line.split()[2]) for line in listed
        ]
        evil = tree(site.root, *kept, *entries)
        top = made(site.root, "ls-tree", "HEAD").splitlines()
        rest = [(line.split()[0].lstrip("0"), line.split("\t")[1].encode(), line.split()[2]) for line in top]
        whole = tree(
            site.root, *[(mode, name, evil if name == b"metallb" else of) for mode, name, of in rest]
        )
        commit = made(site.root, "commit-tree", whole, "-p", "HEAD", "-m", "Add a file")
        clean = made(site.root, "commit-tree", "HEAD^{tree}", "-p", commit, "-m", "Take it away again")
        made(site.root, "update-ref", "HEAD", clean)
        site.unchanged = None
        return commit

    @pytest.mark.parametrize("up", [1, 2, 3, 6])
    def test_none_is_written_outside(self, site: Site, victim: Path, up: int) -> None:
        blob = made(site.root, "hash-object", "-w", "--stdin", given=b"after")
        inner = tree(site.root, ("100644", b"victim.txt", blob))
        for _ in range(up - 1):
            inner = tree(site.root, ("40000", b"..", inner))
        commit = self.buried(site, ("40000", b"..", inner))
        before = sorted(Path("/tmp").glob("*victim*"))

        found = site.repository()

        assert found.previous is not None
        assert found.previous.problem.startswith(
            f"Commit {commit[:12]} is not rendered: The path 'metallb/.."
        )
        assert found.previous.problem.count("\n") == 0
        assert victim.read_text() == "before"
        assert sorted(Path("/tmp").glob("*victim*")) == before
        assert (found.history.problem, found.working.problem, found.intended.problem) == ("", "", "")

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            (b".", "has . in it"),
            (b"x" * 300, "has a name that no file can have"),
        ],
        ids=["dot", "long"],
    )
    def test_names_that_no_platform_can_hold_cost_that_revision(
        self, site: Site, name: bytes, said: str
    ) -> None:
        blob = made(site.root, "hash-object", "-w", "--stdin", given=b"after")
        self.buried(site, ("40000", name, tree(site.root, ("100644", b"file", blob))))

        found = site.repository()

        assert found.previous is not None
        assert said in found.previous.problem
        assert found.intended.problem == ""

    def test_a_link_and_a_folder_of_one_name_lead_nowhere(self, site: Site, victim: Path) -> None:
        away = made(site.root, "hash-object", "-w", "--stdin", given=str(victim.parent).encode())
        blob = made(site.root, "hash-object", "-w", "--stdin", given=b"after")
        folder = tree(site.root, ("100644", b"victim.txt", blob))
        self.buried(site, ("120000", b"way", away), ("40000", b"way", folder))

        site.repository()

        assert victim.read_text() == "before"

    def test_names_that_are_no_text_are_laid_out(self, site: Site) -> None:
        blob = made(site.root, "hash-object", "-w", "--stdin", given=b"\xff\x00")
        self.buried(site, ("100644", b"z\xff\n.bin", blob))

        found = site.repository()

        assert found.previous is not None
        assert found.previous.problem == ""

    def test_a_clone_of_it_is_refused_the_same(self, site: Site, victim: Path, kubectl: Path) -> None:
        blob = made(site.root, "hash-object", "-w", "--stdin", given=b"after")
        self.buried(
            site,
            (
                "40000",
                b"..",
                tree(site.root, ("40000", b"..", tree(site.root, ("100644", b"victim.txt", blob)))),
            ),
        )
        clone = site.root.parent / "clone"
        made(site.root, "clone", "--quiet", str(site.root), str(clone))
        site.root = clone

        found = site.repository()

        assert found.previous is not None
        assert "is not rendered" in found.previous.problem
        assert victim.read_text() == "before"


class TestPrograms:
    """git is made to run none, whatever the configuration, attributes and folders say."""

    #: Keys that name a program in one way or another.
    KEYS = (
        "core.fsmonitor", "core.sshCommand", "core.gitProxy", "core.askPass", "core.editor", "core.pager",
        "core.alternateRefsCommand", "diff.external", "gpg.program", "gpg.ssh.program", "uploadpack.packObjectsHook",
        "credential.helper", "interactive.diffFilter", "sequence.editor", "pager.log", "pager.status",
        "alias.status", "alias.log", "remote.origin.uploadpack", "remote.origin.vcs",
        "filter.x.clean", "filter.x.smudge", "filter.x.process", "diff.x.command", "diff.x.textconv", "merge.x.driver",
        "filter.a b.clean", "filter.Ü.process", "filter.x.y.clean",
    )  # fmt: skip

    @pytest.fixture
    def program(self, tmp_path: Path) -> Path:
        """A program that leaves a trace of having run."""
        place = tmp_path / "program"
        place.write_text(f'#!/bin/sh\necho ran "$@" >>{tmp_path}/ran\ncat\n')
        place.chmod(0o755)
        return place

    @pytest.fixture
    def ran(self, tmp_path: Path) -> Path:
        return tmp_path / "ran"

    def hostile(self, repository: Repository, program: Path, *, config: str = ".git/config") -> None:
        for key in self.KEYS:
            made(repository.root, "config", "--file", config, key, str(program))
        settings = {
            "filter.x.required": "true",
            "log.showSignature": "true",
            "core.hooksPath": "hooks",
            "status.submoduleSummary": "true",
            "protocol.allow": "always",
            "protocol.ext.allow": "always",
        }
        for key, value in settings.items():
            made(repository.root, "config", "--file", config, key, value)
        hooks = repository.root / "hooks"
        hooks.mkdir(exist_ok=True)
        for hook in ("post-index-change", "reference-transaction", "fsmonitor-watchman", "pre-auto-gc"):
            shutil.copy(program, hooks / hook)

    def same_size_edits(self, repository: Repository) -> None:
        """Files that git has to read again, by way of the filters that attributes name for them."""
        lines = [
            "metallb/a.yaml filter=x diff=x",
            'metallb/b.yaml "filter=a b"',
            "metallb/c.yaml filter=Ü",
            "* filter=x",
        ]
        repository.write(".gitattributes", "\n".join(lines))
        (repository.root / ".git/info/attributes").write_text("* filter=x.y\n")
        for name in ("a", "b", "c"):
            repository.write(f"metallb/{name}.yaml", "a: 1\n")
        subprocess.run(
            ("git", "-c", "filter.x.clean=cat", "add", "metallb", ".gitattributes"),
            cwd=repository.root,
            check=True,
        )
        repository.run("-c", "filter.x.clean=cat", "commit", "--quiet", "--message", "three")
        for name in ("a", "b", "c"):
            repository.write(f"metallb/{name}.yaml", "a: 2\n")
            os.utime(repository.root / f"metallb/{name}.yaml", (1, 1))

    def test_none_of_the_repository_s_own_configuration(
        self, repository: Repository, program: Path, ran: Path
    ) -> None:
        self.same_size_edits(repository)
        self.hostile(repository, program)

        found = repository.read()

        assert found.problem == ""
        assert {"metallb/a.yaml", "metallb/b.yaml", "metallb/c.yaml"} <= set(found.dirty)
        assert not ran.exists()

    @pytest.mark.parametrize(
        "condition",
        [
            "include.path",
            "includeIf.onbranch:main.path",
            "includeIf.gitdir:**.path",
            "includeIf.hasconfig:remote.*.url:**.path",
        ],
    )
    def test_none_of_a_configuration_that_is_included(
        self, repository: Repository, program: Path, ran: Path, condition: str
    ) -> None:
        self.same_size_edits(repository)
        made(repository.root, "config", "remote.origin.url", "https://example.org/a")
        self.hostile(repository, program, config="more.config")
        made(repository.root, "config", condition, str(repository.root / "more.config"))

        assert repository.read().problem == ""
        assert not ran.exists()

    def test_none_of_the_user_s_own_configuration(
        self, repository: Repository, program: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.same_size_edits(repository)
        own = program.with_name("global.config")
        self.hostile(repository, program, config=str(own))
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(own))

        assert repository.read().problem == ""
        assert not program.with_name("ran").exists()

    def test_a_filter_that_cannot_be_switched_off_is_said(
        self, repository: Repository, program: Path, ran: Path
    ) -> None:
        self.same_size_edits(repository)
        made(repository.root, "config", "filter.a=b.clean", str(program))

        assert "a filter.a=b whose name has = in it" in repository.read().problem
        assert not ran.exists()

    @pytest.mark.parametrize("left", ["the setting", "the look"])
    def test_none_of_a_folder_that_looks_like_a_bare_repository(
        self, repository: Repository, program: Path, monkeypatch: pytest.MonkeyPatch, *, left: str
    ) -> None:
        """The folder is committed and cloned; its `config` is the attacker's."""
        platform = repository.root / "platform"
        made(repository.root, "init", "--quiet", "--bare", str(platform))
        shutil.rmtree(platform / "hooks", ignore_errors=True)
        for key, value in (("core.bare", "false"), ("core.worktree", "."), ("filter.x.clean", str(program)),
                           ("core.fsmonitor", str(program))):  # fmt: skip
            made(repository.root, "config", "--file", str(platform / "config"), key, value)
        repository.write("platform/refs/keep", "")
        repository.write("platform/objects/keep", "")
        repository.commit(
            "three",
            **{f"platform/{FILE}": POOL % ("edge", "10.0.0.3/32"), "platform/.gitattributes": "* filter=x"},
        )
        clone = repository.root.parent / "clone"
        made(repository.root, "clone", "--quiet", str(repository.root), str(clone))
        if left == "the setting":  # a git from 2.38 on
            monkeypatch.setattr(git, "_refuse_bare", lambda _: None)
        else:
            at = git._QUIET.index("safe.bareRepository=explicit")
            monkeypatch.setattr(git, "_QUIET", git._QUIET[: at - 1] + git._QUIET[at + 1 :])

        found = history.read(Git(clone / "platform"), "metallb")

        assert re.search("looks like a bare git repository|cannot use bare repository", found.problem)
        assert not program.with_name("ran").exists()

    @pytest.mark.parametrize("fetching", ["0", "1"])
    def test_none_that_fetches_what_a_partial_clone_lacks(
        self, repository: Repository, program: Path, monkeypatch: pytest.MonkeyPatch, *, fetching: str
    ) -> None:
        """A git before 2.44 does not know that it shall not fetch: it tries, and has no transport for it."""
        monkeypatch.setitem(git._ENVIRONMENT, "GIT_NO_LAZY_FETCH", fetching)
        lost = made(repository.root, "rev-parse", f"HEAD:{FILE}")
        for key, value in (("remote.origin.url", f"ext::{program} %S"), ("remote.origin.promisor", "true"),
                           ("remote.origin.partialclonefilter", "blob:none"), ("protocol.ext.allow", "always"),
                           ("extensions.partialClone", "origin"), ("core.repositoryFormatVersion", "1")):  # fmt: skip
            made(repository.root, "config", key, value)
        (repository.root / ".git/objects" / lost[:2] / lost[2:]).unlink()

        assert re.search("it is a partial clone|git cat-file failed", repository.read().problem)
        assert not program.with_name("ran").exists()

    def test_none_that_checks_a_signature(self, repository: Repository, program: Path, ran: Path) -> None:
        content = made(repository.root, "cat-file", "commit", "HEAD")
        head, _, message = content.partition("\n\n")
        seal = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----"
        signed = f"{head}\n{seal}\n\n{message}\n".encode()
        commit = made(repository.root, "hash-object", "-t", "commit", "-w", "--stdin", given=signed)
        repository.run("update-ref", "HEAD", commit)
        self.hostile(repository, program)

        assert repository.read().last == commit
        assert not ran.exists()

    def test_none_of_a_repository_within_the_repository(
        self, repository: Repository, program: Path, ran: Path
    ) -> None:
        inner = Repository(repository.root / "metallb/inner")
        inner.commit("one", **{"a.yaml": "a: 1\n", ".gitattributes": "* filter=x"})
        repository.run("add", "metallb/inner")
        repository.run("commit", "--quiet", "--message", "three")
        self.hostile(inner, program)
        inner.write("a.yaml", "a: 2\n")

        assert repository.read().problem == ""
        assert not ran.exists()

    def test_none_that_lies_in_the_repository(
        self, repository: Repository, program: Path, ran: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copy(program, repository.root / "git")
        monkeypatch.setenv("PATH", f".:{os.environ['PATH']}")

        assert repository.read().problem == ""
        assert not ran.exists()

    def test_git_is_told_no_password(
        self, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spy = tmp_path / "bin" / "git"
        spy.parent.mkdir()
        spy.write_text(f'#!/bin/sh\nenv >>{tmp_path}/environment\nexec {shutil.which("git")} "$@"\n')
        spy.chmod(0o755)
        monkeypatch.setenv("PATH", f"{spy.parent}:{os.environ['PATH']}")
        for name in (
            "METALLB_CONFORMANCE_NOTIFY",
            "KUBECONFIG",
            "GIT_CONFIG_PARAMETERS_X",
            "AWS_SECRET_ACCESS_KEY",
        ):
            monkeypatch.setenv(name, "a-password")

        assert repository.read().problem == ""
        assert "a-password" not in (tmp_path / "environment").read_text()


class TestWhatCommitsSay:
    @pytest.mark.parametrize(
        "subject",
        [
            pytest.param("a \x1e record \x1f and field", id="separators"),
            pytest.param(":100644 100644 0000000 0000000 M", id="like-a-file"),
            pytest.param("0" * 40, id="like-a-commit"),
            pytest.param("\x1b]0;title\x07\x7f\u202e", id="terminal"),
            pytest.param("", id="empty"),
        ],
    )
    def test_every_subject_is_one(self, repository: Repository, subject: str) -> None:
        repository.write(FILE, POOL % ("edge", "10.0.0.9/32"))
        repository.run("add", "--all")
        repository.run(
            "commit", "--quiet", "--allow-empty-message", "--cleanup=verbatim", "--message", subject
        )

        found = repository.read()

        assert [change.subject for change in found.changes] == [subject, "two", "one"]
        assert found.changes[0].files == (FILE,)
        assert found.changes[0].pools[0].after == ("10.0.0.9/32",)

    @pytest.mark.parametrize(
        "message",
        [b"\xff\xfe bytes", b"nul \0 inside", b"\n\n\n", b"\r\n"],
        ids=["bytes", "nul", "lines", "returns"],
    )
    def test_commits_that_git_would_not_make_are_read(self, repository: Repository, message: bytes) -> None:
        repository.write(FILE, POOL % ("edge", "10.0.0.9/32"))
        repository.run("add", "--all")
        written = made(repository.root, "write-tree")
        parent = made(repository.root, "rev-parse", "HEAD")
        person = b"a\x1e\x1f\xff <b\x1f> 99999999999999999 +9999"
        content = (
            f"tree {written}\nparent {parent}\n".encode()
            + b"author "
            + person
            + b"\ncommitter "
            + person
            + b"\n\n"
            + message
        )
        commit = made(
            repository.root, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", given=content
        )
        repository.run("update-ref", "HEAD", commit)

        found = repository.read()

        assert (found.problem, len(found.changes), found.changes[0].commit) == ("", 3, commit)
        assert found.changes[0].files == (FILE,)
        assert json.loads(found.model_dump_json())["changes"]

    def test_a_pool_in_a_file_of_any_name_is_seen(self, repository: Repository) -> None:
        for name, number in (("a\nb.yaml", 5), ("-p.yaml", 6), (":(top)x.yaml", 7), ("é ü.yaml", 8)):
            path = f"metallb/overlays/lab/{name}"
            repository.commit("first", **{path: POOL % (f"p{number}", "10.0.0.1/32")})
            repository.commit("then", **{path: POOL % (f"p{number}", f"10.0.0.{number}/32")})

            assert repository.read().changes[0].pools[0].pool == f"p{number}"

    @pytest.mark.parametrize(
        "text",
        [
            "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nspec: [1]\nmetadata: [2]\n",
            "patches: [{patch: 'kind: IPAddressPool', target: 5}]\n",
            "a: " + "[" * 5000,
            "a: &a [*a]\n",
            "a: !!bool x\n",
            "a: 2027-02-30\n",
            "\x01",
        ],
        ids=["shapes", "target", "deep", "circle", "no-bool", "no-day", "control"],
    )
    def test_a_file_that_is_no_pool_is_read_past(self, repository: Repository, text: str) -> None:
        repository.commit("three", **{"metallb/odd.yaml": text})
        repository.commit(
            "four", **{"metallb/odd.yaml": f"{text}# more\n", FILE: POOL % ("edge", "10.0.0.4/32")}
        )

        found = repository.read()

        assert found.problem == ""
        assert [pool.pool for pool in found.changes[0].pools] == ["edge"]

    def test_a_huge_file_costs_what_needs_it(self, repository: Repository) -> None:
        repository.commit("three", **{"metallb/huge.yaml": "a: 1\n" * 2_000_000})
        repository.commit("four", **{"metallb/huge.yaml": "a: 2\n" * 2_000_000})

        found = repository.read()

        assert (found.problem, len(found.changes)) == ("", 4)
        assert found.unread.startswith("metallb/huge.yaml is too large to be read in commit")

    def test_what_was_not_read_is_not_taken_for_documented(self, site: Site) -> None:
        site.write("metallb/huge.yaml", "a: 1\n" * 2_000_000)
        site.commit()
        site.write("metallb/huge.yaml", "a: 2\n" * 2_000_000)
        site.commit()

        with pytest.raises(Inconclusive, match=r"metallb/huge\.yaml is too large to be read"):
            service_documentation.pool_documented(site.repository())


def test_an_edit_by_way_of_a_link_is_not_read(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text(POOL % ("secret", "10.9.9.9/32"))
    (repository.root / "metallb/link.yaml").symlink_to(tmp_path / "outside.yaml")
    repository.write(FILE, POOL % ("edge", "10.0.0.3/32"))

    found = repository.read()

    assert found.uncommitted is not None
    assert [pool.pool for pool in found.uncommitted.pools] == ["edge"]
    assert found.unread == "metallb/link.yaml is a link that leads out of the repository."
