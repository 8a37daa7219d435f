"""Whatever stands in a kubeconfig: a login, or one sentence that names the file and the field. Never a traceback."""

from __future__ import annotations

import copy
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clusters.api import Api, ApiError, KubeconfigInvalid
from clusters.api.login import log_in
from clusters.lab import pki

AUTHORITY = pki.Authority("ca")
PAIR = AUTHORITY.issue("jane")


def config(**user: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.1:6443"}}],
        "users": [{"name": "u", "user": user or {"token": "secret-token"}}],
        "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "a",
    }


def changed(*path: Any, to: Any) -> dict[str, Any]:
    """The valid kubeconfig with one place set to something else."""
    content = config()
    place: Any = content
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = to
    return content


USER = ("users", 0, "user")
CLUSTER = ("clusters", 0, "cluster")
CONTEXT = ("contexts", 0, "context")
EXEC = {"command": "true", "apiVersion": "client.authentication.k8s.io/v1"}

MISTAKES: list[tuple[dict[str, Any], str]] = [
    (changed("contexts", to=5), "FILE: 'contexts' must be a list, not a number."),
    (changed("contexts", to={"a": {}}), "FILE: 'contexts' must be a list, not a mapping."),
    (changed("contexts", 0, to="a"), "FILE: entry 1 of 'contexts' must be a mapping with a 'name' that is text."),
    (changed("contexts", 0, "name", to=5), "FILE: entry 1 of 'contexts' must be a mapping with a 'name'"),
    (changed("users", to="u"), "FILE: 'users' must be a list, not text."),
    (changed("clusters", 0, to=[]), "FILE: entry 1 of 'clusters' must be a mapping"),
    (changed("current-context", to=["a"]), "FILE: 'current-context' must be text, not a list."),
    (changed(*CONTEXT, to="c"), "FILE, context 'a': its field 'context' must be a mapping, not text."),
    (changed(*USER, to="u"), "FILE, user 'u': its field 'user' must be a mapping, not text."),
    (changed(*CLUSTER, to=5), "FILE, cluster 'c': its field 'cluster' must be a mapping, not a number."),
    (changed(*CONTEXT, "user", to=5), "FILE, context 'a': its field 'user' must be text."),
    (changed(*CONTEXT, "user", to="gone"), "FILE names 'gone', which is not among its users."),
    (changed(*CLUSTER, "server", to=5), "FILE, cluster 'c': its field 'server' must be text."),
    (changed(*CLUSTER, "server", to="192.0.2.1:6443"), "context 'a': server must begin with https:// or http://."),
    (changed(*CLUSTER, "server", to="https://h:99999"), "server is no URL with a host and a port that can be."),
    (changed(*CLUSTER, "server", to="https://h:x"), "server is no URL with a host and a port that can be."),
    (changed(*CLUSTER, "server", to="https://"), "server is no URL with a host and a port that can be."),
    (changed(*CLUSTER, "server", to="https://a..b"), "server is no URL with a host and a port that can be."),
    (changed(*CLUSTER, "server", to="https://[::1"), "server is no URL with a host and a port that can be."),
    (changed(*CLUSTER, "server", to="https://h\n.evil"), "server is no URL with a host and a port that can be."),
    (changed(*CLUSTER, "server", to="https://h?x=1"), "server must not have anything after its path."),
    (changed(*CLUSTER, "server", to="https://u:p@h"), "server must not hold a user name."),
    (changed(*CLUSTER, "server", to=""), "server must begin with https:// or http://."),
    (changed(*CLUSTER, "proxy-url", to="socks5://h:1080"), "proxy-url must begin with http:// or https://."),
    (changed(*CLUSTER, "proxy-url", to="http://h:99999"), "proxy-url is no URL with a host"),
    (changed(*CLUSTER, "insecure-skip-tls-verify", to="yes"), "'insecure-skip-tls-verify' must be true or false."),
    (changed(*CLUSTER, "certificate-authority", to="/nowhere/ca"), "certificate-authority /nowhere/ca cannot be read"),
    (changed(*CLUSTER, "certificate-authority", to="\0"), "certificate-authority"),
    (changed(*CLUSTER, "certificate-authority", to="/"), "certificate-authority / cannot be read: Is a directory."),
    (changed(*CLUSTER, "certificate-authority-data", to="%%%"), "certificate-authority-data is not base64."),
    (changed(*CLUSTER, "certificate-authority-data", to="eA=="), "its certificate-authority is no certificate in PEM."),
    (changed(*USER, "token", to=12345), "FILE, user 'u': its field 'token' must be text."),
    (changed(*USER, "token", to="two\nlines"), "FILE, user 'u': its token has a character that no token has"),
    (changed(*USER, to={"tokenFile": "gone"}), "its tokenFile"),
    (changed(*USER, to={"tokenFile": "/dev/null"}), "cannot be read: it is no regular file."),
    (changed(*USER, "username", to="jane"), "FILE, user 'u' has both a token and a user name"),
    (changed(*USER, to={"auth-provider": "gcp"}), "FILE, user 'u' logs in by auth-provider, which this suite does not"),
    (changed(*USER, to={"auth-provider": {"name": "oidc"}}), "logs in by auth-provider"),
    (changed(*USER, "act-as", to="x"), "it has the field 'act-as', which this suite does not know and must not ignore"),
    (changed(*USER, "As", to="x"), "it has the field 'As', which this suite does not know"),
    (changed(*USER, "impersonate", to="x"), "it has the field 'impersonate', which this suite does not know"),
    (changed(*USER, "token_file", to="x"), "it has the field 'token_file', which this suite does not know"),
    (changed(*USER, "as-groups", to=["g"]), "has as-uid, as-groups or as-user-extra, and no as to go with them."),
    (changed(*USER, "as", to=["g"]), "its field 'as' must be text."),
    (changed(*USER, to={"token": "t", "as": "x", "as-groups": "g"}), "its field 'as-groups' must be a list."),
    (changed(*USER, to={"token": "t", "as": "x", "as-groups": [5]}), "its field 'as-groups.0' must be text."),
    (changed(*USER, to={"token": "t", "as": "x", "as-user-extra": {"k": "v"}}), "'as-user-extra.k' must be a list."),
    (changed(*USER, to={"token": "t", "as": "x\r\nImpersonate-Group: y"}), "cannot be sent as Impersonate-User."),
    (changed(*USER, to={"token": "t", "as": "x", "as-groups": [""]}), "cannot be sent as Impersonate-Group."),
    (changed(*USER, to={"exec": "x"}), "FILE, user 'u': its field 'exec' must be a mapping."),
    (changed(*USER, to={"exec": {}}), "FILE, user 'u': its field 'exec.command' is missing."),
    (changed(*USER, to={"exec": {**EXEC, "command": ["true"]}}), "its field 'exec.command' must be text."),
    (changed(*USER, to={"exec": {**EXEC, "args": "x"}}), "its field 'exec.args' must be a list."),
    (changed(*USER, to={"exec": {**EXEC, "env": [{"value": "x"}]}}), "its field 'exec.env.0.name' is missing."),
    (changed(*USER, to={"exec": {**EXEC, "env": [{"name": "A=B"}]}}), "exec has a text that no program can be given."),
    (changed(*USER, to={"exec": {**EXEC, "args": ["\0"]}}), "exec has a text that no program can be given."),
    (changed(*USER, to={"exec": {**EXEC, "timeout": 5}}), "it has the field 'exec.timeout', which this suite does not"),
    (changed(*USER, to={"exec": {**EXEC, "apiVersion": "v9"}}), "exec.apiVersion 'v9' is none of"),
    (changed(*USER, to={"exec": {**EXEC, "interactiveMode": "Always"}}), "wants a terminal (interactiveMode Always)"),
    (changed(*USER, to={"client-certificate": "x"}), "has only one of client-certificate and client-key."),
    (changed(*USER, to={"client-certificate-data": "eA==", "client-key-data": "eA=="}), "do not serve for TLS"),
    (
        {**config(), "users": [{"name": "u", "user": {"token": "1"}}, {"name": "u", "user": {"token": "2"}}]},
        "FILE has more than one entry named 'u' in 'users'. Remove or rename all but one",
    ),
    (
        {**config(), "clusters": [{"name": "c", "cluster": {
            "server": "https://h", "insecure-skip-tls-verify": True, "certificate-authority": "ca"}}]},
        "certificate-authority and insecure-skip-tls-verify exclude each other.",
    ),
]  # fmt: skip

