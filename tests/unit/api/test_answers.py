"""Refusals of the API server that are hard to provoke, as it words them."""

from __future__ import annotations

import json

import pytest

from clusters.api import (
    ApiError,
    Forbidden,
    Invalid,
    NoSuchResource,
    Overloaded,
    ServerFault,
    TimedOut,
    errors,
)
from clusters.api.answers import Asked, Refusal, error_for
from clusters.api.resources import POD_METRICS, PODS, Resource, for_object
from clusters.errors import UsageError

LIST_PODS = Asked(verb="list", path="/api/v1/pods", resource=PODS)


def refused(code: int, message: str = "", reason: str = "", **headers: str) -> ApiError:
    body = json.dumps({"kind": "Status", "message": message, "reason": reason}).encode()
    return error_for(LIST_PODS, Refusal.read(code, body, headers))


def test_too_busy_says_when_to_come_back() -> None:
    error = refused(429, "slow down", **{"Retry-After": "3"})

    assert isinstance(error, Overloaded)
    assert error.retry_after == 3


def test_a_server_without_metrics_behind_it() -> None:
    asked = Asked(verb="list", path="/apis/metrics.k8s.io/v1beta1/pods", resource=POD_METRICS)

    error = error_for(asked, Refusal.read(503, b"service unavailable\n", {}))

    assert isinstance(error, ServerFault)
    assert str(error) == "The API server failed to list pods.metrics.k8s.io (503): service unavailable"


def test_a_kind_that_is_not_there_at_all() -> None:
    assert isinstance(error_for(LIST_PODS, Refusal.read(404, b"404 page not found\n", {})), NoSuchResource)


def test_a_refusal_that_is_not_about_permission_keeps_its_words() -> None:
    error = refused(403, "exceeded quota: small, requested: services=1", "Forbidden")

    assert isinstance(error, Invalid)
    assert "exceeded quota: small" in str(error)


def test_a_bare_403_is_taken_for_what_was_asked() -> None:
    error = refused(403)

    assert isinstance(error, Forbidden)
    assert (error.verb, error.resource) == ("list", "pods")


def test_a_path_that_is_forbidden() -> None:
    error = refused(403, 'forbidden: User "jane" cannot get path "/metrics"', "Forbidden")

    assert isinstance(error, Forbidden)
    assert (error.verb, error.resource) == ("get", "/metrics")


def test_a_timeout_on_the_server_s_side() -> None:
    assert isinstance(refused(504, "request timed out", "Timeout"), TimedOut)


@pytest.mark.parametrize(
    ("code", "kind"), [(400, Invalid), (422, Invalid), (500, ServerFault), (410, errors.Expired)]
)
def test_every_status_has_its_error(code: int, kind: type[ApiError]) -> None:
    error = refused(code, "because", "Reason")

    assert type(error) is kind
    assert (error.status, error.reason, error.message) == (code, "Reason", "because")


def test_paths_and_names_of_resources() -> None:
    lease = Resource("coordination.k8s.io", "v1", "leases", "Lease")

    assert PODS.path("shop", "web/1", "log") == "/api/v1/namespaces/shop/pods/web%2F1/log"
    assert PODS.path() == "/api/v1/pods"
    assert lease.path("a") == "/apis/coordination.k8s.io/v1/namespaces/a/leases"
    assert (lease.qualified, PODS.describe("web", "shop")) == ("leases.coordination.k8s.io", "pod shop/web")


def test_an_object_of_an_unknown_kind_is_refused() -> None:
    assert for_object({"apiVersion": "v1", "kind": "Pod"}) is PODS
    with pytest.raises(UsageError, match="kind 'Pot' in apiVersion 'v1'"):
        for_object({"apiVersion": "v1", "kind": "Pot"})
