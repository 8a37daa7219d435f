"""Undoing while the API server is in trouble: it is borne with, and what is left after all is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters import budgets, profile, sweep
from clusters.api import Api, ApiError
from clusters.api.resources import CONFIG_MAPS, PODS, SERVICES
from clusters.changes import Changes
from clusters.changes.changed_fields import storable
from clusters.errors import CleanupFailed, ExitCode
from clusters.journal import STATE_VARIABLE, Journal
from clusters.objects import Object
from tests.api import faulty
from tests.api.faulty import Fault, Front
from tests.api.objects import config_map, service
from tests.api.server import Server

PATIENT, SHORT = 12.0, 2.0
TROUBLES = {
    "429 for a second each": faulty.too_busy(1),
    "429 without end": faulty.too_busy(3600),
    "401": faulty.not_known,
    "503": faulty.broken,
    "cut after it was done": faulty.cut,
    "half an answer": faulty.half,
    "drips": faulty.dripping,
    "another's page": faulty.garbled,
}


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    budgets.override({"api_back": PATIENT})
    yield
    budgets.override({})


@pytest.fixture
def front(server: Server, tmp_path: Path) -> Iterator[Front]:
    with faulty.front(server.admin, tmp_path / "front") as made:
        yield made


@pytest.fixture
def changed(api: Api, namespace: str, front: Front) -> tuple[Changes, dict[str, object]]:
    """A run that has created, patched and deleted something, and how everything was before."""
    api.create(config_map("kept", namespace, k="before"))
    api.create(service("web", namespace))
    before = look(api, namespace)
    through = Api.connect(front.kubeconfig, None)
    run = Changes(through, Journal.for_run("r1", cluster="edge", profile="my edge.yaml"), "r1")
    run.create(config_map("made", namespace), foreign="test")
    run.patch(CONFIG_MAPS, "kept", {"data": {"k": "now"}}, namespace, foreign="test")
    run.delete(SERVICES, "web", namespace, foreign="test")
    return run, before


def look(api: Api, namespace: str) -> dict[str, object]:
    found = api.list(CONFIG_MAPS, namespace) + api.list(SERVICES, namespace)
    return {f"{each['kind']}/{each['metadata']['name']}": storable(each) for each in found}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_what_passes_is_borne_with(
    api: Api, namespace: str, changed: tuple[Changes, dict[str, object]], *, front: Front, trouble: Fault
) -> None:
    run, before = changed
    front.trouble(trouble, 4.0)

    run.undo_all()

    assert look(api, namespace) == before
    assert run.notes == []


@pytest.mark.parametrize("trouble", [faulty.cut, faulty.half, faulty.garbled], ids=["cut", "half", "garbled"])
def test_what_may_have_been_made_although_nobody_said_so_is_undone(
    api: Api, namespace: str, front: Front, *, trouble: Fault
) -> None:
    run = Changes(Api.connect(front.kubeconfig, None), Journal.for_run("r1", cluster="edge"), "r1")
    run.create(config_map("first", namespace), foreign="test")
    front.trouble(trouble, 3600.0, methods="POST")

    with pytest.raises(ApiError):
        run.create(config_map("made", namespace), foreign="test")
    assert api.get(CONFIG_MAPS, "made", namespace), "it was made, and its answer got lost"

    run.undo_all()
    assert api.list(CONFIG_MAPS, namespace) == []


def test_an_api_server_that_asks_to_be_left_alone_is_left_alone(
    namespace: str, changed: tuple[Changes, dict[str, object]], front: Front
) -> None:
    run, _ = changed
    asked = len(front.asked)
    front.trouble(faulty.too_busy(2), 5.0)

    run.undo_all()

    times = [when for _, _, when in front.asked[asked:] if when < front.asked[asked][2] + 5.0]
    assert len(times) <= 12, "a few times every two seconds, and not twice a second"


def test_what_does_not_pass_is_named_with_what_to_type_and_does_not_cost_the_budget_each_time(
    api: Api, namespace: str, changed: tuple[Changes, dict[str, object]], *, front: Front
) -> None:
    run, before = changed
    budgets.override({"api_back": SHORT})
    asked = len(front.asked)
    front.trouble(faulty.broken, 3600.0)

    with pytest.raises(CleanupFailed) as caught:
        run.undo_all()

    told = str(caught.value)
    assert told.startswith("3 changes are not undone:\n")
    for change in ("create configMap", "change data.k of configMap", "delete service"):
        assert f"  {change} {namespace}/" in told
    assert told.endswith("Try again: python -m clusters.sweep --cluster 'my edge.yaml'")
    seconds = front.asked[-1][2] - front.asked[asked][2]
    assert seconds < 3 * SHORT, "one outage is borne with once, not for each change"

    front.trouble(faulty.broken, 0.0)
    run.undo_all()
    assert look(api, namespace) == before


def test_a_sweep_bears_it_as_well(
    api: Api, namespace: str, changed: tuple[Changes, dict[str, object]], *, front: Front, tmp_path: Path
) -> None:
    run, before = changed
    run._journal.close()
    text = run._journal.path.read_text().rstrip("\0").replace('"started": ', '"started": 1')
    run._journal.path.write_text(text)
    path = tmp_path / "edge.yaml"
    path.write_text(f"name: edge\nprovider: existing\ncontext: loopback\nkubeconfig: {front.kubeconfig}\n")
    assert profile.load(path).name == "edge"
    front.trouble(faulty.too_busy(1), 4.0)

    assert sweep.main(["--cluster", str(path)]) == ExitCode.PASSED
    assert look(api, namespace) == before


def test_a_pod_that_was_replaced_meanwhile_is_told_and_left_alone(api: Api, namespace: str) -> None:
    pod: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "db-0", "namespace": namespace},
           "spec": {"containers": [{"name": "c", "image": "i"}]}}  # fmt: skip
    api.create(pod)
    api.create({**pod, "metadata": pod["metadata"] | {"name": "db-1"}})
    run = Changes(api, Journal.for_run("r1", cluster="edge"), "r1")
    for name in ("db-0", "db-1"):
        run.patch(PODS, name, {"metadata": {"labels": {"faulty": "yes"}}}, namespace, foreign="test")
        api.delete(PODS, name, namespace, grace=0)
    api.create({**pod, "metadata": pod["metadata"] | {"labels": {"faulty": "yes"}}})

    run.undo_all()

    assert run.notes == [
        f"pod {namespace}/db-1 is gone, so nothing of it was put back",
        f"pod {namespace}/db-0 was replaced by another of that name, so nothing of it was put back",
    ]
    assert api.get(PODS, "db-0", namespace)["metadata"]["labels"] == {"faulty": "yes"}
