"""MetalLB's metrics on a real API server: who reads them with what, who gets nothing, and what a run asks for in sum.

MetalLB 0.16 checks each token by a TokenReview. Its -prometheus manifest gives it the right to, its plain one does not.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters import wait
from clusters.api import Api
from clusters.api.resources import CONFIG_MAPS, PODS
from clusters.diagnosis import Diagnosis, observed
from clusters.diagnosis.wire_index import Responder
from clusters.gitops import repository_collection
from clusters.lab import life, netns
from clusters.lab.lab import Lab
from clusters.lab.pki import Authority
from clusters.lab.plan import Install, LabOptions
from clusters.metallb import install
from clusters.observation import Status
from clusters.observation.cluster_part import OBSERVATION
from clusters.observation.collecting import collect
from clusters.profile import Profile, Provider
from clusters.providers.lab_cluster import metrics_answer
from clusters.vantage import open_vantage
from tests.lab.accounts import Account, asks_for_itself, is_tried
from tests.lab.tools import ROOT, SOON, Kubectl

Json = dict[str, Any]
NAMESPACE, ADDRESS, PORT = "metallb-system", "172.30.0.210", 4444
LABELS = {"app": "metallb", "component": "speaker"}


@contextmanager
def booted(folder: Path, install: Install) -> Iterator[Lab]:
    """A lab of MetalLB's plain manifest with what `install` adds: the shipped overlay without its components."""
    name = f"m{os.getpid()}-{install[:4]}"
    overlay = shutil.copytree(ROOT / "examples/platform/metallb", folder / "metallb") / "overlays/lab"
    settings = yaml.safe_load((overlay / "kustomization.yaml").read_text())
    assert settings.pop("components") == ["../../components/token-reviews"]
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(settings))
    try:
        yield life.up(LabOptions(name=name, metallb="0.16.2", install=install, overlay=str(overlay)))
    finally:
        life.down(name)


