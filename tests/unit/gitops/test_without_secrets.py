"""What is kept of a repository holds no secret, and what is live is told from what is rendered all the same."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from clusters.gitops import drift, field_comparison, repository_collection
from clusters.gitops.field_comparison import Difference
from clusters.gitops.repository_collection import Tools
from clusters.gitops.repository_snapshot import LiveObject, RepositorySnapshot
from suites.plugin.kept_repository import keep, read
from tests.unit.gitops.site import LAB_CONFIG, Site
from tests.unit.outbound import corpus

SECRET, OTHER = corpus.WORD, "hunter3-Xq9"
PEER = f"""---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata:
  name: router
  namespace: metallb-system
spec:
  myASN: 64512
  peerASN: 64513
  peerAddress: 10.0.0.1
  password: {SECRET}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: frr
  namespace: metallb-system
data:
  frr.conf: "neighbor 10.0.0.1 password {SECRET}"
---
apiVersion: v1
kind: Secret
metadata:
  name: bgp
  namespace: metallb-system
stringData:
  password: {SECRET}
"""


@pytest.fixture
def secret(site: Site) -> Site:
    """The site with a password in each place that an overlay may have one in, rolled out."""
    site.write(LAB_CONFIG, (site.root / LAB_CONFIG).read_text() + PEER)
    site.write(
        "services/metallb.md",
        (site.root / "services/metallb.md").read_text() + f"\npassword: {SECRET}\n\u202e\x7f\n",
    )
    site.commit(f"Set password={SECRET}")
    site.roll_out()
    return site


def peer(site: Site) -> dict[str, Any]:
    spec: dict[str, Any] = site.cluster.objects["BGPPeer", "router"]["spec"]
    return spec


def test_what_is_kept_holds_no_secret(secret: Site, tmp_path: Path) -> None:
    peer(secret)["password"] = OTHER
    secret.cluster.objects["ConfigMap", "frr"]["data"]["frr.conf"] = f"neighbor 10.0.0.1 password {OTHER}"
    kept = tmp_path / "snapshot.repository.json"

    keep(secret.repository(), kept)

    text = kept.read_text()
    assert SECRET not in text
    assert OTHER not in text
    assert not {"\u202e", "\x7f"} & set(text)
    assert "\u202e\x7f" in read(kept).files["services/metallb.md"]
    assert read(kept).intended.version == "0.16.2"


def test_a_secret_that_is_live_as_it_is_rendered_is_no_drift(secret: Site) -> None:
    assert drift.intended_config(secret.repository(), secret.snapshot()) == []


def test_a_secret_that_differs_is_told_without_it(secret: Site) -> None:
    peer(secret)["password"] = OTHER
    secret.cluster.objects["ConfigMap", "frr"]["data"]["frr.conf"] = f"neighbor 10.0.0.1 password {OTHER}"

    found = drift.intended_config(secret.repository(), secret.snapshot())

    assert [finding.subject for finding in found] == [
        "BGPPeer metallb-system/router",
        "ConfigMap metallb-system/frr",
    ]
    assert found[0].evidence[0] == (
        "spec.password: intended and live differ in what may be secret and is not shown"
    )
    assert "hunter" not in str(found)


def test_a_secret_that_is_live_and_not_rendered_is_told_without_it(site: Site) -> None:
    config = (site.root / LAB_CONFIG).read_text() + PEER.replace(f"  password: {SECRET}\n", "", 1)
    site.write(LAB_CONFIG, config)
    site.commit()
    site.roll_out()
    containers = site.cluster.objects["DaemonSet", "speaker"]["spec"]["template"]["spec"]["containers"]
    containers[0]["env"] = [{"name": "FOO", "value": SECRET}]

    found = drift.intended_config(site.repository(), site.snapshot())

    assert SECRET not in str(found)


def test_what_is_to_be_applied_is_whole(secret: Site) -> None:
    tools = Tools(kubectl=secret.kubectl, manifests=secret.manifests, reader=secret.cluster)

    head, intended = repository_collection.intended(secret.root, secret.layout, tools)

    assert head == secret.repository().history.head
    (password,) = [found["spec"]["password"] for found in intended.objects if found["kind"] == "BGPPeer"]
    assert password == SECRET


def test_uncommitted_work_is_not_applied(secret: Site) -> None:
    secret.edit(LAB_CONFIG, SECRET, OTHER)
    tools = Tools(kubectl=secret.kubectl, manifests=secret.manifests, reader=secret.cluster)

    _, intended = repository_collection.intended(secret.root, secret.layout, tools)

    assert OTHER not in str(intended.objects)
    assert SECRET in str(intended.objects)


@pytest.mark.parametrize(
    ("one", "other"),
    [(found, secret) for found, secret in corpus.objects() if "kind" in found and found["kind"] != "Secret"],
)
def test_a_difference_of_any_secret_of_the_corpus_is_found_and_not_shown(
    one: dict[str, Any], other: str
) -> None:
    rendered = {"metadata": {"name": "x"}, **copy.deepcopy(one)}
    another = other.translate(str.maketrans("aeE", "bfF"))
    live = _replaced(copy.deepcopy(rendered), other, another)
    kept = _Pair(rendered, live).kept

    found = field_comparison.differences(kept.intended.objects[0], (kept.live or ())[0].found or {})

    # Copies of objects, Secrets and all of kube-proxy's configuration but its mode are not kept at all.
    gone = ("last-applied", "kapp", "rio.cattle", "/values", "kube-proxy", "'Secret'")
    assert found or any(each in str(one) for each in gone) or another == other
    assert other not in "".join(map(str, found))
    assert another not in "".join(map(str, found))


def test_a_field_of_a_secret_is_never_shown_even_unmarked() -> None:
    assert SECRET not in str(Difference(("spec", "password"), SECRET, OTHER))


def _replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, dict):
        return {key: _replaced(each, old, new) for key, each in value.items()}
    return [_replaced(each, old, new) for each in value] if isinstance(value, list) else value


class _Pair:
    """A repository's observation of one object."""

    def __init__(self, rendered: dict[str, Any], live: dict[str, Any]) -> None:
        from clusters.gitops.kustomize import Render  # noqa: PLC0415
        from tests.unit.gitops.site import LAYOUT  # noqa: PLC0415

        self.kept = RepositorySnapshot(
            taken_at="2026-01-01T00:00:00Z",
            root="/",
            layout=LAYOUT,
            intended=Render(overlay="o", objects=(rendered,)),
            live=(LiveObject(key="x", found=live),),
        ).without_secrets()
