"""Kustomizations that are made to write, to fetch, to fill the memory, or to break whoever reads them."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from clusters import budgets
from clusters.errors import Inconclusive, UsageError
from clusters.gitops import (
    kustomize,
    plans,
    repository_snapshot,
    service_documentation,
    version_skew,
)
from clusters.gitops.documents import FileError, NeedsNetworkError, OverlayError
from clusters.gitops.forms import Renderer
from clusters.gitops.kustomize import GivenUp, Kustomize
from clusters.profile import GitOps
from tests.unit.gitops import manifest
from tests.unit.gitops.site import Site

LAB, FILE = "metallb/overlays/lab", "metallb/overlays/lab/kustomization.yaml"
CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {documentation: "https://example.org/"}
"""
NOWHERE = Kustomize(Path("/nonexistent/kubectl"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose overlay renders one object, and a folder beside it that nobody may see or change."""
    found = tmp_path / "repository"
    write(found, FILE, "resources: [config.yaml]\n")
    write(found, f"{LAB}/config.yaml", CONFIG)
    write(tmp_path, "outside/secret.yaml", CONFIG.replace("settings", "secret"))
    return found


def write(root: Path, path: str, text: str | bytes) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(text.encode() if isinstance(text, str) else text)


def refusal(root: Path, kubectl: Kustomize = NOWHERE, overlay: str = LAB) -> str:
    """The one sentence, and its remedy."""
    with pytest.raises(FileError) as refused:
        kubectl.render(root, overlay)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestWriting:
    """A release manifest that is not there is put in place, and a file rewritten: never outside of the copy."""

    @pytest.mark.parametrize(
        "entry", ["../../../../outside/deep/metallb-evil.yaml", "/tmp/outside/metallb-evil.yaml"]
    )
    def test_a_missing_manifest_is_not_put_outside(
        self, root: Path, manifests: dict[str, Path], entry: str
    ) -> None:
        write(root, FILE, f"resources: [config.yaml, {entry}]\n")
        before = contents(root.parent)

        for one in (NOWHERE, Kustomize(NOWHERE.kubectl, manifests)):
            assert entry in refusal(root, one)
        assert contents(root.parent) == before

    @pytest.mark.parametrize("target", ["../../../../outside", "{outside}"], ids=["relative", "absolute"])
    def test_nor_by_way_of_a_link(self, root: Path, manifests: dict[str, Path], target: str) -> None:
        write(root, FILE, "resources: [upstream/metallb-native.yaml]\n")
        (root / LAB / "upstream").symlink_to(target.format(outside=root.parent / "outside"))
        before = contents(root.parent)

        for one in (NOWHERE, Kustomize(NOWHERE.kubectl, manifests)):
            assert "is a link that leads out of the repository" in refusal(root, one)
        assert contents(root.parent) == before

    @pytest.mark.parametrize("version", ["", "0.16.2"])
    def test_a_kustomization_that_is_a_link_is_not_rewritten(
        self, root: Path, manifests: dict[str, Path], version: str
    ) -> None:
        write(root.parent, "outside/victim.yaml", "# mine\nresources: [metallb-native.yaml]\nimages: []\n")
        (root / FILE).unlink()
        (root / FILE).symlink_to(root.parent / "outside/victim.yaml")
        before = contents(root.parent)

        with pytest.raises(OverlayError, match="is a link that leads out of the repository"):
            Kustomize(NOWHERE.kubectl, manifests).render(root, LAB, version=version)
        assert contents(root.parent) == before

    def test_a_link_inside_the_repository_works_as_for_kubectl(
        self, root: Path, kubectl: Path, manifests: dict[str, Path]
    ) -> None:
        write(root, "metallb/base/vendor/keep", "")
        write(
            root, "metallb/base/kustomization.yaml", "resources: [upstream/metallb-native.yaml, ../other]\n"
        )
        (root / "metallb/base/upstream").symlink_to("vendor")
        write(root, "metallb/real/kustomization.yaml", "resources: [../more]\n")
        write(root, "metallb/more/kustomization.yaml", "namePrefix: more-\nresources: [config.yaml]\n")
        (root / "metallb/other").symlink_to("real")
        write(root, "metallb/more/a.yaml", CONFIG)
        (root / "metallb/more/config.yaml").symlink_to("a.yaml")
        write(root, FILE, "resources: [config.yaml, ../../base]\n")

        found = Kustomize(kubectl, manifests).render(root, LAB, version="0.16.2")

        names = {each["metadata"]["name"] for each in found.objects}
        assert {"settings", "more-settings", "controller"} <= names
        assert found.complete
        assert not (root / "metallb/base/vendor/metallb-native.yaml").exists()
        write(root, "metallb/base/vendor/metallb-native.yaml", manifest.text("0.16.2"))
        real = subprocess.run((kubectl, "kustomize", root / LAB), capture_output=True, check=True).stdout
        rendered = {each["metadata"]["name"] for each in yaml.safe_load_all(real)}
        assert rendered == names


class TestFetching:
    """What is on another machine, or on this one, is refused by line before kubectl is asked."""

    URL = "http://127.0.0.1:9/admin"

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("resources: ['{url}']", id="resource"),
            pytest.param("bases: ['{url}']", id="base"),
            pytest.param("components: ['{url}']", id="component"),
            pytest.param("crds: ['{url}']", id="crd"),
            pytest.param("configurations: ['{url}']", id="configuration"),
            pytest.param("generators: ['{url}']", id="generator"),
            pytest.param("transformers: ['{url}']", id="transformer"),
            pytest.param("validators: ['{url}']", id="validator"),
            pytest.param("patchesStrategicMerge: ['{url}']", id="merge"),
            pytest.param("patches: [{{path: '{url}'}}]", id="patch"),
            pytest.param("patchesJson6902: [{{path: '{url}', target: {{kind: A}}}}]", id="json-patch"),
            pytest.param("replacements: [{{path: '{url}'}}]", id="replacement"),
            pytest.param("openapi: {{path: '{url}'}}", id="openapi"),
            pytest.param("configMapGenerator: [{{name: a, files: ['a={url}']}}]", id="files"),
            pytest.param("configMapGenerator: [{{name: a, files: ['{url}']}}]", id="files-without-key"),
            pytest.param("configMapGenerator: [{{name: a, envs: ['{url}']}}]", id="envs"),
            pytest.param("configMapGenerator: [{{name: a, env: '{url}'}}]", id="env"),
            pytest.param("secretGenerator: [{{name: a, files: ['a={url}']}}]", id="secret"),
            pytest.param(
                'secretGenerator: [{{name: a, files: ["a=http:\\x2f\\u002f127.0.0.1:9"]}}]', id="escaped"
            ),
            pytest.param("secretGenerator: [&a {{name: b, files: ['{url}']}}, *a]", id="alias"),
            pytest.param("somethingNew: [{{where: '{url}'}}]", id="unknown-field"),
            pytest.param("configMapGenerator: [{{name: a, files: ['a=HTTPS://127.0.0.1']}}]", id="capitals"),
            pytest.param("openapi: {{path: '{url}'}}\nopenapi: {{}}", id="given-twice"),
            pytest.param(
                "generators:\n- |\n  apiVersion: builtin\n  kind: ConfigMapGenerator\n"
                "  metadata: {{name: a}}\n  files: ['a={url}']",
                id="inline",
            ),
            pytest.param(
                "generators:\n- '{{apiVersion: builtin, kind: ConfigMapGenerator, metadata: {{name: a}}, "
                'files: ["a=http:\\x2f\\x2f127.0.0.1:9"]}}\'',
                id="inline-on-one-line",
            ),
            pytest.param("generators: [inner.yaml]", id="in-a-file"),
            pytest.param("transformers: [inner]", id="in-a-folder"),
            pytest.param("components: [nested]", id="in-a-component"),
        ],
    )
    def test_a_url_is_refused_wherever_it_could_be_fetched(self, root: Path, text: str) -> None:
        generator = (
            "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: a}\nfiles: ['a="
            + self.URL
            + "']\n"
        )
        write(root, f"{LAB}/inner.yaml", generator)
        write(root, f"{LAB}/inner/kustomization.yaml", "generators: [../inner.yaml]\n")
        write(root, f"{LAB}/nested/kustomization.yaml", f"kind: Component\nopenapi: {{path: '{self.URL}'}}\n")
        write(root, FILE, text.format(url=self.URL))

        with pytest.raises(NeedsNetworkError, match=r"line \d+ needs the network for .*127\.0\.0\.1"):
            NOWHERE.render(root, LAB)

    @pytest.mark.parametrize(
        "entry",
        [
            "git@example.org:platform/metallb.git",
            "git::https://example.org/x",
            "git::example.org/x",
            "ssh://git@example.org/x",
            "file:///etc",
            "someone@example.org:x//y",
            "example.org:platform/x",
            "github.com/metallb/metallb/config",
            "GitHub.com/metallb/metallb",
            "www.gitlab.com/a/b",
            "gh:metallb/metallb",
            "metallb?ref=main",
            "metallb?timeout=1&submodules=false",
        ],
    )
    def test_what_kustomize_takes_for_remote_is_refused_though_such_a_folder_is_there(
        self, root: Path, entry: str
    ) -> None:
        write(root, f"{LAB}/{entry}/kustomization.yaml", "resources: []\n")
        write(root, FILE, yaml.safe_dump({"resources": [entry]}))

        assert "line 2 needs the network for" in refusal(root)

    @pytest.mark.parametrize("field", ["Resources", "CONFIGMAPGENERATOR", "openAPI"])
    def test_a_field_that_is_cased_otherwise_is_no_way_around(self, root: Path, field: str) -> None:
        write(root, FILE, f"{field}: []\n")

        assert f"the field {field} is" in refusal(root)

    def test_bytes_that_spell_a_url_are_refused(self, root: Path) -> None:
        write(root, FILE, "openapi: {path: !!binary aHR0cDovLzEyNy4wLjAuMTo5}\n")

        assert "line 1 has the tag binary" in refusal(root)

    def test_a_url_that_nobody_fetches_is_no_reason(self, root: Path, kubectl: Path) -> None:
        write(
            root,
            FILE,
            "# https://kubectl.docs.kubernetes.io\n"
            "resources: [config.yaml]\n"
            "commonAnnotations: {documentation: 'https://example.org/a'}\n"
            "configMapGenerator: [{name: a, literals: ['URL=https://example.org/b']}]\n"
            'patches: [{target: {kind: ConfigMap}, patch: \'[{"op": "add", "path": "/data/x", "value": "https://c"}]\'}]\n',
        )

        found = Kustomize(kubectl).render(root, LAB)

        assert "https://example.org/a" in str(found.objects)
        assert "https://example.org/b" in str(found.objects)
        assert "https://c" in str(found.objects)

    def test_a_file_that_only_a_plugin_names_is_there_for_it(self, root: Path, kubectl: Path) -> None:
        write(
            root,
            FILE,
            "resources: [config.yaml]\ntransformers: [patch.yaml]\n"
            "generators: ['{apiVersion: builtin, kind: ConfigMapGenerator, metadata: {name: a}, "
            "files: [k=data.txt]}']\n",
        )
        write(
            root,
            f"{LAB}/patch.yaml",
            "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: a}\n"
            "target: {name: settings}\npath: deeper/patch.json\n",
        )
        write(root, f"{LAB}/deeper/patch.json", '[{"op": "add", "path": "/data/x", "value": "patched"}]')
        write(root, f"{LAB}/data.txt", "generated")

        found = Kustomize(kubectl).render(root, LAB)

        assert "patched" in str(found.objects)
        assert "generated" in str(found.objects)


class TestWithoutTheReader:
    """What the reader would refuse, given to kubectl all the same: the second wall stands without the first."""

    @pytest.fixture
    def listener(self) -> Iterator[tuple[int, list[bytes]]]:
        """A server on loopback, and what was asked of it."""
        asked: list[bytes] = []
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0.1)
            ending = threading.Event()

            def serve() -> None:
                while not ending.is_set():
                    try:
                        connection, _ = server.accept()
                    except TimeoutError:
                        continue
                    with connection:
                        asked.append(connection.recv(1000))
                        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nhidden")

            thread = threading.Thread(target=serve)
            thread.start()
            yield server.getsockname()[1], asked
            ending.set()
            thread.join()

    @pytest.mark.skipif(os.geteuid() != 0, reason="taking the network away takes root, or user namespaces")
    @pytest.mark.parametrize(
        "text",
        [
            "configMapGenerator: [{name: a, files: ['a=http://127.0.0.1:%d/admin']}]",
            "openapi: {path: 'http://localhost:%d/admin'}",
            "resources: ['http://127.0.0.1:%d/a.git//x']",
            "resources: ['git@127.0.0.1:%d/x']",
        ],
        ids=["generator", "openapi", "git-by-http", "git-by-ssh"],
    )
    def test_kubectl_has_no_network(
        self, root: Path, kubectl: Path, listener: tuple[int, list[bytes]], text: str
    ) -> None:
        port, asked = listener
        write(root, FILE, text % port)

        with pytest.raises(OverlayError, match="does not render") as refused:
            Kustomize(kubectl)._run(root / LAB, root)

        assert "\n" not in str(refused.value)
        assert asked == []

    def test_kubectl_ends_where_it_takes_too_much_memory(self, root: Path, kubectl: Path) -> None:
        write(root, f"{LAB}/config.yaml", BOMB)
        begun = time.monotonic()

        with pytest.raises((GivenUp, OverlayError)) as refused:
            Kustomize(kubectl)._run(root / LAB, root)

        assert "\n" not in str(refused.value)
        assert time.monotonic() - begun < budgets.seconds(budgets.OVERLAY_RENDERED)

    def test_kubectl_is_told_no_password_and_finds_no_home(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = tmp_path / "kubectl"
        program.write_text("#!/bin/sh\nenv | sed 's/^/# /'\nls -A $HOME | sed 's/^/# /'\n")
        program.chmod(0o755)
        for name in ("METALLB_CONFORMANCE_NOTIFY", "KUBECONFIG", "SSH_AUTH_SOCK", "HTTPS_PROXY"):
            monkeypatch.setenv(name, "a-password")

        said = Kustomize(program)._run(root / LAB, root)

        assert "# PATH=" in said
        assert "a-password" not in said
        assert f"HOME={os.environ['HOME']}\n" not in said

    def test_kubectl_takes_no_preferences_from_the_repository(
        self, root: Path, kubectl: Path, tmp_path: Path
    ) -> None:
        """Where its home has a kuberc, kubectl takes what it says for having been typed."""
        kuberc = (
            "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\ndefaults:\n- command: kustomize\n"
        )
        write(root, ".kube/kuberc", f"{kuberc}  options: [{{name: output, default: {tmp_path}/out}}]\n")
        write(root, ".kube/kustomization.yaml", "configMapGenerator: [{name: rc, files: [kuberc]}]\n")
        write(root, FILE, "resources: [config.yaml, ../../../.kube]\n")

        found = Kustomize(kubectl).render(root, LAB)

        assert {each["metadata"]["name"].partition("-")[0] for each in found.objects} == {"settings", "rc"}
        assert not (tmp_path / "out").exists()

    def test_its_home_holds_nothing_of_the_repository(self, root: Path, tmp_path: Path) -> None:
        program = tmp_path / "kubectl"
        program.write_text('#!/bin/sh\n[ -z "$(ls -A "$HOME")" ] || exit 1\n')
        program.chmod(0o755)

        assert Renderer(Kustomize(program)).attempt(root, LAB).problem == ""

    def test_a_name_that_moves_the_cursor_is_shown_escaped(self, root: Path) -> None:
        write(root, f"{LAB}/\x1b[2J\n/kustomization.yaml", "a: [\n")
        write(root, FILE, 'resources: ["\\x1b[2J\\n"]\n')

        assert refusal(root).isprintable()


BOMB = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\na: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


class TestGrowing:
    """Texts of a few hundred bytes that stand for more than any memory holds."""

    @pytest.mark.parametrize(
        ("file", "text"),
        [
            pytest.param(f"{LAB}/config.yaml", BOMB, id="resource"),
            pytest.param(FILE, BOMB.replace("apiVersion: v1\nkind: ConfigMap\n", ""), id="kustomization"),
            pytest.param(f"{LAB}/config.yaml", BOMB + "# " + "x" * 60_000, id="large-resource"),
            pytest.param(f"{LAB}/patch.txt", BOMB, id="patch"),
            pytest.param(f"{LAB}/open.json", BOMB, id="openapi"),
            pytest.param(f"{LAB}/plugin.yaml", BOMB, id="plugin"),
            pytest.param(f"{LAB}/of-plugin.json", BOMB, id="of-a-plugin"),
            pytest.param(
                f"{LAB}/config.yaml",
                "a: &a {k: 1, l: 2, m: 3}\n"
                + "".join(
                    f"{b}: &{b} {{<<: [{','.join([f'*{a}'] * 9)}]}}\n"
                    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
                ),
                id="merge-keys",
            ),
        ],
    )
    def test_aliases_are_counted_as_what_they_stand_for(self, root: Path, file: str, text: str) -> None:
        write(root, FILE, "resources: [config.yaml]\npatches: [{path: patch.txt, target: {kind: A}}]\n"
                          "openapi: {path: open.json}\ntransformers: [plugin.yaml]\n")  # fmt: skip
        write(root, f"{LAB}/patch.txt", "[]")
        write(root, f"{LAB}/open.json", "{}")
        write(root, f"{LAB}/plugin.yaml", "kind: PatchTransformer\npath: of-plugin.json\n")
        write(root, f"{LAB}/of-plugin.json", "[]")
        write(root, file, text)
        begun = time.monotonic()

        assert "its aliases written out" in refusal(root)
        assert time.monotonic() - begun < 5

    def test_a_few_aliases_are_no_reason(self, root: Path, kubectl: Path) -> None:
        write(root, f"{LAB}/config.yaml", f"{CONFIG.replace('{name', '&a {name')}other: *a\n")

        assert Renderer(Kustomize(kubectl)).attempt(root, LAB).problem == ""

    def test_a_diamond_of_thirty_storeys_is_read_once_each(self, root: Path) -> None:
        for storey in range(30):
            for side in "ab":
                below = [f"../{storey + 1}{each}" for each in "ab"] if storey < 29 else []
                write(
                    root, f"metallb/{storey}{side}/kustomization.yaml", yaml.safe_dump({"resources": below})
                )
        begun = time.monotonic()

        with pytest.raises(Inconclusive, match="cannot be run"):
            NOWHERE.render(root, "metallb/0a")
        assert time.monotonic() - begun < 5

    def test_a_tower_of_kustomizations_is_refused(self, root: Path) -> None:
        for storey in range(400):
            write(root, f"metallb/{storey}/kustomization.yaml", f"resources: [../{storey + 1}]\n")

        assert "is one kustomization too many" in refusal(root, overlay="metallb/0")

    def test_more_than_is_printed_by_any_overlay_is_given_up(self, root: Path, tmp_path: Path) -> None:
        program = tmp_path / "kubectl"
        program.write_text("#!/bin/sh\nexec yes\n")
        program.chmod(0o755)

        found = Renderer(Kustomize(program)).attempt(root, LAB)

        assert found.problem == f"For {LAB} the output of kubectl kustomize is larger than 16 MiB."
        assert found.given_up
        assert not found.broken


ONE_SENTENCE = [
    "resources: 5\n",
    "resources: [5]\n",
    "resources: [null]\n",
    "resources: {a: b}\n",
    "resources: [[a]]\n",
    "patches: 5\n",
    "patches: [null]\n",
    "patches: [5]\n",
    "patches: [{target: x}]\n",
    "patches: [{path: 5}]\n",
    "patches: [{path: [a]}]\n",
    "patches: [{patch: {a: b}}]\n",
    "patchesStrategicMerge: [{a: b}]\n",
    "images: [5]\n",
    "images: 5\n",
    "configMapGenerator: [{files: 5}]\n",
    "configMapGenerator: 5\n",
    "secretGenerator: [{envs: [5]}]\n",
    "openapi: 5\n",
    "openapi: {path: 5}\n",
    "generators: [{a: b}]\n",
    "generators:\n- |\n  a: [\n",
    "replacements: 5\n",
    "components: [..]\n",
    "resources: [.]\n",
    "resources: ['']\n",
    "resources: [/etc/passwd]\n",
    "resources: ['a\\0b']\n",
    'resources: ["a\\0b"]\n',
    'resources: ["a\\nb"]\n',
    f"resources: [{'x' * 300}]\n",
    f"resources: [{'a/' * 3000}b]\n",
    "resources: [../../../../../../etc]\n",
    f"a: {'[' * 3000}{']' * 3000}\n",
    f"a: {'[' * 200000}\n",
    f"a: {'{a: ' * 3000}\n",
    "a: &a [*a]\n",
    "resources: &a [*a]\n",
    "&a a: *a\n",
    "a: *b\n",
    "? [a]\n: b\n",
    "? {a: b}\n: c\n",
    "2026-01-01: x\nresources: 5\n",
    "a: 2027-02-30\n",
    f"a: {'9' * 5000}\n",
    f"a: 0x{'f' * 5000}\n",
    f"a: {'1:' * 2000}1\n",
    "a: !!bool x\n",
    "a: !!timestamp x\n",
    "a: !!int ''\n",
    "a: !!float x\n",
    "a: !!python/object/apply:os.system [id]\n",
    "a: !!null [1]\n",
    "!!set {resources}\n",
    "[]\n",
    "5\n",
    "",
    "---\n---\n",
    "a: 1\n---\nb: 2\n",
    "\x00",
    "\x1b[2J",
    "\ufeff\ufeff",
    "a: \x7f\n",
    "a: 'unfinished\n",
    "%YAML 9.9\n---\na: b\n",
    "\t\n",
]


class TestOneSentence:
    @pytest.mark.parametrize("text", ONE_SENTENCE, ids=range(len(ONE_SENTENCE)))
    def test_any_kustomization_ends_in_one(self, root: Path, kubectl: Path, text: str) -> None:
        write(root, FILE, text)
        write(root, f"{LAB}/config.yaml", CONFIG)

        found = Renderer(Kustomize(kubectl)).attempt(root, LAB)

        assert found.problem.endswith(".")
        assert found.problem.isprintable()
        assert len(found.problem) < 800

    @pytest.mark.parametrize("bare", [False, True])
    @pytest.mark.parametrize(
        "text",
        [b"\xff\xfe", b"\x80abc", b"a: [", b"[" * 4000, b"a: &a [*a]", b"- 5", b"", b"\x00\x01"],
        ids=range(8),
    )
    def test_so_does_any_patch_of_any_name(
        self, root: Path, kubectl: Path, text: bytes, *, bare: bool
    ) -> None:
        extra = "- metallb-native.yaml\n" if bare else ""
        write(root, FILE, f"resources:\n- config.yaml\n{extra}patches:\n- path: patch.txt\n")
        write(root, f"{LAB}/patch.txt", text)

        found = Renderer(Kustomize(kubectl)).attempt(root, LAB)

        assert "\n" not in found.problem
        assert found.problem == "" or found.problem.endswith(".")

    @pytest.mark.parametrize(
        "text", [b"5", b"- 5", b"a: b", b"kind: 5\nmetadata: 6\n", b"\xff", b"[" * 4000], ids=range(6)
    )
    def test_so_does_any_resource(self, root: Path, kubectl: Path, text: bytes) -> None:
        write(root, f"{LAB}/config.yaml", text)

        found = Renderer(Kustomize(kubectl)).attempt(root, LAB)

        assert found.problem.endswith(".")
        assert "\n" not in found.problem

    def test_a_pipe_in_the_place_of_a_file_does_not_block(self, root: Path) -> None:
        (root / LAB / "config.yaml").unlink()
        os.mkfifo(root / LAB / "config.yaml")

        assert f"{LAB}/config.yaml is neither a file nor a folder" in refusal(root)

    @pytest.mark.parametrize("overlay", ["", ".", "/", "..", "metallb/../..", "a\0b"])
    def test_an_overlay_that_is_no_folder_below_the_root_is_said(self, overlay: str) -> None:
        with pytest.raises(UsageError, match=r"gitops\.overlay of the profile is") as refused:
            repository_snapshot.layout_of(GitOps.model_construct(repository=Path(), overlay=overlay))

        assert "\n" not in str(refused.value)

    def test_the_root_as_overlay_is_rendered_or_said(self, root: Path, kubectl: Path) -> None:
        for overlay in ("", "."):
            assert "has no kustomization.yaml" in refusal(root, overlay=overlay)
        write(root, "kustomization.yaml", "resources: [metallb/overlays/lab]\n")

        assert len(Kustomize(kubectl).render(root, ".").objects) == 1
        assert "leads out" in refusal(root, overlay="..")


class TestTheRestGoesOn:
    """What is refused costs only what needs it."""

    def test_a_page_that_is_a_link_is_not_kept(self, site: Site) -> None:
        secret = site.root.parent / "kubeconfig"
        secret.write_text("token: secret-of-mine")
        for name in ("CHANGELOG.md", "follow-ups.md"):
            (site.root / name).unlink()
            (site.root / name).symlink_to(secret)
        site.unchanged = None

        found = site.repository()

        assert "secret-of-mine" not in found.to_json()
        assert found.refused["CHANGELOG.md"] == "CHANGELOG.md is a link that leads out of the repository."
        with pytest.raises(Inconclusive, match=r"CHANGELOG\.md is a link that leads out"):
            service_documentation.pool_documented(found)
        with pytest.raises(Inconclusive, match=r"follow-ups\.md is a link that leads out"):
            version_skew.skew_follow_up(found)
        assert found.working.problem == ""
        assert found.text(site.layout.runbook, what="runbook")

    @pytest.mark.parametrize(
        "what", ["metallb/plans/evil.yaml", "metallb/waivers.yaml", "metallb/legacy/prod/accepted.yaml"]
    )
    def test_nor_is_a_file_with_fields(self, site: Site, what: str) -> None:
        (site.root / what).unlink(missing_ok=True)
        (site.root / what).symlink_to("/etc/passwd")
        site.unchanged = None

        found = site.repository()

        assert "root:" not in found.to_json()
        readers = {
            "plans": plans.read_plans,
            "waivers.yaml": plans.read_waivers,
            "legacy": plans.read_accepted,
        }
        with pytest.raises(FileError, match=f"{what} is a link that leads out of the repository"):
            readers[what.split("/")[1]](found)

    def test_a_pipe_among_the_plans_does_not_block(self, site: Site) -> None:
        os.mkfifo(site.root / "metallb/plans/pipe.yaml")
        site.unchanged = None

        assert "neither a file nor a folder" in site.repository().refused["metallb/plans/pipe.yaml"]

    def test_one_hostile_overlay_leaves_the_others_as_they_are(self, site: Site) -> None:
        before = site.repository()
        site.write("metallb/overlays/jls/kustomization.yaml", "resources: ['http://127.0.0.1/x']\n")
        (site.root / "metallb/overlays/homelab/kustomization.yaml").unlink()
        (site.root / "metallb/overlays/homelab/kustomization.yaml").symlink_to("/etc/passwd")
        site.commit()

        found = site.repository()

        assert found.renders["metallb/overlays/jls"].needs_network
        assert found.working.objects == before.working.objects
        assert found.renders["metallb/base"] == before.renders["metallb/base"]

    def test_a_manifest_that_is_a_link_out_is_not_read(self, site: Site) -> None:
        outside = site.root.parent / "outside.yaml"
        outside.write_text(manifest.text("9.9.9") + "# " + "x" * 30_000)
        (site.root / "metallb/metallb-evil.yaml").symlink_to(outside)
        site.edit("metallb/overlays/lab/kustomization.yaml", "0.16.2", "9.9.9")

        assert site.repository().working.left_out

    def test_more_overlays_than_anybody_has_are_not_all_rendered(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(120):
            site.write(f"metallb/overlays/x{number:03}/kustomization.yaml", "resources: []\n")
        rendered: list[str] = []

        def attempt(
            self: Renderer, root: Path, overlay: str, *, version: str = "", own: bool = True
        ) -> kustomize.Render:
            rendered.append(overlay)
            return kustomize.Render(overlay=overlay)

        monkeypatch.setattr(Renderer, "attempt", attempt)

        found = site.repository()

        assert 90 < len(rendered) < 110
        assert "more than 100 overlays" in found.renders["metallb/overlays/x119"].problem
