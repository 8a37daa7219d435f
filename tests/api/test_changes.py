"""Changing a real cluster and leaving it as it was, whatever happens in between."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from clusters import budgets
from clusters.api import Api, Invalid, NotFound, TimedOut
from clusters.api.resources import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, NODES, PODS, SERVICES
from clusters.api.transport import Transport
from clusters.changes import RUN_LABEL, Changes, ForeignObject, HostUndo, undo_forms
from clusters.changes.changed_fields import storable
from clusters.errors import CleanupFailed
from clusters.journal import STATE_VARIABLE, Journal
from clusters.wait import NotWithinBudget
from tests.api.objects import config_map, deployment, node, service

Make = Callable[[], Changes]


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path))


@pytest.fixture
def changes(api: Api, namespace: str) -> Iterator[Changes]:
    made = Changes(api, Journal.for_run(namespace, cluster="edge"), namespace)
    yield made
    made.undo_all()


@pytest.fixture
def shelf(api: Api, namespace: str) -> Callable[[], dict[str, Any]]:
    """What stands in the namespace of the test, which is not the run's own."""

    def look() -> dict[str, Any]:
        found = api.list(CONFIG_MAPS, namespace) + api.list(SERVICES, namespace)
        return {f"{each['kind']}/{each['metadata']['name']}": storable(each) for each in found}

    return look


def journal_lines(tmp_path: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in tmp_path.rglob("*.jsonl"))


def test_what_a_run_makes_stands_in_its_own_labelled_namespace(api: Api, changes: Changes) -> None:
    space = changes.namespace()
    with changes.created({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}) as made:
        assert made["metadata"]["namespace"] == space == f"mlc-{changes.run_id}"
        assert made["metadata"]["labels"] == changes.labels
        assert api.get(NAMESPACES, space)["metadata"]["labels"].items() >= changes.labels.items()

    with pytest.raises(NotFound):
        api.get(CONFIG_MAPS, "a", space)
    assert api.get(NAMESPACES, space)["status"]["phase"] == "Active"


def test_the_end_of_a_run_leaves_nothing(api: Api, namespace: str, tmp_path: Path) -> None:
    run = Changes(api, Journal.for_run("whole", cluster="edge"), "whole")
    run.create(config_map("a", run.namespace()))
    run.create(service("web", run.namespace()))

    run.undo_all()

    assert api.list(NAMESPACES, labels="metallb-conformance/run=whole") == []
    assert list(tmp_path.rglob("*.jsonl")) == []


def test_a_namespace_that_was_there_before_the_run_stays_and_is_emptied(
    api: Api, namespace: str, tmp_path: Path
) -> None:
    """Two runs in it at once, as if nothing kept them apart: neither meets the other's objects."""
    runs = [
        Changes(api, Journal.for_run(name, cluster="edge"), name, workloads=namespace) for name in ("a", "b")
    ]
    made = [run.create(service(run.name("web"), run.namespace())) for run in runs]

    names = [each["metadata"]["name"] for each in made]
    assert len(set(names)) == 2
    assert [each["metadata"]["labels"]["metallb-conformance/run"] for each in made] == ["a", "b"]
    runs[0].undo_all()
    assert [each["metadata"]["name"] for each in api.list(SERVICES, namespace)] == names[1:]
    runs[1].undo_all()

    assert api.list(SERVICES, namespace) == []
    assert api.get(NAMESPACES, namespace)["status"]["phase"] == "Active"
    assert RUN_LABEL not in (api.get(NAMESPACES, namespace)["metadata"].get("labels") or {})
    assert list(tmp_path.rglob("*.jsonl")) == []


def test_every_change_is_in_the_journal_before_it_is_made(
    changes: Changes, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int]] = []
    send = Transport.send

    def watched(transport: Transport, request: Any) -> bytes:
        is_dry = "dryRun" in request.query
        if request.method != "GET" and not is_dry:
            seen.append((request.method, journal_lines(tmp_path)))
        return send(transport, request)

    monkeypatch.setattr(Transport, "send", watched)
    changes.create(config_map("a", namespace), foreign="test")
    changes.patch(CONFIG_MAPS, "a", {"data": {"k": "v"}}, namespace)
    changes.delete(CONFIG_MAPS, "a", namespace)

    # a header and then, for each change, the line that says it will be made and the one that it was
    assert seen == [("POST", 2), ("PATCH", 4), ("DELETE", 6)]


