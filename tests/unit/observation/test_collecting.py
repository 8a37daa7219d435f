"""One refusal costs one part, and nothing is written but a dry run."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from clusters.api import ApiError, Forbidden, Invalid, NoSuchResource, Resource, Unreachable, WebhookFailed
from clusters.observation import Status
from clusters.observation.collecting import Course, collect
from clusters.profile import Profile, Provider
from tests.answers import answered
from tests.unit.outbound import corpus

SLICE = {"metadata": {"name": "s", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}}}
OTHER = {"metadata": {"name": "o", "namespace": "shop", "labels": {"kubernetes.io/service-name": "db"}}}
WEB = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"type": "LoadBalancer"}, "status": {}}


class FakeApi:
    """Answers from a table of objects by plural; `errors` are raised instead."""

    context = "fake"

    def __init__(self, errors: dict[str, ApiError] | None = None, created: ApiError | None = None) -> None:
        self.errors, self.created = errors or {}, created
        self.objects = {"services": [WEB], "endpointslices": [SLICE, OTHER]}
        self.wrote: list[bool] = []

    def version(self) -> str:
        return "v1.34.4"

    def list_raw(self, res: Resource, namespace: str | None = None, **_: Any) -> Iterator[dict[str, Any]]:
        if res.plural in self.errors:
            raise self.errors[res.plural]
        yield {"items": self.objects.get(res.plural, [])}

    def create(self, _: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        self.wrote.append(dry_run)
        if self.created:
            raise self.created
        return {}


def speaking() -> dict[str, list[dict[str, Any]]]:
    """A speaker that has metrics, with the DaemonSet that made it."""
    own = {"namespace": "metallb-system", "labels": {"app": "metallb", "component": "speaker"}}
    owner = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "name": "speaker",
        "uid": "d-1",
        "controller": True,
    }
    container = {"name": "speaker", "image": "quay.io/metallb/speaker:v0.15.2", "args": ["--port=7472"]}
    started = {"name": "speaker", "restartCount": 0, "containerID": "x"}
    return {
        "daemonsets": [{"metadata": {"name": "speaker", "uid": "d-1", **own}, "spec": {}}],
        "pods": [
            {
                "metadata": {"name": "speaker-1", "ownerReferences": [owner], **own},
                "spec": {"containers": [container]},
                "status": {"containerStatuses": [started]},
            }
        ],
    }


def test_only_slices_of_load_balancer_services_are_kept() -> None:
    seen = collect(FakeApi())  # type: ignore[arg-type]  # as much of an Api as collecting needs

    assert [each["metadata"]["name"] for each in seen.endpoint_slices.items] == ["s"]
    assert seen.wire.status is Status.NOT_ASKED


@pytest.mark.parametrize("items", [[], None])
def test_a_list_without_objects_is_read_and_empty(items: object) -> None:
    api = FakeApi()
    api.objects["bgppeers"] = items  # type: ignore[assignment]  # as Kubernetes writes an empty list now and then

    seen = collect(api)  # type: ignore[arg-type]  # as above

    assert (seen.bgp_peers.status, seen.bgp_peers.items, seen.bgp_peers.unreadable) == (Status.OK, (), ())


def test_a_pod_sees_nothing_of_the_wire_and_says_so() -> None:
    profile = Profile(name="e", provider=Provider.EXISTING, context="e", vantage="pod")

    seen = collect(FakeApi(), profile=profile)  # type: ignore[arg-type]  # as above

    assert (seen.wire.status, seen.wire.place) == (Status.NOT_ASKED, "pod")
    assert seen.wire.detail == (
        "the profile's vantage is a pod, and inside the cluster kube-proxy answers for every service's address"
    )
    assert not seen.wire.reached
    found = answered("traffic.single-announcer", seen)
    assert any(seen.wire.detail in sentence for sentence in found.missing)


def test_a_refusal_is_kept_with_its_verb_and_resource() -> None:
    refused = Forbidden("no")
    refused.verb, refused.resource = "list", "nodes"

    seen = collect(FakeApi({"nodes": refused, "configurationstates": NoSuchResource("none")}))  # type: ignore[arg-type]  # as above

    assert (seen.nodes.status, seen.nodes.verb, seen.nodes.resource) == (
        Status.NOT_PERMITTED,
        "list",
        "nodes",
    )
    assert seen.configuration_states.status is Status.ABSENT
    assert seen.services.ok


def test_a_container_that_never_started_is_not_asked() -> None:
    labels = {"app": "metallb", "component": "speaker"}
    own = {"namespace": "metallb-system", "labels": labels}
    owner = {"kind": "DaemonSet", "name": "speaker", "uid": "d-1", "controller": True}
    waiting = {
        "metadata": {"name": "speaker-1", "ownerReferences": [owner], **own},
        "spec": {"containers": [{"name": "speaker", "image": "quay.io/metallb/speaker:v0.15.2"}]},
        "status": {"containerStatuses": [{"name": "speaker", "restartCount": 0}]},
    }
    api = FakeApi()
    api.objects["pods"] = [waiting]
    api.objects["daemonsets"] = [{"metadata": {"name": "speaker", "uid": "d-1", **own}, "spec": {}}]

    seen = collect(api)  # type: ignore[arg-type]  # as above

    assert [(page.status, page.detail) for page in seen.metrics] == [
        (Status.ABSENT, "its container was never started")
    ]
    assert [tail.status for tail in seen.logs] == [Status.ABSENT]


def test_what_a_pod_says_is_kept_without_secrets_down_to_the_last_line_of_a_key() -> None:
    api = FakeApi()
    pool = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
    api.pod_http = lambda *_, **__: f'metallb_x{{pool="{pool}"}} 1\n'  # type: ignore[attr-defined]  # as Api has it
    api.logs = lambda *_, **__: f"before\n{corpus.PEM}\nafter"  # type: ignore[attr-defined]  # as Api has it
    api.objects |= speaking()

    seen = collect(api)  # type: ignore[arg-type]  # as above

    (tail,), (metrics,) = seen.logs, seen.metrics
    assert metrics.samples[0].labels == {"pool": "<redacted>"}
    assert tail.lines == ("before", "<redacted>", "after")


def test_what_was_read_is_left_out_of_later_searches_for_garbage() -> None:
    try:
        seen = collect(FakeApi())  # type: ignore[arg-type]  # as much of an Api as collecting needs

        searched = {id(one) for one in gc.get_objects()}
        assert seen.services.items
        assert not [one for one in seen.services.items if id(one) in searched]
    finally:
        gc.unfreeze()


def test_the_search_for_garbage_goes_on_as_before() -> None:
    collect(FakeApi())  # type: ignore[arg-type]  # as above
    assert gc.isenabled()

    gc.disable()
    try:
        collect(FakeApi())  # type: ignore[arg-type]  # as above
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_server_that_goes_away_fails_its_parts_alone() -> None:
    seen = collect(FakeApi({"events": Unreachable("gone")}))  # type: ignore[arg-type]  # as above

    assert (seen.events.status, seen.events.detail) == (Status.FAILED, "gone")
    assert seen.services.ok


def test_services_that_may_not_be_read_do_not_hide_metallbs_own_slices() -> None:
    refused = Forbidden("no")

    seen = collect(FakeApi({"services": refused}), namespace="shop")  # type: ignore[arg-type]  # as above

    assert len(seen.endpoint_slices.items) == 2


@pytest.mark.parametrize(
    ("error", "met"),
    [(None, "accepted"), (Invalid("overlaps"), "refused"), (WebhookFailed("refused"), "no webhook")],
)
def test_the_dry_run_stores_nothing_and_says_what_it_met(error: ApiError | None, met: str) -> None:
    api = FakeApi(created=error)

    seen = collect(api)  # type: ignore[arg-type]  # as above

    assert api.wrote == [True]
    assert (seen.dry_run.accepted, seen.dry_run.webhook_failed) == (met == "accepted", met == "no webhook")


def test_of_other_services_only_those_with_external_addresses_are_kept() -> None:
    plain = {"metadata": {"name": "db", "namespace": "shop"}, "spec": {"type": "ClusterIP"}, "status": {}}
    spec = {"type": "ClusterIP", "externalIPs": ["192.0.2.9"], "ports": [{"port": 80, "nodePort": None}]}
    outside = {"metadata": {"name": "old", "namespace": "shop", "uid": "u"}, "spec": spec, "status": {}}
    api = FakeApi()
    api.objects["services"] = [WEB, plain, outside]

    seen = collect(api)  # type: ignore[arg-type]  # as above

    assert [each["metadata"] for each in seen.external_ip_services.items] == [
        {"name": "old", "namespace": "shop"}
    ]
    assert seen.external_ip_services.items[0]["spec"]["externalIPs"] == ["192.0.2.9"]


def test_policies_are_those_of_namespaces_with_a_service_and_may_be_refused() -> None:
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [block]}], "egress": [{}]}
    api = FakeApi()
    api.objects["networkpolicies"] = [
        {"metadata": {"name": "deny", "namespace": "shop"}, "spec": spec},
        {"metadata": {"name": "deny", "namespace": "other"}, "spec": spec},
    ]

    seen = collect(api)  # type: ignore[arg-type]  # as above

    assert [each["metadata"]["namespace"] for each in seen.network_policies.items] == ["shop"]
    assert "egress" not in seen.network_policies.items[0]["spec"]
    refused = collect(FakeApi({"networkpolicies": Forbidden("no")}))  # type: ignore[arg-type]  # as above
    assert refused.network_policies.status is Status.NOT_PERMITTED
    assert refused.services.ok


def test_what_this_metallb_does_not_read_is_listed_apart() -> None:
    def pool(name: str, namespace: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "namespace": namespace}, "spec": {"addresses": ["192.0.2.0/28"]}}

    api = FakeApi()
    api.objects["ipaddresspools"] = [pool("a", "metallb-system"), pool("b", "default")]

    seen = collect(api)  # type: ignore[arg-type]  # as above

    assert [each["metadata"]["name"] for each in seen.pools_elsewhere.items] == ["b"]


class Refused(Exception):  # noqa: N818 - what the test raises
    """The run may not start."""


def test_until_more_is_permitted_only_lists_are_read() -> None:
    api, asked = FakeApi(), []
    api.objects |= speaking()
    for each in ("pod_http", "logs", "pod_https", "account_token"):
        setattr(api, each, lambda *_, **__: asked.append("pods"))

    def refuse() -> None:
        raise Refused

    with pytest.raises(Refused):
        collect(api, course=Course(permitted=refuse))  # type: ignore[arg-type]  # as above

    assert (api.wrote, asked) == ([], [])

    waited: list[bool] = []
    api.pod_http = api.logs = lambda *_, **__: ""  # type: ignore[attr-defined]  # as Api has it
    course = Course(permitted=lambda: waited.append(not api.wrote))
    seen = collect(api, course=course)  # type: ignore[arg-type]  # as above

    assert (waited, api.wrote, seen.dry_run.accepted) == ([True], [True], True)
    assert [page.status for page in seen.metrics] == [Status.OK]
