"""What is kept of an object and what is not, and that the same secret can be told from another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clusters import outbound
from clusters.checks import Finding
from clusters.errors import ConformanceError
from clusters.observation import load
from clusters.observation.store import whole
from tests.unit.diagnosis.recorded import FOLDER
from tests.unit.diagnosis.test_observations import judged

Json = dict[str, Any]


def test_of_variables_only_metallbs_own_keep_their_values() -> None:
    reference = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    known = {"name": "METALLB_ML_LABELS", "value": "app=metallb"}

    kept = outbound.value({"env": [known, {"name": "FOO", "value": "bar"}, reference, {"name": "EMPTY"}]})

    assert kept == {"env": [known, {"name": "FOO", "value": outbound.REDACTED}, reference, {"name": "EMPTY"}]}


def test_of_annotations_only_known_ones_keep_their_values_and_copies_go() -> None:
    kept = outbound.value(
        {
            "annotations": {
                "metallb.io/address-pool": "blue",
                "metallb.universe.tf/allow-shared-ip": "key",
                "kube-vip.io/loadbalancerIPs": "10.0.0.1",
                "example.org/greeting": "hello",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
            }
        }
    )

    assert kept["annotations"] == {
        "metallb.io/address-pool": "blue",
        "metallb.universe.tf/allow-shared-ip": "key",
        "kube-vip.io/loadbalancerIPs": "10.0.0.1",
        "example.org/greeting": outbound.REDACTED,
    }


def test_of_config_maps_only_what_is_judged_is_kept() -> None:
    def held(name: str, **data: str) -> Json:
        kept: Json = outbound.value({"metadata": {"name": name}, "data": data})
        return dict(kept["data"])

    legacy = "address-pools:\n- name: a\n  protocol: layer2\npeers:\n- password: hunter2\n"

    assert held("metallb-excludel2", **{"excludel2.yaml": "a: 1"}) == {"excludel2.yaml": "a: 1"}
    assert held("memberlist-config", **{"config.json": '{"ProbeInterval": 1}'})["config.json"].startswith("{")
    assert held("config", config=legacy)["config"] == legacy.replace("hunter2", outbound.REDACTED)
    for written in (
        "mode: ipvs  # yes\na: 1\nipvs: {x: 1, strictARP: true}\n",
        "mode: ipvs\nipvs:\n  strictARP: true\n",
    ):
        assert held("kube-proxy", **{"config.conf": written}) == {
            "config.conf": "mode: ipvs\nipvs:\n  strictARP: true\n"
        }
    assert held("kube-proxy", **{"config.conf": "a: &a [*a, hunter2]\n- {"}) == {"config.conf": ""}
    assert held("app-config", config="x", other="y") == {
        "config": outbound.REDACTED,
        "other": outbound.REDACTED,
    }


def test_references_to_secrets_and_labels_stay() -> None:
    found = {
        "spec": {
            "passwordSecret": {"name": "bgp", "namespace": "metallb-system"},
            "serviceAccountToken": {"path": "token", "expirationSeconds": 3607},
            "automountServiceAccountToken": True,
            "volumes": [{"secret": {"secretName": "memberlist", "items": [{"key": "k", "path": "p"}]}}],
            "imagePullSecrets": [{"name": "registry"}],
            "nodeSelector": {"example.org/secret-zone": "a"},
            "tolerations": [{"key": "token", "operator": "Equal", "value": "x", "effect": "NoSchedule"}],
        }
    }

    assert outbound.value(found) is found


def test_a_schema_stays_whole() -> None:
    schema = {"openAPIV3Schema": {"properties": {"password": {"type": "string"}, "token": {"default": "x"}}}}

    assert outbound.value(schema) is schema


def test_values_keep_their_types() -> None:
    kept = outbound.value(
        {"password": 492039, "token": None, "secret": True, "keys": 3, "tokens": ["a", "b"]}
    )

    assert kept == {
        "password": 0,
        "token": None,
        "secret": True,
        "keys": 3,
        "tokens": [outbound.REDACTED] * 2,
    }


def test_the_same_secret_has_the_same_mark_and_another_has_another() -> None:
    mark = outbound.SameMark()

    one, same, other = (
        outbound.value({"password": word}, mark)["password"] for word in ("hunter2", "hunter2", "hunter3")
    )

    assert one == same != other
    assert outbound.value({"password": "hunter2"}, outbound.SameMark())["password"] != one
    assert outbound.value({"password": one}, mark) == {"password": one}
    assert outbound.text(f"password: {one}") == f"password: {one}"


def test_an_error_never_holds_what_a_server_or_a_program_said_of_a_secret() -> None:
    error = ConformanceError(
        "The login command said: refresh_token=hunter2 \x1b[2J.", remedy="Not Bearer abcd1234."
    )

    assert "hunter2" not in str(error)
    assert "abcd1234" not in str(error)
    assert "\\x1b[2J" in str(error)


def test_a_record_is_cleaned_down_to_its_last_text_and_else_stays_itself() -> None:
    clean = Finding(cause="pool-missing", subject="cluster", summary="There is no pool.")
    found = Finding(
        cause="pool-missing", subject="pool\u202e", summary="password: hunter2", evidence=("TOKEN=hunter2",)
    )

    assert outbound.record(clean) is clean
    assert outbound.record(found) == Finding(
        cause="pool-missing",
        subject="pool\\u202e",
        summary=f"password: {outbound.REDACTED}",
        evidence=(f"TOKEN={outbound.REDACTED}",),
    )


@pytest.mark.parametrize(
    "name",
    ["advertisement-interface-missing", "deprecated-annotation", "memberlist-key-mismatch", "memberlist-labels",
     "memberlist-secret-missing", "permission-missing", "pool-missing", "rival-controller", "speaker-refused",
     "strict-arp-off"],
)  # fmt: skip
def test_an_observation_without_secrets_is_judged_the_same(name: str) -> None:
    seen = load(FOLDER / f"{name}.json.gz")

    assert judged(whole(seen)) == judged(seen)


def test_a_folder_of_another_program_is_cleaned(tmp_path: Path) -> None:
    (tmp_path / "pods").mkdir()
    (tmp_path / "pods" / "a.log").write_text("fine\npassword: hunter2\n")
    (tmp_path / "inspect.json").write_text('[{"Config": {"Env": ["FOO=hunter2", "X="]}}]')
    (tmp_path / "latin.log").write_bytes(b"gr\xfc\xdfe token=hunter2\n")
    (tmp_path / "journal").write_bytes(b"\x00binary hunter2")
    (tmp_path / "link").symlink_to("/etc/hostname")

    outbound.clean_folder(tmp_path)

    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.log", "inspect.json", "latin.log", "pods"]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


@dataclass(frozen=True)
class _Kept:
    names: dict[str, str]


def test_the_names_in_a_mapping_are_kept() -> None:
    assert outbound.record(_Kept({"a": "token=hunter2"})) == _Kept({"a": f"token={outbound.REDACTED}"})