def test_a_patch_is_undone_field_by_field_while_others_write(
    api: Api, changes: Changes, namespace: str, shelf: Callable[[], dict[str, Any]]
) -> None:
    api.create(config_map("a", namespace, ours="before", theirs="before"))
    before = shelf()

    with changes.patched(
        CONFIG_MAPS, "a", {"data": {"ours": "now", "new": "1"}}, namespace, foreign="test"
    ) as now:
        assert now["data"] == {"ours": "now", "theirs": "before", "new": "1"}
        api.patch(CONFIG_MAPS, "a", {"data": {"theirs": "changed"}}, namespace)

    before["ConfigMap/a"]["data"]["theirs"] = "changed"
    assert shelf() == before


def test_a_field_that_another_took_over_is_left_and_told(api: Api, changes: Changes, namespace: str) -> None:
    api.create(config_map("a", namespace, k="before"))

    with changes.patched(CONFIG_MAPS, "a", {"data": {"k": "ours"}}, namespace, foreign="test"):
        api.patch(CONFIG_MAPS, "a", {"data": {"k": "theirs"}}, namespace)

    assert api.get(CONFIG_MAPS, "a", namespace)["data"] == {"k": "theirs"}
    assert changes.notes == [f"configMap {namespace}/a: data.k was changed by others since"]


def test_a_json_patch_is_undone_too(api: Api, changes: Changes, namespace: str) -> None:
    api.create(config_map("a", namespace, k="before"))
    operations = [
        {"op": "replace", "path": "/data/k", "value": "now"},
        {"op": "add", "path": "/data/l", "value": "1"},
    ]

    with changes.patched(CONFIG_MAPS, "a", operations, namespace, kind="json", foreign="test"):
        assert api.get(CONFIG_MAPS, "a", namespace)["data"] == {"k": "now", "l": "1"}

    assert api.get(CONFIG_MAPS, "a", namespace)["data"] == {"k": "before"}


def test_a_status_is_undone_through_its_subresource(api: Api, changes: Changes, namespace: str) -> None:
    api.create(service("web", namespace, type="LoadBalancer"))
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}

    with changes.patched(SERVICES, "web", status, namespace, subresource="status", foreign="test"):
        assert api.get(SERVICES, "web", namespace)["status"]["loadBalancer"] != {}

    assert api.get(SERVICES, "web", namespace)["status"]["loadBalancer"] == {}


def test_labels_of_a_node_come_and_go(api: Api, changes: Changes, namespace: str) -> None:
    api.create(node(namespace))
    before = api.get(NODES, namespace)["metadata"]["labels"]

    with changes.labelled_node(namespace, {"rack": None, "excluded": ""}):
        assert api.get(NODES, namespace)["metadata"]["labels"] == {"excluded": ""}

    assert api.get(NODES, namespace)["metadata"]["labels"] == before
    api.delete(NODES, namespace)


@contextmanager
def as_controller(api: Api, namespace: str) -> Iterator[None]:
    """Say of every Deployment that as many replicas run as it wants, as its controller would."""
    stop = threading.Event()

    def work() -> None:
        for event in api.watch(DEPLOYMENTS, namespace, stop=stop):
            if event.type != "DELETED":
                wanted = event.object["spec"]["replicas"]
                status = {"replicas": wanted, "readyReplicas": wanted}
                status["observedGeneration"] = event.object["metadata"]["generation"]
                name = event.object["metadata"]["name"]
                api.patch(DEPLOYMENTS, name, {"status": status}, namespace, subresource="status")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_deployment_is_scaled_and_back_and_waited_for_both_ways(
    api: Api, changes: Changes, namespace: str
) -> None:
    api.create(deployment("web", namespace, replicas=3))

    with (
        as_controller(api, namespace),
        changes.scaled(DEPLOYMENTS, "web", 1, namespace=namespace, foreign="test") as scaled,
    ):
        assert (scaled["spec"]["replicas"], scaled["status"]["readyReplicas"]) == (1, 1)

    web = api.get(DEPLOYMENTS, "web", namespace)
    assert (web["spec"]["replicas"], web["status"]["readyReplicas"]) == (3, 3)


