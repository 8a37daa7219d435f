"""What a person reads whose kubeconfig is not what it should be. Nothing here is sent anywhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from clusters.api import Api, KubeconfigInvalid, Unauthorized
from clusters.api.kubeconfig import files_for, holder_of
from clusters.api.login import log_in


def config(*contexts: str, current: str = "", **user: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443"}}],
        "users": [{"name": "u", "user": user or {"token": "secret"}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in contexts],
        "current-context": current,
    }


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def refusal(path: Path, context: str | None = None) -> str:
    with pytest.raises(KubeconfigInvalid) as caught:
        Api.connect(path, context)
    return str(caught.value).replace(str(path), "FILE")


def test_a_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone") == (
        "There is no kubeconfig at FILE. Name one in the profile or in KUBECONFIG."
    )


def test_a_missing_context_lists_those_that_are_there(tmp_path: Path) -> None:
    path = write(tmp_path / "k", config("jls", "homelab", current="jls"))

    assert refusal(path, "homlab") == ("The kubeconfig FILE has no context 'homlab'. It has: homelab, jls.")


def test_no_context_given_and_none_current(tmp_path: Path) -> None:
    assert refusal(write(tmp_path / "k", config("a"))) == (
        "The kubeconfig FILE has no current context. It has: a."
    )


def test_a_kubeconfig_without_any_context(tmp_path: Path) -> None:
    assert refusal(write(tmp_path / "k", config()), "a").endswith("It has none at all.")


def test_what_is_not_yaml_is_named_by_line(tmp_path: Path) -> None:
    assert refusal(write(tmp_path / "k", "contexts:\n  - [a\nb: c\n"), "a") == (
        "The kubeconfig FILE, line 3 is not YAML."
    )


@pytest.mark.parametrize("text", ["", "just text", "apiVersion: v1\nkind: Pod\n"])
def test_what_is_no_kubeconfig(tmp_path: Path, text: str) -> None:
    assert refusal(write(tmp_path / "k", text)) == "The file FILE is not a kubeconfig: it has no contexts."


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_bytes(b"\xff\xfe\x00")

    assert refusal(path) == "The kubeconfig FILE cannot be read: it is not text."


def test_a_context_that_names_a_cluster_which_is_not_there(tmp_path: Path) -> None:
    content = config("a", current="a") | {"clusters": []}

    assert refusal(write(tmp_path / "k", content)) == (
        "The kubeconfig FILE names 'c', which is not among its clusters."
    )


def test_a_certificate_file_that_is_not_there(tmp_path: Path) -> None:
    content = config("a", current="a", **{"client-certificate": "gone.crt", "client-key": "gone.key"})

    assert refusal(write(tmp_path / "k", content)) == (
        f"The kubeconfig FILE, user 'u': its client-certificate {tmp_path}/gone.crt cannot be read: "
        "No such file or directory."
    )


def test_a_login_command_that_is_not_installed(tmp_path: Path) -> None:
    plugin = {
        "command": "no-such-login",
        "apiVersion": "client.authentication.k8s.io/v1",
        "installHint": "Get it.",
    }

    assert refusal(write(tmp_path / "k", config("a", current="a", exec=plugin))) == (
        "The kubeconfig FILE logs in with the command 'no-such-login', which is not installed here. Get it."
    )


def login_command(folder: Path, program: str) -> dict[str, Any]:
    script = write(folder / "login.py", program)
    return {
        "command": sys.executable,
        "args": [str(script)],
        "apiVersion": "client.authentication.k8s.io/v1",
    }


def test_a_login_command_that_fails_is_quoted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plugin = login_command(tmp_path, "import sys; sys.exit('your session has ended')")

    with pytest.raises(Unauthorized, match=r"gave no credentials: .*your session has ended\. Run it by hand"):
        Api.connect(write(tmp_path / "k", config("a", current="a", exec=plugin)), None)
    assert capfd.readouterr().err == ""


def test_a_login_command_is_asked_again_when_its_token_ends(tmp_path: Path) -> None:
    program = """
import json, pathlib, sys
count = pathlib.Path(sys.argv[0]).with_suffix(".count")
number = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(number))
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                  "status": {"token": f"t{number}", "expirationTimestamp": "2020-01-01T00:00:00Z"}}))
"""
    login = log_in(
        write(tmp_path / "k", config("a", current="a", exec=login_command(tmp_path, program))), None
    )

    tokens = [login.session().credentials.authorization for _ in range(2)]

    assert tokens == ["Bearer t2", "Bearer t3"]


def test_the_given_file_comes_before_the_environment_and_that_before_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/jane")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/one:{tmp_path}/two")

    assert files_for(tmp_path / "given") == (tmp_path / "given",)
    assert files_for(None) == (tmp_path / "one", tmp_path / "two")
    monkeypatch.delenv("KUBECONFIG")
    assert files_for(None) == (Path("/home/jane/.kube/config"),)


def test_of_several_files_the_one_with_the_context_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "one", config("a"))
    two = write(tmp_path / "two", config("b", token="of-two"))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/one:{tmp_path}/gone:{two}")

    assert holder_of(None, "b") == two
    assert log_in(None, "b").context == "b"
    with pytest.raises(KubeconfigInvalid, match=r"no context 'c'\. It has: a, b\."):
        holder_of(None, "c")


def test_a_cluster_on_this_machine_is_never_asked_for_by_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3128")
    path = write(tmp_path / "k", config("a", current="a"))

    assert log_in(path, None).session().pool.proxy is None

    path.write_text(path.read_text().replace("127.0.0.1", "api.example"))
    assert str(log_in(path, None).session().pool.proxy) == "http://proxy.invalid:3128"
