"""Kinds that are not listed in `resources`, asked of the cluster itself."""

from __future__ import annotations

import pytest

from clusters.api import Api, NoSuchResource
from clusters.api.resources import PODS


def test_a_kind_that_is_not_listed_is_asked_for(api: Api, namespace: str) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small", "namespace": namespace},
        "spec": {"hard": {"services": "1"}},
    }

    found = api.resource_for(quota)

    assert (found.plural, found.namespaced, found.qualified) == ("resourcequotas", True, "resourcequotas")
    assert api.create(quota)["spec"] == {"hard": {"services": "1"}}
    assert api.resource_for({"apiVersion": "v1", "kind": "Pod"}) is PODS


@pytest.mark.parametrize(("api_version", "kind"), [("v1", "Pot"), ("nowhere.example/v1", "Thing")])
def test_a_kind_that_the_cluster_lacks(api: Api, api_version: str, kind: str) -> None:
    with pytest.raises(NoSuchResource, match=f"The cluster has no kind '{kind}' in '{api_version}'"):
        api.resource_for({"apiVersion": api_version, "kind": kind})
