"""Text that a reader of Markdown, or of a chat, sees as that very text: nothing in it links, calls, hides or acts.

For CommonMark, and for what GitHub and GitLab make of a pull request or a job's summary besides. What those find in
the rendered text (addresses of pages and people, numbers of issues) no backslash stops: a character without width
parts it. Of a chat nobody knows which it is, and each has its own marks: Slack's and Google's `<!channel>` and
`<url|text>`, `@everyone` nearly everywhere, Markdown's links and images in Discord, Mattermost and Zulip.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from clusters.commands import PLACEHOLDER

_APART = "\u200b"
_SPECIAL = re.compile(r"[\\`*\[\]~|$]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
#: What begins a heading, a list, a quotation, a rule or a table, or underlines the line before.
_BLOCK = re.compile(r"(?P<number>\d{1,9})(?=[.)](?:\s|$))|(?=[-+=>#:])")
_FOUND_LATER = re.compile(r"(?P<before>@|www(?=\.)|:(?=//)|[#!&](?=\d)|GH(?=-\d))", re.IGNORECASE)
_BACKTICKS = re.compile(r"`+")
_CHAT_MARK = re.compile(
    rf"(?P<placeholder>{PLACEHOLDER.pattern})|(?P<mark><|!(?=\[)|\](?=[(\[:])|([|~*_`])(?=\3))"
)


def plain(text: str) -> str:
    """One line of text for a paragraph, a heading or a list item of Markdown."""
    line = " ".join(text.split())
    escaped = _SPECIAL.sub(r"\\\g<0>", line).replace("<", "&lt;")
    if begins := _BLOCK.match(escaped):
        escaped = f"{begins['number'] or ''}\\{escaped[begins.end() :]}"
    return _parted(escaped)


def code(text: str) -> str:
    """One line of text as code; nothing for none."""
    line = " ".join(text.split())
    fence = "`" * (_longest([line]) + 1)
    room = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{room}{line}{room}{fence}" if line else ""


def fenced(lines: Iterable[str], *, indent: str = "") -> Iterator[str]:
    """Lines to type as a block of code; a block's fence is longer than any in it."""
    shown = [" ".join(line.splitlines()) for line in lines]
    fence = "`" * max(3, _longest(shown) + 1)
    yield from (f"{indent}{line}" for line in (f"{fence}sh", *shown, fence))


def for_chat(text: str) -> str:
    """The text, to look the same in every chat and do nothing there."""
    return _CHAT_MARK.sub(lambda found: found["placeholder"] or f"{found['mark']}{_APART}", _parted(text))


def _parted(text: str) -> str:
    """The text without what becomes a link or a mention wherever it is found; it looks the same."""
    return _FOUND_LATER.sub(rf"\g<before>{_APART}", text)


def _longest(lines: Iterable[str]) -> int:
    return max((len(run) for line in lines for run in _BACKTICKS.findall(line)), default=0)
