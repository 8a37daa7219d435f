"""Lists in pages and watches that survive what happens to them, against a real API server."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from clusters import budgets
from clusters.api import Api, Expired, Unreachable, WatchEvent
from clusters.api.resources import CONFIG_MAPS, NAMESPACES
from tests.api.doubles import proxy_to
from tests.api.objects import config_map
from tests.api.server import Server


def fill(api: Api, namespace: str, count: int) -> set[str]:
    names = {f"c{number:03}" for number in range(count)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: api.create(config_map(name, namespace)), names))
    return names


class Following:
    """What a watch in a thread of its own has said so far, in order."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.stop = threading.Event()
        self._events: queue.Queue[WatchEvent] = queue.Queue()
        self._thread = threading.Thread(target=self._run, args=(api, namespace))
        self._thread.start()

    def _run(self, api: Api, namespace: str) -> None:
        for event in api.watch(CONFIG_MAPS, namespace, labels="!shared", stop=self.stop):
            if event.object["metadata"]["name"] != "kube-root-ca.crt":
                self._events.put(event)

    def next(self) -> tuple[str, str]:
        event = self._events.get(timeout=30)
        return event.type, event.object["metadata"]["name"]

    def quiet(self) -> bool:
        try:
            self._events.get(timeout=0.5)
        except queue.Empty:
            return True
        return False

    def end(self) -> bool:
        self.stop.set()
        self._thread.join(timeout=10)
        return not self._thread.is_alive()


@contextmanager
def following(api: Api, namespace: str) -> Iterator[Following]:
    watch = Following(api, namespace)
    try:
        yield watch
    finally:
        assert watch.end()


def test_a_list_joins_its_pages_and_says_what_each_object_is(api: Api, namespace: str) -> None:
    names = fill(api, namespace, 25)

    pages = list(api.list_raw(CONFIG_MAPS, namespace, page=10))
    joined = api.list(CONFIG_MAPS, namespace)

    assert [len(page["items"]) for page in pages] == [10, 10, 5]
    assert {item["metadata"]["name"] for item in joined} == names
    assert {(item["apiVersion"], item["kind"]) for item in joined} == {("v1", "ConfigMap")}


