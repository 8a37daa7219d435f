"""What comes out of an agent's pipe: its messages, and before them whatever else the host says to who logs in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from clusters import bounds
from clusters.json_text import NotJson, parsed

Message = dict[str, Any]
#: What has to be in a message by its event; all else of it is read by whoever began the task.
_FIELDS: dict[str, dict[str, type]] = {"reply": {"value": object}, "failed": {"error": str, "errno": object}}
_HELLO: dict[str, type] = {"pid": int, "python": str, "packets": str}
#: As much is shown of what a host says.
_SHOWN = 120


class Messages:
    """Reads them, with bounds. What ended the reading too early is in `fault`, as the end of a sentence, else ""."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._greeting = b""
        self.fault = ""

    @property
    def greeting(self) -> str:
        """What was said before the agent's first word, on one line and shortened."""
        text = " ".join(self._greeting.decode("utf-8", "replace").split())
        shown = "".join(each if each.isprintable() else "\ufffd" for each in text[:_SHOWN])
        return shown + ("…" if len(text) > _SHOWN else "")

    def __iter__(self) -> Iterator[Message]:
        greeted = 0
        met = False
        while line := self._pipe.readline(bounds.MESSAGE_BYTES if met else bounds.GREETING_BYTES):
            message = _message(line)
            if message is not None and (met or _is_hello(message)):
                met = True
                yield message
            elif met:
                self.fault = (
                    f"it sent what is no message: {line[:_SHOWN].decode('utf-8', 'replace').strip()!r}"
                )
                return
            else:
                self._greeting += line[:_SHOWN]
                self._greeting = self._greeting[: 4 * _SHOWN]
                greeted += len(line)
                if greeted >= bounds.GREETING_BYTES:
                    most = bounds.GREETING_BYTES // bounds.MIB
                    self.fault = f"it says more than {most} MiB before an agent's first word"
                    return


def _message(line: bytes) -> Message | None:
    """A line as a message of an agent, None where it is none."""
    if not line.startswith(b"{"):
        return None
    try:
        found = parsed(line)
    except NotJson:
        return None
    fits = type(found.get("id")) is int and isinstance(found.get("event"), str)
    return found if fits and _has(found, _FIELDS.get(found["event"], {})) else None


def _is_hello(message: Message) -> bool:
    return message["id"] == 0 and message["event"] == "hello" and _has(message, _HELLO)


def _has(message: Message, wanted: dict[str, type]) -> bool:
    return all(name in message and isinstance(message[name], kind) for name, kind in wanted.items())