TEXTS = {
    "brackets": "[" * 10_000,
    "mappings": '{"a":' * 10_000,
    "deep and closed": "contexts: " + "[" * 200_000 + "]" * 200_000,
    "block after block": "".join("  " * depth + "a:\n" for depth in range(500)),
    "an alias bomb": "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "contexts: *i\n",
    "lists, many times": "contexts: [{name: a, context: {cluster: c, user: u}}]\ncurrent-context: a\n"
    "clusters: [{name: c, cluster: {server: 'https://h'}}]\n"
    f"users:\n- name: u\n  user:\n    as: x\n    as-groups: &l [{'g,' * 20_000}]\n    as-user-extra:\n"
    + "".join(f"      k{number}: *l\n" for number in range(5000)),
    "long texts, many times": f"a: &a {'x' * 100_000}\ncontexts: [{','.join(['*a'] * 10_000)}]\n",
    "what contains itself": "contexts: &a [*a]\n",
    "merge keys": "a: &a {x: 1}\n" + "".join(f"b{n}: &b{n} {{<<: [*a, *a]}}\n" for n in range(50)),
    "a day that is none": "contexts: 2027-02-30\n",
    "a number without an end": "contexts: " + "9" * 5000,
    "tags": "contexts: !!python/object/apply:os.system [true]\n",
    "a tag of time": "contexts: !!timestamp x\n",
    "a tag of a number": 'contexts: !!int ""\n',
    "a tag of truth": "contexts: !!bool maybe\n",
    "a tag of merging": "contexts: {!!merge x: 5}\n",
    "keys that are lists": "? [a, b]\n: c\ncontexts: []\n",
    "keys that are numbers": "5: c\ncontexts: []\n",
    "two documents": "contexts: []\n---\ncontexts: []\n",
    "control characters": "contexts: \x07\n",
    "an unknown alias": "contexts: *nobody\n",
    "half of a surrogate": 'contexts: ["\\ud800"]\n',
    "only text": "hello",
    "a number": "5",
    "many values": "contexts:\n" + "- {}\n" * 200_000,
}


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(KubeconfigInvalid) as caught:
        Api.connect(path, None)
    said = str(caught.value)
    assert "\n" not in said
    return said.replace(str(path), "FILE")