def test_a_page_whose_position_is_gone_says_so_and_a_whole_list_begins_again(
    server: Server, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = server.api()
    fill(api, namespace, 25)
    pages = api.list_raw(CONFIG_MAPS, namespace, page=10)
    next(pages)
    api.create(config_map("later", namespace))
    server.compact()

    with pytest.raises(Expired, match="list configmaps in namespace"):
        next(pages)

    monkeypatch.setattr("clusters.api.api_client.PAGE", 10)
    compact_once = iter([True])
    send = api._transport.send

    def send_and_compact(request: object) -> bytes:
        answer = send(request)  # type: ignore[arg-type]  # the request as it came
        if next(compact_once, False):
            api.create(config_map("meanwhile", namespace))
            server.compact()
        return answer

    monkeypatch.setattr(api._transport, "send", send_and_compact)
    assert len(api.list(CONFIG_MAPS, namespace)) == 27


def test_selectors_choose(api: Api, namespace: str) -> None:
    labelled = config_map("a", namespace)
    labelled["metadata"]["labels"] = {"tier": "edge"}
    api.create(labelled)
    api.create(config_map("b", namespace))

    assert [item["metadata"]["name"] for item in api.list(CONFIG_MAPS, namespace, labels="tier=edge")] == [
        "a"
    ]
    assert [i["metadata"]["name"] for i in api.list(CONFIG_MAPS, namespace, fields="metadata.name=b")] == [
        "b"
    ]


def test_a_watch_says_what_is_there_and_then_each_change_once(api: Api, namespace: str) -> None:
    api.create(config_map("before", namespace))

    with following(api, namespace) as watch:
        assert watch.next() == ("ADDED", "before")
        api.create(config_map("new", namespace))
        assert watch.next() == ("ADDED", "new")
        api.patch(CONFIG_MAPS, "new", {"data": {"k": "v"}}, namespace)
        assert watch.next() == ("MODIFIED", "new")
        api.delete(CONFIG_MAPS, "before", namespace)
        assert watch.next() == ("DELETED", "before")
        assert watch.quiet()


def test_a_watch_that_is_told_to_stop_ends_although_nothing_happens(api: Api, namespace: str) -> None:
    watch = Following(api, namespace)
    watch.quiet()

    assert watch.end()


def test_a_watch_resumes_after_its_round_without_repeating_anything(
    api: Api, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clusters.api.watching._ROUND", 1)
    api.create(config_map("one", namespace))

    with following(api, namespace) as watch:
        assert watch.next() == ("ADDED", "one")
        assert all(watch.quiet() for _ in range(4))
        api.create(config_map("two", namespace))
        assert watch.next() == ("ADDED", "two")


def test_a_watch_whose_position_is_gone_tells_the_difference(
    server: Server, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two rounds the watch is held back, an object goes, one comes, and history is forgotten."""
    monkeypatch.setattr("clusters.api.watching._ROUND", 1)
    api = server.api()
    api.create(config_map("gone", namespace))
    api.create(config_map("stays", namespace))
    go_on, held = threading.Event(), threading.Event()
    go_on.set()
    opened = api._transport.open

    def open_when_allowed(request: object) -> object:
        if not go_on.is_set():
            held.set()
        go_on.wait()
        return opened(request)  # type: ignore[arg-type]  # the request as it came

    monkeypatch.setattr(api._transport, "open", open_when_allowed)
    with following(api, namespace) as watch:
        assert {watch.next(), watch.next()} == {("ADDED", "gone"), ("ADDED", "stays")}
        go_on.clear()
        assert held.wait(30)
        other = server.api()
        other.delete(CONFIG_MAPS, "gone", namespace)
        other.create(config_map("comes", namespace))
        other.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{namespace}-b"}})
        other.delete(NAMESPACES, f"{namespace}-b")
        server.compact()
        go_on.set()

        assert [watch.next(), watch.next()] == [("DELETED", "gone"), ("ADDED", "comes")]
        assert watch.quiet()


def test_a_watch_goes_on_after_its_connection_broke(server: Server, namespace: str, tmp_path: Path) -> None:
    api = server.api()
    with proxy_to(server.port) as proxy:
        through = Api.connect(server.kubeconfig_through(proxy.address, tmp_path / "k"), None)
        with following(through, namespace) as watch:
            api.create(config_map("one", namespace))
            assert watch.next() == ("ADDED", "one")
            proxy.cut()
            api.create(config_map("two", namespace))
            assert watch.next() == ("ADDED", "two")
            assert watch.quiet()


def test_an_api_server_that_stays_away_ends_a_watch_with_its_error(
    server: Server, tmp_path: Path, namespace: str
) -> None:
    budgets.override({"api_back": 0.2})
    with proxy_to(server.port) as proxy:
        api = Api.connect(server.kubeconfig_through(proxy.address, tmp_path / "k"), None)
    try:
        with pytest.raises(Unreachable, match="cannot be reached"):
            next(api.watch(CONFIG_MAPS, namespace, stop=threading.Event()))
    finally:
        budgets.override({})


def test_many_threads_share_one_door(api: Api, namespace: str) -> None:
    fill(api, namespace, 8)

    with ThreadPoolExecutor(16) as pool:
        lists = list(pool.map(lambda _: len(api.list(CONFIG_MAPS, namespace)), range(64)))

    assert set(lists) == {8}


def test_calls_and_bytes_are_counted(server: Server, namespace: str) -> None:
    api = server.api()
    before = api.stats.bytes_read

    api.list(CONFIG_MAPS, namespace)
    api.list(CONFIG_MAPS, namespace)
    api.raw("/version")

    assert api.stats.calls == {"list": 2, "get": 1}
    assert api.stats.count == 3
    assert api.stats.bytes_read > before + 100
