"""Who is asked for metrics, and with what: no login of the user's leaves for a pod, whatever a pod calls itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from clusters.api import ApiError, Forbidden, NotFound, ServerFault
from clusters.observation.scrape import Owners, Scrape
from clusters.observation.snapshot import Objects, PodMetrics, Status
from clusters.profile.metrics import Metrics

Json = dict[str, Any]
NAMESPACE = "metallb-system"
PAGE = 'metallb_speaker_announced{service="shop/web",node="node1"} 1\n'
ALLOWED = Metrics(account="metallb-system/scraper", given=True)
DEFAULT = Metrics()


@dataclass
class FakeApi:
    """Notes every request to a pod; `fails` is raised by them, `refuses` by the request for a token."""

    fails: ApiError | None = None
    refuses: ApiError | None = None
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def account_token(self, namespace: str, name: str) -> str:
        if self.refuses:
            raise self.refuses
        return f"token of {namespace}/{name}"

    def pod_http(self, namespace: str, pod: str, port: int, path: str) -> str:
        return self._answer(pod, f"http:{port}{path}", "")

    def pod_https(self, namespace: str, pod: str, port: int, path: str, *, token: str) -> str:
        return self._answer(pod, f"https:{port}{path}", token)

    def _answer(self, *asked: str) -> str:
        self.asked.append(asked)
        if self.fails:
            raise self.fails
        return PAGE


def pod(name: str, image: str, *, owner: tuple[str, str] | None, part: str = "speaker", **more: Any) -> Json:
    references = [{"kind": owner[0], "uid": owner[1], "controller": True}] if owner else []
    return {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"app": "metallb", "component": part},
            "ownerReferences": references,
        },
        "spec": {"containers": [{"name": part, "image": image, **more}]},
        "status": {"containerStatuses": [{"name": part, "containerID": "containerd://1"}]},
    }


def listed(*items: Json) -> Objects:
    return Objects(status=Status.OK, items=items)


def workload(part: str, uid: str) -> Json:
    labels = {"app": "metallb", "component": part}
    return {"metadata": {"name": part, "namespace": NAMESPACE, "uid": uid, "labels": labels}, "spec": {}}


OWNERS = Owners(
    deployments=listed(workload("controller", "dep-1")),
    daemon_sets=listed(workload("speaker", "ds-1")),
    replica_sets=listed(
        {
            "metadata": {
                "uid": "rs-1",
                "ownerReferences": [{"kind": "Deployment", "uid": "dep-1", "controller": True}],
            }
        }
    ),
    namespace=NAMESPACE,
)
SPEAKER, CONTROLLER = ("DaemonSet", "ds-1"), ("ReplicaSet", "rs-1")
OLD, NEW, UNKNOWN = "metallb/speaker:v0.15.2", "metallb/speaker:v0.16.2", "docker.io/evil/thing:latest"


def scraped(
    api: FakeApi, *pods: Json, rule: Metrics = ALLOWED, owners: Owners = OWNERS
) -> tuple[PodMetrics, ...]:
    with ThreadPoolExecutor(2) as pool:
        return Scrape(api, pool, NAMESPACE, rule).pages(pods, owners)  # type: ignore[arg-type]  # as much as it needs


def test_up_to_0_15_the_api_server_s_proxy_is_used_and_no_token() -> None:
    api = FakeApi()
    controller = pod("c", "metallb/controller:v0.15.2", owner=CONTROLLER, part="controller")

    pages = scraped(api, pod("s", OLD, owner=SPEAKER, args=["--port=7500"]), controller, rule=DEFAULT)

    assert [page.ok for page in pages] == [True, True]
    assert sorted(api.asked) == [("c", "http:7472/metrics", ""), ("s", "http:7500/metrics", "")]


def test_from_0_16_on_nothing_is_asked_unless_the_profile_says_so() -> None:
    api = FakeApi()

    (page,) = scraped(api, pod("s", NEW, owner=SPEAKER), rule=DEFAULT)

    assert not api.asked
    assert (page.status, page.known) == (Status.NOT_ASKED, False)
    assert "apply deploy/rbac/metrics.yaml and put `metrics: token-request` into the profile" in page.detail


def test_a_pod_of_0_16_gets_the_token_of_the_account_for_that() -> None:
    api = FakeApi()

    (page,) = scraped(api, pod("s", NEW, owner=SPEAKER))

    assert api.asked == [("s", "https:9120/metrics", "token of metallb-system/scraper")]
    assert page.readable
    assert page.samples[0].name == "metallb_speaker_announced"


@pytest.mark.parametrize("image", [OLD, NEW, UNKNOWN])
@pytest.mark.parametrize(
    "owner",
    [None, ("DaemonSet", "another"), ("ReplicaSet", "rs-1"), ("Deployment", "ds-1"), ("DaemonSet", "")],
)
def test_a_pod_that_metallb_did_not_make_is_asked_for_nothing(
    image: str, owner: tuple[str, str] | None
) -> None:
    api = FakeApi()

    (page,) = scraped(api, pod("s", image, owner=owner, args=["--port=4444"]))

    assert not api.asked
    assert page.status is Status.NOT_ASKED
    assert "whatever its labels say" in page.detail


def test_whose_pod_it_is_may_be_unknown_and_then_it_is_not_asked_either() -> None:
    api = FakeApi()
    unread = Objects(status=Status.NOT_PERMITTED, detail="may not list replicasets")
    owners = Owners(
        deployments=OWNERS.deployments,
        daemon_sets=OWNERS.daemon_sets,
        replica_sets=unread,
        namespace=NAMESPACE,
    )

    pages = scraped(
        api,
        pod("c", OLD, owner=CONTROLLER, part="controller"),
        pod("s", OLD, owner=SPEAKER),
        owners=owners,
    )

    assert [page.status for page in pages] == [Status.NOT_ASKED, Status.OK]
    assert pages[0].detail == "whose pod it is is not known: may not list replicasets"


def test_an_image_without_a_version_is_no_reason_to_send_anything() -> None:
    api = FakeApi()

    (page,) = scraped(api, pod("s", UNKNOWN, owner=SPEAKER, args=["--port=4444"]))

    assert not api.asked
    assert page.status is Status.NOT_ASKED
    assert f"its image {UNKNOWN} names no version" in page.detail


def test_where_the_kubelet_itself_probes_the_metrics_they_need_no_login() -> None:
    api = FakeApi()
    probe = {"httpGet": {"path": "/metrics", "port": "monitoring"}}
    ports = [{"name": "monitoring", "containerPort": 7480}]

    (page,) = scraped(api, pod("s", UNKNOWN, owner=SPEAKER, livenessProbe=probe, ports=ports), rule=DEFAULT)

    assert page.ok
    assert api.asked == [("s", "http:7480/metrics", "")]


def test_where_the_kubelet_asks_for_readyz_the_metrics_want_a_login() -> None:
    api = FakeApi()
    probe = {"httpGet": {"path": "/readyz", "port": 17472}}

    (page,) = scraped(api, pod("s", UNKNOWN, owner=SPEAKER, readinessProbe=probe), rule=DEFAULT)

    assert not api.asked
    assert page.detail.startswith("from 0.16.0 on MetalLB's metrics ask for a login")


@pytest.mark.parametrize("image", [OLD, NEW])
def test_a_profile_that_says_no_means_it(image: str) -> None:
    api = FakeApi()

    (page,) = scraped(api, pod("s", image, owner=SPEAKER), rule=Metrics(allowed=False, given=True))

    assert not api.asked
    assert page.status is Status.NOT_ASKED
    assert "`metrics: no`" in page.detail


def test_an_account_that_is_not_there_is_named() -> None:
    api = FakeApi(refuses=NotFound("no such account"))

    pages = scraped(api, pod("s", NEW, owner=SPEAKER), pod("t", NEW, owner=SPEAKER))

    assert not api.asked
    assert [(page.pod, page.status) for page in pages] == [("s", Status.NOT_ASKED), ("t", Status.NOT_ASKED)]
    assert "there is no service account metallb-system/scraper" in pages[0].detail
    assert "deploy/rbac/metrics.yaml" in pages[0].detail


def test_a_token_that_is_refused_names_the_permission() -> None:
    refused = Forbidden("may not create serviceaccounts/token")
    refused.verb, refused.resource = "create", "serviceaccounts/token"
    api = FakeApi(refuses=refused)

    (page,) = scraped(api, pod("s", NEW, owner=SPEAKER))

    assert (page.status, page.verb, page.resource) == (
        Status.NOT_PERMITTED,
        "create",
        "serviceaccounts/token",
    )
    assert not api.asked


def test_a_pod_that_cannot_check_tokens_is_explained() -> None:
    api = FakeApi(fails=ServerFault("Pod metallb-system/s answered 500 on port 9120.", status=500))

    (page,) = scraped(api, pod("s", NEW, owner=SPEAKER))

    assert page.status is Status.FAILED
    assert "answered 500 on port 9120; it cannot check tokens unless" in page.detail
    assert "tokenreviews" in page.detail


def test_metrics_that_are_switched_off_are_not_asked_for() -> None:
    api = FakeApi()

    (page,) = scraped(api, pod("s", NEW, owner=SPEAKER, args=["--port=0"]))

    assert not api.asked
    assert (page.status, page.detail) == (Status.ABSENT, "its metrics are switched off")


def test_an_empty_page_denies_nothing() -> None:
    assert not PodMetrics(pod="s", status=Status.OK).readable
