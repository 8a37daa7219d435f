"""Objects are cut down to what is judged."""

from __future__ import annotations

from typing import Any

from clusters.observation import trimming


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


def test_parts_that_are_alike_are_kept_once_and_what_only_compares_equal_is_not() -> None:
    def trimmed(ready: object) -> dict[str, Any]:
        ports = [{"name": "http", "port": 8080, "protocol": "TCP", "appProtocol": "http"}]
        return trimming.endpoint_slice(
            {"metadata": {"name": "a"}, "endpoints": [{"conditions": {"ready": ready}}], "ports": ports}
        )

    first, second, other = trimmed(True), trimmed(True), trimmed(1)  # noqa: FBT003 - the field itself

    assert first["ports"] is second["ports"]
    assert first["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert first["endpoints"][0]["conditions"] is second["endpoints"][0]["conditions"]
    assert other["endpoints"][0]["conditions"]["ready"] is not True