def test_a_deployment_that_never_runs_what_it_should_is_named(
    api: Api, changes: Changes, namespace: str
) -> None:
    budgets.override({"rollout": 0.3})
    api.create(deployment("web", namespace, replicas=3))
    try:
        with (
            pytest.raises(NotWithinBudget, match=f"deployment {namespace}/web runs as many replicas"),
            changes.scaled(DEPLOYMENTS, "web", 1, namespace=namespace, foreign="test"),
        ):
            pass
    finally:
        budgets.override({})
    assert api.get(DEPLOYMENTS, "web", namespace)["spec"]["replicas"] == 3


def test_a_deleted_object_is_made_again_as_it_was(
    api: Api, changes: Changes, namespace: str, shelf: Callable[[], dict[str, Any]]
) -> None:
    api.create(service("web", namespace, type="LoadBalancer"))
    before = shelf()

    with changes.deleted(SERVICES, "web", namespace, foreign="test"):
        assert "Service/web" not in shelf()

    assert shelf() == before


def test_a_service_whose_cluster_address_was_given_away_comes_back_with_another(
    api: Api, changes: Changes, namespace: str
) -> None:
    budgets.override({"conflict_settled": 0.3})
    address = api.create(service("web", namespace))["spec"]["clusterIP"]

    with changes.deleted(SERVICES, "web", namespace, foreign="test"):
        api.create(service("thief", namespace, clusterIP=address))

    budgets.override({})
    assert api.get(SERVICES, "web", namespace)["spec"]["clusterIP"] not in {"", address}
    assert changes.notes == [
        f"service {namespace}/web has other numbers (cluster address, node ports) now: its former ones are taken"
    ]


