"""The login of a pod; the token is a file's, and never copied."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from clusters.api import kubeconfig
from clusters.api.login import log_in
from clusters.lab import pki


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a kubelet gives a pod."""
    (tmp_path / "token").write_text("secret-token")
    (tmp_path / "ca.crt").write_bytes(pki.Authority("ca").pair.certificate)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_pod_logs_in_with_its_service_account(mounted: Path) -> None:
    path = kubeconfig.service_account_kubeconfig(mounted)

    assert path is not None
    text = path.read_text()
    assert "secret-token" not in text
    data = yaml.safe_load(text)
    assert data["clusters"][0]["cluster"]["server"] == "https://10.96.0.1:443"
    assert data["users"][0]["user"] == {"tokenFile": str(mounted / "token")}
    login = log_in(path, "in-cluster")
    assert login.session().headers == (("Authorization", "Bearer secret-token"),)


def test_an_ipv6_cluster_has_an_address_in_brackets(mounted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")

    path = kubeconfig.service_account_kubeconfig(mounted)

    assert path is not None
    assert "https://[fd00::1]:443" in path.read_text()


@pytest.mark.parametrize("lost", ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "token"])
def test_outside_of_a_pod_there_is_none(mounted: Path, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    monkeypatch.delenv(lost, raising=False)
    (mounted / lost).unlink(missing_ok=True)

    assert kubeconfig.service_account_kubeconfig(mounted) is None


def test_a_kubeconfig_comes_before_the_pods_own_login(
    mounted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kubeconfig, "MOUNTED", mounted)
    monkeypatch.setattr(kubeconfig.service_account_kubeconfig, "__defaults__", (mounted,))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    (own,) = kubeconfig.files_for(None)
    assert yaml.safe_load(own.read_text())["current-context"] == "in-cluster"
    monkeypatch.setenv("KUBECONFIG", "/mine")
    assert kubeconfig.files_for(None) == (Path("/mine"),)
    monkeypatch.delenv("KUBECONFIG")
    usual = tmp_path / ".kube" / "config"
    usual.parent.mkdir()
    usual.touch()
    assert kubeconfig.files_for(None) == (usual,)
