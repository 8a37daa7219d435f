"""Nothing secret is kept, and what only names a secret stays readable."""

from __future__ import annotations

from clusters.observation import redaction, trimming
from clusters.observation.redaction import REDACTED

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZXRhbGxiIn0.c2lnbmF0dXJl"


def test_tokens_and_keys_in_text_are_replaced() -> None:
    certificate = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----"
    text = f"Authorization: Bearer abcdefgh1234 token {TOKEN}\n{certificate}"

    assert redaction.text(text) == f"Authorization: Bearer {REDACTED} token {REDACTED}\n{REDACTED}"


def test_secret_fields_and_environment_are_replaced_and_references_kept() -> None:
    found = redaction.deep(
        {
            "password": "s3cret",
            "passwordSecret": {"name": "bgp"},
            "secretName": "memberlist",
            "env": [
                {"name": "API_TOKEN", "value": "x"},
                {"name": "METALLB_ML_SECRET_NAME", "value": "memberlist"},
            ],
        }
    )

    assert found == {
        "password": REDACTED,
        "passwordSecret": {"name": "bgp"},
        "secretName": "memberlist",
        "env": [
            {"name": "API_TOKEN", "value": REDACTED},
            {"name": "METALLB_ML_SECRET_NAME", "value": "memberlist"},
        ],
    }


def test_kubectls_copy_of_an_object_is_dropped() -> None:
    kept = redaction.annotated(
        {"kubectl.kubernetes.io/last-applied-configuration": "{}", "metallb.io/address-pool": "a"}
    )

    assert kept == {"metallb.io/address-pool": "a"}


def test_a_secret_keeps_only_its_name() -> None:
    kept = trimming.name_only(
        {"metadata": {"name": "memberlist", "annotations": {"a": "b"}}, "data": {"secretkey": "eA=="}}
    )

    assert kept == {"metadata": {"name": "memberlist"}}


def test_a_webhook_keeps_a_digest_of_its_certificate() -> None:
    kept = trimming.webhook(
        {"metadata": {"name": "w"}, "webhooks": [{"name": "h", "clientConfig": {"caBundle": "MII"}}]}
    )

    assert "MII" not in str(kept)
    assert len(kept["webhooks"][0]["clientConfig"]["caBundleDigest"]) == 16


def test_of_a_services_managers_only_writers_of_its_status_stay() -> None:
    def entry(manager: str, fields: dict[str, object]) -> dict[str, object]:
        return {"manager": manager, "operation": "Update", "fieldsV1": fields}

    service = {
        "metadata": {
            "name": "web",
            "managedFields": [
                entry("kubectl", {"f:spec": {}}),
                entry("kube-vip", {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}),
            ],
        }
    }

    kept = trimming.service(service)["metadata"]["managedFields"]

    assert [each["manager"] for each in kept] == ["kube-vip"]