def test_a_service_that_a_late_request_brought_back_is_back(
    api: Api, changes: Changes, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The undo of a killed run may be carried out after its death; then there is nothing left to do."""
    api.create(service("web", namespace))
    create = Api.create

    def twice(self: Api, obj: dict[str, Any], **options: Any) -> dict[str, Any]:
        create(self, obj, **options)
        return create(self, obj, **options)

    with changes.deleted(SERVICES, "web", namespace, foreign="test") as before:
        monkeypatch.setattr(Api, "create", twice)
    monkeypatch.undo()

    assert storable(api.get(SERVICES, "web", namespace)) == storable(before)
    assert changes.notes == []


def test_a_deleted_object_that_somebody_made_again_is_theirs(
    api: Api, changes: Changes, namespace: str
) -> None:
    api.create(config_map("a", namespace, k="before"))

    with changes.deleted(CONFIG_MAPS, "a", namespace, foreign="test"):
        api.create(config_map("a", namespace, k="theirs"))

    assert api.get(CONFIG_MAPS, "a", namespace)["data"] == {"k": "theirs"}
    assert changes.notes == [f"configMap {namespace}/a was left as it is: it was made again meanwhile"]


def test_a_pod_with_a_controller_is_left_to_it(api: Api, changes: Changes, namespace: str) -> None:
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "speaker", "uid": "u", "controller": True}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "speaker-1", "namespace": namespace, "ownerReferences": [owner]},
        "spec": {"containers": [{"name": "c", "image": "i"}], "automountServiceAccountToken": False},
    }
    api.create(pod)

    changes.delete(PODS, "speaker-1", namespace, grace=0, foreign="test")
    changes.undo_all()

    assert api.list(PODS, namespace) == []


def test_applying_over_an_object_and_applying_a_new_one_are_both_undone(
    api: Api, changes: Changes, namespace: str, shelf: Callable[[], dict[str, Any]]
) -> None:
    api.create(config_map("there", namespace, k="before", other="1"))
    before = shelf()

    with changes.applied(config_map("there", namespace, k="now", new="2"), foreign="test"):
        assert shelf()["ConfigMap/there"]["data"] == {"k": "now", "other": "1", "new": "2"}
        with changes.applied(config_map("fresh", namespace), foreign="test"):
            assert "ConfigMap/fresh" in shelf()

    assert shelf() == before


def test_what_is_not_the_run_s_own_is_not_touched_without_saying_why(
    api: Api, changes: Changes, namespace: str
) -> None:
    api.create(config_map("a", namespace))

    for touch in (
        lambda: changes.patch(CONFIG_MAPS, "a", {"data": {"k": "v"}}, namespace),
        lambda: changes.delete(CONFIG_MAPS, "a", namespace),
        lambda: changes.create(config_map("b", namespace)),
        lambda: changes.apply(config_map("a", namespace, k="v")),
        lambda: changes.delete(NAMESPACES, namespace, foreign="no reason is good enough"),
        lambda: changes.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}}),
    ):
        with pytest.raises(ForeignObject):
            touch()
    assert "data" not in api.get(CONFIG_MAPS, "a", namespace)


def test_another_run_s_object_of_the_same_name_is_never_deleted(
    api: Api, changes: Changes, namespace: str
) -> None:
    with changes.created(config_map("a", namespace), foreign="test"):
        api.delete(CONFIG_MAPS, "a", namespace)
        api.create(config_map("a", namespace, whose="theirs"))

    assert api.get(CONFIG_MAPS, "a", namespace)["data"] == {"whose": "theirs"}
    assert changes.notes == [f"configMap {namespace}/a was left alone: it is not the one that this run made"]


def test_a_refused_change_leaves_no_entry(changes: Changes, namespace: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        changes.create(service("web", namespace, ports=[]), foreign="test")

    assert Journal.load(next(tmp_path.rglob("*.jsonl"))).pending() == []


def test_a_change_of_which_nobody_knows_whether_it_was_made_is_undone(
    api: Api, changes: Changes, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Api.create

    def create_and_lose_the_answer(self: Api, obj: dict[str, Any], **options: Any) -> dict[str, Any]:
        create(self, obj, **options)
        raise TimedOut("no answer in time")

    monkeypatch.setattr(Api, "create", create_and_lose_the_answer)
    with pytest.raises(TimedOut):
        changes.create(config_map("a", namespace), foreign="test")
    monkeypatch.undo()

    changes.undo_all()
    with pytest.raises(NotFound):
        api.get(CONFIG_MAPS, "a", namespace)


def test_a_scope_undoes_its_own_and_no_more(api: Api, changes: Changes, namespace: str) -> None:
    changes.create(config_map("outer", namespace), foreign="test")
    with changes.scope():
        changes.create(config_map("inner", namespace), foreign="test")

    left = api.list(CONFIG_MAPS, namespace, labels="metallb-conformance/run")
    assert [each["metadata"]["name"] for each in left] == ["outer"]


def test_the_newest_change_is_undone_first(api: Api, changes: Changes, namespace: str) -> None:
    api.create(config_map("a", namespace, k="0"))
    changes.patch(CONFIG_MAPS, "a", {"data": {"k": "1"}}, namespace, foreign="test")
    changes.patch(CONFIG_MAPS, "a", {"data": {"k": "2"}}, namespace, foreign="test")

    changes.undo_all()

    assert api.get(CONFIG_MAPS, "a", namespace)["data"] == {"k": "0"}
    assert changes.notes == []


def test_one_failed_undo_does_not_stop_the_others_and_names_what_is_left(
    api: Api, namespace: str, tmp_path: Path
) -> None:
    budgets.override({"deleted": 0.5})
    run = Changes(api, Journal.for_run("r", cluster="edge"), "r")
    run.create(config_map("first", namespace), foreign="test")
    stuck = config_map("stuck", namespace)
    stuck["metadata"]["finalizers"] = ["tests.example/never"]
    run.create(stuck, foreign="test")
    run.create(config_map("last", namespace), foreign="test")

    with pytest.raises(CleanupFailed) as caught:
        run.undo_all()

    text = str(caught.value)
    assert text.startswith("1 change is not undone:\n")
    assert (
        f"create configMap {namespace}/stuck: not true within 0.5s: configMap {namespace}/stuck is gone"
        in text
    )
    assert "finalizers: tests.example/never" in text
    assert text.endswith("Try again: python -m clusters.sweep --cluster edge")
    assert [
        each["metadata"]["name"]
        for each in api.list(CONFIG_MAPS, namespace, labels="metallb-conformance/run")
    ] == ["stuck"]
    api.patch(CONFIG_MAPS, "stuck", {"metadata": {"finalizers": None}}, namespace)
    budgets.override({})


def test_a_change_outside_the_api_server_is_undone_by_its_function(
    changes: Changes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def plug_in(cable: str) -> None:
        calls.append(cable)

    monkeypatch.setattr("clusters.workloads.plug_in", plug_in, raising=False)
    monkeypatch.setitem(undo_forms.ACTIONS, "clusters.workloads:plug_in", {"cable": lambda _: True})

    with changes.host_change(
        HostUndo(text="pull w1's cable", action="clusters.workloads:plug_in", args={"cable": "w1"})
    ):
        assert calls == []

    assert calls == ["w1"]


@pytest.mark.parametrize(
    ("action", "args"),
    [
        ("os:system", {"command": "true"}),
        ("clusters.sweep:main", {}),
        ("clusters.faults.lab_hosts:plug_in", {"lab": "../x", "host": "w1", "nic": 0}),
        ("clusters.faults.lab_hosts:plug_in", {"lab": "x", "host": "w1", "nic": 0, "more": 1}),
    ],
)
def test_a_function_that_is_not_for_undoing_is_not_called(
    api: Api, changes: Changes, action: str, args: dict[str, Any]
) -> None:
    with pytest.raises(ForeignObject, match="could not be undone"):
        changes.host(HostUndo(text="x", action=action, args=args))

    changes._maker.record("x", {"kind": "host", "action": action, "args": args})
    with pytest.raises(
        CleanupFailed, match="1 change is not undone:\n  x: The journal does not say how to undo it"
    ):
        changes.undo(changes._journal.last)
    changes._journal.undone(changes._journal.last)


@pytest.mark.parametrize(
    "undo",
    [
        {"kind": "delete"},
        {"kind": "delete", "resource": {}, "name": "a", "namespace": None, "run": "r"},
        {"kind": "delete", "resource": asdict(CONFIG_MAPS), "name": "", "namespace": "default", "run": "r"},
        {"kind": "delete", "resource": asdict(CONFIG_MAPS) | {"plural": "../x"}, "name": "a", "namespace": "default",
         "run": "r"},
        {"kind": "create", "resource": asdict(CONFIG_MAPS), "name": "a", "namespace": "default", "uid": "u",
         "object": {"kind": "ConfigMap", "metadata": {"name": "another"}}},
        {"kind": "restore", "resource": asdict(CONFIG_MAPS), "name": "a", "namespace": "default", "subresource": "",
         "fields": [{"path": "data"}]},
        {"kind": "wait", "addresses": [1]},
    ],
)  # fmt: skip
def test_an_entry_that_no_run_wrote_is_told_and_keeps_no_other_from_being_undone(
    api: Api, namespace: str, undo: dict[str, Any]
) -> None:
    run = Changes(api, Journal.for_run("r", cluster="edge"), "r")
    run.create(config_map("a", namespace), foreign="test")
    run._maker.record("strange", undo)

    with pytest.raises(CleanupFailed, match=r"strange: The journal does not say how to undo it: ") as caught:
        run.undo_all()

    assert str(caught.value).endswith("Try again: python -m clusters.sweep --cluster edge")
    assert api.list(CONFIG_MAPS, namespace, labels="metallb-conformance/run") == []


def test_interrupts_while_undoing_are_held_back_until_it_is_done(
    api: Api, changes: Changes, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clusters.shield._tell", lambda _: None)
    api.create(config_map("a", namespace, k="before"))
    patch = Api.patch

    def patch_and_interrupt(self: Api, *arguments: Any, **options: Any) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGINT)
        return patch(self, *arguments, **options)

    changes.patch(CONFIG_MAPS, "a", {"data": {"k": "now"}}, namespace, foreign="test")
    monkeypatch.setattr(Api, "patch", patch_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        changes.undo(changes._journal.last)

    assert api.get(CONFIG_MAPS, "a", namespace)["data"] == {"k": "before"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_and_a_third_signal_do_not_end_an_undo(
    api: Api, namespace: str, number: int, *, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clusters.shield._tell", lambda _: None)
    run = Changes(api, Journal.for_run("r", cluster="edge"), "r")
    for name in "abc":
        run.create(config_map(name, namespace), foreign="test")
    delete = Api.delete

    def delete_and_interrupt(self: Api, *arguments: Any, **options: Any) -> None:
        os.kill(os.getpid(), number)
        delete(self, *arguments, **options)

    with monkeypatch.context() as impatient:
        impatient.setattr(Api, "delete", delete_and_interrupt)
        run.undo_all()

    assert api.list(CONFIG_MAPS, namespace, labels="metallb-conformance/run") == []


def test_who_interrupts_five_times_is_told_what_is_left(
    api: Api, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clusters.shield._tell", lambda _: None)
    run = Changes(api, Journal.for_run("r", cluster="edge"), "r")
    for name in "abc":
        run.create(config_map(name, namespace), foreign="test")
    delete = Api.delete

    def delete_and_interrupt(self: Api, *arguments: Any, **options: Any) -> None:
        for _ in range(5):
            os.kill(os.getpid(), signal.SIGINT)
        delete(self, *arguments, **options)

    with monkeypatch.context() as impatient:
        impatient.setattr(Api, "delete", delete_and_interrupt)
        with pytest.raises(CleanupFailed, match="2 changes are not undone") as caught:
            run.undo_all()

    assert str(caught.value).count("interrupted by the user") == 2
    left = api.list(CONFIG_MAPS, namespace, labels="metallb-conformance/run")
    assert {each["metadata"]["name"] for each in left} == {"a", "b"}


def test_nothing_ever_deletes_a_collection(
    api: Api, changes: Changes, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths: list[str] = []
    send = Transport.send

    def watched(transport: Transport, request: Any) -> bytes:
        if request.method == "DELETE":
            paths.append(request.asked.path)
            assert request.asked.name
        return send(transport, request)

    monkeypatch.setattr(Transport, "send", watched)
    with changes.created(config_map("a", changes.namespace())):
        pass
    changes.create(service("web", changes.namespace()))
    changes.undo_all()

    assert [path.rsplit("/", 1)[-1] for path in paths] == ["a", changes_namespace(changes)]


def changes_namespace(changes: Changes) -> str:
    return f"mlc-{changes.run_id}"


def test_threads_share_a_run(api: Api, changes: Changes, namespace: str) -> None:
    def work(number: int) -> None:
        for step in range(3):
            with changes.created(config_map(f"c{number}-{step}", namespace), foreign="test"):
                pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert api.list(CONFIG_MAPS, namespace, labels="metallb-conformance/run") == []


def test_what_was_deleted_and_applied_again_is_not_lost_a_second_time(
    api: Api, changes: Changes, namespace: str, shelf: Callable[[], dict[str, Any]]
) -> None:
    api.create(config_map("a", namespace, k="before"))
    before = shelf()

    with changes.deleted(CONFIG_MAPS, "a", namespace, foreign="test"):
        changes.apply(config_map("a", namespace, k="before"), foreign="test")
        made = api.get(CONFIG_MAPS, "a", namespace)["metadata"]["uid"]

    changes.undo_all()
    assert api.get(CONFIG_MAPS, "a", namespace)["metadata"]["uid"] == made
    assert shelf() == before


def test_what_was_deleted_and_applied_in_another_form_gets_its_own_back(
    api: Api, changes: Changes, namespace: str, shelf: Callable[[], dict[str, Any]]
) -> None:
    api.create(config_map("a", namespace, k="before", only="before"))
    before = shelf()

    changes.delete(CONFIG_MAPS, "a", namespace, foreign="test")
    changes.apply(config_map("a", namespace, k="now", new="now"), foreign="test")
    made = api.get(CONFIG_MAPS, "a", namespace)

    assert made["data"] == {"k": "now", "new": "now"}
    changes.undo_all()
    assert api.get(CONFIG_MAPS, "a", namespace)["metadata"]["uid"] == made["metadata"]["uid"]
    assert shelf() == before


def test_what_was_changed_and_applied_back_is_never_changed_again(
    api: Api, changes: Changes, namespace: str
) -> None:
    api.create(config_map("a", namespace, k="before"))
    with changes.applied(config_map("a", namespace, k="bad"), foreign="test"):
        changes.apply(config_map("a", namespace, k="before"), foreign="test")
        back = api.get(CONFIG_MAPS, "a", namespace)

    changes.undo_all()
    left = api.get(CONFIG_MAPS, "a", namespace)
    assert left["data"] == {"k": "before"}
    assert left["metadata"]["resourceVersion"] == back["metadata"]["resourceVersion"]


def test_a_protection_is_undone_only_when_the_addresses_are_back(
    api: Api, changes: Changes, namespace: str
) -> None:
    api.create(service("web", namespace, type="LoadBalancer"))
    held = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    api.patch(SERVICES, "web", held, namespace, subresource="status")
    seen: list[list[str]] = []

    with changes.awaited({f"{namespace}/web": ("192.0.2.1",), f"{namespace}/gone": ("192.0.2.2",)}):
        none = {"status": {"loadBalancer": {"ingress": None}}}
        api.patch(SERVICES, "web", none, namespace, subresource="status")

        def give_back() -> None:
            seen.append([entry.change for entry in changes._journal.pending()])
            api.patch(SERVICES, "web", held, namespace, subresource="status")

        threading.Timer(0.5, give_back).start()

    assert seen == [["addresses may be lost meanwhile"]]
    assert changes._journal.pending() == []