@pytest.fixture(scope="module")
def lab(as_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab whose MetalLB may check tokens."""
    with booted(tmp_path_factory.mktemp("overlay"), "prometheus") as made:
        metrics_answer(made, NAMESPACE, pods=len(made.nodes) + 1)
        yield made


@pytest.fixture
def kubectl(lab: Lab) -> Kubectl:
    return Kubectl(lab)


def looked_at(lab: Lab, **fields: Any) -> Diagnosis:
    """The lab as its administrator sees it, who logs in with a client certificate."""
    user = yaml.safe_load(lab.kubeconfig.read_text())["users"][0]["user"]
    assert "client-certificate-data" in user
    assert "token" not in user
    profile = Profile(name=lab.name, provider=Provider.LAB, **fields)
    with open_vantage(f"netns:{lab.client.netns}") as vantage:
        api = Api.connect(lab.kubeconfig, None)
        return observed(lambda: collect(api, profile=profile, vantage=vantage))


def test_a_client_certificate_reads_the_metrics_of_every_pod(lab: Lab) -> None:
    seen = looked_at(lab)

    assert [page.status for page in seen.snapshot.metrics] == [Status.OK] * (len(lab.nodes) + 1)
    assert all(page.readable for page in seen.snapshot.metrics)
    claimed = seen.facts.signals.announced
    assert len(claimed[ADDRESS]) == 1


def test_a_profile_that_says_no_reads_none(lab: Lab) -> None:
    seen = looked_at(lab, metrics=False)

    assert {page.status for page in seen.snapshot.metrics} == {Status.NOT_ASKED}
    assert not seen.root_causes


def test_an_address_on_a_node_s_own_card_is_told_as_such(lab: Lab) -> None:
    with held_by_one_more(lab) as node:
        roots = looked_at(lab).root_causes

    assert [root.cause for root in roots] == ["duplicate-announcer"]
    assert f"Node {node} answers ARP for {ADDRESS}, which its speaker does not announce" in roots[0].summary


@contextmanager
def held_by_one_more(lab: Lab) -> Iterator[str]:
    """The address of a service on a card of another node than the one that announces it."""
    owner = looked_at(lab).facts.wire_index.responders(ADDRESS)
    node = next(host.name for host in lab.nodes if (Responder(host.name),) != owner)
    card = ["dev", lab.host(node).interfaces[0].name]
    assert lab.run(node, ["ip", "address", "add", f"{ADDRESS}/32", *card]).returncode == 0
    try:
        yield node
    finally:
        lab.run(node, ["ip", "address", "del", f"{ADDRESS}/32", *card])


def test_a_complete_observe_run_asks_for_nothing_but_what_is_documented(
    lab: Lab, kubectl: Kubectl, tmp_path: Path
) -> None:
    account = Account(lab, "observe", tmp_path, kubectl).made()
    kubectl.ok("apply", "-f", str(ROOT / "deploy" / "rbac" / "metrics.yaml"))
    profile = yaml.safe_load(account.profile.read_text())
    account.profile.write_text(yaml.safe_dump(profile | {"metrics": "token-request"}))

    _, results, output = account.run()

    failed = {check["id"] for check in results["checks"] if check["outcome"] == "failed"}
    assert not failed, output
    assert len(results["checks"]) > 40
    asked = account.asked()
    written = [event for event in asked if event["verb"] not in {"get", "list", "watch"}]
    others = [event for event in written if not asks_for_itself(event) and not is_tried(event)]
    token = {"resource": "serviceaccounts", "subresource": "token", "name": install.METRICS_ACCOUNT}
    assert others
    assert all(token.items() <= event["objectRef"].items() for event in others)
    read = {of(event) for event in asked if event["verb"] in {"get", "list"} and "objectRef" in event}
    allowed = {
        (use.verb, use.plural, use.subresource) for use in (*OBSERVATION, *repository_collection.READS)
    }
    names_of_secrets = ("list", "secrets", "")  # tried, and refused
    allowed |= {("get", "pods", "portforward"), names_of_secrets}
    refused = [event for event in asked if "objectRef" in event and of(event) == names_of_secrets]
    assert {event["responseStatus"]["code"] for event in refused} == {403}
    assert read <= allowed
    assert ("get", "pods", "proxy") not in read  # 0.16 is not asked through the proxy
    assert "watch" not in {event["verb"] for event in asked}
    kept = json.loads((account.folder / "observe-report" / "snapshot.json").read_text())
    assert {page["status"] for page in kept["metrics"]} == {"ok"}
    assert "eyJhbGciOi" not in (account.folder / "observe-report" / "snapshot.json").read_text()


def of(event: Json) -> tuple[str, str, str]:
    about = event["objectRef"]
    return event["verb"], about["resource"], about.get("subresource", "")


def test_without_the_file_the_missing_permission_is_named(lab: Lab, kubectl: Kubectl, tmp_path: Path) -> None:
    account = Account(lab, "create", tmp_path, kubectl).made()
    kubectl("-n", NAMESPACE, "delete", "rolebinding", install.METRICS_ACCOUNT)
    profile = Profile(name="x", provider=Provider.EXISTING, context="x", metrics="token-request")

    pages = collect(Api.connect(account.kubeconfig, None), profile=profile).metrics

    assert {(page.status, page.verb, page.resource) for page in pages} == {
        (Status.NOT_PERMITTED, "create", "serviceaccounts/token")
    }


class Listener:
    """A TLS server on a node, at a port of a pod of its network; keeps all that it is sent."""

    def __init__(self, lab: Lab, node: str, folder: Path) -> None:
        pair = Authority("somebody").issue("pod", served_as=["pod"])
        (folder / "pair.pem").write_bytes(pair.certificate + pair.key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "pair.pem")
        self.received: list[bytes] = []
        self.server = netns.inside(lab.netns(node), lambda: socket.create_server(("0.0.0.0", PORT)))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with raw:
            raw.settimeout(5)
            self.received.append(b"connected")
            with self.context.wrap_socket(raw, server_side=True) as secure:
                self.received.append(secure.recv(1 << 16))
                secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                # Whoever has the whole answer may close the connection without a last word.
                with suppress(OSError):
                    secure.unwrap()

    def close(self) -> None:
        self.server.close()


def test_a_listener_with_metallb_s_labels_receives_nothing_at_all(
    lab: Lab, kubectl: Kubectl, tmp_path: Path
) -> None:
    api, node = Api.connect(lab.kubeconfig, None), lab.nodes[1].name
    listener = Listener(lab, node, tmp_path)
    # One that nobody manages would be adopted, and removed again, by the DaemonSet that selects these labels.
    manager = api.get(CONFIG_MAPS, "kube-root-ca.crt", NAMESPACE)["metadata"]
    pod = stranger(node, {"kind": "ConfigMap", "name": manager["name"], "uid": manager["uid"]})
    try:
        kubectl.ok("apply", "-f", "-", given=json.dumps(pod))
        wait.until(
            "the stranger's pod runs",
            read=lambda: api.get(PODS, "stranger", NAMESPACE)["status"],
            accept=lambda status: (
                status["phase"] == "Running"
                and any(
                    one["name"] == "speaker" and one.get("containerID")
                    for one in status.get("containerStatuses", ())
                )
            ),
            budget=SOON,
        )

        for fields in ({}, {"metrics": "token-request"}):
            seen = looked_at(lab, **fields)
            (page,) = [each for each in seen.snapshot.metrics if each.pod == "stranger"]
            assert page.status is Status.NOT_ASKED
            assert "whatever its labels say" in page.detail
        assert not listener.received

        # What would have arrived is seen: the listener works.
        assert api.pod_https(NAMESPACE, "stranger", PORT, "/metrics", token="PROBE") == "ok"
        assert b"Authorization: Bearer PROBE" in listener.received[1]
        assert api.pod_http(NAMESPACE, "stranger", PORT, "/metrics", https=True) == "ok"
        assert b"Authorization" not in listener.received[3]
    finally:
        listener.close()
        kubectl("-n", NAMESPACE, "delete", "pod", "stranger", "--grace-period=0", "--force")


def stranger(node: str, manager: Json) -> Json:
    """A pod of somebody's with MetalLB's labels, image and arguments, and a program that goes on."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "stranger",
            "namespace": NAMESPACE,
            "labels": LABELS,
            "ownerReferences": [{"apiVersion": "v1", "controller": True, **manager}],
        },
        "spec": {
            "nodeName": node,
            "hostNetwork": True,
            "containers": [
                {
                    "name": "speaker",
                    "image": "quay.io/metallb/speaker:v0.16.2",
                    "imagePullPolicy": "Never",
                    "args": [f"--port={PORT}"],
                },
                {"name": "on", "image": "registry.k8s.io/pause:3.10", "imagePullPolicy": "Never"},
            ],
        },
    }
