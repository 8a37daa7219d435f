"""Answers of any size, length and kind: each costs one sentence, and a bounded amount of memory and time."""

from __future__ import annotations

import gzip
import json
import resource
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from clusters import bounds, budgets
from clusters.api import (
    AnswerInvalid,
    AnswerTooLarge,
    Api,
    ApiError,
    Overloaded,
    ServerFault,
    TimedOut,
    Unreachable,
)
from clusters.api.resources import CONFIG_MAPS, NODES, SERVICES
from clusters.observation.reading import objects
from clusters.observation.snapshot import Status
from tests.unit.api.loopback import Answered, Heard, Say, answer, in_turn, serving, status

HEAD = b"HTTP/1.1 200 Said\r\nContent-Type: application/json\r\n"
BLOCK = b"x" * (1 << 16)
#: What a test may add to this process while an endless answer comes in.
ROOM_KIB = 200 << 10


@pytest.fixture(autouse=True)
def _short() -> Iterator[None]:
    budgets.override(
        {"api_answer": 1.0, "pod_answer": 1.0, "api_list": 1.0, "api_back": 0.3, "api_busy": 0.5}
    )
    yield
    budgets.override({})


@pytest.fixture
def low(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that are reached at once."""
    for name in (
        "ANSWER_BYTES",
        "LIST_BYTES",
        "POD_ANSWER_BYTES",
        "PATH_ANSWER_BYTES",
        "LOG_BYTES",
        "EVENT_BYTES",
    ):
        monkeypatch.setattr(bounds, name, bounds.MIB)


def endless(head: bytes, piece: bytes) -> Say:
    def say(_: Heard) -> Iterator[bytes]:
        yield head
        while True:
            yield piece

    return say


def dripping(head: bytes, piece: bytes) -> Say:
    def say(_: Heard) -> Iterator[bytes]:
        yield head
        gone = threading.Event()
        while not gone.wait(0.05):
            yield piece

    return say


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
READS: dict[str, Callable[[Api], Any]] = {
    "list": lambda api: api.list(NODES),
    "get": lambda api: api.get(NODES, "n"),
    "log": lambda api: api.logs("ns", "p", tail=200),
    "pod": lambda api: api.pod_http("ns", "p", 7472, "/metrics"),
    "path": lambda api: api.raw("/readyz"),
    "version": lambda api: api.version(),
    "write": lambda api: api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}),
    "whole list": lambda api: list(api.list_raw(NODES, page=0)),
}
STREAMS = {
    "body": (HEAD + b"\r\n", BLOCK),
    "chunks": (CHUNKED, b"10000\r\n" + BLOCK + b"\r\n"),
    "one chunk without an end": (CHUNKED + b"FFFFFFFFFFF\r\n", BLOCK),
    "the length of a chunk": (CHUNKED, b"1" * len(BLOCK)),
    "a header": (HEAD + b"X: ", BLOCK),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "trailers": (CHUNKED + b"0\r\n", b"X: y\r\n" * 1000),
}


@pytest.mark.parametrize("read", READS)
def test_an_answer_that_does_not_end_is_given_up_at_its_limit(tmp_path: Path, low: None, read: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving(endless(*STREAMS["body"])) as server, pytest.raises(
        AnswerTooLarge, match=r"^The answer to .* is larger than 1 MiB; it was not read any further\.$"
    ):  # fmt: skip
        READS[read](server.api(tmp_path))

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < ROOM_KIB


@pytest.mark.parametrize("stream", STREAMS)
def test_wherever_it_does_not_end(tmp_path: Path, low: None, stream: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving(endless(*STREAMS[stream])) as server, pytest.raises(ApiError) as caught:
        server.api(tmp_path).list(NODES)

    assert isinstance(caught.value, AnswerTooLarge | TimedOut | Unreachable)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < ROOM_KIB


@pytest.mark.parametrize("read", READS)
def test_an_answer_that_drips_is_given_up_when_its_time_is_over(tmp_path: Path, read: str) -> None:
    with serving(dripping(HEAD + b"\r\n", b" ")) as server:
        began = time.monotonic()
        with pytest.raises(TimedOut, match=r"^The answer to .* took longer than 1 s\.$"):
            READS[read](server.api(tmp_path))

    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"", b"H"),
        (HEAD + b"X: ", b"y"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (CHUNKED, b"1"),
        (CHUNKED, b"1\r\n \r\n"),
    ],
)
def test_wherever_it_drips(tmp_path: Path, head: bytes, piece: bytes) -> None:
    with serving(dripping(head, piece)) as server:
        began = time.monotonic()
        with pytest.raises(ApiError):
            server.api(tmp_path).list(NODES)

    assert time.monotonic() - began < 6  # where it is no HTTP, what broke is tried four times


def test_a_length_that_is_only_promised_takes_no_memory(tmp_path: Path) -> None:
    with serving(endless(HEAD + b"Content-Length: 99999999999999999\r\n\r\n", b"")) as server, pytest.raises(
        AnswerTooLarge, match=r"larger than 64 MiB"
    ):  # fmt: skip
        server.api(tmp_path).list(NODES)


def test_a_packed_answer_is_not_unpacked(tmp_path: Path) -> None:
    whole = json.dumps({"kind": "NodeList", "metadata": {}, "items": []}).encode()
    packed = answer(gzip.compress(whole), Content_Encoding="gzip")
    with serving(in_turn(packed)) as server, pytest.raises(AnswerInvalid, match="something that is no JSON"):
        server.api(tmp_path).list(NODES)


def test_a_refusal_that_does_not_end_is_still_known_by_its_status(tmp_path: Path) -> None:
    with serving(endless(b"HTTP/1.1 429 Busy\r\nRetry-After: 9\r\n\r\n", BLOCK)) as server, pytest.raises(
        Overloaded, match="come back in 9 s"
    ):  # fmt: skip
        server.api(tmp_path).list(NODES)


def test_five_thousand_services_are_well_within_the_limits(tmp_path: Path) -> None:
    budgets.override({})
    numbers = count()

    def say(heard: Heard) -> bytes:
        page = next(numbers)
        items = [
            {"metadata": {"name": f"s{page}-{each}", "annotations": {"a": "x" * 8000}}} for each in range(500)
        ]
        token = str(page) if page < 9 else ""
        return answer({"kind": "ServiceList", "metadata": {"continue": token}, "items": items})

    with serving(say) as server:
        assert len(server.api(tmp_path).list(SERVICES)) == 5000


def test_a_log_is_asked_for_with_its_limit(tmp_path: Path) -> None:
    with serving(in_turn(answer(b"line\n"))) as server:
        server.api(tmp_path).logs("ns", "p", tail=200)

    assert f"limitBytes={bounds.LOG_BYTES}" in server.heard[0].target


def listed(*items: Any, **metadata: Any) -> bytes:
    return answer({"kind": "NodeList", "metadata": metadata, "items": list(items)})


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (answer(b"<!DOCTYPE html><html><title>Log in</title></html>"), "an HTML page"),
        (answer(b"\n  <html><body>proxy</body></html>"), "an HTML page"),
        (answer(b""), "something that is no JSON"),
        (answer(b"ok"), "something that is no JSON"),
        (answer(b'{"items": [{"metadata": {"na'), "something that is no JSON"),
        (answer(b"\xff\xfe\x00"), "something that is no JSON"),
        (answer(b"[" * 100_000 + b"]" * 100_000), "something that is no JSON"),
        (answer(b'{"a":' * 100_000), "something that is no JSON"),
        (answer(b'{"metadata": ' + b"9" * 5000 + b"}"), "something that is no JSON"),
        (answer(b'{"metadata": NaN}'), "something that is no JSON"),
        (answer(b'"\\ud800"'), "something that is no JSON"),
        (answer([]), "JSON that is no object"),
        (answer(None), "JSON that is no object"),
        (answer("text"), "JSON that is no object"),
        (answer({}), "an object that is no list"),
        (answer({"metadata": {}, "items": 5}), "an object that is no list"),
        (answer({"metadata": [], "items": []}), "an object that is no list"),
        (answer({"items": []}), "an object that is no list"),
        (listed(5), "a list whose item 1 is no object with a name"),
        (listed({"metadata": {"name": "n"}}, None), "a list whose item 2 is no object with a name"),
        (listed({}), "a list whose item 1 is no object with a name"),
        (listed({"metadata": "n"}), "a list whose item 1 is no object with a name"),
        (listed({"metadata": {"name": 5}}), "a list whose item 1 is no object with a name"),
        (listed(**{"continue": 5}), "a list whose 'continue' is no text"),
        (listed(**{"continue": ["t"]}), "a list whose 'continue' is no text"),
        (listed(resourceVersion={}), "a list whose 'resourceVersion' is no text"),
        (listed(**{"continue": "t"}), "the same page again: its list never ends"),
    ],
    ids=map(str, range(99)),
)
def test_a_success_that_is_none_is_told_with_what_was_asked_for(
    tmp_path: Path, said: bytes, found: str
) -> None:
    with serving(in_turn(said)) as server:
        address = server.address
        with pytest.raises(AnswerInvalid) as caught:
            server.api(tmp_path).list(NODES)

    assert str(caught.value) == (
        f"The API server at {address} answered to list nodes with {found}. "
        "Is a proxy or a login page in between?"
    )


def test_of_two_fields_of_one_name_the_last_one_counts_as_for_every_reader(tmp_path: Path) -> None:
    with serving(in_turn(answer(b'{"metadata": {"name": "a", "name": "b"}}'))) as server:
        assert server.api(tmp_path).get(NODES, "n")["metadata"]["name"] == "b"


PAGE = answer(b"<html>log in</html>")
ASKS: dict[str, Callable[[Api], Any]] = {
    "get": lambda api: api.get(NODES, "n"),
    "version": lambda api: api.version(),
    "uid": lambda api: api.uid(),
    "kind": lambda api: api.resource_for({"apiVersion": "example.org/v1", "kind": "Thing"}),
    "patch": lambda api: api.patch(NODES, "n", {}),
    "delete": lambda api: api.delete(NODES, "n"),
    "watch": lambda api: next(api.watch(NODES, stop=threading.Event())),
}


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize(
    "said", [PAGE, answer([1]), answer({"metadata": {"name": "n", "uid": 5}})], ids=["page", "list", "object"]
)
def test_every_reader_of_answers_refuses_what_is_none(tmp_path: Path, ask: str, said: bytes) -> None:
    if ask in {"get", "patch", "delete"} and b"uid" in said:
        said = answer(b"text")  # what the others refuse is an object to these
    with (
        serving(in_turn(said)) as server,
        pytest.raises(AnswerInvalid, match=r"^The API server at .* answered to "),
    ):
        ASKS[ask](server.api(tmp_path))


@pytest.mark.parametrize(
    "line",
    [
        b"<html>",
        b"5",
        b"{}",
        b'{"type": "ADDED"}',
        b'{"type": 5, "object": {}}',
        b'{"type": "ADDED", "object": []}',
        b'{"type": "ADDED", "object": {}}',
        b'{"type": "ADDED", "object": {"metadata": {"name": "a"}}}',
        b'{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": 5}}}',
        b"[" * 100_000,
    ],
)
def test_an_event_of_a_watch_that_is_none(tmp_path: Path, line: bytes) -> None:
    def say(heard: Heard) -> bytes:
        return answer(line + b"\n") if "watch=true" in heard.target else listed(resourceVersion="1")

    with serving(say) as server, pytest.raises(AnswerInvalid, match="answered to watch nodes with"):
        next(server.api(tmp_path).watch(NODES, stop=threading.Event()))


@pytest.mark.parametrize("code", ["5", 5, None, [], True])
def test_a_watch_that_ends_with_a_status_of_any_kind(tmp_path: Path, code: Any) -> None:
    event = {"type": "ERROR", "object": {"kind": "Status", "code": code, "details": [], "message": {"a": 1}}}

    def say(heard: Heard) -> bytes:
        return answer(event) if "watch=true" in heard.target else listed(resourceVersion="1")

    with serving(say) as server, pytest.raises(ServerFault, match=r"failed to watch nodes \(500\)"):
        next(server.api(tmp_path).watch(NODES, stop=threading.Event()))


def test_an_event_of_a_watch_that_does_not_end(tmp_path: Path, low: None) -> None:
    def say(heard: Heard) -> Answered:
        if "watch=true" not in heard.target:
            return listed(resourceVersion="1")
        return endless(*STREAMS["body"])(heard)

    with serving(say) as server, pytest.raises(AnswerTooLarge, match="The answer to watch nodes is larger"):
        next(server.api(tmp_path).watch(NODES, stop=threading.Event()))


def test_a_watch_goes_on_however_much_its_events_come_to(tmp_path: Path, low: None) -> None:
    def changes() -> Iterator[bytes]:
        yield HEAD + b"\r\n"
        for number in range(1, 41):
            metadata = {"name": f"a{number}", "uid": "u", "resourceVersion": str(number)}
            event = {"type": "ADDED", "object": {"metadata": metadata, "data": "x" * 100_000}}
            yield json.dumps(event).encode() + b"\n"

    def say(heard: Heard) -> bytes | Iterator[bytes]:
        return changes() if "watch=true" in heard.target else listed(resourceVersion="0")

    with serving(say) as server:
        stop = threading.Event()
        watch = server.api(tmp_path).watch(CONFIG_MAPS, stop=stop)
        assert [next(watch).object["metadata"]["name"] for _ in range(40)][-1] == "a40"
        stop.set()
        watch.close()


def test_a_list_of_ever_new_pages_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budgets.override({})
    monkeypatch.setattr(bounds, "LIST_PAGES", 20)
    numbers = count()
    with serving(lambda _: listed(**{"continue": str(next(numbers))})) as server, pytest.raises(
        AnswerTooLarge, match=r"The answer to list nodes has more than 256 MiB or 20 pages"
    ):  # fmt: skip
        server.api(tmp_path).list(NODES)


def test_a_list_whose_pages_come_slowly_ends(tmp_path: Path) -> None:
    numbers = count()

    def say(_: Heard) -> bytes:
        threading.Event().wait(0.2)
        return listed(**{"continue": str(next(numbers))})

    with serving(say) as server, pytest.raises(TimedOut, match="took longer than 1 s, page after page"):
        server.api(tmp_path).list(NODES)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_and_carries_the_login_nowhere(tmp_path: Path, code: int) -> None:
    with serving(in_turn(listed())) as elsewhere:
        with serving(in_turn(status(code, Location=f"{elsewhere.url}/login"))) as server, pytest.raises(
            AnswerInvalid, match=rf"with a redirect \({code}\) to {elsewhere.url}/login, which was not followed"
        ):  # fmt: skip
            server.api(tmp_path).list(NODES)
        assert elsewhere.heard == []


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"kind": "Status", "details": [], "reason": {}}', BLOCK, b""]
)
def test_a_refusal_may_hold_anything(tmp_path: Path, body: bytes) -> None:
    with serving(in_turn(answer(body, 500))) as server, pytest.raises(ApiError) as caught:
        server.api(tmp_path).list(NODES)

    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "said", [b"", b"\x00" * 99, b"HTTP/1.1 abc\r\n\r\n", b"HTTP/9 200\r\n\r\n", b"SSH-2.0-x\r\n"]
)
def test_what_is_no_http_is_told_as_a_broken_connection(tmp_path: Path, said: bytes) -> None:
    def say(_: Heard) -> Iterator[bytes]:
        yield said

    with serving(say) as server, pytest.raises(Unreachable, match="broke"):
        server.api(tmp_path).list(NODES)


@pytest.mark.parametrize(
    "date", [None, "soon", "Wed, 99 Oct 2026 07:28:07 GMT", "Wed, 21 Oct 99999 07:28:07 GMT"]
)
def test_a_clock_that_cannot_be_read(tmp_path: Path, date: str | None) -> None:
    headers = {"Date": date} if date else {}
    with (
        serving(in_turn(answer({}, **headers))) as server,
        pytest.raises(ApiError, match="does not tell its time"),
    ):
        server.api(tmp_path).clock_ahead()


def test_one_source_that_is_none_costs_an_observation_that_source_alone(tmp_path: Path, low: None) -> None:
    def say(heard: Heard) -> Answered:
        return (
            endless(*STREAMS["body"])(heard)
            if "services" in heard.target
            else listed({"metadata": {"name": "n"}})
        )

    with serving(say) as server:
        api = server.api(tmp_path)
        read = {
            res.plural: objects(
                "secrets", lambda res=res: api.list(res), dict, verb="list", resource=res.plural
            )
            for res in (SERVICES, NODES)
        }

    assert (read["services"].status, read["nodes"].status) == (Status.FAILED, Status.OK)
    assert (
        read["services"].detail
        == "The answer to list services is larger than 1 MiB; it was not read any further."
    )
