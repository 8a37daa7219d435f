"""Following a collection: a first list, then every change, across the ends and faults that watches have."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Thread

import urllib3

from clusters import bounds, budgets
from clusters.api import errors
from clusters.api.answers import Asked, Refusal, error_for
from clusters.api.transport import Answer, Request, Transport
from clusters.objects import Object

#: The server ends a watch after this many seconds and it is resumed; it also bounds how long a connection
#: that died without a word goes unnoticed.
_ROUND = 60
#: What the server may take to end it, after which this side does.
_ROUND_ENDS = 10
_LOOKS_FOR_STOP = 0.1
_PAUSE = 0.5


@dataclass(frozen=True)
class WatchEvent:
    """One change: `type` is ADDED, MODIFIED or DELETED, `object` as it is then (or was last)."""

    type: str
    object: Object


@dataclass
class Watcher:
    """Yields what is there as ADDED, then each change once, until `stop` is set.

    When the position is lost (410 Gone) the collection is listed again and the difference to what was known
    is yielded, so that a consumer sees neither a gap nor a repetition. An API server that is away is tried
    again for the budget `api_back`.
    """

    transport: Transport
    asked: Asked
    query: dict[str, str]
    list_all: Callable[[], tuple[list[Object], str]]
    stop: Event
    _known: dict[tuple[str, str], Object] = field(default_factory=dict)
    _version: str = ""
    _away_since: float | None = None

    def events(self) -> Generator[WatchEvent, None, None]:
        """The changes; ends soon after `stop` is set. Errors other than those named above are raised."""
        while not self.stop.is_set():
            try:
                if not self._version:
                    yield from self._relist()
                    continue
                begun = time.monotonic()
                yield from self._round()
                self._away_since = None
                if time.monotonic() - begun < _PAUSE:
                    self.stop.wait(_PAUSE)  # one that ends every watch at once is not asked without a pause
            except errors.Expired:
                self._version = ""
            except (errors.Unreachable, errors.TimedOut, errors.Overloaded, errors.ServerFault) as fault:
                self._bear(fault)

    def _bear(self, fault: errors.ApiError) -> None:
        """Let an absence of the API server pass, unless it lasts."""
        now = time.monotonic()
        self._away_since = self._away_since or now
        pause = max(_PAUSE, fault.retry_after if isinstance(fault, errors.Overloaded) else 0.0)
        if now + pause - self._away_since > budgets.get(budgets.API_BACK).within:
            raise fault
        self.stop.wait(pause)

    def _relist(self) -> Iterator[WatchEvent]:
        objects, self._version = self.list_all()
        if not self._version:
            self.transport.reader.refuse(self.asked, "a list that has no resourceVersion")
        present = {_key(item): item for item in objects}
        for key in [key for key in self._known if key not in present]:
            yield WatchEvent("DELETED", self._known.pop(key))
        for key, item in present.items():
            yield from self._seen(key, item)

    def _seen(self, key: tuple[str, str], item: Object) -> Iterator[WatchEvent]:
        """The events that lead from what is known of one object to `item`."""
        before = self._known.get(key)
        self._known[key] = item
        if before is None:
            yield WatchEvent("ADDED", item)
        elif before["metadata"]["uid"] != item["metadata"]["uid"]:
            yield WatchEvent("DELETED", before)
            yield WatchEvent("ADDED", item)
        elif before["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            yield WatchEvent("MODIFIED", item)

    def _round(self) -> Iterator[WatchEvent]:
        """One watch request, from the last version seen to its end."""
        query = {
            **self.query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_ROUND),
            "resourceVersion": self._version,
        }
        within = _ROUND + _ROUND_ENDS
        request = Request(
            asked=self.asked, query=query, read_timeout=within, within=within, limit=bounds.EVENT_BYTES
        )
        answer = self.transport.open(request)
        done = Event()
        guard = Thread(target=self._interrupt, args=(answer.response, done), name="watch-stop", daemon=True)
        guard.start()
        try:
            for line in _lines(answer, self.transport):
                yield from self._take(line)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if not self.stop.is_set():
                raise errors.Unreachable(
                    f"The watch at {self.transport.endpoint} broke off: {error}."
                ) from error
        finally:
            done.set()
            guard.join()
            answer.close()

    def _interrupt(self, response: urllib3.BaseHTTPResponse, done: Event) -> None:
        """Wake the reader when `stop` is set; a blocked read notices nothing else."""
        while not done.wait(_LOOKS_FOR_STOP):
            if self.stop.is_set():
                with suppress(OSError, ValueError, RuntimeError):  # the answer may end at the same moment
                    response.shutdown()
                return

    def _take(self, line: bytes) -> Iterator[WatchEvent]:
        kind, item = self.transport.reader.change(line, self.asked)
        if kind == "ERROR":
            code = item.get("code")
            status = Refusal.of(code if isinstance(code, int) and code >= 400 else 500, item)
            raise error_for(self.asked, status)
        self._version = item["metadata"]["resourceVersion"]
        if kind == "DELETED":
            self._known.pop(_key(item), None)
            yield WatchEvent("DELETED", item)
        elif kind in {"ADDED", "MODIFIED"}:
            yield from self._seen(_key(item), item)


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _lines(answer: Answer, transport: Transport) -> Iterator[bytes]:
    """Whole lines of a stream that arrives in pieces of any size."""
    rest = b""
    while piece := answer.piece():
        transport.stats.add("watch", len(piece), calls=0)
        *whole, rest = (rest + piece).split(b"\n")
        if whole:
            answer.meter.refill()
        yield from (line for line in whole if line.strip())
    if rest.strip():
        yield rest