@pytest.mark.parametrize(("content", "said"), MISTAKES, ids=[said[:60] for _, said in MISTAKES])
def test_a_mistake_is_told_with_its_field(tmp_path: Path, content: dict[str, Any], said: str) -> None:
    assert said in refusal(write(tmp_path / "k", content))


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_is_no_kubeconfig_is_told_soon(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "k", TEXTS[text])
    began = time.process_time()

    assert refusal(path).startswith(("The file FILE", "The kubeconfig FILE"))
    assert time.process_time() - began < 5


def test_no_token_and_no_password_is_shown(tmp_path: Path) -> None:
    secret = "hunter2-hunter2"
    for user in ({"token": [secret]}, {"password": {secret: 1}}, {"token": f"{secret}\n"}):
        assert secret not in refusal(write(tmp_path / "k", config(**user)))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.mkdir(), "cannot be read: Is a directory."),
        (os.mkfifo, "cannot be read: it is no regular file."),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "cannot be read: it is not text."),
        (lambda path: path.write_bytes(b"a: \xe9\n"), "cannot be read: it is not text."),
        (lambda path: path.write_bytes(b"a: \x00\n"), "is not YAML."),
        (lambda path: path.write_bytes(b"#" * (5 << 20)), "cannot be read: it is larger than 4 MiB."),
        (lambda path: path.symlink_to(path), "There is no kubeconfig at FILE."),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, make: Any, said: str) -> None:
    path = tmp_path / "k"
    make(path)

    assert said in refusal(path)


@pytest.mark.parametrize("name", ["~nobody-of-this-name/config", "a\0b", "x" * 5000, "/proc/self/mem"])
def test_a_name_that_no_file_can_have(name: str) -> None:
    with pytest.raises(KubeconfigInvalid):
        Api.connect(Path(name), None)


def test_a_file_without_a_mark_of_its_order_and_one_with_it(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(config()).encode())

    assert log_in(path, None).context == "a"


# What kubectl takes as well: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/


def test_the_first_file_that_has_a_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"users": [{"name": "u", "user": {"token": "one"}}]}
    two = config(token="two") | {"current-context": "b"}
    two["contexts"].append({"name": "b", "context": {"cluster": "c", "user": "v"}})
    two["users"].append({"name": "v", "user": {"token": "of-v"}})
    three = {"current-context": "a", "clusters": [{"name": "c", "cluster": {"server": "https://elsewhere"}}]}
    names = [write(tmp_path / name, content) for name, content in (("1", one), ("2", two), ("3", three))]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(tmp_path / "gone"), *map(str, names)]))
    (tmp_path / "empty").touch()

    current = log_in(None, None)

    assert (current.context, current.server) == ("b", "https://192.0.2.1:6443")
    assert log_in(None, "a").session().headers == (("Authorization", "Bearer one"),)
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(tmp_path / "empty"), *map(str, names)]))
    assert log_in(None, "a").context == "a"


def test_paths_begin_where_their_own_file_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("clusters", "users"):
        (tmp_path / folder).mkdir()
    (tmp_path / "clusters" / "ca.crt").write_bytes(AUTHORITY.pair.certificate)
    PAIR.write(tmp_path / "users", "jane")
    (tmp_path / "users" / "token").write_text("of-jane\n")
    cluster = changed(*CLUSTER, "certificate-authority", to="ca.crt") | {"users": None}
    user = {"client-certificate": "jane.crt", "client-key": "./jane.key", "tokenFile": "token"}
    one = write(tmp_path / "clusters" / "k", cluster)
    two = write(tmp_path / "users" / "k", {"users": [{"name": "u", "user": user}]})
    monkeypatch.setenv("KUBECONFIG", f"{one}:{two}")

    credentials = log_in(None, None).session().credentials

    assert credentials.authorization == "Bearer of-jane"
    assert (credentials.certificate, credentials.key) == (PAIR.certificate, PAIR.key)


def test_nulls_aliases_and_dates_are_no_mistakes(tmp_path: Path) -> None:
    text = """
    apiVersion: v1
    kind: Config
    preferences: null
    clusters:
    - name: 2026-11-30
      cluster: &there {server: "https://192.0.2.1:6443", extensions: null, disable-compression: true}
    - {name: other, cluster: *there}
    users:
    - name: u
      user: {token: secret, as: null, exec: null, extensions: [{name: x, extension: {}}]}
    contexts:
    - {name: a, context: {cluster: 2026-11-30, user: u, namespace: default, extensions: null}}
    current-context: a
    """

    assert log_in(write(tmp_path / "k", text), None).server == "https://192.0.2.1:6443"


def test_a_context_without_a_user_asks_as_nobody(tmp_path: Path) -> None:
    assert log_in(write(tmp_path / "k", changed(*CONTEXT, to={"cluster": "c"})), None).session().headers == ()


def test_an_entry_that_is_not_asked_for_costs_nothing(tmp_path: Path) -> None:
    content = config()
    content["users"].append({"name": "v", "user": {"auth-provider": 5, "unknown": 1}})

    assert log_in(write(tmp_path / "k", content), None).user == "u"


# Random mistakes.

VALID = [
    config(),
    config(tokenFile="token", **{"as": "observe", "as-groups": ["g"], "as-user-extra": {"k": ["v"]}}),
    config(username="jane", password="secret"),
    config(**{"client-certificate-data": "QQ==", "client-key-data": "QQ=="}),
    config(exec={**EXEC, "command": "/nowhere/login", "args": ["x"], "env": [{"name": "a", "value": "b"}]}),
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["a", "c", "u", "https://h:99999", "\0", "~x", "*", "2027-02-30", "=", "<<", "https://[", "/"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def _places(content: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    keys = content.keys() if isinstance(content, dict) else range(len(content))
    for key in list(keys):
        found.append((content, key))
        if isinstance(content[key], dict | list):
            found += _places(content[key])
    return found


@st.composite
def mutated(draw: st.DrawFn) -> str:
    content = copy.deepcopy(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 3))):
        place, key = draw(st.sampled_from(_places(content)))
        how = draw(st.integers(0, 3))
        if how == 0:
            place.pop(key)
        elif how == 1 and isinstance(place, list):
            place.append(draw(VALUES))
        elif how == 2 and isinstance(place, dict):
            place[draw(st.text(max_size=8))] = draw(VALUES)
        else:
            place[key] = draw(VALUES)
    text = yaml.safe_dump(content, allow_unicode=True) if draw(st.booleans()) else json.dumps(content)
    if draw(st.integers(0, 3)) == 0:
        return _garbled(text, random.Random(draw(st.integers())))
    return text


def _garbled(text: str, chance: random.Random) -> str:
    letters = list(text)
    for _ in range(chance.randint(1, 5)):
        letters[chance.randrange(len(letters))] = chance.choice("\t\n\"'{}[]:,&*!|>%@`#-\x00\x85\ud800\u202e")
    return "".join(letters)


@pytest.fixture(scope="module")
def no_programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which nothing is installed: what a mutated login command names is never run."""
    folder = tmp_path_factory.mktemp("mutated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(folder))
        yield folder


@settings(max_examples=400, derandomize=True)
@given(text=mutated())
def test_a_kubeconfig_with_any_mistake_is_a_login_or_one_sentence(text: str, no_programs: Path) -> None:
    folder = no_programs
    (folder / "token").write_text("secret")
    path = folder / "k"
    path.write_bytes(text.encode(errors="surrogatepass"))
    began = time.process_time()
    said = ""
    try:
        log_in(path, None)
    except ApiError as error:
        said = str(error)
    assert not said or str(folder) in said
    assert "secret" not in said.replace(str(folder), "")
    assert "\n" not in said
    assert time.process_time() - began < 5
